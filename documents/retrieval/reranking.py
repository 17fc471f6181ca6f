"""Have a service put passages into order: the one door to the reranker that settings name, if they name one.

With a model's name it is asked as Cohere, Jina and vLLM are: {model, query, documents, top_n}. Without one it is asked
as text-embeddings-inference is, which serves a single model: {query, texts}. Either answer is understood.
"""

from __future__ import annotations

import json
import logging
import math
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx2
from django.conf import settings

from documents.retrieval.passages import Passage
from project.circuit import Circuit, CircuitOpen

log = logging.getLogger(__name__)

PASSAGES_MOST = 30  # text-embeddings-inference takes 32 by default
ANSWER_MOST = 2_000_000  # bytes
CIRCUIT = Circuit("rerank", failures=3)
NOTICE = "The reranker did not answer well or in time: the passages are in the search's own order."


class RerankFault(Exception):
    """The service did not answer, or not in a way that can be used. The words are for the log and hold no secrets."""


class RerankGone(RerankFault):
    """The service was not there: late, no connection, a fault on its side. It is left alone for a while after a few."""


def is_configured() -> bool:
    return bool(settings.RERANK_URL)


def reranked(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """The best of them in the service's order and with its scores, 0 to 1; the rest after those, as they stood.

    Waits no longer than settings.RERANK_SECONDS, whatever the service does, and not at all while one that was not
    there again and again is left alone. Raises RerankFault.
    """
    asked, rest = passages[:PASSAGES_MOST], passages[PASSAGES_MOST:]
    if not asked:
        return []
    texts = [_text(passage) for passage in asked]
    scores = _scores(_answered(_body(question, texts)), len(texts))
    ordered = sorted(zip(scores, asked, strict=True), key=lambda pair: -pair[0])
    least = min(scores)
    return [
        *(replace(passage, score=score) for score, passage in ordered),
        *(replace(passage, score=least * passage.score) for passage in rest),
    ]


def answers() -> None:
    """Have two short texts put into order, to see whether the service does. Raises RerankFault."""
    texts = ["rent is due in May", "the meter is read in June"]
    _scores(_in_time(_body("When is rent due?", texts)), len(texts))


def _text(passage: Passage) -> str:
    """As it is shown: withheld words are blanks, and stay in the house."""
    return "\n".join(filter(None, (passage.document_title, passage.header, passage.text)))


def _body(question: str, texts: list[str]) -> bytes:
    body: dict[str, Any] = {"query": question, "texts": texts, "truncate": True}
    if settings.RERANK_MODEL:
        body = {"model": settings.RERANK_MODEL, "query": question, "documents": texts, "top_n": len(texts)}
    return json.dumps(body).encode()


def _answered(body: bytes) -> bytes:
    """The service's answer, unless it is left alone at the moment."""
    try:
        turn = CIRCUIT.before()
    except CircuitOpen as exc:
        raise RerankFault(f"left alone for {exc.retry_after:.0f} s") from None
    try:
        answer = _in_time(body)
    except RerankGone:
        CIRCUIT.failed(turn)
        raise
    except RerankFault:
        CIRCUIT.succeeded(turn)
        raise
    CIRCUIT.succeeded(turn)
    return answer


def _in_time(body: bytes) -> bytes:
    """The service's answer. A name that is not resolved and headers that drip in are waited for elsewhere."""
    answers: queue.SimpleQueue[bytes | RerankFault] = queue.SimpleQueue()
    ends = time.monotonic() + settings.RERANK_SECONDS
    try:
        client = httpx2.Client(timeout=settings.RERANK_SECONDS, follow_redirects=False)
    except Exception as exc:  # noqa: BLE001 - a proxy or a certificate that this machine names may fail in any way
        raise RerankFault(type(exc).__name__) from None

    def ask() -> None:
        try:
            answers.put(_post(client, body, ends))
        except RerankFault as fault:
            answers.put(fault)
        except Exception as exc:  # noqa: BLE001 - a connection closed under its reader fails in any way
            answers.put(RerankGone(type(exc).__name__))

    threading.Thread(target=ask, name="rerank", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, ends - time.monotonic()))
    except queue.Empty:
        raise RerankGone("late") from None
    finally:
        client.close()
    if isinstance(answer, RerankFault):
        raise answer
    return answer


def _post(client: httpx2.Client, body: bytes, ends: float) -> bytes:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}  # Nothing unpacks to more than came.
    if settings.RERANK_KEY:
        headers["Authorization"] = f"Bearer {settings.RERANK_KEY}"
    with client.stream("POST", settings.RERANK_URL, content=body, headers=headers) as response:
        if response.status_code != 200:
            kind = RerankGone if response.status_code >= 500 else RerankFault
            raise kind(f"status {response.status_code}")
        answer = bytearray()
        for piece in response.iter_raw():
            answer += piece
            if len(answer) > ANSWER_MOST:
                raise RerankFault(f"more than {ANSWER_MOST:,} bytes")
            if time.monotonic() > ends:
                raise RerankGone("late")
    return bytes(answer)


def _scores(answer: bytes, count: int) -> list[float]:
    """One score, 0 to 1, for each text in the order they were sent; logits are brought onto that scale."""
    try:
        reply = json.loads(answer)
        rows = reply["results"] if isinstance(reply, dict) else reply
        pairs = [(row["index"], row["relevance_score"] if "relevance_score" in row else row["score"]) for row in rows]
        scores = {_place(index): _number(score) for index, score in pairs}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as exc:
        raise RerankFault(f"an answer that cannot be read: {type(exc).__name__}") from exc
    if len(pairs) != count or scores.keys() != set(range(count)):
        raise RerankFault(f"{len(pairs)} scores for {count} passages")
    if any(not 0 <= score <= 1 for score in scores.values()):
        scores = {index: _sigmoid(score) for index, score in scores.items()}
    return [scores[index] for index in range(count)]


def _place(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not an index")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError("not a score")
    return float(value)


def _sigmoid(logit: float) -> float:
    """
    >>> _sigmoid(0), round(_sigmoid(2), 3), _sigmoid(-1e6)
    (0.5, 0.881, 0.0)
    """
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
