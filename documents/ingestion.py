"""From a stored file to chunks that can be found: `ingest(document)`, the only writer of Page and Chunk.

Everything is written under a new generation beside the one that is read, and one UPDATE makes it live. Each step
begins by renewing the lease, in the transaction that writes, so a worker that lost its document writes nothing.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from documents.chunking import split
from documents.embeddings import embed_cached
from documents.extraction import ExtractedDocument, ExtractedPage, ExtractionError, extract
from documents.languages import language_of
from documents.models import Chunk, Document, IndexVersion, LeaseLost, Page, State
from documents.search import Entry
from documents.tokens import count_tokens

log = logging.getLogger(__name__)

PAGES_AT_ONCE = 16
CHUNKS_AT_ONCE = 500
VECTORS_AT_ONCE = 32
LANGUAGE_SAMPLE = 20_000  # letters


def ingest(document: Document) -> None:
    """Make a document findable, or say why not. Running it twice, or on two workers at once, does no harm."""
    if not document.claim():
        return
    if document.attempt > settings.INGEST_ATTEMPTS:
        _fail(
            document, "worker_lost", "Reading this file stopped its worker three times.", "Save it anew and upload it."
        )
        return
    try:
        with _heartbeat(document):
            _read_and_index(document)
    except LeaseLost:
        log.info("document %s was taken away while it was read", document.pk)
        document.refresh_from_db()
        if document.deleted_at:
            remove_traces(document)  # Again: something may have been written since.
    except ExtractionError as exc:
        _fail(document, exc.code, exc.reason, exc.advice)
    except Exception:
        log.exception("job_failed document=%s attempt=%s", document.pk, document.attempt)
        _try_again_later(document)


def remove_traces(document: Document) -> None:
    """Take a deleted document's file, text and chunks away; its row stays, so that citations can say it is gone."""
    document.collection.index.live_version.backend.remove(document.pk)
    document.pages.all().delete()
    document.path.unlink(missing_ok=True)
    shutil.rmtree(document.pictures, ignore_errors=True)
    Document.objects.filter(pk=document.pk).update(generation=0, cleaned_at=timezone.now())


def _read_and_index(document: Document) -> None:
    version = document.collection.index.live_version
    generation = document.building
    reached = document.done if document.state == State.EMBEDDING else 0  # By a worker that was stopped.
    clock = _Clock()
    _keep_only_live(document, version)  # A worker that died may have left something.
    _extract(document, generation)
    clock.stamp("extracting")
    _chunk(document, generation, version)
    clock.stamp("chunking")
    # Prefetched, the chunks of a page share its text; joined, each would hold a copy.
    chunks = list(document.chunks.filter(generation=generation).prefetch_related("page"))
    texts = [prefixed(document, chunk) for chunk in chunks]
    vectors = _embed(document, version, texts, reached)
    clock.stamp("embedding")
    document.renew(state=State.INDEXING, done=0, total=len(chunks))
    version.backend.add(
        Entry(chunk.pk, document.pk, generation, text, document.language, vector)
        for chunk, text, vector in zip(chunks, texts, vectors, strict=True)
    )
    found = version.backend.count(document.pk, generation)
    if found != len(chunks):
        raise RuntimeError(f"the index holds {found} of {len(chunks)} chunks")
    clock.stamp("indexing")
    for replaced in _go_live(document, generation, len(chunks), clock.seconds):
        version.backend.remove(replaced)
    _keep_only_live(document, version)


def prefixed(document: Document, chunk: Chunk) -> str:
    """A chunk as it is embedded and searched by words: under its title and section."""
    place = f"{document.display_title} > {chunk.section}" if chunk.section else document.display_title
    return f"{place}\n{chunk.text}"


def _extract(document: Document, generation: int) -> None:
    """Read the file into pages, a few at a time, so that progress shows and memory stays small."""
    document.renew(state=State.EXTRACTING, done=0, total=0, warnings=[], error=None)
    head, batch, done, sample = ExtractedDocument(), [], 0, ""
    read = extract(
        document.path,
        document.kind,
        memory_bytes=settings.EXTRACT_MEMORY_BYTES,
        seconds=settings.EXTRACT_SECONDS,
        pages_max=settings.PAGES_MAX,
    )
    for item in read:
        if isinstance(item, ExtractedDocument):
            head = item  # Comes first with what is known, and last with what was found.
            continue
        done += 1
        batch.append(_page(document, generation, done, item))
        if len(sample) < LANGUAGE_SAMPLE:
            sample += item.text[:LANGUAGE_SAMPLE] + "\n"
        if len(batch) == PAGES_AT_ONCE:
            _write(document, Page, batch, done=done, total=head.page_count)
            batch = []
    _write(document, Page, batch, done=done, total=done)
    nothing = [] if sample.strip() else ["No text was found in this file, so nothing in it can be found."]
    document.renew(
        title=head.title[:300],
        page_count=done,
        warnings=head.warnings or nothing,
        language=language_of(sample[:LANGUAGE_SAMPLE]),
    )


