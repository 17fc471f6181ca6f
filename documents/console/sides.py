"""An index and its versions, in the words and figures that an administrator decides by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Count, Max, Q, Sum
from django.utils.translation import gettext, ngettext

from documents.console.forms import BACKENDS
from documents.indexes.versions import KEPT_AFTER_SWAP, Progress, progress
from documents.models import Index, IndexVersion, VersionComparison
from documents.search import SearchError
from documents.standing import duration, size
from project.cache import keep, kept
from project.translating import number

State = IndexVersion.State
SIZE_KEPT_S = 60
TOLD = ("hit@1", "hit@5", "mrr@10")  # of the figures of a set, those that a table shows


@dataclass(frozen=True)
class Row:
    """A figure of two versions. `shape` is up, down or "": whether the other is better, worse, or neither."""

    name: str
    before: str
    after: str = ""
    difference: str = ""
    shape: str = ""


class Side:
    """A version with what it holds. What a service has to be asked is asked when it is first needed."""

    def __init__(self, version: IndexVersion) -> None:
        self.version = version

    @cached_property
    def progress(self) -> Progress:
        return progress(self.version)

    @cached_property
    def held(self) -> dict[str, Any]:
        """{chunks, last, troubles}: passages that are searched, the last write, documents that cannot be brought in."""
        return self.version.holdings.aggregate(
            chunks=Sum("done", default=0), last=Max("finished_at"), troubles=Count("pk", filter=~Q(error=""))
        )

    @property
    def documents(self) -> int:
        return self.progress.documents_done

    @property
    def lacking(self) -> int:
        return self.progress.documents - self.progress.documents_done

    @property
    def last_write(self) -> datetime | None:
        return self.held["last"]

    @cached_property
    def bytes(self) -> int | None:
        """None: the service does not tell. Kept for a minute, so that a page that polls does not ask each time.

        Where one version's size was not told, the service is not asked for the next one's: a page would wait for each.
        """
        if held := kept(key := f"size:{self.version.pk}"):
            return int(held)
        if kept(silent := f"size:silent:{self.version.backend_name}"):
            return None
        try:
            found = self.version.backend.size()
        except SearchError:
            keep(silent, b"1", SIZE_KEPT_S)
            return None
        keep(key, str(found).encode(), SIZE_KEPT_S)
        return found

    @property
    def backend(self) -> str:
        return str(BACKENDS.get(self.version.backend_name, self.version.backend_name))

    @property
    def model(self) -> str:
        version = self.version
        if not version.embedding_model:
            return gettext("none, by words alone")
        return f"{version.embedding_model}, {number(version.dimensions)}"

    @property
    def is_before(self) -> bool:
        return self.version.state == State.READY and self.version.retired_at is not None and not self.version.is_live

    @property
    def can_swap(self) -> bool:
        return self.version.state == State.READY and not self.version.is_live

    @property
    def kept_until(self) -> datetime | None:
        return self.version.retired_at + KEPT_AFTER_SWAP if self.version.retired_at else None

    @property
    def tag(self) -> str:
        if self.version.is_live:
            return gettext("Live")
        if self.is_before:
            return gettext("Before, kept")
        return gettext("Built, waiting") if self.version.state == State.READY else self.version.get_state_display()

    @property
    def percent(self) -> int:
        return int(self.progress.share * 100)

    @property
    def pace(self) -> str:
        """How fast it goes and how long it will take, as far as that is known."""
        found = self.progress
        if not found.chunks_a_second:
            return ""
        told = gettext("%(n)s passages a second") % {"n": number(round(found.chunks_a_second))}
        left = found.seconds_left
        return told if left is None else f"{told}, {gettext('%(time)s left') % {'time': duration(left)}}"


@dataclass(frozen=True)
class Card:
    """An index as a row of the list."""

    index: Index
    side: Side | None  # of the version that is searched
    versions: int
    shape: str  # good, caution, bad, waiting or none
    health: str

    @property
    def size(self) -> str:
        """Of what lies in this database; a service is asked on the index's own page, so that none holds up the list."""
        is_here = self.side is not None and self.side.version.backend_name == "pgvector"
        return size(self.side.bytes) if is_here and self.side and self.side.bytes is not None else "–"


