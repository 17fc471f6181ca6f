"""Documents for programs: taken in, listed, changed, deleted. Shapes are a promise: other programs rely on them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Case, Q, When
from django.http import HttpRequest, HttpResponse
from ninja import Field, File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from documents import intake
from documents.indexes import owned_collection
from documents.models import Collection, Document, DocumentQuerySet, State
from documents.originals import original
from documents.paging import counted
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, Told, asking, reading, the, writing
from project.workers import why_nobody_works

router = Router(tags=["documents"])

NOT_YOURS = "There is no such document, or it is not yours."


class ErrorOut(Told):
    code: str
    reason: str
    advice: str = ""


class DocumentOut(Told):
    id: UUID
    name: str
    title: str
    collection: str
    kind: str
    size: int
    version: int
    language: str
    state: str
    progress: dict[str, int]
    pages: int
    chunks: int
    warnings: list[str]
    error: ErrorOut | None
    seconds: dict[str, float]
    receipt: dict[str, Any] = Field(description="What became of it all, added up over its pages.")
    waits_for: str = Field(description="A sentence when it waits for something other than its turn.")
    parent: UUID | None = Field(description="The document that it was attached to.")
    created_at: str
    collection_id: UUID
    superseded_at: str | None = Field(description="When a newer version took its place.")
    duplicate: bool = False


class AttemptOut(Told):
    number: int
    began_at: str
    ended_at: str | None
    stage: str
    outcome: str = Field(description='done, failed, canceled or interrupted; "" while it goes on.')
    reason: str


class PageOut(Told):
    page: int
    label: str
    warning: str
    receipt: dict[str, Any] = Field(
        description="letters, words, tables, images, language, recognised, confidence, cleaned, unreadable, withheld, "
        "seconds."
    )


class WholeDocumentOut(DocumentOut):
    page_receipts: list[PageOut] = Field(description="Empty while it is under way.")
    attempts: list[AttemptOut]


def row(document: Document, *, duplicate: bool = False, nobody_works: str = "") -> DocumentOut:
    return DocumentOut(
        id=document.pk,
        name=document.name,
        title=document.display_title,
        collection=document.collection.name,
        kind=document.kind,
        size=document.size,
        version=document.version,
        language=document.language,
        state=document.state,
        progress={"done": document.done, "total": document.total},
        pages=document.page_count,
        chunks=document.chunk_count,
        warnings=document.warnings,
        error=ErrorOut(**document.error) if document.error else None,
        seconds=document.seconds,
        receipt=document.receipt,
        waits_for=document.waits_for or (nobody_works if document.state == State.QUEUED else ""),
        parent=document.parent_id,
        created_at=document.created_at.isoformat(),
        collection_id=document.collection_id,
        superseded_at=document.superseded_at.isoformat() if document.superseded_at else None,
        duplicate=duplicate,
    )


def whole(document: Document) -> WholeDocumentOut:
    # Whoever asks every second how far it is does not want a thousand pages each time.
    live = document.pages_live().none() if document.is_under_way else document.pages_live()
    pages = live.only("number", "label", "warning", "receipt")
    attempts = [
        AttemptOut(
            number=attempt.number,
            began_at=attempt.began_at.isoformat(),
            ended_at=attempt.ended_at.isoformat() if attempt.ended_at else None,
            stage=attempt.stage if attempt.outcome else document.state,
            outcome=attempt.outcome,
            reason=attempt.reason,
        )
        for attempt in document.attempts.all()
    ]
    receipts = [
        PageOut(page=page.number, label=page.label, warning=page.warning, receipt=page.receipt) for page in pages
    ]
    nobody_works = why_nobody_works() if document.state == State.QUEUED else ""
    return WholeDocumentOut(
        **row(document, nobody_works=nobody_works).model_dump(), page_receipts=receipts, attempts=attempts
    )


@contextmanager
def told_when_refused():
    try:
        yield
    except intake.UploadRefused as exc:
        raise ApiError(exc.status, exc.code, exc.reason, exc.advice, retry_after=exc.retry_after) from exc


@router.post(
    "/documents",
    response={201: DocumentOut, 200: DocumentOut, REFUSED: Refusal},
    auth=writing,
    summary="Upload a document",
)
def upload(request: SignedInRequest, file: File[UploadedFile], collection: Form[str] = ""):
    """Take a file in; 200 instead of 201 when these bytes are here already. Without a collection it goes into the
    private one; a name that is nobody's makes a new one."""
    target = owned_collection(request.user, collection.replace("\x00", "").strip()[:120])
    with told_when_refused():
        document, is_new = intake.accept(file.chunks(), file.name or "", request.user, target)
    return Status(201 if is_new else 200, row(document, duplicate=not is_new))


