"""Columns of a PDF's page whose lines were written across: put one after the other.

PDFium follows the order in which a page is written, and joins what stands on one line. That is nearly always right; it
is not where two columns were written line by line across both. Only what is surely prose is moved.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from documents.extraction.pages import Span
from documents.extraction.pdf.objects import Area, Painted
from documents.extraction.pdf.order import Flow, Word

GAP = 9.0  # points between two columns
GAPS_MOST = 1_000  # of a page tell enough
ROWS_LEAST = 4  # lines of each column, before two are believed in
SAMPLES, SAMPLE = 6, 16  # so many times so many objects tell whether a page may have mixed columns


def may_have_columns(painted: Painted, tables: Sequence[Area]) -> bool:
    """Whether objects stand beside the one before, over one another, often enough to look closer.

    A sample is looked at: columns whose lines are mixed show it wherever one looks.
    """
    texts = painted.texts
    if len(texts) > SAMPLES * SAMPLE:
        starts = range(0, len(texts), len(texts) // SAMPLES)
        texts = [at for start in starts for at in texts[start : start + SAMPLE]]
    boxes = [sides for sides in painted.sides(texts) if sides[0] < sides[2]]
    gaps = [
        (right, left)
        for (_, bottom, right, top), (left, below, _, above) in pairwise(boxes)
        if left - right >= GAP
        and below < top
        and bottom < above
        and not any(table[0] < right < table[2] and table[1] < below < table[3] for table in tables)
    ]
    return _common(gaps, 2) is not None


class _Piece(NamedTuple):
    """Words side by side, without a gap as between columns."""

    words: list[int]
    left: float
    bottom: float
    right: float
    top: float


def part_columns(flow: Flow, taken: Sequence[Span]) -> None:
    """Put columns one after the other where their lines were mixed. `taken` spans stay as they are."""
    places = list(range(len(flow.words)))
    start = 0
    for first, after in [*sorted(taken), (len(flow.text), len(flow.text))]:
        pieces = list(_pieces(flow.words, [place for place in places if start <= flow.words[place][0] < first]))
        start = after
        gutter = _common(list(_gaps(pieces)))
        if gutter is None:
            continue
        for block in _blocks(pieces, gutter):
            ordered = _by_column(block, gutter, flow)
            if ordered:
                flow.weave(flow.words, block[0].words[0], block[-1].words[-1], [piece.words for piece in ordered])


def _pieces(words: Sequence[Word], places: list[int]) -> Iterator[_Piece]:
    held: list[int] = []
    left = bottom = right = top = 0.0
    for place in places:
        _, _, own_left, own_bottom, own_right, own_top = words[place]
        is_beside = held and own_bottom < top and bottom < own_top
        if is_beside and -1 < own_left - right < max(GAP, 0.9 * (own_top - own_bottom)):
            held.append(place)
            bottom, right, top = min(bottom, own_bottom), own_right, max(top, own_top)
            continue
        if held:
            yield _Piece(held, left, bottom, right, top)
        held, left, bottom, right, top = [place], own_left, own_bottom, own_right, own_top
    if held:
        yield _Piece(held, left, bottom, right, top)


def _gaps(pieces: Sequence[_Piece]) -> Iterator[tuple[float, float]]:
    """From where to where a line is empty between neighbours."""
    for one, other in pairwise(pieces):
        if other.left - one.right >= GAP and min(one.top, other.top) > max(one.bottom, other.bottom):
            yield one.right, other.left


def _common(gaps: Sequence[tuple[float, float]], least: int = ROWS_LEAST) -> float | None:
    """The middle of what most gaps have in common, if those are enough."""
    if len(gaps) < least:
        return None
    gaps = gaps[:GAPS_MOST]
    begins, ends = sorted([begin for begin, _ in gaps]), sorted([end for _, end in gaps])
    counts = {end: bisect_left(begins, end) - bisect_left(ends, end) for _, end in gaps}
    end, count = max(counts.items(), key=lambda each: each[1])
    if count < least:
        return None
    return (max(left for left, right in gaps if left < end <= right) + end) / 2


def _blocks(pieces: Sequence[_Piece], gutter: float) -> Iterator[list[_Piece]]:
    block: list[_Piece] = []
    for piece in pieces:
        if piece.left < gutter < piece.right:
            yield block
            block = []
        else:
            block.append(piece)
    yield block


def _by_column(block: list[_Piece], gutter: float, flow: Flow) -> list[_Piece]:
    """The block's pieces column by column; [] when they are so already, or may be a table or a list of names."""
    sides: tuple[list[_Piece], list[_Piece]] = ([], [])
    switches, before = 0, -1
    for piece in block:
        side = int(piece.left >= gutter)
        sides[side].append(piece)
        switches += side != before >= 0
        before = side
    fewest = min(map(len, sides))
    if fewest < ROWS_LEAST or switches < 1.2 * fewest:
        return []
    if not all(_is_prose(side, flow) for side in sides):
        return []
    return [piece for side in sides for piece in _further(side, flow)]


def _further(side: list[_Piece], flow: Flow) -> list[_Piece]:
    """A side that may itself be two columns."""
    gutter = _common(list(_gaps(side)))
    return (_by_column(side, gutter, flow) if gutter is not None else []) or side


def _is_prose(side: Sequence[_Piece], flow: Flow) -> bool:
    """Lines that fill their column and go on in the middle of a sentence; cells and lists do neither."""
    lines = [flow.text[flow.words[piece.words[0]][0] : flow.words[piece.words[-1]][1]] for piece in side]
    widths = [piece.right - piece.left for piece in side]
    going_on = sum(line[0].islower() for line in lines[1:])
    return (
        median(map(len, lines)) >= 15
        and median(widths) >= 0.6 * max(widths)
        and going_on >= max(2, 0.3 * (len(lines) - 1))
    )
