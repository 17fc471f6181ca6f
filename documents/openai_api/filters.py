"""Which attributes of a file a filter lets through. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from documents.openai_api.given import Comparison, Compound, Filters

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def passes(wanted: Filters, attributes: Mapping[str, object]) -> bool:
    """Whether a file with these attributes is let through. An attribute that is missing equals nothing.

    >>> year = Comparison(type="gte", key="year", value=2024)
    >>> [passes(year, each) for each in ({"year": 2025}, {"year": 2023}, {"year": "2025"}, {})]
    [True, False, False, False]
    """
    if isinstance(wanted, Compound):
        return (all if wanted.type == "and" else any)(passes(each, attributes) for each in wanted.filters)
    return _compares(wanted, attributes.get(wanted.key))


def _compares(wanted: Comparison, held: object) -> bool:
    values = wanted.value if isinstance(wanted.value, list) else [wanted.value]
    if wanted.type in {"eq", "in"}:
        return any(_is_same(held, value) for value in values)
    if wanted.type in {"ne", "nin"}:
        return not any(_is_same(held, value) for value in values)
    return len(values) == 1 and _kind(held) == _kind(values[0]) != "" and ORDER[wanted.type](held, values[0])


def _is_same(held: object, value: object) -> bool:
    """1 is 1.0, and not true."""
    return _kind(held) == _kind(value) and held == value


def _kind(value: object) -> str:
    """What it can be compared with: "" for nothing."""
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else ""
