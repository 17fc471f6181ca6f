"""Two versions of an index side by side, before one takes the other's place: what is found, how soon, in what room.

Real questions have no known answers, so they tell how much changes; evaluation sets tell whether it changes for the
better.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from documents.evaluation import Comparison, Figures, QuestionSet, compare, evaluate
from documents.models import IndexVersion
from documents.retrieval import Passage, retrieve

TOP = 10

Watch = Callable[[list[Any], str], Iterable[Any]]  # the items again, and what a progress bar calls the work
Place = tuple[UUID, int]  # document, page


@dataclass(frozen=True)
class Asked:
    """A question as somebody asked it."""

    text: str
    user: User
    collections: Sequence[UUID] | None = None  # None: all that they may read


@dataclass(frozen=True)
class Side:
    """What a version takes."""

    version: IndexVersion
    chunks: int
    bytes: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Changed:
    """A question whose first page is another; "" where nothing was found."""

    question: str
    before: str
    after: str


@dataclass(frozen=True)
class SetCompared:
    name: str
    before: Figures
    after: Figures
    comparison: Comparison | None


@dataclass(frozen=True)
class Compared:
    before: Side
    after: Side
    questions: int
    overlap: float | None  # 0..1: the mean share of the first ten pages that both find; None: no question was asked
    changed: list[Changed] = field(default_factory=list)
    sets: list[SetCompared] = field(default_factory=list)


def compare_versions(
    before: IndexVersion,
    after: IndexVersion,
    questions: Sequence[Asked],
    sets: Sequence[QuestionSet],
    user: User,
    watch: Watch = lambda items, what: items,
) -> Compared:
    """Ask both the same, turn by turn, so that what else the machine does meets both alike.

    Sets are asked as `user`, in whose library their paragraphs lie. Raises SetError, SearchError.
    """
    times: dict[int, list[float]] = {before.pk: [], after.pk: []}
    shares: list[float] = []
    changed: list[Changed] = []
    for number, asked in enumerate(watch(list(questions), "Asking")):
        order = (before, after) if number % 2 else (after, before)
        found = {version.pk: _timed(asked, version, times[version.pk]) for version in order}
        then, now = _places(found[before.pk]), _places(found[after.pk])
        if then or now:
            shares.append(len(set(then) & set(now)) / max(len(then), len(now)))
        if then[:1] != now[:1]:
            changed.append(Changed(asked.text, _named(found[before.pk]), _named(found[after.pk])))
    return Compared(
        before=_side(before, times[before.pk]),
        after=_side(after, times[after.pk]),
        questions=len(questions),
        overlap=statistics.fmean(shares) if shares else None,
        changed=changed,
        sets=[_set(asked, before, after, user, watch) for asked in sets],
    )


def _timed(asked: Asked, version: IndexVersion, times: list[float]) -> list[Passage]:
    began = time.perf_counter()
    found = retrieve(asked.text, asked.user, top=TOP, collections=asked.collections, version=version)
    times.append((time.perf_counter() - began) * 1000)
    return found


def _places(passages: Sequence[Passage]) -> list[Place]:
    return list(dict.fromkeys((passage.place.document_id, passage.page_number) for passage in passages))


def _named(passages: Sequence[Passage]) -> str:
    first = next(iter(passages), None)
    return f"{first.document_name}, page {first.page_label or first.page_number}" if first else ""


def _side(version: IndexVersion, times: list[float]) -> Side:
    ordered = sorted(times) or [0.0]
    p95 = ordered[int(0.95 * len(ordered))]
    return Side(version, version.chunks.count(), version.backend.size(), statistics.median(ordered), p95)


def _set(asked: QuestionSet, before: IndexVersion, after: IndexVersion, user: User, watch: Watch) -> SetCompared:
    then, now = (
        evaluate(asked, user, modes=("hybrid",), find=partial(retrieve, version=version), watch=watch).figures["hybrid"]
        for version in (before, after)
    )
    return SetCompared(asked.name, then, now, compare(then.outcomes, now.outcomes))
