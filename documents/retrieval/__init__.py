"""Find the passages that speak to a question: `retrieve()` is the library's one way from words to text.

Behind it, in this order: the question's vector, the search of every index the person reads in, one order for what they
found, neighbours joined, copies set aside, and, where settings name one, a reranker. docs/retrieval.md tells why.
"""

from __future__ import annotations

import logging
from collections.abc import Collection as Some
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import F

from documents.models import Chunk, Document, IndexVersion, Person
from documents.retrieval import reranking
from documents.retrieval.asking import Scope, asked_of
from documents.retrieval.duplicates import apart
from documents.retrieval.joining import Stretch, joined
from documents.retrieval.merging import Finding, merged
from documents.retrieval.passages import Passage, Place
from documents.search import Hit, Leg, Mode, Query, SearchError

__all__ = ["Found", "Passage", "Place", "Scope", "find", "retrieve"]

log = logging.getLogger(__name__)

EVERYWHERE = Scope()
ROOM = (3, 10)  # times as many chunks as passages are asked for: what is joined or a copy leaves gaps
UNREAD = [f"page__{name}" for name in ("headings", "tables", "runs", "boxes", "receipt")]


@dataclass(frozen=True)
class Found:
    """What a search brought, best first, and what a person may want to know of how it went: plain sentences."""

    passages: list[Passage]
    notices: list[str]


def retrieve(
    query: str,
    user: Person,
    *,
    top: int = 10,
    mode: Mode = "hybrid",
    collections: Some[UUID] | None = None,
    documents: Some[UUID] | None = None,
    version: IndexVersion | None = None,
) -> list[Passage]:
    """The best passages this person may read, best first.

    `collections` and `documents` narrow what is searched and never widen it: what the person may not read is left
    out, whoever asked for it. An empty collection of them finds nothing. `version` is searched in place of the live
    one of its index, and nothing but that index. Raises SearchError.
    """
    return find(query, user, Scope(mode, collections, documents, version), top=top).passages


def find(query: str, user: Person, scope: Scope = EVERYWHERE, *, top: int = 10) -> Found:
    """As `retrieve` does, and how it went."""
    notices: list[str] = []
    passages, copies = _gathered(query, user, asked_of(query, user, scope, notices), top, notices)
    wants_order = scope.mode == "hybrid" if scope.is_reranked is None else scope.is_reranked
    if wants_order and reranking.is_configured() and query.strip():
        try:
            passages = reranking.reranked(query, passages)
        except reranking.RerankFault as fault:
            log.warning("reranking failed: %s", fault)
            notices.append(reranking.NOTICE)
    return Found([*passages, *copies][:top], notices)


def _gathered(
    question: str, user: Person, asked: dict[IndexVersion, Query], top: int, notices: list[str]
) -> tuple[list[Passage], list[Passage]]:
    """Passages that each say something new, as many as are asked for if there are so many, and copies of them."""
    passages: list[Passage] = []
    copies: list[Passage] = []
    for room in ROOM:
        most = room * top
        searched = _searched(asked, most, notices)
        findings = [_finding(version, query, hits, user) for version, query, hits in searched]
        passages, copies = apart(merged(question, findings))
        if len(passages) >= top or all(len(hits) < most for *_, hits in searched):
            break
    return passages, copies


def _searched(
    asked: dict[IndexVersion, Query], most: int, notices: list[str]
) -> list[tuple[IndexVersion, Query, list[Hit]]]:
    """What each index finds. One that does not answer is told of and not asked again; if none does, that is raised."""
    found = []
    for version, query in list(asked.items()):
        try:
            found.append((version, query, version.backend.search(query, most)))
        except SearchError as exc:
            log.warning("index version %s was not searched: %s", version.pk, exc)
            del asked[version]
            if not asked:
                raise
            notices.append(f"“{version.index}” was not searched. {exc}")
    return found


def _finding(version: IndexVersion, query: Query, hits: list[Hit], user: Person) -> Finding:
    hits = _in_its_own_order(hits)
    by_chunk = {hit.chunk_id: hit for hit in hits}
    rows = _rows(list(by_chunk), user, query.collections)
    stretches = joined([rows[chunk_id] for chunk_id in by_chunk if chunk_id in rows])
    return Finding(
        [_passage(stretch, [by_chunk[chunk.pk] for chunk in stretch.chunks]) for stretch in stretches],
        version.embedding_model if query.vector is not None else "",
        query.alpha if query.alpha is not None and query.mode == "hybrid" else float(query.vector is not None),
        any(hit.reranked is not None for hit in hits),
    )


def _in_its_own_order(hits: list[Hit]) -> list[Hit]:
    """Where the backend ranked by meaning anew, that is the order; what it left out comes after, below those."""
    ranked = [replace(hit, score=hit.reranked) for hit in hits if hit.reranked is not None]
    if not ranked:
        return hits
    ranked.sort(key=lambda hit: -hit.score)
    rest = [replace(hit, score=hit.score * ranked[-1].score) for hit in hits if hit.reranked is None]
    return [*ranked, *rest]


def _rows(chunk_ids: list[int], user: Person, collections: frozenset[UUID]) -> dict[int, Chunk]:
    """The rows behind the hits, by the permission of this moment.

    What was deleted, superseded, read again, moved or closed to this person since the search is left out.
    """
    readable = Document.objects.for_user(user).current().filter(collection__in=collections)
    found = Chunk.objects.filter(document__in=readable, generation=F("document__generation"))
    rows = found.select_related("page", "document").defer(*UNREAD).in_bulk(chunk_ids)
    for chunk in rows.values():
        chunk.page.document = chunk.document  # It knows what an editor lets answers use.
    return rows


def _passage(stretch: Stretch, hits: list[Hit]) -> Passage:
    chunk, page = stretch.best, stretch.best.page
    return Passage(
        chunk_id=chunk.pk,
        document_id=chunk.document_id,
        document_title=chunk.document.display_title,
        document_name=chunk.document.name,
        version=chunk.document.version,
        page_number=page.number,
        page_label=page.label,
        start=stretch.start,
        end=stretch.end,
        section=chunk.section,
        text=stretch.text,
        score=hits[0].score,
        keyword=_best([hit.keyword for hit in hits]),
        vector=_best([hit.vector for hit in hits]),
        header=stretch.header,
    )


def _best(legs: list[Leg | None]) -> Leg | None:
    return min((leg for leg in legs if leg), key=lambda leg: leg.rank, default=None)
