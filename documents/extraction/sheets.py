"""Rows of a sheet as pages: whole rows, the header again on each page, every row with its own number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby, islice

from documents.extraction.drafts import BETWEEN, Writer, one_page
from documents.extraction.headers import ROWS_READ, TITLES_MOST, could_name, header_rows
from documents.extraction.pages import ExtractedPage

RANGE_MOST = 6_000  # characters on a page
HEADER_MOST = 2_000  # characters; a longer header is not said again
ROW_MOST = 100_000  # characters of one row
LABEL_MOST = 40
SPACERS_MOST = 2  # empty rows between a header and what it heads

Row = tuple[int, list[str]]  # the sheet's own number of the row, from 1, and its cells


@dataclass
class _Block:
    """A table, or the part of one that stands on a page."""

    header_rows: int
    rows: list[Row] = field(default_factory=list)
    is_cut: bool = False

    def add(self, row: Row) -> int:
        """Add a row, cut where it is too long for any page; returns its letters."""
        number, cells = row
        if (letters := _letters(row)) > ROW_MOST:
            self.is_cut = True
            row = number, _first_letters(cells, ROW_MOST)
        self.rows.append(row)
        return min(letters, ROW_MOST)


def in_ranges(rows: Iterable[Row], name: str = "", first_column: int = 1) -> Iterator[ExtractedPage]:
    """The rows, none of them empty, on pages of about RANGE_MOST characters, labelled with the sheet's name.

    A gap in the numbers is an empty row. What follows one is a table of its own if it has a header of its own, or if
    what stands before had none.
    """
    for written, blocks in enumerate(_ranges(rows), 1):
        writer = Writer()
        if name and written == 1:
            writer.line(name, level=1)
        for block in blocks:
            numbers, cells = zip(*block.rows, strict=True)
            writer.table(cells, header_rows=block.header_rows, name=name, numbers=numbers, first_column=first_column)
        page = one_page(writer.draft(), label=_label(name, written))
        page.warning = "cut" if any(block.is_cut for block in blocks) else ""
        yield page


def _ranges(rows: Iterable[Row]) -> Iterator[list[_Block]]:
    header: list[Row] = []
    blocks: list[_Block] = []
    letters = 0
    for _, group in groupby(rows, key=_Stretches().of):
        head = list(islice(group, ROWS_READ))
        named = header_rows([cells for _, cells in head])
        goes_on = bool(header) and not named and any(_is_wide(row) for row in head)
        if named:
            header = head[:named] if sum(map(_letters, head[:named])) <= HEADER_MOST else []
        if not goes_on:
            if letters > RANGE_MOST // 2:
                yield blocks
                blocks, letters = [], 0
            blocks.append(_Block(named))
        again = header if named or goes_on else []
        for row in chain(head, group):
            if letters + _letters(row) > RANGE_MOST and len(blocks[-1].rows) > blocks[-1].header_rows:
                yield blocks
                blocks, letters = [_Block(len(again), list(again))], sum(map(_letters, again))
            letters += blocks[-1].add(row)
    if blocks:
        yield blocks


class _Stretches:
    """Numbers rows by the stretch in which they stand. Empty rows end one, unless it only names what comes below."""

    def __init__(self) -> None:
        self.last = self.number = self.rows = 0
        self.only_names, self.is_wide = True, False

    def of(self, row: Row) -> int:
        gap = row[0] - self.last - 1
        self.last = row[0]
        if gap and not (gap <= SPACERS_MOST and self.only_names and self.is_wide and self.rows <= TITLES_MOST):
            self.number += 1
            self.rows, self.only_names, self.is_wide = 0, True, False
        self.rows += 1
        self.only_names = self.only_names and could_name(row[1])
        self.is_wide = self.is_wide or _is_wide(row)
        return self.number


def _is_wide(row: Row) -> bool:
    return sum(map(bool, row[1])) > 1


def _letters(row: Row) -> int:
    return sum(map(len, row[1])) + 3 * len(row[1])


def _first_letters(cells: list[str], most: int) -> list[str]:
    kept: list[str] = []
    for cell in cells:
        if most <= 0:
            break
        kept.append(cell[:most])
        most -= len(cell) + len(BETWEEN)
    return kept


def _label(name: str, number: int) -> str:
    """The sheet's name, with a number from the second page on.

    >>> _label("Costs", 1), _label("Costs", 2)
    ('Costs', 'Costs 2')
    """
    ending = f" {number}" if name and number > 1 else ""
    return name[: LABEL_MOST - len(ending)] + ending
