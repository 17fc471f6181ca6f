"""The library for programs: documents and search. Shapes are a promise: other programs rely on them."""

from __future__ import annotations

import math
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from ninja import Field, File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile

from documents import intake
from documents.indexes import owned_collection
from documents.models import Collection, Document, State
from documents.retrieval import Found, Passage, Scope, find
from documents.retrieval.explaining import Explanation, Subject, explain, subjects_of
from documents.search import Leg, SearchBusy, SearchError
from project.accounts import SignedInRequest
from project.api import ApiError, reading, writing
from project.limits import take
from project.workers import why_nobody_works

router = Router(tags=["documents"])

UNAVAILABLE_S = 300  # An operator has to mend it first.
NOT_YOURS = (404, "not_found", "There is no such document, or it is not yours.")


class ErrorOut(Schema):
    code: str
    reason: str
    advice: str = ""


class DocumentOut(Schema):
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
    duplicate: bool = False


class AttemptOut(Schema):
    number: int
    began_at: str
    ended_at: str | None
    stage: str
    outcome: str = Field(description='done, failed, canceled or interrupted; "" while it goes on.')
    reason: str


class PageOut(Schema):
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
        **row(document, nobody_works=nobody_works).dict(), page_receipts=receipts, attempts=attempts
    )


@router.post("/documents", response={201: DocumentOut, 200: DocumentOut}, auth=writing)
def upload(request: SignedInRequest, file: File[UploadedFile], collection: Form[str] = ""):
    """Take a file in; 200 instead of 201 when these bytes are here already."""
    target = owned_collection(request.user, collection.replace("\x00", "").strip()[:120])
    try:
        document, is_new = intake.accept(file.chunks(), file.name or "", request.user, target)
    except intake.UploadRefused as exc:
        raise ApiError(exc.status, exc.code, exc.reason, exc.advice, retry_after=exc.retry_after) from exc
    return Status(201 if is_new else 200, row(document, duplicate=not is_new))


@router.get("/documents", response=list[DocumentOut], auth=reading)
def documents(
    request: SignedInRequest,
    state: str = "",
    limit: int = Query(100, ge=1, le=1000),
    offset: int = Query(0, ge=0, le=1_000_000),
):
    """What the caller may read, newest first."""
    rows = Document.objects.for_user(request.user).current().select_related("collection")
    if state:
        rows = rows.filter(state=state.replace("\x00", ""))
    nobody_works = why_nobody_works()
    return [row(document, nobody_works=nobody_works) for document in rows[offset : offset + limit]]


@router.get("/documents/{uuid:pk}", response=WholeDocumentOut, auth=reading)
def document(request: SignedInRequest, pk: UUID):
    """A document with its receipt: what became of every page, and how each attempt to read it ended."""
    return whole(_find(Document.objects.for_user(request.user), pk))


@router.delete("/documents/{uuid:pk}", response={204: None}, auth=writing)
def delete(request: SignedInRequest, pk: UUID):
    intake.delete(_find(Document.objects.editable_by(request.user), pk))
    return Status(204, None)


@router.post("/documents/{uuid:pk}/retry", response=DocumentOut, auth=writing)
def retry(request: SignedInRequest, pk: UUID):
    found = _find(Document.objects.editable_by(request.user), pk)
    intake.retry(found)
    return row(found)


@router.post("/documents/{uuid:pk}/cancel", response=DocumentOut, auth=writing)
def cancel(request: SignedInRequest, pk: UUID):
    found = _find(Document.objects.editable_by(request.user), pk)
    intake.cancel(found)
    return row(found)


def _find(rows, pk: UUID) -> Document:
    found = rows.select_related("collection").filter(pk=pk).first()
    if found is None:
        raise ApiError(*NOT_YOURS)
    return found


class SubjectIn(Schema):
    document: UUID
    page: int | None = Field(None, ge=1)
    start: int | None = Field(None, ge=0, description="Offsets into the page's text.")
    end: int | None = Field(None, ge=0)


class SearchIn(Schema):
    query: str = Field(min_length=1, max_length=20_000)
    top: int = Field(10, ge=1, le=100)
    mode: Literal["hybrid", "keyword", "vector"] = "hybrid"
    collections: list[str] | None = Field(None, description="Names or ids; left out: all that the key may read.")
    documents: list[UUID] | None = Field(None, max_length=1_000)
    explain: bool = Field(False, description="Say of `about`, or of each result, where it stands and why.")
    about: list[SubjectIn] = Field([], max_length=10)


