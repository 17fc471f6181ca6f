"""Cut a page's text into chunks: spans of a limited number of tokens that end where a reader would pause.

Pure. The text is first seen as a row of units, which are then packed into chunks. A table that fits into a chunk is
one unit; of a longer one each row is, and a chunk that begins among its rows names the header that stands above them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from documents.chunking.marks import Break, Heading
from documents.chunking.tables import TableSpan, table_spans
from documents.chunking.units import Count, Unit, units

__all__ = ["Span", "TableSpan", "split", "table_spans"]

TINY = 1 / 8  # of a chunk: what is smaller does not stand alone in front of a heading
SECTION_LETTERS = 500


@dataclass(frozen=True)
class Span:
    """Where a chunk lies in its page's text, and the headings in force there, as "outer > inner".

    Of a later part of a table the header is the span of the rows that name its columns; else (0, 0).
    """

    start: int
    end: int
    section: str
    header_start: int = 0
    header_end: int = 0


def split(
    text: str,
    headings: Sequence[Heading],
    *,
    tokens: int,
    overlap: float,
    count: Count,
    tables: Sequence[TableSpan] = (),
) -> list[Span]:
    """Cut a page's text into chunks of at most `tokens` tokens, a repeated header counted in.

    Together the spans hold every letter of the text that is not blank; starts and ends increase; no span begins or
    ends with a blank, and none exceeds the limit unless a single letter with its marks does. A span begins up to
    `overlap` of a chunk before the end of the one before it, at a sentence, but never before a heading that opens
    it, nor among the rows of a table. Headings that were in force before the page began are given with offset 0.

    >>> found = split("Rent is due. Heat is not.", [], tokens=4, overlap=0, count=lambda text: len(text.split()))
    >>> [(span.start, span.end) for span in found]
    [(0, 12), (13, 25)]
    """
    if tokens < 1:
        raise ValueError("a chunk holds at least one token")
    headings = sorted(headings, key=lambda heading: heading[0])
    section = _sections(headings)
    row = _Row(text, list(units(text, headings, tables, tokens, count)), tokens, count)
    return [row.span(first, last, section) for first, last in _pack(row, overlap)]


class _Row:
    """The units of a page, with what a chunk of them holds."""

    def __init__(self, text: str, found: list[Unit], tokens: int, count: Count) -> None:
        self.text, self.units, self.tokens, self.count = text, found, tokens, count
        self._sums = list(accumulate((unit.tokens for unit in found), initial=0))

    def room(self, first: int) -> int:
        """The tokens of a chunk that begins with this unit, when its header is repeated."""
        header = self.units[first].header
        return self.tokens - header.tokens if header else self.tokens

    def held(self, first: int, last: int) -> int:
        return self._sums[last + 1] - self._sums[first]

    def fits(self, first: int, last: int) -> bool:
        """Two units may take more tokens together than apart, though hardly ever: near the limit they are counted."""
        if self.held(first, last) + last - first <= self.room(first):
            return True
        return self.count(self.text[self.units[first].start : self.units[last].end]) <= self.room(first)

    def span(self, first: int, last: int, section: Callable[[int], str]) -> Span:
        begin, end = self.units[first], self.units[last].end
        header = begin.header if begin.tokens <= self.room(first) else None  # A single letter may take all the room.
        place = (header.start, header.end) if header else (0, 0)
        return Span(begin.start, end, section(begin.start), *place)


def _pack(row: _Row, overlap: float) -> Iterator[tuple[int, int]]:
    """First and last unit of each chunk."""
    first = fresh = 0  # `fresh`: the first unit that no chunk holds yet.
    while fresh < len(row.units):
        tokens = row.room(first)
        last = _last_that_fits(row, first, fresh, tokens)
        last = _best_end(row.units, fresh, last, tokens)
        while first < last and not row.fits(first, last):
            if first < fresh:
                first += 1  # The repeated beginning gives way before anything new does.
            else:
                last -= 1
        yield first, last
        fresh = last + 1
        first = _repeat_from(row.units, first, fresh, row.tokens * overlap)


def _last_that_fits(row: _Row, first: int, fresh: int, tokens: int) -> int:
    """As many units as the limit allows, and no further than a heading that what stands before it can do without."""
    last = fresh
    while last + 1 < len(row.units) and row.held(first, last + 1) <= tokens:
        if row.units[last + 1].kind is Break.HEADING and row.held(first, last) > tokens * TINY:
            break
        last += 1
    return last


def _best_end(found: list[Unit], fresh: int, last: int, tokens: int) -> int:
    """Step back from the last unit that fits to a better place to stop, if one is near."""
    if last + 1 == len(found):
        return last
    best, given_up = last, 0
    for end in range(last, fresh, -1):
        if given_up > tokens * 0.4:
            break
        if found[end + 1].kind > found[best + 1].kind:
            best = end
        given_up += found[end].tokens
    while best > fresh and found[best].kind is Break.HEADING:
        best -= 1  # A heading goes with what it heads.
    return best


def _repeat_from(found: list[Unit], first: int, fresh: int, budget: float) -> int:
    """The unit the next chunk begins with: some before the first new one, unless a heading or a row opens the chunk.

    A sentence may take twice the budget, else most texts would have no overlap at all.
    """
    if fresh >= len(found) or found[fresh].kind is Break.HEADING or found[fresh].is_row or budget <= 0:
        return fresh
    start, held = fresh, 0
    for index in range(fresh - 1, first, -1):
        held += found[index].tokens
        if held > 2 * budget or found[index].is_row:
            break
        if found[index].kind is not Break.INSIDE or found[fresh].kind is Break.INSIDE:
            start = index
        if held >= budget or found[index].kind is Break.HEADING:
            break
    return start


def _sections(headings: Sequence[Heading]) -> Callable[[int], str]:
    """A function from an offset to the headings in force there."""
    offsets: list[int] = []
    sections: list[str] = []
    stack: list[tuple[int, str]] = []
    for offset, level, title in headings:
        while stack and stack[-1][0] >= level:
            stack.pop()
        stack.append((level, " ".join(title.split())))
        offsets.append(offset)
        sections.append(" > ".join(title for _, title in stack if title)[:SECTION_LETTERS])

    def section(offset: int) -> str:
        place = bisect_right(offsets, offset)
        return sections[place - 1] if place else ""

    return section
