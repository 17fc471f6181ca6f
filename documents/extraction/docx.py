"""Word (docx): paragraphs, lists, tables, text boxes and notes in the order of the document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docx
from docx.document import Document
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from documents.extraction.docx_styles import VALUE, Style, Styles, is_on, is_shaded
from documents.extraction.drafts import PICTURE, Draft, Writer, in_pages, unseen
from documents.extraction.packed import opened
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order, good_title

P, TABLE, ROW, CELL, TEXT_BOX = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc"), qn("w:txbxContent")
TEXTS = {qn("w:t"), qn("m:t")}
RUN, BREAK, KIND, ID = qn("w:r"), qn("w:br"), qn("w:type"), qn("w:id")
SIGNS = {BREAK: "\n", qn("w:tab"): "\t", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
NOTES = {qn("w:footnoteReference"): "footnotes", qn("w:endnoteReference"): "endnotes"}
# Wrappers say nothing themselves; what is in them stands in the document.
UNSEEN = {
    qn("w:del"),
    qn("w:moveFrom"),
    qn("w:instrText"),
    qn("w:delText"),
    qn("w:pPr"),
    qn("w:rPr"),
    qn("w:sdtPr"),
    qn("w:sdtEndPr"),
    qn("w:tblPr"),
    qn("w:trPr"),
    qn("w:tcPr"),
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # the same once more, for old programs
}


PICTURES = {qn("pic:pic"), "{urn:schemas-microsoft-com:vml}imagedata"}
CELL_PROPERTIES, ROW_PROPERTIES, TABLE_PROPERTIES = qn("w:tcPr"), qn("w:trPr"), qn("w:tblPr")
SPANNED_MOST = 60  # columns that one cell may reach over


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    yield from in_pages(docx_draft(order.path), order)


def docx_draft(path: Path) -> Draft:
    with opened(path):
        document = docx.Document(str(path))
        reader = _Reader(document)
        reader.blocks(document.element.body)
        return reader.writer.draft(good_title(document.core_properties.title or "") or reader.title)


class _Reader:
    """Writes the body's blocks down one after the other."""

    def __init__(self, document: Document) -> None:
        self.writer = Writer()
        self.title = ""  # the first paragraph in the style of that name
        self.caption = ""  # the paragraph before a table, in the style of that name
        self.styles = Styles(document)
        # Where the ground may be dark, white letters are no sign that anything is hidden.
        self.shaded = int(document.element.find(qn("w:background")) is not None)
        self.notes = {(kind, number): text for kind in NOTES.values() for number, text in self._notes(document, kind)}

    def blocks(self, container: Any) -> None:
        for element in container:
            if element.tag == P:
                self.paragraph(element)
            elif element.tag == TABLE:
                self.table(element)
            elif element.tag not in UNSEEN:  # A content control, a tracked insertion, custom markup.
                self.blocks(element)

    def paragraph(self, paragraph: Any) -> None:
        style = self.styles.of(paragraph)
        first, *later = "".join(self._letters(paragraph, style)).split("\f")
        if style.begins_page:
            self.writer.page_break()
        if style.is_title and not self.title:
            self.title = first
        is_item = bool(style.is_listed and not style.level and first.strip())
        if not is_item:
            self.writer.gap()
        self.writer.line("- " + first.strip() if is_item else first, level=style.level)
        for part in later:
            self.writer.page_break()
            self.writer.line(part, level=style.level)
        if not is_item:
            self.writer.gap()
        if first.strip():
            self.caption = first if style.is_caption else ""
        for box in _boxes(paragraph):
            self.shaded += 1
            self.blocks(box)
            self.shaded -= 1
            self.writer.gap()
        self.add_notes(paragraph)

    def table(self, table: Any) -> None:
        rows = [(row, list(_inside(row, CELL))) for row in _inside(table, ROW)]
        name, self.caption = self.caption, ""
        self.shaded += table.find(f"{TABLE_PROPERTIES}/{qn('w:tblStyle')}") is not None or _is_shaded(table)
        if self._is_layout([cell for _, cells in rows for cell in cells]):
            for _, cells in rows:
                for cell in cells:
                    self.blocks(cell)
                    self.writer.gap()
        else:
            texts = [self._row(row, cells) for row, cells in rows]
            self.writer.table(texts, header_rows=_header_rows(rows), name=_alias(table) or name)
            self.add_notes(table)
        self.shaded -= table.find(f"{TABLE_PROPERTIES}/{qn('w:tblStyle')}") is not None or _is_shaded(table)

    def _is_layout(self, cells: list[Any]) -> bool:
        """Whether a table is a frame round something, or arranges headings and other tables."""
        if len(cells) == 1:
            return True
        inner = [table for cell in cells for table in cell.iterchildren(TABLE)]
        if inner and sum(map(_size, inner)) * 2 > sum(map(_size, cells)):
            return True
        return any(self.styles.of(paragraph).level for cell in cells for paragraph in cell.iterchildren(P))

    def _row(self, row: Any, cells: list[Any]) -> list[str]:
        texts = [""] * _counted(row, f"{ROW_PROPERTIES}/{qn('w:gridBefore')}", 0)
        for cell in cells:
            texts.append("".join(self._letters(cell, Style(is_shaded=_is_shaded(cell)), with_boxes=True)))
            texts += [""] * (_counted(cell, f"{CELL_PROPERTIES}/{qn('w:gridSpan')}", 1) - 1)
        return texts

    def add_notes(self, element: Any) -> None:
        for reference in element.iter(*NOTES):
            note = self.notes.pop((NOTES[reference.tag], reference.get(ID)), "")
            self.writer.line(f"Note: {note}" if note else "")
            self.writer.gap()

    def _letters(self, element: Any, style: Style, *, with_boxes: bool = False) -> Iterator[str]:
        """The text in an element, a form feed for a page break; blanks between the paragraphs within it."""
        for child in element:
            if child.tag == RUN:
                yield self._run(child, style, with_boxes)
            elif child.tag in TEXTS:
                yield child.text or ""
            elif child.tag in SIGNS:
                yield "\f" if child.tag == BREAK and child.get(KIND) == "page" else SIGNS[child.tag]
            elif child.tag in PICTURES:
                yield PICTURE
            elif child.tag == P:
                own = self.styles.of(child)
                yield from self._letters(
                    child, replace(own, is_shaded=own.is_shaded or style.is_shaded), with_boxes=with_boxes
                )
                yield " "
            elif child.tag not in UNSEEN and (with_boxes or child.tag != TEXT_BOX):
                yield from self._letters(child, style, with_boxes=with_boxes)

    def _run(self, run: Any, style: Style, with_boxes: bool) -> str:
        """What a run says: nothing if it is not to be shown, marked if nobody could see it."""
        style = self.styles.of_run(run, style)
        text = "".join(self._letters(run, style, with_boxes=with_boxes))
        if style.is_vanished:
            self.writer.left_out["hidden text"] += len(text.strip())
            return ""
        if style.is_tiny and text.strip():
            return unseen(text, "smaller than 1 point")
        if style.is_white and text.strip() and not (style.is_shaded or self.shaded):
            return unseen(text, "white on white")
        return text

    def _notes(self, document: Document, kind: str) -> Iterator[tuple[str, str]]:
        for relation in document.part.rels.values():
            if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
                for note in parse_xml(relation.target_part.blob):
                    text = " ".join("".join(self._letters(note, Style())).split())
                    if note.get(KIND) in (None, "normal") and text:
                        yield note.get(ID), text


