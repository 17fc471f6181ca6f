"""Put what several indexes found into one order. Pure.

Each index gives its own best the highest score, however little it says to the question, and neither BM25 nor the
cosines of two models share a scale. So each index is weighed as a whole, by what its best passages hold of the
question; inside an index the order stays.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from documents.retrieval.passages import Passage
from documents.search.words import spelled

STEM = 5  # letters: what the forms of one word share, in most languages near enough to weigh an index
LOOKED_AT = 10  # of an index's best


@dataclass(frozen=True)
class Finding:
    """What one index found, best first."""

    passages: list[Passage]
    model: str  # that its vectors are of; "": none was asked
    alpha: float  # how much they weighed
    is_reranked: bool = False  # by the backend, on a scale that says how well a passage answers


def merged(question: str, findings: Sequence[Finding]) -> list[Passage]:
    """All passages, best first, scored on one scale; those of a single index as they are."""
    findings = [finding for finding in findings if finding.passages]
    if len(findings) < 2:
        return findings[0].passages if findings else []
    weights = (
        [1.0] * len(findings) if all(finding.is_reranked for finding in findings) else _weights(question, findings)
    )
    scored = [
        replace(passage, score=passage.score * weight)
        for finding, weight in zip(findings, weights, strict=True)
        for passage in finding.passages
    ]
    return sorted(scored, key=lambda passage: (-passage.score, passage.chunk_id))


def fused(lists: Sequence[tuple[str, Sequence[Passage]]]) -> list[Passage]:
    """What several wordings of a question found, best first, each place once.

    Each list's best has the highest score there is, so a list weighs as much as its best passages hold of its wording.
    """
    weights = _relative([_share_held(query, passages) for query, passages in lists])
    scored = [
        replace(passage, score=passage.score * weight)
        for weight, (_, passages) in zip(weights, lists, strict=True)
        for passage in passages
    ]
    kept: list[Passage] = []
    for passage in sorted(scored, key=lambda passage: (-passage.score, passage.chunk_id)):
        if not any(_overlap(passage, other) for other in kept):
            kept.append(passage)
    return kept


def _share_held(query: str, passages: Sequence[Passage]) -> float:
    asked = _stems(query)
    held = [len(asked & _stems(passage.text)) for passage in passages[:LOOKED_AT]]
    return max(held, default=0) / len(asked) if asked else 0.0


def _overlap(one: Passage, other: Passage) -> bool:
    is_one_page = (one.document_id, one.page_number) == (other.document_id, other.page_number)
    return is_one_page and one.start < other.end and other.start < one.end


def _weights(question: str, findings: Sequence[Finding]) -> list[float]:
    """How well each index's best speaks to the question, 1 for the one that does it best."""
    worded = _relative(_worded(question, findings))
    if len({finding.model for finding in findings}) > 1:
        return worded
    meant = _relative([_meant(finding) for finding in findings])
    return [
        finding.alpha * by_meaning + (1 - finding.alpha) * by_words
        for finding, by_meaning, by_words in zip(findings, meant, worded, strict=True)
    ]


def _worded(question: str, findings: Sequence[Finding]) -> list[float]:
    """The share of the question's words that the best passage of each holds, the rare ones among all weighing more."""
    asked = _stems(question)
    held = [[asked & _stems(passage.text) for passage in finding.passages[:LOOKED_AT]] for finding in findings]
    often = Counter(stem for one in held for stems in one for stem in stems)
    count = sum(map(len, held))
    rarity = {stem: math.log(1 + (count - often[stem] + 0.5) / (often[stem] + 0.5)) for stem in asked}
    return [max(sum(rarity[stem] for stem in stems) for stems in one) for one in held]


def _meant(finding: Finding) -> float:
    return max((passage.vector.score for passage in finding.passages if passage.vector), default=0.0)


def _relative(figures: Sequence[float]) -> list[float]:
    best = max(figures)
    return [max(figure, 0.0) / best if best > 0 else 1.0 for figure in figures]


def _stems(text: str) -> set[str]:
    return {word[:STEM] for word in spelled(text.casefold()).split()}
