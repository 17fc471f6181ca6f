"""Doors for the worker: a few lines each. Postgres is the truth, the queue is a hint."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from documents import checking, stores
from documents.evaluation import running
from documents.indexes import comparing, versions
from documents.ingestion import forget, ingest_next, remove_traces, tidy
from documents.ingestion.building import ask_for_turn, build_next
from documents.models import (
    UNDER_WAY,
    ConsistencyCheck,
    Document,
    DocumentEvent,
    EvaluationRun,
    Holding,
    IndexVersion,
    Page,
    Upload,
    VersionComparison,
)
from documents.queue import send
from project.celery import app
from project.workers import show_scheduler

log = logging.getLogger(__name__)

SWEEP_LOCK = 7_205_759
MESSAGES_MOST = 100  # that the sweep sends at once; each of them brings the next
LOOKED_AT = 1_000  # documents to be cleaned up, of which it sends so many


@shared_task
def ingest() -> None:
    """Work on the document whose turn it is, and ask for the next turn."""
    if ingest_next(settings.TURN_SECONDS):
        send("ingest")


@shared_task
def clean_up(document_id: str) -> None:
    document = Document.objects.filter(pk=document_id).first()
    if document is None:
        return
    if document.deleted_at:
        remove_traces(document)
    elif document.superseded_at:
        forget(document)
    else:
        tidy(document)


@shared_task
def build(version_id: str, turn: str = "") -> None:
    """Bring an index version nearer to whole, and ask for the next turn; without a turn's number ask for one first."""
    version = IndexVersion.objects.kept().filter(pk=version_id).first()
    if version is not None and (not turn or build_next(version, settings.TURN_SECONDS, int(turn))):
        ask_for_turn(version)


@shared_task
def take_away(version_id: str) -> None:
    version = IndexVersion.objects.filter(pk=version_id).first()
    if version is not None:
        versions.take_away(version)


@shared_task
def compare(comparison_id: str) -> None:
    comparison = VersionComparison.objects.filter(pk=comparison_id).first()
    if comparison is not None:
        comparing.ask(comparison)


@shared_task
def evaluate(run_id: str) -> None:
    """Ask a set of questions, and keep what came of it."""
    run = EvaluationRun.objects.select_related("set", "user").filter(pk=run_id).first()
    if run is not None:
        running.work(run)


@shared_task
def tidy_stores() -> None:
    """Take what is deleted or superseded here out of the vector stores at model services."""
    stores.sweep()


@shared_task
def sweep() -> None:
    """Send again what nobody holds: never sent, forgotten by the queue, or left by a worker that died."""
    show_scheduler()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [SWEEP_LOCK])
        if not cursor.fetchone()[0]:
            return
        try:
            for _ in range(min(Document.objects.waiting().count(), MESSAGES_MOST) - _messages_waiting()):
                send("ingest")
            left = _left_behind()
            room = min(len(left), max(0, MESSAGES_MOST - _messages_waiting()))
            for pk in random.sample(left, room):  # What no index lets go of does not keep the others waiting.
                send("clean_up", str(pk))
            versions.sweep()
            DocumentEvent.objects.outdated().delete()
            Upload.objects.sweep()
            running.sweep()
            comparing.sweep()
            if stores.has_outdated():
                send("tidy_stores")
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SWEEP_LOCK])


@shared_task
def check_consistency() -> None:
    """Every night: what should not be is told to the log and to the console, where it can be mended."""
    checking.work(ConsistencyCheck.objects.create())


@shared_task
def check(check_id: int) -> None:
    """A check that somebody asked for in the console, or the mending."""
    found = ConsistencyCheck.objects.filter(pk=check_id).first()
    if found is not None:
        checking.work(found)


def _left_behind() -> list[UUID]:
    """What was deleted or superseded, ended lately or lies in another index now, and was not tidied: its worker, or
    the message, was lost at that moment, or an index did not answer."""
    deleted = Document.objects.exclude(deleted_at=None).filter(cleaned_at=None)
    kept = Document.objects.filter(deleted_at=None)
    superseded = kept.exclude(superseded_at=None).filter(holdings__isnull=False)
    ended = kept.exclude(state__in=UNDER_WAY)
    others = Page.objects.filter(document=OuterRef("pk")).exclude(generation=OuterRef("generation"))
    lately = ended.filter(Exists(others), finished_at__gte=timezone.now() - timedelta(days=1))
    there = Holding.objects.exclude(index_version__state=IndexVersion.State.CANCELED)
    moved = ended.filter(pk__in=there.exclude(index_version__index=F("document__collection__index")).values("document"))
    found = (rows.values_list("pk", flat=True) for rows in (superseded, lately, moved))
    return list(deleted.values_list("pk", flat=True).union(*found)[:LOOKED_AT])


def _messages_waiting() -> int:
    with app.connection_for_read() as broker:
        return broker.default_channel.client.llen(app.conf.task_default_queue)
