"""Where the tables of a page's text lie, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from documents.chunking.marks import next_letter

BARS = " \t|"
BARS_MOST = 1_000  # letters of bars before the first cell of a row that has one


@dataclass(frozen=True)
class TableSpan:
    """A table in a page's text."""

    start: int
    end: int
    header_end: int  # of its header rows; == start when it has none
    row_starts: Sequence[int]  # each row's first letter, header rows included


def table_spans(tables: Iterable[dict[str, Any]]) -> list[TableSpan]:
    """The tables of a page as they are stored in `Page.tables`, in the order of the text.

    Rows whose cells stand between one another's, as in a table that is read column by column, count as one.

    >>> table_spans([{"rows": [[[0, 4], [7, 11]], [[12, 15], [18, 18]]], "header_rows": 1}])
    [TableSpan(start=0, end=15, header_end=11, row_starts=[0, 12])]
    """
    found = (_table_span(table["rows"], table["header_rows"]) for table in tables)
    return sorted((span for span in found if span), key=lambda span: span.start)


def _table_span(rows: Sequence[Sequence[Sequence[int]]], header_rows: int) -> TableSpan | None:
    held = []
    for number, row in enumerate(rows):
        if cells := [(start, end) for start, end in row if start < end]:
            held.append((min(cells)[0], max(end for _, end in cells), number < header_rows))
    if not held:
        return None
    held.sort()
    starts: list[int] = []
    reached = header_end = -1
    for start, end, is_header in held:
        if start >= reached:
            starts.append(start)
            if not is_header and header_end < 0:
                header_end = max(reached, starts[0])
        reached = max(reached, end)
    if not _comes_first(held, header_end):
        header_end = reached if all(is_header for *_, is_header in held) else starts[0]
    return TableSpan(starts[0], reached, header_end, starts)


def _comes_first(held: list[tuple[int, int, bool]], header_end: int) -> bool:
    """Whether the header's rows, and no others, stand before this place."""
    return all((start < header_end) == is_header for start, _, is_header in held)


def laid_out(text: str, tables: Iterable[TableSpan]) -> list[TableSpan]:
    """The tables with the bars around their rows, in order; one that lies in another is a part of that one."""
    found: list[TableSpan] = []
    reached = 0
    for table in sorted(tables, key=lambda table: (table.start, -table.end)):
        end = _after_bars(text, min(table.end, len(text)), len(text))
        start = next_letter(text, table.start, end)
        if table.start < reached or start >= end:
            continue
        start = _row_start(text, start, reached)
        letters = {next_letter(text, at, end) for at in table.row_starts if start < at < end} - {end}
        rows = sorted({_row_start(text, at, start) for at in letters} - {start})
        found.append(TableSpan(start, end, _header_end(text, table, start, rows, end), [start, *rows]))
        reached = end
    return found


def _row_start(text: str, start: int, low: int) -> int:
    """A row whose first cells are empty begins with the bars between them, if nothing else is on its line."""
    before = text[max(low, start - BARS_MOST) : start]
    bars = len(before) - len(before.rstrip(BARS))
    at = start - bars
    return next_letter(text, at, start) if at == low or text[at - 1] in "\r\n\f\v" else start


def _header_end(text: str, table: TableSpan, start: int, rows: list[int], end: int) -> int:
    if not table.start < table.header_end < end:
        return start
    body = next((row for row in rows if row >= table.header_end), end)
    return start + len(text[start : _after_bars(text, table.header_end, body)].rstrip())


def _after_bars(text: str, at: int, end: int) -> int:
    while at < end and text[at] in BARS:
        at += 1
    return at
