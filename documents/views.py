"""The library's pages: what there is, what is on its way, one document, one page of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import close_old_connections, transaction
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from documents import intake, rendering
from documents.embeddings import local_model_name
from documents.forms import CollectionForm, MemberForm, UploadForm
from documents.indexes import default_index, private_collection
from documents.ingestion import remove_traces
from documents.intake import UploadRefused, accept
from documents.models import UNDER_WAY, Collection, Document, Membership, Page, State, page_url
from project.accounts import SignedInRequest
from project.limits import limited

SPAN = re.compile(r"(\d{1,9})-(\d{1,9})")
SPANS_MAX = 50
A_PAGE = 50
JUST_ENDED = timedelta(minutes=2)


def library_state(request: HttpRequest) -> dict[str, object]:
    """For every page: whether search by meaning is there."""
    return {"has_embeddings": bool(local_model_name())}


# The library -------------------------------------------------------------------------------------------------------
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
            "collections": _collections(request),
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


def _collections(request: SignedInRequest) -> list[tuple[Collection, int]]:
    """What the side pane lists: every collection this person may read, with the number of its documents."""
    live = Q(documents__deleted_at=None, documents__superseded_at=None)
    rows = Collection.objects.for_user(request.user).annotate(count=Count("documents", filter=live))
    return [(row, row.count) for row in rows.order_by("-is_private", "name")]


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


# One document ------------------------------------------------------------------------------------------------------
@require_GET
def document(request: SignedInRequest, pk: UUID) -> HttpResponse:
    readable = Document.objects.for_user(request.user).select_related("collection", "owner")
    row = get_object_or_404(readable, pk=pk)
    row.can_edit = Document.objects.editable_by(request.user).filter(pk=pk).exists()
    readers = Membership.objects.filter(collection=row.collection).count() + 1
    context = {"document": row, "pages": row.pages_live().defer("text", "headings"), "readers": readers}
    context["collections"] = _collections(request)
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


# One page ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Mark:
    """Words to light on a page image. `index` says which of the sentences one came by they belong to."""

    index: int
    rects: list[rendering.Rect]


@require_GET
def page(request: SignedInRequest, pk: UUID, number: int) -> HttpResponse:
    """A page with words lit: `?passage=0-900&mark=12-80&mark=95-130`, offsets into the page's text."""
    is_part = bool(request.GET.get("part"))
    row = Document.objects.for_user(request.user).select_related("collection").filter(pk=pk).first()
    shown = row.pages_live().filter(number=number).first() if row else None
    if row is None or shown is None:
        if is_part:
            return render(request, "documents/_gone.html", status=404)
        raise Http404
    passage = next((span for span in _spans(request.GET.getlist("passage"), shown) if any(span)), None)
    marks = _spans(request.GET.getlist("mark"), shown)
    context = _page_context(row, shown) | _lit(row, shown, marks, passage)
    if not is_part:
        context["collections"] = _collections(request)
    return render(request, "documents/_page.html" if is_part else "documents/page.html", context)


