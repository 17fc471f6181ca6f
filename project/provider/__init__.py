"""The one door to language and embedding models: the only importer of `openai`.

It owns the connection, time limits, retries, and the turning of foreign errors into ours.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import cache
from json import JSONDecodeError
from typing import Any, cast

import httpx2
import numpy as np
import openai
from django.conf import settings

from project.provider.pieces import Cut, Tokens
from project.waiting import retry_after

__all__ = ["Cut", "Tokens"]

log = logging.getLogger(__name__)

TIMEOUT = httpx2.Timeout(connect=5, read=30, write=30, pool=5)
RETRIES = 2  # Before the first byte only: the package does not retry a stream that has begun.
TOO_LONG = re.compile(
    r"(?i)context length|too (?:long|many tokens)|maximum (?:input|sequence) length|input is too large"
)


class ProviderError(Exception):
    """A call to the model failed; str(exc) may be shown to a person."""


class ProviderBusy(ProviderError):
    """Worth trying again later: a rate limit, a timeout, a fault on their side."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after  # Seconds the service asked to wait; None: it did not say.


class ProviderRefused(ProviderError):
    """Their content filter stopped the question or the answer."""


class ProviderMisconfigured(ProviderError):
    """Only the operator can mend it: a wrong key, an unknown deployment."""


class ProviderTooLong(ProviderError):
    """A text is longer than this model takes; shorter pieces of it may do."""


class ProviderInterrupted(ProviderError):
    """The answer broke off in the middle."""


def deployment() -> str:
    """The model or deployment that answers, as settings name it; "" when none is set up."""
    return settings.AZURE_OPENAI_CHAT_DEPLOYMENT if settings.AZURE_OPENAI_ENDPOINT else settings.OPENAI_CHAT_MODEL


def is_configured() -> bool:
    return bool(deployment())


def embedding_model() -> tuple[str, str]:
    """Who makes vectors: ("azure", its deployment), ("openai", its model), or ("", "") when none is set up."""
    if settings.AZURE_OPENAI_ENDPOINT and settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT:
        return "azure", settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT
    return ("openai", settings.OPENAI_EMBEDDING_MODEL) if settings.OPENAI_EMBEDDING_MODEL else ("", "")


def _client() -> openai.AsyncOpenAI:
    account = _account(bool(settings.AZURE_OPENAI_ENDPOINT), _awaited_entra_token)
    kind = openai.AsyncAzureOpenAI if "azure_endpoint" in account else openai.AsyncOpenAI
    return kind(**account, timeout=TIMEOUT, max_retries=RETRIES)


def _embedding_client(timeout: httpx2.Timeout) -> openai.OpenAI:
    account = _account(embedding_model()[0] == "azure", _entra_token)
    kind = openai.AzureOpenAI if "azure_endpoint" in account else openai.OpenAI
    return kind(**account, timeout=timeout, max_retries=0)


def _account(is_azure: bool, entra_token: Callable[..., Any]) -> dict[str, Any]:
    """Everything is given by name, so that no stray variable can send a text elsewhere."""
    if not is_azure:
        # Servers of one's own often take no key, but the package insists on one.
        return {"base_url": settings.OPENAI_BASE_URL, "api_key": settings.OPENAI_API_KEY or "none"}
    key = settings.AZURE_OPENAI_API_KEY
    if settings.AZURE_OPENAI_API_VERSION == "v1":
        return {"base_url": f"{settings.AZURE_OPENAI_ENDPOINT}/openai/v1/", "api_key": key or entra_token}
    return {
        "azure_endpoint": settings.AZURE_OPENAI_ENDPOINT,
        "api_version": settings.AZURE_OPENAI_API_VERSION,
        "api_key": key or None,
        "azure_ad_token_provider": None if key else entra_token,
    }


def _entra_token() -> str:
    """A token of the identity this process runs under."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        return _identity()()
    except ClientAuthenticationError as exc:
        raise ProviderMisconfigured("There is no key, and the identity of this process cannot sign in.") from exc
    except AzureError as exc:
        raise ProviderBusy("The service that signs this process in cannot be reached.") from exc


async def _awaited_entra_token() -> str:
    from asgiref.sync import sync_to_async

    return await sync_to_async(_entra_token, thread_sensitive=False)()


@cache
def _identity() -> Callable[[], str]:
    """Kept, because azure-identity renews a token only when it must."""
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    return get_bearer_token_provider(DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default")


def _is_the_vendors() -> bool:
    return "api.openai.com" in settings.OPENAI_BASE_URL


def _cap(max_tokens: int) -> dict[str, int]:
    """OpenAI and Azure take the new name for every model, servers of one's own often only the old one."""
    is_new = settings.AZURE_OPENAI_ENDPOINT or _is_the_vendors()
    return {"max_completion_tokens" if is_new else "max_tokens": max_tokens}


