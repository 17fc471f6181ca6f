"""The passages of one document as they are searched: where each stands, whether it is searched, how a question ranks
it. Their words are shown to whoever may read the document; a superuser may look all the same, which is written down."""

from __future__ import annotations

import time
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from documents.console.jobs import find_document
from documents.excluding import ExclusionRefused, exclude, include
from documents.models import Chunk, Document
from documents.retrieval.explaining import standings
from documents.search import SearchError
from project.audit import audit
from project.console import console, staff_only

A_PAGE = 50
LOOK_S = 15 * 60  # as long as a superuser's look at somebody else's words lasts
QUESTION_LETTERS = 500


@require_GET
@staff_only
def chunks(request: HttpRequest, pk: UUID) -> HttpResponse:
    document = find_document(pk)
    reader = _reader(request, document)
    question = request.GET.get("q", "").replace("\x00", "").strip()[:QUESTION_LETTERS] if reader else ""
    rows, trouble = _ranked(document, reader, question)
    page_obj = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    for chunk in page_obj.object_list:
        chunk.page.document = document
    asked = f"q={question}&" if question else ""
    context: dict[str, object] = {
        "document": document,
        "reader": reader,
        "is_viewing_as": reader is not None and reader != request.user,
        "may_look": request.user.is_superuser and reader is None,
        "question": question,
        "trouble": trouble,
        "page_obj": page_obj,
        "previous_address": page_obj.has_previous() and f"?{asked}page={page_obj.previous_page_number()}",
        "next_address": page_obj.has_next() and f"?{asked}page={page_obj.next_page_number()}",
        "excluded": document.chunks_live().filter(is_searched=False).count(),
    }
    return console(request, "console/chunks.html", context)


def _ranked(document: Document, reader: User | None, question: str) -> tuple[QuerySet[Chunk] | list[Chunk], str]:
    """The chunks in the order of the document, or, asked a question, those that come first for it before all others."""
    rows = document.chunks_live().select_related("page").order_by("ordinal")
    if not question or reader is None:
        return rows, ""
    try:
        found = standings(question, reader, document)
    except SearchError as exc:
        return rows, str(exc)
    chunks = list(rows.defer("page__runs", "page__boxes", "page__tables", "page__receipt"))
    for chunk in chunks:
        chunk.standing = found.get(chunk.pk)  # type: ignore[attr-defined]
    last = float("inf")
    return sorted(chunks, key=lambda chunk: _place(found.get(chunk.pk), last)), ""


def _place(standing, last: float) -> tuple[float, float]:
    if standing is None:
        return last, last
    legs = [leg.rank for leg in (standing.keyword, standing.vector) if leg]
    return (standing.fused.rank if standing.fused else last), min(legs, default=last)


def _reader(request: HttpRequest, document: Document) -> User | None:
    """As whom the words are read: oneself, or, for a while, the owner of the collection; None: not at all."""
    user = cast("User", request.user)
    if Document.objects.for_user(user).filter(pk=document.pk).exists():
        return user
    until = request.session.get(f"look-{document.pk}", 0)
    return document.collection.owner if user.is_superuser and until > time.time() else None


@require_POST
@staff_only
def look(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Let a superuser read these words for a while, as the owner of the collection does. It is written down."""
    if not request.user.is_superuser:
        raise Http404
    document = find_document(pk)
    audit("document.view_as", document, as_user=document.collection.owner.get_username())
    request.session[f"look-{document.pk}"] = time.time() + LOOK_S
    return redirect("console-chunks", pk)


@require_POST
@staff_only
def switch(request: HttpRequest, pk: UUID, chunk: int) -> HttpResponse:
    """Take a passage out of the search, or let it in again."""
    document = find_document(pk)
    row = get_object_or_404(document.chunks_live().select_related("page", "document"), pk=chunk)
    try:
        if request.POST.get("to") == "on":
            include(row)
            messages.success(request, gettext("The passage is searched again within moments."))
        else:
            exclude(row, cast("User", request.user))
            messages.success(request, gettext("The passage is not found any more."))
    except (ExclusionRefused, SearchError) as exc:
        messages.error(request, str(exc))
    place = f"?page={number}" if (number := request.POST.get("page", "")).isdecimal() else ""
    return redirect(reverse("console-chunks", args=[pk]) + place)
