"""Faults planted by rule: each takes a true sentence of a document and makes it say what the document does not."""

from __future__ import annotations

import random
import re

from tests.proof.cases import PRONOUN, Case, Source, company, fault, shuffled, stands_in
from tests.proof.passages import Passage, passages
from tests.proof.truths import MONTHS, NOTE
from tests.proof.words import (
    AUXILIARIES,
    BODIES,
    COUNTRIES,
    CURRENCIES,
    DETAILS,
    FIRST_NAMES,
    INTENSIFIERS,
    KNOWN_SURNAMES,
    NEW_ACRONYMS,
    NEW_BODIES,
    NEW_COUNTRIES,
    NEW_NAMES,
    NEW_TOWNS,
    NO_NAMES,
    NUMBER_WORDS,
    OPPOSITES,
    OTHER_WORDS,
    SURNAMES,
    TITLES,
    TOWNS,
    UMBRELLAS,
    UNITS,
    WIDER,
)

FIGURE = re.compile(
    r"(?<![\w.,/:#§[-])(?P<sign>[$£€]?)(?P<digits>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)(?=(?:%| |-[a-z]|[,.;)](?:\s|$)))"
)
# What makes figures behind it a name or a date, no amount.
NO_AMOUNT = re.compile(
    rf"(?:{MONTHS}|FY|fiscal year|Section|Goal|Objective|Strategy|Title|Part|Chapter|No\.|Order|Table|Figure|Action"
    r"|Class|Form|Runway|runway|Interstate|Highway|Route|Article|Appendix|Phase|Level|Flight|World War|Euro|[A-Z]{2,}"
    r"|Act of|heading of|heading|Goals|Strategies|Office|Microsoft|Windows|chapter)[ -]$"
)
AT_LEAST = re.compile(r"(?:more than|over|at least|exceed\w*|above|minimum of|greater than|well over) [$£€]?$", re.I)
AT_MOST = re.compile(
    r"(?:less than|under|up to|at most|fewer than|within|below|maximum of|as few as|no more than) [$£€]?$", re.I
)
YEAR = re.compile(
    rf"(?:\b(?:in|by|since|until|from|before|after|of|and|to|through|early|late|FY|year|the|{MONTHS})|\d,) "
    r"(1[0-9]\d\d|20[0-4]\d)(?=s?(?:[,.;)](?:\s|$)| (?!times|kelvin|mln|people|men)|$))",
    re.I,
)
MONTH = re.compile(rf"\b({MONTHS})\b(?= \d)")
DAY = re.compile(rf"\b(?:{MONTHS}) (\d{{1,2}})\b(?!\d)")
CENTURY = re.compile(r"\b(\d\d?)th(?=(?:-| )centur)")
AFTERWARDS = re.compile(rf" (?:U\.S\.C|of the Act|{MONTHS})")
NAME = re.compile(r"(?<![.!?\w] )(?<!^)\b(?:[A-Z][\w’'łóńąęśżź]+)(?: [A-Z][\w’'łóńąęśżź]+)*")
MEASURES = [
    re.compile(rf"(?<![\w.$-])(\d+(?:\.\d+)?)(?={unit}\b)")
    for unit in (
        "%| percent",
        " feet",
        " miles",
        " million",
        " billion",
        " km",
        " hours",
        " years",
        " people",
        " pages",
    )
]
SMALL = frozenset("a an the of to in on at by for and or with from as is are was were be its their this that".split())
SUBJECT = re.compile(
    r"^(?P<subject>(?:The |A |An )?[A-Z]?[\w’' -]{2,45}?) "
    r"(?P<verb>is|are|was|were|has|have|had|can|must|became|began|made|gave|took|won|led|arrived|stated|reported)\b "
    r"(?P<rest>.+)$"
)
WORD = re.compile(r"[A-Za-z]{4,}")


