"""How questions are answered: refused where nothing answers them, cited rightly, and borne out by what is cited."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User

from chat.answering import answer
from chat.conversations.draft import Draft
from chat.events import Done, Failed, Question
from chat.verification import Verdict
from documents.evaluation import Question as Asked
from documents.evaluation import QuestionSet, place_of
from documents.evaluation.figures import wilson
from documents.retrieval import Passage


@dataclass(frozen=True)
class Answered:
    """What came of a question. `cited` are the keys of the sources that the answer names, each once."""

    question: Asked
    is_refused: bool
    text: str = ""
    cited: Sequence[str] = ()
    verdicts: Counter[str] = field(default_factory=Counter)  # of the sentences; "": nothing to check
    corrected: int = 0
    added: int = 0
    failed: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of the share."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.value, self.whole) if self.whole else (0.0, 1.0)


async def ask_one(
    asked: Asked, user: User, key: Callable[[Passage], str], collections: Collection[UUID] | None, deployment: str
) -> Answered:
    question = Question(asked.text, user, collections, deployment=deployment, purpose="evaluation", is_fresh=True)
    draft, began = Draft(), time.perf_counter()
    async with aclosing(answer(question)) as events:
        async for event in events:
            draft.take(event)
            if isinstance(event, Failed):
                return Answered(asked, False, failed=event.sentence)
            if isinstance(event, Done):
                return _answered(asked, draft, event, key, time.perf_counter() - began)
    raise AssertionError("an answer ends with Done or Failed")


def ask_all(
    asked: QuestionSet,
    user: User,
    *,
    limit: int | None,
    watch: Callable[[list[Asked], str], Iterable[Asked]],
) -> dict[str, Any]:
    """Ask as this person, by the default model; the figures and each answer, as a run keeps them. Raises SetError."""
    place = place_of(asked, user)
    collections = [collection.pk for collection in place.collections]
    ask = async_to_sync(ask_one)
    answers = [ask(each, user, place.key, collections, "") for each in watch(asked.questions[:limit], "Asking")]
    told = figures(each for each in answers if each.question.right)
    if unanswerable := [each for each in answers if not each.question.right and not each.failed]:
        told["rightly refused"] = Share(sum(each.is_refused for each in unanswerable), len(unanswerable))
    failed = [each.failed for each in answers if each.failed]
    return {
        "figures": {name: _kept_share(share) for name, share in told.items() if share.whole},
        "results": [_kept(each) for each in answers],
        "question_count": len(answers),
        "notes": [*place.notes, *(f"Questions that could not be asked: {len(failed):,}. {why}" for why in failed[:1])],
    }


def _kept_share(share: Share) -> dict[str, float]:
    low, high = share.interval
    return {"value": share.value, "low": low, "high": high, "part": share.part, "whole": share.whole}


def _kept(answered: Answered) -> dict[str, Any]:
    question = answered.question
    return {
        "id": question.id,
        "text": question.text,
        "right": dict(question.right),
        "refused": answered.is_refused,
        "answer": answered.text,
        "cited": list(answered.cited),
        "verdicts": dict(answered.verdicts),
        "failed": answered.failed,
        "seconds": round(answered.seconds, 2),
    }


def _answered(asked: Asked, draft: Draft, done: Done, key: Callable[[Passage], str], seconds: float) -> Answered:
    if done.is_refused:
        return Answered(asked, True, seconds=seconds)
    found = draft.written.proved.values()
    return Answered(
        asked,
        False,
        draft.content,
        list(dict.fromkeys(key(passage) for passage in draft.cited().values())),
        Counter(each.proof.verdict.value if each.proof else "" for each in found),
        sum(each.is_corrected for each in found),
        sum(not each.cited and bool(each.cites) for each in found),
        seconds=seconds,
    )


def figures(answers: Iterable[Answered]) -> dict[str, Share]:
    """The shares, by name.

    - refused: of the questions that did not fail.
    - supported, partly, unsupported: of the sentences of the answers that state something.
    - citation precision: of the sources that answers name, those that are known to answer the question.
    - citation recall: of the answers, those that name such a source.
    """
    asked = [each for each in answers if not each.failed]
    given = [each for each in asked if not each.is_refused]
    judged = sum((each.verdicts for each in given), Counter())
    checked = sum(judged[verdict] for verdict in Verdict)
    known = [each for each in given if each.question.right]
    told = {"refused": Share(len(asked) - len(given), len(asked))}
    told |= {verdict.value: Share(judged[verdict], checked) for verdict in Verdict}
    if known:
        right = sum(source in each.question.right for each in known for source in each.cited)
        told["citation precision"] = Share(right, sum(len(each.cited) for each in known))
        hit = sum(any(source in each.question.right for source in each.cited) for each in known)
        told["citation recall"] = Share(hit, len(known))
    return told
