"""A stream is read as it comes: the first words at once, and then what has come together as one."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import httpx2
import pytest

from project.provider.errors import Malformed
from project.provider.pieces import Cut, Piece
from project.provider.wire import PAUSE_S, Arriving


class Body(httpx2.AsyncByteStream):
    """One event, and when that was read all others at once."""

    def __init__(self, *events: bytes) -> None:
        self.events, self.is_read = events, asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.events[0]
        await self.is_read.wait()
        for event in self.events[1:]:
            yield event


def words(bodies: Sequence[bytes]) -> Iterator[Piece]:
    for body in bodies:
        if body == b"?":
            raise Malformed("no word")
        yield Cut() if body == b"cut" else body.decode()


def read(*events: bytes) -> list[Piece | Malformed]:
    async def run() -> list[Piece | Malformed]:
        body = Body(*events)
        response = httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
        found: list[Piece | Malformed] = []
        try:
            async for piece in Arriving(response).pieces(words):
                found.append(piece)
                body.is_read.set()
        except Malformed as exc:
            found.append(exc)
        return found

    return asyncio.run(run())


def test_the_first_words_come_alone_and_what_comes_together_after_them_is_one():
    assert read(b"data: In\n\n", b"data: May\n\n", b"data: 3\n\n", b"data: [DONE]\n\n") == ["In", "May3"]


def test_what_is_no_word_keeps_its_place():
    assert read(b"data: In\n\n", b"data: May\n\n", b"data: cut\n\n", b"data: 3\n\n") == ["In", "May", Cut(), "3"]


def test_words_before_a_fault_are_handed_on():
    *said, fault = read(b"data: In\n\n", b"data: May\n\n", b"data: ?\n\n")
    assert said == ["In", "May"] and isinstance(fault, Malformed)


def test_an_event_without_an_end_is_malformed(monkeypatch):
    monkeypatch.setattr("project.provider.wire.EVENT_BYTES_MOST", 10)
    assert isinstance(read(b"data: In\n\n", b"data: " + b"x" * 20)[-1], Malformed)


@pytest.mark.parametrize("last", [b"data: May", b"data: May\n", b"data: May\n\n"])
def test_an_event_that_nothing_ends_is_one_where_its_line_ended(last):
    assert read(b"data: In\n\n", last) == ["In", "May"][: 1 + last.endswith(b"\n")]


class Connection(httpx2.AsyncByteStream):
    """A connection, and the body that is read from it: an event each time."""

    def __init__(self, *events: bytes) -> None:
        self.events, self.read_at = [*events, b""], list[float]()

    async def read(self, most: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as the package calls it
        self.read_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.001)  # Meanwhile others have their turn, as they have while a service is waited for.
        return self.events.pop(0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while event := await self.read(1, timeout=1):
            yield event


def test_a_connection_is_read_at_a_pace_once_there_are_words_and_is_left_as_it_was():
    connection = Connection(b": hello\n\n", b"data: In\n\n", b"data: May\n\n", b"data: 3\n\n")

    async def run() -> list[Piece]:
        extensions = {"network_stream": connection}
        headers = {"content-type": "text/event-stream"}
        response = httpx2.Response(200, headers=headers, stream=connection, extensions=extensions)
        return [piece async for piece in Arriving(response).pieces(words)]

    assert "".join(map(str, asyncio.run(run()))) == "InMay3"
    pauses = [after - before for before, after in zip(connection.read_at, connection.read_at[1:], strict=False)]
    assert [pause >= PAUSE_S * 0.9 for pause in pauses][-2:] == [True, True] and "read" not in vars(connection)
