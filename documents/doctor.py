"""What reading and searching stand on, as `project.doctor` asks it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from django.conf import settings

from documents.embeddings import LOCAL_MODEL, EmbeddingError, embed_query, model_name
from documents.extraction import ocr
from documents.models import Index
from documents.retrieval import reranking
from documents.search import SearchError
from project.doctor import Finding, Probe


def probes() -> Iterator[Probe]:
    for index in Index.objects.select_related("live"):
        if index.live is not None:
            where = f"index “{index.name}”, version {index.live.number}, in {_place(index.live.backend_name)}"
            yield Probe("Search", f"Search in {index.name}", where, _searching(index))
    name = model_name()
    about = "this machine" if name == LOCAL_MODEL else "the service that settings name"
    yield Probe(
        "Search",
        "Embedding model",
        f"{name}, {about}" if name else "search is by words alone",
        _embedding,
        name != LOCAL_MODEL,
    )
    if reranking.is_configured():
        host = urlsplit(settings.RERANK_URL).hostname or "?"
        yield Probe("Search", "Reranker", f"{settings.RERANK_MODEL or 'its own model'} at {host}", _reranking, True)
    yield Probe("Reading", "Text recognition", "tesseract, for scanned pages", _recognition)


def _place(backend: str) -> str:
    """The host of a remote search service, without anything that could be a secret."""
    return (urlsplit(settings.AZURE_SEARCH_ENDPOINT).hostname or "?") if backend == "azure" else "Postgres"


def _searching(index: Index) -> Callable[[float], Finding]:
    def ask(seconds: float) -> Finding:
        assert index.live is not None
        try:
            index.live.backend.count(uuid.UUID(int=0), 0)
        except SearchError as exc:
            return Finding("bad", str(exc), advice="Look at the service and its settings; other indexes are searched.")
        return Finding("good")

    return ask


def _embedding(seconds: float) -> Finding:
    if not model_name():
        return Finding("none", "None is set up: settings name none, and the weights of the local one are missing.")
    try:
        embed_query(model_name(), "ready?")
    except EmbeddingError as exc:
        return Finding("bad", str(exc), advice="Look at its settings. Meanwhile the search is by words alone.")
    return Finding("good")


def _reranking(seconds: float) -> Finding:
    try:
        reranking.answers()
    except reranking.RerankFault as exc:
        said = f"It does not answer well ({exc}); searches keep their own order."
        return Finding("bad", said, advice="Look at LECTERN_RERANK_URL and its key.")
    return Finding("good")


def _recognition(seconds: float) -> Finding:
    known = sorted(ocr.languages())
    if not known:
        return Finding("none", "It is not installed: scanned pages are named in warnings, and cannot be found.")
    return Finding("good", f"Languages: {', '.join(known)}.")
