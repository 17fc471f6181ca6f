"""The words a check knows: units, scales, months, and words that turn or narrow what is said. Pure data."""

from __future__ import annotations

# A family of units, and how many of its first one each is. Units of one family that are no multiples of each other,
# as two currencies, have factors a hair apart.
_UNITS = """
time 1 second seconds sec secs sekunde sekunden segundo segundos seconde secondes
time 60 minute minutes min mins minuten minuto minutos
time 3600 hour hours hr hrs h stunde stunden hora horas heure heures
time 86400 day days tag tage tagen día días dia dias jour jours
time 604800 week weeks wk wks woche wochen semana semanas semaine semaines
time 1209600 fortnight fortnights
time 2629800 month months monat monate monaten mes meses mois
time 7889400 quarter quarters quartal quartale quartalen
time 31557600 year years yr yrs jahr jahre jahren año años
time 315576000 decade decades jahrzehnt jahrzehnte
time 3155760000 century centuries jahrhundert jahrhunderte
length 0.001 mm millimetre millimetres millimeter millimeters
length 0.01 cm centimetre centimetres centimeter centimeters zentimeter
length 1 m metre metres meter meters metern metro metros mètre mètres
length 1000 km kilometre kilometres kilometer kilometers kilometern kilómetros
length 0.0254 inch inches
length 0.3048 foot feet ft
length 0.9144 yard yards yd
length 1609.344 mile miles mi
area 1 m² m2 sqm
area 10000 ha hectare hectares hektar
area 1000000 km² km2
area 4046.856 acre acres
weight 0.000001 mg milligram milligrams
weight 0.001 g gram grams gramm
weight 1 kg kilogram kilograms kilo kilos kilogramm
weight 1000 tonne tonnes tonnen
weight 907.18 ton tons
weight 0.453592 lb lbs
weight 0.0283495 oz ounce ounces
volume 0.001 ml millilitre millilitres milliliter milliliters
volume 1 l litre litres liter liters litros
volume 1000 m³ m3
volume 3.785412 gallon gallons gal
volume 158.987 barrel barrels
volume 1000000 megalitre megalitres
temperature 1 °c celsius
temperature 1.0001 °f fahrenheit
temperature 1.0002 kelvin
power 1 w watt watts
power 1000 kw kilowatt kilowatts
power 1000000 mw megawatt megawatts
power 1000000000 gw gigawatt gigawatts
power 745.7 hp horsepower
energy 1 kwh
energy 1000 mwh
energy 1000000 gwh
data 1 byte bytes
data 1000 kb
data 1000000 mb
data 1000000000 gb
data 1000000000000 tb
speed 1 km/h kph
speed 1.609344 mph
speed 1.852 knot knots kt kts
frequency 1 hz hertz
frequency 1000 khz
frequency 1000000 mhz
frequency 1000000000 ghz
turning 1 rpm
pressure 1 bar bars
pressure 0.0689476 psi
pressure 0.01 kpa
money 1 $ us$ usd dollar dollars
money 1.0001 € eur euro euros
money 1.0002 £ gbp pound pounds sterling
money 1.0003 ¥ jpy yen
money 1.0004 chf franc francs franken
money 1.0005 inr rupee rupees
money 1.0006 cny yuan
money 0.01 cent cents
money 0.010002 pence penny
share 1 % percent pct prozent
share 1.0001 percentage-point percentage-points pp prozentpunkt prozentpunkte
share 0.010001 basis-point basis-points bp bps
"""
UNITS = {
    name: (family, float(factor))
    for family, factor, *names in map(str.split, _UNITS.strip().splitlines())
    for name in names
}
APART = frozenset({"money", "share", "temperature"})  # Families whose units are not measured in each other.

_SCALES = """
1000 thousand k tausend
1000000 million millions m mn mio millionen millones
1000000000 billion billions bn b mrd milliarde milliarden
1000000000000 trillion trillions tn
12 dozen dutzend
100 hundred hundert
"""
SCALES = {name: float(factor) for factor, *names in map(str.split, _SCALES.strip().splitlines()) for name in names}

