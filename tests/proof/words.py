"""Word lists to plant faults with. They are this suite's own: nobody looked at those of `chat.verification`."""

from __future__ import annotations

NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty".split()

# unit -> what a careless writer puts in its place; none of them is worth the same.
UNITS = {
    "percent": ["percentage points", "basis points"],
    "million": ["billion", "thousand"],
    "billion": ["million", "trillion"],
    "trillion": ["billion"],
    "hours": ["minutes", "days"],
    "hour": ["minute", "day"],
    "minutes": ["hours", "seconds"],
    "days": ["weeks", "hours"],
    "day": ["week"],
    "weeks": ["months", "days"],
    "months": ["years", "weeks"],
    "years": ["months", "decades"],
    "year": ["month", "decade"],
    "year-old": ["month-old"],
    "decades": ["centuries", "years"],
    "centuries": ["decades"],
    "century": ["decade"],
    "miles": ["kilometers", "yards"],
    "mile": ["kilometer", "yard"],
    "nautical": ["statute"],
    "kilometers": ["miles", "meters"],
    "kilometres": ["miles", "metres"],
    "km": ["miles", "metres"],
    "metres": ["feet", "kilometres"],
    "meters": ["feet", "kilometers"],
    "feet": ["meters", "inches"],
    "foot": ["meter", "inch"],
    "inches": ["centimeters", "feet"],
    "inch": ["centimeter"],
    "knots": ["miles per hour"],
    "knot": ["mile-per-hour"],
    "mph": ["km/h"],
    "pounds": ["kilograms", "ounces"],
    "lbs": ["kg"],
    "tons": ["pounds", "kilograms"],
    "tonnes": ["kilograms"],
    "kg": ["pounds", "tonnes"],
    "gallons": ["liters", "barrels"],
    "gallon": ["liter"],
    "acres": ["square miles", "hectares"],
    "hp": ["kilowatts"],
    "horsepower": ["kilowatts"],
    "kW": ["MW", "horsepower"],
    "MW": ["kW", "GW"],
    "psi": ["bar"],
    "bar": ["psi"],
    "°C": ["°F"],
    "°F": ["°C"],
    "degrees": ["radians"],
    "dollars": ["euros", "cents"],
    "kbit/s": ["Mbit/s"],
    "caps": ["goals"],
    "goals": ["caps"],
}
CURRENCIES = {"$": ["€", "£"], "£": ["$", "€"], "€": ["$", "£"]}

