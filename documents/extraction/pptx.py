"""Presentations (pptx): a page a slide; its title, texts, tables and charts in reading order, and the notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pptx
from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER
from pptx.exc import PythonPptxError
from pptx.oxml.ns import qn
from pptx.slide import Slide

from documents.extraction.drafts import TABLE_MOST, Writer, counted, one_page, split, unseen
from documents.extraction.packed import opened, parsed
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order, damaged, good_title

TITLES = {PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE, PP_PLACEHOLDER.VERTICAL_TITLE}
ON_EVERY_SLIDE = {PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.HEADER}
PICTURES = {MSO_SHAPE_TYPE.PICTURE, MSO_SHAPE_TYPE.LINKED_PICTURE, MSO_SHAPE_TYPE.MEDIA}
LINE_HEIGHT = 228_600  # EMU, a quarter of an inch: shapes that begin so near to each other stand beside each other
TINY = 100  # hundredths of a point
DEPTH_MOST = 20  # groups in groups
POINTS_MOST = 100_000  # of a chart
BREAK, FIELD, RUN = qn("a:br"), qn("a:fld"), qn("a:r")


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    with opened(order.path):
        try:
            deck = pptx.Presentation(str(order.path))
        except (PythonPptxError, AttributeError) as exc:
            raise damaged() from exc
        slides = list(deck.slides)
        reader = _Reader(deck.slide_width or 0, deck.slide_height or 0)
        title = good_title(deck.core_properties.title or "") or next(filter(None, map(_title, slides[:1])), "")
        yield ExtractedDocument(title, len(slides))
        warnings: list[str] = []
        yield from counted(reader.pages(slides), order, warnings)
        yield ExtractedDocument(title, len(slides), warnings, left_out=dict(reader.left_out))


class _Reader:
    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.left_out: Counter[str] = Counter()

    def pages(self, slides: Iterable[Slide]) -> Iterator[ExtractedPage]:
        """A page for each slide; one that holds more than a long table is cut into several."""
        for number, slide in enumerate(slides, 1):
            if slide.element.get("show") in ("0", "false"):
                self.left_out["hidden slides"] += 1
            draft = self.slide(slide).draft()
            if len(draft.text) <= TABLE_MOST:
                yield one_page(draft, label=str(number))
                continue
            for start, end in split(draft):
                yield one_page(draft, start, end, label=str(number))

    def slide(self, slide: Slide) -> Writer:
        writer = Writer()
        writer.line(_title(slide), level=1)
        self.shapes(slide.shapes, writer, depth=0)
        notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        text = " ".join(notes.text.split()) if notes is not None else ""
        writer.gap()
        writer.line(f"Notes: {text}" if text else "")
        return writer

    def shapes(self, shapes: Iterable[Any], writer: Writer, depth: int) -> None:
        for shape in sorted(shapes, key=_place):
            writer.gap()
            kind = _kind(shape)
            placed = shape.placeholder_format.type if shape.is_placeholder else None
            if placed in TITLES or placed in ON_EVERY_SLIDE:
                continue
            if _is_hidden(shape):
                self.left_out["hidden text"] += len(shape.text_frame.text) if shape.has_text_frame else 0
            elif kind == MSO_SHAPE_TYPE.GROUP:
                self.shapes(shape.shapes if depth < DEPTH_MOST else (), writer, depth + 1)
            elif shape.has_text_frame:
                self.text(shape, writer, is_outside=depth == 0 and self.is_outside(shape))
            elif getattr(shape, "has_table", False):
                writer.table(_rows(shape.table), header_rows=1 if shape.table.first_row else None)
            elif getattr(shape, "has_chart", False):
                _chart(shape.chart, writer)
            elif kind in PICTURES or shape.element.find(f".//{qn('a:blip')}") is not None:
                writer.picture()
            else:
                _diagram(shape, writer)

    def text(self, shape: Any, writer: Writer, *, is_outside: bool) -> None:
        for paragraph in shape.text_frame.paragraphs:
            text = "".join(_letters(paragraph._p))
            if text.strip():
                writer.line(unseen(text, "outside the slide") if is_outside else text)

    def is_outside(self, shape: Any) -> bool:
        left, top, width, height = shape.left, shape.top, shape.width, shape.height
        if None in (left, top, width, height) or not (self.width and self.height):
            return False
        return left >= self.width or top >= self.height or left + width <= 0 or top + height <= 0


def _title(slide: Slide) -> str:
    title = slide.shapes.title
    return " ".join(title.text_frame.text.split()) if title is not None and title.has_text_frame else ""


def _place(shape: Any) -> tuple[int, int]:
    """From the top down, and from left to right what stands side by side."""
    return (shape.top or 0) // LINE_HEIGHT, shape.left or 0


def _kind(shape: Any) -> Any:
    try:
        return shape.shape_type
    except NotImplementedError:
        return None


def _is_hidden(shape: Any) -> bool:
    properties = shape.element.find(f"*/{qn('p:cNvPr')}")
    return properties is not None and properties.get("hidden") in ("1", "true")


def _letters(paragraph: Any) -> Iterator[str]:
    for child in paragraph:
        if child.tag == BREAK:
            yield "\n"
        elif child.tag in (RUN, FIELD):
            text = child.findtext(qn("a:t")) or ""
            size = child.find(qn("a:rPr"))
            is_tiny = size is not None and (size.get("sz") or "").isdecimal() and int(size.get("sz")) <= TINY
            yield unseen(text, "smaller than 1 point") if is_tiny and text.strip() else text


def _rows(table: Any) -> list[list[str]]:
    return [["" if cell.is_spanned else cell.text for cell in row.cells] for row in table.rows]


def _chart(chart: Any, writer: Writer) -> None:
    """A chart's figures as a table: what it compares down the side, its series across."""
    title = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    try:
        if any(int(count.get("val", "0")) > POINTS_MOST for count in chart.element.iter(qn("c:ptCount"))):
            return  # One that says so many would be asked for each of them.
        plots = [(list(plot.categories), list(plot.series)) for plot in chart.plots]
        series = [(each.name, list(each.values)) for _, found in plots for each in found]
    except (ValueError, TypeError, AttributeError, KeyError):
        return
    writer.line(f"Chart: {title}" if title.strip() else "")
    categories = [str(name) for name in (plots[0][0] if plots else [])]
    length = max([len(categories), *(len(values) for _, values in series)])
    rows = [["", *(name or "" for name, _ in series)]]
    for index in range(length):
        values = (values[index] if index < len(values) else None for _, values in series)
        rows.append(
            [categories[index] if index < len(categories) else "", *("" if v is None else f"{v:.10g}" for v in values)]
        )
    writer.table(rows, header_rows=1, name=title)


def _diagram(shape: Any, writer: Writer) -> None:
    """The words of a SmartArt, whose drawing lies in a part of its own."""
    for element in shape.element.iter("{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"):
        relation = shape.part.rels.get(element.get(qn("r:dm")))
        if relation is None or relation.is_external:
            continue
        for point in parsed(relation.target_part.blob).iter("{*}pt"):
            text = "".join(text.text or "" for text in point.iter(qn("a:t")))
            writer.line(f"- {text}" if text.strip() else "")
