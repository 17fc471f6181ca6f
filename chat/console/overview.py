"""The console's first page: in ten seconds, whether Lectern is well and what wants a look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Count, DurationField, F, Q, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET
from redis import RedisError

from chat.models import Message, State
from documents import overview as library
from documents.standing import duration
from project.catalogue import retirement_warning
from project.circuit import Circuit
from project.console import WORDS, Look, console, staff_only
from project.deployments import Deployment, DeploymentsError, deployments
from project.doctor import Finding, examine
from project.models import Budget, Usage, period_of
from project.spending import standings
from project.spending.chart import Bar, bars
from project.spending.reports import money
from project.translating import number, translated

DAYS = 14
BUDGETS_MOST = 20
WORST_FIRST = ("bad", "caution", "waiting")
UNANSWERED_MUCH = 0.2  # of the questions of a week


class Percentile95(Aggregate):
    """The value that 95 of 100 do not exceed."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.95) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


@dataclass(frozen=True)
class Part:
    """Something that Lectern stands on, and how it is."""

    name: str
    finding: Finding

    @property
    def words(self) -> str:
        return WORDS[self.finding.state]


@dataclass(frozen=True)
class Chart:
    """Fourteen days of one figure: the picture, and the table behind it."""

    title: str
    now: str
    beside: str
    bars: list[Bar]
    rows: list[tuple[str, str]]

    @property
    def first(self) -> str:
        return self.rows[0][0]


@require_GET
@staff_only
def overview(request: HttpRequest) -> HttpResponse:
    return console(request, "console/overview.html", overseen() | {"now": timezone.localtime()})


def overseen() -> dict[str, Any]:
    """All that the first page tells."""
    parts = [*_examined(), *_models()]
    looks = [*_of_parts(parts), *library.wants_a_look(), *_of_budgets(), *_of_answers()]
    looks.sort(key=lambda look: WORST_FIRST.index(look.shape))
    return {
        "verdict": _verdict(parts, looks),
        "parts": parts,
        "looks": looks,
        "charts": _charts(),
        "states": library.states(),
        "line": library.line(),
        "hands": _hands(),
    }


# What it stands on ---------------------------------------------------------------------------------------------------
def _examined() -> list[Part]:
    found = [Part(each.probe.name, each.finding) for each in examine(spares=True)]
    return [part for part in found if part.finding.state != "none"]


def _models() -> list[Part]:
    """What calls have shown of each deployment: nothing is asked."""
    try:
        return [Part(name, _called(deployment)) for name, deployment in deployments().items()]
    except DeploymentsError as exc:
        return [Part(gettext("Models"), Finding("bad", str(exc)))]


def _called(deployment: Deployment) -> Finding:
    state = Circuit(deployment.name).state().word
    if state == "closed":
        retiring = retirement_warning(deployment.base, date.today())
        return Finding("caution", retiring) if retiring else Finding("good")
    return Finding("bad" if state == "open" else "caution", gettext("Its calls failed; it is tried again."))


def _hands() -> list[library.Hand] | None:
    """None: that is not known while Redis is away."""
    try:
        return library.hands()
    except RedisError:
        return None


# What wants a look ---------------------------------------------------------------------------------------------------
def _verdict(parts: list[Part], looks: list[Look]) -> str:
    if any(part.finding.state == "bad" for part in parts):
        return gettext("Something does not work.")
    if not looks:
        return gettext("Lectern is working. Nothing wants a look.")
    said = ngettext("One thing wants a look.", "%(n)s things want a look.", len(looks)) % {"n": number(len(looks))}
    return f"{gettext('Lectern is working.')} {said}"


def _of_parts(parts: list[Part]) -> Iterator[Look]:
    for part in parts:
        if part.finding.state in {"bad", "caution"}:
            said = (
                gettext("%(part)s does not work") if part.finding.state == "bad" else gettext("%(part)s wants a look")
            )
            title = said % {"part": part.name}
            text = f"{translated(part.finding.reason)} {translated(part.finding.advice)}".strip()
            yield Look(part.finding.state, title, text, reverse("console-health"), gettext("See its health"))


