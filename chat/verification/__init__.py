"""Find the words of a passage that carry a sentence. Pure, and no model is asked.

A sentence taken over word for word is found wherever its words stand, whatever the line breaks, dashes and quotes.
One put in other words is found by its content stems, weighted by their rarity in the passage, in windows of one to
three of the passage's sentences.
"""

from __future__ import annotations

from bisect import bisect_left

from chat.sentences import sentences
from chat.verification.aligning import Evidence
from chat.verification.claims import Claim, Judged, judge
from chat.verification.judging import is_factual, verify
from chat.verification.locating import locate
from chat.verification.verdicts import Proof, Reason, Verdict
from chat.verification.words import STOPWORDS, WORD, content_stems, normalise, stem

__all__ = [
    "STOPWORDS",
    "WORD",
    "Claim",
    "Evidence",
    "Judged",
    "Proof",
    "Reason",
    "Verdict",
    "content_stems",
    "is_factual",
    "judge",
    "locate",
    "markers_with_sentences",
    "normalise",
    "stem",
    "verify",
]


def markers_with_sentences(pieces: list[str | int]) -> list[tuple[int, str]]:
    """Each source number of an answer, in order, with the sentence it stands behind or in.

    >>> markers_with_sentences(["One. Two", 1, ". Three.", 2, 3])
    [(1, 'Two.'), (2, 'Three.'), (3, 'Three.')]
    """
    text, markers = "", []
    for piece in pieces:
        if isinstance(piece, int):
            markers.append((len(text), piece))
        else:
            text += piece
    spans = sentences(text)
    starts = [start for start, _ in spans]
    found = []
    for place, number in markers:
        before = max(bisect_left(starts, place) - 1, 0)
        found.append((number, text[slice(*spans[before])] if spans else ""))
    return found
