"""Find the passages that speak to a question: `retrieve()` is the library's one way from words to text."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection as Some
from dataclasses import dataclass
from uuid import UUID

from documents.embeddings import EmbeddingUnavailable, embed_query
from documents.models import Chunk, Collection, IndexVersion, Person
from documents.search import Hit, Leg, Mode, Query

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Passage:
    """A chunk with what is needed to show, cite and open it."""

    chunk_id: int
    document_id: UUID
    document_title: str
    document_name: str
    version: int
    page_number: int
    page_label: str
    start: int  # offsets into the page's text
    end: int
    section: str
    text: str
    score: float  # 0..1
    keyword: Leg | None
    vector: Leg | None
    header: str = ""  # the row that names the columns, where the text is a later part of a table


def retrieve(
    query: str,
    user: Person,
    *,
    top: int = 10,
    mode: Mode = "hybrid",
    collections: Some[UUID] | None = None,
    documents: Some[UUID] | None = None,
) -> list[Passage]:
    """The best passages this person may read, best first.

    `collections` and `documents` narrow what is searched and never widen it: what the person may not read is left
    out, whoever asked for it. An empty collection of them finds nothing.
    """
    readable = Collection.objects.for_user(user)
    if collections is not None:
        readable = readable.filter(pk__in=list(collections))
    places: dict[IndexVersion, set[UUID]] = defaultdict(set)
    for collection in readable.select_related("index__live"):
        if version := collection.index.live:
            places[version].add(collection.pk)
    narrowed = None if documents is None else frozenset(documents)
    hits: list[Hit] = []
    for version, ids in places.items():
        vector = None if mode == "keyword" else _query_vector(version, query)
        asked = Query(query, vector, frozenset(ids), narrowed, mode)
        hits += version.backend.search(asked, top)
    hits.sort(key=lambda hit: (-hit.score, hit.chunk_id))
    return _passages(hits[:top])


def _query_vector(version: IndexVersion, query: str) -> list[float] | None:
    """None where the question has no words or the model is missing: it is then looked up by its words alone."""
    if not version.embedding_model or not query.strip():
        return None
    try:
        return embed_query(version.embedding_model, query).tolist()
    except EmbeddingUnavailable as exc:
        log.warning("searching by words alone: %s", exc)
        return None


def _passages(hits: list[Hit]) -> list[Passage]:
    """The rows behind the hits. One that was deleted since the search is left out."""
    kept = Chunk.objects.filter(document__deleted_at=None).select_related("page", "document")
    rows = kept.in_bulk([hit.chunk_id for hit in hits])
    return [_passage(rows[hit.chunk_id], hit) for hit in hits if hit.chunk_id in rows]


def _passage(chunk: Chunk, hit: Hit) -> Passage:
    return Passage(
        chunk_id=chunk.pk,
        document_id=chunk.document_id,
        document_title=chunk.document.display_title,
        document_name=chunk.document.name,
        version=chunk.document.version,
        page_number=chunk.page.number,
        page_label=chunk.page.label,
        start=chunk.start,
        end=chunk.end,
        section=chunk.section,
        text=chunk.text,
        score=hit.score,
        keyword=hit.keyword,
        vector=hit.vector,
        header=chunk.header,
    )
