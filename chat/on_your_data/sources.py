"""Where a request's data source is searched: in Lectern's own collections, or at a search service that may be called.

A name in the request finds one of Lectern's collections or indexes, and of those only what the caller may read. An
address in it is called only if an operator has named its host (LECTERN_SEARCH_HOSTS); otherwise it is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection as Some
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.text import slugify

from chat.grounding.data_sources import (
    PLACE_NAMES,
    AccessToken,
    ApiKey,
    AzureSearch,
    DataSource,
    EmbeddingDeployment,
    Integrated,
)
from chat.on_your_data.finding import Results, Scored, Search
from documents import retrieval
from documents.embeddings import EmbeddingError, embed_query, local_model_name, model_name
from documents.models import Collection, Document
from documents.retrieval import Passage, Scope, odata, reranking
from documents.search import Mode, SearchUnavailable
from documents.search.azure import outer
from documents.search.azure.calls import is_loopback
from project.provider.pieces import bearable
from project.spending import Payer

AZURE_SCALE = 4.0  # Azure's semantic ranking gives 0 to 4.
NOT_FOUND = (
    "Invalid {kind} configuration detected: Call to get {place} index failed. Check if you are using the correct index "
    "name. There is no index or collection “{name}” here that this key may search."
)
NOT_MAPPED = (
    "Invalid {kind} configuration detected: the {place} index “{name}” is not served here. An administrator tells "
    "which index or collection stands for it: LECTERN_ON_YOUR_DATA_INDEXES={type}:{name}=…"
)
OLD_NAMES = {"azure_search": "AzureCognitiveSearch", "azure_cosmos_db": "AzureCosmosDB", "mongo_db": "MongoDB"}
OLD_NAMES |= {"elasticsearch": "Elasticsearch", "pinecone": "Pinecone"}


class SourceError(ValueError):
    """The data source cannot be searched as it is written; str(exc) is for whoever wrote the request."""


@dataclass(frozen=True)
class Place:
    """What is searched, and how. `collections` are those of Lectern, or None for a service elsewhere."""

    search: Search = field(repr=False)
    collections: Some[UUID] | None


def place_of(source: DataSource, user: User) -> Place:
    """Where this person's request is searched. Raises SourceError."""
    if isinstance(source, AzureSearch) and is_allowed(source.parameters.endpoint):
        return Place(_outer_search(source.parameters, user), None)
    parameters, collections = source.parameters, _collections(source, user)
    documents = _documents(parameters, user, collections)
    query_type = getattr(parameters, "query_type", None) or ("simple" if _has_words(source) else "vector")
    return Place(_own_search(user, collections, documents, query_type), collections)


def _has_words(source: DataSource) -> bool:
    """Two of the five look up words unless they are told otherwise; the others know vectors alone."""
    return source.type in {"azure_search", "elasticsearch"}


def is_allowed(endpoint: str) -> bool:
    """Whether an operator lets us call this address: a host by its whole name, over TLS but on this machine itself."""
    try:
        parts = urlsplit(endpoint.strip().lower())
        port = parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.query or parts.fragment or parts.path not in {"", "/"}:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(endpoint))
    host = parts.hostname or ""
    return is_safe and (f"{host}:{port}" if port else host) in settings.SEARCH_HOSTS


# Lectern's own -------------------------------------------------------------------------------------------------------
def _collections(source: DataSource, user: User) -> set[UUID]:
    written = source.parameters.index_name
    name = settings.ON_YOUR_DATA_INDEXES.get((source.type, written.casefold()))
    words = {"type": source.type, "name": written[:100], "place": PLACE_NAMES[source.type]}
    words["kind"] = OLD_NAMES[source.type]
    if name is None and source.type != "azure_search":
        raise SourceError(NOT_MAPPED.format(**words))
    found = collections_named(name or written, user)
    if not found:
        raise SourceError(NOT_FOUND.format(**words))
    return found


def collections_named(name: str, user: User) -> set[UUID]:
    """The collections of this name that the person may read, or else all of theirs in the index of this name.

    Names of indexes at Azure have small letters and dashes: "house-rules" finds “House rules” where nothing is called
    so itself.
    """
    readable = list(Collection.objects.for_user(user).select_related("index"))
    slug = slugify(name, allow_unicode=True)
    same = (
        lambda each: each.name == name,
        lambda each: each.index.name == name,
        lambda each: slugify(each.name, allow_unicode=True) == slug != "",
        lambda each: slugify(each.index.name, allow_unicode=True) == slug != "",
    )
    return next(filter(None, ({each.pk for each in readable if is_it(each)} for is_it in same)), set())


def _documents(parameters: Any, user: User, collections: Some[UUID]) -> frozenset[UUID] | None:
    """Those that the filter lets through; None where there is no filter."""
    if not (written := getattr(parameters, "filter", None)):
        return None
    mapping = parameters.fields_mapping
    given = {"title": "title_field", "url": "url_field", "filepath": "filepath_field"}
    names = {named: ours for ours, theirs in given.items() if mapping and (named := getattr(mapping, theirs))}
    readable = Document.objects.for_user(user).current().filter(collection__in=collections)
    try:
        return frozenset(odata.narrowed(readable, written, names).values_list("pk", flat=True))
    except odata.FilterFault as exc:
        raise SourceError(f"Validation error at #/data_sources/0/azure_search/parameters/filter: {exc}") from None


