"""Find the words of a passage that carry a sentence. Pure, and no model is asked.

A sentence taken over word for word is found wherever its words stand, whatever the line breaks, dashes and quotes.
One put in other words is found by its content stems, weighted by their rarity in the passage, in windows of one to
three of the passage's sentences.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter

from chat.sentences import sentences
from chat.verification.aligning import Evidence, amounts_in
from chat.verification.judging import is_factual, verify
from chat.verification.verdicts import Proof, Reason, Verdict
from chat.verification.words import STOPWORDS, WORD, content_stems, normalise, stem

__all__ = [
    "STOPWORDS",
    "WORD",
    "Evidence",
    "Proof",
    "Reason",
    "Verdict",
    "content_stems",
    "has_amount",
    "is_factual",
    "locate",
    "markers_with_sentences",
    "normalise",
    "stem",
    "verify",
]

LEAST = 0.3  # Share of a sentence's weight that must stand in the window; below it nothing is lit.
LONGER = 0.08  # What each further sentence of a window must be worth.


def locate(sentence: str, passage: str) -> tuple[int, int] | None:
    """The span of `passage` that carries `sentence`; None when too little of it stands there.

    >>> locate("Water is back in 12 hours.", "We act. Water is\\r\\nback in 12 hours. We pay.")
    (8, 35)
    """
    return _verbatim(sentence, passage) or _by_stems(sentence, passage)


def _verbatim(sentence: str, passage: str) -> tuple[int, int] | None:
    plain, places = normalise(passage)
    wanted = normalise(sentence)[0].strip(" .")
    at = plain.find(wanted) if len(wanted) > 8 else -1
    if at < 0:
        return None
    last = at + len(wanted) - 1
    end = places[last] + 1
    if end < len(passage) and passage[end] in ".!?":
        end += 1
    return places[at], end


def _by_stems(sentence: str, passage: str) -> tuple[int, int] | None:
    wanted = Counter(content_stems(sentence))
    parts = sentences(passage)
    held = [set(content_stems(passage[start:end])) for start, end in parts]
    if not wanted or not parts:
        return None
    weight = {word: math.log(1 + len(parts) / (1 + sum(word in part for part in held))) + 0.1 for word in wanted}
    whole = sum(weight[word] for word in wanted)
    best, span = LEAST, None
    for first in range(len(parts)):
        seen: set[str] = set()
        for last in range(first, min(first + 3, len(parts))):
            seen |= held[last]
            share = sum(weight[word] for word in wanted if word in seen) / whole - LONGER * (last - first)
            if share > best:
                best, span = share, (parts[first][0], parts[last][1])
    return span


def has_amount(text: str) -> bool:
    """Whether a text gives a number, a share or a quantity."""
    return bool(amounts_in(text))


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
