"""The one door to a language model: the only importer of `openai`.

It owns the connection, time limits, retries, and the turning of foreign errors into ours.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any, cast

import httpx2
import openai
from django.conf import settings

log = logging.getLogger(__name__)

TIMEOUT = httpx2.Timeout(connect=5, read=30, write=30, pool=5)
RETRIES = 2  # Before the first byte only: the package does not retry a stream that has begun.


class ProviderError(Exception):
    """A call to the model failed; str(exc) may be shown to a person."""


class ProviderBusy(ProviderError):
    """Worth trying again later: a rate limit, a timeout, a fault on their side."""


class ProviderRefused(ProviderError):
    """Their content filter stopped the question or the answer."""


class ProviderMisconfigured(ProviderError):
    """Only the operator can mend it: a wrong key, an unknown deployment."""


class ProviderInterrupted(ProviderError):
    """The answer broke off in the middle."""


@dataclass(frozen=True)
class Tokens:
    """What a call cost, as the service counted it; comes last in a stream."""

    input: int
    output: int


@dataclass(frozen=True)
class Cut:
    """The answer ended at the cap of its tokens, not at its end."""


def deployment() -> str:
    """The model or deployment that answers, as settings name it; "" when none is set up."""
    return settings.AZURE_OPENAI_CHAT_DEPLOYMENT if settings.AZURE_OPENAI_ENDPOINT else settings.OPENAI_CHAT_MODEL


def is_configured() -> bool:
    return bool(deployment())


def _client() -> openai.AsyncOpenAI:
    """Everything is given by name, so that no stray variable can send a question elsewhere."""
    if not settings.AZURE_OPENAI_ENDPOINT:
        # Servers of one's own often take no key, but the package insists on one.
        key = settings.OPENAI_API_KEY or "none"
        return openai.AsyncOpenAI(base_url=settings.OPENAI_BASE_URL, api_key=key, timeout=TIMEOUT, max_retries=RETRIES)
    if settings.AZURE_OPENAI_API_VERSION == "v1":
        base = f"{settings.AZURE_OPENAI_ENDPOINT}/openai/v1/"
        key = settings.AZURE_OPENAI_API_KEY or _entra_token()
        return openai.AsyncOpenAI(base_url=base, api_key=key, timeout=TIMEOUT, max_retries=RETRIES)
    return openai.AsyncAzureOpenAI(
        azure_endpoint=settings.AZURE_OPENAI_ENDPOINT,
        api_version=settings.AZURE_OPENAI_API_VERSION,
        api_key=settings.AZURE_OPENAI_API_KEY or None,
        azure_ad_token_provider=None if settings.AZURE_OPENAI_API_KEY else _entra_token(),
        timeout=TIMEOUT,
        max_retries=RETRIES,
    )


def _entra_token():
    """Tokens of the identity this process runs under; azure-identity renews them."""
    from asgiref.sync import sync_to_async
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    token = get_bearer_token_provider(DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default")
    return sync_to_async(token, thread_sensitive=False)


def _cap(max_tokens: int) -> dict[str, int]:
    """OpenAI and Azure take the new name for every model, servers of one's own often only the old one."""
    is_new = settings.AZURE_OPENAI_ENDPOINT or "api.openai.com" in settings.OPENAI_BASE_URL
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
