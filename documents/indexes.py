"""The index a new collection lives in, and the collection everybody has for themselves."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User

from documents.embeddings import LOCAL_DIMENSIONS, local_model_name
from documents.models import Collection, Index, IndexVersion

PRIVATE = "Private"


def default_index() -> Index:
    """The first index; made, with a first live version, when there is none. Two that start together make one."""
    index = Index.objects.order_by("pk").first() or Index.objects.get_or_create(name="main")[0]
    if index.live_id:
        return index
    version, _ = IndexVersion.objects.get_or_create(
        index=index,
        number=1,
        defaults={
            "embedding_model": local_model_name(),
            "dimensions": LOCAL_DIMENSIONS,
            "chunk_tokens": settings.CHUNK_TOKENS,
            "chunk_overlap": settings.CHUNK_OVERLAP,
        },
    )
    version.backend.create()
    Index.objects.filter(pk=index.pk, live=None).update(live=version)
    index.refresh_from_db()
    return index


def private_collection(user: User) -> Collection:
    """This person's own collection, made when it is first needed."""
    defaults = {"name": PRIVATE, "index": default_index()}
    return Collection.objects.get_or_create(owner=user, is_private=True, defaults=defaults)[0]


def owned_collection(user: User, name: str) -> Collection:
    """A collection of this name that the person may add to: their own first, then a shared one, else a new one.

    No name means the private one.
    """
    if not name or name == PRIVATE:
        return private_collection(user)
    editable = Collection.objects.editable_by(user).filter(name=name)
    found = editable.filter(owner=user).first() or editable.first()
    return found or Collection.objects.get_or_create(owner=user, name=name, defaults={"index": default_index()})[0]
