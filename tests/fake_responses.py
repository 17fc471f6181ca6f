"""Responses, files and vector stores at the wire: checks every request against the published schemas.

`tests/specs/responses.json` and `stores.json` are cut out of the vendors' OpenAPI descriptions (MIT licence). The
events it sends are checked too, so that what we read is what a service would send.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema

from tests.fake_stores import FakeStores, Refusal

SPECS = json.loads((Path(__file__).parent / "specs" / "responses.json").read_text())
USAGE = {
    "input_tokens": 321,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 333,
}
PREFIXES = {"/openai/v1/": "azure-v1", "/openai/": "azure-v1", "/v1/": "openai-v1"}  # A late preview is like the v1.


@dataclass
class Answer:
    """What the service says next. `raw` stands in place of all events, `body` in place of a whole answer."""

    pieces: list[str] = field(default_factory=lambda: ["It is so."])
    quotes: dict[int, tuple[str, str]] = field(default_factory=dict)  # after this piece: file_id, filename
    late_quotes: bool = False  # told with the whole message alone
    results: list[dict] | None = None
    queries: list[str] = field(default_factory=lambda: ["what"])
    runs: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    refusal: str = ""
    thinks: bool = False
    incomplete: str = ""  # max_output_tokens, content_filter
    failed: str = ""  # a code
    filters: list[dict] | None = None
    usage: dict | None = field(default_factory=lambda: dict(USAGE))
    status: int = 200
    error: dict | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    cut: bool = False  # The connection ends before the last event.
    raw: list[str] | None = None
    body: bytes | None = None


class FakeResponses:
    """Start with `with FakeResponses() as service:`; `requests` came in, `billed` was paid."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[dict], Answer]] = []
        self.requests: list[dict] = []
        self.billed: list[dict] = []
        self.faults: list[str] = []
        self.stores = FakeStores()
        self.closed_early = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeResponses:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def asked(self) -> list[dict]:
        """The bodies of the questions that came in."""
        return [one["body"] for one in self.requests if one["path"].split("?")[0].endswith("/responses")]

    def respond(self, way: str, body: dict) -> Answer:
        """What is said to a request, for any server to send."""
        if faults := check(way, body) + self._unknown_files(body):
            self.faults += faults
            return Answer(status=400, error={"code": "invalid_request_error", "message": faults[0]})
        answer = self.answers.pop(0) if self.answers else Answer()
        return answer(body) if callable(answer) else answer

    def _unknown_files(self, body: dict) -> list[str]:
        faults = []
        for tool in body.get("tools", []):
            for store in tool.get("vector_store_ids", []):
                faults += [f"Vector store {store} not found"] * (store not in self.stores.stores)
            container = tool.get("container")
            for file in container.get("file_ids", []) if isinstance(container, dict) else []:
                faults += [f"File {file} not found"] * (file not in self.stores.files)
        return faults

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler needs its own self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                """Tests are quiet."""

            def do_GET(self) -> None:
                self.serve()

            def do_POST(self) -> None:
                self.serve()

            def do_DELETE(self) -> None:
                self.serve()

            def serve(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                prefix = next((known for known in PREFIXES if parts.path.startswith(known)), "")
                headers = {name.lower(): value for name, value in self.headers.items()}
                kind = headers.get("content-type", "")
                body = json.loads(content) if kind.startswith("application/json") and content else {}
                service.requests.append({"path": self.path, "method": self.command, "headers": headers, "body": body})
                if not prefix:
                    return self.say(404, {"error": {"code": "404", "message": "Resource not found"}})
                if headers.get("authorization") != "Bearer secret" and headers.get("api-key") != "secret":
                    return self.say(401, {"error": {"code": "401", "message": "Access denied"}})
                path, way = parts.path.removeprefix(prefix), PREFIXES[prefix]
                try:
                    if path == "responses":
                        return self.answer(service.respond(way, body), body)
                    content = content if kind.startswith("multipart") else b""
                    self.say(
                        200,
                        service.stores.serve(way, self.command, path, parse_qs(parts.query), body, (kind, content)),
                    )
                except Refusal as refusal:
                    service.faults += refusal.faults
                    self.say(refusal.status, {"error": {"code": str(refusal.status), "message": str(refusal)}})
                except (BrokenPipeError, ConnectionResetError):
                    service.closed_early.set()
                return None

            def say(self, status: int, body: dict | bytes, headers: dict[str, str] | None = None) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def answer(self, answer: Answer, body: dict) -> None:
                if answer.status != 200:
                    error = answer.error or {"code": str(answer.status), "message": "no"}
                    return self.say(answer.status, {"error": error}, answer.headers)
                if answer.usage and not answer.cut:
                    service.billed.append(answer.usage)
                if not body.get("stream"):
                    whole = response_of(answer, body)
                    return self.say(200, whole if answer.body is None else answer.body)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                lines = answer.raw if answer.raw is not None else _lines(events(answer, body))
                for place, line in enumerate(lines):
                    if answer.cut and place == len(lines) - 1:
                        return None
                    self.wfile.write(line.encode() + b"\n\n")
                    self.wfile.flush()
                    time.sleep(answer.pause_s)
                return None

        return Handler


def check(way: str, body: dict) -> list[str]:
    """What the real service would refuse of a request."""
    spec = SPECS[way]
    faults = _faults(way, spec["request"], body)
    faults += [f"unknown argument {name}" for name in body.keys() - _properties(way, spec["request"])]
    for tool in body.get("tools", []):
        if name := spec["tools"].get(tool.get("type")):
            faults += _faults(way, name, tool)
            faults += [f"unknown key {key} of a tool" for key in tool.keys() - _properties(way, name)]
    if body.get("store") is not False:
        faults.append("store is not false")
    return faults


def events(answer: Answer, body: dict) -> Iterator[dict]:
    """The events of an answer in the order of the service, numbered, each as the specification has it."""
    for number, event in enumerate(_events(answer, body)):
        whole = event | {"sequence_number": number}
        assert not (faults := _faults("openai-v1", _event_names()[whole["type"]], whole)), (whole, faults)
        yield whole


def _events(answer: Answer, body: dict) -> Iterator[dict]:
    begun = response_of(answer, body) | {"status": "in_progress", "output": []}
    begun |= {"incomplete_details": None, "error": None}
    begun.pop("usage", None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    items = _items(answer)
    for place, item in enumerate(items):
        at = {"output_index": place, "item_id": item["id"]}
        yield {"type": "response.output_item.added", "output_index": place, "item": item}
        if item["type"] == "file_search_call":
            for stage in ("in_progress", "searching", "completed"):
                yield {"type": f"response.file_search_call.{stage}", **at}
        elif item["type"] == "code_interpreter_call":
            yield {"type": "response.code_interpreter_call.in_progress", **at}
            yield {"type": "response.code_interpreter_call_code.delta", "delta": item["code"], **at}
            yield {"type": "response.code_interpreter_call_code.done", "code": item["code"], **at}
            for stage in ("interpreting", "completed"):
                yield {"type": f"response.code_interpreter_call.{stage}", **at}
        elif item["type"] == "function_call":
            yield {"type": "response.function_call_arguments.delta", "delta": item["arguments"], **at}
            told = {"arguments": item["arguments"], "name": item["name"]}
            yield {"type": "response.function_call_arguments.done", **told, **at}
        elif item["type"] == "message":
            yield from _said(answer, item, at)
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    end = "failed" if answer.failed else "incomplete" if answer.incomplete else "completed"
    yield {"type": f"response.{end}", "response": response_of(answer, body)}


def _said(answer: Answer, item: dict, at: dict) -> Iterator[dict]:
    at = at | {"content_index": 0}
    part = item["content"][0]
    if answer.refusal:
        yield {"type": "response.content_part.added", "part": part | {"refusal": ""}, **at}
        yield {"type": "response.refusal.delta", "delta": answer.refusal, **at}
        yield {"type": "response.refusal.done", "refusal": answer.refusal, **at}
    else:
        yield {"type": "response.content_part.added", "part": part | {"text": "", "annotations": []}, **at}
        for place, piece in enumerate(answer.pieces):
            yield {"type": "response.output_text.delta", "delta": piece, "logprobs": [], **at}
            if place in answer.quotes and not answer.late_quotes:
                number = sorted(answer.quotes).index(place)
                quote = {"annotation_index": number, "annotation": part["annotations"][number]}
                yield {"type": "response.output_text.annotation.added", **quote, **at}
        yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **at}
    yield {"type": "response.content_part.done", "part": part, **at}


def _items(answer: Answer) -> list[dict]:
    items: list[dict] = []
    if answer.thinks:
        items.append({"type": "reasoning", "id": "rs_1", "summary": []})
    if answer.results is not None:
        call = {"type": "file_search_call", "id": "fs_1", "status": "completed"}
        items.append(call | {"queries": answer.queries, "results": answer.results})
    for place, (code, logs) in enumerate(answer.runs):
        call = {"type": "code_interpreter_call", "id": f"ci_{place}", "status": "completed", "container_id": "cntr_1"}
        items.append(call | {"code": code, "outputs": [{"type": "logs", "logs": logs}]})
    for place, (name, arguments) in enumerate(answer.calls):
        call = {"type": "function_call", "id": f"fc_{place}", "call_id": f"call_{place}", "status": "completed"}
        items.append(call | {"name": name, "arguments": arguments})
    if answer.pieces or answer.refusal:
        content: dict = {"type": "refusal", "refusal": answer.refusal}
        if not answer.refusal:
            text = "".join(answer.pieces)
            content = {"type": "output_text", "text": text, "annotations": _annotations(answer), "logprobs": []}
        message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
        items.append(message | {"content": [content]})
    return items


def _annotations(answer: Answer) -> list[dict]:
    found = []
    for place in sorted(answer.quotes):
        file_id, filename = answer.quotes[place]
        index = len("".join(answer.pieces[: place + 1]))
        found.append({"type": "file_citation", "file_id": file_id, "filename": filename, "index": index})
    return found


def response_of(answer: Answer, body: dict) -> dict:
    """A whole answer."""
    status = "failed" if answer.failed else "incomplete" if answer.incomplete else "completed"
    whole: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": body.get("model", ""),
        "output": _items(answer),
        "error": {"code": answer.failed, "message": "It failed."} if answer.failed else None,
        "incomplete_details": {"reason": answer.incomplete} if answer.incomplete else None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1,
        "top_p": 1,
        "tools": [],
        "tool_choice": "auto",
    }
    told = {"usage": answer.usage, "content_filters": answer.filters}
    return whole | {key: value for key, value in told.items() if value is not None}


def _lines(found: Iterator[dict]) -> list[str]:
    return [f"event: {event['type']}\ndata: {json.dumps(event)}" for event in found]


def _faults(way: str, name: str, value: dict) -> list[str]:
    return [f"{list(error.path)}: {error.message[:300]}" for error in _validator(way, name).iter_errors(value)]


@lru_cache
def _validator(way: str, name: str) -> jsonschema.Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": SPECS[way]["components"]}
    return jsonschema.Draft202012Validator(schema)


@lru_cache
def _event_names() -> dict[str, str]:
    """The schema of each type of event."""
    schemas = SPECS["openai-v1"]["components"]["schemas"]
    names = [one["$ref"].rsplit("/", 1)[1] for one in schemas[SPECS["openai-v1"]["event"]]["anyOf"]]
    return {schemas[name]["properties"]["type"]["enum"][0]: name for name in names}


@lru_cache
def _properties(way: str, name: str) -> frozenset[str]:
    """The names a schema knows, its own and those of the schemas it is made of."""
    schema = SPECS[way]["components"]["schemas"][name]
    found = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= set(part.get("properties", {}))
        if "$ref" in part:
            found |= _properties(way, part["$ref"].rsplit("/", 1)[1])
    return frozenset(found)
