"""`/v1/vector_stores`: a vector store is a collection."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import IntegrityError
from ninja import Query, Router

from documents import intake, sharing
from documents.models import Collection, Document, StoreFile
from documents.openai_api import attaching
from documents.openai_api.access import file_of, refused, store_of
from documents.openai_api.given import Chunking, FileIds, Given, Metadata, Page, Text512
from documents.openai_api.ids import STORE, private
from documents.openai_api.paging import listing, page_of
from documents.openai_api.shapes import deleted, store_object
from project.accounts import SignedInRequest
from project.api import ApiError, reading, writing
from project.provider.pieces import bearable

router = Router(tags=["vector stores"])

NAME_MOST = 120
TRIES = 5


class Expiry(Given):
    anchor: str
    days: int


class StoreIn(Given):
    name: str | None = None
    description: Text512 | None = None
    file_ids: FileIds = []
    metadata: Metadata | None = None
    expires_after: Expiry | None = None
    chunking_strategy: Chunking | None = None


class StoreChange(Given):
    name: str | None = None
    metadata: Metadata | None = None
    expires_after: Expiry | None = None


@router.post("/vector_stores", auth=writing)
def create(request: SignedInRequest, payload: StoreIn):
    """A collection of the caller's own, with files that are there already. Names are told apart by a number."""
    _refuse_expiry(payload.expires_after)
    files = [file_of(request.user, file_id) for file_id in dict.fromkeys(payload.file_ids)]
    collection = _created(request.user, payload.name or f"Vector store {uuid4().hex[:8]}", payload.metadata or {})
    for file in files:
        _put(file, collection, request.user)
    return store_object(collection)


@router.get("/vector_stores", auth=reading)
def listed(request: SignedInRequest, wanted: Query[Page]):
    """Every collection the caller may read."""
    rows = Collection.objects.for_user(request.user)
    found, has_more = page_of(rows, find=_known, **wanted.dict())
    return listing([store_object(each) for each in found], has_more=has_more)


@router.get("/vector_stores/{store_id}", auth=reading)
def retrieve(request: SignedInRequest, store_id: str):
    return store_object(store_of(request.user, store_id))


@router.post("/vector_stores/{store_id}", auth=writing)
def change(request: SignedInRequest, store_id: str, payload: StoreChange):
    """Another name, or other metadata in place of what was noted."""
    _refuse_expiry(payload.expires_after)
    collection = _owned(request.user, store_id)
    name = _bearable_name(payload.name) if payload.name else collection.name
    if name != collection.name:
        if collection.is_private:
            raise ApiError(400, "invalid_value", "The private collection keeps its name.", "", "name")
        collection.name = _free(request.user, name)
    if payload.metadata is not None:
        collection.metadata = payload.metadata
    collection.save(update_fields=["name", "metadata"])
    return store_object(collection)


@router.delete("/vector_stores/{store_id}", auth=writing)
def delete(request: SignedInRequest, store_id: str):
    """Delete a collection with what programs put into it. Documents that people put there are theirs to delete."""
    collection = _owned(request.user, store_id)
    if collection.is_private:
        raise ApiError(400, "invalid_value", "The private collection cannot be deleted.", "", "vector_store_id")
    copies = StoreFile.objects.live().filter(collection=collection, is_copy=True)
    others = Document.objects.filter(collection=collection, deleted_at=None, parent=None).current()
    if left := others.exclude(pk__in=copies.values("document")).count():
        reason = f"“{collection.name}” holds {left} documents that were put there by hand."
        raise ApiError(409, "not_empty", reason, "Delete them in Lectern first.", "vector_store_id")
    for row in copies:
        attaching.take_out(row)
    try:
        sharing.delete(collection)
    except sharing.NotYet as exc:
        raise ApiError(503, "busy", str(exc), retry_after=60) from exc
    except sharing.NotEmpty as exc:
        raise ApiError(409, "not_empty", str(exc), "", "vector_store_id") from exc
    return deleted(store_id, "vector_store.deleted")


def _known(rows: Any, store_id: str) -> Collection | None:
    found: Collection | None = rows.filter(pk=private(STORE, store_id)).first()
    return found


def _owned(user: User, store_id: str) -> Collection:
    collection = store_of(user, store_id)
    if collection.owner_id != user.pk:
        raise ApiError(403, "forbidden", "Only its owner may do this.", "Ask its owner.", "vector_store_id")
    return collection


def _refuse_expiry(asked: Expiry | None) -> None:
    if asked is not None:
        sentence = "Vector stores do not expire here: they stay until they are deleted."
        raise ApiError(400, "unsupported_parameter", sentence, "Leave it out.", "expires_after")


def _bearable_name(name: str) -> str:
    return bearable(name).strip()[: NAME_MOST - 8] or "Vector store"


def _created(user: User, name: str, metadata: dict[str, str]) -> Collection:
    name = _bearable_name(name)
    for left in reversed(range(TRIES)):
        try:
            return sharing.found(user, _free(user, name), metadata=metadata)
        except IntegrityError:  # The name was taken at this moment.
            if not left:
                raise
    raise AssertionError


def _free(user: User, name: str) -> str:
    """A person's collections have names of their own: the second “Notes” is “Notes (2)”."""
    taken = set(Collection.objects.filter(owner=user, name__startswith=name).values_list("name", flat=True))
    number = 1
    while (candidate := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return candidate


def _put(file: Document, collection: Collection, user: User) -> None:
    try:
        attaching.put(file, collection, user, {})
    except intake.UploadRefused as exc:
        raise refused(exc) from exc
