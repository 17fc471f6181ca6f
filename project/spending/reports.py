"""What was spent, added up by day, month, model, person, collection or purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate, TruncMonth
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.module_loading import import_string
from django.utils.translation import gettext, gettext_noop

from project.models import Usage
from project.translating import number

BY = ("day", "month", "model", "user", "collection", "purpose")
KINDS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
DAYS = date(2000, 1, 1), date(2199, 12, 31)  # Calls were made on none before, and none after concerns us.
UNKNOWN = gettext_noop("not known")
NOBODY = gettext_noop("nobody in particular")


@dataclass(frozen=True)
class Line:
    """One sum of a report."""

    key: Any  # a day, a name: whatever the report is by
    name: str
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    dollars: Decimal = Decimal()
    unpriced: int = 0  # tokens of the calls whose price is not known

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def known_cost(self) -> str:
        return gettext(UNKNOWN) if self.unpriced and self.unpriced == self.tokens else money(self.dollars)

    @property
    def cost_words(self) -> str:
        """The cost, and what it leaves out.

        >>> Line("", "", input_tokens=5, unpriced=5).cost_words, Line("", "", dollars=Decimal("0.0123")).cost_words
        ('not known', '$0.0123')
        """
        if self.known_cost == gettext(UNKNOWN):
            return self.known_cost
        return self.known_cost + (
            " " + gettext("and %(n)s tokens without a known price") % {"n": number(self.unpriced)}
            if self.unpriced
            else ""
        )


def money(dollars: Decimal) -> str:
    """
    >>> [money(Decimal(each)) for each in ("1234.5", "0.5", "0.00001", "0")]
    ['$1,234.50', '$0.50', 'under $0.0001', '$0.00']
    """
    if 0 < dollars < Decimal("0.0001"):
        return gettext("under %(money)s") % {"money": _dollars("0.0001", 4)}
    is_plain = dollars == dollars.quantize(Decimal("0.01")) or dollars >= 1
    return _dollars(dollars, 2 if is_plain else 4)


def _dollars(amount: Decimal | str, places: int) -> str:
    return gettext("$%(n)s") % {"n": number_format(amount, places, force_grouping=True)}


def between(first: date, last: date, user: User | None = None) -> QuerySet[Usage]:
    """The calls of these days, both included, by the operator's clock; of one person, or of all."""
    zone = timezone.get_default_timezone()
    begins, ends = (datetime.combine(day, time(), zone) for day in (first, last + timedelta(days=1)))
    rows = Usage.objects.filter(created_at__gte=begins, created_at__lt=ends)
    return rows if user is None else rows.filter(user_id=user.pk)


def total(rows: QuerySet[Usage]) -> Line:
    return _line("", "", rows.aggregate(**_sums()))


def report(rows: QuerySet[Usage], by: str, names: Mapping[UUID, str]) -> list[Line]:
    """Days and months as they came, everything else from the largest; `names` are those of collections."""
    found: Iterable[Mapping[str, Any]] = rows.values(**_keys(by)).annotate(**_sums()).order_by()
    lines = [_line(_key(by, row), _name(by, row, names), row) for row in found]
    if by in ("day", "month"):
        return sorted(lines, key=lambda line: line.key)
    return sorted(lines, key=lambda line: (-line.tokens, line.name))


def collection_names(user: User | None = None) -> dict[UUID, str]:
    """What this person may read, or all there is, by the storey above."""
    return import_string(settings.COLLECTION_NAMES)(user)


def _sums() -> dict[str, Any]:
    sums = {name: Sum(name, default=0) for name in KINDS}
    unpriced = Sum(F("input_tokens") + F("output_tokens"), filter=Q(cost=None), default=0)
    return {"calls": Count("pk"), "dollars": Sum("cost", default=Decimal()), "unpriced": unpriced} | sums


def _keys(by: str) -> dict[str, Any]:
    zone = timezone.get_default_timezone()
    keys: dict[str, dict[str, Any]] = {
        "day": {"by": TruncDate("created_at", tzinfo=zone)},
        "month": {"by": TruncMonth("created_at", tzinfo=zone)},
        "model": {"by": F("deployment"), "base": F("base_model")},
        "user": {"by": F("user__username")},
        "collection": {"by": F("collection_id")},
        "purpose": {"by": F("purpose")},
    }
    return keys[by]


def _key(by: str, row: Mapping[str, Any]) -> Any:
    return row["by"].date() if by == "month" else row["by"]


def _name(by: str, row: Mapping[str, Any], names: Mapping[UUID, str]) -> str:
    key = _key(by, row)
    if by == "day":
        return str(date_format(key, "DATE_FORMAT"))
    if by == "month":
        return str(date_format(key, "YEAR_MONTH_FORMAT"))
    if by == "collection":
        return (
            names.get(key, gettext("a collection that is gone or closed"))
            if key
            else gettext("several collections, or none")
        )
    if by == "model" and row["base"] not in ("", "unknown", key):
        return f"{key} ({row['base']})"
    return key or gettext(NOBODY)


def _line(key: Any, name: str, row: Mapping[str, Any]) -> Line:
    return Line(key, name, **{field: row[field] for field in ("calls", "dollars", "unpriced", *KINDS)})