async def stream_chat(messages: list[dict[str, str]], *, max_tokens: int) -> AsyncGenerator[str | Tokens | Cut]:
    """Yield pieces of the answer as they come; then Cut if it was cut short, and last Tokens if they were told.

    Raises ProviderError, also in the middle. Closing the generator closes the connection, which stops the model.
    """
    ended = False
    try:
        async with (
            _client() as client,
            await client.chat.completions.create(
                model=deployment(),
                messages=cast("Any", messages),  # The package's own types do not know plain dicts.
                stream=True,
                stream_options={"include_usage": True},
                **cast("Any", _cap(max_tokens)),
            ) as stream,
        ):
            async for chunk in stream:
                if chunk.usage:
                    yield Tokens(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                for choice in chunk.choices[:1]:  # Azure's first chunk, and the one with the usage, have none.
                    if choice.delta and choice.delta.content:
                        yield choice.delta.content
                    if choice.finish_reason == "content_filter":
                        raise ProviderRefused("The model service's content filter cut the answer off.")
                    if choice.finish_reason == "length":
                        yield Cut()
                    ended = ended or bool(choice.finish_reason)
    except (openai.APIError, JSONDecodeError, httpx2.HTTPError) as exc:
        raise _ours(exc) from exc
    if not ended:
        raise ProviderInterrupted("The model service stopped in the middle of the answer.")


def _ours(exc: Exception) -> ProviderError:
    """One of our errors for each thing a caller would do differently."""
    log.warning("model call failed: %s %s", type(exc).__name__, getattr(exc, "code", ""))
    if isinstance(exc, openai.APITimeoutError):
        return ProviderBusy("The model service did not answer in time. Try again in a moment.")
    if isinstance(exc, openai.APIConnectionError | httpx2.HTTPError):
        return ProviderBusy("The model service cannot be reached. Try again in a moment.")
    if isinstance(exc, openai.RateLimitError | openai.InternalServerError):
        return ProviderBusy("The model service is busy. Try again in a moment.")
    if isinstance(exc, openai.AuthenticationError | openai.PermissionDeniedError):
        return ProviderMisconfigured("The model service refuses the key. An administrator must look at the settings.")
    if isinstance(exc, openai.NotFoundError):
        return ProviderMisconfigured(f"The model service knows no deployment “{deployment()}”.")
    if isinstance(exc, openai.BadRequestError) and exc.code == "content_filter":
        return ProviderRefused("The model service's content filter stopped this question. Put it in other words.")
    if isinstance(exc, openai.BadRequestError) and exc.code == "context_length_exceeded":
        return ProviderMisconfigured("The passages are too long for the model: LECTERN_CONTEXT_TOKENS is set too high.")
    if isinstance(exc, openai.APIStatusError):
        return ProviderMisconfigured("The model service refused the call. An administrator must look at the log.")
    return ProviderInterrupted("The model service broke off in the middle of the answer.")


# Vectors -------------------------------------------------------------------------------------------------------------
def embed(texts: Sequence[str], *, model: str, dimensions: int | None, timeout: float) -> tuple[np.ndarray, Tokens]:
    """One row for each text, in their order, and what they cost; one request, never repeated here.

    `timeout` in seconds holds for the whole of it. Raises ProviderBusy, ProviderTooLong or ProviderMisconfigured.
    """
    # Servers of one's own do not all know base64, which is a quarter of the size.
    is_packed = embedding_model()[0] == "azure" or _is_the_vendors()
    ends, connect = time.monotonic() + timeout, min(5.0, timeout / 4)
    try:
        with (
            _embedding_client(httpx2.Timeout(timeout - connect, connect=connect)) as client,
            client.embeddings.with_streaming_response.create(
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
        return ProviderBusy("The embedding service does not answer.")
    return ProviderBusy("The embedding service cannot be reached.")


def _refusal(exc: openai.APIStatusError, model: str, dimensions: int | None) -> ProviderError:
    if exc.status_code in {408, 409, 425, 429} or exc.status_code >= 500:
        is_spent = exc.code == "insufficient_quota"
        sentence = "The quota of the embedding service is used up." if is_spent else "The embedding service is busy."
        return ProviderBusy(sentence, retry_after(exc.response.headers))
    if exc.status_code in {401, 403}:
        return ProviderMisconfigured("The embedding service refuses the key.")
    if exc.status_code == 404:
        return ProviderMisconfigured(f"The embedding service knows no deployment “{model}”.")
    if exc.code == "context_length_exceeded" or TOO_LONG.search(exc.message):
        return ProviderTooLong(f"The embedding model “{model}” takes no text as long as these.")
    if dimensions and "dimensions" in f"{exc.param} {exc.message}":
        return ProviderMisconfigured(f"The embedding model “{model}” takes no LECTERN_EMBEDDING_DIMENSIONS.")
    return ProviderMisconfigured(f"The embedding service refused the call (status {exc.status_code}).")