_SMALL = """
0 zero
1 one eins
2 two zwei
3 three drei
4 four vier
5 five fünf
6 six sechs
7 seven sieben
8 eight acht
9 nine neun
10 ten zehn
11 eleven elf
12 twelve zwölf
13 thirteen dreizehn
14 fourteen vierzehn
15 fifteen fünfzehn
16 sixteen sechzehn
17 seventeen siebzehn
18 eighteen achtzehn
19 nineteen neunzehn
20 zwanzig
"""
SMALL = {name: int(value) for value, *names in map(str.split, _SMALL.strip().splitlines()) for name in names}
TENS = {word: 10 * tens for tens, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
FRACTIONS = {
    name + plural: 1 / parts
    for name, parts in {"third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}.items()
    for plural in ("s", "")
} | {"half": 0.5}

_MONTHS = """
january jan januar enero janvier
february feb februar febrero février
march mar märz marzo mars
april apr abril avril
may mai mayo
june jun juni junio juin
july jul juli julio juillet
august aug agosto août
september sep sept septiembre septembre
october oct oktober okt octubre octobre
november nov noviembre novembre
december dec dezember dez diciembre décembre
"""
MONTHS = {name: number for number, names in enumerate(_MONTHS.split("\n")[1:-1], 1) for name in names.split()}

# What says that a figure is not meant exactly, just before it; of a bound the true figure lies on one side.
AT_LEAST = frozenset("over|above|more than|at least|just over|well over|exceeds|exceeding|über".split("|"))
AT_MOST = frozenset("under|below|less than|fewer than|up to|at most|just under|knapp".split("|"))
HEDGES = [
    *"about around roughly approximately approx. circa nearly almost some etwa rund ungefähr fast close-to".split(),
    *(bound.replace(" ", "-") for bound in (*AT_LEAST, *AT_MOST)),
]
BOUND = 1.25  # So far a round figure may lie from the one it bounds.
# What a figure behind it names rather than counts.
LABELS = (
    "section sections sec § §§ note notes figure fig table page pages pp no nr item part chapter article appendix step "
    "phase stage version level tier class type form room zone line route schedule annex clause paragraph number # "
    "abschnitt seite kapitel tabelle nummer"
).split()

# Turning: words that say that something is not so. The soft ones may, and are no fault by themselves.
NEGATIONS = frozenset(
    "not no never none neither nor cannot without nobody nothing nowhere n't nicht kein keine keinen keiner nie ohne "
    "sin nunca jamás pas jamais aucun aucune".split()
)
SOFT_NEGATIONS = frozenset(
    "except excluding exclude excludes excluded unless unable deny denies denied refuse refuses refused waive waived "
    "lack lacks lacking fail fails failed stop stopped cease ceased prohibit prohibited prohibits forbid forbidden "
    "exempt free instead rather hardly rarely seldom barely unlike remove removes removed relieve relieved abolish "
    "abolished end ended avoid avoids avoided omit omits omitted decline declines declined prevent prevents prevented "
    "preventing block blocks blocked resist resists resisted absent absence zero nil few".split()
)
# What has such a word in it and turns nothing.
NO_NEGATION = (
    "not only|not just|not limited to|no later than|no more than|no less than|no fewer than|not more than|"
    "no other|not less than|not exceed|not exceeding|no longer than|whether or not|no.|if not"
).split("|")

# Pairs that cannot both hold of one thing.
_ANTONYMS = """
increase decrease|increase reduce|increased decreased|rise fall|rose fell|higher lower|more fewer|more less|grow shrink
above below|maximum minimum|most least|longest shortest|largest smallest|first last
include exclude|allow prohibit|allow forbid|permit prohibit|permitted prohibited|accept reject|accept refuse
approve reject|approve deny|open closed|start end|begin end|enter leave|import export|buy sell|borrow lend
mandatory optional|required optional|compulsory voluntary|public private|internal external|indoor outdoor
gain loss|profit loss|surplus deficit|improve worsen|strengthen weaken|success failure|succeed fail
north south|east west|upper lower|left right|hot cold|warm cool|wet dry|safe unsafe|legal illegal|valid invalid
domestic foreign|temporary permanent|fixed variable|full empty|add remove|enable disable|connect disconnect
upstream downstream|inbound outbound|day night|daytime nighttime|weekday weekend|morning evening
present absent|known unknown|direct indirect|active inactive|paid unpaid|likely unlikely|able unable
raise lower|expand contract|widen narrow|accelerate slow|lead lag|win lose|true false|positive negative
encourage discourage|appear disappear|agree disagree|employer employee|buyer seller|lender borrower
"""
ANTONYMS = frozenset(frozenset(pair.split()) for line in _ANTONYMS.strip().splitlines() for pair in line.split("|"))

# What turns a verb that follows, or a sentence, where the passage has nothing of the kind.
SHIRKING = (
    "decline|refuse|refrain|stop short|short of|fail|cease|avoid|neglect|omit|leave out|rule out|abandon|reject|deny|"
    "prevent|hesitate|opt out|no longer|far from|instead of|rather than|anything but|hardly|barely|scarcely"
).split("|")
TURNING_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "de")

# What points one way, and what the other; of one thing at most one side holds.
_POLES = """
increase raise rise grow expand gain boost climb enlarge / decrease reduce lower fall shrink drop cut decline
strong robust powerful / weak feeble fragile powerless
enhance improve strengthen better upgrade / impair worsen weaken worse degrade undermine damage harm
support favour favor endorse back advocate / oppose resist contest undermine
promote encourage foster advance facilitate help enable assist / hinder discourage hamper impede obstruct prevent block
large larger largest big bigger great greater greatest major / small smaller smallest little minor less lesser least
high higher highest tall upper top / low lower lowest short bottom
many more most / few fewer fewest less least
dangerous hazardous harmful unsafe toxic / harmless safe benign
enter arrive come join / leave left depart exit go quit
win won gain gained / lose lost forfeit
include contain cover comprise / exclude omit
allow permit authorise authorize let enable / forbid prohibit ban bar prevent
accept approve adopt grant / reject refuse deny decline veto
begin start open launch commence / end finish close stop cease conclude terminate
create build establish found make / destroy demolish abolish dissolve dismantle
early earlier earliest / late later latest
before prior preceding / after following subsequent
old older oldest ancient / new newer newest young younger modern recent
fast faster rapid quick quickly rapidly / slow slower slowly gradual gradually
accelerate hasten speed / slow delay postpone
easy simple easier / hard difficult complex harder complicated
good best positive favourable favorable beneficial / bad worst negative adverse unfavourable unfavorable detrimental
success succeed successful / failure fail unsuccessful
protect defend preserve save / attack endanger expose threaten
rich wealthy prosperous / poor
hot warm heat / cold cool
buy purchase acquire / sell
import / export
internal domestic inside inner / external foreign outside outer
permanent lasting / temporary brief
public / private
mandatory compulsory required obligatory / optional voluntary
common frequent often usual / rare seldom uncommon unusual
rarely seldom / often frequently usually
always / never
first / last
maximum most / minimum least
near close / far distant remote
north northern / south southern
east eastern / west western
left / right
upstream / downstream
war / peace
victory / defeat
add insert / remove subtract delete
present / absent
true correct right accurate / false wrong incorrect inaccurate
wide wider broad widen broaden / narrow narrower
long longer longest / short shorter shortest
thick heavy heavier / thin light lighter
full / empty
wet / dry
rural / urban
offer give send provide / withhold withdraw take deny
profit surplus / loss deficit
upright / inverted
remember / forget
love like admire / hate dislike despise
agree / disagree
unite combine merge / separate split divide
attract / repel
ally friend / enemy foe rival opponent
confirm prove / refute disprove
mostly largely mainly / hardly barely scarcely
"""
POLES = tuple(tuple(side.split() for side in line.split(" / ")) for line in _POLES.strip().splitlines())

# What claims all, the certain or the exact, and what claims less; of use where one stands in the place of the other.
STRONG = (
    "all|every|each|always|must|only|exactly|precisely|exclusively|solely|entirely|wholly|completely|fully|totally|"
    "invariably|certainly|certain|definitely|guaranteed|guarantees|in every case|without exception|everyone|never|none|"
    "whole|entire|is bound to|are bound to"
).split("|")
WEAK = (
    "some|several|many|most|certain|a few|few|often|sometimes|usually|generally|typically|commonly|normally|frequently|"
    "occasionally|may|might|can|could|should|about|around|approximately|roughly|nearly|almost|over|under|up to|"
    "at least|at most|more than|less than|fewer than|close to|especially|particularly|primarily|mainly|mostly|largely|"
    "chiefly|in part|partly|partially|in particular|notably|likely|probably|possibly|perhaps|expected|variety of|"
    "various|a number of|a range of|a majority of|part of|such as|including|virtually|"
    "likely to|is likely to|are likely to|an estimated|estimated|selected|one of|among"
).split("|")

# What claims the whole or the certain, and beside it what claims a part or the possible.
SCOPES = tuple(
    (frozenset(strong.split()), frozenset(weak.split()))
    for strong, weak in (
        (
            "all every each any entire entirely whole wholly completely fully everyone everybody alle jeder jede ganz",
            "some certain several many most partly partially mainly mostly primarily selected manche einige meist",
        ),
        (
            "always never invariably constantly immer nie",
            "sometimes often usually generally typically occasionally normally frequently oft manchmal meistens",
        ),
        (
            "must only exactly solely exclusively certainly definitely guaranteed guarantees will muss nur",
            "may might could should possibly probably likely approximately about can kann können sollte etwa",
        ),
    )
)

# What is written short, as good as the full name.
_SHORTENED = """
CO2=carbon dioxide|CH4=methane|N2O=nitrous oxide|SO2=sulfur dioxide|H2O=water|Alabama=AL|Alaska=AK|Arizona=AZ
Arkansas=AR|California=CA|Colorado=CO|Connecticut=CT|Delaware=DE|Florida=FL|Georgia=GA|Hawaii=HI|Idaho=ID|Illinois=IL|Indiana=IN
Iowa=IA|Kansas=KS|Kentucky=KY|Louisiana=LA|Maine=ME|Maryland=MD|Massachusetts=MA|Michigan=MI|Minnesota=MN|Mississippi=MS
Missouri=MO|Montana=MT|Nebraska=NE|Nevada=NV|Ohio=OH|Oklahoma=OK|Oregon=OR|Pennsylvania=PA|Tennessee=TN|Texas=TX|Utah=UT
Vermont=VT|Virginia=VA|Washington=WA|Wisconsin=WI|Wyoming=WY
"""
SHORTENED = dict(pair.split("=") for line in _SHORTENED.strip().splitlines() for pair in line.split("|"))

# A country, its people and its money, where they have not even their first five letters in common.
_PEOPLES = """
switzerland swiss chf / france french / netherlands holland dutch / wales welsh / england english / spain spanish
denmark danish danes dane / poland polish poles pole / greece greek greeks / ireland irish / scotland scottish scots
turkey turkish turks / britain british uk gbp / america american us usa u.s usd / sweden swedish swedes sek
finland finnish finns / norway norwegian norse nok / china chinese cny prc / japan japanese jpy / germany german germans
iceland icelandic / portugal portuguese / hungary hungarian / czech czechia bohemia / belgium belgian / peru peruvian
thailand thai / philippines filipino / iraq iraqi / iran iranian persian / cyprus cypriot / malta maltese
lebanon lebanese / vietnam vietnamese / congo congolese / europe european eu eur / canada canadian cad / cuba cuban
"""
PEOPLES = {
    name: tuple(group.split())
    for line in _PEOPLES.strip().splitlines()
    for group in line.split(" / ")
    for name in group.split()
}
