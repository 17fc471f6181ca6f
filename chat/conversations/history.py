"""What was said before a question, on its branch of the conversation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from chat.conversations.branches import branch, until
from chat.models import Conversation, Message, State
from chat.prompts import REFUSED, Turn

TURNS_REMEMBERED = 6


def turns_before(conversation: Conversation, answer: UUID | None = None) -> tuple[list[Turn], int]:
    """What was said up to an answer (the newest, without one), as much as is remembered, and how many are older."""
    turns = [turn for turn, _ in turns_of_branch(conversation, answer)]
    return turns[-TURNS_REMEMBERED:], max(0, len(turns) - TURNS_REMEMBERED)


def turns_of_branch(conversation: Conversation, answer: UUID | None) -> list[tuple[Turn, Message]]:
    """The turns that have an end, oldest first, with their answers."""
    rows = list(conversation.messages.defer("how", "runs"))
    steps = until(rows, answer) if answer else branch(rows)
    ended = [step for step in steps if step.answer.state in {State.DONE, State.REFUSED}]
    return [(_turn(step.question, step.answer), step.answer) for step in ended]


def _turn(question: Message, answer: Message) -> Turn:
    return Turn(question.content, answer.content or REFUSED, read_as=next(iter(answer.queries), ""))


def answers_shown(conversations: Iterable[UUID]) -> set[UUID]:
    """The answers on the branches that these conversations open with."""
    rows = Message.objects.filter(conversation__in=set(conversations))
    by_conversation: dict[UUID, list[Message]] = defaultdict(list)
    for row in rows.only("conversation", "reply_to", "after", "created_at"):
        by_conversation[row.conversation_id].append(row)
    return {step.answer.pk for found in by_conversation.values() for step in branch(found)}
