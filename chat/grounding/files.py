"""Find on our own pages what a service quotes from a file that we gave it. Pure.

A quotation may run over the end of a page, and a service may have changed its spaces, its hyphens, or a word. First the
very words are looked for, then the words without spaces and hyphens, then the page that shares most with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LOOSE = re.compile(r"[\s\-‐‑\u00ad\u200b\ufeff]+")
WORD = re.compile(r"\w+")
SHINGLE = 3  # Words in a row that count as shared.
LEAST_SHARED = 0.4  # Of a quotation's shingles: with less of them the words are not lit at all.
LEAST_LETTERS = 8  # Of a quotation, and of its part on a page, without spaces: fewer may stand anywhere.


@dataclass(frozen=True)
class Span:
    """Words on a page: its place among the pages given, from 0, and offsets into its text."""

    page: int
    start: int
    end: int


def spans_of(quote: str, pages: Sequence[str]) -> list[Span]:
    """Where a quotation stands, one span for each page it touches; none when it is not from these pages.

    >>> spans_of("in ten  work-\\ning days.", ["We pay.", "We pay in ten working days."])
    [Span(page=1, start=7, end=27)]
    """
    exact = quote.strip()
    if len(_squeezed(exact)) < LEAST_LETTERS:
        return []
    for place, text in enumerate(pages):
        if (start := text.find(exact)) >= 0:
            return [Span(place, start, start + len(exact))]
    return _loosely(exact, pages) or _nearest(exact, pages)


def _squeezed(text: str) -> str:
    return LOOSE.sub("", text).casefold()


def _loosely(quote: str, pages: Sequence[str]) -> list[Span]:
    """The quotation without spaces and hyphens in all the pages as one text."""
    wanted, bare = _squeezed(quote), [_squeezed(text) for text in pages]
    at = "".join(bare).find(wanted)
    if at < 0:
        return []
    spans, begins = [], 0
    for place, text in enumerate(bare):
        first, last = max(at - begins, 0), min(at + len(wanted) - begins, len(text))
        begins += len(text)
        if last - first >= min(LEAST_LETTERS, len(wanted)):
            spans.append(Span(place, *_unsqueezed(pages[place], first, last)))
    return spans


def _unsqueezed(text: str, first: int, last: int) -> tuple[int, int]:
    """The offsets in a text of what stands between two places of its squeezed form.

    >>> _unsqueezed("a b-c", 1, 3)
    (2, 5)
    """
    seen, start = 0, 0
    for place, letter in enumerate(text):
        if LOOSE.match(letter):
            continue
        if seen <= first:
            start = place
        seen += len(letter.casefold())
        if seen >= last:
            return start, place + 1
    return start, len(text)


def _nearest(quote: str, pages: Sequence[str]) -> list[Span]:
    """The stretch of the page that shares most words in a row with the quotation, if it shares enough."""
    wanted = _shingles(quote)
    best: list[Span] = []
    most = max(LEAST_SHARED * len(wanted), 1)
    for place, text in enumerate(pages):
        found = _shingles(text)
        shared = wanted.keys() & found.keys()
        if len(shared) > most:
            most = len(shared)
            best = [Span(place, *_densest([found[one] for one in shared], 2 * len(quote)))]
    return best


def _shingles(text: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """Words in a row, and where they first stand."""
    words = [(found[0].casefold(), *found.span()) for found in WORD.finditer(text)]
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for at in range(len(words) - SHINGLE + 1):
        some = words[at : at + SHINGLE]
        found.setdefault(tuple(word for word, *_ in some), (some[0][1], some[-1][2]))
    return found


def _densest(places: list[tuple[int, int]], letters: int) -> tuple[int, int]:
    """The stretch of at most so many letters that holds most of the places."""
    places = sorted(places)
    first, best = 0, (0, 0)
    for last, (_, end) in enumerate(places):
        while end - places[first][0] > letters:
            first += 1
        best = max(best, (first, last), key=lambda window: window[1] - window[0])
    return places[best[0]][0], places[best[1]][1]
