"""A citation's permanent link: it opens the version, the page and the words that were cited. And what changed since."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from chat.models import Citation, Gap, Recheck
from chat.views.pages import source
from documents.locating import located
from documents.models import Collection, Document
from documents.views import draw, gone
from project.accounts import SignedInRequest


@require_GET
def cite(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """The cited words on their page, for whoever may read the document now: the asker, or somebody given the link."""
    rows = Citation.objects.select_related("message__conversation", "document")
    citation = get_object_or_404(rows, public_id=pk)
    if citation.is_external:  # Here and not by leading there: whoever fetches a piece takes that for the sign-in page.
        return source(request, citation.message_id, citation.number)
    is_own = citation.message.conversation.owner_id == request.user.pk
    readable = Document.objects.for_user(request.user).select_related("collection")
    document = readable.filter(citations=citation).first()
    found = located(document, citation.quote_kept) if document else None
    if document is None or found is None:
        return gone(request, is_known=is_own or _could_read(request, citation.document))
    return draw(request, document, found.page, found.marks, found.passage, is_same=found.is_same)


def _could_read(request: SignedInRequest, document: Document | None) -> bool:
    """Whether it lay where this person may read, so that they may know it is gone."""
    if document is None:
        return False
    return Collection.objects.for_user(request.user).filter(pk=document.collection_id).exists()


@require_POST
def dismiss(request: SignedInRequest, pk: int) -> HttpResponse:
    """Put away what was told of an answer; the next change is told again."""
    row = get_object_or_404(Recheck.objects.for_user(request.user).select_related("message__conversation"), pk=pk)
    row.dismiss()
    return redirect(row.message)


@require_POST
def dismiss_gap(request: SignedInRequest, pk: int) -> HttpResponse:
    """Put away the news that a question can be answered now; its asker alone."""
    row = get_object_or_404(Gap.objects.for_user(request.user).select_related("question__conversation"), pk=pk)
    row.dismiss()
    return redirect(row.question.get_absolute_url())
