"""How the library stands, for whoever runs it: what waits, who works, what came in, and what wants a look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from django.db.models import Count, Min
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from documents.indexes.versions import progress
from documents.models import DEAD, Attempt, ConsistencyCheck, Document, Holding, Index, IndexVersion, State
from documents.standing import duration, standing
from project.console import Look
from project.translating import translated
from project.workers import Worker, workers

SHOWN = 6  # rows of the queue


@dataclass(frozen=True)
class Job:
    """A document under way, as a row of the queue."""

    name: str
    stage: str
    attempt: int
    since: str


@dataclass(frozen=True)
class Line:
    """What waits for a worker, and what is being worked on."""

    jobs: list[Job]
    waiting: int
    oldest: str  # how long the one at the front has waited; "" when none waits


@dataclass(frozen=True)
class Hand:
    """A worker: what it has in hand, and what it did today."""

    worker: Worker
    holds: str
    done: int
    silent: str


def line() -> Line:
    now = timezone.now()
    under_way = Document.objects.under_way()
    waiting = under_way.waiting().aggregate(n=Count("pk"), first=Min("created_at"))
    held = under_way.filter(lease_until__gt=now).order_by("created_at")[:SHOWN]
    rows = [*held, *under_way.waiting().order_by("created_at")[: SHOWN - len(held)]]
    oldest = duration((now - waiting["first"]).total_seconds()) if waiting["first"] else ""
    return Line([_job(row, now) for row in rows], waiting["n"], oldest)


def _job(row: Document, now: datetime) -> Job:
    return Job(row.display_title, standing(row).words, row.attempt, duration((now - row.created_at).total_seconds()))


def hands() -> list[Hand]:
    """Every worker that was heard of within a day. Raises redis.RedisError."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    done: dict[str, int] = {}
    ended = Attempt.objects.filter(ended_at__gte=today, outcome=Attempt.Outcome.DONE)
    for name, count in ended.values_list("worker").annotate(n=Count("pk")):
        done[_node(name)] = done.get(_node(name), 0) + count
    open_ = Attempt.objects.filter(outcome="", document__lease_until__gt=timezone.now(), document__deleted_at=None)
    held = {_node(attempt.worker): attempt.document.display_title for attempt in open_.select_related("document")}
    return [
        Hand(each, held.get(node, "") if each.is_alive else "", done.get(node, 0), duration(each.silent_s))
        for each in workers()
        for node in [each.name.rpartition("@")[2]]
    ]


def _node(worker: str) -> str:
    """Attempts name the machine and the process: "node 4711"."""
    return worker.partition(" ")[0]


def taken_in(since: datetime) -> dict[date, int]:
    """Documents that became findable, by day."""
    rows = Document.objects.filter(state__in=(State.READY, State.WARNING), finished_at__gte=since)
    return dict(rows.order_by().annotate(day=TruncDate("finished_at")).values_list("day").annotate(n=Count("pk")))


def states() -> list[tuple[str, str, int, str]]:
    """(shape, words, number, address) of the documents by state; those with none are left out."""
    kinds = {
        "ready": ("good", gettext("ready"), (State.READY,)),
        "warning": ("caution", gettext("ready, but not all of it"), (State.WARNING,)),
        "failed": ("bad", gettext("could not be read"), (State.FAILED,)),
        "canceled": ("none", gettext("cancelled"), (State.CANCELED,)),
    }
    rows = Document.objects.current().filter(deleted_at=None).order_by()
    counts = dict(rows.values_list("state").annotate(n=Count("pk")))
    told = [
        (shape, words, sum(counts.get(state, 0) for state in of), _documents(state=name))
        for name, (shape, words, of) in kinds.items()
    ]
    under_way = sum(number for state, number in counts.items() if not any(state in of for *_, of in kinds.values()))
    told.insert(1, ("waiting", gettext("under way"), under_way, _documents(state="under-way")))
    return [each for each in told if each[2]]


