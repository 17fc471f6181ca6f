"""Markdown: shown and cited as it was written, so only its headings and tables are looked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from documents.extraction.drafts import Draft, cleaned, in_pages
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order, Span, Table
from documents.extraction.text import decode

FRONT_MATTER = "---\n"
_BAR = re.compile(r"(?<!\\)\|")


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    text, warnings = decode(order.path.read_bytes())
    text, taken_out = cleaned(text)
    draft = markdown_draft(text, warnings)
    draft.cleaned = [(0, taken_out)]
    yield from in_pages(draft, order)


def markdown_draft(text: str, warnings: list[str]) -> Draft:
    lines = list(
        accumulate((len(line) for line in text.split("\n")), lambda start, length: start + length + 1, initial=0)
    )
    first = _front_matter(text)
    headings = []
    tokens = MarkdownIt("commonmark").enable("table").parse(text[lines[first] :])
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.map:
            title = "".join(child.content or " " for child in inline.children or [] if child.type != "image")
            if title.strip():
                offset = lines[first + opening.map[0]]
                headings.append((offset, int(opening.tag[1]), " ".join(title.split())))
    title = next((title for _, level, title in headings if level == 1), "")
    pictures = [
        lines[first + (inline.map or [0])[0]]
        for inline in tokens
        for child in inline.children or []
        if child.type == "image"
    ]
    tables = list(_tables(tokens, text, lines[first:]))
    return Draft(title=title, text=text, headings=headings, warnings=warnings, tables=tables, pictures=pictures)


def _tables(tokens: list[Token], text: str, lines: list[int]) -> Iterator[Table]:
    """Tables as they were written: one line a row, the line of dashes below the first left out."""
    for token in tokens:
        if token.type == "table_open" and token.map:
            first, end = token.map
            numbers = [first, *range(first + 2, end)]
            yield Table([_cells(text, lines[number], lines[number + 1] - 1) for number in numbers], header_rows=1)


def _cells(text: str, start: int, end: int) -> list[Span]:
    """Where the cells of a row stand: between its bars, without the blanks round them."""
    end = start + len(text[start:end].rstrip())
    bars = [start + match.start() for match in _BAR.finditer(text[start:end])]
    edges = [start - 1, *bars, end]
    if bars and not text[start : bars[0]].strip(" \t>"):
        del edges[0]
    if bars and bars[-1] == end - 1:
        del edges[-1]
    return [_without_blanks(text, left + 1, right) for left, right in pairwise(edges)]


def _without_blanks(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _front_matter(text: str) -> int:
    """How many lines of settings stand before the text; the dashes below them would make them a heading."""
    if not text.startswith(FRONT_MATTER):
        return 0
    end = text.find("\n" + FRONT_MATTER, len(FRONT_MATTER) - 1)
    return text[:end].count("\n") + 2 if end >= 0 else 0
