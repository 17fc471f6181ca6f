"""Who is in which collection, in the console: people, their roles, and what is done when somebody leaves."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from documents.models import Collection, Document, Membership
from documents.sharing import NameTaken, hand_over, let_sign_in
from project.accounts import SignedInRequest
from project.audit import audit
from project.console import console, staff_only
from project.models import ApiKey

A_PAGE = 50
MEMBERS_SHOWN = 20


@require_GET
@staff_only
def members(request: SignedInRequest) -> HttpResponse:
    """People and shared collections, both narrowed to what the words stand in."""
    words = request.GET.get("q", "").replace("\x00", "").strip()
    people = User.objects.order_by("username").annotate(
        owned=Count("collections", filter=Q(collections__is_private=False), distinct=True),
        joined=Count("memberships", distinct=True),
    )
    rows = Collection.objects.filter(is_private=False).select_related("owner").order_by("name", "pk")
    if words:
        people = people.filter(Q(username__icontains=words) | Q(email__icontains=words))
        is_in = Membership.objects.filter(collection=OuterRef("pk"), user__username__icontains=words)
        rows = rows.filter(Q(name__icontains=words) | Q(owner__username__icontains=words) | Exists(is_in))
    page = Paginator(rows, A_PAGE).get_page(request.GET.get("collections"))
    context: dict[str, object] = {
        "q": words,
        "people": Paginator(people, A_PAGE).get_page(request.GET.get("people")),
        "collections": page,
        "rows": _with_members(list(page)),
        "may_act": request.user.is_superuser,
    }
    return console(request, "console/members.html", context)


def _with_members(rows: list[Collection]) -> list[dict[str, object]]:
    ids = [row.pk for row in rows]
    inside: dict[UUID, list[Membership]] = {}
    for each in Membership.objects.filter(collection__in=ids).select_related("user").order_by("user__username"):
        inside.setdefault(each.collection_id, []).append(each)
    live = Document.objects.filter(collection__in=ids, deleted_at=None, superseded_at=None).order_by()
    counts = dict(live.values_list("collection").annotate(n=Count("pk")))
    return [
        {
            "collection": row,
            "documents": counts.get(row.pk, 0),
            "members": inside.get(row.pk, [])[:MEMBERS_SHOWN],
            "more": max(0, len(inside.get(row.pk, [])) - MEMBERS_SHOWN),
        }
        for row in rows
    ]


@require_GET
@staff_only
def person(request: SignedInRequest, pk: int) -> HttpResponse:
    """One person: what they own and read, and, for superusers, what can be done."""
    row = get_object_or_404(User, pk=pk)
    others = Q(memberships__isnull=False) | Q(documents__in=Document.objects.filter(deleted_at=None).exclude(owner=row))
    owned = Collection.objects.filter(owner=row, is_private=False).annotate(
        number=Count("documents", filter=Q(documents__deleted_at=None, documents__superseded_at=None), distinct=True),
        readers=Count("memberships", distinct=True),
    )
    context = {
        "person": row,
        "owned": owned,
        "blocking": Collection.objects.filter(others, owner=row).distinct().count(),
        "joined": row.memberships.select_related("collection__owner").order_by("collection__name"),
        "keys": ApiKey.objects.live().filter(user=row).count(),
        "keys_url": f"{reverse('console-keys')}?person={row.username}",
        "may_act": request.user.is_superuser,
        "is_self": row.pk == request.user.pk,
    }
    return console(request, "console/person.html", context)


class NewPersonForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("username", "email", "is_staff")

    def make(self) -> User:
        """The account, written down."""
        with transaction.atomic():
            row = self.save()
            audit("person.create", row, is_staff=row.is_staff)
        return row


@require_http_methods(["GET", "POST"])
@staff_only
def new_person(request: SignedInRequest) -> HttpResponse:
    """An account with a first password, for superusers to make."""
    if not request.user.is_superuser:
        raise Http404
    form = NewPersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        row = form.make()
        messages.success(request, gettext("%(name)s can sign in.") % {"name": row})
        return redirect("console-person", row.pk)
    return console(request, "console/person_new.html", {"form": form}, status=400 if form.is_bound else None)


@require_POST
@staff_only
def activate(request: SignedInRequest, pk: int) -> HttpResponse:
    """Let somebody in no more, from their next request on; with `active`, let them in again."""
    row = _for_superuser(request, pk)
    if row.pk == request.user.pk:
        messages.error(request, gettext("You cannot shut yourself out. Another superuser can."))
        return redirect("console-person", pk)
    is_active = bool(request.POST.get("active"))
    let_sign_in(row, is_active=is_active)
    if is_active:
        messages.success(request, gettext("%(name)s can sign in again.") % {"name": row})
    else:
        messages.success(
            request, gettext("%(name)s cannot sign in any more, and their keys open nothing.") % {"name": row}
        )
    return redirect("console-person", pk)


@require_POST
@staff_only
def give(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Hand a collection over to somebody else; the owner so far stays in it as an editor."""
    if not request.user.is_superuser:
        raise Http404
    row = get_object_or_404(Collection.objects.select_related("owner"), pk=pk, is_private=False)
    before, name = row.owner, request.POST.get("to", "").replace("\x00", "").strip()
    to = User.objects.filter(username=name, is_active=True).first()
    if to is None:
        said = gettext("There is nobody called “%(name)s” who can sign in. Nothing was changed.")
        messages.error(request, said % {"name": name[:150]})
        return redirect("console-person", before.pk)
    try:
        hand_over(row, to)
    except NameTaken as exc:
        messages.error(request, str(exc))
    else:
        said = gettext("“%(collection)s” belongs to %(name)s now.") % {"collection": row.name, "name": to}
        messages.success(request, said)
    return redirect("console-person", before.pk)


def _for_superuser(request: SignedInRequest, pk: int) -> User:
    if not request.user.is_superuser:
        raise Http404
    return get_object_or_404(User, pk=pk)
