"""The index a new collection lives in, and the collection everybody has for themselves."""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext_noop

from documents.embeddings import (
    LOCAL_DIMENSIONS,
    LOCAL_MODEL,
    EmbeddingUnavailable,
    embed_query,
    embedder,
    model_name,
)
from documents.models import Collection, CollectionQuerySet, Index, IndexVersion
from documents.search import SearchError
from project.models import narrowed_to

log = logging.getLogger(__name__)

PRIVATE = "Private"
DIMENSIONS_MOST = 4_000  # that can be searched through a graph


def default_index() -> Index:
    """The first index; made when there is none, with its first version unless a service must be asked for that.

    No page waits for the service: live_version() asks it, when the first document is read.
    """
    index = Index.objects.order_by("pk").first() or Index.objects.get_or_create(name="main")[0]
    if index.live_id is None and _dimensions():
        live_version(index)
    return index


NOT_TOLD = gettext_noop("The service was not told yet.")


def live_version(index: Index) -> IndexVersion:
    """The version that is searched, made now if this index has none yet. Two that come together make one.

    Raises EmbeddingError when only the embedding service knows how long its vectors are, and does not tell.
    """
    if index.live is not None:
        return index.live
    version = _first_version(index)
    with transaction.atomic():
        held = Index.objects.select_for_update(of=("self",)).get(pk=index.pk)
        if is_first := held.live is None:
            version.backend.create()
            held.live, held.unpublished = version, NOT_TOLD
            held.save(update_fields=["live", "unpublished"])
    if is_first:
        publish(version)
    index.live = held.live
    return held.live


def _first_version(index: Index) -> IndexVersion:
    """The row alone, which stays when the backend does not answer: what it may have made all the same bears its number.

    As long as it is not live, the settings of the day are what counts.
    """
    facts = {
        "embedding_model": model_name(),
        "dimensions": _dimensions() or _dimensions_told(model_name()),
        "backend_name": settings.SEARCH_BACKEND,
        "chunk_tokens": settings.CHUNK_TOKENS,
        "chunk_overlap": settings.CHUNK_OVERLAP,
    }
    with transaction.atomic():
        held = Index.objects.select_for_update(of=("self",)).get(pk=index.pk)
        return held.live or IndexVersion.objects.update_or_create(index=held, number=1, defaults=facts)[0]


def publish(version: IndexVersion) -> None:
    """Lectern searches by its own row; who asks the service by the index's name is told after it, if need be later.

    That it could not be told is noted, for people and for the sweep, which tries again.
    """
    fault = ""
    try:
        version.backend.publish()
    except SearchError as exc:
        log.warning("the service does not know yet that %s is live: %s", version, exc)
        fault = str(exc)[:300]
    row = Index.objects.filter(pk=version.index_id)
    if not row.filter(live=version).update(unpublished=fault):
        # Another took its place meanwhile: which of them the service heard of last is not known.
        row.update(unpublished=NOT_TOLD)


def _dimensions() -> int:
    """How many numbers a vector of a new index has; 0: nobody here knows."""
    model = model_name()
    return LOCAL_DIMENSIONS if model in ("", LOCAL_MODEL) else embedder(model).dimensions


def _dimensions_told(model: str) -> int:
    """As many as the service's vector of one word has."""
    length = len(embed_query(model, "length"))
    if length > DIMENSIONS_MOST:
        came = (
            f"The embedding service returns vectors of {length:,} numbers; an index holds {DIMENSIONS_MOST:,} at most."
        )
        raise EmbeddingUnavailable(f"{came} LECTERN_EMBEDDING_DIMENSIONS can ask for fewer.", "embedding_length")
    return length


def private_collection(user: User) -> Collection:
    """This person's own collection, made when it is first needed.

    Raises PermissionDenied for a caller whose key is narrowed to other collections.
    """
    if narrowed_to(user) is not None:
        return _named_by_key(Collection.objects.owned_by(user).filter(is_private=True))
    defaults = {"name": PRIVATE, "index": default_index()}
    return Collection.objects.get_or_create(owner=user, is_private=True, defaults=defaults)[0]


def owned_collection(user: User, name: str) -> Collection:
    """A collection of this name that the person may add to: their own first, then a shared one, else a new one.

    No name means the private one. Raises PermissionDenied for a caller whose key is narrowed to other collections.
    """
    if not name or name == PRIVATE:
        return private_collection(user)
    editable = Collection.objects.editable_by(user).filter(name=name)
    found = editable.filter(owner=user).first() or editable.first()
    if found is None and narrowed_to(user) is not None:
        return _named_by_key(editable)
    return found or Collection.objects.get_or_create(owner=user, name=name, defaults={"index": default_index()})[0]


def _named_by_key(rows: CollectionQuerySet) -> Collection:
    found = rows.first()
    if found is None:
        raise PermissionDenied("This key is for certain collections alone. Name one of those.")
    return found
