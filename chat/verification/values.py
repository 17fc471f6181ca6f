"""The numbers, amounts and dates of a text, so that 1,250 dollars is $1.25 thousand and 12/5/26 is 12 May 2026. Pure.

A figure is read in every way it may be meant: 1.250 is 1.25 and, where commas mark decimals, 1250. Two figures agree if
one reading of each does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product

from chat.verification.lexicon import (
    APART,
    AT_LEAST,
    AT_MOST,
    BOUND,
    FRACTIONS,
    HEDGES,
    LABELS,
    MONTHS,
    SCALES,
    SMALL,
    TENS,
    UNITS,
)


def _one_of(words: Iterable[str]) -> str:
    """As a piece of a pattern, the longest first; a dash stands for any space."""
    return "|".join(re.escape(word).replace(r"\-", r"\s+") for word in sorted(words, key=len, reverse=True))


MONTH, YEAR = _one_of(MONTHS), r"(?:1[5-9]\d\d|20\d\d|21\d\d)"
US_ZONE = r"(?:eastern|central|mountain|pacific)\s(?:standard|daylight)"
ZONE = rf"(?:utc|gmt|[ecmp][sd]t|{US_ZONE}|bst|cest|cet|zulu|local|hours|hrs)"
COUNTED = rf"(?:\s?%|[.,]\d|\s?-?\s?(?:{_one_of(set(UNITS) - set('$€£¥%°') - {'a', 'in'})}|people|pages?|{ZONE})(?!\w))"
IN_SCALE = re.compile(r"(?i)\bin (thousand|million|billion)s\b")
RANGE = re.compile(r"(?i)\s*(?:-|–|—|to|and|or|bis|und|oder|a|y)\s*[$€£]?")
CENTURIES = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth twenty-first"
).split()
# "19th century", also the first two of "the 10th, 12th and 13th centuries".
CENTURY = r"(?=(?:(?:,|\s+and|\s+or|\s+to|\s*[-–])\s*(?:the\s+)?[\w-]{4,14}){0,2}[\s-]centur)"
COMMON_WORDS = frozenset({"may", "march", "mar", "mars", "dec", "sep"})  # Months only with a capital.
CLOCK = re.compile(
    rf"(?ix)\b(?P<hour>[01]?\d|2[0-3])(?:[:.](?P<minute>[0-5]\d))?\s?(?P<half>a\.?m\b\.?|p\.?m\b\.?)"
    rf"|\b(?P<hour2>[01]?\d|2[0-3]):(?P<minute2>[0-5]\d)\b|\b(?P<hour3>[01]\d|2[0-3])(?P<minute3>[0-5]\d)\s(?:{ZONE})\b"
)
DATE = re.compile(
    rf"""(?ix)\b(?:
      (?P<iso>(?P<iy>{YEAR})-(?P<im>\d\d)-(?P<id>\d\d))
    | (?P<num>(?P<n1>\d{{1,2}})[./](?P<n2>\d{{1,2}})[./](?P<ny>\d{{4}}|\d\d)\b)
    | (?P<dmy>(?P<d1>\d{{1,2}})(?:st|nd|rd|th|\.|º)?\s+(?:of\s+|de\s+)?(?P<m1>{MONTH})\b\.?
        (?:,?\s+(?:de\s+)?(?P<y1>{YEAR})\b)?)
    | (?P<mdy>(?P<m2>{MONTH})\.?\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d|[.,]\d)(?:,?\s+(?P<y2>{YEAR})\b)?)
    | (?P<my>(?P<m3>{MONTH})\.?,?\s+(?:of\s+|de\s+)?(?P<y3>{YEAR})\b)
    | (?:FY|fiscal(?:\s+year)?)\s?['’]?(?P<y4>\d{{4}}|\d\d)\b
    | (?P<y5>{YEAR}|(?<=\bthe\ )(?:[5-9]|1[0-4])00)s\b
    | (?P<c>\d{{1,2}}(?:st|nd|rd|th)|{"|".join(CENTURIES)}){CENTURY}
    | (?P<y>{YEAR})\b(?!{COUNTED})
    )"""
)
NUMBER = re.compile(
    r"""(?x)(?P<sign>(?<![\w)])[-−–](?=[$€£]?\d))?
    (?P<before>US\$|[$€£¥]|\b(?:USD|EUR|GBP|CHF|JPY)\s?)?\s?
    (?P<digits>\d+(?:[.,'’\u00a0\u202f\ ]\d{3}(?!\d))*(?:[.,]\d+)?|[.,]\d+)
    (?:[\s-]?(?P<scale>thousand|tausend|millions?|millionen|millones|billions?|trillions?|milliarden?|hundred|dozen
        |bn|mn|mio|mrd|tn|[kKMB](?![\w²³/]))\b\.?)?
    (?:\s?-?\s?(?P<unit>percentage\s+points?|basis\s+points?|per\s+cent|°\s?[CF]\b|[%€£$¥]|[A-Za-zÀ-ÿ]+[²³]?(?:/[a-z]+)?))?"""
)
ONES = "one|two|three|four|five|six|seven|eight|nine"
WORDED = re.compile(
    rf"""(?ix)\b(?:(?P<tens>{_one_of(TENS)})(?:[-\s](?P<ones>{ONES})\b)?
    |(?P<small>{_one_of(SMALL)})|(?P<fraction>half|(?:an?|one|two|three|four)[-\s]+(?:{"|".join(FRACTIONS)})))\b
    (?:[\s-]+(?P<scale>hundred|thousand|million|billion|dozen)\b
       (?:\s+and\s+(?P<more>(?:{_one_of(TENS)})(?:[-\s](?:{ONES}))?|{_one_of(SMALL)})\b)?)?
    (?:[\s-]+(?:an?\s+)?(?P<unit>percentage\s+points?|basis\s+points?|per\s+cent|[A-Za-zÀ-ÿ]+))?"""
)
ORDINALS = CENTURIES[:12]
# "the third day"; no "two thirds", "per second", "third party", "third quarter", which is Q3
ORDINAL = re.compile(
    rf"(?i)(?<!\bper )(?<!\ba )(?<!\bone )(?<!\btwo )(?<![\w-])(?P<word>{'|'.join(ORDINALS)})"
    r"(?=[ ][a-z])(?![ ](?:part|quarter))"
)
NUMERAL = rf"(?:\d{{1,2}}|{'|'.join(SMALL)})"
RATIO = re.compile(rf"(?i)\b(?P<part>{NUMERAL})\s+(?:in|out\s+of)(?:\s+every)?\s+(?P<whole>{NUMERAL})\b(?![.,:]?\d)")
ALONE = re.compile(r"(?i)(?<!\d )\b(decade|century|fortnight)\b")
HEDGE = re.compile(rf"(?i)\b({_one_of(HEDGES)})\s+(?:[$€£]|US\$)?$")
LABEL = re.compile(rf"(?i)(?:\b|(?=[§#]))(?:{_one_of(LABELS)})\.?\s?$")


@dataclass(frozen=True)
class Amount:
    """A number with what it counts, by its family: ("time", 3600) is an hour."""

    start: int
    end: int
    readings: tuple[float, ...]  # Without the unit's factor.
    family: str = ""
    factor: float = 1.0
    digits: int = 0  # behind the decimal sign, after scaling: how exact it means to be
    scale: float = 1.0
    hedge: str = ""  # "about", "more than": what says that it is not meant exactly
    is_label: bool = False  # "section 4", "version 2": names something rather than counting
    is_worded: bool = False


@dataclass(frozen=True)
class Day:
    """A date, as far as it is told. `readings` are (year, month, day), where 0 is a part that is not told."""

    start: int
    end: int
    readings: tuple[tuple[int, int, int], ...]
    span: int = 1  # years: 10 for a decade, 100 for a century


def amounts(text: str) -> list[Amount]:
    """
    >>> [(a.readings, a.family) for a in amounts("It costs $1,250 or 4 per cent for six hours.")]
    [((1250.0, 1.25), 'money'), ((4.0,), 'share'), ((6.0,), 'time')]
    """
    whole = [*_clocks(text), *_ratios(text)]
    taken = [*((day.start, day.end) for day in days(text)), *((each.start, each.end) for each in whole)]
    found = [*_numerals(text), *_worded(text), *_ordinals(text)]
    kept = [each for each in found if not any(start < each.end and each.start < end for start, end in taken)]
    return _ranges(sorted([*whole, *kept], key=lambda each: each.start), text)


def amounts_shown(text: str) -> list[Amount]:
    """The amounts of a passage, with those that it has in a word: "the decade" bears out ten years."""
    words = [Amount(match.start(), match.end(), (1.0,), *UNITS[match[1].lower()]) for match in ALONE.finditer(text)]
    return sorted([*amounts(text), *words], key=lambda each: each.start)


def _ranges(found: list[Amount], text: str) -> list[Amount]:
    """Of "3 to 4.5 million dollars" the first figure means millions of dollars too."""
    for at, (one, other) in enumerate(pairwise(found)):
        if RANGE.fullmatch(text[one.end : other.start]) and one.scale == 1.0 and one.family in {"", other.family}:
            scaled = tuple(value * other.scale for value in one.readings) if other.scale != 1.0 else ()
            readings = (*one.readings, *scaled)
            found[at] = replace(one, readings=readings, family=other.family, factor=other.factor)
    return found


def in_heading_scale(found: Sequence[Amount], texts: Iterable[str]) -> list[Amount]:
    """The same figures, those without a scale also as millions where a text says "in millions" once for all.

    >>> [a.readings for a in in_heading_scale(amounts("$72,361"), ["($ in millions)"])]
    [(72361.0, 72.361, 72361000000.0)]
    """
    scales = [scale for text in texts for scale in _heading_scales(text)]
    if not scales:
        return list(found)
    return [
        replace(each, readings=(*each.readings, *(abs(each.readings[0]) * scale for scale in scales)))
        if each.scale == 1.0 and each.family in {"", "money"}
        else each
        for each in found
    ]


@lru_cache(maxsize=512)  # Each sentence of an answer asks for those of the same few passages.
def _heading_scales(text: str) -> tuple[float, ...]:
    return tuple(SCALES[match[1].lower()] for match in IN_SCALE.finditer(text))


def _clocks(text: str) -> Iterator[Amount]:
    """Times of day, in minutes; without a.m. or p.m. an hour up to twelve may be either."""
    for match in CLOCK.finditer(text):
        hour = int(match["hour"] or match["hour2"] or match["hour3"])
        minutes = hour % 12 * 60 + int(match["minute"] or match["minute2"] or match["minute3"] or 0)
        half = (match["half"] or "").lower()[:1]
        shifts = [720 * (half == "p")] if half else [0, 720] if hour <= 12 else [720]
        yield Amount(match.start(), match.end(), tuple(float(minutes + shift) for shift in shifts), "clock")


def _numerals(text: str) -> Iterator[Amount]:
    for match in NUMBER.finditer(text):
        start, end = match.span("digits")
        if text[max(0, start - 1) : start].isalpha() or re.match(r"[A-Za-z]\d|-?[A-Z]\d|[-/]\d{4,}", text[end:]):
            continue  # A code: A320, 3M5, 555-0199.
        sign = -1.0 if match["sign"] else 1.0
        scale = SCALES.get((match["scale"] or "").lower().rstrip("."), 1.0)
        family, factor, unit_end = _unit(match["before"] or match["unit"] or "", match)
        readings = tuple(dict.fromkeys(sign * value * scale for value in readings_of(match["digits"])))
        yield Amount(
            start,
            unit_end,
            readings,
            family,
            factor,
            digits=_decimals(match["digits"]),
            scale=scale,
            hedge=_hedge(text, start),
            is_label=bool(LABEL.search(text[max(0, start - 14) : start])),
        )


def _hedge(text: str, start: int) -> str:
    found = HEDGE.search(text[max(0, start - 16) : start])
    return " ".join(found[1].lower().split()) if found else ""


def readings_of(digits: str) -> list[float]:
    """
    >>> readings_of("1.250"), readings_of("1,250.5"), readings_of("12,5"), readings_of("1 000 000")
    ([1250.0, 1.25], [1250.5], [12.5], [1000000.0])
    """
    bare = re.sub(r"['’\u00a0\u202f ]", "", digits)
    signs = [letter for letter in bare if letter in ".,"]
    if not signs:
        return [float(bare)]
    last = max(bare.rfind("."), bare.rfind(","))
    whole, rest = re.sub(r"[.,]", "", bare[:last]), bare[last + 1 :]
    as_decimal = float(f"{whole or 0}.{rest}")
    if len(set(signs)) == 2:
        return [as_decimal]
    as_whole = float(whole + rest) if len(rest) == 3 and whole.strip("0") else None
    if len(signs) > 1:
        return [as_whole if as_whole is not None else as_decimal]
    return [as_decimal] if as_whole is None else [as_whole, as_decimal]


def _decimals(digits: str) -> int:
    tail = re.search(r"[.,](\d+)$", digits)
    return len(tail[1]) if tail else 0


def _unit(written: str, match: re.Match[str]) -> tuple[str, float, int]:
    """The family and factor of a unit, and where the amount ends; a word that is no unit ends before it."""
    name = re.sub(r"\s+", "-", written.strip().lower()).replace("per-cent", "percent")
    ends = match.end("scale") if match["scale"] else match.end("digits")
    if known := UNITS.get(name) or UNITS.get(name.replace("-", "")):
        return *known, ends if match["before"] else match.end("unit")
    return "", 1.0, ends


def _worded(text: str) -> Iterator[Amount]:
    for match in WORDED.finditer(text):
        if match["fraction"]:
            yield _fraction(match)
            continue
        value = _said(match)
        family, factor = UNITS.get(re.sub(r"\s+", "-", (match["unit"] or "").lower()), ("", 1.0))
        scale = SCALES.get((match["scale"] or "").lower(), 1.0)
        if (match["small"] or "").lower() in {"one", "eins", "null"} and not family and scale == 1.0:
            continue  # "no one", "one of them"
        end = match.end("unit") if family or not match["unit"] else match.start("unit")
        value = value * scale + _more(match["more"])
        hedge = _hedge(text, match.start())
        yield Amount(match.start(), end, (value,), family, factor, scale=scale, hedge=hedge, is_worded=True)


def _ordinals(text: str) -> Iterator[Amount]:
    """
    >>> [each.readings for each in _ordinals("On the third day, a second later, with a third party.")]
    [(3.0,)]
    """
    for match in ORDINAL.finditer(text):
        value = float(ORDINALS.index(match["word"].lower()) + 1)
        yield Amount(match.start("word"), match.end("word"), (value,), is_worded=True)


def _fraction(match: re.Match[str]) -> Amount:
    """ "Three quarters" is also 75, of a hundred; half a million is as much."""
    count, _, part = match["fraction"].lower().replace("-", " ").rpartition(" ")
    value = SMALL.get(count, 1) * FRACTIONS[part]
    if match["scale"]:
        return Amount(match.start(), match.end("scale"), (value * SCALES[match["scale"].lower()],), is_worded=True)
    return Amount(match.start(), match.end("fraction"), (value, 100 * value), is_worded=True)


def _ratios(text: str) -> Iterator[Amount]:
    """
    >>> [each.readings for each in _ratios("One in five, or two out of every ten people.")]
    [(0.2, 20.0), (0.2, 20.0)]
    """
    for match in RATIO.finditer(text):
        part, whole = (SMALL.get(match[name].lower()) or int(match[name]) for name in ("part", "whole"))
        if part < whole:
            yield Amount(match.start(), match.end(), (part / whole, 100 * part / whole), is_worded=True)


def _said(match: re.Match[str]) -> float:
    if match["tens"]:
        return TENS[match["tens"].lower()] + SMALL.get((match["ones"] or "").lower(), 0)
    return float(SMALL[match["small"].lower()])


def _more(words: str | None) -> float:
    """What comes behind "two hundred and".

    >>> _more("fifty-three"), _more(None)
    (53, 0)
    """
    parts = re.split(r"[-\s]+", (words or "").lower())
    return sum(TENS.get(part, SMALL.get(part, 0)) for part in parts)


# Dates ---------------------------------------------------------------------------------------------------------------
def days(text: str) -> list[Day]:
    """
    >>> [day.readings for day in days("From 12 May 2026 to 03/04/26, in FY23 or the 1980s.")]
    [((2026, 5, 12),), ((2026, 4, 3), (2026, 3, 4)), ((2023, 0, 0),), ((1980, 0, 0),)]
    >>> [day.readings for day in days("In the 900s, between the 10th and thirteenth centuries.")]
    [((900, 0, 0),), ((900, 0, 0),), ((1200, 0, 0),)]
    """
    found = []
    for match in DATE.finditer(text):
        readings, span = _readings(match)
        month = match["m1"] or match["m2"] or match["m3"]
        if readings and month not in COMMON_WORDS:
            found.append(Day(match.start(), match.end(), readings, span))
    return found


def _readings(match: re.Match[str]) -> tuple[tuple[tuple[int, int, int], ...], int]:
    part = match.groupdict()
    if part["iso"]:
        return _real((int(part["iy"]), int(part["im"]), int(part["id"]))), 1
    if part["num"]:
        written, first, second = _year(part["ny"]), int(part["n1"]), int(part["n2"])
        return _real((written, second, first), (written, first, second)), 1
    for day, month, year in (("d1", "m1", "y1"), ("d2", "m2", "y2")):
        if part[month]:
            return _real((int(part[year] or 0), MONTHS[part[month].lower()], int(part[day]))), 1
    if part["my"]:
        return ((int(part["y3"]), MONTHS[part["m3"].lower()], 0),), 1
    if part["c"]:
        said = part["c"].lower()
        century = CENTURIES.index(said) + 1 if said in CENTURIES else int(said[:-2])
        return ((max(century * 100 - 100, 1), 0, 0),), 100  # A year 0 would mean that none is told.
    if part["y5"]:
        return ((int(part["y5"]), 0, 0),), 100 if part["y5"].endswith("00") else 10
    return ((_year(part["y4"] or part["y"]), 0, 0),), 1


def _real(*readings: tuple[int, int, int]) -> tuple[tuple[int, int, int], ...]:
    return tuple(dict.fromkeys(each for each in readings if 1 <= each[1] <= 12 and 1 <= each[2] <= 31))


def _year(text: str) -> int:
    """
    >>> _year("26"), _year("87"), _year("2026")
    (2026, 1987, 2026)
    """
    year = int(text)
    return year if year > 99 else year + (2000 if year < 50 else 1900)


# Whether two agree ---------------------------------------------------------------------------------------------------
def same_day(said: Day, shown: Day) -> bool:
    """Whether the parts that both tell agree; a month never vouches for a year that the other does not tell."""
    return any(_agree(one, said.span, other, shown.span) for one, other in product(said.readings, shown.readings))


def _agree(said: tuple[int, int, int], said_span: int, shown: tuple[int, int, int], shown_span: int) -> bool:
    if said[0] and shown[0]:
        if said_span > 1 or shown_span > 1:
            wider = max(said_span, shown_span)
            if said[0] // wider != shown[0] // wider:
                return False
        elif said[0] != shown[0]:
            return False
    parts = [(one, other) for one, other in zip(said, shown, strict=True) if one and other]
    years = int(bool(said[0] and shown[0]))  # They agree already, as far as a decade has to.
    return bool(parts) and all(one == other for one, other in parts[years:])


def same_value(said: Amount, shown: Amount) -> bool:
    """Whether two amounts say the same much, whatever their units; rounded or hedged figures are allowed for."""
    return any(_near(one, other, said, shown) for one, other in product(said.readings, shown.readings))


def _near(one: float, other: float, said: Amount, shown: Amount) -> bool:
    if abs(one - other) <= 1e-9 * max(1.0, abs(one)):
        return True
    if said.hedge or shown.hedge:
        least = one / BOUND if said.hedge in AT_MOST else one * 0.94
        most = one * BOUND if said.hedge in AT_LEAST else one / 0.94
        return min(least, most) <= other <= max(least, most)
    if said.scale > 1 or said.digits:  # "3.5 million" says 3,487,112 as well as it can.
        return abs(one - other) <= 0.5 * said.scale / 10**said.digits + 1e-9 and abs(other) > abs(one) / 2
    return False


def same_amount(said: Amount, shown: Amount) -> bool:
    """Whether two amounts agree in value and unit: an hour is 60 minutes. A unit that one does not tell is no fault."""
    if "clock" in (said.family, shown.family) and said.family != shown.family:
        return _is_clock(said, shown) or _is_clock(shown, said)
    if not (said.family and shown.family) or _are_pounds(said, shown):
        return same_value(said, shown)
    if said.family != shown.family:
        return False
    if said.factor == shown.factor:
        return same_value(said, shown)
    ratio = shown.factor / said.factor
    if said.family in APART and min(ratio, 1 / ratio) > 0.5:
        return False  # Dollars are not euros, per cent are not percentage points.
    return any(
        abs(one - other * ratio) <= 0.02 * max(abs(one), abs(other * ratio))
        for one, other in product(said.readings, shown.readings)
    )


def _is_clock(clock: Amount, number: Amount) -> bool:
    """Whether a bare number is this time of day, as 1145 is 11:45."""
    hours, minutes = divmod(number.readings[0], 100)
    return not number.family and hours * 60 + minutes in clock.readings and minutes < 60


def _are_pounds(one: Amount, other: Amount) -> bool:
    """Of pounds only the other side may tell whether they are money or weight."""
    pounds = {UNITS["pound"], UNITS["lb"]}
    return {(one.family, one.factor), (other.family, other.factor)} == pounds
