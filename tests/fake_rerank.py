"""A reranker at the wire: refuses a request that Cohere or text-embeddings-inference would refuse, answers as told."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXTS_MOST = 32  # of text-embeddings-inference, unless it is started with more


@dataclass
class Ranking:
    """What the service says next. `mend` may spoil the rows or the whole answer; `body` stands in its place."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    score: Callable[[str, str], object] | None = None  # of a question and a text; None: the share of words they have
    mend: Callable[[list], object] = lambda rows: rows
    body: bytes | None = None
    pause_s: float = 0.0  # before it answers
    drip_s: float = 0.0  # between two bytes, from the first header on


class FakeRerank:
    """Start with `with FakeRerank() as service:`; what came in is in `service.requests`, wrong calls in `faults`."""

    def __init__(self) -> None:
        self.rankings: list[Ranking] = []
        self.requests: list[dict] = []
        self.faults: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeRerank:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def check(self, path: str, headers: dict[str, str], body: dict) -> str:
        """Why the real service would refuse the call; "" when it would not."""
        if path == "/v2/rerank":
            names = {"model": str, "query": str, "documents": list, "top_n": int}
            if headers.get("authorization") != "Bearer secret":
                return "no key"
        elif path == "/rerank":
            names = {"query": str, "texts": list, "truncate": bool}
        else:
            return f"no such path: {path}"
        if headers.get("content-type") != "application/json":
            return "not json"
        wrong = [name for name, kind in names.items() if type(body.get(name)) is not kind]
        texts = body.get("documents", body.get("texts")) or []
        if wrong or body.keys() - names or not texts or not all(isinstance(text, str) and text for text in texts):
            return f"not of the shape: {sorted(body)} {wrong}"
        if path == "/rerank" and len(texts) > TEXTS_MOST:
            return f"too many texts: {len(texts)}"
        return "" if 1 <= body.get("top_n", 1) <= len(texts) else "top_n"

    def answer(self, ranking: Ranking, body: dict) -> bytes:
        if ranking.body is not None:
            return ranking.body
        is_single = "texts" in body
        score = ranking.score or _shared
        name = "score" if is_single else "relevance_score"
        texts = body["texts"] if is_single else body["documents"]
        rows = [{"index": at, name: score(body["query"], text)} for at, text in enumerate(texts)]
        rows.sort(key=lambda row: -row[name] if isinstance(row[name], int | float) else 0)
        reply = ranking.mend(rows)
        return json.dumps(reply if is_single or not isinstance(reply, list) else {"id": "1", "results": reply}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                service.requests.append(body)
                if fault := service.check(self.path, {k.lower(): v for k, v in self.headers.items()}, body):
                    service.faults.append(fault)
                    return self._send(Ranking(422), json.dumps({"error": fault}).encode())
                ranking = service.rankings.pop(0) if service.rankings else Ranking()
                time.sleep(ranking.pause_s)
                return self._send(ranking, service.answer(ranking, body))

            def do_GET(self) -> None:
                service.faults.append("followed")
                self._send(Ranking(), b"[]")

            def _send(self, ranking: Ranking, body: bytes) -> None:
                fields = {"Content-Type": "application/json", "Content-Length": str(len(body))} | ranking.headers
                lines = [f"HTTP/1.1 {ranking.status} Told", *(f"{name}: {value}" for name, value in fields.items())]
                answer = "\r\n".join([*lines, "", ""]).encode() + body
                try:
                    if ranking.drip_s:
                        for byte in answer:
                            self.wfile.write(bytes([byte]))
                            self.wfile.flush()
                            time.sleep(ranking.drip_s)
                    else:
                        self.wfile.write(answer)
                except OSError:
                    self.close_connection = True  # Whoever asked has gone.

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def _shared(question: str, text: str) -> float:
    asked, held = (set(re.findall(r"\w+", each.lower())) for each in (question, text))
    return len(asked & held) / max(1, len(asked))
