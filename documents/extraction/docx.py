"""Word (docx): paragraphs, lists, tables, text boxes and notes in the order of the document."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docx
from docx.document import Document
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from documents.extraction.drafts import Draft, Writer, in_pages
from documents.extraction.kinds import DAMAGE, check_archive
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order, damaged, good_title

_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nadpis|заголовок"
    r"|標題|标题|見出し|제목)\s*(\d)",
    re.IGNORECASE,
)
_LIST = re.compile(r"list (bullet|number)", re.IGNORECASE)

P, TABLE, ROW, CELL, TEXT_BOX = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc"), qn("w:txbxContent")
TEXTS = {qn("w:t"), qn("m:t")}
BREAK, VALUE, KIND, ID = qn("w:br"), qn("w:val"), qn("w:type"), qn("w:id")
SIGNS = {BREAK: "\n", qn("w:tab"): "\t", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
NOTES = {qn("w:footnoteReference"): "footnotes", qn("w:endnoteReference"): "endnotes"}
OUTLINE_LEVELS = 9  # one more means body text
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


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    yield from in_pages(docx_draft(order.path), order)


def docx_draft(path: Path) -> Draft:
    _refuse_declarations(path)
    try:
        document = docx.Document(str(path))
    except (KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as exc:  # lxml's errors are SyntaxErrors.
        raise damaged() from exc
    reader = _Reader(document)
    reader.blocks(document.element.body)
    return reader.writer.draft(good_title(document.core_properties.title or "") or reader.title)


def _refuse_declarations(path: Path) -> None:
    """No part may declare a document type: it could name entities that grow without end or lie elsewhere."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
            for name in archive.namelist():
                if name.endswith((".xml", ".rels")):
                    with archive.open(name) as part:
                        _check_part(part.read())
    except DAMAGE as exc:
        raise damaged() from exc


def _check_part(part: bytes) -> None:
    is_wide = part.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in part[:4]
    text = part.replace(b"\x00", b"") if is_wide else part
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise damaged("The file declares entities, which no Word file needs; it was not read.")


class _Reader:
    """Writes the body's blocks down one after the other."""

    def __init__(self, document: Document) -> None:
        self.writer = Writer()
        self.title = ""  # the first paragraph in the style of that name
        self.styles = _Styles(document)
        self.notes = {(kind, number): text for kind in NOTES.values() for number, text in _notes(document, kind)}

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
        first, *later = "".join(_letters(paragraph)).split("\f")
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
        for box in _boxes(paragraph):
            self.blocks(box)
            self.writer.gap()
        self.add_notes(paragraph)

    def table(self, table: Any) -> None:
        self.writer.gap()
        for row in _inside(table, ROW):
            cells = [" ".join("".join(_letters(cell, with_boxes=True)).split()) for cell in _inside(row, CELL)]
            self.writer.line(" | ".join(cells) if any(cells) else "")
        self.writer.gap()
        self.add_notes(table)

    def add_notes(self, element: Any) -> None:
        for reference in element.iter(*NOTES):
            note = self.notes.pop((NOTES[reference.tag], reference.get(ID)), "")
            self.writer.line(f"Note: {note}" if note else "")
            self.writer.gap()


def _letters(element: Any, *, with_boxes: bool = False) -> Iterator[str]:
    """The text in an element, a form feed for a page break; blanks between the paragraphs within it."""
    for child in element:
        if child.tag in TEXTS:
            yield child.text or ""
        elif child.tag in SIGNS:
            yield "\f" if child.tag == BREAK and child.get(KIND) == "page" else SIGNS[child.tag]
        elif child.tag not in UNSEEN and (with_boxes or child.tag != TEXT_BOX):
            yield from _letters(child, with_boxes=with_boxes)
            yield " " if child.tag == P else ""


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


def _notes(document: Document, kind: str) -> Iterator[tuple[str, str]]:
    for relation in document.part.rels.values():
        if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
            for note in parse_xml(relation.target_part.blob):
                text = " ".join("".join(_letters(note)).split())
                if note.get(KIND) in (None, "normal") and text:
                    yield note.get(ID), text


@dataclass
class _Style:
    level: int = 0  # of a heading; 0: none
    is_title: bool = False
    is_listed: bool = False
    begins_page: bool = False


class _Styles:
    """What a paragraph's style and its own properties say of it."""

    def __init__(self, document: Document) -> None:
        self.elements = {style.get(qn("w:styleId")): style for style in document.styles.element.iter(qn("w:style"))}
        self.known: dict[str, _Style] = {}

    def of(self, paragraph: Any) -> _Style:
        properties = paragraph.find(qn("w:pPr"))
        if properties is None:
            return _Style()
        named = properties.find(qn("w:pStyle"))
        style = self._named(named.get(VALUE, "")) if named is not None else _Style()
        return _with_properties(style, properties)

    def _named(self, style_id: str) -> _Style:
        if style_id not in self.known:
            self.known[style_id] = _Style()  # For styles that are based on themselves.
            self.known[style_id] = self._read(style_id)
        return self.known[style_id]

    def _read(self, style_id: str) -> _Style:
        element = self.elements.get(style_id)
        if element is None:
            return _Style()
        base = element.find(qn("w:basedOn"))
        style = self._named(base.get(VALUE, "")) if base is not None else _Style()
        label = element.find(qn("w:name"))
        name = label.get(VALUE, "").lower() if label is not None else ""
        if heading := _HEADING.match(name):
            style = replace(style, level=min(int(heading[1]) or 1, 9))
        elif name == "title":
            style = replace(style, level=1, is_title=True)
        elif _LIST.match(name):
            style = replace(style, is_listed=True)
        properties = element.find(qn("w:pPr"))
        return style if properties is None else _with_properties(style, properties)


def _with_properties(style: _Style, properties: Any) -> _Style:
    outline = properties.find(qn("w:outlineLvl"))
    if outline is not None and outline.get(VALUE, "").isdecimal():
        level = int(outline.get(VALUE)) + 1
        style = replace(style, level=level if level <= OUTLINE_LEVELS else 0)
    numbering = properties.find(f"{qn('w:numPr')}/{qn('w:numId')}")
    if numbering is not None:
        style = replace(style, is_listed=numbering.get(VALUE) != "0")
    page_break = properties.find(qn("w:pageBreakBefore"))
    if page_break is not None:
        style = replace(style, begins_page=page_break.get(VALUE, "1") not in ("0", "false", "off"))
    return style