def scope_of(query_type: str, collections: Some[UUID], documents: Some[UUID] | None) -> Scope:
    """Words, meaning or both; the semantic ones are put into order by the reranker where there is one."""
    mode: Mode = "hybrid" if "hybrid" in query_type else "vector" if query_type == "vector" else "keyword"
    return Scope(mode, collections, documents, is_reranked="semantic" in query_type)


def _own_search(user: User, collections: Some[UUID], documents: Some[UUID] | None, query_type: str) -> Search:
    scope = scope_of(query_type, collections, documents)

    def search(query: str, top: int) -> Results:
        found = retrieval.find(query, user, scope, top=top)
        is_anew = bool(scope.is_reranked) and reranking.is_configured() and reranking.NOTICE not in found.notices
        return Results([_scored(passage, scope.mode, is_anew) for passage in found.passages], found.notices)

    return search


def _scored(passage: Passage, mode: Mode, is_anew: bool) -> Scored:
    """On the scales of the service: BM25 for words, 1 / (2 - cosine) for meaning; ours, 0 to 1, for both together."""
    score, cosine = passage.score, passage.vector.score if passage.vector else None
    if mode == "keyword" and passage.keyword:
        score = passage.keyword.score
    elif mode == "vector" and cosine is not None:
        score = 1 / (2 - cosine)
    return Scored(passage, score, passage.score * AZURE_SCALE if is_anew else None, cosine)


# A service elsewhere -------------------------------------------------------------------------------------------------
def _outer_search(parameters: Any, user: User) -> Search:
    query_type = parameters.query_type or "simple"
    by_meaning, by_words = "vector" in query_type, query_type != "vector"
    index = _outer_index(parameters, by_meaning)
    model = _model(parameters.embedding_dependency) if by_meaning else None

    def search(query: str, top: int) -> Results:
        vector: Any = model is not None and (model == "" or _vector(model, query, user))
        asked = outer.OuterQuery(
            text=query if by_words else "",
            vector=vector,
            semantic_configuration=(parameters.semantic_configuration or "") if "semantic" in query_type else "",
            words_for_vector=query,
            filter=parameters.filter or "",
            top=top,
        )
        hits = outer.search(index, asked)
        return Results([_outer_scored(hit, place, is_cosine=not by_words) for place, hit in enumerate(hits)])

    return search


def _outer_index(parameters: Any, by_meaning: bool) -> outer.OuterIndex:
    mapping, sign_in = parameters.fields_mapping, parameters.authentication
    if not isinstance(sign_in, ApiKey | AccessToken):
        raise SourceError(
            "Validation error at #/data_sources/0/azure_search/parameters/authentication: Lectern has no managed "
            "identity to lend: use api_key or access_token"
        )
    if by_meaning and not (mapping and mapping.vector_fields):
        raise SourceError(
            "Validation error at #/data_sources/0/azure_search/parameters/fields_mapping/vector_fields: Field required"
        )
    return outer.OuterIndex(
        endpoint=parameters.endpoint,
        name=parameters.index_name,
        key=sign_in.key.get_secret_value() if isinstance(sign_in, ApiKey) else "",
        token=sign_in.access_token.get_secret_value() if isinstance(sign_in, AccessToken) else "",
        title_field=(mapping and mapping.title_field) or "",
        url_field=(mapping and mapping.url_field) or "",
        filepath_field=(mapping and mapping.filepath_field) or "",
        content_fields=(mapping and mapping.content_fields) or (),
        vector_fields=(mapping and mapping.vector_fields) or (),
        separator="\n" if not mapping or mapping.content_fields_separator is None else mapping.content_fields_separator,
    )


def _model(dependency: Any) -> str:
    """Which of our models makes the question's vector; "" where the service is to make it itself."""
    place = "Validation error at #/data_sources/0/azure_search/parameters/embedding_dependency"
    if isinstance(dependency, Integrated):
        return ""
    if not isinstance(dependency, EmbeddingDeployment):
        raise SourceError(f"{place}/type: Lectern calls no other endpoint: use deployment_name or integrated")
    known = dict.fromkeys(filter(None, (model_name(), local_model_name())))
    if dependency.deployment_name in known:
        return dependency.deployment_name
    raise SourceError(f"{place}/deployment_name: There is no such deployment; there is {', '.join(known) or 'none'}")


def _vector(model: str, query: str, user: User) -> list[float]:
    try:
        return embed_query(model, query, Payer("embedding", user.pk)).tolist()
    except EmbeddingError as exc:
        raise SearchUnavailable(f"The question could not be embedded. {exc}", "embedding") from exc


def _outer_scored(hit: outer.OuterHit, place: int, *, is_cosine: bool) -> Scored:
    passage = Passage.outside(
        title=bearable(hit.title),
        name=bearable(hit.filepath),
        text=bearable(hit.text),
        score=1 / (1 + place),
        url=bearable(hit.url),
        chunk=bearable(hit.key),
    )
    cosine = 2 - 1 / hit.score if is_cosine and hit.score > 0 else hit.cosine
    return Scored(passage, hit.score, hit.reranked, cosine)
