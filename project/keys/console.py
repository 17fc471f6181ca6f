"""All keys, in the console: whose they are, what they open, when they were used; and revoked at once."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from project.console import console, staff_only
from project.keys import revoke
from project.models import ApiKey
from project.spending.reports import collection_names

A_PAGE = 50


@require_GET
@staff_only
def all_keys(request: HttpRequest) -> HttpResponse:
    """Those that open anything, or with `all` the others too; of one person, if one is named."""
    person = request.GET.get("person", "").replace("\x00", "").strip()
    rows = ApiKey.objects.all() if request.GET.get("all") else ApiKey.objects.live()
    if person:
        rows = rows.filter(user__username__icontains=person)
    page = Paginator(rows.select_related("user").order_by("-created_at", "-pk"), A_PAGE).get_page(
        request.GET.get("page")
    )
    names = collection_names() if any(key.collection_ids for key in page) else {}
    shown = [
        (key, [names.get(pk, gettext("a collection that is gone")) for pk in key.collection_ids or []]) for key in page
    ]
    context = {"rows": shown, "page": page, "person": person, "is_all": bool(request.GET.get("all"))}
    return console(request, "console/keys.html", context)


@require_POST
@staff_only
def revoke_any(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(ApiKey, pk=pk)
    revoke(key)
    messages.success(
        request, gettext("“%(name)s” is revoked: it opens nothing any more.") % {"name": key.name or key.start}
    )
    return redirect("console-keys")
