"""OpenDocument text (odt): headings, paragraphs, lists, tables, text boxes and notes in the order of the document."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from documents.extraction.drafts import PICTURE, Draft, Writer, in_pages
from documents.extraction.packed import opened, parse
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order, good_title

_NAMESPACE = "{{urn:oasis:names:tc:opendocument:xmlns:{}:1.0}}{}"


def _name(prefix: str, local: str) -> str:
    return _NAMESPACE.format(prefix, local)


HEADING, PARAGRAPH = _name("text", "h"), _name("text", "p")
LIST, NOTE = _name("text", "list"), _name("text", "note")
TABLE, ROW, HEADER_ROWS = _name("table", "table"), _name("table", "table-row"), _name("table", "table-header-rows")
CELL, COVERED = _name("table", "table-cell"), _name("table", "covered-table-cell")
TEXT_BOX, IMAGE = _name("drawing", "text-box"), _name("drawing", "image")
SPACE, TAB, LINE_BREAK = _name("text", "s"), _name("text", "tab"), _name("text", "line-break")
STYLE_NAME, COUNT = _name("text", "style-name"), _name("text", "c")
COLUMNS_REPEATED, ROWS_REPEATED = _name("table", "number-columns-repeated"), _name("table", "number-rows-repeated")
# What was deleted, remarks in the margin, and what only programs read.
UNSEEN = {
    *(_name("text", local) for local in ("tracked-changes", "sequence-decls", "variable-decls", "user-field-decls")),
    *(_name("text", local) for local in ("note-citation", "index-title-template", "table-of-content-source")),
    *(_name("office", local) for local in ("annotation", "annotation-end", "forms", "scripts")),
    *(_name("svg-compatible", local) for local in ("title", "desc")),
    _name("text", "ruby-text"),
}
REPEATED_MOST = 60  # cells or rows that stand for themselves many times


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    yield from in_pages(odt_draft(order.path), order)


def odt_draft(path: Path) -> Draft:
    with opened(path) as archive:
        content = parse(archive, "content.xml")
        reader = _Reader(content)
        for body in content.iterfind(f"{_name('office', 'body')}/{_name('office', 'text')}"):
            reader.blocks(body)
        return reader.writer.draft(_title(archive) or reader.title)


def _title(archive: zipfile.ZipFile) -> str:
    if "meta.xml" not in archive.NameToInfo:
        return ""
    found = parse(archive, "meta.xml").find(".//{http://purl.org/dc/elements/1.1/}title")
    return good_title("".join(found.itertext())) if found is not None else ""


class _Reader:
    """Writes the blocks of the text down one after the other."""

    def __init__(self, content: Any) -> None:
        self.writer = Writer()
        self.title = ""  # the first paragraph in the style of that name
        self.hidden = set(_hidden_styles(content))
        self.broken = set(_breaking_styles(content))

    def blocks(self, container: Any, *, in_list: bool = False) -> None:
        for element in container:
            if element.tag in (HEADING, PARAGRAPH):
                self.paragraph(element, in_list=in_list)
            elif element.tag == LIST:
                if not in_list:
                    self.writer.gap()
                self.blocks(element, in_list=True)
                if not in_list:
                    self.writer.gap()
            elif element.tag == TABLE:
                self.table(element)
            elif element.tag not in UNSEEN:  # A section, a list's item, an index, a frame.
                self.blocks(element, in_list=in_list)

    def paragraph(self, paragraph: Any, *, in_list: bool) -> None:
        style = paragraph.get(STYLE_NAME, "")
        text = "".join(self._letters(paragraph))
        level = 0
        if paragraph.tag == HEADING:
            given = paragraph.get(_name("text", "outline-level"), "1")
            level = min(int(given), 9) if given.isdecimal() else 1
        elif style == "Title":
            level, self.title = 1, self.title or text
        if style in self.broken:
            self.writer.page_break()
        is_item = in_list and not level and bool(text.strip())
        if not is_item:
            self.writer.gap()
        self.writer.line(f"- {text.strip()}" if is_item else text, level=level)
        if not is_item:
            self.writer.gap()
        self.beside(paragraph)

    def beside(self, element: Any) -> None:
        """The text boxes and notes that are tied to a place in an element."""
        for found in element.iter(TEXT_BOX, NOTE):
            if _is_inside_another(found, element):
                continue
            if found.tag == TEXT_BOX:
                self.blocks(found)
            else:
                text = " ".join("".join(self._letters(found, with_notes=True)).split())
                self.writer.line(f"Note: {text}" if text else "")
            self.writer.gap()

    def table(self, table: Any) -> None:
        headed = [row for head in table.iterfind(HEADER_ROWS) for row in head.iterfind(ROW)]
        rows = [(row, [cell for cell in row if cell.tag in (CELL, COVERED)]) for row in _rows(table)]
        if sum(len(cells) for _, cells in rows) == 1 or any(
            cell.find(TABLE) is not None or cell.find(HEADING) is not None for _, cells in rows for cell in cells
        ):
            for _, cells in rows:
                for cell in cells:
                    self.blocks(cell)
                    self.writer.gap()
            return
        texts: list[list[str]] = []
        for row, cells in rows:
            line = [text for cell in cells for text in self._cell(cell)]
            texts += [line] * (_times(row, ROWS_REPEATED) if any(map(str.strip, line)) else 1)
        name = table.get(_name("table", "name"), "")
        self.writer.table(texts, header_rows=len(headed) or None, name="" if _is_numbered(name) else name)
        self.beside(table)

    def _cell(self, cell: Any) -> list[str]:
        text = "" if cell.tag == COVERED else "".join(self._letters(cell))
        return [text] * _times(cell, COLUMNS_REPEATED)

    def _letters(self, element: Any, *, with_notes: bool = False) -> Iterator[str]:
        """The text in an element, without what stands beside it; blanks between the paragraphs within it."""
        style = element.get(STYLE_NAME, "")
        if style in self.hidden:
            self.writer.left_out["hidden text"] += len("".join(element.itertext()).strip())
            return
        yield element.text or ""
        for child in element:
            if child.tag == SPACE:
                count = child.get(COUNT, "1")
                yield " " * (min(int(count), REPEATED_MOST) if count.isdecimal() else 1)
            elif child.tag in (TAB, LINE_BREAK):
                yield "\t" if child.tag == TAB else "\n"
            elif child.tag == IMAGE:
                yield PICTURE
            elif child.tag not in UNSEEN and child.tag != TEXT_BOX and (with_notes or child.tag != NOTE):
                yield from self._letters(child, with_notes=with_notes)
                yield " " if child.tag in (PARAGRAPH, HEADING) else ""
            yield child.tail or ""


def _rows(table: Any) -> Iterator[Any]:
    """The rows of a table, also those in groups; not those of a table inside it."""
    for child in table:
        if child.tag == ROW:
            yield child
        elif child.tag not in (CELL, COVERED):
            yield from _rows(child)


def _times(element: Any, attribute: str) -> int:
    value = element.get(attribute, "1")
    return min(int(value), REPEATED_MOST) if value.isdecimal() and 0 < len(value) < 8 else 1


def _is_numbered(name: str) -> bool:
    """Whether a program gave the name: "Table1", "Tabelle 2"."""
    return name.rstrip("0123456789.") != name


def _is_inside_another(found: Any, outermost: Any) -> bool:
    parent = found.getparent()
    while parent is not None and parent is not outermost:
        if parent.tag in (TEXT_BOX, NOTE):
            return True
        parent = parent.getparent()
    return False


def _hidden_styles(content: Any) -> Iterator[str]:
    for style in content.iter(_name("style", "style")):
        for properties in style.iterfind(_name("style", "text-properties")):
            if properties.get(_name("text", "display")) == "none":
                yield style.get(_name("style", "name"), "")


def _breaking_styles(content: Any) -> Iterator[str]:
    for style in content.iter(_name("style", "style")):
        for properties in style.iterfind(_name("style", "paragraph-properties")):
            if properties.get(_name("xsl-fo-compatible", "break-before")) == "page":
                yield style.get(_name("style", "name"), "")
