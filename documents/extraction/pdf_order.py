"""The order in which a PDF's letters are read, where PDFium's is not the reader's.

PDFium follows the order in which a page is written, and joins what stands on one line. That is nearly always right. It
is not where two columns were written line by line across both, nor within some words written from right to left.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from operator import sub
from statistics import median
from typing import NamedTuple

from documents.extraction.pages import Span
from documents.extraction.pdf_objects import Area, Letters, Painted, joined

GAP = 9.0  # points between two columns
ROWS_LEAST = 4  # lines of each column, before two are believed in
SAMPLES, SAMPLE = 6, 16  # so many times so many objects tell whether a page may have mixed columns

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_WORD = re.compile(r"\S+")
_LINE = re.compile(r"\S[^\r\n]*")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_FORMS = {  # Letters as they look at their place in a word, where each is one letter.
    code: plain
    for code in [*range(0xFB50, 0xFDFC), *range(0xFE70, 0xFEFD)]
    if len(plain := unicodedata.normalize("NFKC", chr(code))) == 1
}


Word = tuple[int, int, float, float, float, float]  # start, end, left, bottom, right, top
Line = tuple[int, int, float]  # start, end, height


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
        starts, ends = [start for start, _ in found], [end for _, end in found]
        at = self.indices or range(len(self.text))
        firsts = self.letters.sides([at[start] for start in starts])
        lasts = self.letters.sides([at[end - 1] for end in ends])
        sides = [map(choose, *both) for choose, *both in zip((min, min, max, max), firsts, lasts, strict=True)]
        return list(zip(starts, ends, *sides, strict=True))

    @cached_property
    def lines(self) -> list[Line]:
        """Where each line begins and ends, and how high its first letter stands."""
        spans = [match.span() for match in _LINE.finditer(self.text)]
        at = self.indices or range(len(self.text))
        _, bottoms, _, tops = self.letters.sides([at[start] for start, _ in spans])
        return [(*span, (bottom + top) / 2) for span, bottom, top in zip(spans, bottoms, tops, strict=True)]

    def rearrange(self, start: int, order: Sequence[int], text: str) -> None:
        """Put the characters of these offsets there from `start` on, written as `text`."""
        end = start + len(order)
        assert len(text) == len(order)
        self.indices = self.indices or list(range(len(self.text)))
        self.indices[start:end] = [self.indices[offset] for offset in order]
        self.text = self.text[:start] + text + self.text[end:]

    def weave(self, known: list[Word], first: int, last: int, lines: Sequence[Sequence[int]]) -> list[int]:
        """Put the known words from `first` to `last` into these lines, given by their places; where each starts then.

        There is nothing but blanks between them. The blanks stay as many; which of them end a line is written anew.
        """
        begin = known[first][0]
        sequence = [place for line in lines for place in line]
        opening = {line[0] for line in lines}
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
            parts = joined((place, place + 1) for place in map(self.place, range(start, end)))
            found += [(first, after, reason) for first, after in parts if self.text[first:after].strip()]
        return sorted(found)

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


# Columns


def may_have_columns(painted: Painted, tables: Sequence[Area]) -> bool:
    """Whether objects stand beside the one before, over one another, often enough to look closer.

    A sample is looked at: columns whose lines are mixed show it wherever one looks.
    """
    texts = painted.texts
    if len(texts) > SAMPLES * SAMPLE:
        starts = range(0, len(texts), len(texts) // SAMPLES)
        texts = [at for start in starts for at in texts[start : start + SAMPLE]]
    boxes = [area for area in painted.areas(texts) if area[0] < area[2]]
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
    counts = {end: sum(left < end <= right for left, right in gaps) for _, end in gaps}
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


# From right to left


def turn_lines(flow: Flow) -> None:
    """Put letters written from right to left in the order in which they are read, line by line."""
    for line in list(_LINE.finditer(flow.text)):
        if RIGHT_TO_LEFT.search(line[0]):
            start, end = line.span()
            order = _read_order(flow.text, start, flow.letters.areas(range(start, end)))
            text = "".join(flow.text[offset] for offset in order)
            text = _with_brackets_right(text).translate(_FORMS)
            if text != line[0] or order != list(range(start, end)):
                flow.rearrange(start, order, text)


def _read_order(text: str, start: int, areas: list[Area]) -> list[int]:
    """Offsets as they are read: the marks with their letters, by where the letters stand."""
    clusters: list[tuple[float, float, list[int]]] = []  # left, right, offsets
    loose: list[int] = []  # blanks that have no place of their own
    for offset, area in enumerate(areas, start):
        letter = text[offset]
        if clusters and unicodedata.category(letter) == "Mn":
            clusters[-1][2].append(offset)
        elif letter.isspace():
            loose.append(offset)
        else:
            clusters.append((area.left, area.right, [offset]))
    clusters.sort(key=lambda cluster: cluster[0] + cluster[1])
    gaps = sorted(range(1, len(clusters)), key=lambda place: clusters[place][0] - clusters[place - 1][1])
    if len(loose) > len(gaps):
        return list(range(start, start + len(areas)))  # More blanks than places for them.
    spaced = set(gaps[len(gaps) - len(loose) :])
    visual: list[list[int]] = []
    blanks = iter(loose)
    for place, (_, _, offsets) in enumerate(clusters):
        if place in spaced:
            visual.append([next(blanks)])
        visual.append(offsets)
    kinds = [_direction(text[offsets[0]]) for offsets in visual]
    with_numbers = [place for place in range(len(kinds)) if text[visual[place][0]] in "%‰$€£¥₪°"]
    for place in with_numbers:
        if "N" in kinds[max(0, place - 1) : place + 2]:
            kinds[place] = "N"
    order = [offset for place in _logical(kinds, text, visual) for offset in visual[place]]
    blanks = iter(loose)  # One is like another, so they stay in their order.
    return [next(blanks) if text[offset].isspace() else offset for offset in order]


def _direction(letter: str) -> str:
    if RIGHT_TO_LEFT.match(letter) and not letter.isdigit():
        return "R"
    if letter.isdigit():
        return "N"
    return "L" if letter.isalpha() else " "


def _logical(kinds: list[str], text: str, visual: list[list[int]]) -> Iterator[int]:
    """Places of what is seen from left to right, as it is read: each stretch of one direction in its own."""
    count = Counter(kinds)
    from_right = count["R"] >= count["L"]
    strong, places = ("LN", range(len(kinds) - 1, -1, -1)) if from_right else ("RN", range(len(kinds)))
    stretch: list[int] = []
    for place in places:
        if kinds[place] in strong and (stretch or kinds[place] != "N" or from_right):
            if stretch and not _belong(kinds, text, visual, stretch, place):
                yield from _turned(stretch, kinds, from_right)
                yield from range(*_between(stretch, place))
                stretch = []
            if stretch:
                stretch += range(*_between(stretch, place))
            stretch.append(place)
        elif kinds[place] == " " and stretch:
            continue  # Settled by what follows.
        else:
            if stretch:
                yield from _turned(stretch, kinds, from_right)
                yield from range(*_between(stretch, place))
                stretch = []
            yield place
    if stretch:
        end = -1 if from_right else len(kinds)
        yield from _turned(stretch, kinds, from_right)
        yield from range(*_between(stretch, end))


def _between(stretch: list[int], place: int) -> tuple[int, int, int]:
    step = 1 if place > stretch[-1] else -1
    return stretch[-1] + step, place, step


def _belong(kinds: list[str], text: str, visual: list[list[int]], stretch: list[int], place: int) -> bool:
    """Whether what stands between two strong letters belongs to their stretch: not a blank between two numbers."""
    if kinds[place] == kinds[stretch[-1]] == "N":
        return all(text[visual[between][0]] in ",.:/-" for between in range(*_between(stretch, place)))
    return True


def _turned(stretch: list[int], kinds: list[str], from_right: bool) -> Iterator[int]:
    """A stretch against the line's direction; numbers in it are read from left to right all the same."""
    if from_right:
        yield from reversed(stretch)
        return
    number: list[int] = []
    for place in reversed(stretch):
        if kinds[place] == "N":
            number.append(place)
        else:
            yield from reversed(number)
            number = []
            yield place
    yield from reversed(number)


def _with_brackets_right(line: str) -> str:
    """Brackets turned round where the line closes before it opens: they were written as they look."""
    return line.translate(_MIRRORED) if _strays(line) > _strays(line.translate(_MIRRORED)) else line


def _strays(line: str) -> int:
    """How many brackets have no partner."""
    depth = strays = 0
    for letter in line:
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            strays += depth == 0
            depth = max(0, depth - 1)
    return strays + depth
