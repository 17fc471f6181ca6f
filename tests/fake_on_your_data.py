"""Azure OpenAI On Your Data at the wire: checks `data_sources` against the published schemas and answers as it did.

`tests/specs/data-sources.json` holds the schemas of the last stable dated version and of a late preview, cut out of
the vendor's OpenAPI descriptions (MIT licence). `refusal`, `whole` and `chunks` are all that a server needs of it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema

from tests.fake_openai import properties

CHAT = json.loads((Path(__file__).parent / "specs" / "chat-completions.json").read_text())
SPECS = json.loads((Path(__file__).parent / "specs" / "data-sources.json").read_text())
CONTEXT = ("citations", "intent", "all_retrieved_documents")
NOT_FOUND = "The requested information is not found in the retrieved data. Please try another query or topic."


@dataclass
class Finding:
    """What the index holds. One with a `filter_reason` was found and not offered."""

    content: str
    title: str | None = None
    url: str | None = None
    filepath: str | None = None
    chunk_id: str | None = "0"
    score: float = 2.5
    filter_reason: str = ""


@dataclass
class Reply:
    """What the service says next. `pieces` are streamed; a status other than 200 is an error."""

    pieces: list[str] = field(default_factory=lambda: ["It is so [doc1]."])
    findings: list[Finding] = field(default_factory=lambda: [Finding("It is so, and was always so.", "Guide")])
    queries: list[str] = field(default_factory=lambda: ["is it so"])
    status: int = 200
    error: dict[str, Any] | None = None
    cut: bool = False  # The connection ends in the middle.
    filtered: dict[str, Any] | None = None  # what the content filter says of the answer, beside its end


# What is refused -----------------------------------------------------------------------------------------------------
def refusal(body: dict[str, Any], api_version: str) -> tuple[int, dict[str, Any]] | None:
    """What the service would refuse of a request with `data_sources`: status and body; None when it would answer."""
    faults = [*_faults(body.get("data_sources"), api_version), *_request_faults(body)]
    if not faults and (extra := sorted(body.keys() & {"tools", "functions", "logprobs", "top_logprobs"})):
        faults = [f"Validation error at #/{extra[0]}: Extra inputs are not permitted"]
    if not faults:
        return None
    return 400, {"error": {"requestid": "a5b2", "code": 400, "message": faults[0]}}


def _request_faults(body: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the rest of it, by the schema of the last stable dated version."""
    spec = CHAT["azure-2024-10-21"]
    schema = {"$ref": f"#/components/schemas/{spec['request']}", "components": spec["components"]}
    rest = {name: value for name, value in body.items() if name != "data_sources"}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(rest):
        yield f"Validation error at #/{'/'.join(map(str, error.absolute_path))}: {error.message}"
    for name in rest.keys() - properties(spec["components"]["schemas"], spec["request"]) - {"model"}:
        yield f"Validation error at #/{name}: Extra inputs are not permitted"


def _faults(sources: Any, api_version: str) -> Iterator[str]:
    schemas = SPECS[api_version]
    if not isinstance(sources, list) or len(sources) != 1:
        yield "Validation error at #/data_sources: List should have exactly 1 item"
        return
    kinds = schemas["azureChatExtensionConfiguration"]["discriminator"]["mapping"]
    kind = sources[0].get("type")
    if kind not in kinds:
        yield f"Validation error at #/data_sources/0: Input tag '{kind}' found using 'type' does not match any"
        return
    schema = closed({"$ref": kinds[kind]}, schemas)
    for error in jsonschema.Draft202012Validator(schema).iter_errors(sources[0]):
        place = "/".join(map(str, ["data_sources", 0, kind, *error.absolute_path]))
        yield f"Validation error at #/{place}: {error.message}"
    parameters = sources[0].get("parameters", {})
    query_type = parameters.get("query_type", "")
    for word, name in (("vector", "embedding_dependency"), ("semantic", "semantic_configuration")):
        if word in query_type and not parameters.get(name):
            yield f"Validation error at #/data_sources/0/{kind}/parameters/{name}: Field required"


