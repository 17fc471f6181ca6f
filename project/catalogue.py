"""What is known of each model: its family, size, price, abilities, and the day it retires.

The facts stand in catalogue.json with their sources; an operator's own file of the same shape adds to them:

    {"as_of": "2026-11-20", "groups": [{"models": {"gpt-4o": {"context_tokens": 128000, "input_price": 2.5}}}]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

SHIPPED = Path(__file__).with_name("catalogue.json")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")  # from the least to the most
COMMON_EFFORTS = {"low", "medium", "high"}  # of all models that take any
SERVICES = ("azure", "openai")
SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})$")
WARNING_DAYS = 60

Facts = dict[str, Any]


class CatalogueError(ValueError):
    """A catalogue file cannot be used; str(exc) names the file and the key."""


@dataclass(frozen=True)
class Model:
    """The facts of one model; None is a fact that nobody told. Prices are in US dollars for a million tokens."""

    name: str  # Of the entry the facts are from: a snapshot has its model's. "unknown": nothing is known.
    family: Literal["reasoning", "classic", "embedding"] = "classic"
    context_tokens: int | None = None
    output_tokens_most: int | None = None
    input_price: float | None = None
    cached_input_price: float | None = None
    output_price: float | None = None
    streaming: bool | None = None
    tools: bool | None = None
    json_schema: bool | None = None
    responses_only: bool = False  # OpenAI and Azure do not offer it as a chat completion.
    reasoning_efforts: tuple[str, ...] = ()  # In the order of EFFORTS; () also when they are not known.
    temperature_when: Literal["always", "effort none", "never"] = "always"
    encoding: str | None = None
    retires: date | None = None
    as_of: date | None = None


UNKNOWN = Model("unknown", context_tokens=8192)


@lru_cache(maxsize=256)  # Of the few that are used, each is asked for several times in every answer.
def model_of(base_model: str, *, service: str = "", own: Path | None = None) -> Model:
    """The facts of this base model: its own, those of the model it is a snapshot of, of the longest known prefix, or
    UNKNOWN.

    `service` is "azure" or "openai", which retire a model on different days; without it the earlier day counts.
    `own` is the operator's file. It is read once in the life of a process. Raises CatalogueError.

    >>> model_of("gpt-4o-2024-08-06").name, model_of("o3-something").name, model_of("my-llama").context_tokens
    ('gpt-4o', 'o3', 8192)
    """
    entries = _entries(own)
    asked = base_model.strip().lower().removeprefix("ft:")
    for name in (asked, SNAPSHOT.sub("", asked)):
        if name in entries:
            return _model(name, entries, service)
    prefixes = [name for name in entries if asked.startswith(name) and not asked[len(name)].isalnum()]
    return _variant(_model(max(prefixes, key=len), entries, service)) if prefixes else UNKNOWN


def known_models(own: Path | None = None) -> list[str]:
    """The names in the catalogue, as the files order them."""
    return list(_entries(own))


def retirement_warning(model: Model, today: date) -> str:
    """One sentence from 60 days before the model retires, and ever after; else ""."""
    if model.retires is None or (days := (model.retires - today).days) > WARNING_DAYS:
        return ""
    day = f"{model.retires.day} {model.retires:%B %Y}"
    if days <= 0:
        return f"The model {model.name} was retired on {day}: calls to it may fail, so choose another."
    left = "tomorrow" if days == 1 else f"in {days} days"
    return f"The model {model.name} retires {left}, on {day}: choose its successor."


def _variant(model: Model) -> Model:
    """What surely holds of a relative of this model: not its day, and not its rarer efforts."""
    efforts = tuple(effort for effort in model.reasoning_efforts if effort in COMMON_EFFORTS)
    when = "never" if model.temperature_when == "effort none" else model.temperature_when
    return replace(model, reasoning_efforts=efforts, temperature_when=when, retires=None)


def _model(name: str, entries: dict[str, Facts], service: str) -> Model:
    """A snapshot with an entry of its own says there only what differs from its model."""
    facts = {**entries.get(SNAPSHOT.sub("", name), {}), **entries[name]}
    days = facts.pop("retires", None) or {}
    told = [date.fromisoformat(day) for place, day in days.items() if service in ("", place)]
    efforts = tuple(sorted(facts.pop("reasoning_efforts", None) or (), key=EFFORTS.index))
    as_of = date.fromisoformat(facts.pop("as_of"))
    facts.setdefault("temperature_when", "always" if facts["family"] == "classic" else "never")
    told_facts = {key: value for key, value in facts.items() if value is not None}
    return Model(name, **told_facts, reasoning_efforts=efforts, retires=min(told, default=None), as_of=as_of)


# The files -----------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=8)
def _entries(own: Path | None) -> dict[str, Facts]:
    """Name -> facts as they are written, checked; the operator's facts lie over the shipped ones."""
    entries: dict[str, Facts] = {}
    for path in (SHIPPED, own):
        if path:
            for name, facts in _read(path):
                if not (name in entries or SNAPSHOT.sub("", name) in entries or facts.get("family")):
                    raise CatalogueError(f"The model catalogue {path}: {name} is new: “family” must be told.")
                entries[name] = {**entries.get(name, {}), **facts}
    return entries


