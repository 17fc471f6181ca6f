"""The tools over streamable HTTP: each request by itself, signed by a key, answered in its own stream."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from mcp.server.transport_security import TransportSecuritySettings

from chat.mcp import server_for
from project.api import ApiError, error_body, rate_headers, reading
from project.limits import TooMany
from project.models import ApiKey

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Django knows by which names Lectern is called, and a page that guesses its address has no key.
HOSTS = TransportSecuritySettings(enable_dns_rebinding_protection=False)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """No session is kept: whichever process gets a request can answer it, and a revoked key ends at once."""
    async with ThreadSensitiveContext():  # Else all requests of a process would share one thread.
        await _answer(scope, receive, send)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    request = ASGIRequest(scope, BytesIO())
    if request.method != "POST":
        await _refuse(send, 405, "method_not_allowed", "Send messages by POST; there is no stream beside them.", {})
        return
    try:
        key = await sync_to_async(_signed)(request)
    except ApiError as exc:
        await _refuse(send, exc.status, exc.code, exc.reason, rate_headers(request))
        return
    except TooMany as exc:
        wait = {"Retry-After": str(exc.retry_after)}
        await _refuse(send, 429, "rate_limit_exceeded", str(exc), rate_headers(request) | wait)
        return
    extra = [(name.lower().encode(), value.encode()) for name, value in rate_headers(request).items()]

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *extra, (b"cache-control", b"private, no-store")]
        await send(message)

    server = server_for(lambda: key)
    server.streamable_http_app(stateless_http=True, transport_security=HOSTS)
    async with server.session_manager.run():
        await server.session_manager.handle_request(scope, receive, told)


def _signed(request: ASGIRequest) -> ApiKey:
    """The key that signs this request. Raises ApiError, TooMany."""
    try:
        request.get_host()
        key = reading(request)
    except DisallowedHost as exc:
        raise ApiError(400, "bad_request", "This host is none of Lectern's.") from exc
    finally:
        close_old_connections()
    if key is None:
        raise ApiError(401, "invalid_api_key", "The key is missing, wrong, expired or revoked.")
    return key


async def _refuse(send: Send, status: int, code: str, sentence: str, headers: dict[str, str]) -> None:
    body = json.dumps(error_body(code, sentence)).encode()
    told = headers | {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    if status == 401:
        told["WWW-Authenticate"] = 'Bearer realm="Lectern"'
    if status == 405:
        told["Allow"] = "POST"
    pairs = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
