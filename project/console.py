"""The administrator's pages. For everybody else there is nothing at their addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import wraps
from itertools import groupby

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_GET
from redis import RedisError

from project.catalogue import Model, retirement_warning
from project.circuit import Circuit
from project.deployments import Deployment, DeploymentsError, deployments, written_sources
from project.doctor import about, examine, verdict
from project.translating import number
from project.worker_log import last_lines
from project.workers import workers

LINES_SHOWN = 300

WORDS = {
    "good": gettext_noop("Works"),
    "caution": gettext_noop("Wants a look"),
    "bad": gettext_noop("Does not work"),
    "none": gettext_noop("Not set up"),
}
SEARCHERS = {
    "hybrid": gettext_noop("Lectern"),
    "data_sources": gettext_noop("Azure, in %(name)s"),
    "file_search": gettext_noop("its service, in vector stores"),
}
CIRCUIT = {
    "closed": ("good", gettext_noop("closed: calls go")),
    "open": ("bad", gettext_noop("open: no calls for now")),
    "half-open": ("caution", gettext_noop("half-open: the next call is a trial")),
}


@dataclass(frozen=True)
class Look:
    """Something that an administrator should see first, and where to do something about it."""

    shape: str  # the icon: bad, caution, waiting
    title: str
    text: str
    url: str
    act: str


def staff_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def checked(request: HttpRequest, *args, **kwargs) -> HttpResponseBase:
        if not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return checked


def console(request: HttpRequest, template: str, context: dict[str, object], status: int | None = None) -> HttpResponse:
    """A page of the console, with the list of all of them beside it."""
    places = [(name, reverse(view)) for name, view in settings.CONSOLE_PAGES]
    here = max((url for _, url in places if request.path.startswith(url)), key=len, default="")
    pages = [{"name": name, "url": url, "is_here": url == here} for name, url in places]
    return render(request, template, {**context, "console_pages": pages}, status=status)


@require_GET
@staff_only
def health(request: HttpRequest) -> HttpResponse:
    found = examine()
    groups = [
        {"name": name, "parts": [{**vars(each), "words": WORDS[each.finding.state]} for each in parts]}
        for name, parts in groupby(found, key=lambda each: each.probe.group)
    ]
    return console(request, "console/doctor.html", {"verdict": verdict(found), "groups": groups})


@require_GET
@staff_only
def worker(request: HttpRequest, name: str) -> HttpResponse:
    """What one worker noted last."""
    try:
        known = next((each for each in workers() if each.name == name), None)
        lines = last_lines(name, LINES_SHOWN) if known else []
    except RedisError:
        known, lines = None, None
    if known is None and lines is not None:
        raise Http404
    return console(request, "console/worker.html", {"name": name, "worker": known, "lines": lines})


@require_GET
@staff_only
def models(request: HttpRequest) -> HttpResponse:
    try:
        rows, sources, trouble = deployed(), written_sources(), ""
    except DeploymentsError as exc:
        rows, sources, trouble = [], {}, str(exc)
    as_of = max((row.base.as_of for row in rows if row.base.as_of), default=None)
    told: dict[str, object] = {"deployments": rows, "sources": sources, "trouble": trouble, "as_of": as_of}
    return console(request, "console/models.html", told)


def deployed() -> list[Deployed]:
    """Every deployment that is set up. Raises DeploymentsError."""
    return [Deployed.of(each) for each in deployments().values()]


@dataclass(frozen=True)
class Deployed:
    """A deployment as its page tells of it."""

    name: str
    about: str
    base: Model
    fallback: str
    searched_by: str
    retiring: str
    prices: str
    quota: str
    circuit_state: str
    circuit_words: str

    @classmethod
    def of(cls, deployment: Deployment) -> Deployed:
        state, words = CIRCUIT[Circuit(deployment.name).state().word]
        return cls(
            name=deployment.name,
            about=about(deployment),
            base=deployment.base,
            fallback=deployment.fallback,
            searched_by=gettext(SEARCHERS[deployment.grounding]) % {"name": deployment.data_source},
            retiring=retirement_warning(deployment.base, date.today()),
            prices=_prices(deployment.base),
            quota=_quota(deployment),
            circuit_state=state,
            circuit_words=words,
        )


def _prices(base: Model) -> str:
    told = [
        f"{name} ${price:g}"
        for name, price in (
            (gettext("in"), base.input_price),
            (gettext("kept"), base.cached_input_price),
            (gettext("out"), base.output_price),
        )
        if price is not None
    ]
    return ", ".join(told) or gettext("not known")


def _quota(deployment: Deployment) -> str:
    told = [
        said % {"n": number(limit)}
        for said, limit in (
            (gettext("%(n)s requests"), deployment.requests_a_minute),
            (gettext("%(n)s tokens"), deployment.tokens_a_minute),
        )
        if limit
    ]
    return ", ".join(told) or gettext("not told")
