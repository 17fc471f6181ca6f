"""Runs of question sets in the console: begun, watched, stopped, and held beside an earlier one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy, gettext_noop
from django.views.decorators.http import require_GET, require_POST

from documents.evaluation import MODES, Comparison, SetError, compare, outcomes
from documents.evaluation.answers import Pair, outcome_of, side_by_side
from documents.evaluation.running import begin, cancel
from documents.models import EvaluationRun, EvaluationSet
from documents.search import Mode
from project.console import console, staff_only

QUESTIONS_SHOWN = 200
OTHERS_SHOWN = 20
MODE_WORDS = {
    "keyword": gettext_noop("By words"),
    "vector": gettext_noop("By meaning"),
    "hybrid": gettext_noop("Both together"),
}


class BeginForm(forms.Form):
    kind = forms.ChoiceField(choices=EvaluationRun.Kind.choices)
    limit = forms.IntegerField(required=False, min_value=1, max_value=100_000)
    as_user = forms.CharField(required=False, max_length=150)

    def __init__(self, *args, user: User) -> None:
        super().__init__(*args)
        self.user = user

    def clean_as_user(self) -> User:
        """Oneself; a superuser may have the search asked as somebody else."""
        name = self.cleaned_data["as_user"].replace("\x00", "").strip()
        if not name or name == self.user.get_username():
            return self.user
        found = User.objects.filter(username=name, is_active=True).first() if self.user.is_superuser else None
        if found is None:
            raise forms.ValidationError(gettext_lazy("Nobody of that name is here, or you may not ask as them."))
        return found

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        is_other = given.get("as_user", self.user) != self.user
        if is_other and given.get("kind") == EvaluationRun.Kind.ANSWERS:
            raise forms.ValidationError(gettext_lazy("Answers are given as yourself alone: they quote what one reads."))
        return given


@require_POST
@staff_only
def begin_run(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(EvaluationSet, pk=pk)
    form = BeginForm(request.POST, user=cast("User", request.user))
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(map(str, errors)))
        return redirect(kept)
    given = form.cleaned_data
    try:
        return redirect(begin(kept, given["as_user"], given["kind"], given["limit"]))
    except SetError as exc:
        messages.error(request, str(exc))
        return redirect(kept)


@require_POST
@staff_only
def cancel_run(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(EvaluationRun, pk=pk)
    if not cancel(found):
        messages.error(request, gettext("The run has ended already."))
    return redirect(found)


@require_GET
@staff_only
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """A run's figures; what changed against another one of the same kind and set; what became of each question."""
    found = get_object_or_404(EvaluationRun.objects.select_related("set", "user", "index_version__index"), pk=pk)
    others = EvaluationRun.objects.done().filter(set_name=found.set_name, kind=found.kind).exclude(pk=found.pk)
    before = _before(request, found, others)
    context: dict[str, object] = {
        "run": found,
        "before": before,
        "others": others.defer("results").select_related("user")[:OTHERS_SHOWN],
        "polls": found.is_under_way,
        "may_read": found.user == request.user,
        "may_read_before": before is not None and before.user == request.user,
    }
    if found.state == EvaluationRun.State.DONE:
        context |= _answers(found, before) if found.kind == EvaluationRun.Kind.ANSWERS else _search(found, before)
    return console(request, "console/evaluation_run.html", context)


def _before(request: HttpRequest, found: EvaluationRun, others) -> EvaluationRun | None:
    chosen = request.GET.get("with", "")
    if chosen.isdecimal() and len(chosen) < 18:
        return others.filter(pk=chosen).first()
    return None if chosen == "none" else found.previous()


@dataclass(frozen=True)
class Cell:
    """A figure with its 95 % interval, and by how much it changed on the questions that both runs asked."""

    value: float
    low: float
    high: float
    change: Any = None

    @property
    def change_percent(self) -> str:
        return f"{self.change.value * 100:+.1f}" if self.change else ""


def _search(found: EvaluationRun, before: EvaluationRun | None) -> dict[str, object]:
    modes = [mode for mode in MODES if mode in found.figures]
    compared = {mode: _compared(found, before, mode) for mode in modes}
    names = [name for name in next(iter(found.figures.values()), {}) if not name.endswith("_ms")]
    rows = [(name, [_cell(found.figures[mode][name], compared[mode], name) for mode in modes]) for name in names]
    shown: Mode = "hybrid" if "hybrid" in modes else modes[0]
    questions = _ranks(found, before, shown)
    return {
        "modes": [(mode, MODE_WORDS[mode]) for mode in modes],
        "rows": rows,
        "times": [found.figures[mode] for mode in modes],
        "shown_mode": MODE_WORDS[shown],
        "questions": questions[:QUESTIONS_SHOWN],
        "more": max(0, len(questions) - QUESTIONS_SHOWN),
        "worse": sum(each.is_worse for each in questions),
        "better": sum(each.is_better for each in questions),
    }


def _compared(found: EvaluationRun, before: EvaluationRun | None, mode: Mode) -> Comparison | None:
    return compare(outcomes(before, mode), outcomes(found, mode)) if before else None


def _cell(mean: dict[str, Any], compared: Comparison | None, name: str) -> Cell:
    change = compared.changes.get(name) if compared else None
    return Cell(mean["value"], mean["low"], mean["high"], change)


@dataclass(frozen=True)
class Ranked:
    """A question and the place of its first right page, now and then; 0: not among those that count."""

    text: str
    right: Iterable[str]
    now: int
    then: int | None  # None: it was not asked, or what was right has changed

    @property
    def is_worse(self) -> bool:
        return self.then is not None and _far(self.now) > _far(self.then)

    @property
    def is_better(self) -> bool:
        return self.then is not None and _far(self.now) < _far(self.then)


def _far(rank: int) -> float:
    return rank or float("inf")


def _ranks(found: EvaluationRun, before: EvaluationRun | None, mode: Mode) -> list[Ranked]:
    """What fell first, the most lost of it before all; then what rose, then what is not found, then the rest."""
    earlier = {each.question.id: each for each in outcomes(before, mode)} if before else {}
    rows = []
    for each in outcomes(found, mode):
        then = earlier.get(each.question.id)
        is_same = then is not None and then.question == each.question
        rank = (then.rank or 0) if then is not None and is_same else None
        rows.append(Ranked(each.question.text, list(each.question.right), each.rank or 0, rank))
    return sorted(rows, key=lambda row: (not row.is_worse, not row.is_better, row.now != 0, -_far(row.now)))


def _answers(found: EvaluationRun, before: EvaluationRun | None) -> dict[str, object]:
    pairs: list[Pair] = side_by_side(before.results if before else [], found.results)
    compared = compare(map(outcome_of, before.results), map(outcome_of, found.results)) if before else None
    return {
        "shares": list(found.figures.items()),
        "compared": [(name, Cell(0, 0, 0, change)) for name, change in compared.changes.items()] if compared else [],
        "pairs": pairs[:QUESTIONS_SHOWN],
        "more": max(0, len(pairs) - QUESTIONS_SHOWN),
        "worse": sum(pair.is_worse for pair in pairs),
        "better": sum(pair.change > 0 for pair in pairs),
    }
