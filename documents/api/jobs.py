"""Everybody's documents for the programs of those who run Lectern: what failed and why, and what is done to many.

Never their words: these are for whoever may read them.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from documents.api.documents import DocumentOut, WholeDocumentOut, row, whole
from documents.console.finding import MOST, JobsForm, chosen
from documents.console.jobs import done, kept_documents, logged
from documents.models import Collection, Document
from documents.paging import counted
from project.api import REFUSED, ApiError, Part, Refusal, running, the
from project.provider.pieces import bearable

router = Router(tags=["jobs"])


class JobOut(DocumentOut):
    owner: str


class WholeJobOut(WholeDocumentOut):
    owner: str
    log: list[str] | None = Field(description="What workers noted of it last; null: that cannot be told now.")


class JobsFilter(Part):
    """What an unknown word stands for is left aside, as on the page."""

    q: str = Field("", max_length=200, description="Letters of the name or the title.")
    state: Literal["", "under-way", "left", "ready", "warning", "failed", "dead", "canceled"] = Field(
        "", description="left: its worker went away; dead: every attempt failed."
    )
    kind: str = Field("", max_length=40)
    collection: str = Field("", max_length=120, description="Its id, or letters of its name.")
    owner: str = Field("", max_length=150)
    index: int | None = Field(None, description="An index’s id.")
    code: str = Field("", max_length=40, description="Of the error.")
    sort: str = Field("-added", max_length=10, description="name, added, pages, passages or size; with - turned round.")


class ActIn(Schema):
    act: Literal["retry", "cancel", "move", "delete"]
    documents: list[UUID] = Field(min_length=1, max_length=MOST)
    collection: str = Field("", max_length=120, description="The id of the one that they are moved to.")


class ActedOut(Schema):
    id: UUID
    name: str
    refusal: str = Field(description="Why it was not done; empty when it was.")


def _job(document: Document) -> JobOut:
    return JobOut(**row(document).model_dump(), owner=document.owner.get_username())


@router.get("/jobs", response={200: list[JobOut], REFUSED: Refusal}, auth=running, summary="List everybody’s documents")
def jobs(request: HttpRequest, response: HttpResponse, wanted: Query[JobsFilter]):
    """By state, error, owner and place; `x-total-count` says how many there are of what was asked for."""
    asked = {name: "" if value is None else value for name, value in wanted.dict(exclude={"limit", "offset"}).items()}
    total, listed = counted(JobsForm(asked).in_order(), wanted, wanted.q)
    response["x-total-count"] = str(total)
    return [_job(document) for document in listed]


@router.get("/jobs/{uuid:pk}", response={200: WholeJobOut, REFUSED: Refusal}, auth=running, summary="One of them")
def job(request: HttpRequest, pk: UUID):
    """What became of its pages, how each attempt to read it ended, and what workers noted."""
    document = the(kept_documents(), "There is no such document.", pk=pk)
    return WholeJobOut(**whole(document).model_dump(), owner=document.owner.get_username(), log=logged(document))


@router.post(
    "/jobs", response={200: list[ActedOut], REFUSED: Refusal}, auth=running, summary="Act on many, whoever owns them"
)
def act(request: HttpRequest, payload: ActIn):
    """Read them again, stop reading them, move or delete them: each by itself, and of each it is told whether it was
    done. Those that are not there are left out."""
    target = _target(payload.collection) if payload.act == "move" else None
    acted = [done(payload.act, document, target) for document in chosen(payload.documents)]
    return [ActedOut(id=each.document.pk, name=each.document.name, refusal=each.refusal) for each in acted]


def _target(text: str) -> Collection:
    try:
        found = Collection.objects.filter(is_private=False, pk=UUID(bearable(text))).first()
    except ValueError:
        found = None
    if found is None:
        raise ApiError(
            422, "invalid_request_error", "Name the collection by its id; no private one.", param="collection"
        )
    return found
