"""Find the source markers in an answer while it streams. Pure."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TypeVar

MARKER = re.compile(r"\[(?:doc)?(\d{1,3})\]")
OPEN_MARKER = re.compile(r"\[(?:d|do|doc|doc\d{1,3}|\d{1,3})?$")

Other = TypeVar("Other")  # What a model says beside text.


class MarkerSplitter:
    """Tells text from source numbers in pieces that come one by one.

    A marker may arrive cut in two ("[1" then "2]"), so the tail that could still become one is held back
    until the next piece settles it.

    >>> split = MarkerSplitter()
    >>> [*split.feed("Pay in May [1"), *split.feed("2]. Or"), *split.feed(" not [x]."), *split.rest()]
    ['Pay in May ', 12, '. Or', ' not [x].']
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> Iterator[str | int]:
        text = self._held + piece
        tail = OPEN_MARKER.search(text)
        cut = tail.start() if tail else len(text)
        self._held = text[cut:]
        yield from _split(text[:cut])

    def rest(self) -> Iterator[str | int]:
        held, self._held = self._held, ""
        yield from _split(held)


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
