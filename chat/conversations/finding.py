"""Search one's own conversations: titles, questions and answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from chat.models import Conversation, Message
from documents.models import Person

FOUND_MOST = 50
WORDS_MOST = 8
AROUND = 60  # letters shown on either side of what was found
MARKUP = re.compile(r"\[\d{1,3}\]|[*_`#|]+")


@dataclass(frozen=True)
class Find:
    """A conversation in which the words stand: its title and, where they stand in a message, the place."""

    conversation: Conversation
    url: str
    title: list[tuple[str, bool]]  # pieces, and whether they are what was looked for
    excerpt: list[tuple[str, bool]]


def find(user: Person, text: str) -> list[Find]:
    """Where every word of the text stands, in the title or in one message; the latest first."""
    words = text.split()[:WORDS_MOST]
    said = Message.objects.for_user(user).filter(_all(words, "content"))
    rows = Conversation.objects.for_user(user).filter(_all(words, "title") | Q(pk__in=said.values("conversation")))
    shown = list(rows[:FOUND_MOST])
    latest = said.filter(conversation__in=shown).order_by("conversation_id", "-created_at").distinct("conversation_id")
    places = {message.conversation_id: message for message in latest}
    return [_found(row, places.get(row.pk), words) for row in shown]


def _all(words: Sequence[str], field: str) -> Q:
    wanted = Q()
    for word in words:
        wanted &= Q(**{f"{field}__icontains": word})
    return wanted


def _found(row: Conversation, message: Message | None, words: Sequence[str]) -> Find:
    place: Message | Conversation = message or row
    return Find(row, place.get_absolute_url(), lit(row.title, words), _excerpt(message, words) if message else [])


def _excerpt(message: Message, words: Sequence[str]) -> list[tuple[str, bool]]:
    """What stands around the first of the words."""
    said = " ".join(MARKUP.sub("", message.content).split())
    first = _pattern(words).search(said)
    start = max(0, first.start() - AROUND) if first else 0
    start = said.find(" ", start) + 1 if start else 0
    end = start + 3 * AROUND
    cut = said[start:end].rpartition(" ")[0] + "…" if end < len(said) else said[start:]
    return lit("…" * bool(start) + cut, words)


def lit(text: str, words: Sequence[str]) -> list[tuple[str, bool]]:
    """The text in pieces, those that are one of the words apart.

    >>> lit("The rent is due", ["RENT"])
    [('The ', False), ('rent', True), (' is due', False)]
    """
    pieces = _pattern(words).split(text)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})", re.IGNORECASE)
