"""One question of many: asked through `answer()`, like any other, and told as one line."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.db import close_old_connections

from chat.answering import answer
from chat.batches.lines import Line
from chat.conversations.draft import Draft
from chat.events import Done, Failed, Question
from documents.models import Collection
from project.deployments import Deployment
from project.provider import Tokens
from project.spending import cost

BUSY = {"rate_limited", "busy", "service_fault", "unreachable", "circuit_open", "own_quota", "timeout", "SearchBusy"}


class UnknownCollection(LookupError):
    """A name or id of no collection that the asker may read."""


@dataclass(frozen=True)
class Asker:
    """As whom, and of which model."""

    user: User
    deployment: Deployment | None

    @property
    def model(self) -> str:
        return self.deployment.name if self.deployment else ""


async def ask_one(line: Line, asker: Asker) -> dict[str, Any]:
    """The result of a question; whatever goes wrong with it stands in the result."""
    try:
        collections = await sync_to_async(_collections)(line, asker.user)
    except UnknownCollection as exc:
        return _result(line, "failed", error={"code": "unknown_collection", "reason": str(exc)})
    question = Question(line.question, asker.user, collections, deployment=asker.model, purpose="batch")
    draft = Draft()
    async with aclosing(answer(question)) as events:
        async for event in events:
            draft.take(event)
            if isinstance(event, Failed):
                error = {"code": event.code, "reason": event.sentence}
                return _result(line, "failed", error=error, cost=None if draft.content else 0.0)
            if isinstance(event, Done):
                return _told(line, draft, event, asker)
    raise AssertionError("an answer ends with Done or Failed")


def _collections(line: Line, user: User) -> list[UUID] | None:
    if line.collections is None:
        return None
    try:
        readable = list(Collection.objects.for_user(user))
    finally:
        close_old_connections()
    found = []
    for wanted in line.collections:
        those = [each.pk for each in readable if wanted in {each.name, str(each.pk)}]
        if not those:
            raise UnknownCollection(f"There is no collection “{wanted[:120]}”.")
        found += those
    return found


def _told(line: Line, draft: Draft, done: Done, asker: Asker) -> dict[str, Any]:
    cited = [
        {
            "number": draft.numbers[offered],
            "document": source.passage.document_name,
            "document_id": str(source.passage.document_id),
            "page": source.passage.page_number,
            "page_label": source.passage.page_label,
            "marks": [list(mark) for mark in source.marks],
        }
        for offered, source in enumerate(done.sources, 1)
        if source.is_cited and offered in draft.numbers
    ]
    dollars = None if _is_untold(draft, done, asker) else cost_of(asker.deployment, done.tokens)
    return _result(
        line,
        "refused" if done.is_refused else "answered",
        answer=draft.content.rstrip(),
        citations=sorted(cited, key=lambda each: each["number"]),
        sentences=draft.proofs,
        notice=done.notice,
        model=done.model,
        tokens={"input": done.tokens.input, "output": done.tokens.output},
        cost=None if dollars is None else float(dollars),
    )


def _is_untold(draft: Draft, done: Done, asker: Asker) -> bool:
    """Whether a model was asked, and its service did not say how much it counted."""
    is_asked = asker.deployment is not None and not done.is_cached and (draft.passages or asker.deployment.tools)
    return bool(is_asked) and not done.tokens.output


def _result(line: Line, state: str, **facts: Any) -> dict[str, Any]:
    nothing = {
        "answer": "",
        "citations": [],
        "sentences": [],
        "notice": "",
        "model": "",
        "tokens": {"input": 0, "output": 0},
    }
    return {"id": line.id, "state": state, **nothing, "cost": 0.0, "error": None, **facts}


# Money ---------------------------------------------------------------------------------------------------------------
def cost_of(deployment: Deployment | None, tokens: Tokens) -> Decimal | None:
    """In US dollars; None where the model's prices are not known."""
    return cost(deployment.base, tokens) if deployment else Decimal(0)


def cost_most(deployment: Deployment | None) -> Decimal | None:
    """What one question can cost: a prompt and an answer as long as the settings let them be."""
    answer_tokens = settings.CHAT_ANSWER_TOKENS
    return cost_of(deployment, Tokens(settings.CHAT_CONTEXT_TOKENS - answer_tokens, answer_tokens))


@dataclass
class Purse:
    """Money for many questions at a time: one is begun only while the dearest it can be is still there.

    A question whose cost nobody tells counts as the dearest.
    """

    limit: Decimal | None
    each: Decimal  # the most that one can cost
    spent: Decimal = Decimal(0)
    in_hand: int = 0

    def take(self) -> bool:
        if self.limit is not None and self.spent + (self.in_hand + 1) * self.each > self.limit:
            return False
        self.in_hand += 1
        return True

    def pay(self, dollars: float | None) -> None:
        self.in_hand -= 1
        self.spent += self.each if dollars is None else Decimal(str(dollars))
