"""A connection to a model service is used again, over Responses as over Chat Completions."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from project.catalogue import model_of
from project.deployments import Connection, Deployment
from project.parameters import Wanted, chat_request, responses_request
from project.provider import Call, chat, responses
from project.provider.connections import async_client
from project.provider.pieces import Tokens
from project.spending import Payer
from tests.fake_responses import Answer, events

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHAT = [
    {"choices": [{"index": 0, "delta": {"content": "In "}}]},
    {"choices": [{"index": 0, "delta": {"content": "May."}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]
WAYS = {"chat": (chat.pieces, chat_request), "responses": (responses.pieces, responses_request)}


class Service:
    """Keeps its connections open, as services do; the end of an answer comes a moment after its last event."""

    def __init__(self) -> None:
        self.opened = self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
                body = json.loads(await reader.readexactly(length))
                self.asked += 1
                writer.write(HEAD)
                told = events(Answer(["In ", "May."]), body) if b"/responses " in head else CHAT
                for event in told:
                    await self.tell(writer, f"data: {json.dumps(event)}\n\n")
                if b"/chat/completions " in head:
                    await self.tell(writer, "data: [DONE]\n\n")
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    async def tell(self, writer: asyncio.StreamWriter, event: str) -> None:
        writer.write(b"%x\r\n%s\r\n" % (len(event), event.encode()))
        await writer.drain()
        await asyncio.sleep(0.002)


async def asked(api: str, connection: Connection) -> list[Any]:
    deployment = Deployment("desk", connection, "gpt-4o", model_of("gpt-4o"), api=api)
    wanted = Wanted([{"role": "user", "content": "When?"}], max_output_tokens=50, stream=True)
    pieces, shape = WAYS[api]
    request, _ = shape(deployment.base, connection.dialect, wanted)
    async with aclosing(pieces(await async_client(connection), Call(deployment, wanted, Payer()), request)) as come:
        return [piece async for piece in come]


async def counted(api: str, turns: int, at_once: int) -> tuple[Service, list[list[Any]]]:
    service = Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    connection = Connection("here", "openai", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", key="secret")
    found = []
    for _ in range(turns):
        found += await asyncio.gather(*(asked(api, connection) for _ in range(at_once)))
    server.close()
    return service, found


@pytest.mark.parametrize("api", WAYS)
def test_twenty_questions_open_as_many_connections_as_are_asked_at_once(api, monkeypatch):
    monkeypatch.setattr("project.provider.wire.DRAIN_S", 30)  # However slow the machine is.
    for turns, at_once in ((20, 1), (4, 5)):
        service, found = asyncio.run(counted(api, turns, at_once))
        assert (service.asked, service.opened) == (20, at_once)
        assert all(isinstance(each[-1], Tokens) for each in found)
        assert {"".join(piece for piece in each if isinstance(piece, str)) for each in found} == {"In May."}
