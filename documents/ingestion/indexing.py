"""Bring one generation of a document into one index version: cut its pages, embed the chunks, word the entries.

Nothing here says when: the ingestion does it for a document that is read, the building for a version that is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from django.db.models import Max

from documents.chunking import split, table_spans
from documents.embeddings import LOCAL_MODEL, Heed, embed_cached
from documents.ingestion.exclusions import Span, excluded_spans, is_excluded
from documents.models import Chunk, Document, IndexVersion, Page
from documents.search import Entry
from project.spending import Payer
from project.tokens import count_tokens

PAGES_AT_ONCE = 16
CHUNKS_AT_ONCE = 500
VECTORS_AT_ONCE, REMOTE_VECTORS_AT_ONCE = 32, 256
SETTLED_S = 10.0  # as long as a remote index may take to show what it was told
Vectors = Sequence[Any]  # one a chunk; None where nothing is searched by meaning


def prefixed(document: Document, chunk: Chunk) -> str:
    """A chunk as it is embedded and searched by words: under its title and section, and its table's header."""
    place = f"{document.display_title} > {chunk.section}" if chunk.section else document.display_title
    return "\n".join(filter(None, (place, chunk.header.strip(), chunk.text)))


class Indexing:
    """One document's generation on its way into one index version."""

    def __init__(self, document: Document, version: IndexVersion, generation: int) -> None:
        self.document = document
        self.version = version
        self.generation = generation
        self.chunks = document.chunks.filter(index_version=version, generation=generation)
        self.searched = self.chunks.filter(is_searched=True)

    @cached_property
    def excluded(self) -> dict[int, list[Span]]:
        """Where an administrator wants nothing to be found."""
        return excluded_spans(self.document, self.generation)

    def cut(self) -> Iterator[tuple[list[Chunk], int]]:
        """Chunks that are not stored yet, some hundred at a time, and how many pages they come from so far.

        It begins behind the last page of which chunks are stored: store each batch whole. A section that runs over
        pages keeps its heading.
        """
        batch: list[Chunk] = []
        above: list[tuple[int, int, str]] = []  # Headings still in force when a page begins.
        stored = self.chunks.aggregate(page=Max("page__number"), ordinal=Max("ordinal"))
        ordinal = 0 if stored["ordinal"] is None else stored["ordinal"] + 1
        pages = self.document.pages.filter(generation=self.generation).defer("runs", "boxes", "receipt")
        number = 0
        for page in pages.iterator(chunk_size=PAGES_AT_ONCE):
            page.document = self.document
            headings = [(0, level, title) for _, level, title in above] + _told(page)
            for chunk in self._of_page(page, headings) if page.number > (stored["page"] or 0) else ():
                chunk.ordinal = ordinal
                batch.append(chunk)
                ordinal += 1
            above = _in_force(headings)
            number = page.number
            if len(batch) >= CHUNKS_AT_ONCE:
                yield batch, number
                batch = []
        yield batch, number

    def _of_page(self, page: Page, headings: list[tuple[int, int, str]]) -> Iterator[Chunk]:
        spans = split(
            page.text,
            headings,
            tokens=self.version.chunk_tokens,
            overlap=self.version.chunk_overlap,
            count=count_tokens,
            tables=table_spans(page.tables),
        )
        for span in spans:
            chunk = Chunk(
                document=self.document,
                page=page,
                index_version=self.version,
                generation=self.generation,
                start=span.start,
                end=span.end,
                section=span.section[:500],
                header_start=span.header_start,
                header_end=span.header_end,
            )
            chunk.tokens = count_tokens(page.text[span.start : span.end])
            is_out = is_excluded((span.start, span.end), self.excluded.get(page.number, ()))
            chunk.is_searched = bool(chunk.text.strip()) and not is_out
            yield chunk

    def next_batch(self, done: int) -> list[Chunk]:
        """The searched chunks behind the first `done`, as many as are embedded at once; [] at the end."""
        rows = self.searched.order_by("ordinal").select_related("page")
        rows = rows.defer("page__runs", "page__boxes", "page__tables", "page__receipt")
        is_local = self.version.embedding_model in {"", LOCAL_MODEL}
        batch = list(rows[done : done + (VECTORS_AT_ONCE if is_local else REMOTE_VECTORS_AT_ONCE)])
        for chunk in batch:
            chunk.page.document = chunk.document = self.document
        return batch

    def vectors(self, batch: Sequence[Chunk], heed: Heed | None = None) -> tuple[Vectors, dict[str, int]]:
        """A vector for each chunk, and what that took: embedded, cached, tokens. Raises EmbeddingError."""
        if not self.version.embedding_model:
            return [None] * len(batch), {}
        payer = Payer("embedding", self.document.owner_id, collection_id=self.document.collection_id)
        texts = [prefixed(self.document, chunk) for chunk in batch]
        found = embed_cached(self.version.embedding_model, texts, payer, heed)
        spent = {"embedded": len(batch) - found.cached, "cached": found.cached, "tokens": found.tokens}
        return found.vectors, spent

    def store(self, batch: Sequence[Chunk], vectors: Vectors) -> None:
        """Into the index; what is there already is written again. Raises SearchError."""
        document = self.document
        self.version.backend.add(
            Entry(
                chunk.pk,
                document.pk,
                document.collection_id,
                self.generation,
                prefixed(document, chunk),
                document.language,
                vector,
            )
            for chunk, vector in zip(batch, vectors, strict=True)
        )

    def held(self, expected: int) -> int:
        """How many chunks the index shows; one that lags behind is given some seconds to show all."""
        ends = time.monotonic() + SETTLED_S
        while (found := self.version.backend.count(self.document.pk, self.generation)) < expected:
            if time.monotonic() > ends or self.version.backend_name == "pgvector":
                break
            time.sleep(0.5)
        return found


def _told(page: Page) -> list[tuple[int, int, str]]:
    """The headings that answers may use: none of words that were found hidden, or speaking to a model."""
    headings = [(place, level, title) for place, level, title in page.headings]
    if not page.findings or page.document.trusted_at:
        return headings
    return [
        heading
        for heading in headings
        if not any(start < heading[0] + len(heading[2]) and heading[0] < end for start, end, *_ in page.findings)
    ]


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