def closed(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The same schema on its own, that knows no property but those it names; a type of several is told by its tag."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        inner = closed(schemas[name], schemas)
        tag = schemas[name].get("x-ms-discriminator-value")
        if tag and "properties" in inner:
            inner["properties"]["type"] = {"const": tag}
        return inner
    if "oneOf" in schema:
        return {"oneOf": [closed(each, schemas) for each in schema["oneOf"]]}
    if "allOf" in schema or "properties" in schema:
        parts = [schema, *({**closed(each, schemas)} for each in schema.get("allOf", []))]
        properties: dict[str, Any] = {}
        required: set[str] = set()
        for part in parts:
            properties |= {name: closed(each, schemas) for name, each in part.get("properties", {}).items()}
            required |= set(part.get("required", []))
        return {
            "type": "object",
            "properties": properties,
            "required": sorted(required),
            "additionalProperties": False,
        }
    if "items" in schema:
        return {**schema, "items": closed(schema["items"], schemas)}
    return schema


# What is answered ----------------------------------------------------------------------------------------------------
def context(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """`context` with what was asked for in include_contexts, which is citations and intent unless it says otherwise."""
    asked = body["data_sources"][0]["parameters"].get("include_contexts") or CONTEXT[:2]
    whole = {
        "citations": [_citation(each) for each in reply.findings if not each.filter_reason],
        "intent": json.dumps(reply.queries),
        "all_retrieved_documents": [_retrieved(each, reply.queries) for each in reply.findings],
    }
    return {name: each for name, each in whole.items() if name in asked}


def _citation(found: Finding) -> dict[str, Any]:
    names = ("content", "title", "url", "filepath", "chunk_id")
    return {name: getattr(found, name) for name in names}


def _retrieved(found: Finding, queries: list[str]) -> dict[str, Any]:
    told = {"search_queries": queries, "data_source_index": 0, "original_search_score": found.score}
    reason = {"filter_reason": found.filter_reason} if found.filter_reason else {}
    return {key: value for key, value in _citation(found).items() if value is not None} | told | reason


def whole(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """A chat completion in one piece."""
    message = {
        "role": "assistant",
        "content": "".join(reply.pieces),
        "end_turn": True,
        "context": context(body, reply),
    }
    usage = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920}
    return {
        "id": "c",
        "object": "extensions.chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": usage,
    }


def chunks(body: dict[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
    """The same as it is streamed: the context once, in the first delta."""
    head = {"id": "c", "object": "extensions.chat.completion.chunk", "created": 1, "model": "gpt-4o"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "end_turn": finish is not None}
        return head | {"choices": [choice]}

    yield chunk({"role": "assistant", "context": context(body, reply)})
    for piece in reply.pieces:
        yield chunk({"content": piece})
    if reply.cut:
        return
    end = chunk({}, "stop")
    end["choices"][0] |= {"content_filter_results": reply.filtered} if reply.filtered else {}
    yield end
    if (body.get("stream_options") or {}).get("include_usage"):
        yield head | {
            "choices": [],
            "usage": {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920},
        }


class FakeOnYourData:
    """Start with `with FakeOnYourData() as service:`; what came in is in `service.requests`.

    A dated Azure that knows nothing but chat completions with or without `data_sources`. A request that breaks the
    published schemas is refused and noted in `service.faults`.
    """

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeOnYourData:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler needs its own self
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                """Tests are quiet."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                parts = urlsplit(self.path)
                version = parse_qs(parts.query).get("api-version", [""])[0]
                service.requests.append({"path": parts.path, "body": body})
                reply = service.replies.pop(0) if service.replies else Reply()
                refused = refusal(body, version) if "data_sources" in body else None
                if refused:
                    service.faults.append(refused[1]["error"]["message"])
                    self.tell(*refused)
                elif reply.status != 200:
                    self.tell(reply.status, {"error": reply.error or {"code": str(reply.status), "message": "no"}})
                elif body.get("stream"):
                    self.stream(body, reply)
                else:
                    self.tell(200, whole(body, reply))

            def tell(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def stream(self, body: dict[str, Any], reply: Reply) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for each in _chunks_of(body, reply):
                    self.wfile.write(b"data: " + json.dumps(each).encode() + b"\n\n")
                    self.wfile.flush()
                    time.sleep(0)
                if not reply.cut:
                    self.wfile.write(b"data: [DONE]\n\n")

        return Handler


def _chunks_of(body: dict[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
    """Without `data_sources` it is a model like any other."""
    for each in chunks(body if "data_sources" in body else body | {"data_sources": [{"parameters": {}}]}, reply):
        if "data_sources" not in body:
            for choice in each["choices"]:
                choice["delta"].pop("context", None)
        yield each