def _documents(**query: str) -> str:
    return reverse("console-documents") + (f"?{urlencode(query)}" if query else "")


def wants_a_look() -> Iterator[Look]:
    """The library's part of what an administrator should see first."""
    failed = Document.objects.current().filter(deleted_at=None, state=State.FAILED).order_by()
    counts = dict(failed.values_list("error__code").annotate(n=Count("pk")))
    if dead := sum(counts.pop(code, 0) for code in DEAD):
        said = ngettext(
            "Every attempt to read %(n)d document ended with a fault",
            "Every attempt to read %(n)d documents ended with a fault",
            dead,
        )
        text = gettext("They can be read again; their pages say what happened.")
        yield Look("bad", said % {"n": dead}, text, _documents(state="dead", all="1"), gettext("Show them"))
    if number := sum(counts.values()):
        said = ngettext("%(n)d document could not be read", "%(n)d documents could not be read", number) % {"n": number}
        yield Look("bad", said, _reasons(counts), _documents(state="failed", all="1"), gettext("Show them"))
    if left := Document.objects.current().left().count():
        said = ngettext("%(n)d document was left by its worker", "%(n)d documents were left by their worker", left)
        text = gettext("Nobody has taken up what it had in hand for some minutes. They can be read again.")
        yield Look("caution", said % {"n": left}, text, _documents(state="left", all="1"), gettext("Show them"))
    for index in Index.objects.exclude(unpublished="").select_related("live"):
        said = gettext("The search service does not know yet which version of index “%(index)s” is live")
        address = reverse("console-index", args=[index.pk])
        yield Look("bad", said % {"index": index.name}, index.unpublished, address, gettext("See why"))
    yield from _disagreeing()
    for version in IndexVersion.objects.filter(state__in=("building", "paused", "ready", "failed")).select_related(
        "index__live"
    ):
        if version.pk != version.index.live_id:
            yield from _of_version(version)


def _disagreeing() -> Iterator[Look]:
    """What the last check found, until another finds it gone."""
    last = ConsistencyCheck.objects.filter(state=ConsistencyCheck.State.DONE).defer("found").first()
    if last is not None and last.left:
        said = ngettext(
            "%(n)d thing does not agree with the rest", "%(n)d things do not agree with the rest", last.left
        )
        text = ", ".join(f"{translated(kind)}: {number}" for kind, number in sorted(last.counts.items())[:3])
        yield Look("caution", said % {"n": last.left}, text, reverse("console-consistency"), gettext("See and mend"))


def _reasons(counts: dict[str | None, int]) -> str:
    codes = sorted(counts.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{code or gettext('unknown')}: {number}" for code, number in codes)


def _of_version(version: IndexVersion) -> Iterator[Look]:
    address = reverse("console-index", args=[version.index_id])
    name = {"index": version.index.name, "n": version.number}
    if version.state == IndexVersion.State.FAILED:
        said = gettext("Version %(n)d of index “%(index)s” could not be built") % name
        yield Look("bad", said, version.error, address, gettext("See why"))
    elif version.state == IndexVersion.State.READY and version.retired_at is None:
        troubles = Holding.objects.filter(index_version=version).exclude(error="").count()
        told = gettext("All of its documents are in it.") if not troubles else gettext("Some documents are not in it.")
        said = gettext("Index “%(index)s” has a new version ready to go live") % name
        yield Look("waiting", said, told, address, gettext("Compare and swap"))
    elif version.state == IndexVersion.State.BUILDING:
        share = gettext("%(n)d %% are done.") % {"n": round(progress(version).share * 100)}
        said = gettext("Version %(n)d of index “%(index)s” is being built") % name
        yield Look("waiting", said, share, address, gettext("See how far"))
    elif version.state == IndexVersion.State.PAUSED:
        said = gettext("Version %(n)d of index “%(index)s” is paused") % name
        yield Look("waiting", said, gettext("What there is of it is kept."), address, gettext("Go on"))
