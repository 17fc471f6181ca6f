"""The passages of a document as they are searched, for those who run Lectern: taken out, and let in again."""

from __future__ import annotations

from uuid import UUID

from ninja import Field, Query, Router, Schema

from documents.api.documents import find_document
from documents.excluding import ExclusionRefused, exclude, include
from documents.models import Chunk, Document
from documents.search import SearchError
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, Told, running, the

router = Router(tags=["passages"])


class PassageOut(Told):
    id: int
    page: int
    start: int
    end: int
    text: str
    is_searched: bool = Field(description="Whether a search may find it.")


class SearchedIn(Schema):
    is_searched: bool = Field(description="false takes it out of the search, true lets it in again.")


def _out(chunk: Chunk) -> PassageOut:
    words = chunk.page.text[chunk.start : chunk.end]
    place = {"page": chunk.page.number, "start": chunk.start, "end": chunk.end}
    return PassageOut(id=chunk.pk, **place, text=words, is_searched=chunk.is_searched)


@router.get(
    "/documents/{uuid:pk}/passages",
    response={200: list[PassageOut], REFUSED: Refusal},
    auth=running,
    summary="List the passages of a document",
)
def passages(
    request: SignedInRequest,
    pk: UUID,
    wanted: Query[Part],
):
    """In their order, as the live version of the index holds them; of a document that the caller may read."""
    rows = (
        find_document(Document.objects.for_user(request.user), pk)
        .chunks_live()
        .select_related("page")
        .order_by("ordinal")
    )
    return [_out(chunk) for chunk in wanted.of(rows)]


@router.patch(
    "/documents/{uuid:pk}/passages/{int:chunk}",
    response={200: PassageOut, REFUSED: Refusal},
    auth=running,
    summary="Take a passage out of the search, or let it in",
)
def switch(request: SignedInRequest, pk: UUID, chunk: int, payload: SearchedIn):
    """From this call on no search finds it, in any version of the index; or, within moments, all do again."""
    document = find_document(Document.objects.for_user(request.user), pk)
    rows = document.chunks_live().select_related("page", "document")
    row = the(rows, "There is no such passage in this document.", pk=chunk)
    try:
        if payload.is_searched:
            include(row)
        else:
            exclude(row, request.user)
    except ExclusionRefused as exc:
        raise ApiError(409, "not_now", str(exc)) from exc
    except SearchError as exc:
        raise ApiError(503, "search_unavailable", str(exc), retry_after=60) from exc
    row.refresh_from_db()
    return _out(row)
