"""Spreadsheets (xlsx): what a person sees in the cells of the visible sheets, formulas by their last result."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from lxml import etree

from documents.extraction.drafts import clean, counted
from documents.extraction.number_formats import GENERAL, builtin_code, general, shown
from documents.extraction.packed import elements, opened, parse
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order, good_title
from documents.extraction.sheets import Row, in_ranges

ROWS_MOST = 200_000  # of a sheet
COLUMNS_MOST = 1_000
CELL_MOST = 32_767  # letters, which is what the programs allow
LONG_CELL = "Sheet “{}” has cells of more than {:,} letters; their ends were left out."
TOO_LONG = "Sheet “{}” has more than {:,} rows; those after them were left out."
TOO_WIDE = "Sheet “{}” has cells far to the right, beyond column {:,}; they were left out."
MAIN = "xl/workbook.xml"
RELATIONS = "{*}Relationship"
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_TRUE = ("1", "true")


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    with opened(order.path) as archive:
        book = _Book(archive)
        yield ExtractedDocument(book.title)
        yield from counted(book.pages(), order, book.warnings)
        yield ExtractedDocument(book.title, warnings=book.warnings, left_out=dict(book.left_out))


@dataclass
class _Sheet:
    name: str
    part: str
    hidden_columns: set[int] = field(default_factory=set)
    left_out: set[int] = field(default_factory=set)  # those of them that hold something


class _Book:
    """The workbook: its sheets, and the words and formats that they share."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.warnings: list[str] = []
        self.left_out: Counter[str] = Counter()
        main = self._main_part()
        workbook = parse(archive, main)
        properties = workbook.find("{*}workbookPr")
        self.since_1904 = properties is not None and properties.get("date1904") in _TRUE
        self.targets = _relations(archive, main)
        self.sheets = list(self._sheets(workbook))
        self.words = list(self._words())
        self.codes = self._codes()
        self.title = self._title()

    def pages(self) -> Iterator[ExtractedPage]:
        for sheet in self.sheets:
            with self.archive.open(sheet.part) as part:
                yield from in_ranges(self._rows(sheet, part), sheet.name)

    def _main_part(self) -> str:
        for target, kind in _relations(self.archive, "").values():
            if kind.endswith("/officeDocument"):
                return target
        return MAIN

    def _sheets(self, workbook: Any) -> Iterator[_Sheet]:
        for sheet in workbook.iterfind("{*}sheets/{*}sheet"):
            relation = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), "")
            target, kind = self.targets.get(relation, ("", ""))
            if not kind.endswith("/worksheet") or target not in self.archive.NameToInfo:
                self.left_out["charts and other sheets without cells"] += 1
            elif sheet.get("state", "visible") != "visible":
                self.left_out["hidden sheets"] += 1
            else:
                yield _Sheet(" ".join(clean(sheet.get("name", "")).split()), target)

    def _words(self) -> Iterator[str]:
        """The strings that cells name by number; readings above the letters (Japanese) are none of them."""
        for target, kind in self.targets.values():
            if kind.endswith("/sharedStrings") and target in self.archive.NameToInfo:
                with self.archive.open(target) as part:
                    yield from (_words_in(item) for item in elements(part, "{*}si"))

    def _codes(self) -> list[str]:
        """The format code of each style, by its number."""
        for target, kind in self.targets.values():
            if kind.endswith("/styles") and target in self.archive.NameToInfo:
                styles = parse(self.archive, target)
                own = {each.get("numFmtId"): each.get("formatCode", "") for each in styles.iter("{*}numFmt")}
                numbers = [style.get("numFmtId", "0") for style in styles.iterfind("{*}cellXfs/{*}xf")]
                return [own.get(number) or builtin_code(int(number)) for number in numbers]
        return []

    def _title(self) -> str:
        if "docProps/core.xml" not in self.archive.NameToInfo:
            return ""
        return good_title(parse(self.archive, "docProps/core.xml").findtext("{*}title") or "")

    def _rows(self, sheet: _Sheet, part: IO[bytes]) -> Iterator[Row]:
        number = kept = 0
        for element in elements(part, "{*}cols", "{*}row"):
            if element.tag.endswith("}cols"):
                hidden = (_range(column) for column in element if column.get("hidden") in _TRUE)
                sheet.hidden_columns.update(*hidden)
                continue
            number = _number(element.get("r")) or number + 1
            cells = self._cells(sheet, element)
            if not any(cells):
                continue
            if element.get("hidden") in _TRUE:
                self.left_out["hidden rows"] += 1
                continue
            kept += 1
            if kept > ROWS_MOST:
                self.warnings.append(TOO_LONG.format(sheet.name, ROWS_MOST))
                return
            yield number, cells

    def _cells(self, sheet: _Sheet, row: Any) -> list[str]:
        cells: list[str] = []
        column = 0
        for cell in row.iterchildren("{*}c"):
            column = _column(cell.get("r")) or column + 1
            text = " ".join(self._shown(cell).split())
            if not text:
                continue
            if len(text) > CELL_MOST:
                text = text[:CELL_MOST]
                self._warn(LONG_CELL.format(sheet.name, CELL_MOST))
            if column > COLUMNS_MOST:
                self._warn(TOO_WIDE.format(sheet.name, COLUMNS_MOST))
                break
            if column in sheet.hidden_columns:
                self.left_out["hidden columns"] += column not in sheet.left_out
                sheet.left_out.add(column)
                continue
            cells += [""] * (column - len(cells))
            cells[column - 1] = text
        return cells

    def _warn(self, warning: str) -> None:
        self.warnings += [] if warning in self.warnings else [warning]

    def _shown(self, cell: Any) -> str:
        """What a person sees in the cell."""
        kind, value = cell.get("t", "n"), cell.findtext("{*}v") or ""
        match kind:
            case "s":
                at = _number(value)
                return self.words[at] if value and at < len(self.words) else ""
            case "inlineStr":
                inline = cell.find("{*}is")
                return _words_in(inline) if inline is not None else ""
            case "b":
                return {"1": "TRUE", "0": "FALSE"}.get(value, value)
            case "str" | "e" | "d":
                return value
        try:
            number = float(value)
            style = _number(cell.get("s"))
            code = self.codes[style] if style < len(self.codes) else GENERAL
            return shown(number, code, since_1904=self.since_1904) if code != GENERAL else general(number)
        except (ValueError, OverflowError, ArithmeticError):
            return value


def _relations(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """What a part points at inside the file: by id, the target's name and its kind."""
    folder, name = posixpath.split(part)
    listing = posixpath.join(folder, "_rels", f"{name}.rels")
    if listing not in archive.NameToInfo:
        return {}
    return {
        each.get("Id", ""): (
            posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/"),
            each.get("Type", ""),
        )
        for each in parse(archive, listing).iter(RELATIONS)
        if each.get("TargetMode") != "External"
    }


def _words_in(item: Any) -> str:
    return "".join(text.text or "" for text in item.iter("{*}t") if etree.QName(text.getparent()).localname != "rPh")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0


def _range(column: Any) -> range:
    return range(_number(column.get("min")), min(_number(column.get("max")), COLUMNS_MOST) + 1)


def _column(reference: str | None) -> int:
    """The number of a cell's column.

    >>> _column("A1"), _column("XFD1048576"), _column(None)
    (1, 16384, 0)
    """
    match = _REFERENCE.fullmatch(reference or "")
    column = 0
    for letter in match[1] if match else "":
        column = column * 26 + ord(letter) - 64
    return column
