"""A page's text as a row of units, of which chunks are made up: headings, sentences, list items, tables, rows.

Of what is longer than a chunk, units are its parts: of a table its rows, of a row its sentences, of a sentence its
lines, words and, at last, letters.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from documents.chunking.marks import Break, Heading, Mark, ends_sentence, marks, next_letter
from documents.chunking.tables import TableSpan, laid_out

Count = Callable[[str], int]

LETTERS_A_TOKEN = 8  # A stretch longer than this is cut before it is counted, or counting would take quadratic time.
CAPTION = 1 / 8  # of a chunk: a longer line above a table is no caption


class Header(NamedTuple):
    """The rows that name a table's columns."""

    start: int
    end: int
    tokens: int


class Unit(NamedTuple):
    start: int
    end: int
    kind: Break
    tokens: int  # with the blanks up to the next unit, so that a sum hardly ever counts too little
    is_row: bool = False  # of a table that is longer than a chunk
    header: Header | None = None  # to be repeated above a chunk that begins here


@dataclass(frozen=True)
class _Page:
    """What every step needs to know: the text, the limit and how it is counted."""

    text: str
    tokens: int
    count: Count

    def unit(self, start: int, limit: int, kind: Break, size: int) -> Unit:
        return Unit(start, start + len(self.text[start:limit].rstrip()), kind, size)

    def size(self, start: int, end: int) -> int:
        """Tokens of a stretch; anything too long for one chunk in any case is not counted to the end."""
        stretch = self.text[start : min(end, start + (self.tokens + 1) * LETTERS_A_TOKEN * 8)]
        size = self.count(stretch)
        return size if start + len(stretch) == end else max(size, self.tokens + 1)


def units(
    text: str, headings: Sequence[Heading], tables: Sequence[TableSpan], tokens: int, count: Count
) -> Iterator[Unit]:
    """In the order of the text; together they hold every letter of it that is not blank."""
    page = _Page(text, tokens, count)
    found = list(marks(text, headings))
    at = 0
    for table in laid_out(text, tables):
        first = bisect_left(found, (table.start,))
        after = next_letter(text, table.end, len(text))
        last = bisect_left(found, (after,), first)
        before, inside = found[at:first], found[first:last]
        caption = before.pop() if before and _is_caption(page, before[-1], table.start) else None
        yield from _plain(page, before, caption[0] if caption else table.start)
        yield from _table(page, table, inside, after, caption)
        if last < len(found) and found[last][0] == after:
            found[last] = after, max(found[last][1], Break.PARAGRAPH)
        elif after < len(text):
            found.insert(last, (after, Break.PARAGRAPH))
        at = last
    yield from _plain(page, found[at:], len(text))


