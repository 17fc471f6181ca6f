"""OpenAI's moderations at the wire, in front of another fake service that gets every other call.

Requests and answers are held against the published schemas (tests/specs/moderations.json, MIT licence).
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
from openai.types.moderation import CategoryScores

SPEC = json.loads((Path(__file__).parent / "specs" / "moderations.json").read_text())["openai-v1"]
CATEGORIES = [field.alias or name for name, field in CategoryScores.model_fields.items()]


@dataclass
class FakeModeration:
    """`scores` says what a text that holds these words is worth: {"knife": ("violence", 0.9)}."""

    behind: str  # the address of the service that chats
    scores: dict[str, tuple[str, float]] = field(default_factory=dict)
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> FakeModeration:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, body: dict) -> dict:
        check("request", body)
        self.asked.append(body["input"])
        found = dict.fromkeys(CATEGORIES, 0.01)
        found |= {category: score for words, (category, score) in self.scores.items() if words in body["input"]}
        flags = {category: score >= 0.5 for category, score in found.items()}
        kinds = dict.fromkeys(CATEGORIES, ["text"])
        result = {"flagged": any(flags.values()), "categories": flags, "category_scores": found}
        told = {"id": "m", "model": body["model"], "results": [{**result, "category_applied_input_types": kinds}]}
        check("response", told)
        return told

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler needs its own self
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                """Tests are quiet."""

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                if not self.path.endswith("/moderations"):
                    self.hand_on(sent)
                    return
                content = json.dumps(service.answer(json.loads(sent)) if service.status == 200 else {}).encode()
                self.send_response(service.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(content)

            def hand_on(self, sent: bytes) -> None:
                other = HTTPConnection(urlsplit(service.behind).netloc)
                other.request("POST", self.path, sent, dict(self.headers))
                reply = other.getresponse()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.headers["Content-Type"])
                self.end_headers()
                while piece := reply.read1():
                    self.wfile.write(piece)
                    self.wfile.flush()

        return Handler


def check(kind: str, body: dict) -> None:
    schema = {"$ref": f"#/components/schemas/{SPEC[kind]}", "components": SPEC["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)
