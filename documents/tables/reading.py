"""The tables of a document, each put together from the pages it runs over, with the place of every cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

from documents.models import Document
from documents.tables.numbers import Point, point_of

PAGES_MOST = 1_000
LOOKED_AT = 2_000  # cells that tell how a table writes decimals
# Programs show a spreadsheet's numbers in one way; elsewhere people write them as their language does.
COMMA_LANGUAGES = frozenset("bg cs da de el es et fi fr hr hu it lt lv nb nl no pl pt ro ru sk sl sr sv tr uk".split())
TOTAL = re.compile(
    r"(?:grand |sub-?\s?)?totals?|sum|(?:gesamt|zwischen)?summe|gesamt|(?:sous-)?total général|somme|"
    r"(?:sub)?totale?|suma|totaal|合計|小計|总计|合计",
    re.IGNORECASE,
)


class TableTooLong(ValueError):
    """The document is too long to put its tables together."""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and where: offsets into its page's text."""

    text: str
    page_number: int
    start: int
    end: int
    name: str  # "C12" on a sheet, "row 12" elsewhere
    document_id: UUID | None = None


@dataclass(frozen=True)
class ReadPage:
    """What is needed of a page: `text` without what is withheld, letter for letter."""

    number: int
    text: str
    tables: Sequence[dict[str, Any]]  # as Page.tables holds them
    document_id: UUID | None = None


@dataclass(frozen=True)
class Row:
    page: ReadPage
    spans: Sequence[Sequence[int]]
    number: int  # the sheet's own, or its place from 1

    def text(self, column: int) -> str:
        if column >= len(self.spans):
            return ""
        start, end = self.spans[column]
        return self.page.text[start:end].strip()

    @property
    def is_total(self) -> bool:
        """Whether it says what the rows above come to, and must not be counted with them."""
        first = next(filter(None, map(self.text, range(len(self.spans)))), "")
        return bool(TOTAL.fullmatch(first.rstrip(" :")))


@dataclass
class WholeTable:
    name: str
    header: list[Row]
    rows: list[Row]
    is_sheet: bool = False
    first_column: int = 1
    otherwise: Point = "."
    columns: list[str] = field(default_factory=list)

    def cell(self, row: Row, column: int) -> Cell:
        span = row.spans[column] if column < len(row.spans) else (row.spans[-1][1],) * 2
        name = f"{self.letters(column)}{row.number}" if self.is_sheet else f"row {row.number}"
        return Cell(row.text(column), row.page.number, span[0], span[1], name, row.page.document_id)

    def letters(self, column: int) -> str:
        """What a spreadsheet calls the column: A, B … AA."""
        number, letters = column + self.first_column, ""
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(65 + rest) + letters
        return letters

    def point(self, column: int) -> Point:
        """How the column writes decimals: as it shows itself, else as the table shows, else as is usual."""
        return point_of((row.text(column) for row in self.rows), self._point or self.otherwise)

    @cached_property
    def _point(self) -> Point:
        texts = (row.text(column) for row in self.rows for column in range(len(row.spans)))
        return point_of(islice(texts, LOOKED_AT), "")


def tables_of(document: Document) -> list[WholeTable]:
    """The tables of a document as it is live, in its order, each with a name of its own. Raises TableTooLong."""
    pages = document.pages_live().order_by("number").defer("headings", "runs", "boxes", "receipt")
    if pages.count() > PAGES_MOST:
        raise TableTooLong(f"The document has more than {PAGES_MOST:,} pages: its tables cannot be computed over.")
    read = []
    for page in pages.iterator(chunk_size=200):
        page.document = document  # It knows what an editor lets answers use.
        if page.tables:
            read.append(ReadPage(page.number, page.shown_text(0, len(page.text)), page.tables, document.pk))
    has_commas = document.kind != "xlsx" and document.language[:2] in COMMA_LANGUAGES
    return put_together(read, "," if has_commas else ".")


