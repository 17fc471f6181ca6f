"""A number of a spreadsheet as people see it there: by the format code of its cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

GENERAL = "General"
# What these show depends on the reader's country, so they are shown as everybody can read them.
_BY_COUNTRY = {14: "yyyy-mm-dd", 22: "yyyy-mm-dd hh:mm"} | dict.fromkeys([*range(27, 37), *range(50, 59)], "yyyy-mm-dd")

_TOKEN = re.compile(
    r'(?P<quoted>"[^"]*")|(?P<escaped>\\.)|(?P<blank>[_*].)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<half>AM/PM|A/P)|(?P<general>General)|(?P<power>E[+-]0+)|(?P<date>y+|e+|m+|d+|h+|s+(?:\.0+)?)"
    r"|(?P<digits>[#0?][#0?,]*(?:\.[#0?]*)?,*|\.[#0?]+)|(?P<percent>%)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"([<>]=?|=|<>)\s*(-?\d+(?:\.\d+)?)")
_COMPARE = {
    "<": lambda value, bound: value < bound,
    ">": lambda value, bound: value > bound,
    "<=": lambda value, bound: value <= bound,
    ">=": lambda value, bound: value >= bound,
    "=": lambda value, bound: value == bound,
    "<>": lambda value, bound: value != bound,
}
CODE_MOST = 500  # letters


def builtin_code(number: int) -> str:
    """The code of a format that a file only numbers."""
    return _BY_COUNTRY.get(number) or BUILTIN_FORMATS.get(number, GENERAL)


def shown(value: float, code: str = GENERAL, *, since_1904: bool = False) -> str:
    """The number in the way of its format code; in the general way when the code cannot be followed.

    >>> shown(0.125, "0.0%"), shown(-1234.5, "#,##0.00;(#,##0.00)"), shown(45016, "d mmm yyyy")
    ('12.5%', '(1,234.50)', '31 Mar 2023')
    """
    section, is_signed = _section(code[:CODE_MOST], value)
    if section.is_date:
        return _date(section, value, since_1904)
    text = _number(section, value if is_signed else abs(value))
    return " ".join(text.split())


def general(value: float) -> str:
    """A number without a format: every digit of an integer, ten or so of the rest.

    >>> general(1234567890123.0), general(0.1 + 0.2), general(1e-9)
    ('1234567890123', '0.3', '1E-9')
    """
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.11G}"
    if "E" not in text:
        return text
    mantissa, _, exponent = text.partition("E")
    return f"{mantissa}E{int(exponent):+d}"


@dataclass(frozen=True)
class _Section:
    tokens: tuple[tuple[str, str], ...]
    condition: tuple[str, float] | None
    is_date: bool


@lru_cache(maxsize=1_000)
def _sections(code: str) -> list[_Section]:
    sections: list[list[tuple[str, str]]] = [[]]
    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "other", match[match.lastgroup or "other"]
        if kind == "other" and text == ";":
            sections.append([])
        else:
            sections[-1].append((kind, text))
    return [_understood(tokens) for tokens in sections]


def _understood(tokens: list[tuple[str, str]]) -> _Section:
    conditions = [_CONDITION.fullmatch(text) for kind, text in tokens if kind == "bracket"]
    found = next(filter(None, conditions), None)
    elapsed = any(kind == "bracket" and re.fullmatch("h+|m+|s+", text, re.IGNORECASE) for kind, text in tokens)
    is_date = elapsed or any(kind in ("date", "half") for kind, _ in tokens)
    return _Section(tuple(tokens), (found[1], float(found[2])) if found else None, is_date)


def _section(code: str, value: float) -> tuple[_Section, bool]:
    """The part of the code that is meant for this value, and whether the value keeps its sign in it."""
    sections = _sections(code or GENERAL)[:3]
    if any(section.condition for section in sections):
        for section in sections:
            if section.condition is None or _COMPARE[section.condition[0]](value, section.condition[1]):
                return section, True
        return sections[-1], True
    if value < 0 and len(sections) > 1:
        return sections[1], False
    if value == 0 and len(sections) > 2:
        return sections[2], True
    return sections[0], True


def _literal(kind: str, text: str) -> str:
    match kind:
        case "quoted":
            return text[1:-1]
        case "escaped":
            return text[1:]
        case "blank":
            return " " if text[0] == "_" else ""
        case "bracket":
            return text[1:].partition("-")[0] if text.startswith("$") else ""
        case _:
            return text


def _number(section: _Section, value: float) -> str:
    kinds = [kind for kind, _ in section.tokens]
    if "power" in kinds:
        return _scientific(section, value)
    slashes = [index for index, token in enumerate(section.tokens) if token == ("other", "/")]
    if slashes and "digits" in kinds:
        return _fraction(section, value)
    scaled = abs(value) * 100 ** kinds.count("percent")
    filled = iter(_filled([text for kind, text in section.tokens if kind == "digits"], scaled))
    pieces = []
    for kind, text in section.tokens:
        if kind == "digits":
            pieces.append(next(filled))
        elif kind == "general":
            pieces.append(general(abs(value)))
        elif (kind, text) != ("other", "@"):
            pieces.append(_literal(kind, text))
    has_value = "digits" in kinds or "general" in kinds
    return ("-" if value < 0 and has_value and re.search(r"[1-9]", "".join(pieces)) else "") + "".join(pieces)


def _filled(places: list[str], value: float) -> list[str]:
    """The value's digits, in as many pieces as the code has places for them."""
    if not places:
        return []
    whole, point, decimals = ",".join(places).partition(".") if len(places) == 1 else ("".join(places), "", "")
    scaling = len(places[-1]) - len(places[-1].rstrip(","))
    whole = whole.rstrip(",")
    decimals = decimals.rstrip(",")
    exact = Decimal(repr(value)) / 1000**scaling
    text = f"{exact.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP):f}" if value < 1e22 else f"{value:.0f}"
    digits, _, rest = text.partition(".")
    least = whole.count("0")
    digits = digits.lstrip("0").rjust(least, "0")
    if "," in whole:
        digits = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", digits)
    while rest and rest.endswith("0") and decimals[len(rest) - 1 : len(rest)] in "#?":
        rest = rest[:-1]
    if len(places) == 1:
        return [digits + (point if rest or (point and "#" not in decimals) else "") + rest]
    pieces = []
    for place in reversed(places[1:]):
        size = len(place)
        pieces.append(digits[-size:].rjust(place.count("0"), "0"))
        digits = digits[:-size]
    return [digits, *reversed(pieces)]


