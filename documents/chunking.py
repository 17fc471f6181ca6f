"""Cut a page's text into chunks: spans of a limited number of tokens that end where a reader would pause.

Pure. The text is first seen as a row of units (a heading's line, a sentence, a table row, a list item; of a sentence
longer than a chunk its lines, words and, at last, letters), and units are then packed into chunks.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

Count = Callable[[str], int]
Heading = tuple[int, int, str]  # offset, level from 1, title


@dataclass(frozen=True)
class Span:
    """Where a chunk lies in its page's text, and the headings in force there, as "outer > inner"."""

    start: int
    end: int
    section: str


class Break(IntEnum):
    """How good a place the beginning of a unit is to begin a chunk at."""

    INSIDE = 0
    SENTENCE = 1
    PARAGRAPH = 2
    HEADING = 3


@dataclass(frozen=True)
class _Unit:
    start: int
    end: int
    kind: Break
    tokens: int  # with the blanks up to the next unit, so that a sum never counts too little


TINY = 1 / 8  # of a chunk: what is smaller does not stand alone in front of a heading
SECTION_LETTERS = 500
LETTERS_A_TOKEN = 8  # A stretch longer than this is cut before it is counted, or counting would take quadratic time.

LETTER = re.compile(r"\S")
LINE = re.compile(r"[^\r\n\f\v\u2028\u2029]*(?:\r\n|[\r\n\f\v\u2028\u2029]|$)")
ITEM = re.compile(r"[ \t]*(?:[•‣▪●○◦–—*+-]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)])[ \t]+\S|[ \t]*\|")
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？｡][”』」）]*|[؟۔।](?=\s|$)")
ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|cf|al|ca|approx|e\.g|i\.e|No|Nos|Fig|Sec|Art|pp|Vol|Inc|Ltd|Co|Corp"
    r"|Dept|Gov|Sen|Rep|Gen|Nr|Abs|bzw|usw|vgl|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec))\.$"
)
WORD = re.compile(r"\S+")


def split(text: str, headings: Sequence[Heading], *, tokens: int, overlap: float, count: Count) -> list[Span]:
    """Cut a page's text into chunks of at most `tokens` tokens.

    Together the spans hold every letter of the text that is not blank; starts and ends increase; no span begins or
    ends with a blank, and none exceeds the limit unless a single letter with its marks does. A span begins up to
    `overlap` of a chunk before the end of the one before it, at a sentence, but never before a heading that opens
    it. Headings that were in force before the page began are given with offset 0.

    >>> split("Rent is due. Heat is not.", [], tokens=4, overlap=0, count=lambda text: len(text.split()))
    [Span(start=0, end=12, section=''), Span(start=13, end=25, section='')]
    """
    if tokens < 1:
        raise ValueError("a chunk holds at least one token")
    headings = sorted(headings, key=lambda heading: heading[0])
    units = list(_units(text, headings, tokens, count))
    section = _sections(headings)
    return [
        Span(units[first].start, units[last].end, section(units[first].start))
        for first, last in _pack(text, units, tokens, overlap, count)
    ]


def _pack(text: str, units: list[_Unit], tokens: int, overlap: float, count: Count) -> Iterator[tuple[int, int]]:
    """First and last unit of each chunk."""
    first = fresh = 0  # `fresh`: the first unit that no chunk holds yet.
    while fresh < len(units):
        last = _last_that_fits(units, first, fresh, tokens)
        last = _best_end(units, fresh, last, tokens)
        while count(text[units[first].start : units[last].end]) > tokens and first < last:
            if first < fresh:
                first += 1  # The repeated beginning gives way before anything new does.
            else:
                last -= 1
        yield first, last
        fresh = last + 1
        first = _repeat_from(units, first, fresh, tokens * overlap)


def _last_that_fits(units: list[_Unit], first: int, fresh: int, tokens: int) -> int:
    """As many units as the limit allows, and no further than a heading that what stands before it can do without."""
    held = sum(unit.tokens for unit in units[first : fresh + 1])
    last = fresh
    while last + 1 < len(units) and held + units[last + 1].tokens <= tokens:
        if units[last + 1].kind is Break.HEADING and held > tokens * TINY:
            break
        last += 1
        held += units[last].tokens
    return last


def _best_end(units: list[_Unit], fresh: int, last: int, tokens: int) -> int:
    """Step back from the last unit that fits to a better place to stop, if one is near."""
    if last + 1 == len(units):
        return last
    best, given_up = last, 0
    for end in range(last, fresh, -1):
        if given_up > tokens * 0.4:
            break
        if units[end + 1].kind > units[best + 1].kind:
            best = end
        given_up += units[end].tokens
    while best > fresh and units[best].kind is Break.HEADING:
        best -= 1  # A heading goes with what it heads.
    return best


