"""What the console knows of questions, for programs: what was asked, what was thought of the answers, and what nobody
could answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from ninja import Field, Query, Router, Schema

from chat import running_api
from chat.console.questions import Shown, asked, gap_themes, inquiry, known, listed, note_view, themes_of
from chat.models import Feedback, Gap, Message
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, running, the

router = Router()
router.add_router("", running_api.router)


# Questions -----------------------------------------------------------------------------------------------------------
class QuestionOut(Schema):
    id: UUID = Field(description="Of its answer.")
    question: str
    state: str = Field(description="done, refused, failed, stopped or interrupted.")
    asked_at: datetime
    ups: int = Field(description="Thumbs up on the answer.")
    downs: int = Field(description="Thumbs down, those on single sources too.")


class QuestionsFilter(Part):
    shown: Literal["", "refused", "down", "mine", "resolved", "failed"] = Field(
        "", description="Not in the documents; voted down and open; of those, the caller’s; voted down and resolved."
    )
    text: str = Field("", max_length=200, description="Letters of the question.")
    first: date | None = Field(None, description="Asked on this day or later.")
    last: date | None = Field(None, description="Asked on this day or earlier.")

    def narrowed(self, user: User) -> QuerySet[Message]:
        return listed(self.dict() | {"text": self.text.replace("\x00", "")}, user)


class ThemeOut(Schema):
    name: str = Field(description="Its most typical question.")
    questions: list[QuestionOut]


class SeenOut(Schema):
    document: str
    page: str
    text: str | None = Field(description="null: the caller may not read this document.")
    is_cited: bool


class WholeQuestionOut(Schema):
    id: UUID
    question: str
    state: str
    asked_at: datetime
    asker: str | None = Field(description="Told to a superuser who looks as they do; else null.")
    answer: str | None = Field(description="null: it rests on what the caller may not read.")
    then: list[SeenOut] = Field(description="The passages it was given.")
    now: list[SeenOut] = Field(description="Those that its asker would be given now.")
    trouble: str = Field(description="Why nothing can be found now.")


def _question(row: Message) -> QuestionOut:
    return QuestionOut(
        id=row.pk,
        question=row.question.content,
        state=row.state,
        asked_at=row.created_at,
        ups=row.ups,  # type: ignore[attr-defined]
        downs=row.downs,  # type: ignore[attr-defined]
    )


def _whole(row: Message, user: User, *, is_whole: bool) -> WholeQuestionOut:
    seen = inquiry(row, user, is_whole=is_whole)
    return WholeQuestionOut(
        id=row.pk,
        question=row.question.content,
        state=row.state,
        asked_at=row.created_at,
        asker=row.conversation.owner.get_username() if is_whole else None,
        answer=row.content if seen.is_told else None,
        then=[_seen(each) for each in seen.then],
        now=[_seen(each) for each in seen.now],
        trouble=seen.trouble,
    )


def _seen(shown: Shown) -> SeenOut:
    return SeenOut(document=shown.title, page=shown.page, text=shown.text, is_cited=shown.is_cited)


def _found(pk: UUID) -> Message:
    return the(known(), "There is no such question, or it may not be shown.", pk=pk)


@router.get(
    "/questions", response={200: list[QuestionOut], REFUSED: Refusal}, auth=running, tags=["questions"], summary="List"
)
def questions(request: SignedInRequest, wanted: Query[QuestionsFilter]):
    """What was asked, the newest first, as far as LECTERN_CONSOLE_QUESTIONS lets it be seen."""
    return [_question(row) for row in wanted.of(wanted.narrowed(request.user))]


@router.get(
    "/questions/themes",
    response={200: list[ThemeOut], REFUSED: Refusal},
    auth=running,
    tags=["questions"],
    summary="List in themes",
)
def question_themes(request: SignedInRequest, wanted: Query[QuestionsFilter]):
    """The newest 500 of what a filter leaves, put together by what they ask about; the largest theme first."""
    found = themes_of(wanted.narrowed(request.user))[wanted.offset : wanted.offset + wanted.limit]
    return [ThemeOut(name=theme.name, questions=[_question(row) for row in rows]) for theme, rows in found]


@router.get(
    "/questions/{uuid:pk}",
    response={200: WholeQuestionOut, REFUSED: Refusal},
    auth=running,
    tags=["questions"],
    summary="A question",
)
def question(request: SignedInRequest, pk: UUID):
    """Its answer, and the passages then and now, without the words of what the caller may not read."""
    return _whole(_found(pk), request.user, is_whole=False)


@router.post(
    "/questions/{uuid:pk}/view",
    response={200: WholeQuestionOut, REFUSED: Refusal},
    auth=running,
    tags=["questions"],
    summary="Look as its asker does",
)
def view_question(request: SignedInRequest, pk: UUID):
    """With all that its asker sees. For superusers alone, and it is written down."""
    row = _found(pk)
    if not request.user.is_superuser:
        raise ApiError(403, "forbidden", "Only a superuser may look as somebody else does.")
    note_view(row)
    return _whole(row, request.user, is_whole=True)


# Feedback ------------------------------------------------------------------------------------------------------------


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
    row = the(_feedback(), "There is no such feedback.", pk=pk)
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


# Gaps ----------------------------------------------------------------------------------------------------------------
class GapOut(Schema):
    id: int
    question: str
    asked_at: datetime
    looked_at: datetime = Field(description="When the documents were last searched for it.")
    closed_at: datetime | None = Field(description="When a document came that answers it.")


class GapsPart(Part):
    state: Literal["open", "closed"] = "open"


class GapThemeOut(Schema):
    name: str = Field(description="Its most typical question.")
    people: int = Field(description="Who asked.")
    gaps: list[GapOut]


def _gap(gap: Gap) -> GapOut:
    return GapOut(
        id=gap.pk,
        question=gap.question.content,
        asked_at=gap.question.created_at,
        looked_at=gap.looked_at,
        closed_at=gap.closed_at,
    )


@router.get("/gaps", response={200: list[GapOut], REFUSED: Refusal}, auth=running, tags=["gaps"], summary="List gaps")
def gaps(request: SignedInRequest, wanted: Query[GapsPart]):
    """Questions that nobody could answer, the newest first; or those that a document answers by now."""
    rows = Gap.objects.open() if wanted.state == "open" else Gap.objects.filter(citation__isnull=False)
    rows = rows.filter(question__replies__in=asked()).distinct().select_related("question").order_by("-pk")
    return [_gap(gap) for gap in wanted.of(rows)]


@router.get(
    "/gaps/themes",
    response={200: list[GapThemeOut], REFUSED: Refusal},
    auth=running,
    tags=["gaps"],
    summary="List open gaps in themes",
)
def themes_of_gaps(request: SignedInRequest, wanted: Query[Part]):
    """The newest 500 open ones, put together by what they ask about; what most people asked first."""
    found = gap_themes()[wanted.offset : wanted.offset + wanted.limit]
    return [
        GapThemeOut(name=each.theme.name, people=each.askers, gaps=[_gap(gap) for gap in each.members])
        for each in found
    ]
