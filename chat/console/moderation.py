"""The console's page of what was stopped: how often, by whom and for what."""

from __future__ import annotations

from datetime import date, timedelta

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


@require_GET
@staff_only
def moderation(request: SignedInRequest) -> HttpResponse:
    """What was stopped in the last days, by day and category."""
    since = timezone.now() - timedelta(days=DAYS)
    rows = ModerationEvent.objects.filter(created_at__gte=since).order_by()
    counted = rows.annotate(day=TruncDate("created_at")).values("day", "where", "outcome", "category", "severity")
    days: dict[date, list[dict[str, object]]] = {}
    words = dict(ModerationEvent.Outcome.choices)
    for row in counted.annotate(number=Count("pk")).order_by("-day", "-number", "category"):
        days.setdefault(row["day"], []).append({**row, "words": words[row["outcome"]]})
    try:
        ways = [(each.name, WAYS[each.moderation]) for each in deployments().values()]
    except UNUSABLE:
        ways = []
    return console(request, "console/moderation.html", {"days": days.items(), "ways": ways, "number": DAYS})
