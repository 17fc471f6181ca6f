"""What was spent, which keys there are, and what was done: for the programs of those who run Lectern, and one's own."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.utils import timezone
from ninja import Field, Query, Router, Schema

from project.api import REFUSED, ApiError, Part, Refusal, SignedCall, reading, running
from project.keys import revoke
from project.models import ApiKey, AuditEvent, narrowed_to
from project.spending.reports import DAYS, Line, between, collection_names, report, total

router = Router()

DAYS_MOST = 3_660


# What was spent ------------------------------------------------------------------------------------------------------
class LineOut(Schema):
    name: str
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    dollars: float
    unpriced_tokens: int = Field(description="Tokens whose price is not known, which `dollars` does not hold.")


class UsageOut(Schema):
    first: date
    last: date
    by: str
    total: LineOut
    lines: list[LineOut]


class UsageFilter(Schema):
    first: date | None = Field(None, description="From this day on. Left out: the first of the month of `last`.")
    last: date | None = Field(None, description="Up to this day, included. Left out: today.")
    by: Literal["day", "month", "model", "user", "collection", "purpose"] = "day"
    whose: Literal["me", "all"] = Field("me", description="`all` takes a key of the scope admin.")


def _line(line: Line) -> LineOut:
    return LineOut(
        name=line.name,
        calls=line.calls,
        input_tokens=line.input_tokens,
        cached_tokens=line.cached_tokens,
        output_tokens=line.output_tokens,
        reasoning_tokens=line.reasoning_tokens,
        dollars=float(line.dollars),
        unpriced_tokens=line.unpriced,
    )


@router.get(
    "/usage", response={200: UsageOut, REFUSED: Refusal}, auth=reading, tags=["usage"], summary="What was spent"
)
def usage(request: SignedCall, wanted: Query[UsageFilter]):
    """Tokens and dollars by day, month, model, person, collection or purpose. A narrowed key sees its own calls."""
    last = wanted.last or timezone.localdate(timezone=timezone.get_default_timezone())
    first = wanted.first or last.replace(day=1)
    if not DAYS[0] <= first <= last <= DAYS[1] or (last - first).days > DAYS_MOST:
        advice = f"Ask for at most ten years from {DAYS[0].year} to {DAYS[1].year}."
        raise ApiError(422, "invalid_request_error", "These days cannot be added up.", advice, "first")
    if wanted.whose == "all" and not request.auth.may(ApiKey.Scope.ADMIN):
        raise ApiError(403, "forbidden", "Only a key of the scope admin sees what all have spent.")
    user = None if wanted.whose == "all" else request.user
    rows = between(first, last, user)
    if narrowed_to(request.user) is not None:
        rows = rows.filter(api_key_id=request.auth.pk)
    lines = report(rows, wanted.by, collection_names(user))
    summed = _line(total(rows))
    return UsageOut(first=first, last=last, by=wanted.by, total=summed, lines=[_line(line) for line in lines])


# Keys ----------------------------------------------------------------------------------------------------------------
class KeyOut(Schema):
    id: int
    user: str
    name: str
    start: str = Field(description="Its first letters.")
    scope: Literal["read", "write", "admin"]
    collections: list[UUID] | None = Field(description="All that it opens; null: what its person may read.")
    requests_a_minute: int | None
    tokens_a_minute: int | None
    is_live: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class KeysPart(Part):
    user: str = ""


def _key(key: ApiKey) -> KeyOut:
    return KeyOut(
        id=key.pk,
        user=key.user.get_username(),
        name=key.name,
        start=key.start,
        scope=key.scope,  # type: ignore[arg-type]
        collections=key.collection_ids,
        requests_a_minute=key.requests_a_minute,
        tokens_a_minute=key.tokens_a_minute,
        is_live=key.is_live and key.user.is_active,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


@router.get("/keys", response={200: list[KeyOut], REFUSED: Refusal}, auth=running, tags=["keys"], summary="List keys")
def keys(request: SignedCall, wanted: Query[KeysPart]):
    """Everybody's, or one person's; the newest first. What a key is cannot be read again."""
    rows = ApiKey.objects.select_related("user").order_by("-created_at", "-pk")
    if wanted.user:
        rows = rows.filter(user__username=wanted.user.replace("\x00", ""))
    return [_key(key) for key in wanted.of(rows)]


@router.post(
    "/keys/{int:pk}/revoke", response={200: KeyOut, REFUSED: Refusal}, auth=running, tags=["keys"], summary="Revoke"
)
def revoke_key(request: SignedCall, pk: int):
    """It opens nothing from the next call on."""
    key = ApiKey.objects.select_related("user").filter(pk=pk).first()
    if key is None:
        raise ApiError(404, "not_found", "There is no such key.")
    revoke(key)
    return _key(key)


# What was done -------------------------------------------------------------------------------------------------------
class AuditOut(Schema):
    id: int
    at: datetime
    action: str
    user: str
    api_key: str
    address: str | None
    subject_kind: str
    subject_id: str
    subject_name: str
    detail: dict[str, Any]


class AuditFilter(Schema):
    action: str = Field("", max_length=40, examples=["document.delete"])
    user: str = Field("", max_length=150)
    subject: str = Field("", max_length=40, description="The id of what it was done to.")
    since: datetime | None = None
    before: Annotated[int | None, Field(ge=1, le=2**62, description="Only what is older than this event.")] = None
    limit: int = Field(100, ge=1, le=1000)


@router.get(
    "/audit", response={200: list[AuditOut], REFUSED: Refusal}, auth=running, tags=["audit"], summary="What was done"
)
def audit_events(request: SignedCall, wanted: Query[AuditFilter]):
    """Who did what, on what, when and from where; the newest first."""
    named = {"action": wanted.action, "user_name": wanted.user, "subject_id": wanted.subject}
    rows = AuditEvent.objects.filter(**{field: text.replace("\x00", "") for field, text in named.items() if text})
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.before:
        rows = rows.filter(pk__lt=wanted.before)
    return [
        AuditOut(
            id=event.pk,
            at=event.at,
            action=event.action,
            user=event.user_name,
            api_key=event.api_key_name,
            address=event.address,
            subject_kind=event.subject_kind,
            subject_id=event.subject_id,
            subject_name=event.subject_name,
            detail=event.detail,
        )
        for event in rows.order_by("-pk")[: wanted.limit]
    ]
