"""Ask a set that is kept in the library in the background: begun, watched, stopped, and gone on with by nobody else.

A run whose worker died is begun anew by the sweep: what was asked is cheap beside what a half run would tell.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import import_string

from documents.evaluation import MODES, evaluate
from documents.evaluation.sets import SetError
from documents.evaluation.stored import questions_of
from documents.models import EvaluationRun, EvaluationSet
from documents.queue import send
from documents.search import SearchError
from project.audit import audit

log = logging.getLogger(__name__)

SILENT = timedelta(minutes=10)  # after which a run's worker is taken for dead: an answer may take minutes
UNSENT = timedelta(minutes=1)
FAULT = "A fault of Lectern's own stopped it; it is noted in the log."

Item = TypeVar("Item")
Kind, State = EvaluationRun.Kind, EvaluationRun.State


class StoppedError(Exception):
    """Somebody cancelled the run."""


def begin(kept: EvaluationSet, user: User, kind: str = Kind.SEARCH, limit: int | None = None) -> EvaluationRun:
    """Have the set asked as this person. Raises SetError when there is nothing to ask."""
    asked = questions_of(kept, with_unanswerable=kind == Kind.ANSWERS)
    number = len(asked.questions[:limit])
    with transaction.atomic():
        run = EvaluationRun.objects.create(
            set=kept,
            set_name=kept.name,
            kind=kind,
            state=State.WAITING,
            user=user,
            limit=limit,
            question_count=number,
            total=number * (len(MODES) if kind == Kind.SEARCH else 1),
        )
        audit("evaluation.begin", run, as_user=user.get_username(), kind=kind)
        transaction.on_commit(partial(send, "evaluate", str(run.pk)))
    return run


def cancel(run: EvaluationRun) -> bool:
    """Stop a run; its worker notices before the next question. False when it has ended already."""
    under_way = EvaluationRun.objects.filter(pk=run.pk, state__in=(State.WAITING, State.RUNNING))
    stopped = bool(under_way.update(state=State.CANCELED, finished_at=timezone.now()))
    if stopped:
        audit("evaluation.cancel", run)
    return stopped


def work(run: EvaluationRun) -> None:
    """Ask everything and keep what came of it. A run that another worker has is left alone."""
    now = timezone.now()
    waiting = EvaluationRun.objects.filter(pk=run.pk, state=State.WAITING)
    if not waiting.update(state=State.RUNNING, done=0, seen_at=now):
        return
    run.refresh_from_db()
    try:
        changes = _asked(run)
    except StoppedError:
        return
    except (SetError, SearchError) as exc:
        changes = {"state": State.FAILED, "error": str(exc)[:500]}
    except Exception:
        log.exception("evaluation run %s failed", run.pk)
        changes = {"state": State.FAILED, "error": FAULT}
    ours = EvaluationRun.objects.filter(pk=run.pk, state=State.RUNNING)
    ours.update(**{"state": State.DONE, "done": F("total")} | changes, finished_at=timezone.now())


def _asked(run: EvaluationRun) -> dict[str, object]:
    if run.set is None or run.user is None:
        raise SetError("The set, or the person it was asked as, is gone.")
    watch = partial(_watched, run)
    asked = questions_of(run.set, with_unanswerable=run.kind == Kind.ANSWERS)
    if run.kind == Kind.ANSWERS:
        ask: Callable[..., dict[str, object]] = import_string(settings.EVALUATE_ANSWERS)
        return ask(asked, run.user, limit=run.limit, watch=watch)
    report = evaluate(asked, run.user, top=run.top, limit=run.limit, watch=watch)
    fields = ("index_version", "conditions", "figures", "results", "question_count")
    return {field: getattr(report.run, field) for field in fields} | {"notes": report.notes}


def _watched(run: EvaluationRun, items: Iterable[Item], what: str) -> Iterator[Item]:
    """The items again; each shows how far the run is, and whether it shall go on. Raises StoppedError."""
    held = EvaluationRun.objects.filter(pk=run.pk, state=State.RUNNING)
    for item in items:
        if not held.update(seen_at=timezone.now()):
            raise StoppedError
        yield item
        held.update(done=F("done") + 1)


def sweep() -> None:
    """Begin anew what no worker shows signs of, and send again what no worker has begun."""
    silent = timezone.now() - SILENT
    EvaluationRun.objects.filter(state=State.RUNNING, seen_at__lt=silent).update(state=State.WAITING, seen_at=None)
    waiting = EvaluationRun.objects.filter(created_at__lt=timezone.now() - UNSENT, state=State.WAITING)
    for pk in waiting.values_list("pk", flat=True):
        send("evaluate", str(pk))
