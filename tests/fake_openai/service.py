"""The server, which listens on this machine alone."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from project.tokens import count_tokens
from tests.fake_openai.chat import Reply, Telling, await_leaving, billed
from tests.fake_openai.dialects import ending_of, faults_of, way_of
from tests.fake_openai.embeddings import INPUT_TOKENS, Vectors, beyond_limits, embedded, texts_of


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # Many callers may come at once.


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
        self.secret = "secret"  # the key or token that is taken
        self._server = Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeOpenAI:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def check(self, path: str, query: dict, headers: dict, body: dict) -> tuple[int, dict] | None:
        """What the real service would refuse."""
        ending, way = ending_of(path), way_of(path, query)
        if ending is None or way is None:
            return 404, {"code": "404", "message": "Resource not found"}
        if headers.get("authorization") != f"Bearer {self.secret}" and headers.get("api-key") != self.secret:
            return 401, {"code": "401", "message": "Access denied"}
        faults = faults_of(ending, way, path, body)
        if path.endswith("/embeddings") and not faults:
            faults += beyond_limits(body)
        if faults:
            self.faults += faults
            return 400, {"code": "invalid_request_error", "message": faults[0]}
        if path.endswith("/embeddings") and max(map(count_tokens, texts_of(body))) > self.window:
            return 400, {"code": None, "message": f"This model's maximum context length is {self.window} tokens."}
        return None

    def bill(self, body: dict, said: str, reply: Reply) -> tuple[int, int]:
        """Tokens of the question and of the answer."""
        return billed(body, said, reply) if self.bills else (321, 12)

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
                except (OSError, ValueError):  # A torn connection is a closed file here.
                    service.closed_early.set()

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
                answer = embedded(body, reply.length or body.get("dimensions") or service.length)
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
                if reply.is_silent:
                    await_leaving(self)
                    raise BrokenPipeError
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream" if body.get("stream") else "application/json")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                telling = Telling(self, reply, body, lambda said: service.bill(body, said, reply))
                try:
                    telling.tell()
                finally:
                    service.ledger.append(service.bill(body, telling.said, reply))

        return Handler
