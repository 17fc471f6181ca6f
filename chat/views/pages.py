"""The page of a conversation, what is done to the whole of it, and sources outside the library."""

from __future__ import annotations

import uuid
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from chat.forms import TitleForm
from chat.models import Citation, Conversation, Message
from chat.turns import conversation_list, turns_of
from chat.views.choosing import choose_address, gone_words, shown_scope
from documents.models import FINDABLE, Document
from documents.samples import sample_questions
from documents.textview import blocks
from project.accounts import SignedInRequest
from project.deployments import DeploymentsError, deployments


@require_GET
def conversations(request: SignedInRequest) -> HttpResponse:
    return render(request, "chat/conversation.html", _page(request, None))


@require_GET
def conversation(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    return render(request, "chat/conversation.html", _page(request, row))


def _page(request: SignedInRequest, row: Conversation | None) -> dict[str, object]:
    ready = Document.objects.for_user(request.user).current().filter(state__in=FINDABLE)
    totals = ready.aggregate(documents=Count("pk"), pages=Sum("page_count"))
    scope = shown_scope(request, row)
    return {
        "conversation": row,
        "conversations": conversation_list(request.user),
        "turns": turns_of(row, request.user) if row else [],
        "scope": scope,
        "scope_gone": gone_words(scope),
        "choose_url": choose_address(row, scope),
        "deployments": _deployment_names(),
        "samples": [] if row else sample_questions(request.user),
        "document_count": totals["documents"],
        "page_count": totals["pages"] or 0,
        "reading": Document.objects.for_user(request.user).under_way().filter(generation=0).count(),
        "client_key": uuid.uuid4().hex,
        "question_max": settings.QUESTION_MAX_LETTERS,
    }


def _deployment_names() -> list[str]:
    """The models one may choose between; none while the operator's file cannot be used, which asking then says."""
    try:
        return list(deployments())
    except DeploymentsError:
        return []


@require_POST
def rename(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    form = TitleForm(request.POST)
    if form.is_valid():
        Conversation.objects.filter(pk=row.pk).update(title=form.cleaned_data["title"])
    else:
        messages.error(request, gettext("A conversation needs a name of at most 120 letters."))
    return redirect(row)


@require_POST
def delete(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    row.delete()
    messages.success(request, gettext("“%(title)s” is deleted.") % {"title": row.title})
    return redirect("conversations")


@require_GET
def source(request: SignedInRequest, pk: UUID, number: int) -> HttpResponse:
    """The text of a source that is no document of ours; nothing of where it stands is loaded."""
    rows = Citation.objects.filter(message__in=Message.objects.for_user(request.user), is_external=True)
    citation = get_object_or_404(rows.select_related("message__conversation"), message=pk, number=number)
    shown = blocks(citation.text, marks=citation.spans, passage=(0, len(citation.text)))
    context = {"citation": citation, "blocks": shown, "conversation": citation.message.conversation}
    if request.GET.get("part"):
        return render(request, "chat/_outside.html", context)
    return render(request, "chat/outside.html", context | {"conversations": conversation_list(request.user)})