def _header_rows(rows: list[tuple[Any, list[Any]]]) -> int | None:
    """The rows at the top that are marked to be said again on every page; None: nothing is marked."""
    marked = 0
    for row, _ in rows:
        mark = row.find(f"{ROW_PROPERTIES}/{qn('w:tblHeader')}")
        if mark is None or not is_on(mark):
            break
        marked += 1
    return marked if 0 < marked < len(rows) else None


def _size(element: Any) -> int:
    return sum(len(text.text or "") for text in element.iter(*TEXTS))


def _alias(table: Any) -> str:
    caption = table.find(f"{TABLE_PROPERTIES}/{qn('w:tblCaption')}")
    return caption.get(VALUE, "") if caption is not None else ""


def _is_shaded(element: Any) -> bool:
    properties = element.find(CELL_PROPERTIES if element.tag == CELL else TABLE_PROPERTIES)
    return properties is not None and is_shaded(properties)


def _counted(element: Any, path: str, default: int) -> int:
    found = element.find(path)
    value = found.get(VALUE, "") if found is not None else ""
    return min(int(value), SPANNED_MOST) if value.isdecimal() and len(value) < 6 else default


def _boxes(element: Any) -> Iterator[Any]:
    for child in element:
        if child.tag == TEXT_BOX:
            yield child
        elif child.tag not in UNSEEN:
            yield from _boxes(child)


def _inside(element: Any, tag: str) -> Iterator[Any]:
    """The nearest elements of a kind, whatever they are wrapped in."""
    for child in element:
        if child.tag == tag:
            yield child
        elif child.tag not in UNSEEN:
            yield from _inside(child, tag)
