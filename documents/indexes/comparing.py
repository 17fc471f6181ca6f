"""Two versions of an index side by side, before one takes the other's place: what is found, how soon, in what room.

Real questions have no known answers, so they tell how much changes; evaluation sets tell whether it changes for the
better.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from documents.evaluation import Comparison, Figures, Question, QuestionSet, SetError, compare, evaluate
from documents.models import IndexVersion, VersionComparison
from documents.queue import send
from documents.retrieval import Passage, retrieve
from documents.search import SearchError

log = logging.getLogger(__name__)

TOP = 10
SILENT = timedelta(minutes=10)  # after which a comparison's worker is taken for dead
UNSENT = timedelta(minutes=1)
PATIENCE = timedelta(days=1)
FAULT = "A fault of Lectern's own stopped it; it is noted in the log."
GIVEN_UP = "Nobody made this comparison within a day. Ask for it again."

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


def ask(comparison: VersionComparison) -> None:
    """Make a comparison that somebody asked for, and keep what came of it. What another worker makes is left alone."""
    if not _unheld().filter(pk=comparison.pk).update(seen_at=timezone.now()):
        return
    facts: dict[str, Any] = {}
    try:
        facts["result"] = as_json(_asked(comparison))
    except (SetError, SearchError) as exc:
        facts["error"] = str(exc)[:500]
    except Exception:
        log.exception("the comparison %s failed", comparison.pk)
        facts["error"] = FAULT
    VersionComparison.objects.filter(pk=comparison.pk, finished_at=None).update(finished_at=timezone.now(), **facts)
    comparison.refresh_from_db()


def _asked(comparison: VersionComparison) -> Compared:
    questions = import_string(settings.RECENT_QUESTIONS)(comparison.questions)
    sets = [_set_of(one) for one in comparison.sets]
    if comparison.user is None or not (questions or sets):
        raise SetError("There is nothing to ask: nobody has asked anything yet, and no set of questions was given.")
    watch = partial(_watched, comparison)
    return compare_versions(comparison.before, comparison.after, questions, sets, comparison.user, watch)


def _watched(comparison: VersionComparison, items: Iterable[Any], what: str) -> Iterator[Any]:
    for item in items:
        VersionComparison.objects.filter(pk=comparison.pk).update(seen_at=timezone.now())
        yield item


def _unheld() -> QuerySet[VersionComparison]:
    """Those that are to be made, and that no worker shows signs of making."""
    silent = Q(seen_at=None) | Q(seen_at__lt=timezone.now() - SILENT)
    return VersionComparison.objects.filter(silent, finished_at=None)


def sweep() -> None:
    """Send again what no worker makes: its message was lost, or its worker. After a day it is given up."""
    now = timezone.now()
    old = VersionComparison.objects.filter(finished_at=None, created_at__lt=now - PATIENCE)
    old.update(finished_at=now, error=GIVEN_UP)
    for pk in _unheld().filter(created_at__lt=now - UNSENT).values_list("pk", flat=True):
        send("compare", str(pk))


def _set_of(kept: dict[str, Any]) -> QuestionSet:
    return QuestionSet(kept["name"], [Question(**one) for one in kept["questions"]], None)


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


def as_json(found: Compared) -> dict[str, Any]:
    """What came of it in plain values, as programs read it and as it is kept."""
    return {
        "before": _side_json(found.before),
        "after": _side_json(found.after),
        "questions": found.questions,
        "overlap": found.overlap,
        "changed": [asdict(one) for one in found.changed],
        "sets": [_set_json(one) for one in found.sets],
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {**asdict(replace(side, version=None)), "version": side.version.number}  # type: ignore[arg-type]


def _set_json(one: SetCompared) -> dict[str, Any]:
    changes = one.comparison.changes if one.comparison else {}
    return {
        "name": one.name,
        "before": {name: mean.value for name, mean in one.before.means.items()},
        "after": {name: mean.value for name, mean in one.after.means.items()},
        "changes": {name: asdict(change) for name, change in changes.items()},
        "fell": one.comparison.fell if one.comparison else [],
    }
