"""What was spent and may be, which keys, models and workers there are, and what was done: for the programs of those who
run Lectern, and what is one's own."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status
from redis import RedisError

from project.api import REFUSED, ApiError, Part, Refusal, SignedCall, reading, running, the
from project.console import LINES_SHOWN, deployed
from project.deployments import DeploymentsError
from project.keys import revoke
from project.models import ApiKey, AuditEvent, Budget, narrowed_to
from project.provider.pieces import bearable
from project.spending import Standing, standings
from project.spending.budgets import BudgetForm, LimitForm, take_away
from project.spending.reports import DAYS, Line, between, collection_names, report, total
from project.worker_log import last_lines
from project.workers import workers

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


# Budgets -------------------------------------------------------------------------------------------------------------
class BudgetOut(Schema):
    id: int
    whose: str = Field(description="A person’s name, a key, a collection’s id, or everybody.")
    period: str
    unit: str
    limit: float
    spent: float = Field(description="In its unit, in the period that runs.")
    warn_percent: int
    is_near: bool
    is_spent: bool
    resets_at: datetime


class LimitIn(Schema):
    limit: Decimal = Field(gt=0, max_digits=16, decimal_places=2, description="Above 0; tokens are counted whole.")
    warn_percent: int = Field(80, ge=1, le=100, description="From this part of it on it warns.")


class BudgetIn(LimitIn):
    kind: Literal["all", "person", "key", "collection"] = Field("all", description="Of everybody together, or of one.")
    name: str = Field("", max_length=200, description="A person’s or collection’s name, or a key’s first letters.")
    period: Literal["day", "month"] = "month"
    unit: Literal["tokens", "dollars"] = "tokens"


def _budget(state: Standing) -> BudgetOut:
    row, is_dollars = state.budget, state.budget.unit == Budget.Unit.DOLLARS
    return BudgetOut(
        id=row.pk,
        whose=row.whose,
        period=row.period,
        unit=row.unit,
        limit=float(row.limit),
        spent=float(state.spent.dollars if is_dollars else state.spent.tokens),
        warn_percent=round(row.warn_at * 100),
        is_near=state.is_near,
        is_spent=state.is_spent,
        resets_at=state.resets_at,
    )


def _the_budget(pk: int) -> Budget:
    return the(Budget.objects.all(), "There is no such budget.", pk=pk)


def _refused(form: forms.BaseForm) -> ApiError:
    field, errors = next(iter(form.errors.items()))
    param = None if field == "__all__" else field
    return ApiError(422, "invalid_request_error", str(errors[0]), param=param)


@router.get(
    "/budgets", response={200: list[BudgetOut], REFUSED: Refusal}, auth=running, tags=["budgets"], summary="List"
)
def budgets(request: HttpRequest, wanted: Query[Part]):
    """Every budget: how far it is spent, and when it begins anew."""
    return [_budget(state) for state in standings(wanted.of(Budget.objects.select_related("user", "api_key__user")))]


@router.post(
    "/budgets", response={201: BudgetOut, REFUSED: Refusal}, auth=running, tags=["budgets"], summary="Set a budget"
)
def set_budget(request: HttpRequest, payload: BudgetIn):
    """It holds from the next call on."""
    form = BudgetForm(payload.dict() | {"name": bearable(payload.name)})
    if not form.is_valid():
        raise _refused(form)
    return Status(201, _budget(*standings([form.keep()])))


@router.patch(
    "/budgets/{int:pk}",
    response={200: BudgetOut, REFUSED: Refusal},
    auth=running,
    tags=["budgets"],
    summary="Change a limit",
)
def change_budget(request: HttpRequest, pk: int, payload: LimitIn):
    """How much, and from which part of it on it warns; it holds from the next call on."""
    row = _the_budget(pk)
    before, form = row.limit_words, LimitForm(payload.dict(), instance=row)
    if not form.is_valid():
        raise _refused(form)
    form.change(before)
    return _budget(*standings([row]))


@router.delete(
    "/budgets/{int:pk}",
    response={204: None, REFUSED: Refusal},
    auth=running,
    tags=["budgets"],
    summary="Delete a budget",
)
def delete_budget(request: HttpRequest, pk: int):
    """Nothing stops these calls any more."""
    take_away(_the_budget(pk))
    return Status(204, None)


# Models and workers --------------------------------------------------------------------------------------------------
class DeploymentOut(Schema):
    name: str
    about: str = Field(description="Where it is and what it is, without secrets.")
    model: str
    fallback: str
    retiring: str
    prices: str = Field(description="Dollars for a million tokens.")
    quota: str = Field(description="A minute.")
    circuit: str


class WorkerOut(Schema):
    name: str
    is_alive: bool
    silent_s: float = Field(description="Since it showed itself.")
    log: list[str] = Field(description="Its last lines, secrets masked.")


@router.get(
    "/deployments",
    response={200: list[DeploymentOut], REFUSED: Refusal},
    auth=running,
    tags=["running"],
    summary="List deployments",
)
def all_deployments(request: HttpRequest):
    """The models that are set up, what they cost, and whether their calls go."""
    try:
        rows = deployed()
    except DeploymentsError as exc:
        raise ApiError(409, "unusable", str(exc), "Mend the operator’s file of deployments.") from exc
    return [
        DeploymentOut(
            name=row.name,
            about=row.about,
            model=row.base.name,
            fallback=row.fallback,
            retiring=row.retiring,
            prices=row.prices,
            quota=row.quota,
            circuit=str(row.circuit_words),
        )
        for row in rows
    ]


@router.get(
    "/workers",
    response={200: list[WorkerOut], REFUSED: Refusal},
    auth=running,
    tags=["running"],
    summary="List workers",
)
def all_workers(request: HttpRequest):
    """Every worker that was heard of within a day, with what it noted last."""
    try:
        return [
            WorkerOut(name=each.name, is_alive=each.is_alive, silent_s=each.silent_s,
                      log=last_lines(each.name, LINES_SHOWN))
            for each in workers()
        ]  # fmt: skip
    except RedisError as exc:
        advice = "manage.py doctor says what is wrong with it."
        raise ApiError(503, "unavailable", "Redis does not answer.", advice, retry_after=60) from exc


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
    key = the(ApiKey.objects.select_related("user"), "There is no such key.", pk=pk)
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