def _of_budgets() -> Iterator[Look]:
    """Those of which somebody was told that they are spent, or nearly, as far as that is still so."""
    told = Budget.objects.exclude(near_said="", spent_said="").select_related("user", "api_key__user")
    now = timezone.now()
    begins = {period: period_of(period, now)[0].isoformat() for period in Budget.Period.values}
    current = [each for each in told if begins[each.period] in f"{each.near_said} {each.spent_said}"]
    for state in standings(current[:BUDGETS_MOST], now):
        if state.is_spent or state.is_near:
            title = gettext("A budget is spent") if state.is_spent else gettext("A budget is nearly spent")
            shape, text = "bad" if state.is_spent else "caution", translated(state.sentence)
            yield Look(shape, title, text, reverse("console-budgets"), gettext("See and change it"))


def _of_answers() -> Iterator[Look]:
    since = timezone.now() - timedelta(days=7)
    asked = Message.objects.filter(role=Message.Role.ASSISTANT, created_at__gte=since)
    counts = asked.aggregate(
        all=Count("pk"),
        refused=Count("pk", filter=Q(state=State.REFUSED)),
        failed=Count("pk", filter=Q(state__in=(State.FAILED, State.INTERRUPTED))),
    )
    if counts["failed"]:
        said = ngettext("%(n)s answer failed this week", "%(n)s answers failed this week", counts["failed"])
        reasons = asked.filter(state__in=(State.FAILED, State.INTERRUPTED)).exclude(failure="")
        codes = reasons.order_by().values_list("failure").annotate(n=Count("pk")).order_by("-n")[:3]
        text = ", ".join(f"{code}: {n}" for code, n in codes)
        title, act = said % {"n": number(counts["failed"])}, gettext("Ask the services")
        yield Look("caution", title, text, reverse("console-health"), act)
    if counts["all"] and counts["refused"] / counts["all"] > UNANSWERED_MUCH:
        said = gettext("%(n)s of %(all)s questions of this week found no answer in the documents")
        title = said % {"n": number(counts["refused"]), "all": number(counts["all"])}
        text = gettext("Documents may be missing.")
        yield Look("caution", title, text, reverse("console-gaps"), gettext("See the gaps"))


# Fourteen days -------------------------------------------------------------------------------------------------------
def _charts() -> list[Chart]:
    days = [timezone.localdate() - timedelta(days=back) for back in reversed(range(DAYS))]
    since = timezone.make_aware(datetime.combine(days[0], time()))  # A moment is looked up in an index, a day is not.
    answers = Message.objects.filter(role=Message.Role.ASSISTANT, created_at__gte=since).order_by()
    by_day = answers.annotate(day=TruncDate("created_at")).values_list("day")
    done = by_day.filter(state__in=(State.DONE, State.REFUSED), ended_at__isnull=False)
    took = dict(done.annotate(took=Percentile95(F("ended_at") - F("created_at"))))
    spent = Usage.objects.filter(created_at__gte=since).order_by().annotate(day=TruncDate("created_at"))
    seconds = {day: span.total_seconds() for day, span in took.items()}
    dollars = {day: cost or Decimal() for day, cost in spent.values_list("day").annotate(cost=Sum("cost"))}
    return [
        _chart(gettext("Documents taken in"), days, library.taken_in(since), number, "0"),
        _chart(gettext("Questions"), days, dict(by_day.annotate(n=Count("pk"))), number, "0"),
        _chart(gettext("Answers, 95 %% within") % {}, days, seconds, duration, "–"),
        _chart(gettext("Cost"), days, dollars, money, "–"),
    ]


def _chart(
    title: str, days: list[date], values: Mapping[date, Any], words: Callable[[Any], str], nothing: str
) -> Chart:
    rows = [(date_format(day, "j M"), words(values[day]) if values.get(day) else nothing) for day in days]
    drawn = bars((f"{day}: {told}", float(values.get(at, 0))) for at, (day, told) in zip(days, rows, strict=True))
    return Chart(title, rows[-1][1], gettext("today"), drawn, rows)
