"""The door for programs: keys, scopes, and errors in the shape each family of clients expects."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Field, NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from pydantic import BaseModel

from project import entra
from project.accounts import SignedInRequest
from project.limits import Room, TooMany, afford, take
from project.models import ApiKey
from project.spending import meter

Row = TypeVar("Row", bound=Model)

DEPTH_MOST = 64  # of lists and objects in each other: no program means more, and each level costs a stack frame


def read_json(data: bytes) -> Any:
    """What the body of a call says. Raises ValueError for what is no JSON, and for what is nested without end."""
    try:
        value = json.loads(data)
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc
    level = [value]
    for _ in range(DEPTH_MOST):
        rows = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [part for row in rows for part in row]
    if level:
        raise ValueError("nested too deep")
    return value


class BoundedParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        return read_json(request.body)


api = NinjaAPI(
    parser=BoundedParser(),
    title="Lectern",
    version="1",
    description="Answers over an organisation's own documents. "
    "Sign calls with `Authorization: Bearer KEY` or `api-key: KEY`.",
    docs_url="/api/docs",
    openapi_url="/api/openapi.json",
)


NOT_ENOUGH = {
    ApiKey.Scope.WRITE: "This key may only search and ask.",
    ApiKey.Scope.ADMIN: "Only a key with the scope admin, of somebody who runs Lectern, may do this.",
}


class Told(BaseModel):
    """What a call answers, made by us: it is checked when it is made, and not a second time field by field."""


class Part(Schema):
    """Which part of a list is wanted."""

    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=1_000_000)

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows[self.offset : self.offset + self.limit]


class Fault(Schema):
    code: str
    message: str
    type: str = ""
    param: str | None = None
    reason: str = Field("", description="What is wrong, and why.")
    advice: str = Field("", description="What to do.")


class Refusal(Schema):
    """The body of every answer that is not a success."""

    error: Fault


# What may become of any call of ours: wrong words, no key, not enough of one, not there, not now.
REFUSED = frozenset({400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503, 507})


class ApiError(Exception):
    """A call we refuse: what is wrong, why, and what to do."""

    def __init__(
        self,
        status: int,
        code: str,
        reason: str,
        advice: str = "",
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason, self.advice, self.param = status, code, reason, advice, param
        self.retry_after = retry_after


def the(rows: QuerySet[Row], reason: str, **which: Any) -> Row:
    """The one of these rows that is like this. Raises ApiError, alike for what is not there and not the caller's."""
    row = rows.filter(**which).first()
    if row is None:
        raise ApiError(404, "not_found", reason)
    return row


class SignedCall(SignedInRequest):
    """What a route of programs gets: the person, and the key the call was signed with."""

    auth: ApiKey


class KeyAuth:
    """Whoever holds a live key. The person is then `request.user`, as on a page."""

    openapi_type = "apiKey"
    param_name = "Authorization"

    def __init__(self, scope: ApiKey.Scope = ApiKey.Scope.READ) -> None:
        self.scope = scope
        self.openapi_security_schema = {"type": "http", "scheme": "bearer"}

    def __call__(self, request: HttpRequest) -> ApiKey | None:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        secret = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("api-key", "").strip()
        key = key_of(secret)
        if key is None:
            return None
        _count(request, key)
        if not key.may(self.scope):
            raise ApiError(403, "forbidden", NOT_ENOUGH[self.scope], f"Use a key of the scope {self.scope}.")
        request.user = key.person
        return key


def rate_headers(request: HttpRequest) -> dict[str, str]:
    """What is left of the limits of the key that signed this call, as OpenAI's clients read it."""
    told = {}
    for what, room in getattr(request, "rooms", {}).items():
        told[f"x-ratelimit-limit-{what}"] = str(room.limit)
        told[f"x-ratelimit-remaining-{what}"] = str(room.remaining)
        told[f"x-ratelimit-reset-{what}"] = f"{room.reset_s}s"
    return told


def key_of(secret: str) -> ApiKey | None:
    """What a call is signed with: one of our keys or, where an issuer is trusted, a token of its own."""
    if not entra.looks_like_one(secret):
        return ApiKey.find(secret) if secret else None
    try:
        return entra.key_of(secret)
    except entra.IssuerGone as exc:
        raise ApiError(503, "issuer_unavailable", str(exc), "Try again in a minute.", retry_after=60) from exc


