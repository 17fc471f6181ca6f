"""A conversation to take along: as Markdown, as JSON, and as a page to print or keep as PDF."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from chat.conversations.exporting import as_json, as_markdown
from chat.conversations.turns import Turn, turns_of
from chat.models import Conversation
from chat.views.pieces import as_uuid
from project.accounts import SignedInRequest


@require_GET
def export_markdown(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row, turns = _shown(request, pk)
    text = as_markdown(row, turns, request.build_absolute_uri)
    return _as_file(HttpResponse(text, content_type="text/markdown; charset=utf-8"), row, "md")


@require_GET
def export_json(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row, turns = _shown(request, pk)
    whole = as_json(row, turns, request.build_absolute_uri)
    return _as_file(JsonResponse(whole, json_dumps_params={"ensure_ascii": False, "indent": 2}), row, "json")


@require_GET
def printed(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """The conversation alone, for the printer or for a PDF; see docs/decisions."""
    row, turns = _shown(request, pk)
    return render(request, "chat/print.html", {"conversation": row, "turns": turns})


def _shown(request: SignedInRequest, pk: UUID) -> tuple[Conversation, list[Turn]]:
    """The branch with the message `?at=` on it; the newest without one."""
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    return row, turns_of(row, request.user, as_uuid(request.GET.get("at")))


def _as_file(response: HttpResponse, row: Conversation, ending: str) -> HttpResponse:
    name = slugify(row.title, allow_unicode=True)[:80] or "conversation"
    response["Content-Disposition"] = content_disposition_header(True, f"{name}.{ending}") or "attachment"
    return response
