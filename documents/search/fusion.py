"""Make one ranking of two, in the way the statement of the pgvector backend does for its own rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from documents.search import Leg

RRF = 60
Scores = Mapping[int, float]  # by chunk
Legs = Mapping[int, Leg]


def ranked(scores: Scores, depth: int | None = None) -> dict[int, Leg]:
    """The best `depth` in their order; equals keep the order of their numbers.

    >>> ranked({7: 0.5, 3: 2.0, 5: 0.5}, 2)
    {3: Leg(rank=1, score=2.0), 5: Leg(rank=2, score=0.5)}
    """
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:depth]
    return {chunk: Leg(rank, score) for rank, (chunk, score) in enumerate(best, start=1)}


def convex(keyword: Legs, vector: Legs, words: Scores, cosines: Scores, alpha: float) -> dict[int, float]:
    """Scores of 0..1 for what either leg put forward: words divided by their best, cosines from least to greatest.

    `words` and `cosines` may know more than the legs hold, so that no chunk is judged by half.

    >>> convex({1: Leg(1, 4.0)}, {2: Leg(1, 0.9)}, {1: 4.0, 2: 1.0}, {1: 0.1, 2: 0.9}, 0.5)
    {1: 0.5, 2: 0.625}
    """
    candidates = sorted(keyword.keys() | vector.keys())
    best = max((words.get(chunk, 0.0) for chunk in candidates), default=0.0)
    known = [cosines[chunk] for chunk in candidates if chunk in cosines]
    least, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)

    def by_meaning(chunk: int) -> float:
        if chunk not in cosines:
            return 0.0
        return (cosines[chunk] - least) / span if span else 1.0

    return {
        chunk: alpha * by_meaning(chunk) + (1 - alpha) * (words.get(chunk, 0.0) / best if best else 0.0)
        for chunk in candidates
    }


def reciprocal(keyword: Legs, vector: Legs) -> dict[int, float]:
    """Scores of 0..1 by rank alone; 1 is first in every leg that found anything.

    >>> reciprocal({1: Leg(1, 4.0), 2: Leg(2, 1.0)}, {1: Leg(1, 0.9)})[1]
    1.0
    """
    legs = [leg for leg in (keyword, vector) if leg]
    return {
        chunk: sum(1 / (RRF + leg[chunk].rank) for leg in legs if chunk in leg) * (RRF + 1) / len(legs)
        for chunk in sorted(keyword.keys() | vector.keys())
    }