def put_together(pages: Iterable[ReadPage], otherwise: Point = ".") -> list[WholeTable]:
    """The whole tables: what a page only continues is added to what it continues, without the header said again."""
    found: list[WholeTable] = []
    last: tuple[ReadPage, dict[str, Any]] | None = None
    for page in pages:
        for place, part in enumerate(_in_order(page.tables)):
            rows = [Row(page, spans, _own_number(part, index)) for index, spans in enumerate(part["rows"])]
            goes_on = place == 0 and last is not None and _goes_on(found[-1], *last, page, part)
            named = part["header_rows"]
            if goes_on:
                begun = found[-1].rows[-1].number if found[-1].rows else 0
                body = rows[named:]
                if not part.get("numbers"):
                    body = [Row(page, row.spans, begun + index) for index, row in enumerate(body, 1)]
                found[-1].rows += body
            else:
                table = WholeTable(
                    part.get("name") or "", rows[:named], rows[named:], bool(part.get("numbers")), otherwise=otherwise
                )
                table.first_column = part.get("first_column") or 1
                found.append(table)
            last = page, part
    for number, table in enumerate(found, 1):
        table.name = _free(table.name or f"Table {number}", [other.name for other in found[: number - 1]])
        table.columns = _columns(table)
    return found


def _in_order(tables: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    full = [table for table in tables if any(table["rows"])]
    return sorted(full, key=lambda table: min(span[0] for row in table["rows"] for span in row))


def _own_number(part: dict[str, Any], index: int) -> int:
    numbers = part.get("numbers") or []
    return numbers[index] if index < len(numbers) else index + 1


def _goes_on(table: WholeTable, before: ReadPage, last: dict[str, Any], page: ReadPage, part: dict[str, Any]) -> bool:
    """Whether a page's first table continues the last one of the page before."""
    named = part["header_rows"]
    said_again = [_said(Row(page, spans, 0)) for spans in part["rows"][:named]]
    if page.number != before.number + 1 or (named and said_again != [_said(row) for row in table.header]):
        return False
    if numbers := part.get("numbers"):
        own = (last.get("numbers") or [0])[-1]
        is_named_alike = table.is_sheet and (part.get("name") or "") == (last.get("name") or "")
        if named:
            return is_named_alike and numbers[:named] == [row.number for row in table.header]
        return is_named_alike and numbers[0] == own + 1
    ends = max(end for row in last["rows"] for _, end in row)
    begins = min(start for row in part["rows"] for start, _ in row)
    is_whole = len(part["rows"][0]) == len(last["rows"][0])
    return is_whole and not before.text[ends:].strip(" |\n\r\t") and not page.text[:begins].strip(" |\n\r\t")


def _said(row: Row) -> str:
    """A row as one text, wherever it ends."""
    return "\t".join(map(row.text, range(len(row.spans)))).rstrip()


def _columns(table: WholeTable) -> list[str]:
    """A name for each column: the lowest of its header, with what stands above it where two would be the same."""
    width = max((len(row.spans) for row in [*table.header, *table.rows]), default=0)
    lowest = [_lowest(table, column) for column in range(width)]
    often = Counter(name.casefold() for name in lowest)
    names: list[str] = []
    for column, name in enumerate(lowest):
        above = _above(table, column) if often[name.casefold()] > 1 else ""
        names.append(_free(f"{above} {name}".strip(), names))
    return names


def _lowest(table: WholeTable, column: int) -> str:
    said = (" ".join(row.text(column).split()) for row in reversed(table.header))
    return next(filter(None, said), table.letters(column))


def _above(table: WholeTable, column: int) -> str:
    """The name of the group a column belongs to: it stands once, over the first of them."""
    group = table.header[-2] if len(table.header) > 1 else None
    return next((group.text(at) for at in range(column, -1, -1) if group.text(at)), "") if group else ""


def _free(name: str, taken: Sequence[str]) -> str:
    """The name, with a number behind it if it is taken already."""
    known = {other.casefold() for other in taken}
    tries = (f"{name} ({number})" if number > 1 else name for number in range(1, len(taken) + 2))
    return next(each for each in tries if each.casefold() not in known)
