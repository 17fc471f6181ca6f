"""One stretch of work on a document that was claimed: from the state it is in as far as it gets."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from documents.changes import arrived, tell
from documents.embeddings import EmbeddingError
from documents.indexes import live_version
from documents.ingestion.indexing import Indexing, Vectors
from documents.ingestion.reading import Reading
from documents.ingestion.traces import forget, keep_only_live, tidy
from documents.intake import hold_place, with_attached
from documents.models import Attempt, Chunk, Document, Holding, Index, LeaseLost, Page, State
from documents.search import SearchBusy

log = logging.getLogger(__name__)

LAG_S = 10.0  # after which a remote index is looked at again
LOOK_S = 2.0  # between two looks whether others wait


class TurnOverError(Exception):
    """Others are waiting: what is stored stays, and the document goes on when it is its turn again."""


class SwappedError(Exception):
    """Another version of the index took the place of the one this was written for."""


class Job:
    """One stretch of work on a claimed document."""

    def __init__(self, document: Document, turn_s: float | None) -> None:
        self.document = document
        self.generation = document.building
        self.lost = threading.Event()  # The document was taken away; set by the heartbeat.
        self.ends = None if turn_s is None else time.monotonic() + turn_s
        self.seconds: dict[str, float] = {} if document.state == State.QUEUED else dict(document.seconds)

    def go_on(self) -> None:
        """From the state the document is in to the end."""
        document = self.document
        if document.state == State.QUEUED:
            live_version(document.collection.index)  # If no vectors can be had, better say so before the reading.
            with transaction.atomic():
                document.renew(state=State.EXTRACTING, done=0, total=0, warnings=[], error=None, receipt={}, seconds={})
                if self.generation > 1:  # Of the first, nothing was written yet.
                    keep_only_live(document)
        if document.state == State.EXTRACTING:
            with self.timed("extracting"):
                Reading(self).run()
        while not self.index():
            log.info("document %s goes into the index version that is live now", document.pk)
        tidy(document)

    def index(self) -> bool:
        """Cut, embed and make it live in the live version; False when that stepped down meanwhile."""
        document = self.document
        version = live_version(Index.objects.select_related("live").get(pk=document.collection.index_id))
        self.work = Indexing(document, version, self.generation)
        is_cut = document.total == 0 or self.work.chunks.exists()
        try:
            if document.state == State.CHUNKING or not is_cut:
                document.renew(state=State.CHUNKING, done=0, total=document.page_count)
                with self.timed("chunking"):
                    self.chunk()
            if document.state == State.EMBEDDING:
                self.embed()
            self.finish()
        except SwappedError:
            live = {"generation": 0} if document.generation == self.generation else {}
            document.renew(state=State.CHUNKING, done=0, total=document.page_count, **live)
            return False
        return True

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0) + time.monotonic() - began, 2)

    def heed_swap(self) -> None:
        """Before a write: this version is still the one that is searched. None is dropped within a minute of that."""
        if not Index.objects.filter(live=self.work.version.pk).exists():
            raise SwappedError

    def heed(self) -> None:
        if self.lost.is_set():
            raise LeaseLost(self.document.pk)

    def let_others(self) -> None:
        """At a place where everything is stored: end the turn if it is over and somebody waits."""
        if self.ends is not None and time.monotonic() >= self.ends:
            if Document.objects.waiting().exclude(pk=self.document.pk).exists():
                raise TurnOverError
            self.ends = time.monotonic() + LOOK_S

    def chunk(self) -> None:
        """Cut the pages into chunks."""
        document, total = self.document, 0
        self.work.chunks.delete()  # Of a worker that ended in the middle.
        for batch, pages in self.work.cut():
            total += len(batch)
            self.heed_swap()
            self.write(Chunk, batch, done=pages)
        document.renew(state=State.EMBEDDING, done=0, total=self.work.searched.count(), chunk_count=total)

    def embed(self) -> None:
        """Vectors and index, batch by batch: what is stored once is not computed, or paid for, again.

        The first version of a document can be found from its first batch on. Storing a batch makes the attempt the
        first again: a long file that outlives several restarts is no file that stops its worker.
        """
        document, work = self.document, self.work
        receipt = Counter(document.receipt.get("spent") or {})
        if document.done:
            document.renew(done=min(document.done, document.total))
        self.hold()
        while batch := work.next_batch(document.done):
            with self.timed("embedding"):
                vectors, spent = self._vectors(batch)
            receipt.update(spent)
            live = {} if document.generation or document.replaces_id else {"generation": self.generation}
            with self.timed("indexing"), transaction.atomic():
                document.renew(
                    done=document.done + len(batch),
                    attempt=1,
                    seconds=self.seconds,
                    receipt={**document.receipt, "spent": receipt},
                    **live,
                )
                self.heed_swap()
                document.refresh_from_db(fields=["collection"])  # It is held here, and goes where it lies.
                work.store(batch, vectors)
            self.heed()
            if document.done < document.total:
                self.let_others()

    def hold(self) -> None:
        """Note where its entries are about to be, in case it fails, or is moved before the last is written."""
        facts = {"generation": self.generation, "chunk_count": self.document.chunk_count}
        Holding.objects.get_or_create(
            index_version=self.work.version,
            document=self.document,
            defaults=facts | {"collection_id": self.document.collection_id},
        )

    def _vectors(self, batch: list[Chunk]) -> tuple[Vectors, dict[str, int]]:
        try:
            return self.work.vectors(batch, self.heed)
        except EmbeddingError as exc:
            spent = Counter(self.document.receipt.get("spent") or {}) + Counter(tokens=exc.tokens)
            self.document.renew(receipt={**self.document.receipt, "spent": spent})  # It was paid for all the same.
            raise

    def finish(self) -> None:
        """See that the index holds every chunk, then make it what is read."""
        document = self.document
        with self.timed("indexing"):
            if document.state != State.INDEXING:
                document.renew(state=State.INDEXING)
            self.heed_swap()
            found = self.work.held(document.total)
            if found < document.total and self.work.version.backend_name != "pgvector":
                raise SearchBusy("The search service takes in what it was sent.", LAG_S)
            if found != document.total:
                raise RuntimeError(f"the index holds {found} of {document.total} chunks")
        for replaced in Document.objects.select_related("collection").filter(pk__in=self.go_live()):
            forget(replaced)

    def go_live(self) -> list[UUID]:
        """One UPDATE, and searches see the new text instead of the old. Returns the versions that step back for it.

        A newer version may have been faster: then it is this one that steps back. Raises SwappedError when searches
        no longer look where this was written.
        """
        document, version = self.document, self.work.version
        with transaction.atomic():
            hold_place(document)
            index = Index.objects.select_for_update(of=("self",), no_key=True).get(pk=version.index_id)
            if index.live_id != version.pk:
                raise SwappedError
            document.end_attempt(Attempt.Outcome.DONE)
            document.renew(
                generation=self.generation,
                state=State.WARNING if document.warnings else State.READY,
                seconds=self.seconds,
                receipt=_with_cost(document.receipt),
                finished_at=timezone.now(),
                done=document.total,
                served_at=timezone.now(),
            )
            Document.objects.filter(pk=document.pk).update(lease_until=None, lease_token=None)
            self.hold()
            version.holdings.filter(document=document).update(  # Where it was moved from meanwhile, the building sees.
                generation=self.generation,
                chunk_count=document.chunk_count,
                total=document.total,
                done=document.total,
                finished_at=timezone.now(),
                **Holding.UNTROUBLED,
            )
            tell([document.pk], arrived)
            return [] if document.parent_id else self._replaced()

    def _replaced(self) -> list[UUID]:
        """What steps back for the newest version that can be found, with what was attached to it."""
        versions = self.document.versions().filter(superseded_at=None)
        live = versions.filter(generation__gt=0, deleted_at=None).select_for_update()
        newest = live.order_by("-version").first()
        older = [row for row in live if row != newest]
        ids = with_attached(Document.objects.filter(pk__in=[row.pk for row in older]))
        rows = Document.objects.filter(pk__in=ids)
        for row in rows.under_way():
            row.end_attempt(Attempt.Outcome.CANCELED, "A newer version took its place.")
        rows.under_way().update(state=State.CANCELED, lease_until=None, lease_token=None, finished_at=timezone.now())
        rows.update(superseded_at=timezone.now())
        tell(ids)
        return list(ids)

    def write(self, model: type[Page] | type[Chunk], rows: list, **progress: object) -> None:
        with transaction.atomic():
            self.document.renew(**progress)
            model.objects.bulk_create(rows)


def _with_cost(receipt: dict) -> dict:
    """The receipt with what was spent on vectors, in tokens and, where their price is set, in money."""
    spent = receipt.get("spent") or {}
    kept = {name: value for name, value in receipt.items() if name != "spent"} | spent
    if settings.EMBEDDING_PRICE and spent.get("tokens"):
        kept["cost"] = round(spent["tokens"] * settings.EMBEDDING_PRICE / 1_000_000, 6)
    return kept
