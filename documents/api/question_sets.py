"""Question sets that are kept in the library, and runs of them in the background, for those who run Lectern."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count
from ninja import Field, Query, Router, Schema, Status

from documents.console.evaluation import CaseForm, take_away
from documents.evaluation import SetError
from documents.evaluation.running import begin, cancel
from documents.evaluation.stored import lines_of
from documents.models import EvaluationCase, EvaluationRun, EvaluationSet
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, running, the
from project.audit import audit
from project.provider.pieces import bearable

router = Router(tags=["evaluation"])

CASES_MOST = 2_000


class CaseIn(Schema):
    question: str = Field(min_length=1, max_length=2_000, examples=["When is the rent due?"])
    pages: list[str] = Field([], max_length=100, description="The right ones.", examples=[["handbook.pdf#page=4"]])
    truth: str = Field("", max_length=20_000, description="The right answer, in words.")
    unanswerable: bool = Field(False, description="Nothing in the library answers it.")


class KeptSetIn(Schema):
    name: str = Field(min_length=1, max_length=200, examples=["smoke"])
    note: str = Field("", max_length=300)
    questions: list[CaseIn] = Field([], max_length=CASES_MOST)


class CasesIn(Schema):
    questions: list[CaseIn] = Field(min_length=1, max_length=CASES_MOST)


class KeptSetOut(Schema):
    id: int
    name: str
    note: str
    questions: int
    created_at: str


class WholeSetOut(KeptSetOut):
    cases: list[dict[str, Any]] = Field(description="[{id, question, pages, truth, unanswerable}]")


class RunSetIn(Schema):
    kind: EvaluationRun.Kind = Field(EvaluationRun.Kind.SEARCH, description="search, or answers, which asks the model.")
    limit: int | None = Field(None, ge=1, le=100_000, description="Only so many questions.")


class BackgroundRunOut(Schema):
    id: int
    set: str
    kind: str
    state: str
    done: int
    total: int


def _out(kept: EvaluationSet) -> dict[str, Any]:
    told = {"id": kept.pk, "name": kept.name, "note": kept.note, "created_at": kept.created_at.isoformat()}
    return told | {"questions": getattr(kept, "number", None) or kept.cases.count()}


def _run(run: EvaluationRun) -> BackgroundRunOut:
    return BackgroundRunOut(id=run.pk, set=run.set_name, kind=run.kind, state=run.state, done=run.done, total=run.total)


def _found(pk: int) -> EvaluationSet:
    return the(EvaluationSet.objects.all(), "There is no such set of questions.", pk=pk)


def _case(pk: int, case: int) -> EvaluationCase:
    rows = EvaluationCase.objects.select_related("set")
    return the(rows, "There is no such question in this set.", set=pk, pk=case)


def _take(kept: EvaluationSet, cases: list[CaseIn], by: User) -> None:
    for case in cases:
        told = {"truth": bearable(case.truth)} if case.truth else {}
        pages = [bearable(page)[:300] for page in case.pages]
        origin = EvaluationCase.Origin.UPLOAD
        kept.take(bearable(case.question), pages=pages, by=by, origin=origin, is_unanswerable=case.unanswerable, **told)


@router.get(
    "/evaluation/kept", response={200: list[KeptSetOut], REFUSED: Refusal}, auth=running, summary="List kept sets"
)
def kept_sets(request: SignedInRequest, wanted: Query[Part]):
    """Sets of questions that are kept in the library, by name."""
    rows = EvaluationSet.objects.annotate(number=Count("cases")).order_by("name")
    return [_out(kept) for kept in wanted.of(rows)]


@router.post("/evaluation/kept", response={201: KeptSetOut, REFUSED: Refusal}, auth=running, summary="Make a kept set")
def make_set(request: SignedInRequest, payload: KeptSetIn):
    """A set of questions, empty or filled at once."""
    name = bearable(payload.name)
    if EvaluationSet.objects.filter(name=name).exists():
        raise ApiError(409, "taken", f"There is a set called “{name}” already.", "Choose another name.", "name")
    with transaction.atomic():
        kept = EvaluationSet.objects.create(name=name, note=bearable(payload.note), created_by=request.user)
        audit("evaluation.set_new", kept)
        _take(kept, payload.questions, request.user)
    return Status(201, _out(kept))


@router.get(
    "/evaluation/kept/{int:pk}", response={200: WholeSetOut, REFUSED: Refusal}, auth=running, summary="A kept set"
)
def kept_set(request: SignedInRequest, pk: int):
    """With its questions, as they can be sent again."""
    kept = _found(pk)
    lines = zip(kept.cases.values_list("pk", flat=True), lines_of(kept), strict=False)
    return _out(kept) | {"cases": [{"id": pk} | json.loads(line) for pk, line in lines]}


@router.post(
    "/evaluation/kept/{int:pk}/questions",
    response={200: KeptSetOut, REFUSED: Refusal},
    auth=running,
    summary="Put questions into a kept set",
)
def fill_set(request: SignedInRequest, pk: int, payload: CasesIn):
    """New ones, or what is known now of those that are in it; pages are added and never taken away."""
    kept = _found(pk)
    with transaction.atomic():
        _take(kept, payload.questions, request.user)
        audit("evaluation.set_fill", kept, questions=len(payload.questions))
    return _out(kept)


@router.patch(
    "/evaluation/kept/{int:pk}/questions/{int:case}",
    response={200: KeptSetOut, REFUSED: Refusal},
    auth=running,
    summary="Change a question of a kept set",
)
def change_question(request: SignedInRequest, pk: int, case: int, payload: CaseIn):
    """It is asked as it stands here from the next run on; its pages are these, and no others."""
    row = _case(pk, case)
    form = CaseForm({
        "question": bearable(payload.question),
        "pages": "\n".join(map(bearable, payload.pages)),
        "truth": bearable(payload.truth),
        "is_unanswerable": payload.unanswerable,
    })  # fmt: skip
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise ApiError(
            422, "invalid_request_error", str(errors[0]), param=field if field in CaseIn.model_fields else None
        )
    if not form.keep(row, request.user):
        raise ApiError(409, "taken", "This question is in the set already.", param="question")
    return _out(row.set)


@router.delete(
    "/evaluation/kept/{int:pk}/questions/{int:case}",
    response={204: None, REFUSED: Refusal},
    auth=running,
    summary="Delete a question of a kept set",
)
def delete_question(request: SignedInRequest, pk: int, case: int):
    """It is asked no more; what earlier runs found stays."""
    take_away(_case(pk, case))
    return Status(204, None)


@router.delete(
    "/evaluation/kept/{int:pk}", response={204: None, REFUSED: Refusal}, auth=running, summary="Delete a kept set"
)
def delete_set(request: SignedInRequest, pk: int):
    """Its runs stay, by the name of the set."""
    kept = _found(pk)
    with transaction.atomic():
        audit("evaluation.set_delete", kept, questions=kept.cases.count())
        kept.delete()
    return Status(204, None)


@router.post(
    "/evaluation/kept/{int:pk}/runs",
    response={202: BackgroundRunOut, REFUSED: Refusal},
    auth=running,
    summary="Ask a kept set in the background",
)
def begin_run(request: SignedInRequest, pk: int, payload: RunSetIn):
    """As the caller, by a worker; `GET /api/evaluation/runs/{id}` tells what came of it."""
    try:
        return Status(202, _run(begin(_found(pk), request.user, payload.kind, payload.limit)))
    except SetError as exc:
        raise ApiError(409, "cannot_measure", str(exc)) from exc


@router.post(
    "/evaluation/runs/{int:pk}/cancel",
    response={200: BackgroundRunOut, REFUSED: Refusal},
    auth=running,
    summary="Stop a run",
)
def cancel_run(request: SignedInRequest, pk: int):
    """Its worker stops before the next question; 409 where it has ended already."""
    run = the(EvaluationRun.objects.all(), "There is no such run.", pk=pk)
    if not cancel(run):
        raise ApiError(409, "ended", "This run has ended already.")
    run.refresh_from_db()
    return _run(run)