def _plain(page: _Page, found: Sequence[Mark], end: int) -> Iterator[Unit]:
    """A unit for each mark, up to the next."""
    for number, (start, kind) in enumerate(found):
        limit = found[number + 1][0] if number + 1 < len(found) else end
        size = page.size(start, limit)
        if size <= page.tokens:
            yield page.unit(start, limit, kind, size)
            continue
        for begin, after in _pieces(page, start, limit, max(1, page.tokens // 8)):
            yield page.unit(begin, after, kind if begin == start else Break.INSIDE, page.size(begin, after))


def _is_caption(page: _Page, mark: Mark, end: int) -> bool:
    """Whether the words between a mark and a table are one short line that is no sentence of a paragraph."""
    start, kind = mark
    words = page.text[start : min(end, start + page.tokens * LETTERS_A_TOKEN)].strip()
    is_line = kind is Break.PARAGRAPH and "\n" not in words and "\r" not in words
    return is_line and not ends_sentence(words) and page.size(start, end) <= page.tokens * CAPTION


def _table(page: _Page, table: TableSpan, inside: Sequence[Mark], end: int, caption: Mark | None) -> Iterator[Unit]:
    """A table in one unit, its caption with it, if they fit; else in rows, the first under header and caption."""
    rows = [*table.row_starts, end]
    body = bisect_left(rows, table.header_end, hi=len(rows) - 1)  # the first row below the header
    header = _header(page, table) if body < len(rows) - 1 else None
    opening = body + 1 if header else 1
    for limit, is_row in ((end, False), (rows[opening], True)):
        for start in (caption[0], table.start) if caption else (table.start,):
            if (size := page.size(start, limit)) <= page.tokens:
                if caption and start == table.start:
                    yield from _plain(page, [caption], start)
                yield page.unit(start, limit, Break.PARAGRAPH, size)._replace(is_row=is_row)
                yield from _rows(page, rows[opening:] if is_row else [], header, inside)
                return
    if caption:
        yield from _plain(page, [caption], table.start)
    yield from _rows(page, rows[: body + 1], None, inside)
    yield from _rows(page, rows[body:], header, inside)


def _header(page: _Page, table: TableSpan) -> Header | None:
    """None where there is none, or none that leaves room for rows."""
    size = page.size(table.start, table.header_end) + 1 if table.start < table.header_end else 0
    return Header(table.start, table.header_end, size) if 0 < size <= page.tokens // 2 else None


def _rows(page: _Page, borders: Sequence[int], header: Header | None, inside: Sequence[Mark]) -> Iterator[Unit]:
    """Rows between borders. One longer than the room under the header is cut at its sentences."""
    room = replace(page, tokens=page.tokens - header.tokens) if header else page
    for start, limit in pairwise(borders):
        size = room.size(start, limit)
        if size <= room.tokens:
            yield page.unit(start, limit, Break.SENTENCE, size)._replace(is_row=True, header=header)
            continue
        within = inside[bisect_left(inside, (start + 1,)) : bisect_left(inside, (limit,))]
        for part in _plain(room, [(start, Break.SENTENCE), *within], limit):
            yield part._replace(kind=min(part.kind, Break.SENTENCE), is_row=True, header=header)


def _pieces(page: _Page, start: int, end: int, tokens: int) -> Iterator[tuple[int, int]]:
    """Cut what is too long for a chunk, at lines if that is enough, else at words, else between letters."""
    text = page.text
    waiting = [(start, end)]
    while waiting:
        start, end = waiting.pop()
        bare = start + len(text[start:end].rstrip())
        longest = tokens * LETTERS_A_TOKEN
        if bare - start > 2 * longest:
            # Equal strides first: halving a long stretch would count it again on every level.
            cut = _cut(text, start, bare, start + longest)
        elif page.count(text[start:bare]) > tokens:
            cut = _cut(text, start, bare, (start + bare) // 2)
        else:
            cut = None
        if cut is None:
            yield start, end
        else:
            waiting += [(cut, end), (start, cut)]


def _cut(text: str, start: int, end: int, wanted: int) -> int | None:
    """The best place to cut near the wanted one: after a line, after a word, between two letters; None: nowhere."""
    reach = max(1, (wanted - start) // 2)
    low, high = wanted - reach, min(end, wanted + reach)
    line_end = text.rfind("\n", low, high) + 1
    for place in (line_end, _word_start(text, low, wanted, high), _letter_start(text, start, end, wanted)):
        place = next_letter(text, place, end) if place > 0 else 0
        if start < place < end:
            return place
    return None


def _word_start(text: str, low: int, wanted: int, high: int) -> int:
    for place in range(wanted, low, -1):
        if text[place - 1].isspace():
            return place
    for place in range(wanted, high):
        if text[place].isspace():
            return place
    return 0


def _letter_start(text: str, start: int, end: int, wanted: int) -> int:
    """The nearest place between two letters, each with the marks that belong to it."""
    for place in range(max(wanted, start + 1), end):
        if not _belongs_to_the_one_before(text, place):
            return place
    for place in range(min(wanted, end - 1), start, -1):
        if not _belongs_to_the_one_before(text, place):
            return place
    return 0


def _belongs_to_the_one_before(text: str, place: int) -> bool:
    letter = text[place]
    return unicodedata.category(letter)[0] == "M" or letter == "\u200d" or text[place - 1] == "\u200d"
