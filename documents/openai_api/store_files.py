"""`/v1/vector_stores/{id}/files` and `/file_batches`: what lies in a collection, one by one or many at once."""

from __future__ import annotations

from typing import Any, Literal

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router

from documents import intake
from documents.models import FINDABLE, UNDER_WAY, Collection, Document, FileBatch, State
from documents.openai_api import attaching
from documents.openai_api.access import batch_of, file_of, refused, row_known, row_of, rows_of, store_of
from documents.openai_api.given import Attributes, Chunking, FileIds, Given, Page
from documents.openai_api.paging import listing, page_of
from documents.openai_api.shapes import batch_object, deleted, store_file_object
from documents.stores import document_text
from project.accounts import SignedInRequest
from project.api import ApiError, reading, writing

router = Router(tags=["vector stores"])

POLL_MS = "300"  # After which it is worth looking again; OpenAI's clients obey it.
STATES = {
    "in_progress": UNDER_WAY,
    "completed": FINDABLE,
    "failed": (State.FAILED,),
    "cancelled": (State.CANCELED,),
}


class FileIn(Given):
    file_id: str
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None


class AttributesIn(Given):
    attributes: Attributes | None = None


class BatchIn(Given):
    file_ids: FileIds | None = None
    files: list[FileIn] | None = Field(None, max_length=2_000)
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None


class FilesPage(Page):
    filter: Literal["in_progress", "completed", "failed", "cancelled"] | None = None


@router.post("/vector_stores/{store_id}/files", auth=writing)
def create(request: SignedInRequest, store_id: str, payload: FileIn):
    """Put a file into a vector store; it is found there as soon as its status is completed."""
    collection = store_of(request.user, store_id, is_editing=True)
    file = file_of(request.user, payload.file_id)
    try:
        row = attaching.put(file, collection, request.user, payload.attributes or {})
    except intake.UploadRefused as exc:
        raise refused(exc) from exc
    return store_file_object(row, request.user)


@router.get("/vector_stores/{store_id}/files", auth=reading)
def listed(request: SignedInRequest, store_id: str, wanted: Query[FilesPage]):
    return _page(request.user, rows_of(store_of(request.user, store_id)), wanted)


@router.get("/vector_stores/{store_id}/files/{file_id}", auth=reading)
def retrieve(request: SignedInRequest, response: HttpResponse, store_id: str, file_id: str):
    response["openai-poll-after-ms"] = POLL_MS
    return store_file_object(row_of(store_of(request.user, store_id), file_id), request.user)


@router.post("/vector_stores/{store_id}/files/{file_id}", auth=writing)
def change(request: SignedInRequest, store_id: str, file_id: str, payload: AttributesIn):
    """Other attributes in place of those it has; filters go by them from the next search on."""
    row = row_of(store_of(request.user, store_id, is_editing=True), file_id)
    row.attributes = payload.attributes or {}
    row.save(update_fields=["attributes"])
    return store_file_object(row, request.user)


@router.delete("/vector_stores/{store_id}/files/{file_id}", auth=writing)
def delete(request: SignedInRequest, store_id: str, file_id: str):
    """Take a file out of a vector store. The file itself stays."""
    collection = store_of(request.user, store_id, is_editing=True)
    row = row_of(collection, file_id)
    if collection.is_private:
        sentence = "A file of the private collection is nowhere else."
        raise ApiError(400, "invalid_value", sentence, "Delete the file itself.", "vector_store_id")
    attaching.take_out(row)
    return deleted(file_id, "vector_store.file.deleted")


@router.get("/vector_stores/{store_id}/files/{file_id}/content", auth=reading)
def content(request: SignedInRequest, store_id: str, file_id: str):
    """The text as it was read, as far as answers may use it."""
    row = row_of(store_of(request.user, store_id), file_id)
    text = document_text(row.document) if row.document else ""
    data = [{"type": "text", "text": text}] if text else []
    return {"object": "vector_store.file_content.page", "data": data, "has_more": False, "next_page": None}


# Batches -------------------------------------------------------------------------------------------------------------
@router.post("/vector_stores/{store_id}/file_batches", auth=writing)
def create_batch(request: SignedInRequest, store_id: str, payload: BatchIn):
    """Put many files into a vector store. One that is not taken is counted as failed, and says why."""
    collection = store_of(request.user, store_id, is_editing=True)
    if (payload.file_ids is None) == (payload.files is None):
        raise ApiError(400, "invalid_value", "Name either file_ids or files.", "", "file_ids")
    asked = payload.files or [FileIn(file_id=each, attributes=payload.attributes) for each in payload.file_ids or []]
    if not asked:
        raise ApiError(400, "invalid_value", "There is no file in the list.", "", "file_ids")
    files = [(file_of(request.user, each.file_id), each.attributes or {}) for each in asked]
    batch = FileBatch.objects.create(collection=collection)
    for file, attributes in files:
        _put_in_batch(file, collection, request.user, attributes, batch)
    return batch_object(batch)


@router.get("/vector_stores/{store_id}/file_batches/{batch_id}", auth=reading)
def retrieve_batch(request: SignedInRequest, response: HttpResponse, store_id: str, batch_id: str):
    response["openai-poll-after-ms"] = POLL_MS
    return batch_object(batch_of(store_of(request.user, store_id), batch_id))


@router.post("/vector_stores/{store_id}/file_batches/{batch_id}/cancel", auth=writing)
def cancel_batch(request: SignedInRequest, store_id: str, batch_id: str):
    """Stop what is still being read; what is ready stays."""
    batch = batch_of(store_of(request.user, store_id, is_editing=True), batch_id)
    rows = batch.files.live().in_state(*UNDER_WAY).select_related("document")
    if running := list(rows):
        for row in running:
            if row.document is not None:
                intake.cancel(row.document)
        batch.cancelled_at = timezone.now()
        batch.save(update_fields=["cancelled_at"])
    return batch_object(batch)


@router.get("/vector_stores/{store_id}/file_batches/{batch_id}/files", auth=reading)
def listed_batch(request: SignedInRequest, store_id: str, batch_id: str, wanted: Query[FilesPage]):
    collection = store_of(request.user, store_id)
    batch = batch_of(collection, batch_id)
    return _page(request.user, rows_of(collection).filter(batch=batch), wanted)


def _page(user: User, rows: Any, wanted: FilesPage) -> dict[str, Any]:
    if wanted.filter == "failed":
        rows = rows.filter(document=None) | rows.in_state(State.FAILED)
    elif wanted.filter:
        rows = rows.in_state(*STATES[wanted.filter])
    facts = wanted.dict(exclude={"filter"})
    found, has_more = page_of(rows, find=row_known, **facts)
    return listing([store_file_object(row, user) for row in found], has_more=has_more)


def _put_in_batch(
    file: Document, collection: Collection, user: User, attributes: dict[str, Any], batch: FileBatch
) -> None:
    try:
        attaching.put(file, collection, user, attributes, batch)
    except intake.UploadRefused as exc:
        attaching.note_refusal(file, collection, batch, str(exc))
