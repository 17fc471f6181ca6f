"""Indexes and their versions in the console: what there is, and every act on it, asked for by POST and written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from documents.consistency import faults_of
from documents.console.forms import BuildForm, CompareForm, IndexForm, NamedForm
from documents.console.sides import Side, cards, groups, sides, verdict
from documents.embeddings import EmbeddingError
from documents.indexes import versions
from documents.indexes.testing import Tested, embedding_host, search_host, tested
from documents.models import Index, IndexVersion, VersionComparison
from documents.queue import send
from documents.search import SearchError
from documents.standing import duration
from project.accounts import SignedInRequest
from project.audit import audit
from project.console import console, staff_only
from project.spending import Payer
from project.translating import translated

REFUSED = (versions.VersionRefused, EmbeddingError, SearchError, Index.DoesNotExist, IndexVersion.DoesNotExist)
FAULTS_SHOWN = 20


@require_GET
@staff_only
def indexes(request: HttpRequest) -> HttpResponse:
    return console(request, "console/indexes.html", {"cards": list(cards())})


@require_GET
@staff_only
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """The version that is searched, the one beside it, and the acts. `?checked=1` holds the first against the rows."""
    return _page(request, _find(pk), CompareForm())


def _page(request: HttpRequest, index: Index, form: CompareForm, status: int = 200) -> HttpResponse:
    live, beside = sides(index, _number(request.GET.get("version", "")))
    pair = VersionComparison.objects.none()
    if live and beside:
        pair = VersionComparison.objects.filter(before=live.version, after=beside.version)
    comparison = pair.select_related("user").first()
    context: dict[str, Any] = {
        "index": index,
        "live": live,
        "beside": beside,
        "verdict": verdict(live, beside, comparison),
        "groups": groups(live, beside, comparison) if live else [],
        "comparison": comparison,
        "compare_form": form,
        "others": index.versions.exclude(state="canceled").exclude(pk=index.live_id or 0).order_by("-number"),
        "collections": index.collections.count(),
        "checked": "checked" in request.GET,
        "before": _before(index),
        "overlap": round(100 * (comparison.result.get("overlap") or 0)) if comparison else None,
        "is_moving": (beside and beside.version.state == IndexVersion.State.BUILDING)
        or (comparison and not comparison.finished_at),
    }
    if context["checked"] and live:
        found = faults_of(live.version)
        context |= {"faults": found[:FAULTS_SHOWN], "faults_number": len(found)}
    return console(request, "console/index.html", context, status)


def _before(index: Index) -> Side | None:
    """The version that going back leads to."""
    rows = index.versions.filter(state=IndexVersion.State.READY).exclude(retired_at=None).exclude(pk=index.live_id or 0)
    last = rows.select_related("index").order_by("-retired_at").first()
    return Side(last) if last else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _find(pk: int) -> Index:
    return get_object_or_404(Index.objects.select_related("live"), pk=pk)


# A new one, and a version beside --------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@staff_only
def new(request: SignedInRequest) -> HttpResponse:
    """A form, what it would send and to whom, and only then the index."""

    def make(form: BuildForm) -> Index:
        chosen = [row.pk for row in form.cleaned_data["collections"]]
        index = versions.create(form.cleaned_data["name"], chosen, **form.facts)
        audit("index.create", index, collections=len(chosen), **form.facts)
        messages.success(request, gettext("The index “%(index)s” is made.") % {"index": index})
        return index

    form = IndexForm(request.POST if request.method == "POST" else None)
    return _made(request, form, None, lambda: _reckoned_for(form), make)


@require_http_methods(["GET", "POST"])
@staff_only
def build(request: SignedInRequest, pk: int) -> HttpResponse:
    """The same for a version beside the one that is searched: another model, other passages, or another backend."""
    index = _find(pk)
    if index.live is None:
        raise Http404

    def make(form: BuildForm) -> Index:
        version = versions.rebuild(index, **form.facts)
        audit("index.rebuild", index, version=version.number, **form.facts)
        said = gettext("Version %(n)d is being built. Until you swap, nothing changes.")
        messages.success(request, said % {"n": version.number})
        return index

    form = BuildForm(request.POST if request.method == "POST" else None, live=index.live)
    return _made(request, form, index, lambda: versions.estimate(index, form.facts["embedding_model"]), make)


def _reckoned_for(form: BuildForm) -> versions.Estimate:
    chosen = [row.pk for row in form.cleaned_data["collections"]]
    return versions.estimate_for(chosen, form.facts["embedding_model"])


def _made(
    request: SignedInRequest,
    form: BuildForm,
    index: Index | None,
    estimate: Callable[[], versions.Estimate],
    make: Callable[[BuildForm], Index],
) -> HttpResponse:
    """The form, filled: what was tested and reckoned, or what came of it. Nothing is made that was not seen before."""
    context: dict[str, Any] = {"form": form, "index": index}
    if form.is_bound and form.is_valid():
        if request.POST.get("act") == "make":
            try:
                return redirect("console-index", make(form).pk)
            except REFUSED as exc:
                context["trouble"] = translated(exc)
        else:
            found = estimate()
            context |= _preview(request, form) | {"estimate": found}
            context["time"] = duration(found.seconds) if found.seconds is not None else ""
    is_refused = form.is_bound and (form.errors or "trouble" in context)
    return console(request, "console/index_form.html", context, 400 if is_refused else 200)


def _preview(request: SignedInRequest, form: BuildForm) -> dict[str, Any]:
    backend, model = form.facts["backend_name"], form.facts["embedding_model"]
    found = list(tested(backend, model, Payer("embedding", request.user.pk)))
    to = {"embedding": embedding_host(model), "search": search_host(backend)}
    return {"tested": found, "works": not any(one.trouble for one in found), "to": to}


# Acts ----------------------------------------------------------------------------------------------------------------
@require_POST
@staff_only
def test(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ask the services of the version that is searched, and say what they answered."""
    index = _find(pk)
    if index.live is not None:
        live = index.live
        for one in tested(live.backend_name, live.embedding_model, Payer("embedding", request.user.pk)):
            (messages.error if one.trouble else messages.success)(request, _tested_words(one))
    audit("index.test", index)
    return redirect("console-index", pk)


