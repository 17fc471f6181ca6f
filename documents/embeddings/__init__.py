"""Turn texts into vectors, on this machine or by the service that settings name.

Where there is neither there is no search by meaning, and everything else goes on. What was computed, or paid for, is
kept by its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from django.conf import settings

from documents.embeddings.local import LOCAL_DIMENSIONS, LOCAL_MODEL, LocalEmbedder, local_embedder, local_model_name
from documents.embeddings.remote import RemoteEmbedder, remote_model_name
from documents.embeddings.vectors import (
    Embedded,
    Embedder,
    EmbeddingBusy,
    EmbeddingError,
    EmbeddingUnavailable,
    Heed,
)
from documents.models import EmbeddingCache, IndexVersion
from project.cache import keep, kept
from project.spending import Payer

QUERY_KEPT_S = 86_400

__all__ = [
    "LOCAL_DIMENSIONS",
    "LOCAL_MODEL",
    "Embedded",
    "Embedder",
    "EmbeddingBusy",
    "EmbeddingError",
    "EmbeddingUnavailable",
    "Heed",
    "LocalEmbedder",
    "embed_cached",
    "embed_query",
    "embedder",
    "local_model_name",
    "model_name",
    "sentence_vectors",
]

NOBODY = Payer("embedding")  # What counts against the budget of everybody alone.


def model_name() -> str:
    """What a new index is embedded with: the service's model, else the one on this machine; "" without either."""
    return remote_model_name() or local_model_name()


def embed_cached(model_name: str, texts: Sequence[str], payer: Payer = NOBODY, heed: Heed | None = None) -> Embedded:
    """A vector for each text. What this model has embedded before is read back; the rest is kept for the next time.

    What one request brought is kept before the next is sent. Raises EmbeddingError, of which `tokens` tells what was
    spent until then; and what `heed` raises, which is asked several times a second.
    """
    keys = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts]
    known = _kept(model_name, set(keys))
    cached = sum(key in known for key in keys)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    places, tokens = list(missing), 0
    try:
        for part in embedder(model_name, payer).parts(list(missing.values()), heed) if missing else ():
            found = {places[place]: vector for place, vector in part.vectors.items()}
            _keep(model_name, found)
            known |= found
            tokens += part.tokens
    except EmbeddingError as exc:
        exc.tokens += tokens
        raise
    return Embedded([known[key] for key in keys], tokens, cached)


def embed_query(model_name: str, text: str, payer: Payer = NOBODY) -> np.ndarray:
    """The vector of what somebody asks and waits for: ten seconds at most, with one more try if that may be soon.

    The same question again within a day costs nothing; of its words only a hash is kept.
    """
    asked = embedder(model_name, payer)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    key = f"vector:{model_name}:{settings.EMBEDDING_DIMENSIONS}:{asked.dimensions}:{digest}"
    if held := kept(key):
        return np.frombuffer(held, "<f4")
    vector = asked.query(text)
    keep(key, vector.astype("<f4").tobytes(), QUERY_KEPT_S)
    return vector


def sentence_vectors() -> Callable[[Sequence[str]], np.ndarray] | None:
    """Turns sentences of answers into vectors, on this machine; None where it has no model."""
    return local_embedder().embed_again if local_model_name() else None


def embedder(model_name: str, payer: Payer = NOBODY) -> Embedder:
    """The embedder of this name. Vectors of two models never meet in one index; a service's are paid for by `payer`."""
    if model_name == LOCAL_MODEL:
        return local_embedder()
    if not model_name or model_name != remote_model_name():
        raise EmbeddingUnavailable(f"The index was built with the embedding model {model_name}, which is not set up.")
    return RemoteEmbedder(model_name, settings.EMBEDDING_DIMENSIONS, _length_held(model_name), payer)


def _length_held(model_name: str) -> int:
    """How many numbers the index of this model holds for each chunk; 0: there is none yet."""
    held = IndexVersion.objects.filter(embedding_model=model_name).order_by("-pk")
    return held.values_list("dimensions", flat=True).first() or 0


def _kept(model_name: str, keys: set[bytes]) -> dict[bytes, np.ndarray]:
    """What is known of these. Vectors of another length were made when the name stood for another model."""
    rows = EmbeddingCache.objects.filter(model=model_name, sha256__in=keys).values_list("sha256", "vector")
    known = {bytes(key): np.frombuffer(vector, "<f4") for key, vector in rows}
    length = _length_held(model_name) if known else 0
    return {key: vector for key, vector in known.items() if length in (0, len(vector))}


def _keep(model_name: str, vectors: dict[bytes, np.ndarray]) -> None:
    """In one order, so that two workers who met the same texts wait for each other and not in a circle."""
    EmbeddingCache.objects.bulk_create(
        [
            EmbeddingCache(model=model_name, sha256=key, vector=vectors[key].astype("<f4").tobytes())
            for key in sorted(vectors)
        ],
        update_conflicts=True,
        unique_fields=["model", "sha256"],
        update_fields=["vector"],
    )
