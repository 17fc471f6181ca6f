"""Documents and jobs: what there is, what failed and why, and what is done to many of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST
from redis import RedisError

from documents import intake
from documents.console.finding import MOST, ActForm, JobsForm
from documents.forms import KINDS
from documents.intake import UploadRefused
from documents.models import Attempt, Collection, Document, DocumentQuerySet, Index, State
from documents.paging import FoundOnce
from documents.views.receipt import left_out, taken_in, times
from project.audit import audit
from project.console import console, staff_only
from project.worker_log import lines_naming

A_PAGE = 50
CODES_MOST = 30
TARGETS_MOST = 500
LINES_MOST = 40


@require_GET
@staff_only
def jobs(request: HttpRequest) -> HttpResponse:
    form = JobsForm(request.GET)
    paginator = FoundOnce if form.chosen.get("q") else Paginator
    page_obj = paginator(form.in_order(), A_PAGE).get_page(request.GET.get("page"))
    rows = list(page_obj.object_list)
    tried = dict(Attempt.objects.filter(document__in=rows).values_list("document").annotate(n=Count("pk")))
    for row in rows:
        row.tried = tried.get(row.pk, 0)  # type: ignore[attr-defined]
    failed = Document.objects.current().filter(deleted_at=None, state=State.FAILED).order_by()
    codes = failed.values_list("error__code").annotate(n=Count("pk")).order_by("-n")[:CODES_MOST]
    context: dict[str, object] = {
        "form": form,
        "documents": rows,
        "page_obj": page_obj,
        "previous_url": page_obj.has_previous() and form.address(page=page_obj.previous_page_number()),
        "next_url": page_obj.has_next() and form.address(page=page_obj.next_page_number()),
        "states": [(name, words) for name, (words, _) in JobsForm.STATES.items()],
        "kinds": KINDS.items(),
        "codes": [(code, number) for code, number in codes if code],
        "indexes": list(Index.objects.order_by("name")),
        "sorts": form.sorts(),
        "acts": ActForm.ACTS.items(),
    }
    return console(request, "console/jobs.html", context)


@require_POST
@staff_only
def act(request: HttpRequest) -> HttpResponse:
    """Asked first, with counts; then done to each, and told of each."""
    form = ActForm(request.POST)
    back = reverse("console-documents")
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(map(str, errors)))
        return redirect(back)
    given, found = form.cleaned_data, form.documents()
    if given["back"].startswith("?"):
        back += given["back"]
    context: dict[str, object] = {"act": given["act"], "back": given["back"], "back_url": back, "chosen": found}
    if not given["sure"] or not found:
        return console(request, "console/jobs_sure.html", context | _counts(found, given["act"]))
    context["done"] = [done(given["act"], document, given["collection"]) for document in found]
    context["refused"] = sum(bool(each.refusal) for each in context["done"])  # type: ignore[attr-defined]
    return console(request, "console/jobs_done.html", context)


def _counts(found: list[Document], act: str) -> dict[str, object]:
    """What the act is about to touch."""
    targets = Collection.objects.filter(is_private=False).select_related("owner").order_by("name", "pk")
    return {
        "pages": sum(row.page_count for row in found),
        "passages": sum(row.chunk_count for row in found),
        "bytes": sum(row.size for row in found),
        "collections": len({row.collection_id for row in found}),
        "owners": len({row.owner_id for row in found}),
        "is_full": len(found) == MOST,
        "targets": targets[:TARGETS_MOST] if act == "move" else [],
    }


@dataclass(frozen=True)
class Done:
    """What became of one document; `refusal` is a sentence, "" when it was done."""

    document: Document
    refusal: str


def done(act: str, document: Document, target: Collection | None) -> Done:
    """Do it, and say what became of it."""
    try:
        ACTS[act](document, target)
    except UploadRefused as refusal:
        return Done(document, str(refusal))
    except Document.DoesNotExist:
        return Done(document, gettext("It is gone."))
    return Done(document, "")


def _retry(document: Document, target: Collection | None) -> None:
    if document.is_under_way and not document.is_left:
        raise UploadRefused(409, "under_way", gettext("It is under way."), gettext("Wait, or stop it first."))
    with transaction.atomic():
        audit("document.retry", document, state=document.state)
        intake.retry(document)


def _cancel(document: Document, target: Collection | None) -> None:
    if not document.is_under_way:
        raise UploadRefused(409, "ended", gettext("It is not under way."), gettext("There is nothing to stop."))
    with transaction.atomic():
        audit("document.cancel", document, state=document.state)
        intake.cancel(document)


def _move(document: Document, target: Collection | None) -> None:
    assert target is not None  # The form asks for it.
    intake.move(document, target)


def _delete(document: Document, target: Collection | None) -> None:
    intake.delete(document)


ACTS: dict[str, Callable[[Document, Collection | None], None]] = {
    "retry": _retry,
    "cancel": _cancel,
    "move": _move,
    "delete": _delete,
}


@require_GET
@staff_only
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What became of one document: everything but its text."""
    document = find_document(pk)
    attempts = list(document.attempts.all())
    if attempts and document.error:
        attempts[-1].code = document.error.get("code", "")  # type: ignore[attr-defined]
    context: dict[str, object] = {
        "document": document,
        "attempts": attempts,
        "taken_in": list(taken_in(document)),
        "left_out": list(left_out(document)),
        "times": list(times(document)),
        "log": logged(document),
        "acts": [(name, words) for name, words in ActForm.ACTS.items() if _fits(name, document)],
        "polls": document.is_under_way,
        "exclusions": document.exclusions.count(),
    }
    return console(request, "console/job.html", context)


def logged(document: Document) -> list[str] | None:
    """What workers noted of it lately; None: that is not known while Redis is away."""
    try:
        return lines_naming(str(document.pk), LINES_MOST)
    except RedisError:
        return None


def _fits(act: str, document: Document) -> bool:
    if act == "retry":
        return document.is_left or not document.is_under_way
    return act != "cancel" or document.is_under_way


def find_document(pk: UUID) -> Document:
    return get_object_or_404(kept_documents(), pk=pk)


def kept_documents() -> DocumentQuerySet:
    """Everybody's, earlier versions too, with what a page of one needs."""
    return Document.objects.filter(deleted_at=None).select_related("collection__index", "owner")
