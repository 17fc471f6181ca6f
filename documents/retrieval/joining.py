"""Join the chunks that lie side by side on a page, so that one passage tells what was cut in two.

Pure, but for the rows it reads: nothing is fetched here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from documents.models import Chunk

TOKENS_MOST = 800  # of what is joined: eight such passages still fit a prompt of 8,000


@dataclass(frozen=True)
class Stretch:
    """Neighbours on one page as one span; `chunks` best first."""

    chunks: tuple[Chunk, ...]

    @property
    def best(self) -> Chunk:
        return self.chunks[0]

    @property
    def start(self) -> int:
        return self._first.start

    @property
    def end(self) -> int:
        return max(chunk.end for chunk in self.chunks)

    @property
    def text(self) -> str:
        """What an answer may use: withheld words are blanks, so that every offset holds."""
        return self.best.page.shown_text(self.start, self.end)

    @property
    def header(self) -> str:
        """The header row of the table that it begins amidst; "" elsewhere."""
        return self._first.header

    @property
    def header_span(self) -> tuple[int, int]:
        return self._first.header_start, self._first.header_end

    @property
    def _first(self) -> Chunk:
        return min(self.chunks, key=lambda chunk: chunk.start)


def joined(chunks: Sequence[Chunk]) -> list[Stretch]:
    """Chunks, best first, as stretches, each at the place of its best."""
    order = {chunk.pk: place for place, chunk in enumerate(chunks)}
    by_page: dict[int, list[Stretch]] = defaultdict(list)
    for chunk in chunks:
        near = by_page[chunk.page_id]
        whole = Stretch((chunk,))
        apart = []
        for stretch in near:
            if union := _union(whole, stretch):
                whole = union
            else:
                apart.append(stretch)
        ordered = tuple(sorted(whole.chunks, key=lambda held: order[held.pk]))
        by_page[chunk.page_id] = [*apart, Stretch(ordered)]
    found = [stretch for stretches in by_page.values() for stretch in stretches]
    return sorted(found, key=lambda stretch: order[stretch.best.pk])


def _union(one: Stretch, other: Stretch) -> Stretch | None:
    """Both as one, if they overlap or touch, belong to one section and table, and are not too much together."""
    first, then = sorted((one, other), key=lambda stretch: stretch.start)
    if (first.best.index_version_id, first.best.section) != (then.best.index_version_id, then.best.section):
        return None
    if first.best.page.text[first.end : then.start].strip() or not _in_one_table(first, then):
        return None
    both = Stretch((*one.chunks, *other.chunks))
    return both if sum(chunk.tokens for chunk in both.chunks) <= TOKENS_MOST else None


def _in_one_table(first: Stretch, then: Stretch) -> bool:
    """Whether the header that the second stands under, if any, is the first one's too or lies in it."""
    start, end = then.header_span
    return start == end or then.header_span == first.header_span or (first.start <= start and end <= first.end)
