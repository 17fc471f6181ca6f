"""What each index is asked: the question, its vector and that vector's weight, and the collections it may look in."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection as Some
from dataclasses import dataclass, replace
from uuid import UUID

from django.conf import settings

from documents.embeddings import EmbeddingError, embed_query, embedder
from documents.models import Collection, Document, IndexVersion, Person
from documents.retrieval.weighing import weight_of_meaning
from documents.search import Mode, Query
from project.spending import Payer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scope:
    """Where is looked, and how. None: everywhere that the person may read."""

    mode: Mode = "hybrid"
    collections: Some[UUID] | None = None
    documents: Some[UUID] | None = None
    version: IndexVersion | None = None  # this one of its index, in place of the one that is live
    is_reranked: bool | None = None  # where a reranker is set up; None: of searches by words and meaning, all
    alpha: float | None = None  # how much meaning weighs, 0..1; None: as the setting and the languages say
    paid_by: int | None = None  # the user whose budget the question's vector counts against; None: who asks


def asked_of(question: str, user: Person, scope: Scope, notices: list[str]) -> dict[IndexVersion, Query]:
    """What each index is asked, with the collections in it that this person may read."""
    readable = Collection.objects.for_user(user)
    if scope.collections is not None:
        readable = readable.filter(pk__in=list(scope.collections))
    if scope.version is not None:
        readable = readable.filter(index=scope.version.index_id)
    places: dict[IndexVersion, set[UUID]] = defaultdict(set)
    for collection in readable.select_related("index__live"):
        if version := scope.version or collection.index.live:
            places[version].add(collection.pk)
    narrowed = None if scope.documents is None else frozenset(scope.documents)
    asked = {version: Query(question, None, frozenset(ids), narrowed, scope.mode) for version, ids in places.items()}
    if scope.mode == "keyword" or not question.strip():
        return asked
    payer = Payer("embedding", scope.paid_by or user.pk, collection_id=_only(scope.collections))
    models = {version.embedding_model for version in asked} - {""}
    vectors = {model: _vector(model, question, payer, notices) for model in sorted(models)}
    return {
        version: replace(query, vector=vector, alpha=_alpha(version, query) if scope.alpha is None else scope.alpha)
        if (vector := vectors.get(version.embedding_model))
        else query
        for version, query in asked.items()
    }


def _vector(model: str, question: str, payer: Payer, notices: list[str]) -> list[float] | None:
    """None where there is none to be had: the question is then looked up by its words alone."""
    try:
        return embed_query(model, question, payer).tolist()
    except EmbeddingError as exc:
        log.warning("searching by words alone: %s", exc)
        notices.append(f"Searched by words alone. {exc}")
        return None


def _only(collections: Some[UUID] | None) -> UUID | None:
    return next(iter(collections)) if collections is not None and len(collections) == 1 else None


def _alpha(version: IndexVersion, query: Query) -> float:
    def languages() -> list[str]:
        rows = Document.objects.filter(collection__in=query.collections, deleted_at=None).current()
        if query.documents is not None:
            rows = rows.filter(pk__in=query.documents)
        return list(rows.order_by().values_list("language", flat=True).distinct())

    return weight_of_meaning(query.text, settings.FUSION_ALPHA, embedder(version.embedding_model).languages, languages)