FIRST_NAMES = frozenset(
    """William Robert Roger Henry Richard Edward John James Thomas Charles George Arthur Samuel Paul Peter Isaac Albert
    Donald Leonard Lawrence Larry Vint Craig Iwan Mike Michael David Daniel Frank Oliver Matthew Jonathan Galileo Louis
    Philip Geoffrey Baldwin Drogo Humphrey Edmund Harold Andrew Trevor Edwin Hugh Bruce Neville Marie Frederic Jerome
    Hero Denis Johann Ernst Max Niels Enrico Heinrich Jan Stefan Frances Kathryn Amy Satya Bryce Martin Steve Dean Mark
    Ian Kevin Gary Alex Stuart Darren Joe Ferdinand Oscar Ralph Simon Joseph Benjamin Janet Margaret Susan Mary Emma
    Anna Judith""".split()
)
NEW_NAMES = [
    *("Gerald Whitcombe", "Beatrice Halloran", "Klaus Ritter", "Yusuf Demirel", "Ingrid Solberg", "Tobias Fenwick"),
    *("Priya Raghavan", "Eleanor Pritchard", "Matteo Bellandi", "Desmond Achebe", "Caroline Vance", "Lucien Marchand"),
]
SURNAMES = "Whitcombe Halloran Ritter Demirel Solberg Fenwick Raghavan Pritchard Bellandi Vance Marchand Okafor".split()
TITLES = frozenset("King Queen Duke Count Emperor Pope Prince President Professor Mr. Mrs. Ms. Sir Lord Earl".split())
COUNTRIES = frozenset(
    """England France Germany Italy Spain Poland Russia Ireland Scotland Wales Denmark Iceland Norway Sweden Turkey
    Greece Bulgaria Albania Moldova Japan China India Mexico Canada Brazil Australia Finland Portugal Argentina Austria
    Hungary Belgium Sicily Normandy Byzantium Armenia Cyprus Antioch Syria Georgia Britain Switzerland Lithuania
    Ukraine Netherlands Europe Africa America Prussia Israel Egypt""".split()
)
NEW_COUNTRIES = "Bolivia Thailand Kenya Estonia Peru Malaysia Croatia Morocco Chile Slovenia Ghana Vietnam".split()
TOWNS = frozenset(
    """London Paris Rome Berlin Warsaw Kraków Krakow Moscow Vienna Norwich Huddersfield Walsall Gillingham Cambridge
    Oxford Manchester Birmingham Liverpool Newcastle Cornwall Washington Alaska Texas California Florida Alabama
    Georgia Oregon Nevada Colorado Virginia Maryland Boston Chicago Houston Denver Portland Atlanta Salerno Naples
    Palermo Edessa Constantinople Durazzo Jerusalem Hastings York Exeter Shrewsbury Gdańsk Łódź Praga Bangor Penydarren
    Wolverhampton Wimbledon Watford Ipswich Southampton Leeds""".split()
)
NEW_TOWNS = "Aberdeen Lisbon Toulouse Bremen Cleveland Tucson Spokane Ravenna Debrecen Plymouth Omaha Bologna".split()
# One word, and everybody knows whom it means.
KNOWN_SURNAMES = frozenset(
    """Watt Newcomen Savery Trevithick Stephenson Papin Murray Woolf Corliss Baran Davies Roberts Newton Einstein
    Galileo Aristotle Archimedes Coulomb Maxwell Koch Kleinrock Scantlebury Chopin Curie Guiscard Bohemond Rollo
    Komnenos Nadella Hood Bellamy Hughes Rush Saunders Larry Metchnikoff Faraday Heisenberg Philoponus Rankine Carnot
    Boulton Blücher Salamanca Watford Wulfstan Tancred Bolesław Sigismund Kordecki Walsh Regan Buttigieg Raimondo
    Tymnet Telenet Cyclades Merit""".split()
)
BODIES = frozenset(
    """EPA DHS DOL DOT GSA NARA DOC NOAA NIST NTIA ITA BIS EDA MBDA FHWA FTA FRA FAA FMCSA NHTSA OSHA MSHA EBSA WHD
    OFCCP VETS ETA BLS OLMS FEMA CBP ICE TSA USCG CISA FBI NATO USPTO PHMSA MARAD ILAB ODEP OWCP PBGC OMB DOD HUD
    FAS PBS NTSB OASP OCFO USCIS""".split()
)
UMBRELLAS = frozenset("EPA DHS DOL DOT GSA NARA DOC OMB TTS".split())  # What their offices do, they do.
NEW_ACRONYMS = "USDA NOAA FEMA NIST NASA OPM BLM USGS FCC FDA OECD UNICEF IAEA".split()
# The last word of a name tells its kind.
NEW_BY_HEAD = {
    "Act": ["Harbour Renewal Act", "Fair Lending Act", "Clean Orchards Act"],
    "University": ["Lund University", "Tampere University", "Rutherford University"],
    "Program": ["Bright Harbors Program", "Orchard Renewal Program", "Second Start Program"],
    "Initiative": ["Quiet Skies Initiative", "Green Wharf Initiative"],
    "Park": ["Marienlyst Park", "Kelvin Park"],
    "Palace": ["Rosendal Palace", "Belmont Palace"],
    "Castle": ["Hochburg Castle", "Lindholm Castle"],
    "Museum": ["Glass Museum", "Hartwell Museum"],
    "Theatre": ["Meridian Theatre", "Lantern Theatre"],
    "Church": ["Trinity Church", "St. Olave's Church"],
    "Railway": ["Severn Valley Railway", "Great Fen Railway"],
    "River": ["Danube River", "Oder River"],
    "War": ["Crimean War", "Boer War"],
    "Sea": ["Adriatic Sea", "Caspian Sea"],
    "Mountains": ["Pyrenees Mountains", "Ural Mountains"],
    "Town": ["Stoke Town", "Luton Town"],
    "City": ["Hull City", "Exeter City"],
    "United": ["Rotherham United", "Torquay United"],
    "Road": ["Elm Road", "Gresty Road"],
    "Plan": ["Meadowlands Plan", "Halden Plan"],
    "Framework": ["Riverton Framework", "Halden Framework"],
    "Service": ["Bureau of Rural Affairs", "National Harbour Board"],
    "Administration": ["Bureau of Rural Affairs", "Office of Tariff Review"],
    "Office": ["Office of Tariff Review"],
    "Bureau": ["Bureau of Rural Affairs"],
    "Agency": ["Agency for Inland Shipping"],
    "Institute": ["Institute of Public Statistics", "Centre for Applied Forestry"],
    "Board": ["National Harbour Board"],
    "Council": ["Council on Fair Pricing"],
    "Corporation": ["Halden Corporation", "Northgate Corporation"],
    "Foundation": ["Halden Foundation"],
    "Laboratory": ["Centre for Applied Forestry", "Institute of Public Statistics"],
    "Center": ["Centre for Applied Forestry"],
    "Company": ["Halden Corporation"],
    "Airport": ["Stansfield Airport", "Rosendal Airport"],
}
# Capitalised, and yet nobody's name.
NO_NAMES = frozenset(
    """The A An In On At By For To And Or Of As It This These Federal State States Nation Nations National Agency
    Department Goal Strategic Plan American Americans English French Norman Normans Tribal Tribes Native Internet
    January February March April May June July August September October November December Monday Tuesday Wednesday
    Thursday Friday Saturday Sunday Page Table Section North South East West Northern Southern Eastern Western
    President Secretary Administrator King Queen Duke Earl Count Emperor Pope City Fiscal Year FY Government Cloud
    I II III IV V Christian Christianity Latin Polish German Russian Jewish Catholic Roman Greek Turkish""".split()
)

