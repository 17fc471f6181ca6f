"""The administrator's pages of the conversation: how answers are worded, what was stopped, and batches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_GET, require_POST, require_safe

from chat.answering import PASSAGES, answer, chat_model, prompt_of
from chat.batches import working
from chat.batches.asking import cost_most
from chat.batches.lines import BadLine, as_line, read_lines
from chat.draft import Draft
from chat.events import Done, Failed, Question
from chat.markdown import render as render_markdown
from chat.models import Batch, BatchItem, ModerationEvent, PromptTemplate
from chat.models.templates import ANSWER, FIRST_TEXT
from chat.prompts import REFUSED
from chat.wording import worded, wording_of
from documents import retrieval
from documents.search import SearchError
from project.accounts import SignedInRequest
from project.audit import audit
from project.console import console, staff_only
from project.deployments import UNUSABLE, chosen, deployments
from project.spending.reports import money
from project.translating import translated

DAYS = 30
WAYS = {
    "off": gettext_noop("nobody"),
    "openai": gettext_noop("OpenAI’s moderation model"),
    "filter": gettext_noop("Azure’s content filter"),
    "words": gettext_noop("a word list"),
}
FILE_MOST = 20_000_000
ITEMS_A_PAGE = 50


# Wording -------------------------------------------------------------------------------------------------------------
class PreviewForm(forms.Form):
    template = forms.ModelChoiceField(PromptTemplate.objects.all(), required=False, empty_label="What is active now")
    text = forms.CharField(label="Question", max_length=2_000, error_messages={"required": "Write a question first."})


class TemplateForm(forms.ModelForm):
    """The next version of a wording; it is written once, and may take the place of the one that is active."""

    is_used = forms.BooleanField(required=False)

    class Meta:
        model = PromptTemplate
        fields = ("name", "text", "note")


@require_POST
@staff_only
def new_template(request: SignedInRequest) -> HttpResponse:
    form = TemplateForm(request.POST)
    form.instance.created_by = request.user
    if not form.is_valid():
        context = _versions() | {"form": PreviewForm(), "new": form}
        return console(request, "console/wording.html", context, status=400)
    form.instance.is_active = form.cleaned_data["is_used"]
    with transaction.atomic():
        audit("template.new", form.save(), is_active=form.instance.is_active)
    messages.success(request, gettext("“%(name)s” is kept.") % {"name": form.instance})
    return redirect("console-wording")


@require_POST
@staff_only
def use_template(request: SignedInRequest, pk: int) -> HttpResponse:
    """From the next question on answers are worded so."""
    row = get_object_or_404(PromptTemplate, pk=pk)
    if row.trouble:
        messages.error(request, translated(row.trouble))
        return redirect("console-wording")
    with transaction.atomic():
        row.activate()
        audit("template.activate", row)
    messages.success(request, gettext("“%(name)s” is used from the next question on.") % {"name": row})
    return redirect("console-wording")


@require_safe
@staff_only
def wording(request: SignedInRequest) -> HttpResponse:
    """The templates, and, with a question, exactly what would be sent."""
    form = PreviewForm(request.GET if "text" in request.GET else None)
    context = _versions() | {"form": form}
    if form.is_bound and form.is_valid():
        context |= _preview(_question(request, form))
    return console(request, "console/wording.html", context)


@require_POST
@staff_only
def try_wording(request: SignedInRequest) -> HttpResponse:
    """The preview, and the answer as well: this asks the model."""
    form = PreviewForm(request.POST)
    context = _versions() | {"form": form}
    if form.is_valid():
        question = _question(request, form)
        context |= _preview(question) | {"answer": async_to_sync(_answered)(question)}
    return console(request, "console/wording.html", context)


def _versions() -> dict[str, object]:
    """Those that are written down, and whether the built-in one answers because none of them is for all questions."""
    templates = list(PromptTemplate.objects.all())
    active = next((each for each in templates if each.is_active and each.name == ANSWER), None)
    begun = {"name": ANSWER, "text": active.text if active else FIRST_TEXT, "is_used": True}
    return {"templates": templates, "is_built_in": active is None, "new": TemplateForm(initial=begun)}


def _question(request: SignedInRequest, form: PreviewForm) -> Question:
    template = form.cleaned_data["template"]
    chosen_wording = wording_of(template) if template else None
    return worded(Question(form.cleaned_data["text"], request.user, wording=chosen_wording, is_fresh=True))


def _preview(question: Question) -> dict[str, object]:
    try:
        found = retrieval.find(question.text, question.user, top=PASSAGES)
    except SearchError as exc:
        return {"trouble": str(exc)}
    try:
        prompt = prompt_of(question, found.passages, chat_model(question))
    except UNUSABLE as exc:
        return {"trouble": str(exc)}
    return {"prompt": prompt, "worded_by": question.wording, "searched_for": question.text}


async def _answered(question: Question) -> dict[str, object]:
    draft = Draft()
    async for event in answer(question):
        draft.take(event)
        if isinstance(event, Failed):
            return {"trouble": event.sentence}
        if isinstance(event, Done):
            text = REFUSED if event.is_refused else draft.content
            return {"html": render_markdown(text, {}), "how": event.how}
    return {}


# Moderation ----------------------------------------------------------------------------------------------------------
@require_GET
@staff_only
def moderation(request: SignedInRequest) -> HttpResponse:
    """What was stopped in the last days, by day and category."""
    since = timezone.now() - timedelta(days=DAYS)
    rows = ModerationEvent.objects.filter(created_at__gte=since).order_by()
    counted = rows.annotate(day=TruncDate("created_at")).values("day", "where", "outcome", "category", "severity")
    days: dict[date, list[dict[str, object]]] = {}
    words = dict(ModerationEvent.Outcome.choices)
    for row in counted.annotate(number=Count("pk")).order_by("-day", "-number", "category"):
        days.setdefault(row["day"], []).append({**row, "words": words[row["outcome"]]})
    try:
        ways = [(each.name, WAYS[each.moderation]) for each in deployments().values()]
    except UNUSABLE:
        ways = []
    return console(request, "console/moderation.html", {"days": days.items(), "ways": ways, "number": DAYS})


# Batches -------------------------------------------------------------------------------------------------------------
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
