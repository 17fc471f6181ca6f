"""The words of a passage that carry a sentence: by its letters, or else by its content stems. Pure."""

from __future__ import annotations

import math
from collections import Counter

from chat.sentences import sentences
from chat.verification.words import content_stems, normalise

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
