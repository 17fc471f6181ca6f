"""Question sets in the console: made, filled from a file or by hand, told as a file, deleted."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from documents.evaluation import SetError
from documents.evaluation.sets import PLAIN
from documents.evaluation.stored import lines_of, take_file
from documents.models import EvaluationCase, EvaluationRun, EvaluationSet
from project.audit import audit
from project.console import console, staff_only
from project.translating import number

A_PAGE, RUNS_SHOWN = 50, 20
FILE_MOST = 5_000_000  # bytes
HEAVY = ("results", "conditions")  # of a run: not for lists


class SetForm(forms.ModelForm):
    """A new set, empty or from a file."""

    file = forms.FileField(required=False)

    class Meta:
        model = EvaluationSet
        fields = ("name", "note")

    def clean_file(self) -> Any:
        return _small(self.cleaned_data["file"])


class FileForm(forms.Form):
    file = forms.FileField()

    def clean_file(self) -> Any:
        return _small(self.cleaned_data["file"])


def _small(file: Any) -> Any:
    if file and file.size > FILE_MOST:
        raise forms.ValidationError(gettext_lazy("The file is larger than 5 MB. Split it into parts."))
    return file


class CaseForm(forms.Form):
    """A question with what is right for it; pages one a line, as file.pdf#page=4."""

    question = forms.CharField(max_length=2_000)
    pages = forms.CharField(required=False, max_length=20_000)
    truth = forms.CharField(required=False, max_length=20_000)
    is_unanswerable = forms.BooleanField(required=False)

    def clean_question(self) -> str:
        return " ".join(self.cleaned_data["question"].split())

    def clean_pages(self) -> list[str]:
        pages = [line.strip() for line in self.cleaned_data["pages"].replace(";", "\n").splitlines() if line.strip()]
        if wrong := next((page for page in pages if not PLAIN.fullmatch(page)), None):
            raise forms.ValidationError(gettext("“%(page)s” is no page: write handbook.pdf#page=4.") % {"page": wrong})
        return list(dict.fromkeys(page.strip("[]") for page in pages))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("is_unanswerable") and given.get("pages"):
            raise forms.ValidationError(gettext("A question that nothing answers has no right page."))
        return given

    def keep(self, row: EvaluationCase, by: User) -> bool:
        """Write it into this row of its set; False: another row of the set asks this already."""
        others = row.set.cases.filter(question=self.cleaned_data["question"]).exclude(pk=row.pk)
        if others.exists():
            return False
        for field, value in self.cleaned_data.items():
            setattr(row, field, value)
        row.added_by = row.added_by or by
        row.save()
        audit("evaluation.case_save", row, set=row.set.name)
        return True


def _told(request: HttpRequest, form: forms.BaseForm) -> None:
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))


@require_GET
@staff_only
def evaluation(request: HttpRequest) -> HttpResponse:
    """Every set, and the last runs of all of them."""
    known = Count("cases", filter=~Q(cases__pages=[]) | Q(cases__is_unanswerable=True))
    sets = EvaluationSet.objects.annotate(number=Count("cases"), known=known).order_by("name")
    runs = EvaluationRun.objects.defer(*HEAVY).select_related("user")[:RUNS_SHOWN]
    return console(request, "console/evaluation.html", {"sets": sets, "runs": runs})


@require_POST
@staff_only
def new_set(request: HttpRequest) -> HttpResponse:
    form = SetForm(request.POST, request.FILES)
    if not form.is_valid():
        _told(request, form)
        return redirect("console-evaluation")
    try:
        with transaction.atomic():
            form.instance.created_by = cast("User", request.user)
            kept = form.save()
            audit("evaluation.set_new", kept)
            if file := form.cleaned_data["file"]:
                take_file(kept, file.chunks(), file.name, kept.created_by)
    except SetError as exc:
        messages.error(request, str(exc))
        return redirect("console-evaluation")
    return redirect(kept)


@require_GET
@staff_only
def one_set(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(EvaluationSet, pk=pk)
    page_obj = Paginator(kept.cases.order_by("pk"), A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, object] = {
        "set": kept,
        "page_obj": page_obj,
        "previous_address": page_obj.has_previous() and f"?page={page_obj.previous_page_number()}",
        "next_address": page_obj.has_next() and f"?page={page_obj.next_page_number()}",
        "without_pages": kept.cases.filter(pages=[], is_unanswerable=False).count(),
        "runs": kept.runs.defer(*HEAVY).select_related("user")[:RUNS_SHOWN],
        "kinds": EvaluationRun.Kind.choices,
    }
    return console(request, "console/evaluation_set.html", context)


@require_POST
@staff_only
def upload(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(EvaluationSet, pk=pk)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        _told(request, form)
        return redirect(kept)
    file = form.cleaned_data["file"]
    try:
        taken = take_file(kept, file.chunks(), file.name, cast("User", request.user))
    except SetError as exc:
        messages.error(request, str(exc))
        return redirect(kept)
    audit("evaluation.set_fill", kept, questions=taken)
    said = ngettext("%(n)s question was taken in.", "%(n)s questions were taken in.", taken) % {"n": number(taken)}
    messages.success(request, said)
    return redirect(kept)


@require_GET
@staff_only
def download(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    kept = get_object_or_404(EvaluationSet, pk=pk)
    response = StreamingHttpResponse(list(lines_of(kept)), content_type="application/jsonl; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="questions-{kept.pk}.jsonl"'
    return response


@require_POST
@staff_only
def save_case(request: HttpRequest, pk: int, case: int = 0) -> HttpResponse:
    """A new question, or one that is put otherwise."""
    kept = get_object_or_404(EvaluationSet, pk=pk)
    row = get_object_or_404(kept.cases, pk=case) if case else EvaluationCase(set=kept)
    form = CaseForm(request.POST)
    if not form.is_valid():
        _told(request, form)
        return redirect(kept)
    if form.keep(row, cast("User", request.user)):
        messages.success(request, gettext("The question is kept."))
    else:
        messages.error(request, gettext("This question is in the set already."))
    return redirect(kept)


@require_POST
@staff_only
def delete_case(request: HttpRequest, pk: int, case: int) -> HttpResponse:
    row = get_object_or_404(EvaluationCase.objects.select_related("set"), pk=case, set=pk)
    take_away(row)
    messages.success(request, gettext("The question is deleted."))
    return redirect(row.set)


def take_away(row: EvaluationCase) -> None:
    audit("evaluation.case_delete", row, set=row.set.name, question=row.question[:500], pages=row.pages)
    row.delete()


@require_POST
@staff_only
def delete_set(request: HttpRequest, pk: int) -> HttpResponse:
    """Asked first, with counts. Its runs stay, by the set's name."""
    kept = get_object_or_404(EvaluationSet, pk=pk)
    cases, runs = kept.cases.count(), kept.runs.count()
    if not request.POST.get("sure"):
        return console(request, "console/evaluation_delete.html", {"set": kept, "cases": cases, "runs": runs})
    audit("evaluation.set_delete", kept, cases=cases, runs=runs)
    kept.delete()
    messages.success(request, gettext("The set is deleted. Its runs stay."))
    return redirect("console-evaluation")
