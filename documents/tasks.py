"""Doors for the worker: a few lines each. Postgres is the truth, the queue is a hint."""

from __future__ import annotations

import logging

from celery import Task, shared_task
from django.db import connection
from kombu.exceptions import OperationalError

from documents.ingestion import ingest, remove_traces
from documents.models import Document
from project.celery import app

log = logging.getLogger(__name__)

SWEEP_LOCK = 7_205_759


def send(task: Task, *args: str) -> None:
    """Put work in the queue. When the broker is gone the request still succeeds: the sweep sends it again."""
    try:
        task.apply_async(args, retry=False)
    except OperationalError as exc:
        log.warning("the queue does not answer, the sweep will send %s%s again: %s", task.name, args, exc)


@shared_task
def ingest_document(document_id: str) -> None:
    document = Document.objects.filter(pk=document_id, deleted_at=None).first()
    if document is not None:  # Deleted while it waited in the queue.
        ingest(document)


@shared_task
def clean_up(document_id: str) -> None:
    document = Document.objects.filter(pk=document_id).exclude(deleted_at=None).first()
    if document is not None:
        remove_traces(document)


@shared_task
def sweep() -> None:
    """Send again what nobody holds: never sent, forgotten by the queue, or left by a worker that died."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [SWEEP_LOCK])
        if not cursor.fetchone()[0]:
            return
        try:
            waiting = Document.objects.waiting()
            if _messages_waiting():
                waiting = waiting.exclude(lease_until=None)  # The others still have their message in the queue.
            for pk in waiting.values_list("pk", flat=True)[:1000]:
                send(ingest_document, str(pk))
            deleted = Document.objects.exclude(deleted_at=None).filter(cleaned_at=None)
            for pk in deleted.values_list("pk", flat=True)[:1000]:
                send(clean_up, str(pk))
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SWEEP_LOCK])


def _messages_waiting() -> int:
    with app.connection_for_read() as broker:
        return broker.default_channel.client.llen(app.conf.task_default_queue)
