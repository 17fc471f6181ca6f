"""Whether the services that an index would stand on answer, before anything is built on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from documents.embeddings import LOCAL_MODEL, EmbeddingError, embedder
from documents.search import SearchError
from project.spending import Payer


@dataclass(frozen=True)
class Tested:
    """A service that was asked; `trouble` is a sentence, "" when it answered."""

    what: str  # search or embedding
    where: str
    trouble: str
    took_ms: int


def tested(backend_name: str, model: str, payer: Payer) -> Iterator[Tested]:
    """Ask the search service for its indexes, and the embedding service for the vector of one word.

    What lies on this machine is asked too: a model may be missing, or its weights damaged.
    """
    backend = import_string(settings.SEARCH_BACKENDS[backend_name])
    if backend_name == "azure" and not settings.AZURE_SEARCH_ENDPOINT:
        yield Tested("search", "Azure AI Search", "AZURE_SEARCH_ENDPOINT does not say where the service is.", 0)
    else:
        yield _asked("search", search_host(backend_name), backend.stored)
    if model:
        yield _asked("embedding", embedding_host(model), lambda: embedder(model, payer).query("test"))


def _asked(what: str, where: str, ask: Callable[[], object]) -> Tested:
    began, trouble = time.monotonic(), ""
    try:
        ask()
    except (SearchError, EmbeddingError) as exc:
        trouble = str(exc)
    return Tested(what, where, trouble, round((time.monotonic() - began) * 1000))


def search_host(backend_name: str) -> str:
    """Where passages go; "" on this machine's own database."""
    return (urlsplit(settings.AZURE_SEARCH_ENDPOINT).hostname or "") if backend_name == "azure" else ""


def embedding_host(model: str) -> str:
    """Where texts go to be embedded; "" for a model on this machine, or none."""
    if model in ("", LOCAL_MODEL):
        return ""
    address = settings.AZURE_OPENAI_ENDPOINT if settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT else settings.OPENAI_BASE_URL
    return urlsplit(address).hostname or "api.openai.com"
