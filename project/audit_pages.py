"""What was done, in the console: by action, person and day, and as a file."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django import forms
from django.db import close_old_connections
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET

from project.console import console, staff_only
from project.models import AuditEvent
from project.spending.pages import Echo, harmless

A_PAGE = 50
ROWS_AT_ONCE = 1_000
COLUMNS = ("at", "action", "person", "api_key", "address", "kind", "id", "name", "detail")


class AuditForm(forms.Form):
    action = forms.CharField(max_length=40, required=False)
    person = forms.CharField(max_length=150, required=False)
    first = forms.DateField(required=False)
    last = forms.DateField(required=False)


@require_GET
@staff_only
def audited(request: HttpRequest) -> HttpResponse:
    """The newest first, so many a page; `before` is the mark of the last one of the page before."""
    form = AuditForm(request.GET)
    rows = _before(_filtered(form), request.GET.get("before", ""))
    page = list(rows[: A_PAGE + 1])
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "form": form,
        "rows": page[:A_PAGE],
        "next": _mark(page[A_PAGE - 1]) if len(page) > A_PAGE else "",
        "is_first": not request.GET.get("before"),
        "query": query.urlencode(),
        "actions": AuditEvent.objects.order_by("action").values_list("action", flat=True).distinct(),
    }
    return console(request, "console/audit.html", context)


@require_GET
@staff_only
def audit_csv(request: HttpRequest) -> HttpResponseBase:
    form = AuditForm(request.GET)
    if not form.is_valid():
        return HttpResponse("A day is written like 2026-11-21.", status=400)
    response = StreamingHttpResponse(_lines(_filtered(form)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


def _filtered(form: AuditForm) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.order_by("-at", "-pk")
    given: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
    zone = timezone.get_default_timezone()
    if given.get("action"):
        rows = rows.filter(action=given["action"])
    if given.get("person"):
        rows = rows.filter(user_name__icontains=given["person"])
    if given.get("first"):
        rows = rows.filter(at__gte=datetime.combine(given["first"], datetime.min.time(), zone))
    if given.get("last"):
        rows = rows.filter(at__lte=datetime.combine(given["last"], datetime.max.time(), zone))
    return rows


def _mark(row: AuditEvent) -> str:
    return f"{row.at.isoformat()}_{row.pk}"


def _before(rows: QuerySet[AuditEvent], mark: str) -> QuerySet[AuditEvent]:
    """What comes after the row of this mark; from the beginning where it is none."""
    moment, _, number = mark.rpartition("_")
    try:
        at = parse_datetime(moment)
    except ValueError:
        at = None
    if at is None or timezone.is_naive(at) or not number.isdecimal() or len(number) > 18:
        return rows
    return rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=int(number)))


async def _lines(rows: QuerySet[AuditEvent]) -> AsyncGenerator[str]:
    """Some rows at a time, so that a slow reader holds neither memory nor a connection."""
    write = csv.writer(Echo())
    yield write.writerow(COLUMNS)
    mark = ""
    while batch := await sync_to_async(_batch)(rows, mark):
        yield "".join(write.writerow(_cells(row)) for row in batch)
        mark = _mark(batch[-1])


def _batch(rows: QuerySet[AuditEvent], mark: str) -> list[AuditEvent]:
    try:
        return list(_before(rows, mark)[:ROWS_AT_ONCE])
    finally:
        close_old_connections()


def _cells(row: AuditEvent) -> list[str]:
    at = row.at.astimezone(timezone.get_default_timezone()).isoformat(timespec="seconds")
    detail = json.dumps(row.detail, ensure_ascii=False) if row.detail else ""
    words = (
        row.action, row.user_name, row.api_key_name, row.address or "", row.subject_kind, row.subject_id,
        row.subject_name, detail,
    )  # fmt: skip
    return [at, *map(harmless, words)]
