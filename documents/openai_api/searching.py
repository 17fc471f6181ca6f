"""`/v1/vector_stores/{id}/search`, and what a file search narrows to: collections, and files by their attributes."""

from __future__ import annotations

import math
from collections.abc import Collection as Some
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from django.contrib.auth.models import User
from ninja import Field, Router

from documents.models import Document, StoreFile
from documents.openai_api.access import store_of
from documents.openai_api.filters import passes
from documents.openai_api.given import KEYS_MOST, Filters, Given, Ranking
from documents.openai_api.ids import FILE, public
from documents.openai_api.shapes import attributes_by_document
from documents.retrieval import Passage, Scope, find
from documents.search import SearchBusy, SearchError
from project.accounts import SignedInRequest
from project.api import ApiError, reading
from project.provider.pieces import bearable

router = Router(tags=["vector stores"])

UNAVAILABLE_S = 300  # An operator has to mend it first.
QUERIES_MOST = 10
Words = Annotated[str, Field(min_length=1, max_length=4_096)]


class SearchIn(Given):
    query: Words | Annotated[list[Words], Field(min_length=1, max_length=QUERIES_MOST)]
    filters: Filters | None = None
    max_num_results: int = Field(10, ge=1, le=50)
    ranking_options: Ranking | None = None
    rewrite_query: bool = False


@router.post("/vector_stores/{store_id}/search", auth=reading)
def search(request: SignedInRequest, store_id: str, payload: SearchIn):
    """The passages nearest to a query, or to any of several. Queries are searched for as they are."""
    collection = store_of(request.user, store_id)
    queries = payload.query if isinstance(payload.query, list) else [payload.query]
    documents = None if payload.filters is None else filtered([collection.pk], payload.filters)
    scope = Scope(collections=[collection.pk], documents=documents)
    least = payload.ranking_options.score_threshold if payload.ranking_options else 0
    found = _found([bearable(query) for query in queries], request.user, scope, payload.max_num_results)
    passages = [passage for passage in found if passage.score >= least]
    return {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": results_of(passages, request.user),
        "has_more": False,
        "next_page": None,
    }


def filtered(collections: Some[UUID], wanted: Filters | None) -> list[UUID]:
    """The documents of these collections whose attributes a filter lets through; without one all of them."""
    documents = Document.objects.filter(collection__in=list(collections), deleted_at=None).current()
    known = dict(StoreFile.objects.filter(document__in=documents).values_list("document_id", "attributes"))
    ids = documents.values_list("pk", flat=True)
    return [pk for pk in ids if wanted is None or passes(wanted, known.get(pk, {}))]


def results_of(passages: Some[Passage], user: User) -> list[dict[str, Any]]:
    """Passages as results of a file search; where each can be looked at stands among its attributes."""
    rows = attributes_by_document({passage.document_id for passage in passages}, user)
    return [_result(passage, rows.get(passage.document_id), user) for passage in passages]


def file_id_of(document_id: UUID, row: StoreFile | None, user: User) -> str:
    return public(FILE, row.shown_id(user) if row else document_id)


def _result(passage: Passage, row: StoreFile | None, user: User) -> dict[str, Any]:
    return {
        "file_id": file_id_of(passage.place.document_id, row, user),
        "filename": passage.document_name,
        "score": min(1.0, max(0.0, round(passage.score, 6))),
        "attributes": with_place(row.attributes if row else {}, passage),
        "content": [{"type": "text", "text": passage.text}],
    }


def with_place(attributes: Mapping[str, Any], passage: Passage) -> dict[str, Any]:
    """A file's own attributes go before ours, and there are never more than its shape allows.

    Attributes are all that the shape of a result leaves room for.
    """
    ours = {"url": passage.address, "page": passage.page_number}
    return dict([*attributes.items(), *((key, ours[key]) for key in ours if key not in attributes)][:KEYS_MOST])


def _found(queries: list[str], user: User, scope: Scope, top: int) -> list[Passage]:
    """Of several queries each passage once, with the best of its scores."""
    best: dict[tuple[Any, ...], Passage] = {}
    try:
        for query in queries:
            for passage in find(query, user, scope, top=top).passages:
                key = passage.place.document_id, passage.page_number, passage.start, passage.end
                if key not in best or best[key].score < passage.score:
                    best[key] = passage
    except SearchBusy as exc:
        wait = math.ceil(exc.retry_after)
        raise ApiError(503, "search_busy", str(exc), "Try again then.", retry_after=wait) from exc
    except SearchError as exc:
        advice = "An administrator must look at the index."
        raise ApiError(503, "search_unavailable", str(exc), advice, retry_after=UNAVAILABLE_S) from exc
    passages = list(best.values())
    return sorted(passages, key=lambda each: -each.score)[:top] if len(queries) > 1 else passages
