"""A model service at the wire: checks every request against the published schemas and answers as it is told.

`tests/specs/chat-completions.json` holds the request schemas of OpenAI's API, of Azure's v1 and of Azure's last dated
version, cut out of the vendors' OpenAPI descriptions (MIT licence).
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jsonschema

SPECS = json.loads((Path(__file__).parent / "specs" / "chat-completions.json").read_text())


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


class FakeOpenAI:
    """Start with `with FakeOpenAI() as service:`; what came in is in `service.requests`."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict] = []
        self.faults: list[str] = []
        self.closed_early = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeOpenAI:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def check(self, path: str, query: dict, headers: dict, body: dict) -> tuple[int, dict] | None:
        """What the real service would refuse."""
        if path.startswith("/openai/deployments/"):
            spec = SPECS["azure-2024-10-21"]
            if query.get("api-version") != ["2024-10-21"]:
                return 404, {"code": "404", "message": "Resource not found"}
        else:
            spec = SPECS["azure-v1" if path.startswith("/openai/v1/") else "openai-v1"]
        if not path.endswith("/chat/completions"):
            return 404, {"code": "404", "message": "Resource not found"}
        if headers.get("authorization") != "Bearer secret" and headers.get("api-key") != "secret":
            return 401, {"code": "401", "message": "Access denied"}
        schema = {"$ref": f"#/components/schemas/{spec['request']}", "components": spec["components"]}
        faults = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(body)]
        known = _properties(spec["components"]["schemas"], spec["request"]) | {"model"}
        faults += [f"unknown argument {name}" for name in body.keys() - known]
        if faults:
            self.faults += faults
            return 400, {"code": "invalid_request_error", "message": faults[0]}
        return None

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
                reply = service.replies.pop(0) if service.replies else Reply()
                if refused:
                    reply = Reply(status=refused[0], error=refused[1])
                if reply.status != 200:
                    return self.refuse(reply)
                try:
                    self.stream(reply, body)
                except (BrokenPipeError, ConnectionResetError):
                    service.closed_early.set()
                return None

            def refuse(self, reply: Reply) -> None:
                content = json.dumps({"error": reply.error or {"code": str(reply.status), "message": "no"}}).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def stream(self, reply: Reply, body: dict) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}
                self.event({"choices": [], "prompt_filter_results": [], "id": "", "model": ""})
                for piece in reply.pieces:
                    time.sleep(reply.pause_s)
                    delta = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
                    self.event(head | {"choices": [delta]})
                if reply.cut:
                    return
                if reply.finish:
                    self.event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]})
                if (body.get("stream_options") or {}).get("include_usage"):
                    usage = {"prompt_tokens": 321, "completion_tokens": 12, "total_tokens": 333}
                    self.event(head | {"choices": [], "usage": usage})
                self.wfile.write(b"data: [DONE]\n\n")

            def event(self, body: dict) -> None:
                self.wfile.write(b"data: " + json.dumps(body).encode() + b"\n\n")
                self.wfile.flush()

        return Handler


def _properties(schemas: dict, name: str) -> set[str]:
    """The names a schema knows, its own and those of the schemas it is made of."""
    schema = schemas[name]
    found = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= set(part.get("properties", {}))
        if "$ref" in part:
            found |= _properties(schemas, part["$ref"].rsplit("/", 1)[1])
    return found
