"""Text of a PDF that is written from right to left, in the order in which it is read.

PDFium turns such lines round, but not where a program drew the letters of a word one by one from the left, nor words
of another direction within a line. So the order is told by where the letters stand.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from documents.extraction.pdf.objects import Area
from documents.extraction.pdf.order import Flow

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LINE = re.compile(r"\S[^\r\n]*")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_FORMS = {  # Letters as they look at their place in a word, where each is one letter.
    code: plain
    for code in [*range(0xFB50, 0xFDFC), *range(0xFE70, 0xFEFD)]
    if len(plain := unicodedata.normalize("NFKC", chr(code))) == 1
}


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
    from_right = count["R"] > count["L"]
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
