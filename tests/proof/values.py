"""Faults in what can be looked up: a number, a unit, a date or a name is another one."""

from __future__ import annotations

import random
import re

from tests.proof.cases import Case, Source, fault, put, shuffled, stands_in
from tests.proof.passages import Passage
from tests.proof.truths import MONTHS, NOTE
from tests.proof.words import (
    BODIES,
    COUNTRIES,
    CURRENCIES,
    FIRST_NAMES,
    KNOWN_SURNAMES,
    NEW_ACRONYMS,
    NEW_BY_HEAD,
    NEW_COUNTRIES,
    NEW_NAMES,
    NEW_TOWNS,
    NO_NAMES,
    NUMBER_WORDS,
    SURNAMES,
    TITLES,
    TOWNS,
    UNITS,
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
AFTERWARDS = re.compile(rf" (?:U\.S\.C|of the Act|{MONTHS})")
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
NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z]\w+(?: [A-Z]\w+)*")


def number(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    places = [found for found in FIGURE.finditer(text) if _is_amount(found, text)]
    words = [found for found in re.finditer(r"\b[a-z]+\b", text) if found[0] in NUMBER_WORDS]
    for found in shuffled([*places, *words], dice):
        new = _other_figure(found, text, source.passage, dice)
        if new:
            return fault("number", source, put(text, found, new), f"{found[0]} -> {new}", "number")
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
        is_decade = found[1].isdigit() and text[found.end(1) :].startswith("s")
        new = _other_date(found[1], text[: found.start(1)], dice, 10 if is_decade else 1)
        if new and new != found[1] and not stands_in(new, source.passage):
            said = text[: found.start(1)] + new + text[found.end(1) :]
            return fault("date", source, said, f"{found[1]} -> {new}", "date")
    return None


def _other_date(old: str, before: str, dice: random.Random, width: int) -> str | None:
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
    return str(int(old) + width * dice.choice(steps))


def name(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    found_all = [found for found in NAME.finditer(text) if found[0] not in BODIES]
    acronyms = re.finditer(r"(?<!\()\b[A-Z]{3,5}\b(?!\))", text) if dice.random() < 0.1 else ()
    for found in [*shuffled(found_all, dice), *shuffled(acronyms, dice)]:
        new = _other_name(found[0], dice)
        if new and not any(stands_in(part, source.passage) for part in re.findall(r"\w{4,}|[A-Z]{3,}", new)):
            if found[0].rstrip("’'s") in text[: found.start()] + text[found.end() :]:
                continue
            return fault("name", source, put(text, found, new), f"{found[0]} -> {new}", "name")
    return None


def _other_name(old: str, dice: random.Random) -> str | None:
    words = old.split()
    if old in BODIES:
        return dice.choice(NEW_ACRONYMS)
    if old in KNOWN_SURNAMES:
        return dice.choice(SURNAMES)
    if len(words) > 1 and words[-1] in NEW_BY_HEAD:
        return dice.choice(NEW_BY_HEAD[words[-1]])
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
    return None
