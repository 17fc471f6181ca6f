"""The console's pages of how answers are worded: versions, their trial on a real question, and which is active."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from chat.answering import PASSAGES, answer, chat_model, prompt_of
from chat.conversations.draft import Draft
from chat.events import Done, Failed, Question
from chat.markdown import render as render_markdown
from chat.models import PromptTemplate
from chat.models.templates import ANSWER, FIRST_TEXT
from chat.prompts import REFUSED
from chat.wording import worded, wording_of
from documents import retrieval
from documents.search import SearchError
from project.accounts import SignedInRequest
from project.audit import audit
from project.console import console, staff_only
from project.deployments import UNUSABLE
from project.translating import translated


class PreviewForm(forms.Form):
    template = forms.ModelChoiceField(PromptTemplate.objects.all(), required=False, empty_label="What is active now")
    text = forms.CharField(label="Question", max_length=2_000, error_messages={"required": "Write a question first."})


class TemplateForm(forms.ModelForm):
    """The next version of a wording; it is written once, and may take the place of the one that is active."""

    is_used = forms.BooleanField(required=False)

    class Meta:
        model = PromptTemplate
        fields = ("name", "text", "note")

    def keep(self) -> PromptTemplate:
        """Write it, and write down that it was."""
        self.instance.is_active = self.cleaned_data["is_used"]
        with transaction.atomic():
            row = self.save()
            audit("template.new", row, is_active=row.is_active)
        return row


@require_POST
@staff_only
def new_template(request: SignedInRequest) -> HttpResponse:
    form = TemplateForm(request.POST)
    form.instance.created_by = request.user
    if not form.is_valid():
        context = _versions() | {"form": PreviewForm(), "new": form}
        return console(request, "console/wording.html", context, status=400)
    form.keep()
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
    use(row)
    messages.success(request, gettext("“%(name)s” is used from the next question on.") % {"name": row})
    return redirect("console-wording")


def use(row: PromptTemplate) -> None:
    with transaction.atomic():
        row.activate()
        audit("template.activate", row)


@require_safe
@staff_only
def wording(request: SignedInRequest) -> HttpResponse:
    """The templates, and, with a question, exactly what would be sent."""
    form = PreviewForm(request.GET if "text" in request.GET else None)
    context = _versions() | {"form": form}
    if form.is_bound and form.is_valid():
        context |= preview(_question(request, form))
    return console(request, "console/wording.html", context)


@require_POST
@staff_only
def try_wording(request: SignedInRequest) -> HttpResponse:
    """The preview, and the answer as well: this asks the model."""
    form = PreviewForm(request.POST)
    context = _versions() | {"form": form}
    if form.is_valid():
        question = _question(request, form)
        context |= preview(question) | {"answer": answered(question)}
    return console(request, "console/wording.html", context)


def _versions() -> dict[str, object]:
    """Those that are written down, and whether the built-in one answers because none of them is for all questions."""
    templates = list(PromptTemplate.objects.all())
    active = next((each for each in templates if each.is_active and each.name == ANSWER), None)
    begun = {"name": ANSWER, "text": active.text if active else FIRST_TEXT, "is_used": True}
    return {"templates": templates, "is_built_in": active is None, "new": TemplateForm(initial=begun)}


def _question(request: SignedInRequest, form: PreviewForm) -> Question:
    return tried(form.cleaned_data["text"], request.user, form.cleaned_data["template"])


def tried(text: str, user: User, template: PromptTemplate | None) -> Question:
    """A question as this person asks it, worded by this version, or by what is active."""
    chosen_wording = wording_of(template) if template else None
    return worded(Question(text, user, wording=chosen_wording, is_fresh=True))


def preview(question: Question) -> dict[str, Any]:
    """Exactly what would be sent, or why nothing can be."""
    try:
        found = retrieval.find(question.text, question.user, top=PASSAGES)
    except SearchError as exc:
        return {"trouble": str(exc)}
    try:
        prompt = prompt_of(question, found.passages, chat_model(question))
    except UNUSABLE as exc:
        return {"trouble": str(exc)}
    return {"prompt": prompt, "worded_by": question.wording, "searched_for": question.text}


@async_to_sync
async def answered(question: Question) -> dict[str, Any]:
    """What the model answers to it, as text and as the page shows it, or why it does not."""
    draft = Draft()
    async for event in answer(question):
        draft.take(event)
        if isinstance(event, Failed):
            return {"trouble": event.sentence}
        if isinstance(event, Done):
            text = REFUSED if event.is_refused else draft.content
            return {"text": text, "html": render_markdown(text, {}), "how": event.how}
    return {}
