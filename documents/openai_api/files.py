"""`/v1/files`: a file is a document in the caller's private collection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Literal, get_args

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Field, File, Query, Router, Schema
from ninja.files import UploadedFile

from documents import intake
from documents.indexes import private_collection
from documents.models import Document, display_name
from documents.openai_api import attaching
from documents.openai_api.access import file_of, not_there, refused
from documents.openai_api.ids import FILE, private
from documents.openai_api.paging import listing, page_of
from documents.openai_api.shapes import deleted, file_object
from project.accounts import SignedInRequest
from project.api import ApiError, asking, reading, writing

router = Router(tags=["files"])

Purpose = Literal["assistants", "user_data"]
PURPOSES = get_args(Purpose)
TAKEN = {"file", "purpose"}


class FilesPage(Schema):
    after: str = ""
    limit: int = Field(10_000, ge=1, le=10_000)
    order: Literal["asc", "desc"] = "desc"
    purpose: str = ""


@router.post("/files", auth=writing)
def create(request: SignedInRequest, file: File[UploadedFile]):
    """Upload a file. It is read at once and can be asked about; the same bytes again are the same file."""
    purpose = request.POST.get("purpose", "")
    if unknown := sorted(set(request.POST) - TAKEN):
        sentence = f"Files do not expire here, and nothing else can be said of them: “{unknown[0][:80]}”."
        raise ApiError(400, "unsupported_parameter", sentence, "Leave it out.", unknown[0][:80])
    if purpose not in PURPOSES:
        raise ApiError(400, "invalid_value", "The purpose must be assistants or user_data.", "", "purpose")
    return file_object(taken_in(file.chunks(), display_name(file.name or ""), request.user, purpose))


@router.get("/files", auth=reading)
def listed(request: SignedInRequest, wanted: Query[FilesPage]):
    """The files of the caller's own, newest first."""
    rows = Document.objects.for_user(request.user).current().filter(parent=None)
    rows = rows.filter(collection__owner=request.user, collection__is_private=True)
    if wanted.purpose:
        purposes = ["", wanted.purpose] if wanted.purpose == PURPOSES[0] else [wanted.purpose]
        rows = rows.filter(purpose__in=[purpose.replace("\x00", "") for purpose in purposes])
    found, has_more = page_of(rows, find=_known, after=wanted.after, limit=wanted.limit, order=wanted.order)
    return listing([file_object(document) for document in found], has_more=has_more)


@router.get("/files/{file_id}", auth=reading)
def retrieve(request: SignedInRequest, file_id: str):
    """A file, also one of a collection that the caller may read: what a citation names can be fetched."""
    return file_object(file_of(request.user, file_id))


@router.delete("/files/{file_id}", auth=writing)
def delete(request: SignedInRequest, file_id: str):
    """Delete a file, here and in the vector stores it was put into."""
    file_of(request.user, file_id)
    attaching.delete_file(file_of(request.user, file_id, is_editing=True), request.user)
    return deleted(file_id, "file")


@router.get("/files/{file_id}/content", auth=asking)
async def content(request: SignedInRequest, file_id: str) -> HttpResponseBase:
    """The bytes as they were uploaded, always as a download."""
    document = await sync_to_async(file_of)(request.user, file_id)
    if not document.path.is_file():
        raise not_there("content of the file", file_id, "file_id")
    response = StreamingHttpResponse(_pieces(document.path), content_type="application/octet-stream")
    response["Content-Length"] = str(document.size)
    response["Content-Disposition"] = content_disposition_header(True, document.name)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def taken_in(pieces: Iterable[bytes], name: str, user: User, purpose: str) -> Document:
    """A file of this person's own; the one that has these bytes already, if there is one. Raises ApiError."""
    target = private_collection(user)
    try:
        document, is_new = intake.accept(pieces, attaching.free_name(name, target), user, target)
    except intake.UploadRefused as exc:
        raise refused(exc) from exc
    if is_new:
        document.purpose = purpose
        document.save(update_fields=["purpose"])
    return document


def _known(rows, file_id: str) -> Document | None:
    return rows.filter(pk=private(FILE, file_id)).first()


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """A sync file under ASGI would be read whole into memory first."""
    with path.open("rb") as file:
        while piece := await sync_to_async(file.read, thread_sensitive=False)(1 << 18):
            yield piece
