"""A model service at the wire: checks every request against the published schemas and answers as it is told.

`tests/specs` holds the request schemas of OpenAI's API, of Azure's v1 and of Azure's last dated version, for chat
completions and for embeddings, cut out of the vendors' OpenAPI descriptions (MIT licence).
"""

from __future__ import annotations

import base64
import json
import re
import select
import socket
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jsonschema
import numpy as np

from project.tokens import count_tokens

SPECS = {
    f"/{name.replace('-', '/')}": json.loads((Path(__file__).parent / "specs" / f"{name}.json").read_text())
    for name in ("chat-completions", "embeddings")
}
MODEL = "gpt-4o"  # by whose vocabulary it counts
INPUT_TOKENS, REQUEST_TOKENS = 8_192, 300_000  # what OpenAI and Azure take of texts to embed


@dataclass
class Reply:
    """What the service says next. `pieces` are streamed; a status other than 200 is an error."""

    pieces: list[str] = field(default_factory=lambda: ["It is so. [1]"])
    status: int = 200
    error: dict | None = None
    headers: dict[str, str] = field(default_factory=dict)
    finish: str | None = "stop"
    pause_s: float = 0.0
    cut: bool = False  # The connection ends in the middle.
    hold: bool = False  # After the pieces nothing more comes until the caller goes.
    thoughts: int = 0  # tokens of the answer that nobody sees
    cached: int = 0  # tokens of the question that were still there
    filtered: dict | None = None  # what the content filter says of the answer, beside its end
    of_question: dict | None = None  # what it says of the question, in the first chunk
    deltas: list[dict] = field(default_factory=list)  # told instead of pieces
    raw: bytes | None = None  # told instead of everything


@dataclass
class Vectors:
    """What the service says next to texts that want vectors.

    `mend` may spoil the rows or the whole answer; `body` stands in its place.
    """

    status: int = 200
    error: dict | None = None
    headers: dict[str, str] = field(default_factory=dict)
    length: int = 0  # of each vector; 0: as asked, or as the service always does
    mend: Callable[[dict], object] = lambda answer: None
    body: bytes | None = None
    pause_s: float = 0.0  # before it answers
    drip_s: float = 0.0  # between two pieces of the answer
    cut: bool = False  # The connection ends in the middle.


