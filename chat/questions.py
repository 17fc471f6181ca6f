"""What people asked lately, for whoever wants to try a search on real questions."""

from __future__ import annotations

from chat.models import Message
from documents.indexes.comparing import Asked

LOOKED_AT = 10  # times as many rows as questions are wanted: the same is asked again and again


def recent(number: int) -> list[Asked]:
    """The last different questions, newest first, each to be asked as the person who asked it, where they asked it."""
    rows = Message.objects.filter(role=Message.Role.USER).exclude(content="").order_by("-created_at")
    rows = rows.select_related("conversation__owner").prefetch_related("conversation__collections")
    asked: dict[str, Asked] = {}
    for row in rows[: number * LOOKED_AT]:
        chosen = [collection.pk for collection in row.conversation.collections.all()]
        asked.setdefault(row.content.casefold().strip(), Asked(row.content, row.conversation.owner, chosen or None))
    return list(asked.values())[:number]
