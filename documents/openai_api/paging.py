"""A list in parts, as OpenAI's clients walk through it: after this one, so many, in this order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from django.db.models import Q, QuerySet

from project.api import ApiError


def page_of(
    rows: QuerySet[Any],
    *,
    find: Callable[[Any, str], Any],
    after: str = "",
    before: str = "",
    limit: int,
    order: Literal["asc", "desc"],
) -> tuple[list[Any], bool]:
    """So many rows in the order of their making, and whether there are more. `find` knows a row by its public id."""
    is_backward = bool(before) and not after
    is_ascending = (order == "asc") != is_backward
    for name, cursor in (("after", after), ("before", before)):
        if not cursor:
            continue
        edge = find(rows, cursor)
        if edge is None:
            raise ApiError(400, "invalid_request_error", f"There is no “{cursor[:80]}” in this list.", "", name)
        rows = rows.filter(_beyond(edge, is_later=(order == "asc") == (name == "after")))
    sign = "" if is_ascending else "-"
    found = list(rows.order_by(f"{sign}created_at", f"{sign}pk")[: limit + 1])
    has_more, found = len(found) > limit, found[:limit]
    return (found[::-1] if is_backward else found), has_more


def _beyond(edge: Any, *, is_later: bool) -> Q:
    side = "gt" if is_later else "lt"
    return Q(**{f"created_at__{side}": edge.created_at}) | Q(created_at=edge.created_at, **{f"pk__{side}": edge.pk})


def listing(data: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": "", "last_id": ""}
    return {"object": "list", "data": data, **ends, "has_more": has_more}
