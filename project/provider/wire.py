"""Server-sent events as bytes come in, cut anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

import httpx2

from project.provider.errors import Malformed

EVENT_BYTES_MOST = 4_000_000
DRAIN_S = 0.1


async def events(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The data of each event, up to [DONE]. Raises Malformed for one that never ends.

    Lines end at a line feed alone: what else Python takes for the end of a line may stand inside JSON.
    """
    held = b""
    data: list[bytes] = []
    async for piece in body:
        *lines, held = (held + piece).split(b"\n")
        if len(held) > EVENT_BYTES_MOST:
            raise Malformed("an event without an end")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif not line.strip() and data:
                whole, data = b"\n".join(data), []
                if whole.startswith(b"[DONE]"):
                    await _drain(body)
                    return
                yield whole
    if data and not data[0].startswith(b"[DONE]"):
        yield b"\n".join(data)


async def _drain(body: AsyncIterator[bytes]) -> None:
    """A connection whose answer was read to its end can be used again."""
    with suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            async for _ in body:
                pass
