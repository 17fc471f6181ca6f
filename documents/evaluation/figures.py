"""How well a search finds what is right: figures over questions with known answers, and whether they fell. Pure.

What is found and what is right are compared as keys, plain strings that mean whatever the caller lets them: a document,
a page, a chunk. So two searches, two indexes or two settings are measured side by side on the same questions:

>>> asked = [Question("1", "When is the rent due?", {"rules": 1}), Question("2", "Are pets allowed?", {"pets": 1})]
>>> found = measure(asked, lambda text: ["rules", "pets"], top=10)
>>> found.means["hit@1"].value, found.means["mrr@10"].value
(0.5, 0.75)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import log2, sqrt
from typing import Literal

import numpy as np

RESAMPLES, SEED = 2_000, 20
NORMAL = 1.959964  # standard deviations either side that hold 95 % of a normal distribution
CUTS = (1, 5)  # and the depth itself

Search = Callable[[str], Iterable[str]]  # a question's text -> keys, best first; one that comes again counts once


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    right: Mapping[str, int]  # key -> grade, from 1; what is not in it is wrong


@dataclass(frozen=True)
class Outcome:
    """What a search made of a question. `rank` is that of the first right key, from 1; None: not found."""

    question: Question
    rank: int | None
    values: Mapping[str, float]
    seconds: float = 0.0


@dataclass(frozen=True)
class Mean:
    """An average over the questions with its 95 % interval, and how that was come by."""

    value: float
    low: float
    high: float
    by: Literal["wilson", "bootstrap"]


@dataclass(frozen=True)
class Figures:
    outcomes: list[Outcome]
    means: dict[str, Mean]  # recall@k, hit@k, mrr@k, ndcg@k, each 0..1
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Change:
    """By how much a figure changed on the same questions, with the 95 % interval of the paired bootstrap."""

    value: float
    low: float
    high: float

    @property
    def fell(self) -> bool:
        return self.high < 0


@dataclass(frozen=True)
class Comparison:
    """Two runs on the questions that both asked. `lost` and `won` are (before, after), what weighs most first."""

    questions: int
    changes: dict[str, Change]
    lost: list[tuple[Outcome, Outcome]]
    won: list[tuple[Outcome, Outcome]]

    @property
    def fell(self) -> list[str]:
        """The figures that fell by more than chance explains."""
        return [name for name, change in self.changes.items() if change.fell]


def measure(questions: Iterable[Question], search: Search, *, top: int = 10) -> Figures:
    """Ask every question, and count the first `top` keys of each answer. Raises ValueError when there is none."""
    outcomes = []
    for question in questions:
        begun = time.perf_counter()
        found = list(islice(dict.fromkeys(search(question.text)), top))
        seconds = time.perf_counter() - begun
        outcomes.append(
            Outcome(question, first_right(found, question.right), scored(found, question.right, top), seconds)
        )
    return summed_up(outcomes)


def summed_up(outcomes: list[Outcome]) -> Figures:
    """The averages over outcomes of one search. Raises ValueError when there are none."""
    if not outcomes:
        raise ValueError("there are no questions")
    names = list(outcomes[0].values)
    rows = np.array([[outcome.values[name] for name in names] for outcome in outcomes])
    sampled = _intervals(rows)
    means = {name: _mean(rows[:, column], *sampled[column]) for column, name in enumerate(names)}
    times = sorted(outcome.seconds * 1000 for outcome in outcomes)
    return Figures(outcomes, means, statistics.median(times), times[int(0.95 * len(times))])


def first_right(found: Sequence[str], right: Mapping[str, int]) -> int | None:
    return next((place for place, key in enumerate(found, 1) if key in right), None)


def scored(found: Sequence[str], right: Mapping[str, int], top: int) -> dict[str, float]:
    """One question's figures over the first `top` keys.

    - recall@k: the share of what is right among the first k; hit@k: 1 if any of it is among them.
    - mrr@top: 1 / rank of the first right one, 0 if none is found (Voorhees, TREC-8 question answering track, 1999).
    - ndcg@top: the sum of grade / log2(1 + rank), divided by that of the best possible order (Järvelin and Kekäläinen,
      ACM TOIS 20(4), 2002, with the grade itself as gain and this discount, as trec_eval's ndcg_cut computes it).

    >>> scored(["b", "x", "a"], {"a": 2, "b": 1}, 3)["recall@1"]
    0.5
    """
    places = [place for place, key in enumerate(found[:top], 1) if key in right]
    cuts = sorted({*(cut for cut in CUTS if cut < top), top})
    recall = {f"recall@{cut}": sum(place <= cut for place in places) / len(right) for cut in cuts}
    hit = {f"hit@{cut}": float(any(place <= cut for place in places)) for cut in cuts}
    gain = sum(right[found[place - 1]] / log2(1 + place) for place in places)
    ideal = sum(grade / log2(1 + place) for place, grade in enumerate(sorted(right.values(), reverse=True)[:top], 1))
    return {**recall, **hit, f"mrr@{top}": 1 / places[0] if places else 0.0, f"ndcg@{top}": gain / ideal}


def compare(before: Iterable[Outcome], after: Iterable[Outcome]) -> Comparison | None:
    """What changed on the questions that both have, worded alike and with the same truth; None: there are none."""
    earlier = {outcome.question.id: outcome for outcome in before}
    both = [(earlier[now.question.id], now) for now in after if now.question.id in earlier]
    pairs = [(then, now) for then, now in both if then.question == now.question]
    names = [name for name in pairs[0][1].values if name in pairs[0][0].values] if pairs else []
    if not names:
        return None
    rows = np.array([[now.values[name] - then.values[name] for name in names] for then, now in pairs])
    sampled = _intervals(rows)
    changes = {name: Change(float(rows[:, n].mean()), *sampled[n]) for n, name in enumerate(names)}
    lost = [pair for pair in pairs if pair[0].rank and not pair[1].rank]
    won = [pair for pair in pairs if pair[1].rank and not pair[0].rank]
    lost.sort(key=lambda pair: pair[0].rank or 0)
    won.sort(key=lambda pair: pair[1].rank or 0)
    return Comparison(len(pairs), changes, lost, won)


def wilson(share: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a share of so many (Wilson, JASA 22, 1927), which holds near 0 and 1 too.

    >>> [round(end, 3) for end in wilson(1.0, 10)]
    [0.722, 1.0]
    """
    square = NORMAL**2
    middle = share + square / (2 * number)
    reach = NORMAL * sqrt(share * (1 - share) / number + square / (4 * number**2))
    whole = 1 + square / number
    return max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole)


def _mean(values: np.ndarray, low: float, high: float) -> Mean:
    """Shares by Wilson's interval, everything else by the bootstrap."""
    value = float(values.mean())
    if np.isin(values, (0, 1)).all():
        return Mean(value, *wilson(value, len(values)), "wilson")
    return Mean(value, low, high, "bootstrap")


def _intervals(rows: np.ndarray) -> list[tuple[float, float]]:
    """The 95 % percentile interval of each column's mean, by drawing the questions anew (Efron, 1979).

    The draws are the same each time, so that the same figures always have the same interval.
    """
    number = len(rows)
    draw = np.random.default_rng(SEED)
    means = np.array(
        [np.bincount(draw.integers(0, number, number), minlength=number) @ rows / number for _ in range(RESAMPLES)]
    )
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [(float(first), float(last)) for first, last in zip(low, high, strict=True)]
