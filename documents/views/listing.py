"""What there is, what is on its way, and what is done to several documents at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, Q, Sum, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from documents import intake
from documents.embeddings import model_name
from documents.forms import KINDS, BulkForm, CollectionForm, FilterForm
from documents.indexes import private_collection
from documents.intake import UploadRefused
from documents.models import FINDABLE, UNDER_WAY, Collection, Document, DocumentQuerySet, State
from documents.paging import FoundOnce
from documents.views.collections import listed
from project.accounts import SignedInRequest
from project.translating import number
from project.workers import why_nobody_works

A_PAGE = 50
COMING_MOST = 200
LINE_MOST = 10_000  # documents whose place in line is told
SENTENCES_MOST = 5
JUST_ENDED = timedelta(minutes=2)
ACTS = (("move", gettext_lazy("Move…")), ("retry", gettext_lazy("Read again…")), ("delete", gettext_lazy("Delete…")))
NEED_YOU = (State.WARNING, State.FAILED)


def library_state(request: HttpRequest) -> dict[str, object]:
    """For every page: whether search by meaning is there."""
    return {"has_embeddings": bool(model_name())}


@require_GET
def library(request: SignedInRequest) -> HttpResponse:
    chosen = None
    if wanted := request.GET.get("collection"):
        chosen = get_object_or_404(Collection.objects.for_user(request.user), pk=_uuid(wanted))
    form, coming = FilterForm(request.GET), on_their_way(request)
    shown = form.documents(_shown(request, form, chosen, coming["under_way"]), request.user)
    paginator = FoundOnce if form.chosen.get("q") else Paginator
    page_obj = paginator(shown, A_PAGE).get_page(request.GET.get("page"))
    targets = [private_collection(request.user), *Collection.objects.editable_by(request.user).filter(is_private=False)]
    editable = {target.pk for target in targets}
    for item in page_obj.object_list:
        item.can_edit = item.collection_id in editable
    used = Document.objects.filter(owner=request.user, deleted_at=None).aggregate(n=Sum("size"))["n"] or 0
    return render(
        request,
        "documents/library.html",
        {
            **coming,
            "collections": listed(request),
            "collection": chosen,
            "upload_targets": targets,
            "documents": page_obj.object_list,
            "page_obj": page_obj,
            "previous_url": page_obj.has_previous() and form.address(page=page_obj.previous_page_number()),
            "next_url": page_obj.has_next() and form.address(page=page_obj.next_page_number()),
            "form": form,
            "states": [(name, words) for name, (words, _) in FilterForm.STATES.items()],
            "kinds": KINDS.items(),
            "sorts": _sorts(form),
            "acts": ACTS,
            "may_upload": chosen is None or chosen.pk in editable,
            "may_edit": any(item.can_edit for item in page_obj.object_list),
            "upload_url": reverse("library-upload"),
            "used_bytes": used,
            "quota_bytes": settings.QUOTA_BYTES,
            "collection_form": CollectionForm(owner=request.user),
        },
    )


def _shown(
    request: SignedInRequest, form: FilterForm, chosen: Collection | None, under_way: Iterable[Document]
) -> DocumentQuerySet:
    """What the table may list, before it is filtered."""
    shown = Document.objects.for_user(request.user).current().select_related("collection", "owner")
    if chosen:
        shown = shown.filter(collection=chosen)
    if form.chosen.get("state") == "under-way":
        return shown
    # What this person sees above the table, on its way, is not listed twice.
    return shown.exclude(pk__in=[item.pk for item in under_way if item.is_under_way and not item.generation])


def _sorts(form: FilterForm) -> dict[str, dict[str, str]]:
    """For each column that can be sorted by: the address that does, and how it is sorted now. Names begin with A,
    numbers and dates with the largest."""
    now = str(form.chosen.get("sort", "-added"))
    found = {}
    for name in FilterForm.SORTS:
        first = name if name == "name" else f"-{name}"
        turned = name if first.startswith("-") else f"-{name}"
        found[name] = {
            "address": form.address(sort=turned if now == first else first),
            "now": {name: "ascending", f"-{name}": "descending"}.get(now, ""),
        }
    return found


@require_GET
def coming(request: SignedInRequest) -> HttpResponse:
    """The list of what is on its way; the page asks for it again while something is."""
    return render(request, "documents/_coming.html", on_their_way(request))


def on_their_way(request: SignedInRequest) -> dict[str, Any]:
    """This person's uploads that are under way, failed, or ended a moment ago; each knows how many are before it."""
    recent = Q(finished_at__gte=timezone.now() - JUST_ENDED)
    rows = Document.objects.for_user(request.user).current().filter(owner=request.user).prefetch_related("attempts")
    wanted = Q(state__in=UNDER_WAY) | Q(state=State.FAILED) | recent
    has_ended = Case(When(state__in=UNDER_WAY, then=0), default=1)
    found = list(rows.filter(wanted).order_by(has_ended, "-created_at")[:COMING_MOST])
    moving = rows.filter(state__in=UNDER_WAY).count()
    waiting = [item for item in found if item.is_under_way and item.lease_until is None]
    line = Document.objects.in_turn().values_list("pk", flat=True)[:LINE_MOST] if waiting else []
    places = {pk: place for place, pk in enumerate(line)}
    for item in found:
        item.can_edit = True
        item.before = places.get(item.pk, 0)
    nobody = any(item.is_under_way and (item.lease_until is None or item.is_cut_off) for item in found)
    return {
        "under_way": found,
        "summary": _summary(found, moving),
        "nobody_works": why_nobody_works() if nobody else "",
    }


