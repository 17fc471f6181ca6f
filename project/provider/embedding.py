"""Vectors of texts, by the service that settings name."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import httpx2
import numpy as np
import openai
from django.conf import settings

from project.circuit import Circuit, CircuitOpen
from project.deployments import Connection, azure_connection, openai_connection
from project.provider.connections import client
from project.provider.errors import TOO_LONG, ProviderBusy, ProviderError, ProviderMisconfigured, ProviderTooLong
from project.provider.pieces import Tokens
from project.quota import Quota, QuotaFull
from project.tokens import count_tokens
from project.waiting import retry_after

log = logging.getLogger(__name__)

OUTAGES = ("timeout", "unreachable", "service_fault")


def embedding_model() -> tuple[str, str]:
    """Who makes vectors: ("azure", its deployment), ("openai", its model), or ("", "") when none is set up."""
    if settings.AZURE_OPENAI_ENDPOINT and settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT:
        return "azure", settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT
    return ("openai", settings.OPENAI_EMBEDDING_MODEL) if settings.OPENAI_EMBEDDING_MODEL else ("", "")


def _connection() -> Connection:
    return azure_connection() if embedding_model()[0] == "azure" else openai_connection()


def embed(
    texts: Sequence[str], *, model: str, dimensions: int | None, timeout: float, is_urgent: bool = False
) -> tuple[np.ndarray, Tokens]:
    """One row for each text, in their order, and what they cost; one request, never repeated here.

    `timeout` in seconds holds for the whole of it, of which half may go by in the line for the quota. Urgent callers
    stand before the others there. Raises ProviderBusy, ProviderTooLong or ProviderMisconfigured.
    """
    ends = time.monotonic() + timeout
    name = f"{embedding_model()[0]}:{model}"
    circuit = Circuit(name)
    quota = Quota(name, settings.EMBEDDING_REQUESTS_A_MINUTE, settings.EMBEDDING_TOKENS_A_MINUTE)
    try:
        turn = circuit.before()
        reservation = quota.reserve(sum(map(count_tokens, texts)), patience_s=timeout / 2, urgent=is_urgent)
    except (CircuitOpen, QuotaFull) as exc:
        raise ProviderBusy(str(exc), exc.retry_after) from exc
    try:
        vectors, tokens = _asked(texts, model, dimensions, ends - time.monotonic())
    except ProviderError as exc:
        (circuit.failed if exc.code in OUTAGES else circuit.succeeded)(turn)
        reservation.release()
        raise
    circuit.succeeded(turn)
    reservation.settle(tokens.input)
    return vectors, tokens


def _asked(texts: Sequence[str], model: str, dimensions: int | None, timeout: float) -> tuple[np.ndarray, Tokens]:
    # Servers of one's own do not all know base64, which is a quarter of the size.
    is_packed = _connection().kind != "compatible"
    ends, connect = time.monotonic() + timeout, min(5.0, timeout / 4)
    try:
        with (
            client(_connection(), httpx2.Timeout(timeout - connect, connect=connect)) as service,
            service.embeddings.with_streaming_response.create(
                input=list(texts),
                model=model,
                dimensions=dimensions or openai.omit,
                encoding_format="base64" if is_packed else "float",
            ) as response,
        ):
            body = _read(response, ends)
    except (openai.APIError, httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as exc:
        fault = _embedding_fault(exc, model, dimensions)
    else:
        return _vectors(body, len(texts))
    raise fault  # Here, and so without its cause: what a service says may repeat the key, and a traceback prints it.


def _read(response: openai.APIResponse[Any], ends: float) -> bytes:
    """The whole body, unless it comes too slowly: a read's own time limit begins anew with each piece."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if time.monotonic() > ends:
            raise httpx2.ReadTimeout("the body comes too slowly")
    return bytes(body)


def _vectors(body: bytes, count: int) -> tuple[np.ndarray, Tokens]:
    """The rows of an answer by their own numbers, which need not be in order."""
    try:
        reply = json.loads(body)
        rows = {int(row["index"]): _numbers(row["embedding"]) for row in reply["data"]}
        if len(reply["data"]) != count or rows.keys() != set(range(count)):
            raise ValueError("not one vector for each text")
        vectors = np.vstack([rows[place] for place in range(count)])
        largest = np.abs(vectors).max(axis=1)
        if not ((largest > 1e-6) & (largest < 1e6)).all():
            raise ValueError("a vector without a direction")
        tokens = (reply.get("usage") or {}).get("prompt_tokens")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        log.warning("embedding call failed: %s bytes that are no answer: %s", len(body), type(exc).__name__)
        raise ProviderBusy("The embedding service gave an answer that cannot be read.") from exc
    return vectors, Tokens(tokens if isinstance(tokens, int) and 0 <= tokens < 2**31 else 0, 0)


def _numbers(embedding: object) -> np.ndarray:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    with np.errstate(over="ignore"):  # Found out later: the number is infinite then.
        numbers = np.array(embedding, np.float32)
    if numbers.ndim != 1:
        raise ValueError("not a row of numbers")
    return numbers


def _embedding_fault(exc: Exception, model: str, dimensions: int | None) -> ProviderError:
    """One of our errors; what the service said stays out of it, for it may hold a key or a document's words."""
    status = getattr(exc, "status_code", None)
    code, param = getattr(exc, "code", None), getattr(exc, "param", None)
    log.warning("embedding call failed: %s status=%s code=%s param=%s", type(exc).__name__, status, code, param)
    if isinstance(exc, openai.APIStatusError):
        return _refusal(exc, model, dimensions)
    if isinstance(exc, UnicodeError):
        return ProviderMisconfigured("The key of the embedding service holds letters that no key has.")
    if isinstance(exc, httpx2.InvalidURL) or isinstance(exc.__cause__, httpx2.UnsupportedProtocol):
        return ProviderMisconfigured("The address of the embedding service is no address that can be called.")
    if isinstance(exc, openai.APITimeoutError | httpx2.TimeoutException):
        return ProviderBusy("The embedding service does not answer.", code="timeout")
    return ProviderBusy("The embedding service cannot be reached.", code="unreachable")


def _refusal(exc: openai.APIStatusError, model: str, dimensions: int | None) -> ProviderError:
    if exc.status_code in {408, 409, 425, 429} or exc.status_code >= 500:
        is_spent = exc.code == "insufficient_quota"
        sentence = "The quota of the embedding service is used up." if is_spent else "The embedding service is busy."
        code = "service_fault" if exc.status_code >= 500 else "quota_spent" if is_spent else "rate_limited"
        return ProviderBusy(sentence, retry_after(exc.response.headers), code)
    if exc.status_code in {401, 403}:
        return ProviderMisconfigured(
            "The embedding service refuses the key. An administrator must put a valid one into the settings and start "
            "Lectern again."
        )
    if exc.status_code == 404:
        return ProviderMisconfigured(f"The embedding service knows no deployment “{model}”.")
    if exc.code == "context_length_exceeded" or TOO_LONG.search(exc.message):
        return ProviderTooLong(f"The embedding model “{model}” takes no text as long as these.")
    if dimensions and "dimensions" in f"{exc.param} {exc.message}":
        return ProviderMisconfigured(f"The embedding model “{model}” takes no LECTERN_EMBEDDING_DIMENSIONS.")
    return ProviderMisconfigured(f"The embedding service refused the call (status {exc.status_code}).")
