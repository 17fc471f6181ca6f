"""Collections: their names, and who is let in."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from documents import sharing
from documents.forms import CollectionForm, MemberForm
from documents.models import Collection
from project.accounts import SignedInRequest


def listed(request: SignedInRequest) -> list[tuple[Collection, int]]:
    """What the side pane lists: every collection this person may read, with the number of its documents."""
    live = Q(documents__deleted_at=None, documents__superseded_at=None)
    rows = Collection.objects.for_user(request.user).annotate(count=Count("documents", filter=live))
    return [(row, row.count) for row in rows.order_by("-is_private", "name")]


@require_POST
def new_collection(request: SignedInRequest) -> HttpResponse:
    form = CollectionForm(request.POST, owner=request.user)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("library")
    return redirect(sharing.found(request.user, form.cleaned_data["name"]))


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
            row.refresh_from_db(fields=["name"])  # The form has written the new one into it.
            sharing.rename(row, form.cleaned_data["name"])
            return redirect(row)
    return _collection_page(request, row, form, MemberForm())


@require_POST
def members(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Let somebody in, or out again: both hold from their next request on."""
    row = get_object_or_404(Collection, pk=pk, owner=request.user, is_private=False)
    if leaving := request.POST.get("remove"):
        sharing.let_out(row, leaving)
        return redirect("collection", pk)
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _collection_page(request, row, CollectionForm(instance=row, owner=request.user), form)
    sharing.let_in(row, form.cleaned_data["username"], form.cleaned_data["role"])
    return redirect("collection", pk)


def _collection_page(
    request: SignedInRequest, row: Collection, form: CollectionForm, member_form: MemberForm
) -> HttpResponse:
    context = {
        "collections": listed(request),
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
    name, pk = row.name, row.pk
    try:
        sharing.delete(row)
    except sharing.NotEmpty as exc:
        messages.error(request, str(exc))
        return redirect("collection", pk)
    messages.success(request, f"“{name}” is deleted.")
    return redirect("library")