class LegOut(Schema):
    rank: int
    score: float


class PlaceOut(Schema):
    document_id: UUID
    document: str
    page: int
    start: int
    end: int


class ResultOut(Schema):
    document_id: UUID
    document: str
    page: int
    page_label: str
    start: int
    end: int
    text: str
    score: float
    legs: dict[str, LegOut]
    also_in: list[PlaceOut] = Field(description="Where else the same words were found.")


class ExplanationOut(Schema):
    document_id: UUID
    page: int | None
    start: int | None
    end: int | None
    reason: str = Field(
        description="shown, joined, copy, top, reordered, depth, budget, scope, document_filter, not_live, not_searched"
        " or not_indexed."
    )
    sentence: str
    setting: dict[str, Any] = Field(description="The smallest change that brings it in; empty: there is none.")
    place: int | None = Field(description="Among the results, from 1.")
    legs: dict[str, LegOut] = Field(description="keyword, vector and fused, among all that may be seen.")


class ResultsOut(Schema):
    results: list[ResultOut]
    notices: list[str] = Field(description="How the search went, where a person may want to know.")
    explanations: list[ExplanationOut] = []


@router.post("/search", response=ResultsOut, auth=reading)
def search(request: SignedInRequest, payload: SearchIn):
    """The passages nearest to a query, with the place of each on its page; with `explain`, why these and not others."""
    scope = Scope(payload.mode, named_collections(request.user, payload.collections), payload.documents)
    query = payload.query.replace("\x00", " ")
    try:
        found = find(query, request.user, scope, top=payload.top)
        explanations = _explanations(request, payload, query, scope, found) if payload.explain else []
    except SearchBusy as exc:
        wait = math.ceil(exc.retry_after)
        raise ApiError(503, "search_busy", str(exc), "Try again then.", retry_after=wait) from exc
    except SearchError as exc:
        advice = "An administrator must look at the index."
        raise ApiError(503, "search_unavailable", str(exc), advice, retry_after=UNAVAILABLE_S) from exc
    return {
        "results": [_result(passage) for passage in found.passages],
        "notices": found.notices,
        "explanations": explanations,
    }


def _explanations(
    request: SignedInRequest, payload: SearchIn, query: str, scope: Scope, found: Found
) -> list[ExplanationOut]:
    told = []
    for subject in [_subject(one) for one in payload.about] or subjects_of(found):
        take(f"search:{request.user.pk}", settings.REQUESTS_A_MINUTE)  # Each is as much work as a search.
        try:
            one = explain(query, request.user, subject, scope, top=payload.top, found=found)
        except Document.DoesNotExist as exc:
            if payload.about:
                raise ApiError(*NOT_YOURS) from exc
            continue  # It went away since it was found.
        told.append(_explanation(subject, one))
    return told


def _subject(asked: SubjectIn) -> Subject:
    return Subject(asked.document, asked.page, asked.start, asked.end)


def _explanation(subject: Subject, told: Explanation) -> ExplanationOut:
    return ExplanationOut(
        document_id=subject.document,
        page=told.page,
        start=told.start,
        end=told.end,
        reason=told.reason,
        sentence=told.sentence,
        setting=told.setting,
        place=told.place,
        legs=_legs(keyword=told.keyword, vector=told.vector, fused=told.fused),
    )


def _legs(**legs: Leg | None) -> dict[str, LegOut]:
    return {name: LegOut(rank=leg.rank, score=round(leg.score, 6)) for name, leg in legs.items() if leg}


def named_collections(user, names: list[str] | None) -> list[UUID] | None:
    """Names or ids as ids, of those this person may read: a name of nobody's finds nothing."""
    if names is None:
        return None
    wanted = {name.replace("\x00", "").lower() for name in names}
    readable = Collection.objects.for_user(user).values_list("pk", "name")
    return [pk for pk, name in readable if str(pk) in wanted or name.lower() in wanted]


def _result(passage: Passage) -> ResultOut:
    return ResultOut(
        document_id=passage.place.document_id,
        document=passage.document_name,
        page=passage.page_number,
        page_label=passage.page_label,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        score=round(passage.score, 6),
        legs=_legs(keyword=passage.keyword, vector=passage.vector),
        also_in=[
            PlaceOut(
                document_id=place.document_id,
                document=place.document_title,
                page=place.page_number,
                start=place.start,
                end=place.end,
            )
            for place in passage.duplicates
        ],
    )