@require_GET
def image(request: SignedInRequest, pk: UUID, number: int) -> HttpResponse:
    row = get_object_or_404(Document.objects.for_user(request.user), pk=pk, kind="pdf")
    get_object_or_404(row.pages_live(), number=number)
    kept = row.pictures / f"{number}.jpg"
    try:
        picture = kept.read_bytes()
    except FileNotFoundError:
        close_old_connections()  # Drawing may have to wait, and connections are few.
        try:
            picture = rendering.page_image(row.path, number)
        except rendering.RenderingBusy as exc:
            response = HttpResponse(str(exc), status=503, content_type="text/plain")
            response["Retry-After"] = "5"
            return response
        except rendering.RenderingError as exc:
            raise Http404 from exc
        _keep(kept, picture)
    response = HttpResponse(picture, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=600"
    return response


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{timezone.now().timestamp()}")
    draft.write_bytes(content)
    draft.replace(path)


def _page_context(row: Document, shown: Page) -> dict[str, object]:
    def neighbour(number: int, part: bool) -> str | None:
        return page_url(row.pk, number, part=part) if 1 <= number <= row.page_count else None

    return {
        "document": row,
        "page": shown,
        "page_count": row.page_count,
        "previous_url": neighbour(shown.number - 1, False),
        "next_url": neighbour(shown.number + 1, False),
        "previous_panel": neighbour(shown.number - 1, True),
        "next_panel": neighbour(shown.number + 1, True),
        "page_url": page_url(row.pk, shown.number),
        "original_url": reverse("document-original", args=[row.pk]),
    }


def _lit(
    row: Document, shown: Page, marks: list[tuple[int, int]], passage: tuple[int, int] | None
) -> dict[str, object]:
    """The page as a picture with rectangles, or as text in pieces; the text too when the picture fails."""
    if row.kind == "pdf":
        close_old_connections()
        try:
            width, height = rendering.page_size(row.path, shown.number)
            rects = rendering.rectangles(row.path, shown.number, [*marks, *([passage] if passage else [])])
        except rendering.RenderingError:
            pass
        else:
            return {
                "image_url": reverse("page-image", args=[row.pk, shown.number]),
                "width": width,
                "height": height,
                "marks": [Mark(index, found) for index, found in enumerate(rects[: len(marks)])],
                "passage": rects[-1] if passage else [],
            }
    return {"image_url": None, "pieces": _pieces_of_text(shown.text, marks, passage)}


def _pieces_of_text(
    text: str, marks: list[tuple[int, int]], passage: tuple[int, int] | None
) -> list[tuple[str, int | None, bool]]:
    """Cut a text at every border: (text, index of its mark or None, whether it lies in the passage).

    >>> _pieces_of_text("abcdef", [(1, 3)], (0, 4))
    [('a', None, True), ('bc', 0, True), ('d', None, True), ('ef', None, False)]
    """
    borders = {0, len(text), *(place for span in [*marks, *([passage] if passage else [])] for place in span)}
    cuts = sorted(place for place in borders if place <= len(text))
    pieces = []
    for start, end in pairwise(cuts):
        index = next((n for n, (first, last) in enumerate(marks) if first <= start and end <= last), None)
        pieces.append((text[start:end], index, bool(passage and passage[0] <= start and end <= passage[1])))
    return pieces


def _spans(values: list[str], shown: Page) -> list[tuple[int, int]]:
    """The spans an address names, each in its place; what is no span of this page is an empty one."""
    found = []
    for value in values[:SPANS_MAX]:
        match = SPAN.fullmatch(value)
        start, end = (int(match[1]), int(match[2])) if match else (0, 0)
        found.append((start, end) if start < end <= len(shown.text) else (0, 0))
    return found


# Collections -------------------------------------------------------------------------------------------------------
@require_POST
def new_collection(request: SignedInRequest) -> HttpResponse:
    form = CollectionForm(request.POST, owner=request.user)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("library")
    form.instance.owner = request.user
    form.instance.index = default_index()
    return redirect(form.save())


@require_http_methods(["GET", "POST"])
def collection(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Name and members of a collection; only its owner changes them."""
    row = get_object_or_404(Collection.objects.for_user(request.user).select_related("owner"), pk=pk)
    is_owner = row.owner_id == request.user.pk
    form = CollectionForm(request.POST or None, instance=row, owner=request.user)
    if request.method == "POST":
        if not is_owner or row.is_private:
            raise Http404
        if request.POST.get("action") == "delete":
            return _delete_collection(request, row)
        if form.is_valid():
            form.save()
            return redirect(row)
    return _collection_page(request, row, form, MemberForm())


@require_POST
def members(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Let somebody in, or out again: both hold from their next request on."""
    row = get_object_or_404(Collection, pk=pk, owner=request.user, is_private=False)
    if leaving := request.POST.get("remove"):
        row.memberships.filter(user__username=leaving.replace("\x00", "")).delete()
        return redirect("collection", pk)
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _collection_page(request, row, CollectionForm(instance=row, owner=request.user), form)
    member, role = form.cleaned_data["username"], form.cleaned_data["role"]
    if member != row.owner:
        Membership.objects.update_or_create(collection=row, user=member, defaults={"role": role})
    return redirect("collection", pk)


def _collection_page(
    request: SignedInRequest, row: Collection, form: CollectionForm, member_form: MemberForm
) -> HttpResponse:
    context = {
        "collections": _collections(request),
        "collection": row,
        "memberships": row.memberships.select_related("user").order_by("user__username"),
        "form": form,
        "member_form": member_form,
        "is_owner": row.owner_id == request.user.pk,
    }
    return render(
        request, "documents/collection.html", context, status=400 if member_form.errors or form.errors else 200
    )


def _delete_collection(request: SignedInRequest, row: Collection) -> HttpResponse:
    """Only an empty collection can be deleted: its documents are somebody's work."""
    with transaction.atomic():
        Collection.objects.select_for_update(of=("self",)).get(pk=row.pk)  # Nothing comes in meanwhile.
        if left := row.documents.filter(deleted_at=None).count():
            messages.error(request, f"“{row.name}” still holds {left} documents. Delete them first.")
            return redirect("collection", row.pk)
        for gone in row.documents.filter(cleaned_at=None):
            remove_traces(gone)
        row.delete()
    messages.success(request, f"“{row.name}” is deleted.")
    return redirect("library")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
