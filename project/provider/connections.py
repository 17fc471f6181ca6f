"""Clients of the services. Everything is given by name, so that no stray variable can send a text elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from functools import cache
from typing import Any, TypeVar

import httpx2
import openai
from asgiref.sync import sync_to_async

from project.deployments import Connection
from project.provider.errors import ProviderBusy, ProviderMisconfigured

TIMEOUT = httpx2.Timeout(connect=5, read=30, write=30, pool=5)
PATIENT = httpx2.Timeout(connect=5, read=110, write=30, pool=5)  # for models that think before their first word

Client = TypeVar("Client", openai.OpenAI, openai.AsyncOpenAI)
Kept = dict[tuple[Connection, bool], tuple[openai.AsyncOpenAI, AsyncGenerator[None]]]

_kept: dict[asyncio.AbstractEventLoop, Kept] = {}


async def async_client(connection: Connection, *, is_patient: bool = False) -> openai.AsyncOpenAI:
    """The client of this event loop: connections are kept open from one answer to the next, until the loop ends."""
    loop, key = asyncio.get_running_loop(), (connection, is_patient)
    if key not in _kept.get(loop, {}):
        account = _account(connection, _awaited_entra_token)
        kind = openai.AsyncAzureOpenAI if "azure_endpoint" in account else openai.AsyncOpenAI
        timeout = PATIENT if is_patient else TIMEOUT
        http_client = openai.DefaultAsyncHttpxClient(verify=_trust(), timeout=timeout)
        made = _by_name_alone(kind(**account, timeout=timeout, max_retries=0, http_client=http_client), connection)
        held = _held(loop, made)
        _kept.setdefault(loop, {})[key] = made, held
        await anext(held)
    return _kept[loop][key][0]


async def _held(loop: asyncio.AbstractEventLoop, made: openai.AsyncOpenAI) -> AsyncGenerator[None]:
    """A loop that ends closes the generators that began in it: with this one the client goes."""
    try:
        yield
    finally:
        _kept.pop(loop, None)
        await made.close()


def client(connection: Connection, timeout: httpx2.Timeout) -> openai.OpenAI:
    """A client for one call, or a few in a row; to be closed."""
    account = _account(connection, entra_token)
    kind = openai.AzureOpenAI if "azure_endpoint" in account else openai.OpenAI
    http_client = openai.DefaultHttpxClient(verify=_trust(), timeout=timeout)
    return _by_name_alone(kind(**account, timeout=timeout, max_retries=0, http_client=http_client), connection)


def _by_name_alone(made: Client, connection: Connection) -> Client:
    """The client without what the package reads from the environment when an argument is None."""
    made.organization, made.project = connection.organisation or None, connection.project or None
    made.admin_api_key = made.webhook_secret = None
    made._custom_headers = {}
    return made


@cache
def _trust() -> ssl.SSLContext:
    """What the machine trusts; made once, for it takes long."""
    return httpx2.create_ssl_context()


def _account(connection: Connection, token: Callable[..., Any]) -> dict[str, Any]:
    if connection.kind != "azure":
        # Servers of one's own often take no key, but the package insists on one.
        return {
            "base_url": connection.endpoint,
            "api_key": connection.key or "none",
        }
    if connection.api_version in {"v1", "preview"}:
        preview = {"default_query": {"api-version": "preview"}} if connection.api_version == "preview" else {}
        return {"base_url": f"{connection.endpoint}/openai/v1/", "api_key": connection.key or token, **preview}
    return {
        "azure_endpoint": connection.endpoint,
        "api_version": connection.api_version,
        "api_key": connection.key or None,
        "azure_ad_token_provider": None if connection.key else token,
    }


# The identity of the process -----------------------------------------------------------------------------------------
def entra_token() -> str:
    """A token of the identity this process runs under. Raises ProviderMisconfigured or ProviderBusy."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        return _identity()()
    except ClientAuthenticationError as exc:
        raise ProviderMisconfigured("There is no key, and the identity of this process cannot sign in.") from exc
    except AzureError as exc:
        raise ProviderBusy("The service that signs this process in cannot be reached.") from exc


async def _awaited_entra_token() -> str:
    return await sync_to_async(entra_token, thread_sensitive=False)()


def forget_identity() -> None:
    """Sign in anew with the next call: the token was refused, so it was revoked or its time is over."""
    _identity.cache_clear()


@cache
def _identity() -> Callable[[], str]:
    """Kept, because azure-identity renews a token only when it must."""
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    return get_bearer_token_provider(DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default")
