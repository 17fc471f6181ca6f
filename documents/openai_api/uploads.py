"""`/v1/uploads`: a file that comes in parts, and is a file like any other when it is whole."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.utils import timezone
from ninja import Field, File, Router
from ninja.files import UploadedFile

from documents.indexes import private_collection
from documents.models import display_name
from documents.models.uploads import LIFE, Upload
from documents.openai_api.access import not_there
from documents.openai_api.files import Purpose, taken_in
from documents.openai_api.given import Given
from documents.openai_api.ids import PART, UPLOAD, private, public
from documents.openai_api.shapes import file_object, seconds
from project.accounts import SignedInRequest
from project.api import ApiError, writing

router = Router(tags=["uploads"])

PENDING_MOST = 20  # of one person: each may hold as much as a file
PARTS_MOST = 2_000
PART_BYTES = 64 << 20


class UploadIn(Given):
    filename: str = Field(min_length=1, max_length=255)
    purpose: Purpose
    bytes: int = Field(ge=1)
    mime_type: str = Field("", max_length=200, description="Taken, and not looked at: the content says what it is.")
    expires_after: dict[str, Any] | None = None


class CompleteIn(Given):
    part_ids: list[str] = Field(min_length=1, max_length=PARTS_MOST)
    md5: str | None = None


@router.post("/uploads", auth=writing)
def create(request: SignedInRequest, payload: UploadIn):
    """Begin a file that comes in parts; it has an hour to become whole."""
    private_collection(request.user)  # Whose key does not reach it is told so before anything is sent.
    if payload.expires_after:
        raise ApiError(400, "unsupported_parameter", "Files do not expire here.", "Leave it out.", "expires_after")
    if payload.bytes > settings.UPLOAD_MAX_BYTES:
        limit = f"The file is larger than {settings.UPLOAD_MAX_BYTES // 1_000_000} MB."
        raise ApiError(400, "too_large", limit, "Split it into files.", "bytes")
    if Upload.objects.for_user(request.user).pending().count() >= PENDING_MOST:
        reason = f"{PENDING_MOST} of your uploads are under way, which is as many as may be."
        raise ApiError(429, "too_many_uploads", reason, "Complete or cancel one of them.", retry_after=60)
    upload = Upload.objects.create(
        user=request.user,
        name=display_name(payload.filename),
        purpose=payload.purpose,
        size=payload.bytes,
        expires_at=timezone.now() + LIFE,
    )
    return _upload_object(upload)


@router.post("/uploads/{upload_id}/parts", auth=writing)
def add_part(request: SignedInRequest, upload_id: str, data: File[UploadedFile]):
    """One part; they may come side by side, and are put into order in the end."""
    upload, part_id = _pending(request, upload_id), uuid4()
    if (data.size or 0) > PART_BYTES:
        raise ApiError(400, "too_large", f"A part has at most {PART_BYTES >> 20} MB.", "Send smaller ones.", "data")
    if not data.size:
        raise ApiError(400, "invalid_value", "The part is empty.", "", "data")
    if upload.come + data.size > upload.size:
        raise ApiError(400, "invalid_value", f"More came than the {upload.size:,} bytes that were told.", "", "data")
    upload.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with upload.part(part_id).open("xb") as target:
        for piece in data.chunks():
            target.write(piece)
    told = {"id": public(PART, part_id), "object": "upload.part", "created_at": seconds(timezone.now())}
    return told | {"upload_id": public(UPLOAD, upload.pk)}


@router.post("/uploads/{upload_id}/complete", auth=writing)
def complete(request: SignedInRequest, upload_id: str, payload: CompleteIn):
    """Put the parts together in this order: from now on it is a file, and is read at once."""
    upload = _pending(request, upload_id)
    part_ids = [private(PART, each) for each in payload.part_ids]
    _check_whole(upload, part_ids, payload.md5)
    document = taken_in(upload.pieces(part_ids), upload.name, request.user, upload.purpose)
    upload.end(Upload.State.COMPLETED, document)
    return _upload_object(upload)


@router.post("/uploads/{upload_id}/cancel", auth=writing)
def cancel(request: SignedInRequest, upload_id: str):
    """Call it off; what came of it is deleted."""
    upload = _pending(request, upload_id)
    upload.end(Upload.State.CANCELLED)
    return _upload_object(upload)


def _check_whole(upload: Upload, part_ids: list[UUID], md5: str | None) -> None:
    """Raises ApiError where a part is missing or named twice, or the bytes are not those that were told."""
    if len(set(part_ids)) < len(part_ids) or not all(upload.part(part_id).is_file() for part_id in part_ids):
        raise ApiError(400, "invalid_value", "A part is not there, or named twice.", "", "part_ids")
    size = sum(upload.part(part_id).stat().st_size for part_id in part_ids)
    if size != upload.size:
        sentence = f"These parts have {size:,} bytes, and {upload.size:,} were told."
        raise ApiError(400, "invalid_value", sentence, "Send what is missing, or begin anew.", "part_ids")
    if md5 is not None:
        found = hashlib.md5(usedforsecurity=False)
        for piece in upload.pieces(part_ids):
            found.update(piece)
        if found.hexdigest() != md5.lower():
            raise ApiError(
                400, "invalid_value", "The bytes that came are not those of this sum.", "Send it again.", "md5"
            )


def _pending(request: SignedInRequest, upload_id: str) -> Upload:
    upload = Upload.objects.for_user(request.user).filter(pk=private(UPLOAD, upload_id)).first()
    if upload is None:
        raise not_there("upload", upload_id, "upload_id")
    if upload.state == Upload.State.PENDING and upload.expires_at > timezone.now():
        return upload
    state = "expired" if upload.state == Upload.State.PENDING else upload.state
    raise ApiError(400, "invalid_request_error", f"This upload is {state}.", "Begin another one.", "upload_id")


def _upload_object(upload: Upload) -> dict[str, Any]:
    return {
        "id": public(UPLOAD, upload.pk),
        "object": "upload",
        "bytes": upload.size,
        "created_at": seconds(upload.created_at),
        "expires_at": seconds(upload.expires_at),
        "filename": upload.name,
        "purpose": upload.purpose,
        "status": upload.state,
    } | ({"file": file_object(upload.file)} if upload.file else {})
