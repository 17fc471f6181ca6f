"""The application as a server runs it: Django behind a limit on what a request may carry."""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.utils.module_loading import import_string

from project.local import NO_ROOM, has_no_room

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ANONYMOUS_BYTES = 64_000
ORDINARY_BYTES = 2_500_000
AROUND_A_FILE_BYTES = 1_000_000  # The form it travels in.
FILE_ADDRESSES = re.compile(r"/(?:api/documents|v1/files|v1/uploads/\w+/parts|library/upload)/?")
PROGRAMS = ("/api/", "/v1/", "/openai/", "/mcp")
DRAIN_BYTES = 10_000_000
DRAIN_SECONDS = 30


class BodyLimit:
    """Refuse a body that is too large, by what it says or by what arrives, before Django keeps it on the disk.

    Django reads a whole body before it asks who sent it, so the limit depends on what can be seen here: whether the
    request claims to come from somebody, and whether a file belongs at its address.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = limit_for(scope)
        announced = _header(scope, b"content-length")
        if announced.isdigit() and int(announced) > limit:
            await _refuse(scope, receive, send, 413, "too_large", _too_large(limit), limit)
            return
        received, is_answered = 0, False

        async def counted() -> Message:
            nonlocal received
            if received > limit:
                return {"type": "http.disconnect"}
            message = await receive()
            received += len(message.get("body", b""))
            return message if received <= limit else {"type": "http.disconnect"}  # Django lets go of the request.

        async def noted(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except OSError as exc:
            if is_answered or not has_no_room(exc):
                raise
            await _refuse(scope, receive, send, 507, "disk_full", NO_ROOM, limit)
        if received > limit and not is_answered:
            await _refuse(scope, receive, send, 413, "too_large", _too_large(limit), limit)


def limit_for(scope: Scope) -> int:
    """Bytes that this request's body may have."""
    cookies = (part.partition(b"=")[0].strip() for part in _header(scope, b"cookie").split(b";"))
    has_key = _header(scope, b"authorization") or _header(scope, b"api-key")
    if not has_key and settings.SESSION_COOKIE_NAME.encode() not in cookies:
        return ANONYMOUS_BYTES
    if FILE_ADDRESSES.fullmatch(scope["path"]):
        return settings.UPLOAD_MAX_BYTES + AROUND_A_FILE_BYTES
    return ORDINARY_BYTES


def _too_large(limit: int) -> str:
    size = f"{limit / 1_000_000:g} MB" if limit >= 1_000_000 else f"{limit // 1_000} kB"
    return f"This is larger than Lectern takes here: at most {size} in one request."


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, code: str, sentence: str, limit: int
) -> None:
    """Answer, and read on for a while: a client that is still sending reads the answer only afterwards."""
    is_program = scope["path"].startswith(PROGRAMS)
    error = {"message": sentence, "code": code, "type": code, "param": None}
    body = (json.dumps({"error": error}) if is_program else sentence + "\n").encode()
    headers = {
        "content-type": "application/json" if is_program else "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "connection": "close",
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if _header(scope, b"expect").lower() != b"100-continue":  # Such a client waits, and to read would call the body in.
        await _drain(receive, max(limit, DRAIN_BYTES))
    await send({"type": "http.response.body", "body": b""})


async def _drain(receive: Receive, most: int) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while most > 0:
                message = await receive()
                if not message.get("more_body"):
                    return
                most -= len(message.get("body", b""))
    except TimeoutError:
        return


def _header(scope: Scope, name: bytes) -> bytes:
    return b"; ".join(value for key, value in scope["headers"] if key == name)


class Doors:
    """Django answers; the tools of the Model Context Protocol, which are no pages, have an address of their own."""

    def __init__(self, django: App) -> None:
        self.django = django

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/") == "/mcp":
            await import_string(settings.MCP_DOOR)(scope, receive, send)
        else:
            await self.django(scope, receive, send)


application = BodyLimit(Doors(get_asgi_application()))  # type: ignore[arg-type]
