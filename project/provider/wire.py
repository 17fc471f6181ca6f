"""An answer as its bytes come in, cut anywhere: the events of a stream, or the body of a model that cannot stream."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx2
import openai

from project.provider.errors import Malformed
from project.provider.pieces import Piece, together

EVENT_BYTES_MOST = 4_000_000
BODY_BYTES_MOST = 32_000_000
AHEAD_BYTES_MOST = 1_000_000  # read while nobody takes it
PAUSE_S = 0.025
DRAIN_S = 0.1
READ_BYTES = 65_536
Take = Callable[[Sequence[bytes]], Iterator[Piece]]


@asynccontextmanager
async def asked(client: openai.AsyncOpenAI, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Arriving]:
    """The answer to a request, once the service has taken it.

    The request is as the table of parameters made it. The package is not asked to hold each part of it against its own
    types again, nor to make objects of the answer: that costs more than all the rest.
    """
    stream = await client.post(path, body=body, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object])
    try:
        yield Arriving(stream.response)
    finally:
        await stream.close()


class Arriving:
    """What a service answers, as it comes.

    Each step takes all that has come. Once words are on their way there is a pause before each read, so short that
    nobody sees it: two or three tokens then cost little more than one, and a process holds twice the streams.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._body = response.aiter_bytes()
        self._connection = response.extensions.get("network_stream")
        self.is_stream = "event-stream" in response.headers.get("content-type", "")
        self._has_words = False  # The first wait for nothing.

    async def pieces(self, take: Take, is_over: Callable[[], bool] = lambda: False) -> AsyncGenerator[Piece]:
        """What `take` makes of the events of each step, up to [DONE] or until it is over.

        Raises Malformed for what never ends.
        """
        async with aclosing(self._events(is_over)) as steps:
            async for bodies in steps:
                for piece in together(take(bodies)):
                    self._has_words = self._has_words or isinstance(piece, str)
                    yield piece

    async def _events(self, is_over: Callable[[], bool]) -> AsyncGenerator[list[bytes]]:
        """The data of the events that came together."""
        if not self.is_stream:
            yield [await _whole(self._body)]
            return
        cut = Cutter()
        async with aclosing(self._steps()) as steps:
            async for step in steps:
                if found := cut.events(step):
                    yield found
                if cut.is_done or is_over():
                    await _drain(steps)
                    return
        if rest := cut.rest():
            yield rest

    async def _steps(self) -> AsyncGenerator[bytes]:
        held, come, taken = bytearray(), asyncio.Event(), asyncio.Event()

        async def read() -> None:
            with self._at_a_pace():
                async for piece in self._body:
                    held.extend(piece)
                    come.set()
                    if len(held) > AHEAD_BYTES_MOST:
                        taken.clear()
                        await taken.wait()

        reading = asyncio.create_task(read())
        reading.add_done_callback(lambda _: come.set())
        try:
            while held or not reading.done():
                await come.wait()
                come.clear()
                step = bytes(held)
                held.clear()
                taken.set()
                yield step
            await reading  # Raises what went wrong there.
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    @contextmanager
    def _at_a_pace(self) -> Iterator[None]:
        """Pause before the connection is read: what comes meanwhile lies with the system, where it costs nothing."""
        if self._connection is None:
            yield
            return
        plain, encrypted = self._connection.read, self._connection.get_extra_info("ssl_object")

        async def read(*given: Any, **named: Any) -> bytes:
            if self._has_words:
                await asyncio.sleep(PAUSE_S)
            return await plain(*given, **named) + (_decrypted(encrypted) if encrypted else b"")

        self._connection.read = read
        try:
            yield
        finally:
            del self._connection.read


class Cutter:
    """Cuts a stream into events.

    Lines end at a line feed alone: what else Python takes for the end of a line may stand inside JSON.

    >>> cut = Cutter()
    >>> cut.events(b"data: 1"), cut.events(b"7\\n\\ndata: 2\\n\\ndata: [DO"), cut.events(b"NE]\\n\\n"), cut.is_done
    ([], [b'17', b'2'], [], True)
    """

    def __init__(self) -> None:
        self.is_done = False
        self._held = b""
        self._data: list[bytes] = []

    def events(self, piece: bytes) -> list[bytes]:
        *lines, self._held = (self._held + piece).split(b"\n")
        if len(self._held) > EVENT_BYTES_MOST:
            raise Malformed("an event without an end")
        found = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line.strip() and self._data:
                whole, self._data = b"\n".join(self._data), []
                if whole.startswith(b"[DONE]"):
                    self.is_done = True
                    break
                found.append(whole)
        return found

    def rest(self) -> list[bytes]:
        """At the end of the stream: the event that nothing ended."""
        whole = b"\n".join(self._data)
        return [whole] if whole and not whole.startswith(b"[DONE]") else []


def _decrypted(encrypted: ssl.SSLObject) -> bytes:
    """What has come beside the record that was read: a service sends each token in one, and a read ends with it."""
    found = bytearray()
    with suppress(ssl.SSLError):  # Mostly that there is no more; what else is wrong shows with the next read.
        while piece := encrypted.read(READ_BYTES):
            found += piece
    return bytes(found)


async def _whole(body: AsyncIterator[bytes]) -> bytes:
    read = bytearray()
    async for piece in body:
        read += piece
        if len(read) > BODY_BYTES_MOST:
            raise Malformed("an answer without an end")
    return bytes(read)


async def _drain(body: AsyncIterator[bytes]) -> None:
    """A connection whose answer was read to its end can be used again."""
    with suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            async for _ in body:
                pass