def _page(document: Document, generation: int, number: int, item: ExtractedPage) -> Page:
    return Page(
        document=document,
        generation=generation,
        number=number,
        label=item.label[:40],
        text=item.text,
        headings=[list(heading) for heading in item.headings],
    )


def _chunk(document: Document, generation: int, version: IndexVersion) -> None:
    document.renew(state=State.CHUNKING, done=0, total=document.page_count)
    batch: list[Chunk] = []
    above: list[tuple[int, int, str]] = []  # The headings still in force when a page begins.
    ordinal = 0
    for page in document.pages.filter(generation=generation).iterator(chunk_size=PAGES_AT_ONCE):
        headings = [(0, level, title) for _, level, title in above] + [tuple(heading) for heading in page.headings]
        spans = split(
            page.text, headings, tokens=version.chunk_tokens, overlap=version.chunk_overlap, count=count_tokens
        )
        for span in spans:
            batch.append(
                Chunk(
                    document=document,
                    page=page,
                    generation=generation,
                    ordinal=ordinal,
                    start=span.start,
                    end=span.end,
                    section=span.section[:500],
                )
            )
            ordinal += 1
        above = _in_force(headings)
        if len(batch) >= CHUNKS_AT_ONCE:
            _write(document, Chunk, batch, done=page.number)
            batch = []
    _write(document, Chunk, batch, done=document.page_count)


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


def _embed(document: Document, version: IndexVersion, texts: list[str], reached: int) -> list:
    """A vector for each text; what was computed before an interruption is taken from the cache.

    Getting further than the attempt before makes this one the first again: a long file that outlives several
    restarts is no file that stops its worker.
    """
    document.renew(state=State.EMBEDDING, done=0, total=len(texts))
    if not version.embedding_model:
        return [None] * len(texts)
    vectors: list = []
    for start in range(0, len(texts), VECTORS_AT_ONCE):
        vectors.extend(embed_cached(version.embedding_model, texts[start : start + VECTORS_AT_ONCE]))
        document.renew(done=len(vectors), **({"attempt": 1} if len(vectors) > reached else {}))
    return vectors


def _write(document: Document, model: type[Page] | type[Chunk], rows: list, **progress: int) -> None:
    with transaction.atomic():
        document.renew(**progress)
        model.objects.bulk_create(rows)


def _go_live(document: Document, generation: int, chunk_count: int, seconds: dict[str, float]) -> list[UUID]:
    """One UPDATE, and searches see the new text instead of the old. Returns the versions that step back for it.

    A newer version may have been faster: then it is this one that steps back.
    """
    with transaction.atomic():
        document.renew(
            generation=generation,
            state=State.WARNING if document.warnings else State.READY,
            chunk_count=chunk_count,
            seconds=seconds,
            finished_at=timezone.now(),
            done=chunk_count,
            total=chunk_count,
        )
        Document.objects.filter(pk=document.pk).update(lease_until=None, lease_token=None, not_before=None)
        versions = Document.objects.filter(collection=document.collection, name=document.name, superseded_at=None)
        live = versions.filter(generation__gt=0, deleted_at=None).select_for_update()
        newest = live.order_by("-version").first()
        replaced = [row.pk for row in live if row != newest]
        versions.filter(pk__in=replaced).update(superseded_at=timezone.now())
    return replaced


def _keep_only_live(document: Document, version: IndexVersion) -> None:
    """Nothing but the generation that is read stays."""
    document.pages.exclude(generation=document.generation).delete()
    version.backend.remove(document.pk, keep_generation=document.generation)


def _fail(document: Document, code: str, reason: str, advice: str) -> None:
    log.info("job_failed document=%s code=%s", document.pk, code)
    Document.objects.under_way().filter(pk=document.pk, lease_token=document.lease_token).update(
        state=State.FAILED,
        error={"code": code, "reason": reason, "advice": advice},
        finished_at=timezone.now(),
        lease_until=None,
        lease_token=None,
    )


def _try_again_later(document: Document) -> None:
    """A fault that may pass: wait a little longer each time, then say so."""
    if document.attempt >= settings.INGEST_ATTEMPTS:
        _fail(document, "internal", "Lectern could not read this file; the fault is noted.", "Try again later.")
        return
    Document.objects.under_way().filter(pk=document.pk, lease_token=document.lease_token).update(
        state=State.QUEUED,
        lease_until=None,
        lease_token=None,
        not_before=timezone.now() + timedelta(seconds=10 * 3**document.attempt),
    )


@contextmanager
def _heartbeat(document: Document) -> Iterator[None]:
    """Keep the lease while a single step takes long; a worker that dies stops keeping it."""
    stop = threading.Event()
    token = document.lease_token

    def beat() -> None:
        try:
            while not stop.wait(settings.LEASE_SECONDS / 3):
                held = Document.objects.under_way().filter(pk=document.pk, lease_token=token)
                held.update(lease_until=timezone.now() + timedelta(seconds=settings.LEASE_SECONDS))
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Clock:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def stamp(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage] = round(now - self._last, 2)
        self._last = now
