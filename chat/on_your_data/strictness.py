"""Which of the passages found come near enough to the question: `strictness`, from 1 to 5. Pure.

Scores of different searches share no scale, so what is compared is the same for all of them: how much of the question's
words a passage holds, or how near its meaning comes to it (the cosine), whichever is more. docs/on-your-data.md has
the table.
"""

from __future__ import annotations

from chat.verification import content_stems
from documents.search.words import spelled

LEAST = {1: 0.0, 2: 0.15, 3: 0.25, 4: 0.45, 5: 0.65}
USUAL = 3


def stems(text: str) -> frozenset[str]:
    """The words of a text that carry meaning, by their stems; pairs of letters where words are not parted."""
    return frozenset(content_stems(spelled(text)))


def nearness(asked: frozenset[str], text: str, cosine: float | None) -> float:
    """From 0 to 1. A question without a word that carries meaning is near to everything.

    >>> asked = stems("When is the rent due?")
    >>> nearness(asked, "Rent is paid monthly.", None), nearness(asked, "Pets are not allowed.", 0.3)
    (0.5, 0.3)
    """
    if not asked:
        return 1.0
    return max(len(asked & stems(text)) / len(asked), cosine or 0.0)
