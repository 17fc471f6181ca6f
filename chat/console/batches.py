"""The console's pages of batches: many questions answered in the background."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.text import slugify
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from chat.batches import working
from chat.batches.asking import cost_most
from chat.batches.lines import BadLine, as_line, read_lines
from chat.models import Batch, BatchItem
from project.accounts import SignedInRequest
from project.console import console, staff_only
from project.deployments import UNUSABLE, chosen, deployments
from project.spending.reports import money

FILE_MOST = 20_000_000
ITEMS_A_PAGE = 50


class BatchForm(forms.Form):
    file = forms.FileField(error_messages={"required": "Choose a file of questions.", "empty": "The file is empty."})
    deployment = forms.ChoiceField(required=False)
    limit_cost = forms.DecimalField(
        label="Never spend more than", required=False, min_value=0, max_digits=10, decimal_places=4
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        try:
            names = list(deployments())
        except UNUSABLE:
            names = []
        self.names = names
        self.fields["deployment"].choices = [("", ""), *((name, name) for name in names)]  # type: ignore[attr-defined]

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > FILE_MOST:
            raise forms.ValidationError(f"The file is larger than {FILE_MOST // 1_000_000} MB: cut it in two.")
        try:
            self.lines = read_lines(file)
        except BadLine as exc:
            raise forms.ValidationError(str(exc)) from exc
        return file

    def clean(self) -> None:
        limit = self.cleaned_data.get("limit_cost")
        try:
            each = cost_most(chosen(self.cleaned_data.get("deployment", "")))
        except UNUSABLE as exc:
            raise forms.ValidationError(str(exc)) from exc
        if limit is not None and each is None:
            self.add_error("limit_cost", "The price of this model is not known, so no limit can be kept.")
        elif limit is not None and each is not None and limit < each:
            self.add_error("limit_cost", f"One question may cost ${each:.4f}: the limit must be at least that.")


@require_GET
@staff_only
def batches(request: SignedInRequest) -> HttpResponse:
    return _batches(request, BatchForm())


@require_POST
@staff_only
def begin_batch(request: SignedInRequest) -> HttpResponse:
    form = BatchForm(request.POST, request.FILES)
    if not form.is_valid():
        return _batches(request, form, status=400)
    batch = working.begin(
        request.user,
        form.cleaned_data["file"].name,
        form.lines,
        deployment=form.cleaned_data["deployment"],
        limit_cost=form.cleaned_data["limit_cost"],
    )
    return redirect(batch)


def _batches(request: SignedInRequest, form: BatchForm, status: int = 200) -> HttpResponse:
    rows = [_row(batch) for batch in Batch.objects.filter(owner=request.user)[:100]]
    return console(request, "console/batches.html", {"form": form, "rows": rows}, status)


@require_GET
@staff_only
def batch(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """A batch and what came of its items; asked by a script, the part that changes."""
    row = _own(request, pk)
    items = Paginator(row.items.all(), ITEMS_A_PAGE).get_page(request.GET.get("page"))
    template = "console/_batch.html" if request.headers.get("HX-Request") else "console/batch.html"
    return console(request, template, {**_row(row), "items": items})


@require_POST
@staff_only
def cancel_batch(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = _own(request, pk)
    row.end(Batch.State.CANCELED)
    messages.success(request, "No more questions of this batch are asked. What is being asked at this moment is kept.")
    return redirect(row)


@require_GET
@staff_only
def download_batch(request: SignedInRequest, pk: UUID) -> HttpResponseBase:
    """The results so far, as `manage.py ask --out` writes them."""
    row = _own(request, pk)

    def lines() -> Iterator[bytes]:
        ended = row.items.exclude(state__in=BatchItem.OPEN).values_list("result", flat=True)
        yield from map(as_line, ended.iterator(chunk_size=500))

    response = StreamingHttpResponse(lines(), content_type="application/x-ndjson")
    response["Content-Disposition"] = f'attachment; filename="{slugify(row.name) or "batch"}-answers.jsonl"'
    return response


def _own(request: HttpRequest, pk: UUID) -> Batch:
    """Only one's own: the answers hold words of documents that another may not read."""
    return get_object_or_404(Batch, pk=pk, owner=request.user)


def _row(batch: Batch) -> dict[str, object]:
    counts = batch.counts()
    total = sum(counts.values())
    left = sum(counts.get(state, 0) for state in BatchItem.OPEN)
    words = [(label, counts[state]) for state, label in BatchItem.State.choices if counts.get(state)]
    cost = _cost_words(batch.cost, batch.has_untold_cost)
    return {"batch": batch, "total": total, "ended": total - left, "left": left, "counts": words, "cost": cost}


def _cost_words(known: Decimal, is_partial: bool) -> str:
    """What it cost as far as it is known: no price is not the price 0."""
    if not is_partial:
        return money(known)
    return f"{money(known)}, {gettext('some costs not known')}" if known else gettext("cost not known")
