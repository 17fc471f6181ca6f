"""The page of a conversation, the search for one, and sources outside the library."""

from __future__ import annotations

import uuid
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from chat.conversations.finding import find
from chat.conversations.turns import conversation_list, turns_of
from chat.forms import SearchForm
from chat.models import Citation, Conversation, Message
from chat.views.choosing import choose_address, gone_words, shown_scope
from chat.views.pieces import as_uuid, is_script
from documents.models import FINDABLE, Document
from documents.samples import sample_questions
from documents.textview import blocks
from project.accounts import SignedInRequest
from project.deployments import DeploymentsError, deployments


@require_GET
def conversations(request: SignedInRequest) -> HttpResponse:
    """A new conversation; after one was deleted, with the way to bring it back."""
    return render(request, "chat/conversation.html", _page(request, None) | {"discarded": _discarded(request)})


@require_GET
def conversation(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """A conversation's newest branch, or the one with the message `?at=` on it."""
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    return render(request, "chat/conversation.html", _page(request, row))


@require_GET
def search(request: SignedInRequest) -> HttpResponse:
    """The conversations in whose title, questions or answers the words stand; the list alone for a script."""
    form = SearchForm(request.GET)
    words = form.cleaned_data["q"].strip() if form.is_valid() else ""
    found = {"searched": words, "found": find(request.user, words)} if words else {}
    if is_script(request):
        own = Conversation.objects.for_user(request.user)
        here = own.filter(pk=pk).first() if (pk := as_uuid(request.GET.get("here"))) else None
        listed = {} if words else {"conversations": conversation_list(request.user)}
        return render(request, "chat/_list.html", found | listed | {"conversation": here})
    return render(request, "chat/conversation.html", _page(request, None) | found)


def _page(request: SignedInRequest, row: Conversation | None) -> dict[str, object]:
    ready = Document.objects.for_user(request.user).current().filter(state__in=FINDABLE)
    totals = ready.aggregate(documents=Count("pk"), pages=Sum("page_count"))
    scope = shown_scope(request, row)
    return {
        "conversation": row,
        "conversations": conversation_list(request.user),
        "turns": turns_of(row, request.user, as_uuid(request.GET.get("at"))) if row else [],
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


def _discarded(request: SignedInRequest) -> Conversation | None:
    """The conversation that was deleted a moment ago, as long as it can be brought back."""
    pk = as_uuid(request.GET.get("deleted"))
    return Conversation.objects.filter(owner=request.user).discarded().filter(pk=pk).first() if pk else None


def _deployment_names() -> list[str]:
    """The models one may choose between; none while the operator's file cannot be used, which asking then says."""
    try:
        return list(deployments())
    except DeploymentsError:
        return []


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
