"""What the styles of a Word file say of paragraphs and runs: headings, lists, page breaks, what is not shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from docx.document import Document
from docx.oxml.ns import qn

_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nadpis|заголовок"
    r"|標題|标题|見出し|제목)\s*(\d)",
    re.IGNORECASE,
)
_LIST = re.compile(r"list (bullet|number)", re.IGNORECASE)
_CAPTION = re.compile(r"caption|beschriftung|légende|legenda|epígrafe|didascalia", re.IGNORECASE)

VALUE, PARAGRAPH_PROPERTIES, RUN_PROPERTIES = qn("w:val"), qn("w:pPr"), qn("w:rPr")
OUTLINE_LEVELS = 9  # one more means body text
OFF = ("0", "false", "off", "none")
LEAST_HALF_POINTS = 2
WHITE = ("FFFFFF", "ffffff")


@dataclass(frozen=True)
class Style:
    level: int = 0  # of a heading; 0: none
    is_title: bool = False
    is_listed: bool = False
    is_caption: bool = False
    begins_page: bool = False
    is_vanished: bool = False
    is_shaded: bool = False  # so that white letters can be read
    is_white: bool = False
    is_tiny: bool = False


class Styles:
    def __init__(self, document: Document) -> None:
        self._elements = {style.get(qn("w:styleId")): style for style in document.styles.element.iter(qn("w:style"))}
        self._known: dict[str, Style] = {}

    def of(self, paragraph: Any) -> Style:
        """What a paragraph's style and its own properties say of it and of its letters."""
        properties = paragraph.find(PARAGRAPH_PROPERTIES)
        if properties is None:
            return Style()
        named = properties.find(qn("w:pStyle"))
        style = self._named(named.get(VALUE, "")) if named is not None else Style()
        return _with_paragraph(style, properties)

    def of_run(self, run: Any, style: Style) -> Style:
        """The same of a run in a paragraph of a style."""
        properties = run.find(RUN_PROPERTIES)
        if properties is None:
            return style
        named = properties.find(qn("w:rStyle"))
        if named is not None:
            own = self._named(named.get(VALUE, ""))
            style = replace(
                style,
                is_vanished=style.is_vanished or own.is_vanished,
                is_white=own.is_white or style.is_white,
                is_tiny=own.is_tiny or style.is_tiny,
            )
        return _with_letters(style, properties)

    def _named(self, style_id: str) -> Style:
        if style_id not in self._known:
            self._known[style_id] = Style()  # For styles that are based on themselves.
            self._known[style_id] = self._read(style_id)
        return self._known[style_id]

    def _read(self, style_id: str) -> Style:
        element = self._elements.get(style_id)
        if element is None:
            return Style()
        base = element.find(qn("w:basedOn"))
        style = self._named(base.get(VALUE, "")) if base is not None else Style()
        label = element.find(qn("w:name"))
        name = label.get(VALUE, "").lower() if label is not None else ""
        if heading := _HEADING.match(name):
            style = replace(style, level=min(int(heading[1]) or 1, 9))
        elif name == "title":
            style = replace(style, level=1, is_title=True)
        elif _LIST.match(name):
            style = replace(style, is_listed=True)
        elif _CAPTION.fullmatch(name):
            style = replace(style, is_caption=True)
        letters, properties = element.find(RUN_PROPERTIES), element.find(PARAGRAPH_PROPERTIES)
        style = style if letters is None else _with_letters(style, letters)
        return style if properties is None else _with_paragraph(style, properties)


def _with_paragraph(style: Style, properties: Any) -> Style:
    outline = properties.find(qn("w:outlineLvl"))
    if outline is not None and outline.get(VALUE, "").isdecimal():
        level = int(outline.get(VALUE)) + 1
        style = replace(style, level=level if level <= OUTLINE_LEVELS else 0)
    numbering = properties.find(f"{qn('w:numPr')}/{qn('w:numId')}")
    if numbering is not None:
        style = replace(style, is_listed=numbering.get(VALUE) != "0")
    page_break = properties.find(qn("w:pageBreakBefore"))
    if page_break is not None:
        style = replace(style, begins_page=is_on(page_break))
    return replace(style, is_shaded=True) if is_shaded(properties) else style


def _with_letters(style: Style, properties: Any) -> Style:
    vanish, color, size = (properties.find(qn(name)) for name in ("w:vanish", "w:color", "w:sz"))
    if vanish is not None:
        style = replace(style, is_vanished=is_on(vanish))
    if color is not None:
        style = replace(style, is_white=color.get(VALUE) in WHITE)
    if size is not None and size.get(VALUE, "").isdecimal():
        style = replace(style, is_tiny=int(size.get(VALUE)) < LEAST_HALF_POINTS + 1)
    if properties.find(qn("w:highlight")) is not None or is_shaded(properties):
        style = replace(style, is_shaded=True)
    return style


def is_on(element: Any) -> bool:
    return element.get(VALUE, "1") not in OFF


def is_shaded(properties: Any) -> bool:
    """Whether a ground of some colour is given, on which white letters can be read."""
    shading = properties.find(qn("w:shd"))
    return shading is not None and (
        shading.get(qn("w:fill"), "auto") not in ("auto", *WHITE) or shading.get(qn("w:themeFill")) is not None
    )
