"""Cut a text into sentences, as spans of it. Pure.

Structure counts before punctuation: a blank line, a list item, a table row and a heading end a sentence, a line
break inside a paragraph does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ABBREVIATIONS = frozenset(
    (
        "mr mrs ms dr prof sr jr st no nos vs etc e.g i.e eg ie cf al fig figs vol ed eds inc ltd co corp dept approx "
        "est jan feb mar apr jun jul aug sep sept oct nov dec art para sec ch p pp u.s u.k u.n a.m p.m z.b d.h bzw nr"
    ).split()
)
ITEM = r"[ \t]*(?:[-*•–‣▪●○]|\(?\d{1,3}[.)]|\(?[a-z][.)]|#{1,6}|\|)[ \t]"
BLOCK = re.compile(rf"\r?\n[ \t]*(?:\r?\n)+|\r?\n(?={ITEM})|\r?\n(?=[^\n]* \| )|\f")
LINE_END = re.compile(r"\r?\n")
SHORT = 0.6  # A line of less than this share of a full one was broken on purpose.
STOP = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？؟।]+[”’」』）]*")


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of `text`, trimmed of space, in order.

    >>> [("Pay Dr. Lee £1.50. Or not."[a:b]) for a, b in sentences("Pay Dr. Lee £1.50. Or not.")]
    ['Pay Dr. Lee £1.50.', 'Or not.']
    """
    found = []
    for start, end in _blocks(text):
        left = start
        for stop in STOP.finditer(text, start, end):
            if _ends(text, left, stop):
                found.append((left, stop.end()))
                left = stop.end()
        found.append((left, end))
    trimmed = (_trim(text, start, end) for start, end in found)
    return [(start, end) for start, end in trimmed if start < end]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Paragraphs, list items, rows and headings."""
    borders = [0, *(place for found in BLOCK.finditer(text) for place in found.span()), len(text)]
    lengths = sorted(map(len, text.splitlines()))
    full = lengths[-max(1, len(lengths) // 5)] if lengths else 0
    for start, end in zip(borders[::2], borders[1::2], strict=True):
        left = start
        for found in LINE_END.finditer(text, start, end):
            if _stands_alone(text[left : found.start()].rsplit("\n", 1)[-1].strip(), text[found.end() :], full):
                yield left, found.start()
                left = found.end()
        yield left, end


def _stands_alone(line: str, rest: str, full: int) -> bool:
    """Whether a line is a heading or a row: it stops well before the margin, in the middle of nothing."""
    is_open = bool(line) and line[-1] in ".,;:!?…-–"
    following = rest.lstrip()[:1]
    return bool(line) and len(line) < SHORT * full and not is_open and (following.isupper() or following.isdigit())


def _ends(text: str, left: int, stop: re.Match[str]) -> bool:
    """Whether this full stop ends a sentence: not after an abbreviation, an initial or a number in a list."""
    if stop[0][0] != ".":
        return True
    word = re.search(r"[\w.]*$", text[max(left, stop.start() - 20) : stop.start()])[0].lower()
    if word in ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return False
    if word.isdecimal() and stop.start() - len(word) <= left + 1:
        return False
    rest = text[stop.end() :].lstrip()[:1]
    return not rest or not rest.islower()


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
