"""What the console knows of questions, for programs: what was thought of answers, and what nobody could answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.contrib.auth.models import User
from ninja import Field, Query, Router, Schema

from chat.console.questions import asked
from chat.models import Feedback, Gap
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, running

router = Router()


class FeedbackOut(Schema):
    id: int
    is_good: bool
    question: str
    answer_id: UUID
    source: int | None = Field(description="The number of the source it is about; null: the whole answer.")
    reasons: list[str]
    comment: str
    user: str
    assigned_to: str | None
    resolved_at: datetime | None
    updated_at: datetime


class FeedbackPart(Part):
    state: Literal["all", "open", "resolved"] = "all"


class FeedbackIn(Schema):
    resolved: bool | None = Field(None, description="true: dealt with; false: not after all.")
    assigned_to: str | None = Field(None, max_length=150, description="Somebody who runs Lectern; “”: nobody.")


class GapOut(Schema):
    id: int
    question: str
    asked_at: datetime
    looked_at: datetime = Field(description="When the documents were last searched for it.")
    closed_at: datetime | None = Field(description="When a document came that answers it.")


class GapsPart(Part):
    state: Literal["open", "closed"] = "open"


def _told(row: Feedback) -> FeedbackOut:
    return FeedbackOut(
        id=row.pk,
        is_good=row.is_good,
        question=row.question,
        answer_id=row.answer_id,
        source=row.citation.number if row.citation else None,
        reasons=row.reasons,
        comment=row.comment,
        user=row.user.get_username(),
        assigned_to=row.assigned_to.get_username() if row.assigned_to else None,
        resolved_at=row.resolved_at,
        updated_at=row.updated_at,
    )


def _feedback():
    rows = Feedback.objects.filter(answer__in=asked())
    return rows.select_related("answer__reply_to", "citation", "user", "assigned_to").order_by("-updated_at", "-pk")


@router.get(
    "/feedback", response={200: list[FeedbackOut], REFUSED: Refusal}, auth=running, tags=["feedback"], summary="List"
)
def feedback(request: SignedInRequest, wanted: Query[FeedbackPart]):
    """Thumbs on answers and sources, the newest first, as far as LECTERN_CONSOLE_QUESTIONS lets them be seen."""
    rows = _feedback()
    if wanted.state == "open":
        rows = rows.filter(is_good=False, resolved_at=None)
    elif wanted.state == "resolved":
        rows = rows.exclude(resolved_at=None)
    return [_told(row) for row in wanted.of(rows)]


@router.patch(
    "/feedback/{int:pk}",
    response={200: FeedbackOut, REFUSED: Refusal},
    auth=running,
    tags=["feedback"],
    summary="Resolve, reopen, assign",
)
def change_feedback(request: SignedInRequest, pk: int, payload: FeedbackIn):
    """What was dealt with, or is somebody's to deal with."""
    row = _feedback().filter(pk=pk).first()
    if row is None:
        raise ApiError(404, "not_found", "There is no such feedback.")
    if payload.assigned_to is not None:
        row.assign(_runner(payload.assigned_to))
    if payload.resolved is not None:
        row.resolve(request.user, is_open=not payload.resolved)
    return _told(row)


def _runner(name: str) -> User | None:
    if not name:
        return None
    person = User.objects.filter(username=name.replace("\x00", ""), is_staff=True, is_active=True).first()
    if person is None:
        raise ApiError(404, "not_found", "Nobody of this name runs Lectern.", param="assigned_to")
    return person


@router.get("/gaps", response={200: list[GapOut], REFUSED: Refusal}, auth=running, tags=["gaps"], summary="List gaps")
def gaps(request: SignedInRequest, wanted: Query[GapsPart]):
    """Questions that nobody could answer, the newest first; or those that a document answers by now."""
    rows = Gap.objects.open() if wanted.state == "open" else Gap.objects.filter(citation__isnull=False)
    rows = rows.filter(question__replies__in=asked()).distinct().select_related("question").order_by("-pk")
    return [
        GapOut(
            id=gap.pk,
            question=gap.question.content,
            asked_at=gap.question.created_at,
            looked_at=gap.looked_at,
            closed_at=gap.closed_at,
        )
        for gap in wanted.of(rows)
    ]
