"""How Lectern stands, what was stopped, and how answers are worded: the console's pages of these, for programs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from chat.console.moderation import counted, ways
from chat.console.overview import overseen
from chat.console.wording import TemplateForm, answered, preview, tried, use
from chat.models import PromptTemplate
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Refusal, running, the
from project.provider.pieces import bearable

router = Router()


# How it stands -------------------------------------------------------------------------------------------------------
class PartOut(Schema):
    name: str
    state: str = Field(description="good, caution, bad or waiting.")
    reason: str
    advice: str


class LookOut(Schema):
    state: str = Field(description="bad, caution or waiting.")
    title: str
    text: str
    address: str = Field(description="The page where something is done about it.")


class ChartOut(Schema):
    title: str
    days: list[tuple[str, str]] = Field(description="[day, figure], the last 14.")


class OverviewOut(Schema):
    verdict: str
    parts: list[PartOut] = Field(description="What Lectern stands on.")
    looks: list[LookOut] = Field(description="What wants a look, the worst first.")
    waiting: int = Field(description="Documents in the queue.")
    oldest: str = Field(description="How long the first of them has waited.")
    documents: dict[str, int] = Field(description="By state, in words.")
    charts: list[ChartOut]


@router.get(
    "/overview", response={200: OverviewOut, REFUSED: Refusal}, auth=running, tags=["running"], summary="How it stands"
)
def overview(request: HttpRequest):
    """Whether Lectern is well, what wants a look, what waits, and the figures of the last fourteen days."""
    told = overseen()
    return OverviewOut(
        verdict=told["verdict"],
        parts=[PartOut(name=str(each.name), **_finding(each.finding)) for each in told["parts"]],
        looks=[
            LookOut(state=each.shape, title=each.title, text=str(each.text), address=each.url) for each in told["looks"]
        ],
        waiting=told["line"].waiting,
        oldest=told["line"].oldest,
        documents={words: number for _, words, number, _ in told["states"]},
        charts=[ChartOut(title=each.title, days=each.rows) for each in told["charts"]],
    )


def _finding(finding: Any) -> dict[str, str]:
    return {"state": finding.state, "reason": str(finding.reason), "advice": str(finding.advice)}


# What was stopped ----------------------------------------------------------------------------------------------------
class StoppedOut(Schema):
    day: date
    where: str = Field(description="question or answer.")
    outcome: str = Field(description="stopped, unchecked-stopped or unchecked-passed.")
    category: str
    severity: str
    number: int


class ModerationOut(Schema):
    ways: dict[str, str] = Field(description="Who checks, by deployment: off, openai, filter or words.")
    stopped: list[StoppedOut]


@router.get(
    "/moderation",
    response={200: ModerationOut, REFUSED: Refusal},
    auth=running,
    tags=["moderation"],
    summary="What was stopped",
)
def moderation(request: HttpRequest):
    """How often something was stopped in the last 30 days, by day and category; never the words."""
    return ModerationOut(ways=ways(), stopped=[StoppedOut(**row) for row in counted()])


# How answers are worded ----------------------------------------------------------------------------------------------
class TemplateOut(Schema):
    id: int
    name: str
    version: int
    text: str
    note: str
    is_active: bool
    trouble: str = Field(description="Why it cannot be used; empty when it can.")
    created_at: datetime


class TemplateIn(Schema):
    name: str = Field("answer", max_length=40, description="“answer” is for all questions.")
    text: str = Field(max_length=4_000, examples=["Be short and plain. Answer in {language}."])
    note: str = Field("", max_length=200, description="Why there is this version.")
    is_active: bool = Field(False, description="Used from the next question on.")


class TrialIn(Schema):
    question: str = Field(min_length=1, max_length=2_000, examples=["When is the rent due?"])
    template: int | None = Field(None, description="The version; left out: what is active.")
    answer: bool = Field(False, description="Ask the model too, which may cost something.")


class SentOut(Schema):
    role: str
    content: str


class TrialOut(Schema):
    messages: list[SentOut] = Field(description="Exactly what is sent, the caller’s passages among it.")
    tokens: int
    worded_by: str
    answer: str | None = Field(description="null: the model was not asked, or did not answer.")
    trouble: str


def _template(row: PromptTemplate) -> TemplateOut:
    fields = ("name", "version", "text", "note", "is_active", "trouble", "created_at")
    return TemplateOut(id=row.pk, **{field: getattr(row, field) for field in fields})


def _version(pk: int) -> PromptTemplate:
    return the(PromptTemplate.objects.all(), "There is no such version of a wording.", pk=pk)


@router.get(
    "/wording", response={200: list[TemplateOut], REFUSED: Refusal}, auth=running, tags=["wording"], summary="List"
)
def wording(request: HttpRequest):
    """Every version that was written; where none called “answer” is active, the built-in wording answers."""
    return [_template(row) for row in PromptTemplate.objects.all()]


@router.post(
    "/wording", response={201: TemplateOut, REFUSED: Refusal}, auth=running, tags=["wording"], summary="Write a version"
)
def write_wording(request: SignedInRequest, payload: TemplateIn):
    """The next version of a wording; those before it stay as they are."""
    words = {"name": payload.name, "text": bearable(payload.text), "note": bearable(payload.note)}
    form = TemplateForm(words | {"is_used": payload.is_active})
    form.instance.created_by = request.user
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise ApiError(422, "invalid_request_error", str(errors[0]), param=field)
    return Status(201, _template(form.keep()))


@router.post(
    "/wording/{int:pk}/use",
    response={200: TemplateOut, REFUSED: Refusal},
    auth=running,
    tags=["wording"],
    summary="Use a version",
)
def use_wording(request: HttpRequest, pk: int):
    """From the next question on answers are worded so."""
    row = _version(pk)
    if row.trouble:
        raise ApiError(409, "unusable", row.trouble, "Write it as a new version.")
    use(row)
    return _template(row)


@router.post(
    "/wording/try", response={200: TrialOut, REFUSED: Refusal}, auth=running, tags=["wording"], summary="Try a version"
)
def try_wording(request: SignedInRequest, payload: TrialIn):
    """What would be sent for a question, as the caller asks it; with `answer`, what the model makes of it."""
    template, text = None if payload.template is None else _version(payload.template), bearable(payload.question)
    if not text.strip():
        raise ApiError(422, "invalid_request_error", "Write a question first.", param="question")
    question = tried(text.strip(), request.user, template)
    found = preview(question)
    told = answered(question) if payload.answer else {}
    prompt = found.get("prompt")
    return TrialOut(
        messages=[SentOut(role=each["role"], content=str(each["content"])) for each in prompt.messages]
        if prompt
        else [],
        tokens=prompt.tokens if prompt else 0,
        worded_by=str(question.wording or ""),
        answer=told.get("text"),
        trouble=found.get("trouble") or told.get("trouble") or "",
    )
