"""Tell whether a table's first rows name its columns, for formats that do not say."""

from __future__ import annotations

import re
from collections.abc import Sequence

TITLES_MOST = 5  # rows above the header: a title, a date, a unit
GROUPS_MOST = 3  # rows of names, each over those below it
ROWS_READ = 60
WORDS_MOST = 80  # characters; a longer cell is a sentence and names nothing

# A year, or a day or quarter of one: these name columns as often as they stand in them.
_PERIOD = re.compile(
    r"(?:fy|q[1-4]|h[12]|[1-4]q)?['’\s/-]*(?:[^\W\d_]{2,9}[.,\s-]*)?(?:\d{1,2}(?:st|nd|rd|th|\.)?[.,\s]+)?"
    r"(?:[^\W\d_]{2,9}[.,\s-]*)?(?:(?:19|20)\d\d(?:[/–-]\d{2,4})?|(?<=[fyqh\d'’-])\d\d)[EFA*]?",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"[-+−(]?\s*((?-i:[A-Z]{0,3})|[$€£¥₹%])\.?\s*[-+−(]?\d[\d.,'’\s\u00a0:/-]*\s*(?:[%‰$€£¥₹)*]{1,3}|[^\W\d_]{1,3}[.)]?)?"
    r"|[$€£¥₹]\s*\([\d.,]+\)|\([\d.,]+\)\s*%|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|[-–—]|true|false|yes|no|n/?a|#[A-Z/0!?]+",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\S+@\S+\.\S+|https?://\S+|www\.\S+")


def header_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many rows at the top name the columns: the header with the title rows above it, or 0.

    >>> header_rows([["Team", "Cups"], ["Blues", "1"]]), header_rows([["Blues", "1"], ["Flyers", "2"]])
    (1, 0)
    """
    numbers = [index for index, row in enumerate(rows[:ROWS_READ]) if any(row)]
    full = [rows[index] for index in numbers]
    for index, row in enumerate(full[:TITLES_MOST]):
        if sum(map(bool, row)) < 2 and not _is_group(row):
            continue
        end = index + 1
        while end < min(len(full), index + GROUPS_MOST) and _goes_on(full, end):
            end += 1
        return numbers[end - 1] + 1 if _names(full[end - 1], full[end:]) else 0
    return 0


def could_name(row: Sequence[str]) -> bool:
    """Whether nothing in a row is a number or the like."""
    return all(_is_name(cell) for cell in row if cell)


def _is_group(row: Sequence[str]) -> bool:
    """Whether a row may stand over the names of several columns each: nothing in its first, something behind."""
    return bool(row) and not row[0] and any(row)


def _goes_on(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Whether a row names columns below one that does."""
    row = rows[at]
    if sum(map(bool, row)) < 2 or not could_name(row):
        return False
    return _is_group(rows[at - 1]) or (_is_group(row) and _is_over_values(row, rows[at + 1 :]))


def _names(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row's cells are names for what stands below them."""
    if not below or not could_name(row):
        return False
    full = [cell.casefold() for cell in row if cell]
    if len(below) > 1 and any(cell.casefold() in full for cell in below[0] if cell and not _is_value(cell)):
        return False  # It says the same as the row below: it is one of them.
    if _is_over_values(row, below):
        return True
    return not any(map(_PERIOD.fullmatch, full)) and len(set(full)) == len(full) and _is_full(row)


def _is_over_values(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    for index, cell in enumerate(row):
        column = [other[index] for other in below if index < len(other) and other[index]]
        if cell and _are_values(column, with_periods=not _PERIOD.fullmatch(cell)):
            return True
    return False


def _is_full(row: Sequence[str]) -> bool:
    """Every column has a name; only the first may do without, and columns at the end."""
    last = max(index for index, cell in enumerate(row) if cell)
    return all(row[1 : last + 1])


def _is_name(cell: str) -> bool:
    return len(cell) <= WORDS_MOST and (bool(_PERIOD.fullmatch(cell)) or not _is_value(cell))


def _is_value(cell: str) -> bool:
    return len(cell) <= WORDS_MOST and bool(_VALUE.fullmatch(cell) or _ADDRESS.fullmatch(cell))


def _are_values(column: Sequence[str], *, with_periods: bool) -> bool:
    """Whether most of a column are numbers and the like."""
    values = sum(
        1 for cell in column if (with_periods if len(cell) < 30 and _PERIOD.fullmatch(cell) else _is_value(cell))
    )
    return values * 2 > len(column)
