"""Azure AI Search at the wire: checks every request against the specification and answers as the service does.

`tests/specs/search.json` holds the request bodies of api-version 2026-04-01 that we use, out of the schemas that were
derived from the models of the package azure-search-documents 12 (MIT licence). Ranking is real: BM25 over stemmed
words, cosines, reciprocal ranks. Whatever is told can be made to show later.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

from tests.fake_ranking import Ranking, Refused, StoredIndex

SPEC = json.loads((Path(__file__).parent / "specs" / "search.json").read_text())
ROUTES = {
    ("GET", r"/(indexes)"): ("list_indexes", None),
    ("GET", r"/(aliases)"): ("list_aliases", None),
    ("PUT", r"/indexes\('([^']+)'\)"): ("put_index", "SearchIndex"),
    ("GET", r"/indexes\('([^']+)'\)"): ("get_index", None),
    ("DELETE", r"/indexes\('([^']+)'\)"): ("delete_index", None),
    ("GET", r"/indexes\('([^']+)'\)/search\.stats"): ("statistics", None),
    ("GET", r"(/aliases)"): ("list_aliases", None),
    ("PUT", r"/aliases\('([^']+)'\)"): ("put_alias", "SearchAlias"),
    ("GET", r"/aliases\('([^']+)'\)"): ("get_alias", None),
    ("DELETE", r"/aliases\('([^']+)'\)"): ("delete_alias", None),
    ("POST", r"/indexes\('([^']+)'\)/docs/search\.index"): ("index_documents", "IndexDocumentsBatch"),
    ("POST", r"/indexes\('([^']+)'\)/docs/search\.post\.search"): ("search", "SearchRequest"),
}
CLOSED_TO_QUERY_KEYS = {"put_index", "delete_index", "put_alias", "delete_alias", "index_documents", "statistics"}
CLOSED_TO_QUERY_KEYS |= {"list_indexes", "list_aliases"}
MOST_BYTES = 16 * 1024 * 1024


@dataclass
class Fault:
    """What goes wrong with the next request that does `verb` (a method's name below; "": any)."""

    status: int = 503  # 0: the connection is cut
    verb: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "Something went wrong."
    code: str = ""
    body: bytes | None = None  # in the place of an answer
    pause_s: float = 0.0
    drip_s: float = 0.0  # between two bytes of the answer: "head" or "body" says of which part
    drips: str = "body"
    done_all_the_same: bool = False  # The work is done before the answer fails.


def _strict() -> dict:
    """The schemas with their open enumerations and objects closed, so that a slip of the pen is a fault."""
    definitions = deepcopy(SPEC["definitions"])
    for name, schema in definitions.items():
        kinds = schema.pop("x-discriminated", None)
        if kinds:
            (tag,) = schema["required"][:1] if len(schema["required"]) == 1 else ["kind"]
            schema["properties"][tag] = {"enum": list(kinds)}
            schema["allOf"] = [
                {"if": {"properties": {tag: {"const": kind}}}, "then": {"$ref": f"#/definitions/{target}"}}
                for kind, target in kinds.items()
            ]
        elif schema.get("properties") and name != "IndexAction":
            schema.setdefault("additionalProperties", False)
        for prop, facts in schema.get("properties", {}).items():
            known = facts.pop("x-known-values", None)
            if known and prop not in {"answers", "captions"}:
                facts["enum"] = known + [f"Collection({one})" for one in known if name == "SearchField"]
    return definitions


STRICT = _strict()


class FakeSearch:
    """Start with `with FakeSearch() as service:`. What it was asked is in `requests`, what no specification knows in
    `faults`; what the service would refuse it refuses."""

    def __init__(self, key: str = "secret", query_key: str = "look") -> None:
        self.key, self.query_key = key, query_key
        self.token = ""  # The bearer token that it takes; "": none.
        self.delay_s = 0.0  # until what it was told can be found; infinity: until settle()
        self.has_aliases = self.tells_scores = self.has_reranker = True
        self.wrong: list[Fault] = []
        self.item_statuses: list[int] = []  # of the next entries of a batch; 200 takes the entry
        self.requests: list[dict] = []
        self.faults: list[str] = []
        self.indexes: dict[str, StoredIndex] = {}
        self.aliases: dict[str, str] = {}
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeSearch:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def settle(self) -> None:
        """What it was told can be found from now on."""
        with self._lock:
            for index in self.indexes.values():
                index.show(math.inf)

    def asked(self, verb: str) -> list[dict]:
        return [request for request in self.requests if request["verb"] == verb]

    # What comes in ---------------------------------------------------------------------------------------------------
    def answer(self, method: str, target: str, headers: dict[str, str], content: bytes) -> tuple[int, object]:
        parts = urlsplit(target)
        path = unquote(parts.path)
        routes = ((re.fullmatch(rule, path), *way) for (verb, rule), way in ROUTES.items() if verb == method)
        found, verb, schema = next((route for route in routes if route[0]), (None, "", None))
        body = self._body(content, schema) if schema else {}
        self.requests.append({"verb": verb, "path": path, "headers": headers, "body": body, "size": len(content)})
        if found is None:
            self.faults.append(f"there is no {method} {path}")
            raise Refused(404, "Resource not found")
        query = parse_qs(parts.query)
        if query != {"api-version": [SPEC["api-version"]]}:
            self.faults.append(f"the address ends in {parts.query}")
        self._let_in(headers, verb)
        fault = next((one for one in self.wrong if one.verb in ("", verb)), None)
        if fault:
            self.wrong.remove(fault)
        if fault is None or fault.done_all_the_same:
            with self._lock:
                done = getattr(self, verb)(found[1], body)
        if fault:
            raise Faulty(fault)
        return done

    def _body(self, content: bytes, schema: str) -> dict:
        if len(content) > MOST_BYTES:
            raise Refused(413, "The request is too large.")
        try:
            body = json.loads(content, parse_constant=lambda word: self.faults.append(f"{word} is no JSON"))
            json.dumps(body, ensure_ascii=False).encode()
        except ValueError as exc:
            self.faults.append(f"no JSON: {exc}")
            raise Refused(400, "The request is not valid JSON.") from exc
        found = [f"{error.json_path}: {error.message[:200]}" for error in _validator(schema).iter_errors(body)]
        self.faults += found
        if found:
            raise Refused(400, found[0])
        return body

    def _let_in(self, headers: dict[str, str], verb: str) -> None:
        key, bearer = headers.get("api-key"), headers.get("authorization", "").removeprefix("Bearer ")
        if key == self.key or (self.token and bearer == self.token):
            return
        if key == self.query_key and verb not in CLOSED_TO_QUERY_KEYS:
            return
        raise Refused(403 if key or bearer else 401, f"Access denied to {key or bearer}")

    def _index(self, name: str) -> StoredIndex:
        name = self.aliases.get(name, name)
        if name not in self.indexes:
            raise Refused(404, f"The index '{name}' for service 'fake' was not found.", "ResourceNotFound")
        self.indexes[name].show(time.monotonic())
        return self.indexes[name]

    # Indexes and their names -----------------------------------------------------------------------------------------
    def put_index(self, name: str, body: dict) -> tuple[int, object]:
        if body["name"] != name or not re.fullmatch(r"(?!.*--)[a-z0-9][a-z0-9-]{0,126}[a-z0-9]", name):
            raise Refused(400, f"'{name}' is no name of an index.", "InvalidName")
        made = StoredIndex(body)
        if old := self.indexes.get(name):
            for field_name, facts in old.fields.items():
                if made.fields.get(field_name) != facts:
                    raise Refused(400, f"Existing field '{field_name}' cannot be changed.", "OperationNotAllowed")
            return 200, body
        self.indexes[name] = made
        return 201, body

    def get_index(self, name: str, body: dict) -> tuple[int, object]:
        return 200, self._index(name).definition

    def list_indexes(self, name: str, body: dict) -> tuple[int, object]:
        return 200, {"value": [index.definition | {"name": name} for name, index in self.indexes.items()]}

    def delete_index(self, name: str, body: dict) -> tuple[int, object]:
        if name in self.aliases.values():
            raise Refused(400, f"The index '{name}' has an alias.", "CannotDeleteIndexWithAlias")
        return (204 if self.indexes.pop(name, None) else 404), None

    def statistics(self, name: str, body: dict) -> tuple[int, object]:
        held = self._index(name).visible
        size = len(json.dumps(list(held.values())))
        return 200, {"documentCount": len(held), "storageSize": size, "vectorIndexSize": size // 2}

    def put_alias(self, name: str, body: dict) -> tuple[int, object]:
        self._has_aliases()
        (target,) = body["indexes"]
        if target not in self.indexes or name in self.indexes:
            raise Refused(400, f"An alias '{name}' of '{target}' cannot be.", "InvalidAlias")
        self.aliases[name] = target
        return 200, body

    def get_alias(self, name: str, body: dict) -> tuple[int, object]:
        self._has_aliases()
        if name not in self.aliases:
            raise Refused(404, f"The alias '{name}' was not found.")
        return 200, {"name": name, "indexes": [self.aliases[name]]}

    def list_aliases(self, name: str, body: dict) -> tuple[int, object]:
        self._has_aliases()
        return 200, {"value": [{"name": name, "indexes": [index]} for name, index in self.aliases.items()]}

    def delete_alias(self, name: str, body: dict) -> tuple[int, object]:
        self._has_aliases()
        return (204 if self.aliases.pop(name, None) else 404), None

    def _has_aliases(self) -> None:
        if not self.has_aliases:
            raise Refused(400, "Aliases are not supported by this service.", "FeatureNotSupported")

    # Entries ---------------------------------------------------------------------------------------------------------
    def index_documents(self, name: str, body: dict) -> tuple[int, object]:
        index, actions = self._index(name), body["value"]
        if not 1 <= len(actions) <= 1000:
            raise Refused(400, f"{len(actions)} actions in a batch; 1 to 1000 are taken.")
        for action in actions:
            index.check({field: value for field, value in action.items() if field != "@search.action"})
        results = []
        for action in actions:
            entry = dict(action)
            verb, key = entry.pop("@search.action"), action[index.key]
            status = self.item_statuses.pop(0) if self.item_statuses else 200
            if status == 200:
                status = index.take(verb, entry, time.monotonic() + self.delay_s)
            ok = status in (200, 201)
            results.append({"key": key, "status": ok, "statusCode": status, "errorMessage": None if ok else "refused"})
        return (200 if all(one["status"] for one in results) else 207), {"value": results}

    def search(self, name: str, body: dict) -> tuple[int, object]:
        index = self._index(name)
        found = Ranking(index, body, self.tells_scores, self.has_reranker)
        answer: dict = {"value": found.rows()}
        if body.get("count"):
            answer["@odata.count"] = len(found.order)
        if found.left:
            following = body | {"skip": body.get("skip", 0) + len(answer["value"])}
            if "top" in body:
                following["top"] = body["top"] - len(answer["value"])
            answer |= {"@search.nextPageParameters": following, "@odata.nextLink": f"{self.url}/next"}
        return 200, answer

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler needs its own self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args: object) -> None:
                """Tests are quiet."""

            def do_GET(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                told: dict[str, str] = {}
                drip_s, drips = 0.0, ""
                try:
                    status, answer = service.answer(self.command, self.path, headers, content)
                    reply = b"" if answer is None else json.dumps(answer).encode()
                except Refused as exc:
                    status, reply = exc.status, json.dumps(exc.body).encode()
                except Faulty as exc:
                    time.sleep(exc.fault.pause_s)
                    drip_s, drips = exc.fault.drip_s, exc.fault.drips
                    status, told = exc.fault.status, exc.fault.headers
                    error = {"error": {"code": exc.fault.code, "message": exc.fault.message}}
                    reply = exc.fault.body if exc.fault.body is not None else json.dumps(error).encode()
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in told.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json; odata.metadata=none")
                self.send_header("Content-Length", str(len(reply)))
                head = b"".join(self._headers_buffer) + b"\r\n"
                self._headers_buffer = []
                for part, content in (("head", head), ("body", reply)):
                    self._write(content, drip_s if part == drips else 0.0)

            def _write(self, content: bytes, drip_s: float) -> None:
                try:
                    for byte in content if drip_s else ():
                        self.wfile.write(bytes([byte]))
                        time.sleep(drip_s)
                    self.wfile.write(b"" if drip_s else content)
                except OSError:
                    self.close_connection = True  # Whoever asked has gone.

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - so the server looks them up

        return Handler


class Faulty(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@lru_cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/definitions/{schema}", "definitions": STRICT})
