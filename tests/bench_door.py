"""The model door: what Lectern adds to a stream of a model, and how many streams one process of the web holds.

Runs by itself too: `python -m tests.bench_door`. The model is a server in a process of its own, as fast as can be, that
sends 100 tokens a second and starts when as many streams are open as it was told to expect. What is compared, a bare
client and bare relays, speaks to the same server in the same run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx2
import uvloop
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

ROOT = Path(__file__).resolve().parent.parent
PAUSE_S = 0.01  # between two tokens
RUN_S, GATHER_S = 3.0, 30.0
WORDS = round(RUN_S / PAUSE_S)
DELAY_MS, BEHIND_S = 50.0, 0.1 * RUN_S  # what is still held: the pause somebody sees, and the pace over the whole
AT_ONCE, TURNS = 40, 6
WEIGHED, SHORT = 20, 50  # streams whose processor time is taken, and the words of the shorter of two runs
FIRST_STREAMS, MOST_STREAMS, EXACT = 10, 640, 1 / 12
KEY = "bench"
# What an answer says, again and again: it stands in the samples, so every sentence is looked up and found.
TOKENS = "Supplies shall be restored within twelve hours of the company becoming aware of the burst [1].".split()
BYTES, EVENTS, LECTERN, NOTHING = "relay of bytes", "relay of events", "Lectern", "nothing between"
PATHS = {BYTES: "/bytes/chat/completions", EVENTS: "/events/chat/completions", LECTERN: "/v1/chat/completions"}
LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)  # as the package of OpenAI has them
WEB = (
    "uvicorn --host=127.0.0.1 --no-access-log --no-server-header --no-proxy-headers --ws=none --lifespan=off --port={}"
)


def bench_door() -> None:
    """In a Django that is set up, with services that run."""
    from project.models import ApiKey

    user, questions = reader()
    with served("model", "tests.bench_door {}") as told:
        model = os.environ["BENCH_MODEL"] = told.address
        load = os.getloadavg()[0]
        print(f"model door {os.cpu_count()} cores, load average {load:.1f} before anything of this began")
        bench_first_token(model, user)
        own = {"OPENAI_BASE_URL": model, "OPENAI_API_KEY": KEY, "OPENAI_CHAT_MODEL": "gpt-4o"}
        more = {"LECTERN_REQUESTS_A_MINUTE": "1000000"}
        with (
            served("relay", f"{WEB} tests.bench_door:relay") as relay,
            served("web", f"{WEB} project.asgi:application", **own, **more) as web,
        ):
            sides = Sides(model, relay, web, ApiKey.create(user)[1], questions[0])
            bench_cost(sides)
            bench_streams(sides)
        bench_tokens_sent(model, user, questions)


def reader() -> tuple[object, list[str]]:
    """Somebody who has the sample documents, and what can be asked of them."""
    from django.contrib.auth.models import User

    from documents.indexes import private_collection
    from documents.ingestion import ingest
    from documents.intake import accept
    from documents.samples import samples

    user = User.objects.create_user("door")
    for sample in samples():
        path = ROOT / "documents" / "samples" / sample["file"]
        ingest(accept([path.read_bytes()], path.name, user, private_collection(user))[0])
    return user, [each["question"] for sample in samples() for each in sample["questions"]]


def deployment(model: str):
    from project.catalogue import model_of
    from project.deployments import Connection, Deployment

    return Deployment("bench", Connection("bench", "compatible", model, key=KEY), "gpt-4o", model_of("gpt-4o"))


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    address: str
    pid: int

    @property
    def spent_s(self) -> float:
        """Processor time of all its threads up to now."""
        return _spent_s(self.pid)

    @property
    def beside_s(self) -> float:
        """That of the processes it has started, which look up sentences beside it."""
        started = Path(f"/proc/{self.pid}/task").glob("*/children")
        return sum(_spent_s(pid) for each in started for pid in each.read_text().split())


def _spent_s(pid: int | str) -> float:
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(name: str, command: str, **environment: str) -> Iterator[Server]:
    """A server, once it takes connections."""
    from project.local import Child

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", *command.format(port).split()]
    log = Path(os.environ["LECTERN_DATA"]) / "log" / f"bench-{name}.log"
    child = Child(name, words, log, env={**os.environ, **environment}, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert child.is_running and time.monotonic() < deadline, child.last_words(30)
                time.sleep(0.05)
        yield Server(f"http://127.0.0.1:{port}", child.process.pid)
    finally:
        child.await_end(0)


def p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * len(values))]


# What is measured ----------------------------------------------------------------------------------------------------
def bench_first_token(model: str, user) -> None:
    """From the call to the first words, with many at once, the door and a bare client in turn."""
    from project import provider
    from project.parameters import Wanted
    from project.provider import Call
    from project.spending import Payer

    messages = [{"role": "user", "content": "When is the rent due?"}]
    call = Call(deployment(model), Wanted(messages, stream=True), Payer("evaluation", user.pk))

    async def ours(_: httpx2.AsyncClient) -> AsyncIterator[bool]:
        async with aclosing(provider.stream(call)) as pieces:
            async for piece in pieces:
                yield isinstance(piece, str)

    async def bare(client: httpx2.AsyncClient) -> AsyncIterator[bool]:
        body = {"model": "gpt-4o", "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
        async with client.stream("POST", f"{model}/chat/completions", json=body) as response:
            async for piece in response.aiter_raw():
                yield b'"content"' in piece

    async def first(way, client: httpx2.AsyncClient) -> float:
        begun, took = time.perf_counter(), 0.0
        async for is_words in way(client):
            if is_words and not took:
                took = (time.perf_counter() - begun) * 1000
        return took

    async def in_one_instant(way, client: httpx2.AsyncClient) -> list[float]:
        await asyncio.to_thread(expect, model, 1, 100)
        return await asyncio.gather(*(first(way, client) for _ in range(AT_ONCE)))

    async def beside_others(way, client: httpx2.AsyncClient) -> list[float]:
        await asyncio.to_thread(expect, model, 1, 10 * WORDS)
        others = [asyncio.create_task(first(way, client)) for _ in range(AT_ONCE)]
        await asyncio.sleep(RUN_S / 4)
        await asyncio.to_thread(expect, model, 1, 1)
        took = [await first(way, client) for _ in range(AT_ONCE // 2)]
        for each in others:
            each.cancel()
        await asyncio.wait(others)
        return took

    async def short(way, client: httpx2.AsyncClient) -> float:
        """Milliseconds of processor time of a call, with all that belongs to it."""
        await asyncio.to_thread(expect, model, 1, 1)
        began = time.process_time()
        for _ in range(TURNS):
            await asyncio.gather(*(first(way, client) for _ in range(AT_ONCE)))
        return (time.process_time() - began) * 1000 / AT_ONCE / TURNS

    async def costs() -> tuple[float, float]:
        async with httpx2.AsyncClient(limits=LIMITS, timeout=60) as client:
            await short(bare, client), await short(ours, client)
            return await short(bare, client), await short(ours, client)

    async def all_turns(kind) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {"bare client": [], "Lectern's door": []}
        async with httpx2.AsyncClient(limits=LIMITS, timeout=60) as client:
            for turn in range(TURNS + 1):
                for name, way in zip(times, (bare, ours), strict=True):
                    took = await kind(way, client)
                    times[name] += took if turn else []  # The first turn opens the connections.
        return times

    kinds = {f"{AT_ONCE} begun in one instant": in_one_instant, f"one beside {AT_ONCE} that stream": beside_others}
    for told, kind in kinds.items():
        print(f"  first token, {told}, {TURNS} turns each")
        times = uvloop.run(all_turns(kind))
        for name, took in times.items():
            print(f"    {name:<22}p50 {statistics.median(took):7.1f} ms  p95 {p95(took):7.1f} ms")
        middle, late = ((at(times["Lectern's door"]) - at(times["bare client"])) for at in (statistics.median, p95))
        print(f"    {'added':<22}p50 {middle:7.1f} ms  p95 {late:7.1f} ms  (goal: p95 at most 30 ms)")
    barely, all_told = uvloop.run(costs())
    print(
        f"    processor time of a call of one word: {barely:.2f} ms by the bare client, {all_told:.2f} ms by the door"
    )


@dataclass(frozen=True)
class Sides:
    """The two that are compared, before the same model."""

    model: str
    relay: Server
    web: Server
    key: str
    question: str

    def run(self, name: str, streams: int, words: int = WORDS) -> Run:
        expect(self.model, streams, words)
        body = {"model": "default", "stream": True, "messages": [{"role": "user", "content": self.question}]}
        address = {LECTERN: self.web.address, NOTHING: self.model}.get(name, self.relay.address)
        return uvloop.run(driven(address, PATHS.get(name, "/"), self.key, body, streams, words))


def bench_cost(sides: Sides) -> None:
    """Processor time, which says the same on a busy machine: of a token by the difference of a long and a short run."""
    print(f"  processor time of the process, {WEIGHED} streams of {1 / PAUSE_S:.0f} tokens/s")
    token_us = {}
    for name, server in ((BYTES, sides.relay), (EVENTS, sides.relay), (LECTERN, sides.web)):
        sides.run(name, WEIGHED, SHORT)  # What is loaded with the first question is loaded.
        spent, beside = [], []
        for words in (SHORT, WORDS):
            before, before_beside = server.spent_s, server.beside_s
            assert sides.run(name, WEIGHED, words).whole
            spent.append((server.spent_s - before) / WEIGHED)
            beside.append((server.beside_s - before_beside) / WEIGHED)
        token_us[name], beside_us = ((long - short) / (WORDS - SHORT) * 1e6 for short, long in (spent, beside))
        around_ms = spent[0] * 1e3 - SHORT * token_us[name] / 1e3
        told = f", and {beside_us:.0f} µs a token in a process beside it" if beside_us > 1 else ""
        print(f"    {name:<22}{token_us[name]:6.0f} µs a token, {around_ms:6.1f} ms around an answer{told}")
    for name in (BYTES, EVENTS):
        print(f"    {token_us[name] / token_us[LECTERN]:.2f} of the tokens of the {name} for the same time")


def bench_streams(sides: Sides) -> None:
    """The most streams each of them holds, one process each."""
    print(f"  streams of {1 / PAUSE_S:.0f} tokens/s held by one process, runs of {RUN_S:.0f} s")
    most = {}
    for name in PATHS:
        sides.run(name, FIRST_STREAMS)
        most[name], seen = most_held(lambda streams, name=name: sides.run(name, streams))
        print(f"    {name:<22}{most[name]:4} streams  p95 {seen.delay_ms:5.1f} ms between tokens")
    rig = sides.run(NOTHING, max(most.values()))
    print(f"    {NOTHING:<22}{max(most.values()):4} streams  p95 {rig.delay_ms:5.1f} ms between tokens")
    for name in (BYTES, EVENTS):
        print(f"    {most[LECTERN] / max(1, most[name]):.2f} of the {name}  (goal: at least 0.8)")


def bench_tokens_sent(model: str, user, questions: list[str]) -> None:
    """What an answer costs in tokens sent, as the model bills them."""
    from chat.answering import answer
    from chat.events import Done, Question
    from chat.llm import Asked
    from project.spending import Payer

    async def sent(question: str) -> int:
        asked = Asked(deployment(model), Payer("evaluation", user.pk))
        end = [event async for event in answer(Question(question, user), asked)][-1]
        assert isinstance(end, Done), end
        return end.tokens.input

    async def all_questions() -> list[int]:
        return [await sent(question) for question in questions]

    expect(model, streams=1, words=20)
    tokens = [count for count in uvloop.run(all_questions()) if count]
    print(
        f"  tokens sent for an answer, {len(tokens)} questions on the samples:",
        f"p50 {statistics.median(tokens):.0f}, least {min(tokens)}, most {max(tokens)}",
    )


# Who asks ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Run:
    """What was seen of many streams at once."""

    whole: bool  # Each of them came to its end.
    delay_ms: float  # p95, between two reads that brought words
    behind_s: float  # p95, of a stream behind the model's pace at its end

    @property
    def is_held(self) -> bool:
        return self.whole and self.delay_ms < DELAY_MS and self.behind_s < BEHIND_S


def most_held(run) -> tuple[int, Run]:
    """By doubling, then bisection. What was not held is tried once more: somebody else may have been at work."""
    held, lost, seen = 0, None, Run(False, 0, 0)
    while lost is None or lost - held > max(1, EXACT * held):
        streams = (held + lost) // 2 if lost else max(FIRST_STREAMS, 2 * held)
        found = next((each for each in (run(streams) for _ in range(2)) if each.is_held), None)
        if found is None:
            lost = streams
        else:
            held, seen = streams, found
        if held >= MOST_STREAMS:
            break
    return held, seen


async def driven(address: str, path: str, key: str, body: dict, streams: int, words: int) -> Run:
    """As many streams at once, read as cheaply as can be, so that what is measured has a core of its own."""
    host, port = address.removeprefix("http://").split(":")
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
    loop = asyncio.get_running_loop()
    readers = [(await loop.create_connection(lambda: Reader(request), host, int(port)))[1] for _ in range(streams)]
    await asyncio.wait([reader.ended for reader in readers], timeout=GATHER_S + 2 * RUN_S)
    for each in readers:
        each.transport.abort()
    arrived = [each.arrived for each in readers if each.is_whole and len(each.arrived) > 1]
    if not arrived:
        return Run(False, 0, 0)
    delays = [(after - before) * 1000 for times in arrived for before, after in zip(times, times[1:], strict=False)]
    behind = [times[-1] - times[0] - (words - 1) * PAUSE_S for times in arrived]
    return Run(len(arrived) == streams, p95(delays), p95(behind))


class Reader(asyncio.Protocol):
    """One question on the wire, and when words of its answer came."""

    def __init__(self, request: bytes) -> None:
        self.request, self.tail, self.arrived, self.is_whole = request, b"", [], False
        self.loop = asyncio.get_running_loop()
        self.ended = self.loop.create_future()

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if b'"delta": {"content"' in data:
            self.arrived.append(time.perf_counter())  # The loop's own clock counts whole milliseconds.
        self.tail = (self.tail + data)[-40:]
        if self.tail.endswith(b"\r\n0\r\n\r\n"):
            self.is_whole = b"[DONE]" in self.tail
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


# The bare relays -----------------------------------------------------------------------------------------------------
@cache
def relaying() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(limits=LIMITS, timeout=60)


async def _relayed(request: Request, passed_on) -> StreamingResponse:
    address = f"{os.environ['BENCH_MODEL']}/chat/completions"
    asked = relaying().build_request("POST", address, content=await request.body())
    told = await relaying().send(asked, stream=True)
    closing = BackgroundTask(told.aclose)
    return StreamingResponse(passed_on(told), told.status_code, media_type="text/event-stream", background=closing)


async def of_bytes(request: Request) -> StreamingResponse:
    """What comes is passed on unread, all that lies there at once: more than a server can do that looks at it."""
    return await _relayed(request, httpx2.Response.aiter_raw)


async def of_events(request: Request) -> StreamingResponse:
    """An event is passed on when it is whole, as whoever counts tokens or heeds a filter must."""

    async def events(told: httpx2.Response) -> AsyncIterator[str]:
        async for line in told.aiter_lines():
            if line:
                yield f"{line}\n\n"

    return await _relayed(request, events)


relay = Starlette(
    routes=[Route(PATHS[name], way, methods=["POST"]) for name, way in ((BYTES, of_bytes), (EVENTS, of_events))]
)


# The model -----------------------------------------------------------------------------------------------------------
def expect(model: str, streams: int, words: int) -> None:
    """Tell the model how many streams to wait for before it begins with any, and how long each is to be."""
    httpx2.post(model, json={"streams": streams, "words": words}).raise_for_status()


class Model(asyncio.Protocol):
    """One connection to it."""

    streams, words = 1, WORDS
    gathered: list[Model] = []
    HEAD = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}

    def connection_made(self, transport) -> None:
        self.transport, self.held, self.loop = transport, b"", asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, _, body = self.held.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.I)
        if length and len(body) >= int(length[1]):
            self.held = b""
            self._asked(json.loads(body))

    def _asked(self, body: dict) -> None:
        if "messages" not in body:
            Model.streams, Model.words, Model.gathered = body["streams"], body["words"], []
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        self.body, self.left = body, Model.words
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        Model.gathered.append(self)
        if len(Model.gathered) >= Model.streams:
            for each in Model.gathered:
                each.due = self.loop.time() + random.uniform(0, PAUSE_S)  # noqa: S311 - it hides nothing
                self.loop.call_at(each.due, each.tell)
            Model.gathered = []

    def tell(self) -> None:
        """The next token, and at its time the one after: a late one delays no other."""
        if self.transport.is_closing():
            return
        self.left -= 1
        self._write(self.token(-self.left % len(TOKENS)))
        if self.left:
            self.due += PAUSE_S
            self.loop.call_at(self.due, self.tell)
        else:
            self._write(self._last() + b"data: [DONE]\n\n")
            self.transport.write(b"0\r\n\r\n")

    def _last(self) -> bytes:
        from tests.fake_openai.chat import Reply, billed, usage

        told = usage(billed(self.body, "word " * 10, Reply()), Reply())
        return self._event([{"index": 0, "delta": {}, "finish_reason": "stop"}]) + self._event([], told)

    @classmethod
    @cache
    def token(cls, place: int) -> bytes:
        return cls._event(
            [{"index": 0, "delta": {"content": f" {TOKENS[place]}"}, "logprobs": None, "finish_reason": None}]
        )

    @classmethod
    def _event(cls, choices: list[dict], told: dict | None = None) -> bytes:
        return b"data: " + json.dumps(cls.HEAD | {"choices": choices, "usage": told}).encode() + b"\n\n"

    def _write(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%s\r\n" % (len(data), data))


async def model_served(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        uvloop.run(model_served(int(sys.argv[1])))
    else:
        from tests.bench import own_services

        with own_services():
            bench_door()
