"""The console's page of what was stopped: how often, by whom and for what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET

from chat.models import ModerationEvent
from project.accounts import SignedInRequest
from project.console import console, staff_only
from project.deployments import UNUSABLE, deployments

DAYS = 30
WAYS = {
    "off": gettext_noop("nobody"),
    "openai": gettext_noop("OpenAI’s moderation model"),
    "filter": gettext_noop("Azure’s content filter"),
    "words": gettext_noop("a word list"),
}


def counted() -> list[Mapping[str, Any]]:
    """How often something was stopped in the last days, by day and category; the newest first, the commonest first."""
    since = timezone.now() - timedelta(days=DAYS)
    rows = ModerationEvent.objects.filter(created_at__gte=since).order_by()
    by = rows.annotate(day=TruncDate("created_at")).values("day", "where", "outcome", "category", "severity")
    return list(by.annotate(number=Count("pk")).order_by("-day", "-number", "category"))


def ways() -> dict[str, str]:
    """Who checks the questions and answers of each deployment."""
    try:
        return {each.name: each.moderation for each in deployments().values()}
    except UNUSABLE:
        return {}


@require_GET
@staff_only
def moderation(request: SignedInRequest) -> HttpResponse:
    """What was stopped in the last days, by day and category."""
    days: dict[date, list[dict[str, object]]] = {}
    words = dict(ModerationEvent.Outcome.choices)
    for row in counted():
        days.setdefault(row["day"], []).append({**row, "words": words[row["outcome"]]})
    told = [(name, WAYS[way]) for name, way in ways().items()]
    return console(request, "console/moderation.html", {"days": days.items(), "ways": told, "number": DAYS})
