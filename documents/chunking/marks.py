"""Where a reader would pause in a text: at headings, paragraphs, list items and sentences."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from enum import IntEnum

Heading = tuple[int, int, str]  # offset, level from 1, title


class Break(IntEnum):
    """How good a place the beginning of a unit is to begin a chunk at."""

    INSIDE = 0
    SENTENCE = 1
    PARAGRAPH = 2
    HEADING = 3


Mark = tuple[int, Break]

LETTER = re.compile(r"\S")
LINE = re.compile(r"[^\r\n\f\v\u2028\u2029]*(?:\r\n|[\r\n\f\v\u2028\u2029]|$)")
ITEM = re.compile(r"[ \t]*(?:[•‣▪●○◦–—*+-]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)])[ \t]+\S|[ \t]*\|")
STOPS = frozenset(".!?…。！？｡؟۔।")
# One set of letters in front lets the search skip to the next of them; a run of them is only looked at from its start.
SENTENCE_END = re.compile(
    r"[.!?…。！？｡؟۔।](?:"
    r"(?<=[.!?…])(?<![.!?…].)[.!?…]*+[\"'”’»)\]]*+(?=\s)|(?<=[。！？｡])[”』」）]*|(?<=[؟۔।])(?=\s|$))"
)
ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|cf|al|ca|approx|e\.g|i\.e|No|Nos|Fig|Sec|Art|pp|Vol|Inc|Ltd|Co|Corp"
    r"|Dept|Gov|Sen|Rep|Gen|Nr|Abs|bzw|usw|vgl|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec))\.$"
)
WORD = re.compile(r"\S+")


def marks(text: str, headings: Sequence[Heading]) -> Iterator[Mark]:
    """Where a unit begins, in order, and why there; each at a letter that is not blank."""
    opened = _heading_lines(text, headings)
    stops = deque(found.end() for found in SENTENCE_END.finditer(text))
    stops.append(len(text) + 1)  # So that there is always a next one.
    after, paragraph = Break.SENTENCE, True
    for found in LINE.finditer(text):
        line, line_end = found[0], found.end()
        bare = line.lstrip()
        if not bare:
            paragraph = paragraph or bool(line)
            continue
        start = line_end - len(bare)
        is_heading = start in opened
        if is_heading:
            yield start, Break.HEADING
        elif paragraph:
            yield start, Break.PARAGRAPH
        elif after or _is_item(line):
            yield start, after or Break.SENTENCE
        while stops[0] <= line_end:
            stop = stops.popleft()
            if not is_heading and _ends_before_another(text, found.start(), stop, line_end):
                begin = next_letter(text, stop, len(text))
                if begin < line_end:
                    yield begin, Break.SENTENCE
        ending = Break.SENTENCE if ends_sentence(bare) else Break.INSIDE
        after = Break.PARAGRAPH if is_heading else ending
        paragraph = False


def next_letter(text: str, start: int, end: int) -> int:
    """Where the blanks that may stand here are over."""
    if start < end and not text[start].isspace():
        return start
    found = LETTER.search(text, start, end)
    return found.start() if found else end


def ends_sentence(line: str) -> bool:
    tail = line.rstrip()[-12:]
    if STOPS.isdisjoint(tail[-4:]):
        return False
    return SENTENCE_END.search(f"{tail} ", max(0, len(tail) - 4)) is not None and not ABBREVIATION.search(tail)


def _heading_lines(text: str, headings: Sequence[Heading]) -> set[int]:
    """Where a heading stands in this text. One carried over from an earlier page does not."""
    found = set()
    for offset, _, title in headings:
        if not 0 <= offset < len(text):
            continue
        start = next_letter(text, offset, len(text))
        line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
        word = WORD.search(title)
        if word is None or word.group().casefold() in text[line_start : start + 200].casefold():
            found.add(next_letter(text, line_start, len(text)))
    return found


def _is_item(line: str) -> bool:
    return ("\t" in line and "\t" in line.strip()) or ITEM.match(line) is not None


def _ends_before_another(text: str, start: int, stop: int, end: int) -> bool:
    """Whether a stop in a line, from `start` to `end`, ends a sentence that another follows."""
    following = text[stop : min(stop + 8, end)].lstrip()[:1]
    if not following or following.islower():
        return False
    return not ABBREVIATION.search(text[max(start, stop - 8) : stop])
