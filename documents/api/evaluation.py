"""Measuring the search, for programs: questions with known pages go in, figures come out and are kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import Count, Max, QuerySet
from ninja import Field, Query, Router, Schema, Status

from documents.api.searching import told_when_out_of_order
from documents.evaluation import (
    MODES,
    Comparison,
    Question,
    QuestionSet,
    SetError,
    compare,
    evaluate,
    outcomes,
    page_key,
)
from documents.models import EvaluationRun
from documents.search import Mode
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, reading, the, writing
from project.models import narrowed_to

router = Router(tags=["evaluation"])

QUESTIONS_MOST = 200  # Each is searched three times while the caller waits.


class RightIn(Schema):
    document: str = Field(min_length=1, max_length=200, examples=["handbook.pdf"])
    page: int = Field(ge=1, le=1_000_000)


class QuestionIn(Schema):
    id: str = Field("", max_length=200, description="Left out: the question itself.")
    question: str = Field(min_length=1, max_length=2_000, examples=["When is the rent due?"])
    right: list[RightIn] = Field(min_length=1, max_length=100, description="The pages that answer it.")


class RunIn(Schema):
    set: str = Field(min_length=1, max_length=200, description="Runs of one name are compared.", examples=["smoke"])
    questions: list[QuestionIn] = Field(min_length=1, max_length=QUESTIONS_MOST)
    modes: list[Mode] = Field(list(MODES), min_length=1, max_length=3)
    top: int = Field(10, ge=1, le=50)
    collection: str = Field("", max_length=120, description="Ask this one alone, by name.")


class RunsPart(Part):
    set: str = ""
    limit: int = Field(50, ge=1, le=500)


class SetOut(Schema):
    name: str
    runs: int
    last_run: int
    last_at: str


class RunOut(Schema):
    id: int
    set: str
    created_at: str
    top: int
    questions: int
    conditions: dict[str, Any] = Field(description="What the figures depend on beside the documents.")
    figures: dict[str, Any] = Field(description="{mode: {figure: {value, low, high, by}, p50_ms, p95_ms}}")
    notes: list[str] = []


class ChangeOut(Schema):
    value: float
    low: float
    high: float
    fell: bool = Field(description="By more than chance explains.")


class WholeRunOut(RunOut):
    results: list[dict[str, Any]] = Field(description="[{id, text, right, modes: {mode: {rank, values, seconds}}}]")
    before: int | None = Field(description="The run it is compared with.")
    changes: dict[str, dict[str, ChangeOut]] = Field(description="{mode: {figure: change}} against that run.")


def _mine(request: SignedInRequest) -> QuerySet[EvaluationRun]:
    """One's own. What was asked names documents of any collection: a narrowed key opens none of it."""
    rows = EvaluationRun.objects.filter(user=request.user)
    return rows if narrowed_to(request.user) is None else rows.none()


def _run(run: EvaluationRun, notes: list[str] | None = None) -> RunOut:
    return RunOut(
        id=run.pk,
        set=run.set_name,
        created_at=run.created_at.isoformat(),
        top=run.top,
        questions=run.question_count,
        conditions=run.conditions,
        figures=run.figures,
        notes=notes or [],
    )


@router.get("/evaluation/sets", response={200: list[SetOut], REFUSED: Refusal}, auth=reading, summary="List sets")
def sets(request: SignedInRequest):
    """The sets of questions that were asked as the caller, and when last."""
    rows = _mine(request).order_by().values("set_name").annotate(runs=Count("pk"), last=Max("pk"), at=Max("created_at"))
    return [
        SetOut(name=row["set_name"], runs=row["runs"], last_run=row["last"], last_at=row["at"].isoformat())
        for row in rows.order_by("set_name")
    ]


@router.get("/evaluation/runs", response={200: list[RunOut], REFUSED: Refusal}, auth=reading, summary="List runs")
def runs(request: SignedInRequest, wanted: Query[RunsPart]):
    """The newest first, with their figures."""
    rows = _mine(request).defer("results")
    if wanted.set:
        rows = rows.filter(set_name=wanted.set.replace("\x00", ""))
    return [_run(run) for run in wanted.of(rows)]


@router.post("/evaluation/runs", response={201: RunOut, REFUSED: Refusal}, auth=writing, summary="Measure the search")
def begin(request: SignedInRequest, payload: RunIn):
    """Ask the questions of what the caller may read, count at which place the right page comes, and keep the run."""
    questions: dict[str, Question] = {}
    for one in payload.questions:
        text = one.question.replace("\x00", " ")
        right = {page_key(page.document.replace("\x00", ""), page.page): 1 for page in one.right}
        questions[one.id.replace("\x00", "") or text] = Question(one.id.replace("\x00", "") or text, text, right)
    if len(questions) < len(payload.questions):
        raise ApiError(422, "invalid_request_error", "Two questions have one id.", param="questions")
    asked = QuestionSet(payload.set.replace("\x00", ""), list(questions.values()), None)
    with told_when_out_of_order():
        try:
            report = evaluate(
                asked,
                request.user,
                modes=list(dict.fromkeys(payload.modes)),
                top=payload.top,
                collection=payload.collection.replace("\x00", ""),
            )
        except SetError as exc:
            raise ApiError(409, "cannot_measure", str(exc)) from exc
    report.run.save()
    return Status(201, _run(report.run, report.notes))


@router.get("/evaluation/runs/{int:pk}", response={200: WholeRunOut, REFUSED: Refusal}, auth=reading, summary="A run")
def run(request: SignedInRequest, pk: int):
    """What became of each question, and what changed since the run before."""
    found = the(_mine(request), "There is no such run, or it is not yours.", pk=pk)
    before = found.previous()
    changes = _changes(before, found) if before else {}
    return WholeRunOut(
        **_run(found).dict(), results=found.results, before=before.pk if before else None, changes=changes
    )


def _changes(before: EvaluationRun, after: EvaluationRun) -> dict[str, dict[str, ChangeOut]]:
    compared = {mode: compare(outcomes(before, mode), outcomes(after, mode)) for mode in MODES if mode in after.figures}
    return {mode: _told(comparison) for mode, comparison in compared.items() if comparison}


def _told(comparison: Comparison) -> dict[str, ChangeOut]:
    return {name: ChangeOut(**asdict(change), fell=change.fell) for name, change in comparison.changes.items()}
