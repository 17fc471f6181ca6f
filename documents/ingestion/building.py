"""Bring every document of an index into a version of it: one that is being built, or one that fell behind.

What is missing is asked of the rows, never remembered: a document uploaded, read again, moved or deleted meanwhile is
seen at the next look. The work goes in the same small steps as the ingestion's, so that a worker that dies leaves
nothing to clean up, and a version that was cancelled is left at the next step.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from documents.embeddings import EmbeddingBusy, EmbeddingUnavailable
from documents.ingestion.indexing import Indexing
from documents.models import Chunk, Document, DocumentQuerySet, Holding, IndexVersion, State
from documents.search import SearchBusy, SearchUnavailable

log = logging.getLogger(__name__)

DOCUMENTS_AT_ONCE = 100  # looked for at a time: in a large library looking takes as long as bringing some in
LEASES = 3  # as long as a version is held between two signs of life: a batch of vectors may take a minute
LATER = timedelta(minutes=5)  # after what only an operator can mend, for a version that is in use
DATABASE_PATIENCE_S = 30
FAULT = "A fault of Lectern's own stopped it; it is noted in the log."


class VersionLostError(Exception):
    """The version was cancelled, dropped or taken by another worker."""


class DocumentChangedError(Exception):
    """The document was deleted, read again or moved while it was brought in."""


def missing(version: IndexVersion) -> DocumentQuerySet:
    """What searches should find in this version and do not yet, or find at the wrong place."""
    held = Holding.objects.filter(
        index_version=version,
        document=OuterRef("pk"),
        generation=OuterRef("generation"),
        collection=OuterRef("collection"),
    ).exclude(finished_at=None)
    partly_live = Q(state__in=(State.EMBEDDING, State.INDEXING), generation=F("building"))
    rows = Document.objects.filter(collection__index=version.index_id, deleted_at=None, generation__gt=0).current()
    return rows.exclude(partly_live).exclude(Exists(held))


def build_next(version: IndexVersion, turn_s: float) -> bool:
    """Work on a version for a while; True when there is more to do. Two workers at once do no harm."""
    token = _claim(version)
    if token is None:
        return False
    began = time.monotonic()
    building = Building(version, token)
    changes: dict[str, object] = {"error": ""}
    try:
        if is_unfinished := building.go_on(began + turn_s):
            return is_unfinished
        changes["state"] = IndexVersion.State.READY
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
        held.update(
            lease_until=None, lease_token=None, seconds=F("seconds") + round(time.monotonic() - began, 2), **changes
        )
    return False


def _claim(version: IndexVersion) -> uuid.UUID | None:
    now, token = timezone.now(), uuid.uuid4()
    free = IndexVersion.objects.kept().filter(
        Q(lease_until=None) | Q(lease_until__lt=now), Q(not_before=None) | Q(not_before__lte=now), pk=version.pk
    )
    until = now + timedelta(seconds=LEASES * settings.LEASE_SECONDS)
    return token if free.update(lease_until=until, lease_token=token, not_before=None) else None


def _given_up(version: IndexVersion, sentence: str) -> dict[str, object]:
    """One that is being built stops and says why; one that is in use is tried again and again."""
    if IndexVersion.objects.filter(pk=version.pk, state=IndexVersion.State.BUILDING).exists():
        return {"state": IndexVersion.State.FAILED, "error": sentence[:300]}
    return {"error": sentence[:300], "not_before": timezone.now() + LATER}


class Building:
    """A claimed version, and what is brought into it."""

    def __init__(self, version: IndexVersion, token: uuid.UUID) -> None:
        self.version, self.token = version, token
        self.backend = version.backend

    def go_on(self, ends: float) -> bool:
        """Bring in what is missing, one document after the other; True when the time is over first."""
        lacking = missing(self.version).select_related("collection").order_by("created_at", "pk")
        while documents := list(lacking[:DOCUMENTS_AT_ONCE]):
            for document in documents:
                try:
                    is_whole = self.bring(document, ends)
                except DocumentChangedError:
                    log.info("document %s changed while index version %s was built", document.pk, self.version.pk)
                    is_whole = True  # It is looked at again, as it stands then.
                if not is_whole or time.monotonic() >= ends:
                    return True
        self.renew()
        return False

    def bring(self, document: Document, ends: float) -> bool:
        """One document, from where it stopped the last time; False when the time is over before it is whole."""
        work = Indexing(document, self.version, document.generation)
        holding = self._begun(work)
        if holding.collection_id != document.collection_id:
            self._move(document)
            if holding.finished_at:
                return True
        while batch := work.next_batch(holding.done):
            vectors, spent = work.vectors(batch)
            with self._unchanged(document):
                self.renew(
                    embedded=F("embedded") + spent.get("embedded", 0), tokens=F("tokens") + spent.get("tokens", 0)
                )
                work.store(batch, vectors)
                holding.done += len(batch)
                holding.save(update_fields=["done"])
            if time.monotonic() >= ends:
                return False
        if (found := work.held(holding.done)) != holding.done:
            Holding.objects.filter(pk=holding.pk).update(done=0)
            raise SearchBusy(f"The index shows {found:,} of {holding.done:,} passages of “{document}” so far.", 5)
        with self._unchanged(document):
            self.renew()
            Holding.objects.filter(pk=holding.pk).update(finished_at=timezone.now())
        return True

    def _begun(self, work: Indexing) -> Holding:
        """The holding with its chunks cut, whether now or by whoever worked on it before."""
        document = work.document
        holding = Holding.objects.filter(index_version=self.version, document=document).first()
        if holding and holding.generation == document.generation:
            return holding
        with self._unchanged(document):
            self.renew()
            holding = Holding.objects.filter(index_version=self.version, document=document).first()
            if holding and holding.generation == document.generation:
                return holding  # It was read again meanwhile, and went live here.
            self.backend.remove(document.pk)
            document.chunks.filter(index_version=self.version).delete()
            count = 0
            for batch, _ in work.cut():
                Chunk.objects.bulk_create(batch)
                count += len(batch)
            facts = {"generation": document.generation, "collection": document.collection, "chunk_count": count}
            return Holding.objects.update_or_create(
                index_version=self.version, document=document, defaults=facts | {"done": 0, "finished_at": None}
            )[0]

    def _move(self, document: Document) -> None:
        with self._unchanged(document):
            self.renew()
            self.backend.move(document.pk, document.collection_id)
            self.version.holdings.filter(document=document).update(collection=document.collection_id)

    @contextmanager
    def _unchanged(self, document: Document) -> Iterator[None]:
        """What is written here is written of the document as it stands: nobody deletes, moves or replaces it now."""
        with transaction.atomic():
            row = Document.objects.filter(pk=document.pk, deleted_at=None, generation=document.generation).current()
            if not row.filter(collection=document.collection_id).select_for_update(no_key=True, of=("self",)).exists():
                raise DocumentChangedError
            yield

    def renew(self, **changes: object) -> None:
        """Write the progress and keep the lease; raises VersionLostError when the version was taken away."""
        until = timezone.now() + timedelta(seconds=LEASES * settings.LEASE_SECONDS)
        held = IndexVersion.objects.kept().filter(pk=self.version.pk, lease_token=self.token)
        if not held.update(lease_until=until, **changes):
            raise VersionLostError