def _tested_words(one: Tested) -> str:
    what = gettext("Search") if one.what == "search" else gettext("Embedding")
    where = one.where or gettext("this machine")
    return f"{what}, {where}: {translated(one.trouble) if one.trouble else f'{one.took_ms} ms'}"


@require_POST
@staff_only
def compare(request: SignedInRequest, pk: int) -> HttpResponse:
    """Have both versions asked the same, in the background."""
    index = _find(pk)
    live, beside = sides(index, _number(request.POST.get("version", "")))
    if live is None or beside is None or not beside.can_swap:
        messages.error(request, gettext("There is no other version that is ready: build one first."))
        return redirect("console-index", pk)
    form = CompareForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, index, form, status=400)
    comparison = VersionComparison.objects.create(
        before=live.version,
        after=beside.version,
        user=request.user,
        questions=form.cleaned_data["questions"],
        sets=[{"name": each.name, "questions": [_kept(one) for one in each.questions]} for each in form.sets],
    )
    audit("index.compare", index, versions=[live.version.number, beside.version.number])
    send("compare", str(comparison.pk))
    return _back(index, beside.version)


def _kept(question) -> dict[str, Any]:
    return {"id": question.id, "text": question.text, "right": dict(question.right)}


@require_POST
@staff_only
def roll_back(request: SignedInRequest, pk: int) -> HttpResponse:
    index = _find(pk)
    try:
        version, lacking = versions.roll_back(index)
    except REFUSED as exc:
        messages.error(request, translated(exc))
        return redirect("console-index", pk)
    audit("index.rollback", index, version=version.number)
    said = gettext("Version %(n)d is searched again.") % {"n": version.number}
    follow = gettext("%(n)d documents follow in a moment.") % {"n": lacking} if lacking else ""
    messages.success(request, f"{said} {follow}".strip())
    return redirect("console-index", pk)


DONE: dict[str, tuple[Callable[[IndexVersion], None], Callable[[], str]]] = {
    "swap": (versions.swap, lambda: gettext("Version %(n)d is searched from now on. One click goes back.")),
    "pause": (versions.pause, lambda: gettext("Version %(n)d is paused. What there is of it is kept.")),
    "resume": (versions.resume, lambda: gettext("Version %(n)d goes on.")),
    "cancel": (versions.cancel, lambda: gettext("Version %(n)d is cancelled and taken away.")),
    "drop": (versions.drop, lambda: gettext("Version %(n)d is being taken away.")),
}
TYPED = {"swap", "drop"}  # What cannot be undone, or meets everybody at once, is confirmed by the index's name.


@require_POST
@staff_only
def act_on(request: SignedInRequest, pk: int, number: int, act: str) -> HttpResponse:
    index = _find(pk)
    version = get_object_or_404(index.versions.select_related("index"), number=number)
    if act not in DONE:
        raise Http404
    if act in TYPED and not _is_meant(request, index):
        messages.error(request, gettext("Nothing was done: type the index’s name, %(index)s.") % {"index": index})
        return _back(index, version)
    do, said = DONE[act]
    try:
        do(version)
    except REFUSED as exc:
        messages.error(request, translated(exc))
        return _back(index, version)
    audit(f"index.{act}", index, version=number)
    messages.success(request, said() % {"n": number})
    return redirect("console-index", pk)


def _is_meant(request: HttpRequest, index: Index) -> bool:
    form = NamedForm(request.POST)
    return form.is_valid() and form.cleaned_data["name"] == index.name


def _back(index: Index, version: IndexVersion) -> HttpResponse:
    response = redirect("console-index", index.pk)
    response["Location"] += f"?version={version.number}"
    return response