def cards() -> Iterator[Card]:
    rows = Index.objects.select_related("live").annotate(
        number=Count("versions", filter=~Q(versions__state="canceled"))
    )
    for index in rows.order_by("name"):
        side = Side(_of(index, index.live)) if index.live else None
        yield Card(index, side, index.number, *_health(index, side))


def _health(index: Index, side: Side | None) -> tuple[str, str]:
    if side is None:
        return "none", gettext("No version yet.")
    if failed := index.versions.filter(state=State.FAILED).order_by("-number").first():
        return "bad", gettext("Version %(n)d could not be built.") % {"n": failed.number}
    if troubles := side.held["troubles"]:
        said = ngettext("%(n)s document cannot be brought in.", "%(n)s documents cannot be brought in.", troubles)
        return "caution", said % {"n": number(troubles)}
    if side.lacking:
        said = ngettext("%(n)s document is on its way.", "%(n)s documents are on their way.", side.lacking)
        return "waiting", said % {"n": number(side.lacking)}
    return "good", gettext("Holds what the library holds.")


def sides(index: Index, chosen: int | None = None) -> tuple[Side | None, Side | None]:
    """The version that is searched, and the one to hold beside it: the one that is chosen, the newest that is built or
    was, or the one before."""
    live = Side(_of(index, index.live)) if index.live else None
    others = [_of(index, row) for row in index.versions.exclude(state=State.CANCELED).exclude(pk=index.live_id or 0)]
    others.sort(key=lambda row: (row.number == chosen, row.retired_at is None, row.number), reverse=True)
    return live, Side(others[0]) if others else None


def _of(index: Index, version: IndexVersion) -> IndexVersion:
    version.index = index
    return version


def verdict(live: Side | None, beside: Side | None, comparison: VersionComparison | None) -> str:
    """The first thing that the page of an index says."""
    if live is None:
        return gettext("This index has no version yet.")
    if beside is None:
        return gettext("Version %(n)d is searched; there is no other.") % {"n": live.version.number}
    name = {"n": beside.version.number, "live": live.version.number}
    if beside.version.state == State.BUILDING:
        return gettext("Version %(n)d is being built beside version %(live)d, which is searched.") % name
    if beside.version.state == State.PAUSED:
        return gettext("Version %(n)d is paused. Version %(live)d is searched.") % name
    if beside.version.state == State.FAILED:
        return gettext("Version %(n)d could not be built. Version %(live)d is searched.") % name
    if comparison is not None and comparison.finished_at and (told := _judged(comparison, name)):
        return told
    if beside.is_before:
        return gettext("Version %(live)d is searched; version %(n)d is kept to go back to.") % name
    return gettext("Version %(n)d is ready to take the place of version %(live)d.") % name


def _judged(comparison: VersionComparison, name: dict[str, int]) -> str:
    """What the sets of questions say; "" where none was asked."""
    changes = [change for one in comparison.result.get("sets", []) for change in one["changes"].values()]
    if not changes:
        return ""
    if any(change["high"] < 0 for change in changes):
        return gettext("Version %(n)d finds less than version %(live)d, which is searched.") % name
    if any(change["low"] > 0 for change in changes):
        return gettext("Version %(n)d finds more than version %(live)d, which is searched.") % name
    return gettext("Version %(n)d finds as much as version %(live)d, which is searched.") % name


# Side by side --------------------------------------------------------------------------------------------------------
def groups(live: Side, beside: Side | None, comparison: VersionComparison | None) -> list[tuple[str, list[Row]]]:
    """The figures of one version, or of two, in three groups; those without a figure are left out."""
    told = [
        (gettext("How it is made"), _made(live, beside)),
        (gettext("What is in it"), _holds(live, beside)),
        (gettext("How it does"), list(_does(live, beside, comparison))),
    ]
    return [(name, rows) for name, rows in told if rows]


def _made(live: Side, beside: Side | None) -> list[Row]:
    facts = {
        gettext("Kept in"): lambda side: side.backend,
        gettext("Embedding"): lambda side: side.model,
        gettext("Passages of"): lambda side: (
            gettext("%(n)s tokens, %(share)d %% overlap")
            % {"n": number(side.version.chunk_tokens), "share": round(side.version.chunk_overlap * 100)}
        ),
        gettext("Languages"): lambda side: ", ".join(side.version.languages) or gettext("all it can"),
    }
    return [_same(name, told(live), told(beside) if beside else "") for name, told in facts.items()]