class DocumentsFilter(Part):
    state: str = Field("", description="One of queued, extracting, chunking, embedding, indexing, ready, warning, "
                       "failed, canceled; several with commas.")  # fmt: skip
    collection: str = Field("", description="A collection's id or name.")
    kind: str = Field("", description="The format: pdf, docx, html …")
    q: str = Field("", max_length=200, description="Letters of the name or the title.")
    created_after: datetime | None = None

    def narrowed(self, rows: DocumentQuerySet) -> DocumentQuerySet:
        told = {name: str(getattr(self, name)).replace("\x00", "") for name in ("state", "collection", "kind", "q")}
        if told["state"]:
            rows = rows.filter(state__in=told["state"].split(","))
        if name := told["collection"]:
            rows = rows.filter(Q(collection__name__iexact=name) | Q(collection__in=_ids(name)))
        if told["kind"]:
            rows = rows.filter(kind=told["kind"])
        if letters := told["q"]:
            rows = rows.filter(Q(name__icontains=letters) | Q(title__icontains=letters))
        return rows.filter(created_at__gt=self.created_after) if self.created_after else rows


def _ids(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []


@router.get("/documents", response={200: list[DocumentOut], REFUSED: Refusal}, auth=reading, summary="List documents")
def documents(request: SignedInRequest, response: HttpResponse, wanted: Query[DocumentsFilter]):
    """What the caller may read, newest first; `x-total-count` says how many there are of what was asked for."""
    rows = wanted.narrowed(Document.objects.for_user(request.user).current()).select_related("collection")
    total, listed = counted(rows.order_by("-created_at", "pk"), wanted, wanted.q)
    response["x-total-count"] = str(total)
    nobody_works = why_nobody_works()
    return [row(document, nobody_works=nobody_works) for document in listed]


@router.get(
    "/documents/{uuid:pk}", response={200: WholeDocumentOut, REFUSED: Refusal}, auth=reading, summary="A document"
)
def document(request: SignedInRequest, pk: UUID):
    """A document with its receipt: what became of every page, and how each attempt to read it ended."""
    return whole(find_document(Document.objects.for_user(request.user), pk))


@router.get(
    "/documents/{uuid:pk}/versions",
    response={200: list[DocumentOut], REFUSED: Refusal},
    auth=reading,
    summary="Versions of a document",
)
def versions(request: SignedInRequest, pk: UUID):
    """Every version of this document that is not deleted, the newest first."""
    found = find_document(Document.objects.for_user(request.user), pk)
    readable = Document.objects.for_user(request.user).filter(pk__in=found.versions())
    return [row(version) for version in readable.select_related("collection").order_by("-version", "-created_at")]


@router.get("/documents/{uuid:pk}/original", response={200: str, REFUSED: Refusal}, auth=asking, summary="The file",
            openapi_extra={"responses": {200: {"description": "The file as it was uploaded.", "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}})  # fmt: skip
async def download(request: HttpRequest, pk: UUID):
    """The file as it was uploaded, always as a download."""
    document = await sync_to_async(find_document)(Document.objects.for_user(request.user), pk)
    found = await original(document)
    if found is None:
        raise ApiError(404, "file_lost", "The file is not there any more.", "Upload it again.")
    return found


class DocumentChange(Schema):
    name: str | None = Field(None, min_length=1, max_length=200, description="A file name, for all of its versions.")
    collection: str | None = Field(None, description="The id or name of a collection that the caller may add to.")


@router.patch(
    "/documents/{uuid:pk}",
    response={200: DocumentOut, REFUSED: Refusal},
    auth=writing,
    summary="Move or rename a document",
)
def change(request: SignedInRequest, pk: UUID, payload: DocumentChange):
    """Put it into another collection, give it another name, or both; its versions and what was attached go along."""
    found = find_document(Document.objects.editable_by(request.user), pk)
    with told_when_refused(), transaction.atomic():
        if payload.collection is not None:
            intake.move(found, editable_collection(request, payload.collection))
        if payload.name is not None:
            intake.rename(found, payload.name)
    return row(found)


def editable_collection(request: SignedInRequest, name: str) -> Collection:
    """The collection of this id or name; one's own before a shared one."""
    name = name.replace("\x00", "")
    rows = Collection.objects.editable_by(request.user).filter(Q(pk__in=_ids(name)) | Q(name__iexact=name))
    found = rows.order_by(Case(When(owner=request.user, then=0), default=1), "created_at").first()
    if found is None:
        raise ApiError(404, "not_found", "There is no such collection, or you may not add to it.")
    return found


@router.delete("/documents/{uuid:pk}", response={204: None, REFUSED: Refusal}, auth=writing, summary="Delete")
def delete(request: SignedInRequest, pk: UUID):
    """It is found no more from this moment on; the earlier versions it replaced go along."""
    intake.delete(find_document(Document.objects.editable_by(request.user), pk))
    return Status(204, None)


@router.post("/documents/{uuid:pk}/retry", response={200: DocumentOut, REFUSED: Refusal}, auth=writing, summary="Retry")
def retry(request: SignedInRequest, pk: UUID):
    """Read it again from the start."""
    found = find_document(Document.objects.editable_by(request.user), pk)
    intake.retry(found)
    return row(found)


@router.post(
    "/documents/{uuid:pk}/cancel", response={200: DocumentOut, REFUSED: Refusal}, auth=writing, summary="Cancel"
)
def cancel(request: SignedInRequest, pk: UUID):
    """Stop reading it; what was found of an earlier reading stays."""
    found = find_document(Document.objects.editable_by(request.user), pk)
    intake.cancel(found)
    return row(found)


def find_document(rows: DocumentQuerySet, pk: UUID) -> Document:
    return the(rows.select_related("collection"), NOT_YOURS, pk=pk)