def _summary(found: list[Document], moving: int) -> str:
    """How many there are of which sort, in words."""
    ended = Counter(
        "need" if item.state in NEED_YOU else "ready" for item in found if item.state in FINDABLE + NEED_YOU
    )
    parts = [gettext("%(n)s under way") % {"n": moving}] * bool(moving)
    parts += [gettext("%(n)s ready") % {"n": ended["ready"]}] * bool(ended["ready"])
    if need := ended["need"]:
        parts.append(ngettext("%(n)s needs you", "%(n)s need you", need) % {"n": need})
    return ", ".join(parts)


@require_POST
def bulk(request: SignedInRequest) -> HttpResponse:
    """Move, read again or delete what was chosen: asked first, and done when the answer is sure."""
    form = BulkForm(request.POST, user=request.user)
    back = reverse("library") + (f"?{query}" if (query := request.POST.get("back", "").lstrip("?")) else "")
    if not form.is_valid():
        sentences = " ".join(str(each) for errors in form.errors.values() for each in errors)
        if request.htmx:
            return render(request, "documents/_bulk.html", {"refusal": sentences})
        messages.error(request, sentences)
        return redirect(back)
    found = list(form.documents())
    if not form.cleaned_data["sure"]:
        context = {
            "act": form.cleaned_data["act"],
            "chosen": found,
            "passages": sum(item.chunk_count for item in found),
            "not_yours": len(set(form.chosen)) - len(found),
            "targets": Collection.objects.editable_by(request.user),
            "back": request.POST.get("back", ""),
            "back_url": back,
        }
        if request.htmx:
            return render(request, "documents/_bulk.html", context)
        return render(request, "documents/bulk.html", context | {"collections": listed(request)})
    _act(request, form, found)
    return redirect(back)


def _act(request: SignedInRequest, form: BulkForm, found: list[Document]) -> None:
    """Do it to each, and say how many it was done to and why not to the others."""
    act: Callable[[Document], None]
    match form.cleaned_data["act"]:
        case "retry":
            act, said = intake.retry, _read_again
        case "delete":
            act, said = intake.delete, _deleted
        case _:
            target = form.target
            assert target is not None  # The form asks for it.
            act, said = partial(intake.move, collection=target), partial(_moved, target)
    done, refusals = 0, []
    for item in found:
        try:
            act(item)
            done += 1
        except UploadRefused as refusal:
            refusals.append(str(refusal))
    if done:
        messages.success(request, said(done))
    for sentence in refusals[:SENTENCES_MOST]:
        messages.error(request, sentence)
    if (more := len(refusals) - SENTENCES_MOST) > 0:
        messages.error(request, gettext("The same was refused for %(n)s more.") % {"n": number(more)})
    if not found:
        messages.error(request, gettext("None of these can be changed by you, or they are gone."))


def _read_again(n: int) -> str:
    return ngettext("%(n)s document is read again.", "%(n)s documents are read again.", n) % {"n": number(n)}


def _deleted(n: int) -> str:
    return ngettext("%(n)s document is deleted.", "%(n)s documents are deleted.", n) % {"n": number(n)}


def _moved(target: Collection, n: int) -> str:
    said = ngettext("%(n)s document is moved to %(name)s.", "%(n)s documents are moved to %(name)s.", n)
    return said % {"n": number(n), "name": target.shown_name}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
