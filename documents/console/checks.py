"""Whether rows, files and indexes agree, and a button that mends what does not: seen first, confirmed, written down."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_GET, require_POST

from documents.models import ConsistencyCheck
from project.accounts import SignedInRequest
from project.console import console, staff_only

PAGE = "console-consistency"
KINDS = (
    gettext_noop("row without file"),
    gettext_noop("wrong checksum"),
    gettext_noop("deleted but not cleaned"),
    gettext_noop("file without row"),
    gettext_noop("pictures without row"),
    gettext_noop("pages nobody reads"),
    gettext_noop("missing or doubled chunks"),
    gettext_noop("index does not answer"),
    gettext_noop("missing in the index"),
    gettext_noop("chunks without document"),
    gettext_noop("index without row"),
    gettext_noop("stale lease"),
    gettext_noop("lease without work"),
    gettext_noop("attempt without end"),
)  # as `documents.consistency` names them, for whoever translates


@require_GET
@staff_only
def consistency(request: HttpRequest) -> HttpResponse:
    ConsistencyCheck.give_up()
    last = ConsistencyCheck.objects.select_related("asked_by").first()
    ended = ConsistencyCheck.objects.select_related("asked_by").filter(state=ConsistencyCheck.State.DONE)
    done = ended.defer("found").first()
    context: dict[str, object] = {
        "last": last,
        "done": done,
        "counts": sorted(done.counts.items()) if done else [],
        "earlier": ended.exclude(pk=done.pk).defer("found")[:10] if done else [],
    }
    return console(request, "console/consistency.html", context)


@require_POST
@staff_only
def check(request: SignedInRequest) -> HttpResponse:
    ConsistencyCheck.ask(request.user, mends=False)
    messages.success(request, gettext("The check is under way. You may leave this page."))
    return redirect(PAGE)


@require_POST
@staff_only
def repair(request: SignedInRequest) -> HttpResponse:
    """Mend what the last check found, as far as it is still so: everything is looked at anew."""
    done = ConsistencyCheck.objects.filter(state=ConsistencyCheck.State.DONE).first()
    if done is None or not done.left or not request.POST.get("sure"):
        messages.error(request, gettext("Nothing was done: check first, then say that it shall be mended."))
        return redirect(PAGE)
    ConsistencyCheck.ask(request.user, mends=True)
    messages.success(request, gettext("What does not agree is being mended. You may leave this page."))
    return redirect(PAGE)


@require_POST
@staff_only
def stop(request: SignedInRequest) -> HttpResponse:
    last = ConsistencyCheck.objects.first()
    if last is None or not last.cancel():
        messages.error(request, gettext("Nothing is under way."))
    return redirect(PAGE)
