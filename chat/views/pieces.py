"""Pieces of the conversation's page, as a script asks for them, and whose answer may be read."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string

from chat.conversations.turns import conversation_list, turn_of
from chat.models import Conversation, Message


def is_script(request: HttpRequest) -> bool:
    """Whether a script of ours asks, and wants a piece rather than a page."""
    return request.headers.get("X-Requested-With") == "fetch"


def as_uuid(text: str | None) -> UUID | None:
    """An address may hold anything: what is no id names nothing.

    >>> as_uuid("no"), as_uuid(None), as_uuid("12345678123456781234567812345678")
    (None, None, UUID('12345678-1234-5678-1234-567812345678'))
    """
    try:
        return UUID(text or "")
    except ValueError:
        return None


def readable_answer(user: User, pk: UUID) -> Message:
    rows = Message.objects.for_user(user).select_related("conversation__owner", "reply_to")
    return get_object_or_404(rows, pk=pk, role=Message.Role.ASSISTANT)


def turn_body(request: HttpRequest, message: Message) -> dict[str, str]:
    """All that changes on the page when a question is put."""
    row = message.conversation
    return {
        "conversation_url": row.get_absolute_url(),
        "ask_url": row.ask_url,
        "title": row.title,
        "turn_html": turn_html(request, message),
        "list_html": list_html(request, row),
        "acts_html": render_to_string("chat/_acts.html", {"conversation": row, "shown": message}, request),
    }


def turn_html(request: HttpRequest, message: Message) -> str:
    context = {"turn": turn_of(message, message.conversation.owner), "conversation": message.conversation}
    return render_to_string("chat/_turn.html", context, request)


def list_html(request: HttpRequest, row: Conversation) -> str:
    context = {"conversations": conversation_list(row.owner), "conversation": row}
    return render_to_string("chat/_list.html", context, request)
