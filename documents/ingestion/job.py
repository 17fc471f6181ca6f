"""One stretch of work on a document that was claimed: from the state it is in as far as it gets."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from documents.chunking import split, table_spans
from documents.embeddings import LOCAL_MODEL, EmbeddingError, embed_cached
from documents.indexes import live_version
from documents.ingestion.reading import PAGES_AT_ONCE, Reading
from documents.ingestion.traces import keep_only_live, tidy
from documents.intake import hold_place, with_attached
from documents.models import Attempt, Chunk, Document, IndexVersion, LeaseLost, Page, State
from documents.search import Entry
from documents.tokens import count_tokens

CHUNKS_AT_ONCE = 500
VECTORS_AT_ONCE, REMOTE_VECTORS_AT_ONCE = 32, 256
LOOK_S = 2.0  # between two looks whether the document is still ours, or others wait


class TurnOverError(Exception):
    """Others are waiting: what is stored stays, and the document goes on when it is its turn again."""


def prefixed(document: Document, chunk: Chunk) -> str:
    """A chunk as it is embedded and searched by words: under its title and section, and its table's header."""
    place = f"{document.display_title} > {chunk.section}" if chunk.section else document.display_title
    return "\n".join(filter(None, (place, chunk.header.strip(), chunk.text)))


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
        self.version = live_version(document.collection.index)
        if document.state == State.QUEUED:
            with transaction.atomic():
                document.renew(state=State.EXTRACTING, done=0, total=0, warnings=[], error=None, receipt={}, seconds={})
                keep_only_live(document)
        if document.state == State.EXTRACTING:
            with self.timed("extracting"):
                Reading(self).run()
        if document.state == State.CHUNKING:
            with self.timed("chunking"):
                self.chunk()
        if document.state == State.EMBEDDING:
            self.embed()
        self.finish()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0) + time.monotonic() - began, 2)

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
        """Cut the pages into chunks. A section that runs over pages keeps its heading."""
        document, version = self.document, self.version
        document.chunks.filter(generation=self.generation).delete()  # Of a worker that ended in the middle.
        batch: list[Chunk] = []
        above: list[tuple[int, int, str]] = []  # Headings still in force when a page begins.
        ordinal = 0
        pages = document.pages.filter(generation=self.generation).defer("runs", "boxes", "receipt")
        for page in pages.iterator(chunk_size=PAGES_AT_ONCE):
            page.document = document
            headings = [(0, level, title) for _, level, title in above] + [tuple(heading) for heading in page.headings]
            for chunk in self._chunks(page, headings, version):
                chunk.ordinal = ordinal
                batch.append(chunk)
                ordinal += 1
            above = _in_force(headings)
            if len(batch) >= CHUNKS_AT_ONCE:
                self.write(Chunk, batch, done=page.number)
                batch = []
        self.write(Chunk, batch, done=document.page_count)
        found = document.chunks.filter(generation=self.generation, is_searched=True).count()
        document.renew(state=State.EMBEDDING, done=0, total=found, chunk_count=ordinal)

    def _chunks(self, page: Page, headings: list[tuple[int, int, str]], version: IndexVersion) -> Iterator[Chunk]:
        spans = split(
            page.text,
            headings,
            tokens=version.chunk_tokens,
            overlap=version.chunk_overlap,
            count=count_tokens,
            tables=table_spans(page.tables),
        )
        for span in spans:
            chunk = Chunk(
                document=self.document,
                page=page,
                generation=self.generation,
                start=span.start,
                end=span.end,
                section=span.section[:500],
                header_start=span.header_start,
                header_end=span.header_end,
            )
            chunk.tokens = count_tokens(page.text[span.start : span.end])
            chunk.is_searched = bool(chunk.text.strip())
            yield chunk

    def embed(self) -> None:
        """Vectors and index, batch by batch: what is stored once is not computed, or paid for, again.

        The first version of a document can be found from its first batch on. Storing a batch makes the attempt the
        first again: a long file that outlives several restarts is no file that stops its worker.
        """
        document = self.document
        receipt = Counter(document.receipt.get("spent") or {})
        if document.done:
            document.renew(done=min(document.done, document.total))
        for batch in self._batches():
            with self.timed("embedding"):
                vectors, spent = self._vectors(batch)
            receipt.update(spent)
            entries = [
                Entry(chunk.pk, document.pk, self.generation, prefixed(document, chunk), document.language, vector)
                for chunk, vector in zip(batch, vectors, strict=True)
            ]
            live = {} if document.generation or document.replaces_id else {"generation": self.generation}
            with self.timed("indexing"), transaction.atomic():
                document.renew(
                    done=document.done + len(batch),
                    attempt=1,
                    seconds=self.seconds,
                    receipt={**document.receipt, "spent": receipt},
                    **live,
                )
                self.version.backend.add(entries)
            self.heed()
            if document.done < document.total:
                self.let_others()

    def _batches(self) -> Iterator[list[Chunk]]:
        rows = self.document.chunks.filter(generation=self.generation, is_searched=True).order_by("ordinal")
        rows = rows.select_related("page").defer("page__runs", "page__boxes", "page__tables", "page__receipt")
        is_local = self.version.embedding_model in {"", LOCAL_MODEL}
        size = VECTORS_AT_ONCE if is_local else REMOTE_VECTORS_AT_ONCE
        while batch := list(rows[self.document.done : self.document.done + size]):
            for chunk in batch:
                chunk.page.document = chunk.document = self.document
            yield batch

    def _vectors(self, batch: list[Chunk]) -> tuple[Sequence, dict[str, int]]:
        if not self.version.embedding_model:
            return [None] * len(batch), {}
        try:
            found = embed_cached(self.version.embedding_model, [prefixed(self.document, chunk) for chunk in batch])
        except EmbeddingError as exc:
            spent = Counter(self.document.receipt.get("spent") or {}) + Counter(tokens=exc.tokens)
            self.document.renew(receipt={**self.document.receipt, "spent": spent})  # It was paid for all the same.
            raise
        return found.vectors, {
            "embedded": len(batch) - found.cached,
            "cached": found.cached,
            "tokens": found.tokens,
        }

    def finish(self) -> None:
        """See that the index holds every chunk, then make it what is read."""
        document = self.document
        with self.timed("indexing"):
            if document.state != State.INDEXING:
                document.renew(state=State.INDEXING)
            found = self.version.backend.count(document.pk, self.generation)
            if found != document.total:
                raise RuntimeError(f"the index holds {found} of {document.total} chunks")
        for replaced in self.go_live():
            self.version.backend.remove(replaced)
        tidy(document)

    def go_live(self) -> list[UUID]:
        """One UPDATE, and searches see the new text instead of the old. Returns the versions that step back for it.

        A newer version may have been faster: then it is this one that steps back.
        """
        document = self.document
        with transaction.atomic():
            hold_place(document)
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


def _in_force(headings: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """The last heading of each level that no higher one has ended.

    >>> _in_force([(0, 1, "A"), (5, 2, "a"), (9, 1, "B"), (12, 3, "b")])
    [(9, 1, 'B'), (12, 3, 'b')]
    """
    stack: list[tuple[int, int, str]] = []
    for heading in headings:
        while stack and stack[-1][1] >= heading[1]:
            stack.pop()
        stack.append(heading)
    return stack
