"""The pages of spending: one's own for everybody, all of it for administrators, and both as a file of calls."""

from __future__ import annotations

import csv
from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.db import close_old_connections
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_GET

from project.accounts import SignedInRequest
from project.console import console, staff_only
from project.models import Budget, Usage
from project.spending import Standing, standings
from project.spending.chart import bars
from project.spending.reports import DAYS, Line, between, collection_names, money, report, total
from project.translating import number, translated

DAYS_MOST = 3_660
DAYS_DRAWN = 62  # Longer, and the chart has a bar for each month.
ROWS_AT_ONCE = 1_000
WHOSE = {
    "model": gettext_noop("By model"),
    "user": gettext_noop("By person"),
    "collection": gettext_noop("By collection"),
    "purpose": gettext_noop("By purpose"),
}
COLUMNS = (
    "at", "person", "api_key", "collection", "purpose", "deployment", "model", "input_tokens", "cached_tokens",
    "output_tokens", "reasoning_tokens", "dollars", "is_estimate",
)  # fmt: skip


class PeriodForm(forms.Form):
    """From which day to which, both included; left out, this month."""

    first = forms.DateField(required=False, label="From", widget=forms.DateInput({"type": "date", "class": "input"}))
    last = forms.DateField(required=False, label="To", widget=forms.DateInput({"type": "date", "class": "input"}))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        today = timezone.localdate(timezone=timezone.get_default_timezone())
        last = given.get("last") or today
        first = given.get("first") or last.replace(day=1)
        if not DAYS[0] <= first <= DAYS[1] or not DAYS[0] <= last <= DAYS[1]:
            raise forms.ValidationError(f"Only days from {DAYS[0].year} to {DAYS[1].year} are known.")
        if first > last:
            raise forms.ValidationError("The first day comes after the last one.")
        if (last - first).days > DAYS_MOST:
            raise forms.ValidationError("Ten years at a time are the most that is added up.")
        return {"first": first, "last": last}


@require_GET
def my_usage(request: SignedInRequest) -> HttpResponse:
    return render(request, "spending/mine.html", _page(request, request.user, "usage"))


@require_GET
@staff_only
def spending(request: HttpRequest) -> HttpResponse:
    return console(request, "spending/console.html", _page(request, None, "console-spending"))


@require_GET
def my_usage_csv(request: SignedInRequest) -> HttpResponseBase:
    return _download(request, request.user)


@require_GET
@staff_only
def spending_csv(request: HttpRequest) -> HttpResponseBase:
    return _download(request, None)


def _page(request: HttpRequest, user: User | None, view: str) -> dict[str, object]:
    today = timezone.localdate(timezone=timezone.get_default_timezone())
    form = PeriodForm(request.GET or None)
    period = form.cleaned_data if form.is_valid() else {"first": today.replace(day=1), "last": today}
    rows, names = between(period["first"], period["last"], user), collection_names(user)
    by = "day" if (period["last"] - period["first"]).days < DAYS_DRAWN else "month"
    lines = report(rows, by, names)
    return {
        "form": form,
        "today": total(between(today, today, user)),
        "month": total(between(today.replace(day=1), today, user)),
        "period": period,
        "sum": total(rows),
        "budgets": budgets_told(user, names),
        "by": by,
        "lines": lines,
        "bars": bars(
            (gettext("%(name)s: %(n)s tokens") % {"name": name, "n": number(line.tokens)}, line.tokens)
            for name, line in _filled(lines, by, period)
        ),
        "most": max((line.tokens for line in lines), default=0),
        "tables": [
            (title, report(rows, kind, names)) for kind, title in WHOSE.items() if user is None or kind != "user"
        ],
        "periods": _periods(today, reverse(view)),
        "csv_url": f"{reverse(f'{view}-csv')}?first={period['first']}&last={period['last']}",
    }


def _periods(today: date, url: str) -> list[tuple[str, str]]:
    """What one mostly wants to see, and its address."""
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    told = {
        gettext("Today"): (today, today),
        gettext("This month"): (month, today),
        gettext("Last month"): (before.replace(day=1), before),
        gettext("This year"): (today.replace(month=1, day=1), today),
    }
    return [(name, f"{url}?first={first}&last={last}") for name, (first, last) in told.items()]


