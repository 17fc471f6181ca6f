"""Markdown: shown and cited as it was written, so only its headings are looked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt

from documents.extraction.drafts import Draft, clean, in_pages
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order
from documents.extraction.text import decode

FRONT_MATTER = "---\n"


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    text, warnings = decode(order.path.read_bytes())
    yield from in_pages(markdown_draft(clean(text), warnings), order)


def markdown_draft(text: str, warnings: list[str]) -> Draft:
    lines = list(
        accumulate((len(line) for line in text.split("\n")), lambda start, length: start + length + 1, initial=0)
    )
    first = _front_matter(text)
    headings = []
    tokens = MarkdownIt("commonmark").parse(text[lines[first] :])
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.map:
            title = "".join(child.content or " " for child in inline.children or [] if child.type != "image")
            if title.strip():
                offset = lines[first + opening.map[0]]
                headings.append((offset, int(opening.tag[1]), " ".join(title.split())))
    title = next((title for _, level, title in headings if level == 1), "")
    return Draft(title=title, text=text, headings=headings, warnings=warnings)


def _front_matter(text: str) -> int:
    """How many lines of settings stand before the text; the dashes below them would make them a heading."""
    if not text.startswith(FRONT_MATTER):
        return 0
    end = text.find("\n" + FRONT_MATTER, len(FRONT_MATTER) - 1)
    return text[:end].count("\n") + 2 if end >= 0 else 0
