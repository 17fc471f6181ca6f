"""Find the source markers in an answer while it streams. Pure."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TypeVar

MARKER = re.compile(r"\[(?:doc)?(\d{1,3})\]")
OPEN_MARKER = re.compile(r"\[(?:d|do|doc|doc\d{1,3}|\d{1,3})?$")
FENCE = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,3}[.)][ \t])*(```|~~~)([^\n]*)")
LINE_MOST = 200  # Letters of a line that is still being written; a fence stands at its beginning.

Other = TypeVar("Other")  # What a model says beside text.


class MarkerSplitter:
    """Tells text from source numbers in pieces that come one by one.

    A marker may arrive cut in two ("[1" then "2]"), so the tail that could still become one is held back
    until the next piece settles it. Between fences stands code, where [1] is a place in a list.

    >>> split = MarkerSplitter()
    >>> [*split.feed("Pay in May [1"), *split.feed("2]. Or"), *split.feed(" not [x]."), *split.rest()]
    ['Pay in May ', 12, '. Or', ' not [x].']
    >>> [*MarkerSplitter().feed("See[1]\\n```\\nrow[1]\\n```\\n[2]")]
    ['See', 1, '\\n', '```\\n', 'row[1]\\n', '```\\n', 2]
    """

    def __init__(self) -> None:
        self._held = ""
        self._line = ""  # what was told of this line
        self._fence = ""  # that was open when it began

    def feed(self, piece: str) -> Iterator[str | int]:
        text = self._held + piece
        tail = OPEN_MARKER.search(text)
        cut = tail.start() if tail else len(text)
        self._held = text[cut:]
        yield from self._told(text[:cut])

    def rest(self) -> Iterator[str | int]:
        held, self._held = self._held, ""
        yield from self._told(held)

    def _told(self, text: str) -> Iterator[str | int]:
        for part in text.splitlines(keepends=True):
            self._line = (self._line + part)[:LINE_MOST]
            after = _fence_after(self._line, self._fence)
            is_code = bool(after or (not self._fence and FENCE.match(self._line)))
            yield from [part] if is_code else _split(part)
            if part.endswith("\n"):
                self._line, self._fence = "", after


def _fence_after(line: str, fence: str) -> str:
    """Which fence is open behind a line, or behind as much of it as there is."""
    found = FENCE.match(line)
    if not found:
        return fence
    if fence:
        return "" if found[1] == fence else fence
    return "" if "`" in found[2].lstrip("`") and found[1] == "```" else found[1]  # `` ```x``` `` is code in a line.


def _split(text: str) -> Iterator[str | int]:
    last = 0
    for marker in MARKER.finditer(text):
        if marker.start() > last:
            yield text[last : marker.start()]
        yield int(marker[1])
        last = marker.end()
    if last < len(text):
        yield text[last:]


async def split_markers(pieces: AsyncGenerator[str | Other]) -> AsyncGenerator[str | int | Other]:
    """Yield text as str and source numbers as int, in reading order; what is not text passes as it is.

    Closing this closes `pieces`, at once and not when somebody collects it.
    """
    splitter = MarkerSplitter()
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, str):
                for part in splitter.feed(piece):
                    yield part
            else:
                yield piece
    for part in splitter.rest():
        yield part