class FakeOpenAI:
    """Start with `with FakeOpenAI() as service:`; what came in is in `service.requests`.

    Without a word of what to say it answers well: "It is so. [1]", and vectors of `length` numbers, alike where texts
    share words.
    """

    def __init__(self, length: int = 64, window: int = INPUT_TOKENS) -> None:
        self.length = length
        self.window = window  # Tokens of a text that the model takes; a longer one is refused, but is no fault.
        self.replies: list[Reply] = []
        self.script: dict[str, list[Reply]] = {}  # by the last message, where calls come side by side
        self.bills = False  # Count tokens as they are, and not as 321 and 12.
        self.ledger: list[tuple[int, int]] = []  # what was billed: tokens of the question and of the answer
        self.vectors: list[Vectors] = []
        self.requests: list[dict] = []
        self.faults: list[str] = []
        self.closed_early = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeOpenAI:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def check(self, path: str, query: dict, headers: dict, body: dict) -> tuple[int, dict] | None:
        """What the real service would refuse."""
        ways = next((specs for ending, specs in SPECS.items() if path.endswith(ending)), None)
        is_dated = path.startswith("/openai/deployments/")
        if ways is None or (is_dated and query.get("api-version") != ["2024-10-21"]):
            return 404, {"code": "404", "message": "Resource not found"}
        way = "azure-2024-10-21" if is_dated else "azure-v1" if path.startswith("/openai/v1/") else "openai-v1"
        spec = ways[way]
        if headers.get("authorization") != "Bearer secret" and headers.get("api-key") != "secret":
            return 401, {"code": "401", "message": "Access denied"}
        schema = {"$ref": f"#/components/schemas/{spec['request']}", "components": spec["components"]}
        faults = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(body)]
        known = _properties(spec["components"]["schemas"], spec["request"]) | {"model"}
        faults += [f"unknown argument {name}" for name in body.keys() - known]
        if path.endswith("/embeddings") and not faults:
            faults += _beyond_limits(body)
        if faults:
            self.faults += faults
            return 400, {"code": "invalid_request_error", "message": faults[0]}
        if path.endswith("/embeddings") and max(map(count_tokens, _texts(body))) > self.window:
            return 400, {"code": None, "message": f"This model's maximum context length is {self.window} tokens."}
        return None

    def billed(self, body: dict, said: str, reply: Reply) -> tuple[int, int]:
        """What a call costs, as OpenAI counts it: three tokens for each message, and three that open the answer."""
        if not self.bills:
            return 321, 12
        texts = [(str(message["role"]), str(message.get("content") or "")) for message in body["messages"]]
        asked = 3 + sum(3 + count_tokens(role, MODEL) + count_tokens(text, MODEL) for role, text in texts)
        return asked, count_tokens(said, MODEL) + reply.thoughts

    def usage(self, body: dict, said: str, reply: Reply) -> dict:
        sent, written = self.billed(body, said, reply)
        return {
            "prompt_tokens": sent,
            "completion_tokens": written,
            "total_tokens": sent + written,
            "prompt_tokens_details": {"cached_tokens": reply.cached},
            "completion_tokens_details": {"reasoning_tokens": reply.thoughts},
        }

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler needs its own self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                """Tests are quiet."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.requests.append({"path": self.path, "headers": headers, "body": body})
                refused = service.check(parts.path, parse_qs(parts.query), headers, body)
                reply: Reply | Vectors
                if parts.path.endswith("/embeddings"):
                    reply = service.vectors.pop(0) if service.vectors else Vectors()
                else:
                    replies = service.script.get(str(body["messages"][-1].get("content")), service.replies)
                    reply = replies.pop(0) if replies else Reply()
                if refused:
                    reply = Reply(status=refused[0], error=refused[1])
                try:
                    if isinstance(reply, Vectors):
                        time.sleep(reply.pause_s)
                    if reply.status != 200:
                        self.refuse(reply)
                    elif isinstance(reply, Vectors):
                        self.embed(reply, body)
                    else:
                        self.stream(reply, body)
                except (BrokenPipeError, ConnectionResetError):
                    service.closed_early.set()
                return

            def refuse(self, reply: Reply | Vectors) -> None:
                content = json.dumps({"error": reply.error or {"code": str(reply.status), "message": "no"}}).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def embed(self, reply: Vectors, body: dict) -> None:
                answer = _embedded(body, reply.length or body.get("dimensions") or service.length)
                reply.mend(answer)
                content = json.dumps(answer).encode() if reply.body is None else reply.body
                self.send_response(200)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if reply.cut:
                    self.close_connection = True
                    content = content[: len(content) // 2]
                step = len(content) // 100 + 1 if reply.drip_s else len(content) + 1
                for start in range(0, len(content), step):
                    self.wfile.write(content[start : start + step])
                    self.wfile.flush()
                    time.sleep(reply.drip_s)

            def stream(self, reply: Reply, body: dict) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream" if body.get("stream") else "application/json")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                if reply.raw is not None:
                    self.wfile.write(reply.raw)
                    return
                said: list[str] = []
                try:
                    self.tell(reply, body, said) if body.get("stream") else self.answer(reply, body, said)
                finally:
                    service.ledger.append(service.billed(body, "".join(said), reply))

            def tell(self, reply: Reply, body: dict, said: list[str]) -> None:
                head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}
                first = [{"prompt_index": 0, "content_filter_results": reply.of_question}] if reply.of_question else []
                self.event({"choices": [], "prompt_filter_results": first, "id": "", "model": ""})
                for delta in reply.deltas or [{"content": piece} for piece in reply.pieces]:
                    time.sleep(reply.pause_s)
                    if self.is_left():
                        raise BrokenPipeError
                    self.event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
                    said.append(delta.get("content") or "")
                while reply.hold and not self.is_left():
                    time.sleep(0.002)
                if reply.cut or reply.hold:
                    return
                if reply.finish:
                    ending = {"index": 0, "delta": {}, "finish_reason": reply.finish}
                    if reply.filtered:
                        ending["content_filter_results"] = reply.filtered
                    self.event(head | {"choices": [ending]})
                if (body.get("stream_options") or {}).get("include_usage"):
                    self.event(head | {"choices": [], "usage": service.usage(body, "".join(said), reply)})
                self.wfile.write(b"data: [DONE]\n\n")

            def answer(self, reply: Reply, body: dict, said: list[str]) -> None:
                said.append("".join(reply.pieces))
                message = {"role": "assistant", "content": said[0], **(reply.deltas[0] if reply.deltas else {})}
                choice = {"index": 0, "message": message, "finish_reason": reply.finish}
                usage = service.usage(body, said[0], reply)
                head = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-test"}
                self.wfile.write(json.dumps(head | {"choices": [choice], "usage": usage}).encode())

            def is_left(self) -> bool:
                """Whether the caller has closed the connection: what nobody can read is not made, nor billed."""
                readable, _, _ = select.select([self.connection], [], [], 0)
                return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

            def event(self, body: dict) -> None:
                self.wfile.write(b"data: " + json.dumps(body).encode() + b"\n\n")
                self.wfile.flush()

        return Handler


def vector(text: str, length: int) -> np.ndarray:
    """The same for the same text, nearer to each other the more words two texts share; single precision."""
    words = re.findall(r"\w+", text.lower()) or ["\0"]
    whole = np.sum([_of_word(word, length) for word in words], axis=0) + 0.01 * _of_word(f"\0{text}", length)
    return (whole / np.linalg.norm(whole)).astype("<f4")


@lru_cache(maxsize=20_000)
def _of_word(word: str, length: int) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(length)


def _texts(body: dict) -> list[str]:
    return [body["input"]] if isinstance(body["input"], str) else body["input"]


def _beyond_limits(body: dict) -> list[str]:
    """What the schemas do not say, and the services hold to all the same."""
    tokens = [count_tokens(text) for text in _texts(body)]
    faults = ["input cannot be an empty string"] * (0 in tokens)
    faults += ["at most 2048 inputs"] * (len(tokens) > 2048)
    faults += [f"{most} tokens in one input, {INPUT_TOKENS} are the most" for most in tokens if most > INPUT_TOKENS]
    faults += [f"{sum(tokens)} tokens in one request"] * (sum(tokens) > REQUEST_TOKENS)
    return faults


def _embedded(body: dict, length: int) -> dict:
    vectors = [vector(text, length) for text in _texts(body)]
    packed = body.get("encoding_format") == "base64"
    written = [base64.b64encode(one.tobytes()).decode() if packed else one.tolist() for one in vectors]
    rows = [{"object": "embedding", "index": place, "embedding": one} for place, one in enumerate(written)]
    tokens = sum(map(count_tokens, _texts(body)))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model", "model"), "data": rows, "usage": usage}


def _properties(schemas: dict, name: str) -> set[str]:
    """The names a schema knows, its own and those of the schemas it is made of."""
    schema = schemas[name]
    found = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= set(part.get("properties", {}))
        if "$ref" in part:
            found |= _properties(schemas, part["$ref"].rsplit("/", 1)[1])
    return found