def _repeat_from(units: list[_Unit], first: int, fresh: int, budget: float) -> int:
    """The unit the next chunk begins with: some before the first new one, unless a heading opens the chunk.

    A sentence may take twice the budget, else most texts would have no overlap at all.
    """
    if fresh >= len(units) or units[fresh].kind is Break.HEADING or budget <= 0:
        return fresh
    start, held = fresh, 0
    for index in range(fresh - 1, first, -1):
        held += units[index].tokens
        if held > 2 * budget:
            break
        if units[index].kind is not Break.INSIDE or units[fresh].kind is Break.INSIDE:
            start = index
        if held >= budget or units[index].kind is Break.HEADING:
            break
    return start


def _units(text: str, headings: Sequence[Heading], tokens: int, count: Count) -> Iterator[_Unit]:
    marks = list(_marks(text, headings))
    for number, (start, kind) in enumerate(marks):
        limit = marks[number + 1][0] if number + 1 < len(marks) else len(text)
        size = _size(text, start, limit, tokens, count)
        if size <= tokens:
            yield _Unit(start, start + len(text[start:limit].rstrip()), kind, size)
            continue
        pieces = list(_pieces(text, start, limit, max(1, tokens // 8), count))
        for begin, end in pieces:
            size = _size(text, begin, end, tokens, count)
            yield _Unit(begin, begin + len(text[begin:end].rstrip()), kind if begin == start else Break.INSIDE, size)


def _size(text: str, start: int, end: int, tokens: int, count: Count) -> int:
    """Tokens of a stretch; anything too long for one chunk in any case is not counted to the end."""
    stretch = text[start : min(end, start + (tokens + 1) * LETTERS_A_TOKEN * 8)]
    size = count(stretch)
    return size if start + len(stretch) == end else max(size, tokens + 1)


def _marks(text: str, headings: Sequence[Heading]) -> Iterator[tuple[int, Break]]:
    """Where a unit begins, in order, and why there; each at a letter that is not blank."""
    opened = _heading_lines(text, headings)
    after, paragraph = Break.SENTENCE, True
    for line in LINE.finditer(text):
        start = _next_letter(text, line.start(), line.end())
        if start == line.end():
            paragraph = paragraph or line.end() > line.start()
            continue
        if start in opened:
            yield start, Break.HEADING
            after = Break.PARAGRAPH
        elif paragraph:
            yield start, Break.PARAGRAPH
            after = Break.INSIDE
        elif after or _is_item(line.group()):
            yield start, after or Break.SENTENCE
            after = Break.INSIDE
        if start not in opened:
            for end in _sentence_ends(line.group()):
                begin = _next_letter(text, line.start() + end, len(text))
                if begin < line.end():
                    yield begin, Break.SENTENCE
            after = Break.SENTENCE if _ends_sentence(line.group()) else Break.INSIDE
        paragraph = False


def _next_letter(text: str, start: int, end: int) -> int:
    """Where the blanks that may stand here are over."""
    found = LETTER.search(text, start, end)
    return found.start() if found else end


def _heading_lines(text: str, headings: Sequence[Heading]) -> set[int]:
    """Where a heading stands in this text. One carried over from an earlier page does not."""
    found = set()
    for offset, _, title in headings:
        if not 0 <= offset < len(text):
            continue
        start = _next_letter(text, offset, len(text))
        line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
        word = WORD.search(title)
        if word is None or word.group().casefold() in text[line_start : start + 200].casefold():
            found.add(_next_letter(text, line_start, len(text)))
    return found


def _is_item(line: str) -> bool:
    return "\t" in line.strip() or ITEM.match(line) is not None


def _sentence_ends(line: str) -> Iterator[int]:
    for end in SENTENCE_END.finditer(line):
        following = line[end.end() : end.end() + 8].lstrip()[:1]
        if following and not following.islower() and not ABBREVIATION.search(line[max(0, end.end() - 8) : end.end()]):
            yield end.end()


def _ends_sentence(line: str) -> bool:
    tail = line.rstrip()[-12:]
    return SENTENCE_END.search(f"{tail} ", max(0, len(tail) - 4)) is not None and not ABBREVIATION.search(tail)


def _pieces(text: str, start: int, end: int, tokens: int, count: Count) -> Iterator[tuple[int, int]]:
    """Cut what is too long for a chunk, at lines if that is enough, else at words, else between letters."""
    waiting = [(start, end)]
    while waiting:
        start, end = waiting.pop()
        bare = start + len(text[start:end].rstrip())
        longest = tokens * LETTERS_A_TOKEN
        if bare - start > 2 * longest:
            # Equal strides first: halving a long stretch would count it again on every level.
            cut = _cut(text, start, bare, start + longest)
        elif count(text[start:bare]) > tokens:
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
        place = _next_letter(text, place, end) if place > 0 else 0
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