def _scientific(section: _Section, value: float) -> str:
    decimals = next((text.partition(".")[2] for kind, text in section.tokens if kind == "digits"), "")
    mantissa, _, exponent = f"{value:.{len(decimals)}E}".partition("E")
    power = next(text for kind, text in section.tokens if kind == "power")
    sign = "-" if exponent[0] == "-" else "+" if power[1] == "+" else ""
    return f"{mantissa}E{sign}{exponent[1:].lstrip('0').rjust(len(power) - 2, '0')}"


def _fraction(section: _Section, value: float) -> str:
    places = [text for kind, text in section.tokens if kind == "digits"]
    most = 10 ** min(len(places[-1]), 3) - 1
    fraction = Fraction(abs(value)).limit_denominator(most)
    whole, part = divmod(fraction.numerator, fraction.denominator) if len(places) > 2 else (0, fraction.numerator)
    pieces = [str(whole)] if whole or not part else []
    pieces += [f"{part}/{fraction.denominator}"] if part else []
    return ("-" if value < 0 else "") + " ".join(pieces)


def _date(section: _Section, value: float, since_1904: bool) -> str:
    epoch = CALENDAR_MAC_1904 if since_1904 else CALENDAR_WINDOWS_1900
    try:
        moment = from_excel(round(value * 86_400) / 86_400 if "." not in str(section.tokens) else value, epoch)
    except (OverflowError, ValueError):
        return general(value)
    if isinstance(moment, timedelta):
        moment = datetime(1900, 1, 1) + moment
    if isinstance(moment, time):
        moment = datetime.combine(datetime(1900, 1, 1), moment)
    return " ".join("".join(_date_pieces(section, moment, value)).split())


def _date_pieces(section: _Section, moment: datetime, value: float) -> Iterator[str]:
    hours_12 = any(kind == "half" for kind, _ in section.tokens)
    before = ""  # the last part of a time or date that was written
    parts = [text.lower() for kind, text in section.tokens if kind == "date" or _is_elapsed(kind, text)]
    for kind, text in section.tokens:
        text_ = text.lower()
        if kind == "date":
            parts.pop(0)
            is_minutes = text_[0] == "m" and len(text_) < 3 and (before == "h" or (parts and parts[0][0] == "s"))
            yield _date_part("n" * len(text_) if is_minutes else text_, moment, hours_12)
            before = text_[0]
        elif _is_elapsed(kind, text):
            parts.pop(0)
            unit = {"h": 3_600, "m": 60, "s": 1}[text_[0]]
            yield str(int(round(value * 86_400) // unit)).rjust(len(text), "0")
            before = text_[0]
        elif kind == "half":
            yield moment.strftime("%p")
        elif kind in ("quoted", "escaped", "blank", "bracket") or text != "@":
            yield _literal(kind, text)


def _is_elapsed(kind: str, text: str) -> bool:
    return kind == "bracket" and text.lower() in ("h", "hh", "m", "mm", "s", "ss")


def _date_part(part: str, moment: datetime, hours_12: bool) -> str:
    letter, size = part[0], len(part)
    hour = (moment.hour % 12 or 12) if hours_12 else moment.hour
    match letter:
        case "y" | "e":
            return f"{moment.year:04d}" if size > 2 or letter == "e" else f"{moment.year % 100:02d}"
        case "m" if size > 2:
            return moment.strftime("%b" if size == 3 else "%B")[: 1 if size == 5 else None]
        case "d" if size > 2:
            return moment.strftime("%a" if size == 3 else "%A")
        case "s":
            whole, point, decimals = part.partition(".")
            fraction = f"{moment.microsecond:06d}"[: len(decimals)]
            return f"{moment.second:0{len(whole)}d}{point}{fraction}"
        case _:
            number = {"m": moment.month, "d": moment.day, "h": hour, "n": moment.minute}[letter]
            return f"{number:0{min(size, 2)}d}"
