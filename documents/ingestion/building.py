"""Bring every document of an index into a version of it: one that is being built, or one that fell behind.

What is missing is asked of the rows, never remembered: a document uploaded, read again, moved or deleted meanwhile is
seen at the next look. The work goes in the same small steps as the ingestion's, so that a worker that dies leaves
nothing to clean up, and a version that was cancelled is left at the next step. A document that cannot be brought in is
noted, and tried again later; the others go on.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from documents.embeddings import EmbeddingBusy, EmbeddingUnavailable
from documents.ingestion.indexing import Indexing
from documents.models import Chunk, Document, DocumentQuerySet, Holding, IndexVersion, State
from documents.queue import send
from documents.search import SearchBusy, SearchUnavailable

log = logging.getLogger(__name__)

DOCUMENTS_AT_ONCE = 100  # looked for at a time
LEASES = 3  # as long as a version is held between two signs of life: a batch of vectors may take a minute
QUEUED = timedelta(minutes=1)  # after which a message that nobody has answered is sent again
LATER = timedelta(minutes=5)  # after what only an operator can mend, for a version that is in use
LATEST = timedelta(hours=1)  # between two tries of a document
STUCK = 5  # documents in a row that could not be brought in: it is not the documents
NAMED = 3  # documents that a sentence names
DATABASE_PATIENCE_S = 30
TOO_LARGE = "54"  # the class of errors by which Postgres says that something exceeds its limits
FAULT = "A fault of Lectern's own stopped it; it is noted in the log."
KILLED = "Bringing it in stopped its worker again and again."


class VersionLostError(Exception):
    """The version was cancelled, dropped or taken by another worker."""


class DocumentChangedError(Exception):
    """The document was deleted, read again or moved while it was brought in."""


class NotBroughtError(Exception):
    """This document could not be brought in; str(exc) says why. The next one may well be."""


def missing(version: IndexVersion) -> DocumentQuerySet:
    """What searches should find in this version and do not yet, or find at the wrong place."""
    held = _holding_of_each(version).filter(collection=OuterRef("collection"))
    return findable(version).alias(held_since=Subquery(held.values("finished_at"))).filter(held_since=None)


def findable(version: IndexVersion) -> DocumentQuerySet:
    """What searches should find in this version."""
    partly_live = Q(state__in=(State.EMBEDDING, State.INDEXING), generation=F("building"))
    rows = Document.objects.filter(collection__index=version.index_id, deleted_at=None, generation__gt=0).current()
    return rows.exclude(partly_live)


def due(version: IndexVersion) -> DocumentQuerySet:
    """What is missing, but for what failed a moment ago."""
    rows = missing(version).alias(not_again_before=Subquery(_holding_of_each(version).values("not_before")))
    return rows.filter(Q(not_again_before=None) | Q(not_again_before__lte=timezone.now()))


def _holding_of_each(version: IndexVersion) -> QuerySet[Holding]:
    """For a subquery that gives a value, which is looked up row by row, by its key.

    One that asks whether there is such a row becomes a join: it takes minutes in a large library whose statistics are
    of a time when few documents were held.
    """
    return Holding.objects.filter(index_version=version, document=OuterRef("pk"), generation=OuterRef("generation"))


def ask_for_turn(version: IndexVersion) -> None:
    """Put a message for the version's next turn into the queue, unless one is believed to be there.

    A message that was lost is sent again after a while. Should both arrive, the number of the turn lets one work.
    """
    now = timezone.now()
    row = IndexVersion.objects.filter(Q(queued_until=None) | Q(queued_until__lte=now), pk=version.pk)
    if row.update(queued_until=now + QUEUED):
        turn = IndexVersion.objects.filter(pk=version.pk).values_list("turn", flat=True).first()
        send("build", str(version.pk), str(turn))


def build_next(version: IndexVersion, turn_s: float, turn: int | None = None) -> bool:
    """Work on a version for a while; True when there is more to do. Two workers at once do no harm.

    With the number of a turn nothing is done once that turn was taken.
    """
    token = _claim(version, turn)
    if token is None:
        return False
    began = time.monotonic()
    building = Building(version, token)
    changes: dict[str, object] = {"error": ""}
    try:
        if is_unfinished := building.go_on(began + turn_s):
            return is_unfinished
        changes = building.outcome()
    except VersionLostError:
        log.info("index version %s was taken away while it was built", version.pk)
    except (EmbeddingBusy, SearchBusy) as exc:
        changes = {"error": str(exc)[:300], "not_before": timezone.now() + timedelta(seconds=exc.retry_after)}
    except (EmbeddingUnavailable, SearchUnavailable) as exc:
        changes = _given_up(version, str(exc))
    except (OperationalError, InterfaceError):
        log.warning("the database refused while version %s was built; it goes on later", version.pk, exc_info=True)
        changes = {"not_before": timezone.now() + timedelta(seconds=DATABASE_PATIENCE_S)}
    except Exception:
        log.exception("build_failed version=%s", version.pk)
        changes = _given_up(version, FAULT)
    finally:
        held = IndexVersion.objects.filter(pk=version.pk, lease_token=token)
        seconds = F("seconds") + round(time.monotonic() - began, 2)
        held.update(lease_until=None, lease_token=None, queued_until=None, seconds=seconds, **changes)
    return False


def _claim(version: IndexVersion, turn: int | None = None) -> uuid.UUID | None:
    now, token = timezone.now(), uuid.uuid4()
    free = IndexVersion.objects.kept().filter(
        Q(lease_until=None) | Q(lease_until__lt=now), Q(not_before=None) | Q(not_before__lte=now), pk=version.pk
    )
    if turn is not None:
        free = free.filter(turn=turn)
    until = now + timedelta(seconds=LEASES * settings.LEASE_SECONDS)
    is_ours = free.update(lease_until=until, lease_token=token, not_before=None, turn=F("turn") + 1)
    return token if is_ours else None


def _given_up(version: IndexVersion, sentence: str) -> dict[str, object]:
    """One that is being built stops and says why; one that is in use is tried again and again."""
    if _is_being_built(version):
        return {"state": IndexVersion.State.FAILED, "error": sentence}
    return {"error": sentence, "not_before": timezone.now() + LATER}


def _is_being_built(version: IndexVersion) -> bool:
    return IndexVersion.objects.filter(pk=version.pk, state=IndexVersion.State.BUILDING).exists()


class Building:
    """A claimed version, and what is brought into it."""

    def __init__(self, version: IndexVersion, token: uuid.UUID) -> None:
        self.version, self.token = version, token
        self.backend = version.backend
        self.refused = 0  # documents in a row, at the first try

    def go_on(self, ends: float) -> bool:
        """Bring in what is missing, one document after the other; True when the time is over first."""
        if not self.version.holdings.exists():
            self.backend.create()  # Again: whoever began it may have been stopped in the middle.
        seen = True
        while seen:
            seen = False
            for document in self._due():
                seen = True
                if not self._try(document, ends) or time.monotonic() >= ends:
                    return True
                if self.refused >= STUCK:
                    return False
        self.renew()
        return False

    def _due(self) -> Iterator[Document]:
        """Once through all documents by their keys: what was passed is not looked through at the next look."""
        rows = due(self.version).select_related("collection").order_by("pk")
        documents = list(rows[:DOCUMENTS_AT_ONCE])
        while documents:
            yield from documents
            documents = list(rows.filter(pk__gt=documents[-1].pk)[:DOCUMENTS_AT_ONCE])

    def _try(self, document: Document, ends: float) -> bool:
        """As `bring`; a document that cannot be brought in is noted, and is no reason to stop."""
        try:
            is_whole = self.bring(document, ends)
            self.refused = 0
            return is_whole
        except DocumentChangedError:  # It is looked at again, as it stands then.
            log.info("document %s changed while index version %s was built", document.pk, self.version.pk)
        except (EmbeddingBusy, SearchBusy):
            self._of(document).update(attempt=0)  # Waiting is no attempt.
            raise
        except NotBroughtError as exc:
            self._note(document, str(exc))
        except (EmbeddingUnavailable, SearchUnavailable) as exc:
            self._note(document, str(exc), is_final=True)
        except VersionLostError:
            raise
        except Exception as exc:
            if not _is_of_the_document(exc):
                raise
            log.exception("build_failed version=%s document=%s", self.version.pk, document.pk)
            self._note(document, FAULT)
        return True

    def _of(self, document: Document) -> QuerySet[Holding]:
        return self.version.holdings.filter(document=document)

    def _note(self, document: Document, sentence: str, *, is_final: bool = False) -> None:
        """Why it could not be brought in, and when it is tried again: a little later each time."""
        self.renew()
        tried = self._of(document).values_list("attempt", flat=True).first() or 0
        self.refused += tried <= 1  # One that failed before tells nothing of the others.
        attempt = max(tried, settings.INGEST_ATTEMPTS) if is_final else tried
        wait = LATER if is_final else min(timedelta(seconds=10 * 3 ** min(attempt, 10)), LATEST)
        self._of(document).update(attempt=attempt, error=sentence[:300], not_before=timezone.now() + wait)

    def outcome(self) -> dict[str, object]:
        """Ready if nothing is missing; otherwise what it lacks and why. One being built ends when all was tried."""
        tried = self.version.holdings.exclude(error="").filter(document__in=missing(self.version))
        failed = list(tried.select_related("document").order_by("document__name"))
        if self.refused >= STUCK:
            return _given_up(self.version, _told(failed) or FAULT)
        if not failed:
            return {"state": IndexVersion.State.READY, "error": ""}
        all_was_tried = all(holding.attempt >= settings.INGEST_ATTEMPTS for holding in failed)
        is_over = all_was_tried and _is_being_built(self.version)
        changes: dict[str, object] = {"error": _told(failed)}
        return changes | {"state": IndexVersion.State.FAILED} if is_over else changes

    def bring(self, document: Document, ends: float) -> bool:
        """One document, from where it stopped the last time; False when the time is over before it is whole."""
        work = Indexing(document, self.version, document.generation)
        holding = self._begun(document)
        if holding.collection_id != document.collection_id:
            self._move(document)
        if holding.finished_at:
            return True
        if holding.total is None and not self._cut(work, holding, ends):
            return False
        while batch := work.next_batch(holding.done):
            vectors, spent = work.vectors(batch)
            with self._unchanged(document):
                self.renew(
                    embedded=F("embedded") + spent.get("embedded", 0), tokens=F("tokens") + spent.get("tokens", 0)
                )
                work.store(batch, vectors)
                self._write(holding, done=holding.done + len(batch), attempt=1)
            if time.monotonic() >= ends:
                return False
        if (found := work.held(holding.done)) != holding.done:
            if holding.attempt >= settings.INGEST_ATTEMPTS:  # It does not lag: the next time all is written again.
                self._write(holding, done=0)
            raise NotBroughtError(f"The index shows {found:,} of {holding.total:,} passages.")
        with self._unchanged(document):
            self.renew()
            self._write(holding, finished_at=timezone.now(), **Holding.UNTROUBLED)
        return True

    def _begun(self, document: Document) -> Holding:
        """The holding of this generation, whoever began it. The attempt is counted here, before any work: a document
        that kills its worker is not tried for ever."""
        with self._unchanged(document):
            self.renew()
            holding = self._of(document).first()
            if holding is None or holding.generation != document.generation:
                anew = {"chunk_count": 0, "total": None, "done": 0, "finished_at": None} | Holding.UNTROUBLED
                anew |= {"generation": document.generation, "collection": document.collection}
                holding, _ = Holding.objects.update_or_create(
                    index_version=self.version, document=document, defaults=anew
                )
            is_killer = holding.error == KILLED or (holding.attempt >= settings.INGEST_ATTEMPTS and not holding.error)
            if not is_killer:
                self._write(holding, attempt=holding.attempt + 1, error="")
        if is_killer:
            raise NotBroughtError(KILLED)
        return holding

    def _cut(self, work: Indexing, holding: Holding, ends: float) -> bool:
        """Store the chunks, some hundred at a time, behind those that are stored; False when the time is over first."""
        document = work.document
        if not work.chunks.exists():
            with self._unchanged(document) as row:
                self.renew()
                is_read_anew = row.is_under_way and row.building > row.generation  # That is written beside this.
                self.backend.remove(document.pk, keep_generation=row.building if is_read_anew else None)
                document.chunks.filter(index_version=self.version, generation__lt=document.generation).delete()
        for batch, _ in work.cut():
            if not batch:
                break
            with self._unchanged(document):
                self.renew()
                Chunk.objects.bulk_create(batch)
                self._write(holding, attempt=1)
            if time.monotonic() >= ends:
                return False
        self._write(holding, total=work.searched.count(), chunk_count=work.chunks.count())
        return True

    def _write(self, holding: Holding, **changes: object) -> None:
        """Only these fields: another may have gone on with it."""
        for field, value in changes.items():
            setattr(holding, field, value)
        holding.save(update_fields=list(changes))

    def _move(self, document: Document) -> None:
        with self._unchanged(document):
            self.renew()
            self.backend.move(document.pk, document.collection_id)
            self._of(document).update(collection=document.collection_id, **Holding.UNTROUBLED)

    @contextmanager
    def _unchanged(self, document: Document) -> Iterator[Document]:
        """What is written here is written of the document as it stands: nobody deletes, moves or replaces it now."""
        with transaction.atomic():
            rows = Document.objects.filter(pk=document.pk, deleted_at=None, generation=document.generation).current()
            rows = rows.filter(collection=document.collection_id).select_for_update(no_key=True, of=("self",))
            if (row := rows.first()) is None:
                raise DocumentChangedError
            yield row

    def renew(self, **changes: object) -> None:
        """Write the progress and keep the lease; raises VersionLostError when the version was taken away."""
        until = timezone.now() + timedelta(seconds=LEASES * settings.LEASE_SECONDS)
        held = IndexVersion.objects.kept().filter(pk=self.version.pk, lease_token=self.token)
        if not held.update(lease_until=until, **changes):
            raise VersionLostError


def _is_of_the_document(exc: Exception) -> bool:
    """Whether others may fare better: not where the database refuses, unless something was too large for it."""
    is_refused = isinstance(exc, (OperationalError, InterfaceError))
    return not is_refused or (getattr(exc.__cause__, "sqlstate", None) or "").startswith(TOO_LARGE)


def _told(failed: Sequence[Holding]) -> str:
    """Which documents could not be brought in, by the reasons; "" when all were."""
    names: dict[str, list[str]] = defaultdict(list)
    for holding in failed:
        names[holding.error].append(f"“{holding.document}”")
    told = [f"{_named(them)}: {reason}" for reason, them in names.items()]
    more = f" And {len(told) - NAMED:,} other reasons." if len(told) > NAMED else ""
    number = f"{len(failed):,} document{'s' if len(failed) > 1 else ''}"
    return f"{number} could not be brought in. {' '.join(told[:NAMED])}{more}" if failed else ""


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
