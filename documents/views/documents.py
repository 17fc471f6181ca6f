"""One document: what became of it, what was kept out of answers, its passages, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.paginator import Page as PageOfRows
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from documents import intake, originals
from documents.forms import PasswordForm
from documents.intake import UploadRefused
from documents.models import Document, page_url
from documents.standing import why_withheld
from documents.views.collections import listed
from documents.views.listing import on_their_way
from documents.views.receipt import receipt
from project.accounts import SignedInRequest

PAGES_A_PAGE = 100
FINDINGS_FIRST, FINDINGS_MOST = 8, 200
FINDING_LETTERS = 300
PASSAGES_A_PAGE = 50


@require_GET
def document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = _shown(request, pk)
    pages = row.pages_live().only("document_id", "generation", "number", "label", "warning", "receipt")
    found = _findings(row)
    page_obj = Paginator(pages, PAGES_A_PAGE).get_page(request.GET.get("page"))
    context = receipt(row, request.user) | {
        "document": row,
        **_turned(page_obj, "pages"),
        "findings": found[:FINDINGS_FIRST],
        "more_findings": found[FINDINGS_FIRST:FINDINGS_MOST],
        "findings_count": len(found),
        "listed_findings": min(len(found), FINDINGS_MOST),
        "attempts": row.attempts.all(),
        "collections": listed(request),
    }
    return render(request, "documents/document.html", context)


@require_GET
def document_receipt(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """The piece that opens beside the list."""
    row = _shown(request, pk)
    return render(request, "documents/_drawer.html", receipt(row, request.user) | {"document": row})


def _shown(request: SignedInRequest, pk: UUID) -> Document:
    readable = Document.objects.for_user(request.user).select_related("collection__owner", "owner", "trusted_by")
    row = get_object_or_404(readable, pk=pk)
    row.can_edit = Document.objects.editable_by(request.user).filter(pk=pk).exists()
    return row


def _turned(page_obj: PageOfRows, anchor: str) -> dict[str, object]:
    """A stretch of a long list, and the addresses of the ones beside it."""
    before, after = page_obj.has_previous(), page_obj.has_next()
    return {
        "page_obj": page_obj,
        "page_before": f"?page={page_obj.previous_page_number()}#{anchor}" if before else "",
        "page_after": f"?page={page_obj.next_page_number()}#{anchor}" if after else "",
    }


def _findings(row: Document) -> list[dict[str, Any]]:
    """What is kept out of answers: where, why, and its words, cut short. What speaks to a model comes first."""
    found = []
    for page in row.pages_live().exclude(findings=[]).only("document_id", "number", "label", "text", "findings"):
        for start, end, kind, reason in page.findings:
            found.append(
                {
                    "page": page.label or str(page.number),
                    "url": page_url(row.pk, page.number, marks=[(start, end)]),
                    "kind": why_withheld(kind, reason),
                    "words": _clipped(page.text[start:end]),
                    "is_hidden": kind == "hidden",
                }
            )
    return sorted(found, key=lambda finding: finding["is_hidden"])


def _clipped(text: str) -> str:
    """One line of it. What no eye would see is named by its number.

    >>> _clipped("a\\u200b\\nb")
    'a‹U+200B› b'
    """
    words = " ".join(text.split())
    shown = "".join(letter if letter.isprintable() else f"‹U+{ord(letter):04X}›" for letter in words[:FINDING_LETTERS])
    return f"{shown} …" if len(words) > FINDING_LETTERS else shown


# Passages ------------------------------------------------------------------------------------------------------------
@require_GET
def passages(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Every passage as it is searched; `?at=12` opens one with the one before and the one after it."""
    row = _shown(request, pk)
    chunks = row.chunks_live().select_related("page").order_by("ordinal")
    at = _number(request.GET.get("at"))
    wanted = request.GET.get("page") or (1 if at is None else at // PASSAGES_A_PAGE + 1)
    page_obj: PageOfRows = Paginator(chunks, PASSAGES_A_PAGE).get_page(wanted)
    near = [] if at is None else list(chunks.filter(ordinal__gte=at - 1, ordinal__lte=at + 1))
    for chunk in [*page_obj.object_list, *near]:
        chunk.page.document = row
        chunk.url = page_url(row.pk, chunk.page.number, (chunk.start, chunk.end), [(chunk.start, chunk.end)])
    if at is not None and all(chunk.ordinal != at for chunk in near):
        raise Http404
    context = {
        "document": row,
        **_turned(page_obj, "all-passages"),
        "at": at,
        "near": _with_overlap(near),
        "collections": listed(request),
    }
    return render(request, "documents/passages.html", context)


def _with_overlap(near: list) -> list[dict[str, object]]:
    """Neighbours, each cut into what the one before it has too, and what is new."""
    found = []
    for index, chunk in enumerate(near):
        before = near[index - 1] if index else None
        repeated = max(0, before.end - chunk.start) if before and before.page_id == chunk.page_id else 0
        found.append({"chunk": chunk, "repeated": chunk.text[:repeated], "fresh": chunk.text[repeated:]})
    return found


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else None


# Acts ----------------------------------------------------------------------------------------------------------------
def _change(
    request: SignedInRequest, pk: UUID, act: Callable[[Document], None], sentence: str, *, is_gone: bool = False
) -> HttpResponse:
    """Do it; a script gets the list of what is on its way, anybody else the document, or its collection."""
    row = get_object_or_404(Document.objects.editable_by(request.user), pk=pk)
    try:
        act(row)
    except UploadRefused as refusal:
        messages.error(request, str(refusal))
        return redirect(row)
    if request.htmx:
        return render(request, "documents/_coming.html", on_their_way(request))
    messages.success(request, sentence.format(row.name))
    return redirect(row.collection if is_gone else row)


@require_POST
def retry_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, intake.retry, "{} is read again.")


@require_POST
def cancel_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, intake.cancel, "{} is cancelled.")


@require_POST
def delete_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, intake.delete, "{} is deleted.", is_gone=True)


@require_POST
def trust_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, lambda row: intake.trust(row, request.user), "Answers may use all of {}.")


@require_POST
def distrust_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, intake.distrust, "What was found in {} is kept out of answers again.")


@sensitive_post_parameters("password")
@require_POST
def give_password(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Once, for this reading; it is kept nowhere but on its way to the worker."""
    form = PasswordForm(request.POST)
    if not form.is_valid():
        messages.error(request, "No password was given. Type it, then press the button again.")
        return redirect("document", get_object_or_404(Document.objects.editable_by(request.user), pk=pk).pk)
    password = form.cleaned_data["password"]
    return _change(request, pk, lambda row: intake.give_password(row, password), "{} is opened and read.")


@require_GET
async def original(request: SignedInRequest, pk: UUID) -> HttpResponseBase:
    found = await originals.original(await sync_to_async(_readable)(await request.auser(), pk))
    if found is None:
        raise Http404
    return found


def _readable(user, pk: UUID) -> Document:
    return get_object_or_404(Document.objects.for_user(user), pk=pk)