def _count(request: HttpRequest, key: ApiKey) -> None:
    """One call more in this minute; what is left of the key's limits goes onto the answer. Raises TooMany."""
    who = meter(key.pk, key.user_id)
    rooms: dict[str, Room] = {}
    request.rooms = rooms  # type: ignore[attr-defined]  # RateHeaders tells them, on a refusal as well.
    try:
        rooms["requests"] = take(who, key.requests_a_minute or settings.REQUESTS_A_MINUTE)
        rooms["tokens"] = afford(who, key.tokens_a_minute or settings.TOKENS_A_MINUTE)
    except TooMany as exc:
        if exc.room:
            rooms[exc.what] = exc.room
        raise


class AsyncKeyAuth(KeyAuth):
    """The same for the asynchronous routes."""

    async def __call__(self, request: HttpRequest) -> ApiKey | None:  # type: ignore[override]
        return await sync_to_async(super().__call__)(request)


reading, writing, running = (KeyAuth(scope) for scope in ApiKey.Scope)
asking = AsyncKeyAuth()


def error_body(
    code: str, reason: str, advice: str = "", param: str | None = None, kind: str = "invalid_request_error"
) -> dict[str, object]:
    """One body both families read: ours takes reason and advice, OpenAI's clients message, type, param, code."""
    message = f"{reason} {advice}".strip()
    return {
        "error": {"code": code, "reason": reason, "advice": advice, "message": message, "type": kind, "param": param}
    }


def kind_of(status: int, code: str) -> str:
    """What OpenAI's clients read as the type of an error.

    >>> kind_of(404, "not_found"), kind_of(429, "insufficient_quota"), kind_of(503, "busy")
    ('invalid_request_error', 'insufficient_quota', 'server_error')
    """
    return "server_error" if status >= 500 else code if status == 429 else "invalid_request_error"


@api.exception_handler(ApiError)
def refused(request: HttpRequest, exc: ApiError) -> HttpResponse:
    body = error_body(exc.code, exc.reason, exc.advice, exc.param, kind_of(exc.status, exc.code))
    response = api.create_response(request, body, status=exc.status)
    if exc.retry_after is not None:
        response["Retry-After"] = str(exc.retry_after)
        if exc.code == "insufficient_quota":
            response["x-should-retry"] = "false"  # OpenAI's clients try again within a minute otherwise, for nothing.
    return response


@api.exception_handler(AuthenticationError)
def unknown_key(request: HttpRequest, exc: AuthenticationError) -> HttpResponse:
    body = error_body(
        "invalid_api_key", "The key is missing, wrong, expired or revoked.", "Send Authorization: Bearer KEY."
    )
    return api.create_response(request, body, status=401)


@api.exception_handler(PermissionDenied)
def forbidden(request: HttpRequest, exc: PermissionDenied) -> HttpResponse:
    return api.create_response(request, error_body("forbidden", str(exc) or "This is not open to you."), status=403)


@api.exception_handler(TooMany)
def too_many(request: HttpRequest, exc: TooMany) -> HttpResponse:
    body = error_body("rate_limit_exceeded", str(exc), kind="rate_limit_exceeded")
    response = api.create_response(request, body, status=429)
    response["Retry-After"] = str(exc.retry_after)
    return response


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    first = next((each for each in exc.errors if each["type"] == "extra_forbidden"), exc.errors[0])
    parts = [part for part in first["loc"][1:] if part not in {"payload", "body", "wanted"}] or [first["loc"][-1]]
    if first["type"] == "extra_forbidden":
        body = _unknown(request, ".".join(map(str, parts)))
    else:
        place = ".".join(map(str, parts))
        body = error_body("invalid_request_error", f"{place}: {first['msg']}.", param=place)
    return api.create_response(request, body, status=422 if request.path.startswith("/api/") else 400)


def _unknown(request: HttpRequest, place: str) -> dict[str, object]:
    """What is not known is refused in the service's own words, which differ between its ways."""
    place = place[:80]
    if request.path.endswith("/chat/completions") and "." not in place:
        return error_body("unknown_parameter", f"Unrecognized request argument supplied: {place}", param=place)
    return error_body("unknown_parameter", f"Unknown parameter: '{place}'.", param=place)


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    return api.create_response(request, error_body("invalid_request_error", str(exc)), status=exc.status_code)