# Verbs and adjectives turned round; each stands for itself and no other form.
OPPOSITES = {
    "increase": "decrease",
    "increased": "decreased",
    "increases": "decreases",
    "increasing": "decreasing",
    "reduce": "raise",
    "reduces": "raises",
    "reducing": "raising",
    "improve": "worsen",
    "improves": "worsens",
    "improving": "worsening",
    "strengthen": "weaken",
    "strengthening": "weakening",
    "expand": "shrink",
    "expanding": "shrinking",
    "expanded": "narrowed",
    "support": "oppose",
    "supports": "opposes",
    "allow": "forbid",
    "allows": "forbids",
    "allowed": "forbade",
    "encourage": "discourage",
    "encourages": "discourages",
    "protect": "endanger",
    "promote": "hinder",
    "promotes": "hinders",
    "accelerate": "slow",
    "before": "after",
    "after": "before",
    "higher": "lower",
    "lower": "higher",
    "larger": "smaller",
    "greater": "smaller",
    "won": "lost",
    "lost": "won",
    "include": "leave out",
    "includes": "leaves out",
    "accepted": "refused",
    "rejected": "accepted",
    "entered": "left",
    "joined": "left",
    "prevent": "cause",
    "prevents": "causes",
    "succeeded": "failed",
    "above": "below",
    "below": "above",
    "rose": "fell",
    "grew": "shrank",
    "decreased": "rose",
    "simple": "complicated",
    "strong": "weak",
    "early": "late",
    "dangerous": "harmless",
    "legal": "unlawful",
    "possible": "impossible",
    "external": "internal",
    "permanent": "temporary",
    "with": "without",
    "open": "closed",
    "safer": "riskier",
    "enhance": "impair",
    "ensure": "hinder",
    "remove": "keep",
    "minimize": "maximize",
    "easier": "harder",
    "successful": "unsuccessful",
    "positive": "negative",
    "active": "inactive",
}
AUXILIARIES = "will is are was were has have had can could should would may must did does".split()