def _read(path: Path) -> Iterator[tuple[str, Facts]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise CatalogueError(f"The model catalogue {path} cannot be read: {exc.strerror}.") from exc
    except (ValueError, RecursionError) as exc:
        raise CatalogueError(f"The model catalogue {path} is not JSON: {exc}.") from exc
    as_of = content.get("as_of") if isinstance(content, dict) else None
    if not _is_day(as_of):
        raise CatalogueError(f"The model catalogue {path} must be an object with “as_of”, a day like 2026-11-20.")
    for place, group in enumerate(_part(path, "groups", content.get("groups"), list), 1):
        where = f"groups, number {place}"
        group = _part(path, where, group, dict)
        shared = _part(path, f"{where}: facts", group.get("facts", {}), dict)
        for name, facts in _part(path, f"{where}: models", group.get("models"), dict).items():
            facts = {"as_of": as_of, **shared, **_part(path, name, facts, dict)}
            _check(path, name, facts)
            yield name.strip().lower(), facts


def _part(path: Path, key: str, value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise CatalogueError(
            f"The model catalogue {path}: “{key}” must be {'a list' if kind is list else 'an object'}."
        )
    return value


def _check(path: Path, name: str, facts: Facts) -> None:
    """Null says that a fact is not known; everything else must be of its kind."""
    for key, value in facts.items():
        if key not in KINDS:
            raise CatalogueError(f"The model catalogue {path}: {name}: “{key}” is not a fact it can hold.")
        fits, kind = KINDS[key]
        if not fits(value) and (value is not None or key in NEEDED):
            raise CatalogueError(f"The model catalogue {path}: {name}: “{key}” must be {kind}.")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _are_efforts(value: object) -> bool:
    return isinstance(value, list) and all(effort in EFFORTS for effort in value) and len({*value}) == len(value)


def _are_days(value: object) -> bool:
    return isinstance(value, dict) and value.keys() <= {*SERVICES} and all(map(_is_day, value.values()))


def _one_of(*words: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: value in words, f"one of {', '.join(words)}"


COUNT = (_is_count, "a whole number above 0")
PRICE = (_is_price, "US dollars for a million tokens, 0 or more")
SWITCH = (_is_switch, "true or false")
KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "family": _one_of("reasoning", "classic", "embedding"),
    "context_tokens": COUNT,
    "output_tokens_most": COUNT,
    "input_price": PRICE,
    "cached_input_price": PRICE,
    "output_price": PRICE,
    "streaming": SWITCH,
    "tools": SWITCH,
    "json_schema": SWITCH,
    "responses_only": SWITCH,
    "reasoning_efforts": (_are_efforts, f"a list of {', '.join(EFFORTS)}"),
    "temperature_when": _one_of("always", "effort none", "never"),
    "encoding": (lambda value: isinstance(value, str), "the name of a tiktoken encoding"),
    "retires": (_are_days, f"an object of days like 2026-11-20, by {' and '.join(SERVICES)}"),
    "as_of": (_is_day, "a day like 2026-11-20"),
}
NEEDED = {"family", "temperature_when", "responses_only", "as_of"}  # Never null, though they may be left out.
