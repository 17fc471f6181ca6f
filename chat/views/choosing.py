"""Choosing what a conversation is put to: on a page of its own, or in a dialog over the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from chat.conversations.scoping import DOCUMENTS_MOST, OFFERED_MOST, Chosen, newest, offered, scope_of
from chat.conversations.turns import conversation_list
from chat.models import Conversation
from documents.models import Collection, Document
from project.accounts import SignedInRequest


@require_GET
def choose(request: SignedInRequest) -> HttpResponse:
    """The collections and documents to choose from; nothing is kept before a question is put."""
    row = None
    if asked := request.GET.get("conversation"):
        row = get_object_or_404(Conversation.objects.for_user(request.user), pk=_uuid(asked))
    scope = shown_scope(request, row)
    wanted = request.GET.get("q", "")[:200]
    found = offered(request.user, wanted, [each.pk for each in scope.documents])
    listed = list(found[:OFFERED_MOST])
    collections = list(Collection.objects.for_user(request.user))
    for item in collections:
        item.chosen = item in scope.collections
    context = {
        "conversation": row,
        "collections": collections,
        "chosen": scope.documents,
        "offered": listed,
        "more": max(0, found.count() - len(listed)),
        "wanted": wanted,
        "choose_url": reverse("scope"),
        "back_url": row.get_absolute_url() if row else reverse("conversations"),
    }
    part = {"list": "chat/_offered.html", "all": "chat/_choose.html"}.get(request.GET.get("part", ""))
    if part:
        return render(request, part, context)
    return render(request, "chat/choose.html", context | {"listed": conversation_list(request.user)})


@require_POST
def ask_these(request: SignedInRequest) -> HttpResponse:
    """From the library into a new conversation about the documents that were ticked there."""
    wanted = [pk for pk in map(_maybe_uuid, request.POST.getlist("document")) if pk]
    rows = Document.objects.for_user(request.user).filter(pk__in=wanted[: DOCUMENTS_MOST + 1])
    found = list(rows.values_list("pk", flat=True))
    if not found or len(found) > DOCUMENTS_MOST:
        sentence = gettext("At most %(n)d documents can be asked at once: tick fewer.") % {"n": DOCUMENTS_MOST}
        messages.error(request, sentence if found else gettext("Tick the documents to ask first."))
        return redirect("library")
    return redirect(f"{reverse('conversations')}?{urlencode({'documents': found}, doseq=True)}")


def shown_scope(request: SignedInRequest, row: Conversation | None) -> Chosen:
    """What the address names; without that, what the conversation is put to."""
    asked = request.GET
    if not (asked.getlist("collections") or asked.getlist("documents") or asked.get("scope")):
        return scope_of(row) if row else Chosen()
    collections, documents = _uuids(asked.getlist("collections")), _uuids(asked.getlist("documents"))
    readable = list(Collection.objects.for_user(request.user).filter(pk__in=collections))
    rows = Document.objects.for_user(request.user).select_related("collection")
    found = newest(rows.filter(pk__in=documents[:DOCUMENTS_MOST]), request.user)
    return Chosen(readable, found, max(0, len(collections) + len(documents) - len(readable) - len(found)))


def gone_words(scope: Chosen) -> str:
    """What dropped out, for a note above the composer; "" where nothing did."""
    if not scope.gone:
        return ""
    return ngettext(
        "One collection or document that was chosen can no longer be read, and is not searched.",
        "%(n)d collections or documents that were chosen can no longer be read, and are not searched.",
        scope.gone,
    ) % {"n": scope.gone}


def choose_address(row: Conversation | None, scope: Chosen) -> str:
    asked: dict[str, Sequence[object] | str] = {"conversation": str(row.pk)} if row else {}
    asked |= {
        "collections": [each.pk for each in scope.collections],
        "documents": [each.pk for each in scope.documents],
    }
    return f"{reverse('scope')}?{urlencode(asked, doseq=True)}"


def _uuids(texts: Sequence[str]) -> list[UUID]:
    return list(dict.fromkeys(pk for pk in map(_maybe_uuid, texts) if pk))


def _maybe_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _uuid(text: str) -> UUID:
    if found := _maybe_uuid(text):
        return found
    raise Http404