def _filled(lines: Iterable[Line], by: str, period: Mapping[str, date]) -> Iterable[tuple[str, Line]]:
    """Every day or month of the period, those without a call too."""
    known = {line.key: line for line in lines}
    day = period["first"] if by == "day" else period["first"].replace(day=1)
    while day <= period["last"]:
        name = date_format(day, "DATE_FORMAT" if by == "day" else "YEAR_MONTH_FORMAT")
        yield name, known.get(day) or Line(day, name)
        day = day + timedelta(days=1) if by == "day" else (day + timedelta(days=32)).replace(day=1)


def budgets_told(user: User | None, names: Mapping[UUID, str]) -> list[dict[str, object]]:
    """All of them, or those that bind this person; each with how far it is spent."""
    rows = Budget.objects.select_related("user", "api_key__user")
    if user is not None:
        mine = Q(user=user) | Q(api_key__user=user) | Q(collection_id__in=list(names))
        rows = rows.filter(mine | Q(user=None, api_key=None, collection_id=None))
    return [_told(state, names) for state in standings(rows)]


def _amount(budget: Budget, dollars: Decimal, tokens: int) -> str:
    """What is counted of a budget, in its unit."""
    if budget.unit == Budget.Unit.DOLLARS:
        return money(dollars)
    return gettext("%(n)s tokens") % {"n": number(tokens)}


def _shown(moment: datetime) -> str:
    """A moment by the operator's clock."""
    local = moment.astimezone(timezone.get_default_timezone())
    values = {"day": date_format(local, "DATE_FORMAT"), "time": f"{local:%H:%M}", "zone": settings.TIME_ZONE}
    return gettext("%(day)s at %(time)s (%(zone)s)") % values


def _told(state: Standing, names: Mapping[UUID, str]) -> dict[str, object]:
    budget = state.budget
    place = names.get(budget.collection_id) if budget.collection_id else None
    word = (
        ("bad", gettext("Spent"))
        if state.is_spent
        else ("caution", gettext("Nearly spent"))
        if state.is_near
        else ("good", gettext("Within"))
    )
    return {
        "budget": budget,
        "whose": gettext("Collection %(name)s") % {"name": place} if place else translated(budget.whose),
        "state": word[0],
        "words": word[1],
        "percent": min(100, int(state.part * 100)),
        "warn_percent": round(budget.warn_at * 100),
        "spent": _amount(budget, state.spent.dollars, state.spent.tokens),
        "limit": _amount(budget, budget.limit, int(budget.limit)),
        "unpriced": state.spent.unpriced if budget.unit == Budget.Unit.DOLLARS else 0,
        "resets": _shown(state.resets_at),
    }


# The file ------------------------------------------------------------------------------------------------------------
def _download(request: HttpRequest, user: User | None) -> HttpResponseBase:
    form = PeriodForm(request.GET)
    if not form.is_valid():
        return HttpResponse(
            " ".join(map(str, form.non_field_errors())) or "A day is written like 2026-11-21.", status=400
        )
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    rows, names = between(first, last, user), collection_names(user)
    response = StreamingHttpResponse(_lines(rows, names), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="usage-{first}-{last}.csv"'
    return response


async def _lines(rows: QuerySet[Usage], names: Mapping[UUID, str]) -> AsyncGenerator[str]:
    """Some rows at a time, so that a slow reader holds neither memory nor a connection."""
    write = csv.writer(Echo())
    yield write.writerow(COLUMNS)
    after = 0
    while batch := await sync_to_async(_batch)(rows, after):
        yield "".join(write.writerow(_cells(row, names)) for row in batch)
        after = batch[-1].pk


def _batch(rows: QuerySet[Usage], after: int) -> list[Usage]:
    try:
        return list(rows.filter(pk__gt=after).select_related("user", "api_key").order_by("pk")[:ROWS_AT_ONCE])
    finally:
        close_old_connections()


def _cells(row: Usage, names: Mapping[UUID, str]) -> list[object]:
    words = (
        row.user.get_username() if row.user else "",
        row.api_key.start if row.api_key else "",
        names.get(row.collection_id, str(row.collection_id)) if row.collection_id else "",
        row.purpose,
        row.deployment,
        row.base_model,
    )
    counts = row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens
    dollars = "" if row.cost is None else f"{row.cost:f}"
    at = row.created_at.astimezone(timezone.get_default_timezone()).isoformat(timespec="seconds")
    return [at, *map(harmless, words), *counts, dollars, "yes" if row.is_estimate else "no"]


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    >>> [harmless(text) for text in ("=1+1", "@SUM(A1)", "alice")]
    ["'=1+1", "'@SUM(A1)", 'alice']
    """
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r", "\n")) else text


class Echo:
    """What csv.writer writes to: it hands each line back."""

    def write(self, line: str) -> str:
        return line
