"""Text of formats without pages: cleaned once, gathered in order, and split into sections of a page's size."""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from documents.extraction.pages import CUT, ExtractedDocument, ExtractedPage, Order

SECTION_MOST = 3_000  # characters
SECTION_LEAST = 1_000  # a heading before this does not end a section
MAJOR = 2  # headings of this level and above begin sections

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Where a section may end, best first: after a blank line, a line, a sentence, a word.
_ENDS = [re.compile(pattern) for pattern in (r"\n[ \t]*\n+", r"\n", r"[.!?。！？]+[\"'”’)]*\s+|[。！？]", r"\s+")]


def clean(text: str) -> str:
    """The one gate for text that has no geometry: NFC, line ends as \\n, nothing a database or a page chokes on."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text))


@dataclass
class Draft:
    """A document while its text is gathered. Headings and breaks are offsets into `text`."""

    title: str = ""
    text: str = ""
    headings: list[tuple[int, int, str]] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)  # a new page begins here
    warnings: list[str] = field(default_factory=list)


class Writer:
    """Gathers lines into a draft, cleaning each; blocks are kept apart by a blank line."""

    def __init__(self) -> None:
        self.headings: list[tuple[int, int, str]] = []
        self.breaks: list[int] = []
        self._pieces: list[str] = []
        self._length = 0
        self._gap = ""

    def line(self, text: str, *, level: int = 0) -> None:
        """Add one line; a level makes it a heading."""
        text = clean(text).strip("\n").rstrip()
        if not text.strip():
            return
        if level:
            text = " ".join(text.split())
            self.gap()
        self._write(self._gap)
        if level:
            self.headings.append((self._length, level, text))
        self._write(text)
        self._gap = "\n\n" if level else "\n"

    def gap(self) -> None:
        """Keep what follows apart from what stands before."""
        self._gap = "\n\n" if self._length else ""

    def page_break(self) -> None:
        if self._length:
            self._write("\n")
            self._gap = ""
            self.breaks.append(self._length)

    def draft(self, title: str = "") -> Draft:
        self._write("\n" if self._length else "")
        return Draft(" ".join(clean(title).split()), "".join(self._pieces), self.headings, self.breaks)

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)


def in_pages(draft: Draft, order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    """The draft as a document and its pages. The pages put together are the text, unless it was cut at `order.pages_max`."""
    spans = list(split(draft))
    warnings = list(draft.warnings)
    if len(spans) > order.pages_max:
        warnings.append(CUT.format(order.pages_max))
        del spans[order.pages_max :]
    yield ExtractedDocument(draft.title[:300], len(spans), warnings)
    later = iter([*draft.headings, (len(draft.text) + 1, 0, "")])
    heading = next(later)
    for number, (start, end) in enumerate(spans, 1):
        headings = []
        while heading[0] < end:
            headings.append((heading[0] - start, heading[1], heading[2]))
            heading = next(later)
        if number > order.skip:
            yield ExtractedPage(draft.text[start:end], headings=headings)


def split(draft: Draft) -> Iterator[tuple[int, int]]:
    """Cut the text into sections of at most SECTION_MOST characters, at breaks, headings or the best end before.

    Every character is in exactly one section; blanks alone are none, but stay in front of what follows.
    """
    majors = [offset for offset, level, _ in draft.headings if level <= MAJOR]
    written = len(draft.text.rstrip())
    begin = start = 0
    while start < written:
        start = _section_end(draft.text, start, draft.breaks, majors)
        if not draft.text[begin:start].isspace():
            yield begin, (len(draft.text) if start >= written else start)
            begin = start


def _section_end(text: str, start: int, breaks: list[int], majors: list[int]) -> int:
    full = start + SECTION_MOST
    limit = min(full, len(text), _first(breaks, start + 1))
    major = _first(majors, start + SECTION_LEAST)
    if major < limit:
        return major
    return limit if limit < full else start + _best_end(text[start:full])


def _first(offsets: list[int], least: int) -> int:
    at = bisect_left(offsets, least)
    return offsets[at] if at < len(offsets) else sys.maxsize


def _best_end(window: str) -> int:
    for pattern in _ENDS:
        ends = [match.end() for match in pattern.finditer(window, len(window) // 2)]
        if ends:
            return ends[-1]
    return len(window)
