"""What a call may reach: not there and not yours are one answer, in OpenAI's words."""

from __future__ import annotations

from django.contrib.auth.models import User

from documents.intake import UploadRefused
from documents.models import Collection, Document, FileBatch, StoreFile
from documents.models.store_files import StoreFileQuerySet
from documents.openai_api.ids import BATCH, FILE, STORE, private
from project.api import ApiError

READ_ONLY = "You may read this vector store, and not change it."


def not_there(what: str, public_id: str, param: str) -> ApiError:
    return ApiError(404, "not_found", f"There is no {what} “{public_id[:80]}”, or it is not yours.", "", param)


def refused(exc: UploadRefused) -> ApiError:
    return ApiError(exc.status, exc.code, exc.reason, exc.advice, "file", exc.retry_after)


def file_of(user: User, file_id: str, *, is_editing: bool = False) -> Document:
    rows = Document.objects.editable_by(user) if is_editing else Document.objects.for_user(user)
    found = rows.filter(pk=private(FILE, file_id)).select_related("collection").first()
    if found is None:
        raise not_there("file", file_id, "file_id")
    return found


def store_of(user: User, store_id: str, *, is_editing: bool = False) -> Collection:
    """The collection; 404 for one that is not there, 403 for one that may only be read."""
    pk = private(STORE, store_id)
    found = Collection.objects.for_user(user).select_related("index__live").filter(pk=pk).first()
    if found is None:
        raise not_there("vector store", store_id, "vector_store_id")
    if is_editing and not Collection.objects.editable_by(user).filter(pk=pk).exists():
        raise ApiError(403, "forbidden", READ_ONLY, "Ask its owner.", "vector_store_id")
    return found


def rows_of(collection: Collection) -> StoreFileQuerySet:
    """The files of a collection, also those that no program put there."""
    StoreFile.objects.adopt(collection)
    rows = StoreFile.objects.live().filter(collection=collection)
    return rows.select_related("document", "file", "collection__index__live")


def row_known(rows: StoreFileQuerySet, file_id: str) -> StoreFile | None:
    return rows.known_as(private(FILE, file_id)).order_by("pk").first()


def row_of(collection: Collection, file_id: str) -> StoreFile:
    row = row_known(rows_of(collection), file_id)
    if row is None:
        raise not_there("file in this vector store", file_id, "file_id")
    return row


def batch_of(collection: Collection, batch_id: str) -> FileBatch:
    found = FileBatch.objects.filter(collection=collection, pk=private(BATCH, batch_id)).first()
    if found is None:
        raise not_there("file batch", batch_id, "batch_id")
    return found