def number(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    places = [found for found in FIGURE.finditer(text) if _is_amount(found, text)]
    words = [found for found in re.finditer(r"\b[a-z]+\b", text) if found[0] in NUMBER_WORDS]
    for found in shuffled([*places, *words], dice):
        new = _other_figure(found, text, source.passage, dice)
        if new:
            return fault("number", source, _put(text, found, new), f"{found[0]} -> {new}", "number")
    return None


def _is_amount(found: re.Match[str], text: str) -> bool:
    digits = found["digits"]
    is_year = not found["sign"] and re.fullmatch(r"1[0-9]\d\d|20\d\d", digits) is not None
    is_named = NO_AMOUNT.search(text[: found.start()]) or AFTERWARDS.match(text[found.end() :])
    return not is_year and not is_named


def _other_figure(found: re.Match[str], text: str, passage: Passage, dice: random.Random) -> str | None:
    before = text[: found.start()]
    ways = [0.4, 0.7, 1.5, 2.0, 3.0, 10.0]
    if AT_LEAST.search(before):
        ways = [way for way in ways if way > 1]
    elif AT_MOST.search(before):
        ways = [way for way in ways if way < 1]
    for way in shuffled(ways, dice):
        new = _scaled(found, way)
        bare = new.lstrip("$£€")
        if re.match("%| percent", text[found.end() :]) and bare[0].isdigit() and float(bare.replace(",", "")) > 100:
            continue
        if new != found[0] and not stands_in(bare, passage) and not stands_in(bare.replace(",", ""), passage):
            return new
    return None


def _scaled(found: re.Match[str], way: float) -> str:
    old = found[0]
    if old in NUMBER_WORDS:
        step = {0.4: -3, 0.7: -1, 1.5: 1, 2.0: 2, 3.0: 3, 10.0: 5}[way]
        place = NUMBER_WORDS.index(old) + step
        return NUMBER_WORDS[place] if 0 <= place < len(NUMBER_WORDS) else old
    digits = found["digits"].replace(",", "")
    if "." in digits:
        new = f"{float(digits) * way:.{len(digits.partition('.')[2])}f}"
    else:
        whole = max(2, round(int(digits) * way))
        new = f"{whole:,}" if "," in found["digits"] else str(whole)
    return found["sign"] + new


def unit(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    amount = rf"(?:\d[\d,.]*|\b(?:{'|'.join(NUMBER_WORDS)}|several|few))"
    names = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
    found_units = list(re.finditer(rf"({amount}[ -])({names})(?![\w])", text))
    found_signs = list(re.finditer(r"(?<!\w)()([$£€])(?=\d)", text))
    for found in shuffled([*found_units, *found_signs], dice):
        new = dice.choice(UNITS.get(found[2]) or CURRENCIES[found[2]])
        if "decade" in new and found[1].strip(" -").isdigit() and len(found[1]) > 4:
            continue
        if not stands_in(new, source.passage) and f"{found[1]}{new}" not in source.passage.text:
            changed = f"{found[0]} -> {found[1]}{new}"
            return fault("unit", source, text[: found.start(2)] + new + text[found.end(2) :], changed, "unit, number")
    return None


def date(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    found_all = [found for pattern in (YEAR, YEAR, MONTH, DAY, CENTURY) for found in pattern.finditer(text)]
    for found in shuffled(found_all, dice):
        new = _other_date(found[1], text[: found.start(1)], dice)
        if new and new != found[1] and not stands_in(new, source.passage):
            said = text[: found.start(1)] + new + text[found.end(1) :]
            return fault("date", source, said, f"{found[1]} -> {new}", "date")
    return None


def _other_date(old: str, before: str, dice: random.Random) -> str | None:
    if not old.isdigit():
        return dice.choice([month for month in MONTHS.split("|") if month != old])
    if len(old) <= 2:
        return str((int(old) + dice.choice([3, 5, 8, 11])) % 27 + 1)
    steps = [-10, -7, -4, -2, -1, 1, 2, 3, 6, 10]
    if re.search(r"\b(by|until|before|than|through)( FY| fiscal year)? $", before, re.I):
        steps = [step for step in steps if step < 0]
    if re.search(r"\b(since|after|from)( FY| fiscal year)? $", before, re.I):
        steps = [step for step in steps if step > 0] if re.search(r"after( \w+)? $", before) else [-10, -7, -4, -2]
        steps = [-step for step in steps] if re.search(r"after $", before) else steps
    return str(int(old) + dice.choice(steps))


def name(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    found_all = list(NAME.finditer(text))
    acronyms = re.finditer(r"(?<!\()\b[A-Z]{3,5}\b(?!\))", text) if dice.random() < 0.3 else ()
    for found in [*shuffled(found_all, dice), *shuffled(acronyms, dice)]:
        new = _other_name(found[0], text[: found.start()], dice)
        if new and not any(stands_in(part, source.passage) for part in re.findall(r"\w{4,}|[A-Z]{3,}", new)):
            if found[0].rstrip("’'s") in text[: found.start()] + text[found.end() :]:
                continue
            return fault("name", source, _put(text, found, new), f"{found[0]} -> {new}", "name")
    return None


def _other_name(old: str, before: str, dice: random.Random) -> str | None:
    words = old.split()
    if old in BODIES:
        return dice.choice(NEW_ACRONYMS)
    if old in KNOWN_SURNAMES:
        return dice.choice(SURNAMES)
    if any(word in NO_NAMES for word in words) and words[0] not in TITLES:
        return None
    if len(words) == 1 and old in COUNTRIES:
        return dice.choice(NEW_COUNTRIES)
    if len(words) == 1 and old in TOWNS:
        return dice.choice(NEW_TOWNS)
    if words[0] in TITLES and len(words) > 1:
        return " ".join([words[0], *dice.choice(NEW_NAMES).split()])
    if words[0] in FIRST_NAMES and len(words) == 2:
        return dice.choice(NEW_NAMES) if dice.random() < 0.5 else f"{words[0]} {dice.choice(SURNAMES)}"
    if (
        len(words) > 2
        and re.search(r"\bthe $", before)
        and re.search(r"Office|Bureau|Admin|Agency|Institute|Board", old)
    ):
        return dice.choice(NEW_BODIES)
    return None


def negation(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    for way in shuffled([_denied, _denied, _affirmed, _affirmed, _opposite, _opposite, _refused], dice):
        made = way(text, dice)
        if made:
            return fault("negation", source, made[0], made[1], "negation")
    return None


def _denied(text: str, dice: random.Random) -> tuple[str, str] | None:
    found = re.search(
        rf"(?<!There )\b({'|'.join(AUXILIARIES)}) (?!also|however|therefore|so|that|then|all)(?=[a-z])", text
    )
    if not found or re.search(r"\b(not|never|no|nor|neither|only|whether|without|if|unless|except)\b", text):
        return None
    if re.search(r"\b(that|which|who|what|how|as)\b[^,]*$", text[: found.start()]) or found[1] in ("may", "must"):
        return None
    if found[1] in ("has", "have", "had") and not re.match(r"(been|\w+ed)\b", text[found.end() :]):
        return None
    word = "never " if found[1] in ("has", "have", "had") and dice.random() < 0.4 else "not "
    return text[: found.end()] + word + text[found.end() :], f"{found[1]} {word.strip()}"


def _affirmed(text: str, dice: random.Random) -> tuple[str, str] | None:
    if re.search(r"not (only|just|merely|limited|necessarily|yet|all|every)", text):
        return None
    ways = [
        (r"\b(will|is|are|was|were|can|has|have|had|could|should|would|must|may) not\b", r"\1"),
        (r"\bcannot\b", "can"),
        (r"\bdid not ([a-z]+)\b", r"did \1"),
        (r"\bdo not ([a-z]+)\b", r"do \1"),
        (r"\bdoes not ([a-z]+)\b", r"does \1"),
        (r"\bnever (?=[a-z]+ed\b)", ""),
        (r"\bno (?=[a-z]+ (?:was|were|is|are)\b)", "some "),
        (r"\bThere (was|were|is|are) no\b", r"There \1"),
        (r"\bwithout\b", "with"),
        (r"\bunable to\b", "able to"),
    ]
    for pattern, into in ways:
        said, count = re.subn(pattern, into, text, count=1)
        if count:
            return said, f"{pattern} dropped"
    return None


def _opposite(text: str, dice: random.Random) -> tuple[str, str] | None:
    if re.search(r"\b(not|never|no|without)\b", text):
        return None
    for found in shuffled(re.finditer(r"(?<!-)\b[a-z]+\b(?!-)", text), dice):
        new = OPPOSITES.get(found[0])
        if found[0] == "with" and dice.random() < 0.7:
            continue
        if new and new.split()[0] not in text and text[: found.start()].split()[-1:] != ["to be"]:
            return _put(text, found, new), f"{found[0]} -> {new}"
    return None


def _refused(text: str, dice: random.Random) -> tuple[str, str] | None:
    """Another verb in front: what was done is now declined."""
    found = re.search(r"\b(will) (?=[a-z]{4,}\b)(?!not\b|have\b|also\b|only\b|never\b)", text)
    if not found or re.search(r"\b(not|never|no|that|which|who)\b", text[: found.end() + 30]):
        return None
    new = dice.choice(["declines to ", "will no longer ", "will stop short of efforts to "])
    return text[: found.start()] + new + text[found.end() :], f"will -> {new.strip()}"


def scope(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    for pattern, into in shuffled(WIDER, dice):
        found = re.search(pattern, text)
        if (
            not found
            or len(re.findall(pattern, text)) > 1
            or into.strip() in text
            or re.search(r"\b(not|never|no|unless|if)\b", text)
        ):
            continue
        return fault("scope", source, _put(text, found, into), f"{found[0]} -> {into}", "scope")
    return None


def quotation(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text).rstrip(".")
    words = text.split()
    if len(words) < 9 or re.search(r"[“”\"()]", text):
        return None
    first = dice.randrange(0, len(words) - 7)
    last = first + dice.randrange(5, 10)
    piece = words[first:last]
    for way in shuffled([_reworded, _reworded, _inserted, _turned], dice):
        new = way(piece, dice)
        if new and " ".join(new).lower() not in " ".join(source.passage.text.split()).lower():
            said = " ".join([*words[:first], f'"{" ".join(new)}"', *words[last:]]) + "."
            return fault("quotation", source, said, f"{' '.join(piece)} -> {' '.join(new)}", "quotation")
    return None


def _reworded(piece: list[str], dice: random.Random) -> list[str] | None:
    places = [place for place, word in enumerate(piece) if word in OTHER_WORDS]
    if not places:
        return None
    place = dice.choice(places)
    return [*piece[:place], OTHER_WORDS[piece[place]], *piece[place + 1 :]]


def _inserted(piece: list[str], dice: random.Random) -> list[str] | None:
    places = [place for place, word in enumerate(piece) if place and word.islower() and word not in SMALL]
    if not places:
        return None
    place = dice.choice(places)
    return [*piece[:place], dice.choice(INTENSIFIERS), *piece[place:]]


def _turned(piece: list[str], dice: random.Random) -> list[str] | None:
    for place in range(1, len(piece) - 1):
        left, right = piece[place - 1], piece[place + 1]
        if piece[place] in ("and", "or") and left.islower() and right.isalpha() and left not in SMALL:
            return [*piece[: place - 1], right, piece[place], left, *piece[place + 2 :]]
    return None


def swapped(source: Source, dice: random.Random) -> Case | None:
    """A true sentence that cites its neighbour: a passage of the same document, or of a report just like it."""
    return _swapped("swapped citation", source, dice)


def put_right(source: Source, dice: random.Random) -> Case | None:
    """The same with the right passage among those that were offered: it is flagged, or led to that one."""
    return _swapped("citation put right", source, dice)


def _swapped(kind: str, source: Source, dice: random.Random) -> Case | None:
    if PRONOUN.match(source.text):
        return None
    said = NOTE.sub("", source.text)
    own = source.passage
    near = [other for other in passages() if other != own and other.half == own.half and _is_near(other, own)]
    for other in shuffled(near, dice)[:12]:
        if len(other.text) > 500 and _covered(said, other) < 0.5:
            is_there = kind == "citation put right"
            beside = (own,) if is_there else tuple(one for one in company(other) if _covered(said, one) < 0.5)
            proof = ((1, source.start, source.end),) if is_there else ()
            any_of = frozenset(("no match", "number", "date", "name", "unit", "negation", "scope"))
            return Case(kind, said, (other,), beside, "", f"cites {other.document} p{other.page}", proof, any_of)
    return None


def _is_near(other: Passage, own: Passage) -> bool:
    if own.document[:1].isdigit() and own.document.endswith(".pdf"):  # One accident report for another.
        return other.document.endswith(".pdf") and other.document[:1].isdigit() and other.document != own.document
    return other.document == own.document


def _covered(said: str, other: Passage) -> float:
    held = {word[:5].lower() for word in WORD.findall(f"{other.around} {other.text}")}
    words = [word[:5].lower() for word in WORD.findall(said)]
    return sum(word in held for word in words) / max(1, len(words))


def added(source: Source, dice: random.Random) -> Case | None:
    """A true sentence with one more thing that nobody wrote."""
    if PRONOUN.match(source.text):
        return None
    text = NOTE.sub("", source.text).rstrip(".")
    for detail in shuffled(DETAILS, dice):
        words = [word for word in WORD.findall(detail) if len(word) > 5]
        if not any(stands_in(word, source.passage) for word in words):
            any_of = "no match, number, name, date, unit"
            return fault("added detail", source, f"{text}{detail}.", detail, any_of)
    return None


def merged(source: Source, dice: random.Random) -> Case | None:
    """Two facts of one passage tied together wrongly: the subject of one with what is said of the other, or values."""
    neighbours = _neighbours(source)
    for way in shuffled([_of_two_subjects, _values_across, _values_within, _names_across], dice):
        for other in shuffled(neighbours, dice):
            made = way(source, other)
            if made:
                proof = ((0, source.start, source.end), (0, other.start, other.end))
                cited = (source.passage,)
                return Case("merged facts", made[0], cited, company(source.passage), "", made[1], proof)
    return None


def _neighbours(source: Source) -> list[Source]:
    from tests.proof.cases import sources

    return [other for other in sources(source.passage.half) if other.passage == source.passage and other != source]


def _names_across(source: Source, other: Source) -> tuple[str, str] | None:
    """The other sentence's name in the place of ours."""
    text, its = NOTE.sub("", source.text), NOTE.sub("", other.text)
    for kind in (KNOWN_SURNAMES, COUNTRIES, BODIES - UMBRELLAS):
        ours = [found for found in re.finditer(r"\w+", text) if found[0] in kind]
        theirs = [found[0] for found in re.finditer(r"\w+", its) if found[0] in kind and found[0] not in text]
        if len(ours) == 1 and theirs and "(" not in text:
            return _put(text, ours[0], theirs[0]), f"{ours[0][0]} -> {theirs[0]}, of another sentence"
    return None


def _values_within(source: Source, _: Source) -> tuple[str, str] | None:
    """Two values of one sentence, each in the place of the other."""
    text = NOTE.sub("", source.text)
    for pattern in (YEAR, *MEASURES):
        found = list(pattern.finditer(text))
        if len(found) != 2 or found[0][1] == found[1][1]:
            continue
        (left, right), (one, two) = (first.span(1) for first in found), (first[1] for first in found)
        between = text[left[1] : right[0]]
        if len(between.split()) < 4 or "compared" in text or "while" in between:
            continue
        return text[: left[0]] + two + between + one + text[right[1] :], f"{one} and {two} change places"
    return None


def _of_two_subjects(source: Source, other: Source) -> tuple[str, str] | None:
    own, its = SUBJECT.match(NOTE.sub("", source.text)), SUBJECT.match(NOTE.sub("", other.text))
    if not own or not its or _form(own["verb"]) != _form(its["verb"]):
        return None
    if re.match("The (?:first|second|third)", own["subject"]):
        return None
    left, right = ({word[:5].lower() for word in WORD.findall(found["subject"])} for found in (own, its))
    if not left or not right or left & right or PRONOUN.match(source.text) or PRONOUN.match(other.text):
        return None
    if _may_be_one(own["subject"]) or _may_be_one(its["subject"]) or _covered(own["subject"], _only(its["rest"])) > 0:
        return None
    return f"{own['subject']} {its['verb']} {its['rest']}", f"{its['subject']} -> {own['subject']}"


def _form(verb: str) -> str:
    """What a verb agrees with: of the past, but for was and were, any subject will do."""
    return verb if verb in ("is", "are", "was", "were", "has", "have", "can", "must") else "past"


def _may_be_one(subject: str) -> bool:
    """A subject that may mean the same as another one of its passage, so that nothing would be wrong."""
    return bool(
        re.search(
            r"(?i)\b(the agency|department|epa|dhs|dol|dot|gsa|nara|doc|commerce|we|he|it|they|us|two|one|there)\b",
            subject,
        )
        or re.search(
            r"(?i)\b(effort|goal|strateg|initiative|program|work|approach|result|year|area|case|which|that)", subject
        )
        or re.match(
            r"(?:While|Although|How|Because|In|If|When|There|What|Where|As|Only|Since|During|After|On|At|By)\b", subject
        )
        or re.search(
            r"\b(?:and|this|these|service|solution|website|step|configuration|innovation|user|system)s?$", subject
        )
        or "," in subject
        or len(subject.split()) > 5
    )


def _only(text: str) -> Passage:
    return Passage("", 0, 0, text, "")


def _values_across(source: Source, other: Source) -> tuple[str, str] | None:
    """The other sentence's value of the same kind in the place of ours."""
    text, its = NOTE.sub("", source.text), NOTE.sub("", other.text)
    for pattern in (YEAR, *MEASURES):
        ours, theirs = list(pattern.finditer(text)), list(pattern.finditer(its))
        if len(ours) == 1 and theirs and not PRONOUN.match(text):
            new = next((found[1] for found in theirs if found[1] not in text), None)
            if new and not _bounded(text[: ours[0].start(1)]):
                said = text[: ours[0].start(1)] + new + text[ours[0].end(1) :]
                return said, f"{ours[0][1]} -> {new}, of another sentence"
    return None


def _bounded(before: str) -> bool:
    return bool(re.search(r"\b(by|since|after|before|until|from|than|over|least|to)( \w+)? $", before))


def _put(text: str, found: re.Match[str], new: str) -> str:
    return text[: found.start()] + new + text[found.end() :]
