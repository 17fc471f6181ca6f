"""Which turns of a conversation belong together: the branch that is shown, and the other versions beside it. Pure.

A question follows an answer (`after`), an answer replies to a question, so the messages of a conversation are a tree.
A question that was edited stands beside the old one, an answer that was written again beside the first; what was asked
next belongs to the version it was asked under.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from chat.models import Message


@dataclass(frozen=True)
class Step:
    """A question and its answer as one branch has them, each among its versions, the oldest first."""

    question: Message
    answer: Message
    questions: list[Message]
    answers: list[Message]


def branch(messages: Iterable[Message], at: UUID | None = None) -> list[Step]:
    """The turns up to message `at` and the newest ones that follow it; without one, the newest message's branch."""
    rows = sorted(messages, key=lambda row: row.created_at)
    known = {row.pk: row for row in rows}
    following: dict[UUID | None, list[Message]] = defaultdict(list)
    for row in rows:
        following[row.parent_id].append(row)
    if not rows:
        return []
    way = _ancestors(known, known.get(at, rows[-1]) if at else rows[-1])
    while further := following[way[-1].pk]:
        way.append(further[-1])
    pairs = zip(way[::2], way[1::2], strict=False)
    return [Step(asked, said, following[asked.parent_id], following[asked.pk]) for asked, said in pairs]


def until(messages: Iterable[Message], answer: UUID) -> list[Step]:
    """The turns up to this answer and with it: what a question that follows it was asked after."""
    steps = branch(messages, answer)
    places = [place for place, step in enumerate(steps, 1) if step.answer.pk == answer]
    return steps[: places[0]] if places else []


def _ancestors(known: dict[UUID, Message], row: Message) -> list[Message]:
    """From the first question down to this message."""
    way = [row]
    while way[-1].parent_id in known:
        way.append(known[way[-1].parent_id])
    return way[::-1]
