"""What a run of answers keeps of each question, held beside another run's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from documents.evaluation.figures import Outcome, Question

Row = Mapping[str, Any]  # of EvaluationRun.results


def outcome_of(row: Row) -> Outcome:
    """The rank is 1 where it was answered, or refused, as it should be, and with a right source; else None.

    >>> outcome_of({"id": "1", "text": "?", "right": {}, "refused": True}).values["rightly answered or refused"]
    1.0
    """
    right, is_refused = row["right"], bool(row.get("refused"))
    has_source = any(key in right for key in row.get("cited") or ())
    is_good = not row.get("failed") and (is_refused if not right else has_source and not is_refused)
    verdicts = row.get("verdicts") or {}
    checked = sum(verdicts.get(name, 0) for name in ("supported", "partly", "unsupported"))
    supported = verdicts.get("supported", 0) / checked if checked else float(is_good)
    values = {"rightly answered or refused": float(is_good), "supported sentences": supported}
    return Outcome(Question(row["id"], row["text"], right), 1 if is_good else None, values)


@dataclass(frozen=True)
class Pair:
    """One question in two runs; `then` is None where the earlier run did not ask it."""

    now: Row
    then: Row | None
    change: float

    @property
    def is_worse(self) -> bool:
        return self.change < 0


def side_by_side(before: Iterable[Row], after: Iterable[Row]) -> list[Pair]:
    """What became worse first, then what became better, then the rest."""
    earlier = {(row["id"], row["text"]): row for row in before}
    pairs = [_pair(row, earlier.get((row["id"], row["text"]))) for row in after]
    return sorted(pairs, key=lambda pair: (pair.change >= 0, pair.change == 0, pair.change))


def _pair(now: Row, then: Row | None) -> Pair:
    change = sum(outcome_of(now).values.values()) - sum(outcome_of(then).values.values()) if then else 0.0
    return Pair(now, then, round(change, 6))