# (what stands there, what is claimed instead): a claim too wide, too sure or too exact.
WIDER = [
    (r"\bsome of\b", "all of"),
    (r"\bmost of\b", "all of"),
    (r"\bmany of\b", "all of"),
    (r"\bsome (?=[a-z]+s\b)", "all "),
    (r"(?<!as )(?<!so )\bmany (?=[a-z]+s\b)", "all "),
    (r"(?<!the )\bmost (?=[a-z]+s\b)", "all "),
    (r"(?<!past )(?<!next )(?<!for )(?<!last )\bseveral (?=[a-z]+s\b)", "all "),
    (r"\bsometimes\b", "in every case"),
    (r"\boften\b", "invariably"),
    (r"\busually\b", "without exception"),
    (r"\bgenerally\b", "always"),
    (r"\btypically\b", "always"),
    (r"\bcommonly\b", "always"),
    (r"\bfrequently\b", "constantly"),
    (r"\bnormally\b", "always"),
    (r"\bprimarily\b", "exclusively"),
    (r"\bmainly\b", "solely"),
    (r"\bmostly\b", "entirely"),
    (r"\blargely\b", "completely"),
    (r"\bpartly\b", "wholly"),
    (r"\bpartially\b", "completely"),
    (r"\bnearly (?=[$\d])", "exactly "),
    (r"\balmost (?=[$\d])", "exactly "),
    (r"\bapproximately (?=[$\d])", "exactly "),
    (r"\babout (?=[$\d])", "precisely "),
    (r"\baround (?=[$\d])", "exactly "),
    (r"\bat least (?=[a-z$\d])", "exactly "),
    (r"\bup to (?=[$\d])", "exactly "),
    (r"\bmore than (?=[$\d])", "exactly "),
    (r"\bover (?=[$\d])", "exactly "),
    (r"\brarely\b", "never"),
    (r"\bmay (?=[a-z]+\b)", "must "),
    (r"\bmight (?=[a-z]+\b)", "must "),
    (r"\bcan (?!be\b)(?=[a-z]+\b)", "must always "),
    (r"\bcan be\b", "must be"),
    (r"\bcould (?=[a-z]+\b)", "will certainly "),
    (r"\bshould (?=[a-z]+\b)", "must under all circumstances "),
    (r"\blikely to\b", "certain to"),
    (r"\bin some cases\b", "in all cases"),
    (r"\bwhere appropriate\b", "everywhere"),
    (r"\bas appropriate\b", "in every instance"),
    (r"\bwhen possible\b", "without exception"),
    (r"\bin part\b", "entirely"),
    (r"\btend to\b", "always"),
    (r"\ba variety of\b", "every kind of"),
    (r"\ba number of\b", "all"),
    (r"\bespecially\b", "only"),
    (r"\bparticularly\b", "exclusively"),
]

# Another word for it: true perhaps, but not what is written, where marks promise the very words.
OTHER_WORDS = {
    "important": "crucial",
    "provide": "offer",
    "provides": "offers",
    "support": "assist",
    "ensure": "guarantee",
    "develop": "build",
    "improve": "upgrade",
    "increase": "boost",
    "reduce": "cut",
    "work": "labour",
    "large": "huge",
    "major": "serious",
    "began": "commenced",
    "received": "obtained",
    "used": "employed",
    "called": "dubbed",
    "made": "built",
    "known": "famous",
    "effective": "fruitful",
    "communities": "neighbourhoods",
    "services": "offerings",
    "information": "intelligence",
    "resources": "means",
    "public": "citizens'",
    "program": "scheme",
    "programs": "schemes",
    "pilot": "aviator",
    "airplane": "plane",
    "system": "apparatus",
    "force": "strength",
    "power": "might",
    "cells": "corpuscles",
    "team": "squad",
    "city": "town",
    "research": "inquiry",
    "workers": "labourers",
    "federal": "central",
    "critical": "vital",
    "efforts": "attempts",
    "new": "novel",
    "through": "by means of",
    "within": "inside",
    "process": "procedure",
    "including": "counting",
    "first": "foremost",
    "different": "diverse",
    "high": "lofty",
    "significant": "notable",
}
INTENSIFIERS = "deeply wholly gravely remarkably sorely plainly sadly urgently".split()

# What models add from nowhere. None of it needs a figure to be wrong.
DETAILS = [
    ", following a recommendation by outside auditors",
    ", at no extra cost to local households",
    ", after lengthy protests by shopkeepers",
    ", which a university study later confirmed",
    ", mostly because insurers insisted on it",
    ", and volunteers receive free training for it",
    ", although critics in the press called it wasteful",
    ", and a mobile app lets residents follow the progress",
    ", paid for by a levy on imported timber",
    ", as a court in Strasbourg had demanded",
    ", and similar schemes were copied in Scandinavia",
    ", with quarterly reviews by an ethics panel",
    ", which surprised most historians",
    ", after a pilot phase in three coastal towns",
    ", and the results are published every spring",
    ", largely owing to pressure from trade unions",
    ", saving around 14 percent of the budget",
    ", under a contract with a private laboratory",
    ", using satellite imagery bought from a vendor",
    ", and refunds are granted on written request",
    ", a method first tried in Antwerp harbour",
    ", because older equipment had repeatedly caught fire",
    ", and school children take part as well",
    ", despite heavy rain during the whole week",
]
