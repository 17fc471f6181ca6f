"""What there is, what is on its way, and one document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_POST

from documents import intake
from documents.embeddings import local_model_name
from documents.forms import CollectionForm, UploadForm
from documents.indexes import private_collection
from documents.intake import UploadRefused, accept
from documents.models import UNDER_WAY, Collection, Document, Membership, State
from documents.views.collections import listed
from project.accounts import SignedInRequest
from project.limits import limited

A_PAGE = 50
JUST_ENDED = timedelta(minutes=2)


def library_state(request: HttpRequest) -> dict[str, object]:
    """For every page: whether search by meaning is there."""
    return {"has_embeddings": bool(local_model_name())}


@require_GET
def library(request: SignedInRequest) -> HttpResponse:
    chosen = None
    if wanted := request.GET.get("collection"):
        chosen = get_object_or_404(Collection.objects.for_user(request.user), pk=_uuid(wanted))
    shown = Document.objects.for_user(request.user).current().select_related("collection", "owner")
    if chosen:
        shown = shown.filter(collection=chosen)
    query = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    if query:
        shown = shown.filter(Q(name__icontains=query) | Q(title__icontains=query))
    # What this person sees above the table, on its way, is not listed twice.
    shown = shown.exclude(Q(owner=request.user, state__in=UNDER_WAY, generation=0))
    page_obj = Paginator(shown, A_PAGE).get_page(request.GET.get("page"))
    targets = [private_collection(request.user), *Collection.objects.editable_by(request.user).filter(is_private=False)]
    editable = {target.pk for target in targets}
    for item in page_obj.object_list:
        item.can_edit = item.collection_id in editable
    return render(
        request,
        "documents/library.html",
        {
            "collections": listed(request),
            "collection": chosen,
            "upload_targets": targets,
            "documents": page_obj.object_list,
            "page_obj": page_obj,
            "query": query,
            "under_way": _coming(request),
            "may_upload": chosen is None or chosen.pk in editable,
            "upload_url": reverse("library-upload"),
            "used_bytes": Document.objects.filter(owner=request.user, deleted_at=None).aggregate(n=Sum("size"))["n"]
            or 0,
            "quota_bytes": settings.QUOTA_BYTES,
            "collection_form": CollectionForm(owner=request.user),
        },
    )


@require_GET
def coming(request: SignedInRequest) -> HttpResponse:
    """The list of what is on its way; the page asks for it again while something is."""
    return render(request, "documents/_coming.html", {"under_way": _coming(request)})


def _coming(request: SignedInRequest) -> list[Document]:
    """This person's own uploads that are under way, or ended a moment ago; each knows how many are before it."""
    recent = Q(finished_at__gte=timezone.now() - JUST_ENDED)
    rows = Document.objects.for_user(request.user).current().filter(owner=request.user)
    found = list(rows.filter(Q(state__in=UNDER_WAY) | Q(state=State.FAILED) | recent).order_by("-created_at")[:200])
    for item in found:
        item.can_edit = True
        if item.state == State.QUEUED:
            ahead = Document.objects.under_way().filter(created_at__lt=item.created_at)
            item.before = ahead.count()
    return found


@require_POST
@limited("upload")
def upload(request: SignedInRequest) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        refusal = UploadRefused(400, "no_file", "No file came with this form.", "Choose a file first.")
        return _refuse_upload(request, refusal)
    target = form.target(request)
    if target is None:
        raise Http404
    file = form.cleaned_data["file"]
    try:
        row, is_new = accept(file.chunks(), file.name, request.user, target)
    except UploadRefused as refusal:
        return _refuse_upload(request, refusal)
    if "application/json" not in request.headers.get("Accept", ""):
        messages.success(request, f"{row.name} is on its way." if is_new else f"{row.name} is here already.")
        return redirect(target)
    body = {"id": str(row.pk), "name": row.name, "state": row.state, "duplicate": not is_new}
    return JsonResponse(body, status=201 if is_new else 200)


def _refuse_upload(request: SignedInRequest, refusal: UploadRefused) -> HttpResponse:
    if "application/json" in request.headers.get("Accept", ""):
        body = {"error": {"code": refusal.code, "reason": refusal.reason, "advice": refusal.advice}}
        return JsonResponse(body, status=refusal.status)
    messages.error(request, str(refusal))
    return redirect("library")


@require_GET
def document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    readable = Document.objects.for_user(request.user).select_related("collection", "owner")
    row = get_object_or_404(readable, pk=pk)
    row.can_edit = Document.objects.editable_by(request.user).filter(pk=pk).exists()
    readers = Membership.objects.filter(collection=row.collection).count() + 1
    context = {"document": row, "pages": row.pages_live().defer("text", "headings"), "readers": readers}
    context["collections"] = listed(request)
    return render(request, "documents/document.html", context)


def _change(request: SignedInRequest, pk: UUID, act, sentence: str) -> HttpResponse:
    row = get_object_or_404(Document.objects.editable_by(request.user), pk=pk)
    act(row)
    if request.htmx:
        return render(request, "documents/_coming.html", {"under_way": _coming(request)})
    messages.success(request, sentence.format(row.name))
    return redirect(row.collection)


@require_POST
def retry_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, intake.retry, "{} is read again.")


@require_POST
def cancel_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, intake.cancel, "{} is cancelled.")


@require_POST
def delete_document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    return _change(request, pk, intake.delete, "{} is deleted.")


@require_GET
async def original(request: SignedInRequest, pk: UUID) -> HttpResponseBase:
    """The file as it was uploaded: always a download, never a page of ours."""
    row = await sync_to_async(_readable)(await request.auser(), pk)
    if not row.path.exists():
        raise Http404
    response = StreamingHttpResponse(_pieces(row.path), content_type="application/octet-stream")
    response["Content-Length"] = str(row.size)
    response["Content-Disposition"] = content_disposition_header(True, row.name)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _readable(user, pk: UUID) -> Document:
    return get_object_or_404(Document.objects.for_user(user), pk=pk)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """A sync file under ASGI would be read whole into memory first."""
    with path.open("rb") as file:
        while piece := await sync_to_async(file.read, thread_sensitive=False)(1 << 18):
            yield piece


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
