"""A number as a table writes it: 1,234.50 or 1.234,50, in brackets for less than nothing, with its unit. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Literal

# The sign before the decimals; "" where a column writes them both ways, so that only what cannot be mistaken is read.
Point = Literal[".", ",", ""]

BLANKS = frozenset(["", "-", "–", "—", "n/a", "na", "n.a.", "..", "…", "#n/a"])
DIGITS_MOST = 60
ENOUGH = 1_000  # cells that show how their column writes decimals; one beyond them that differs is no number there
_MINUS = str.maketrans({"−": "-", "\u2010": "-", "\u2011": "-", "’": "'"})
_BLANK = " \u00a0\u2007\u2009\u202f"
_SYMBOL = r"(?:[A-Z]{0,3}[$€£¥₹₩₽]|(?-i:[A-Z]{3})|(?:Rs|Fr|kr)\.?)"
_UNIT = rf"(?:[%‰]|{_SYMBOL}|(?<=[{_BLANK}])[^\W\d_]{{1,12}}[²³]?\.?(?:/[^\W\d_]{{1,6}}[²³]?)?)"
_NUMBER = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+])?\s*(?P<before>{_SYMBOL})?\s*(?P<inner_sign>[-+])?\s*(?P<inner_open>\()?"
    rf"(?P<digits>[.,]?[0-9](?:[0-9.,'{_BLANK}]*[0-9.,])?)(?P<power>E[-+]?[0-9]{{1,2}})?"
    rf"(?P<inner_close>\))?\s*(?P<after>{_UNIT})?(?P<late_sign>-)?\s*(?P<close>\))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Number:
    value: Decimal
    unit: str = ""  # as it is written: %, €, EUR, kg


def number_of(text: str, point: Point = ".") -> Number | None:
    """The number a cell holds, to the last digit; None when it holds something else, or could mean two numbers.

    >>> number_of("(1,234.50)").value, number_of("1.234,50 €", ","), number_of("1,234", "")
    (Decimal('-1234.50'), Number(value=Decimal('1234.50'), unit='€'), None)
    """
    return _number_of(text.strip(), point) if len(text) <= DIGITS_MOST else None


@lru_cache(maxsize=20_000)
def _number_of(text: str, point: Point) -> Number | None:
    found = _NUMBER.fullmatch(text.translate(_MINUS))
    if not found or not _is_closed(found):
        return None
    value = _value(found["digits"], point)
    if value is None:
        return None
    value = value.scaleb(int(found["power"][1:])) if found["power"] else value
    signs = [sign for sign in (found["sign"], found["inner_sign"], found["late_sign"]) if sign]
    if len(signs) + bool(found["open"] or found["inner_open"]) > 1 or (found["before"] and found["after"]):
        return None
    is_negative = "-" in signs or bool(found["open"] or found["inner_open"])
    return Number(-value if is_negative else value, found["before"] or found["after"] or "")


def _is_closed(found: re.Match[str]) -> bool:
    """Whether a bracket that opens closes: (1), $(1), or ($1)."""
    opened = [bool(found["open"]), bool(found["inner_open"])]
    closed = [bool(found["close"]), bool(found["inner_close"])]
    return sum(opened) <= 1 and sum(opened) == sum(closed)


def point_of(texts: Iterable[str], otherwise: Point = ".") -> Point:
    """How these cells write decimals, as far as one of them shows it."""
    shown = set(islice((way for text in texts if (way := _shows(text.strip()))), ENOUGH))
    if len(shown) == 2:
        return ""
    return "." if "." in shown else "," if "," in shown else otherwise


def is_doubtful(text: str) -> bool:
    """Whether the cell by itself could mean two numbers, as 1,234 does."""
    return number_of(text, "") is None and number_of(text, ".") is not None and number_of(text, ",") is not None


def _shows(text: str) -> str:
    """The one sign before decimals that this cell can have; "" when it is no number or shows nothing."""
    if len(text) > DIGITS_MOST or not ("." in text or "," in text):
        return ""
    if _number_of(text, "."):
        return "" if _number_of(text, ",") else "."
    return "," if _number_of(text, ",") else ""


def _value(digits: str, point: Point) -> Decimal | None:
    if not point:
        ways = {_value(digits, "."), _value(digits, ",")} - {None}
        return ways.pop() if len(ways) == 1 else None
    if not _SHAPES[point].fullmatch(digits):
        return None
    plain = re.sub(rf"[^0-9{re.escape(point)}]", "", digits)
    return Decimal(plain.replace(",", "."))


def _shape(point: str, grouping: str) -> re.Pattern[str]:
    """Digits, whole or in groups of three (of two above the thousands, as in India), and their decimals."""
    groups = rf"[1-9][0-9]{{0,2}}(?P<group>[{grouping}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
    indian = rf"[1-9][0-9]?(?:[{grouping}][0-9]{{2}})+[{grouping}][0-9]{{3}}"
    return re.compile(rf"(?:{groups}|{indian}|[0-9]+)(?:{re.escape(point)}[0-9]*)?|{re.escape(point)}[0-9]+")


_SHAPES = {".": _shape(".", rf",'{_BLANK}"), ",": _shape(",", rf".'{_BLANK}")}


def written(value: Decimal, unit: str = "", point: Point = ".", *, is_grouped: bool = True) -> str:
    """The number in the way its column writes numbers.

    >>> written(Decimal("-1234.50"), "€", ","), written(Decimal("12.5"), "%")
    ('-1.234,50 €', '12.5%')
    """
    text = f"{value:,f}" if is_grouped else f"{value:f}"
    if point == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    if unit in {"%", "‰"}:
        return text + unit
    return f"{text} {unit}".rstrip()
