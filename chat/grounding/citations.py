"""Find the source markers in an answer while it streams. Pure."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TypeVar

MARKER = re.compile(r"\[(?:doc)?(\d{1,3})\]")
TICKS_OR_MARKER = re.compile(r"(?P<ticks>`+)|(?P<end>\n)|\[(?:doc)?(?P<number>\d{1,3})\]")
OPEN_MARKER = re.compile(r"\[(?:d|do|doc|doc\d{1,3}|\d{1,3})?$")
FENCE = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,3}[.)][ \t])*(```|~~~)([^\n]*)")
LINE_MOST = 200  # Letters of a line that is still being written; a fence stands at its beginning.

Other = TypeVar("Other")  # What a model says beside text.


class MarkerSplitter:
    """Tells text from source numbers in pieces that come one by one.

    A marker may arrive cut in two ("[1" then "2]"), so the tail that could still become one is held back
    until the next piece settles it. Between fences, and between backticks, stands code, where [1] is a place in a list.

    >>> split = MarkerSplitter()
    >>> [*split.feed("Pay in May [1"), *split.feed("2]. Or"), *split.feed(" not [x]."), *split.rest()]
    ['Pay in May ', 12, '. Or', ' not [x].']
    >>> [*MarkerSplitter().feed("See[1]\\n```\\nrow[1]\\n```\\n[2] `row[1]` ")]
    ['See', 1, '\\n', '```\\n', 'row[1]\\n', '```\\n', 2, ' `row[1]` ']
    """

    def __init__(self) -> None:
        self._held = ""
        self._line = ""  # what was told of this line
        self._fence = ""  # that was open when it began
        self._ticks = 0  # as many as opened code in this line, if that is open

    def feed(self, piece: str) -> Iterator[str | int]:
        text = self._held + piece
        tail = OPEN_MARKER.search(text)
        cut = min(tail.start() if tail else len(text), _settled(text, self._ticks))
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
            yield from [part] if is_code else self._split(part)
            if part.endswith("\n"):
                self._line, self._fence, self._ticks = "", after, 0

    def _split(self, text: str) -> Iterator[str | int]:
        """Text and numbers of a line that is no code, or of a piece of it."""
        last = 0
        for found in TICKS_OR_MARKER.finditer(text):
            self._ticks = _ticks_after(self._ticks, found)
            if found["number"] and not (self._ticks and _is_closed(self._ticks, text, found.end())):
                if found.start() > last:
                    yield text[last : found.start()]
                yield int(found["number"])
                last = found.end()
        if last < len(text):
            yield text[last:]


def _fence_after(line: str, fence: str) -> str:
    """Which fence is open behind a line, or behind as much of it as there is."""
    found = FENCE.match(line)
    if not found:
        return fence
    if fence:
        return "" if found[1] == fence else fence
    return "" if "`" in found[2].lstrip("`") and found[1] == "```" else found[1]  # `` ```x``` `` is code in a line.


def _settled(text: str, ticks: int) -> int:
    """Up to where it is known what is code: a marker behind open backticks waits for those that close it, or the end.

    >>> [_settled(text, 0) for text in ("a `b[1]", "a `b[1]` c", "a `b[1]\\n")], _settled("c[1]`", 1)
    ([4, 10, 8], 1)
    """
    waiting: int | None = None
    for found in TICKS_OR_MARKER.finditer(text):
        if found["ticks"] and found.end() == len(text):  # There may be more of them.
            return found.start() if waiting is None else waiting
        ticks = _ticks_after(ticks, found)
        if not ticks:
            waiting = None
        elif found["number"] and waiting is None and len(text) - found.end() < LINE_MOST:
            waiting = found.start()
    return len(text) if waiting is None else waiting


def _ticks_after(ticks: int, found: re.Match[str]) -> int:
    """How many backticks have opened code behind a match: as many close it, others stand in it, and a line ends it."""
    if not found["ticks"]:
        return 0 if found["end"] else ticks
    many = len(found["ticks"])
    return many if not ticks else 0 if many == ticks else ticks


def _is_closed(ticks: int, text: str, start: int) -> bool:
    """Whether so many backticks come soon."""
    return re.compile(rf"(?<!`)`{{{ticks}}}(?!`)").search(text, start, start + LINE_MOST) is not None


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
