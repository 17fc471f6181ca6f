"""From a stored file to chunks that can be found: `ingest(document)`, the only writer of Page and Chunk.

Everything is written under a new generation beside the one that is read, and one UPDATE makes it live. The work goes in
small steps: each renews the lease in the transaction that writes, so a worker that lost its document writes nothing,
and whoever takes the document up goes on behind the last step that was stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from documents.embeddings import EmbeddingBusy, EmbeddingUnavailable
from documents.extraction import ExtractionError
from documents.ingestion.indexing import prefixed
from documents.ingestion.job import Job, TurnOverError
from documents.ingestion.traces import forget, remove_traces, tidy
from documents.models import Attempt, Document, LeaseLost, State
from documents.search import SearchBusy, SearchUnavailable

__all__ = ["forget", "ingest", "ingest_next", "prefixed", "remove_traces", "tidy"]

log = logging.getLogger(__name__)

FAULT = "A fault of Lectern's own; it is noted in the log."
DATABASE_PATIENCE_S = 30
BEAT_S, RENEWED_EACH = 0.5, 4  # A look is cheap; each fourth also keeps the lease.


def ingest(document: Document) -> None:
    """Make a document findable, or say why not. Running it twice, or on two workers at once, does no harm."""
    if document.claim():
        _work(document, None)


def ingest_next(turn_s: float) -> bool:
    """Work on the document whose turn it is; True when it was laid aside for others before it was done."""
    document = Document.objects.claim_next()
    return document is not None and _work(document, turn_s)


def _work(document: Document, turn_s: float | None) -> bool:
    """Go on with a claimed document until it ends, or its turn does: then True."""
    if document.attempt > settings.INGEST_ATTEMPTS:
        reason = f"Reading this file stopped its worker {settings.INGEST_ATTEMPTS} times."
        _fail(
            document, "interrupted", reason, "Save it anew and upload it, or ask an administrator to look at the log."
        )
        return False
    job = Job(document, turn_s)
    try:
        return _went_on(job)
    except LeaseLost:
        _leave(document)
    except (OperationalError, InterfaceError):
        log.warning("the database refused while document %s was read; it goes on later", document.pk, exc_info=True)
        _lay_down_if_possible(document)
    except Exception:
        log.exception("job_failed document=%s attempt=%s", document.pk, document.attempt)
        _begin_anew(document)
    return False


def _went_on(job: Job) -> bool:
    """True when the turn was over first. What a person, a service or an operator has to do is written down."""
    document = job.document
    try:
        with _heartbeat(document, job.lost):
            job.go_on()
    except TurnOverError:
        document.release(seconds=job.seconds, attempt=0)
        return True
    except (EmbeddingBusy, SearchBusy) as exc:
        until = timezone.now() + timedelta(seconds=exc.retry_after)  # Waiting is no attempt.
        attempt = max(0, document.attempt - 1)
        document.release(seconds=job.seconds, attempt=attempt, not_before=until, waits_for=str(exc)[:300])
    except (EmbeddingUnavailable, SearchUnavailable) as exc:
        _fail(document, exc.code, str(exc), "Ask an administrator to look at the settings, then read it again.")
    except ExtractionError as exc:
        _fail(document, exc.code, exc.reason, exc.advice)
    return False


def _lay_down_if_possible(document: Document) -> None:
    """A database that refuses is no fault of the file. If it takes nothing at all, the lease ends by itself."""
    connection.close()
    until = timezone.now() + timedelta(seconds=DATABASE_PATIENCE_S)
    with suppress(DatabaseError, LeaseLost):
        document.release(attempt=max(0, document.attempt - 1), not_before=until)


def _leave(document: Document) -> None:
    """The document was taken away: take along what was written of it, unless somebody else goes on with it."""
    log.info("document %s was taken away while it was read", document.pk)
    document.refresh_from_db()
    if document.deleted_at:
        remove_traces(document)  # Again: something may have been written since.
    else:
        tidy(document)


def _fail(document: Document, code: str, reason: str, advice: str) -> None:
    log.info("job_failed document=%s code=%s", document.pk, code)
    outcome = Attempt.Outcome.INTERRUPTED if code == "interrupted" else Attempt.Outcome.FAILED
    _end(
        document,
        outcome,
        reason,
        state=State.FAILED,
        error={"code": code, "reason": reason, "advice": advice},
        finished_at=timezone.now(),
    )
    tidy(document)


def _end(document: Document, outcome: Attempt.Outcome, reason: str, **changes: object) -> None:
    """The attempt ends without success, unless the document was taken away: then it is somebody else's attempt."""
    with transaction.atomic():
        held = Document.objects.under_way().filter(pk=document.pk, lease_token=document.lease_token)
        ended = held.update(
            generation=Document.LIVE_BEFORE,
            lease_until=None,
            lease_token=None,
            served_at=timezone.now(),
            **changes,
        )
        if ended:
            document.end_attempt(outcome, reason)


def _faults_in_a_row(document: Document) -> int:
    """How many attempts, the newest ones, ended with a fault of ours: pages that were stored meanwhile do not count."""
    ended = document.attempts.exclude(outcome="")
    other = ended.exclude(reason=FAULT).order_by("-number").values_list("number", flat=True).first() or 0
    return ended.filter(number__gt=other).count()


def _begin_anew(document: Document) -> None:
    """After a fault that may pass: from the start, a little later each time; after the last time say so."""
    faults = _faults_in_a_row(document) + 1
    if faults >= settings.INGEST_ATTEMPTS:
        _fail(document, "internal", "Lectern could not read this file; the fault is noted.", "Try again later.")
        return
    not_before = timezone.now() + timedelta(seconds=10 * 3**faults)
    _end(document, Attempt.Outcome.FAILED, FAULT, state=State.QUEUED, not_before=not_before)


@contextmanager
def _heartbeat(document: Document, lost: threading.Event) -> Iterator[None]:
    """Keep the lease while a single step takes long, and notice at once that the document was taken away.

    A worker that dies stops keeping it. A database that is away for a moment is asked again.
    """
    stop = threading.Event()
    row = Document.objects.filter(pk=document.pk)
    held = row.under_way().filter(lease_token=document.lease_token)

    def beat() -> None:
        try:
            for turn in count(1):
                if stop.wait(BEAT_S):
                    return
                try:
                    until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
                    is_held = held.exists() if turn % RENEWED_EACH else held.update(lease_until=until)
                    if not is_held and row.exists():
                        lost.set()
                        return
                except DatabaseError:
                    connection.close()
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