def _same(name: str, before: str, after: str) -> Row:
    return Row(name, before, after, gettext("same") if before == after else "")


def _holds(live: Side, beside: Side | None) -> list[Row]:
    rows = [
        _counted(gettext("Documents"), live.documents, beside.documents if beside else None),
        _counted(gettext("Passages"), live.held["chunks"], beside.held["chunks"] if beside else None),
        _sized(live, beside),
        _same(gettext("Not in it yet"), _count(live.lacking), _count(beside.lacking) if beside else ""),
        _same(gettext("Cannot be brought in"), _count(live.held["troubles"]), _troubles(beside)),
    ]
    spent = [side for side in (live, beside) if side and side.version.seconds]
    if spent:
        rows.append(Row(gettext("Time spent"), _time(live), _time(beside) if beside else ""))
    return rows


def _count(n: int) -> str:
    return number(n) if n else gettext("none")


def _troubles(side: Side | None) -> str:
    return _count(side.held["troubles"]) if side else ""


def _time(side: Side) -> str:
    return duration(side.version.seconds) if side.version.seconds else "–"


def _counted(name: str, before: int, after: int | None) -> Row:
    if after is None:
        return Row(name, number(before))
    change = after - before
    sign = "+" if change > 0 else "−"
    return Row(name, number(before), number(after), f"{sign}{number(abs(change))}" if change else gettext("same"))


def _sized(live: Side, beside: Side | None) -> Row:
    told = [size(side.bytes) if side and side.bytes is not None else "–" for side in (live, beside)]
    change = ""
    if beside and live.bytes is not None and beside.bytes is not None and beside.bytes != live.bytes:
        grown = beside.bytes - live.bytes
        change = f"{'+' if grown > 0 else '−'}{size(abs(grown))}"
    return Row(gettext("Size"), told[0], told[1] if beside else "", change)


def _does(live: Side, beside: Side | None, comparison: VersionComparison | None) -> Iterator[Row]:
    """From the comparison, and from the last run of each version that was evaluated by itself."""
    result = comparison.result if comparison is not None and comparison.finished_at else {}
    for one in result.get("sets", []):
        for name in TOLD:
            if name in one["before"]:
                yield _figure(f"{one['name']}: {name}", one, name)
    if result.get("questions"):
        yield _slower(result["before"]["p95_ms"], result["after"]["p95_ms"])
    if not result.get("sets"):
        yield from _evaluated(live, beside)


def _figure(words: str, one: dict[str, Any], name: str) -> Row:
    before, after, change = one["before"][name], one["after"][name], one["changes"].get(name)
    if change is None:
        return Row(words, f"{before:.2f}", f"{after:.2f}")
    told = f"{change['value']:+.2f} ({change['low']:+.2f} … {change['high']:+.2f})".replace("-", "−")
    shape = "up" if change["low"] > 0 else "down" if change["high"] < 0 else ""
    return Row(words, f"{before:.2f}", f"{after:.2f}", told, shape)


def _slower(before: float, after: float) -> Row:
    change = round(after) - round(before)
    said = gettext("%(n)d ms slower") if change > 0 else gettext("%(n)d ms faster")
    told, shape = (said % {"n": abs(change)}, "down" if change > 0 else "up") if change else (gettext("same"), "")
    return Row(gettext("Search time, 95 %% within") % {}, f"{before:.0f} ms", f"{after:.0f} ms", told, shape)


def _evaluated(live: Side, beside: Side | None) -> Iterator[Row]:
    runs = [side.version.evaluations.defer("results").first() if side else None for side in (live, beside)]
    found: list[dict[str, Any]] = [
        run.figures.get("hybrid") or next(iter(run.figures.values()), {}) if run else {} for run in runs
    ]
    for name in TOLD:
        if any(name in figures for figures in found):
            values = [f"{figures[name]['value']:.2f}" if name in figures else "–" for figures in found]
            sets = {run.set_name for run in runs if run}
            yield Row(f"{' / '.join(sorted(sets))}: {name}", values[0], values[1] if beside else "")
