"""A page's text while its characters are put in the order in which they are read."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from operator import sub

from documents.extraction.pages import Span
from documents.extraction.pdf.objects import Letters, joined

_WORD = re.compile(r"\S+")
_LINE = re.compile(r"\S[^\r\n]*")


Word = tuple[int, int, float, float, float, float]  # start, end, left, bottom, right, top
Line = tuple[int, int, float, float]  # start, end; bottom and top of its first letter


class Flow:
    """A page's text while it is put in order: one character for each of PDFium's, whichever stands where."""

    def __init__(self, text: str, letters: Letters) -> None:
        self.text, self.letters = text, letters
        self.indices: list[int] = []  # PDFium's, of every character; [] while nothing was moved

    @cached_property
    def words(self) -> list[Word]:
        """All the words, in the order of the text, and where they stand."""
        return self.words_of([(0, len(self.text))])

    def words_of(self, spans: Iterable[Span]) -> list[Word]:
        found = [match.span() for start, end in spans for match in _WORD.finditer(self.text, start, end)]
        at = self.indices or range(len(self.text))
        firsts = self.letters.boxes([at[start] for start, _ in found])
        lasts = self.letters.boxes([at[end - 1] for _, end in found])
        return [
            (
                *span,
                one[0] if one[0] < other[0] else other[0],  # min() and max() would take as long as all else here.
                one[3] if one[3] < other[3] else other[3],
                one[2] if one[2] > other[2] else other[2],
                one[1] if one[1] > other[1] else other[1],
            )
            for span, one, other in zip(found, firsts, lasts, strict=True)
        ]

    @cached_property
    def lines(self) -> list[Line]:
        """Where each line begins and ends, and how high it stands."""
        spans = [match.span() for match in _LINE.finditer(self.text)]
        at = self.indices or range(len(self.text))
        boxes = self.letters.boxes([at[start] for start, _ in spans])
        return [(*span, bottom, top) for span, (_, top, _, bottom) in zip(spans, boxes, strict=True)]

    def rearrange(self, start: int, order: Sequence[int], text: str) -> None:
        """Put the characters of these offsets there from `start` on, written as `text`."""
        end = start + len(order)
        assert len(text) == len(order)
        self.indices = self.indices or list(range(len(self.text)))
        self.indices[start:end] = [self.indices[offset] for offset in order]
        self.text = self.text[:start] + text + self.text[end:]
        self.__dict__.pop("lines", None)

    def weave(self, known: list[Word], first: int, last: int, lines: Sequence[Sequence[int]]) -> list[int]:
        """Put the known words from `first` to `last` into these lines, given by their places; where each starts then.

        There is nothing but blanks between them. The blanks stay as many; which of them end a line is written anew.
        """
        begin = known[first][0]
        sequence = [place for line in lines for place in line]
        opening = {line[0] for line in lines}
        if sequence == [*range(first, last + 1)]:
            return self._part(known[first : last + 1], {place - first for place in opening})
        kept = {one for one, other in pairwise(sequence) if other == one + 1}
        blanks = {place: range(known[place][1], known[place + 1][0]) for place in range(first, last)}
        spare = (gap for place, gap in blanks.items() if place not in kept)
        order: list[int] = []
        written: list[str] = []
        moved: list[Word] = []
        for number, place in enumerate(sequence):
            if number:
                before = sequence[number - 1]
                gap = blanks[before] if before in kept else next(spare)
                order += gap
                written.append(_blank(len(gap), place in opening))
            start, end, left, bottom, right, top = known[place]
            place_now = begin + len(order)
            moved.append((place_now, place_now + end - start, left, bottom, right, top))
            order += range(start, end)
            written.append(self.text[start:end])
        self.rearrange(begin, order, "".join(written))
        known[first : last + 1] = moved
        starts = [0] * len(sequence)
        for place, word in zip(sequence, moved, strict=True):
            starts[place - first] = word[0]
        return starts

    def _part(self, words: Sequence[Word], opening: set[int]) -> list[int]:
        """Write the blanks between words anew that stand in order already, as most do; `opening` ones begin a line."""
        written = [self.text[words[0][0] : words[0][1]]]
        for place, (before, (start, end, *_)) in enumerate(pairwise(words), 1):
            written += _blank(start - before[1], place in opening), self.text[start:end]
        self.text = self.text[: words[0][0]] + "".join(written) + self.text[words[-1][1] :]
        return [word[0] for word in words]

    @cached_property
    def runs(self) -> list[tuple[int, int, int, int]]:
        """As ExtractedPage.runs; asked for when all is in order."""
        steps = list(map(sub, self.indices[1:], self.indices))
        if steps.count(1) == len(steps):
            return []
        found: list[tuple[int, int, int, int]] = []
        start = 0
        for end in [*(place for place, step in enumerate(steps, 1) if step != 1), len(self.indices)]:
            index, length = self.indices[start], end - start
            if found and length == 1 and _goes_down(found[-1], index):
                first, highest, before, _ = found.pop()
                found.append((first, highest, before + 1, -1))
            else:
                found.append((start, index, length, 1))
            start = end
        return found

    def moved(self, spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
        """Spans of PDFium's text where they stand now."""
        if not self.runs:
            return list(spans)
        found = []
        for start, end, reason in spans:
            parts = joined(self._parts(start, end))
            found += [(first, after, reason) for first, after in parts if self.text[first:after].strip()]
        return sorted(found)

    def _parts(self, start: int, end: int) -> Iterator[Span]:
        """Where PDFium's characters from `start` to `end` stand now, run by run."""
        at = bisect(self._firsts, start) - 1
        while start < end:
            place, index, length, step = self._by_index[at]
            lowest = index if step > 0 else index - length + 1
            after = min(end, lowest + length)
            if step > 0:
                yield place + start - index, place + after - index
            else:
                yield place + index - after + 1, place + index - start + 1
            start, at = after, at + 1

    def place(self, index: int) -> int:
        """Where PDFium's character stands now."""
        if not self.runs:
            return index
        start, first, _, step = self._by_index[bisect(self._firsts, index) - 1]
        return start + (index - first) * step

    @cached_property
    def _by_index(self) -> list[tuple[int, int, int, int]]:
        return sorted(self.runs, key=_lowest)

    @cached_property
    def _firsts(self) -> list[int]:
        return list(map(_lowest, self._by_index))


def _goes_down(run: tuple[int, int, int, int], index: int) -> bool:
    """Whether PDFium's index goes on where a run of falling ones, or of a single one, ends."""
    _, highest, length, step = run
    return (step == -1 or length == 1) and index == highest - length


def _lowest(run: tuple[int, int, int, int]) -> int:
    """The smallest of PDFium's indices in a run."""
    _, index, length, step = run
    return index if step > 0 else index - length + 1


def _blank(length: int, ends_line: bool) -> str:
    if not ends_line:
        return " " * length
    return "\n" if length == 1 else " " * (length - 2) + "\r\n"
