"""Search for programs: the passages nearest to a query, and why these and not others."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from ninja import Field, Router, Schema

from documents.api.documents import NOT_YOURS
from documents.models import Collection, Document
from documents.retrieval import Found, Passage, Scope, find
from documents.retrieval.explaining import Explanation, Subject, explain, subjects_of
from documents.search import Leg, SearchBusy, SearchError
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Refusal, Told, reading
from project.limits import take
from project.provider.pieces import bearable

router = Router(tags=["search"])

UNAVAILABLE_S = 300  # An operator has to mend it first.


class SubjectIn(Schema):
    document: UUID
    page: int | None = Field(None, ge=1)
    start: int | None = Field(None, ge=0, description="Offsets into the page's text.")
    end: int | None = Field(None, ge=0)


class SearchIn(Schema):
    query: str = Field(min_length=1, max_length=20_000, examples=["When is the rent due?"])
    top: int = Field(10, ge=1, le=100)
    mode: Literal["hybrid", "keyword", "vector"] = "hybrid"
    collections: list[str] | None = Field(None, description="Names or ids; left out: all that the key may read.")
    documents: list[UUID] | None = Field(None, max_length=1_000)
    explain: bool = Field(False, description="Say of `about`, or of each result, where it stands and why.")
    about: list[SubjectIn] = Field([], max_length=10)


class LegOut(Told):
    rank: int
    score: float


class PlaceOut(Told):
    document_id: UUID
    document: str
    page: int
    start: int
    end: int


class ResultOut(Told):
    document_id: UUID
    document: str
    page: int
    page_label: str
    url: str = Field(description="Lasting: opens the page in Lectern with the words lit up, for whoever may read it.")
    start: int
    end: int
    text: str
    score: float
    legs: dict[str, LegOut]
    also_in: list[PlaceOut] = Field(description="Where else the same words were found.")


class ExplanationOut(Told):
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


class ResultsOut(Told):
    results: list[ResultOut]
    notices: list[str] = Field(description="How the search went, where a person may want to know.")
    explanations: list[ExplanationOut] = []


class ExplainIn(SearchIn):
    about: list[SubjectIn] = Field(min_length=1, max_length=10)


class ExplanationsOut(Told):
    explanations: list[ExplanationOut]
    notices: list[str]


@contextmanager
def told_when_out_of_order():
    """What a search that fails is called, and when it is worth trying again."""
    try:
        yield
    except SearchBusy as exc:
        wait = math.ceil(exc.retry_after)
        raise ApiError(503, "search_busy", str(exc), "Try again then.", retry_after=wait) from exc
    except SearchError as exc:
        advice = "An administrator must look at the index."
        raise ApiError(503, "search_unavailable", str(exc), advice, retry_after=UNAVAILABLE_S) from exc


@router.post("/explain", response={200: ExplanationsOut, REFUSED: Refusal}, auth=reading, summary="Explain a search")
def explain_search(request: SignedInRequest, payload: ExplainIn):
    """Of documents, pages or stretches of a page: where each stands in every leg, why it was found or was not, and the
    smallest change that brings it in."""
    scope, query = _scope(request, payload), payload.query.replace("\x00", " ")
    with told_when_out_of_order():
        found = find(query, request.user, scope, top=payload.top)
        return {"explanations": _explanations(request, payload, query, scope, found), "notices": found.notices}


def _scope(request: SignedInRequest, payload: SearchIn) -> Scope:
    return Scope(payload.mode, named_collections(request.user, payload.collections), payload.documents)


@router.post("/search", response={200: ResultsOut, REFUSED: Refusal}, auth=reading, summary="Search")
def search(request: SignedInRequest, payload: SearchIn):
    """The passages nearest to a query, with the place of each on its page; with `explain`, why these and not others."""
    scope, query = _scope(request, payload), payload.query.replace("\x00", " ")
    with told_when_out_of_order():
        found = find(query, request.user, scope, top=payload.top)
        explanations = _explanations(request, payload, query, scope, found) if payload.explain else []
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
                raise ApiError(404, "not_found", NOT_YOURS) from exc
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
    wanted = {bearable(name).casefold() for name in names}
    readable = Collection.objects.for_user(user).values_list("pk", "name")
    return [pk for pk, name in readable if str(pk) in wanted or name.casefold() in wanted]


def _result(passage: Passage) -> ResultOut:
    return ResultOut(
        document_id=passage.place.document_id,
        document=passage.document_name,
        page=passage.page_number,
        page_label=passage.page_label,
        start=passage.start,
        end=passage.end,
        url=passage.address,
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
