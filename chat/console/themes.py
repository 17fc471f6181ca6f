"""Put questions together that ask about the same: themes, each named by its most typical question."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chat.verification import content_stems
from documents.embeddings import EmbeddingError, embed_cached, model_name

log = logging.getLogger(__name__)

BY_MEANING, BY_WORDS = 0.6, 0.3  # how near a question must be to the middle of a theme to belong to it


@dataclass(frozen=True)
class Theme:
    name: str
    members: list[int]  # places among the texts, the most typical first


def themes(texts: Sequence[str]) -> list[Theme]:
    """The themes of these questions, the largest first; each question is in one of them.

    By meaning where there is a model for it, whose vectors are kept by their content; else by the words they share.
    """
    if not texts:
        return []
    try:
        model = model_name()
        vectors = np.stack(embed_cached(model, texts).vectors) if model else None
    except EmbeddingError as exc:
        log.warning("questions are put together by their words: %s", exc)
        vectors = None
    least = BY_WORDS if vectors is None else BY_MEANING
    groups = clustered(_by_words(texts) if vectors is None else vectors, least)
    return [Theme(texts[group[0]], group) for group in groups]


def clustered(vectors: np.ndarray, least: float) -> list[list[int]]:
    """Groups of rows of unit length whose cosine with the middle of their group is at least so much.

    Each row joins the group whose middle is nearest, or founds one; then every row is given a second choice among the
    middles as they came to be, so that the order of the rows matters little. The largest group comes first, and in
    each the row nearest to its middle.

    >>> clustered(np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]), 0.7)
    [[0, 2], [1]]
    """
    sums, middles, count = np.zeros(vectors.shape), np.zeros(vectors.shape), 0
    for row in vectors:
        near = middles[:count] @ row
        place = int(near.argmax()) if count and near.max() >= least else count
        count = max(count, place + 1)
        sums[place] += row
        middles[place] = _unit(sums[place])
    groups: dict[int, list[int]] = {}
    for place, nearest in enumerate((vectors @ middles[:count].T).argmax(axis=1)):
        groups.setdefault(int(nearest), []).append(place)
    found = []
    for group in groups.values():
        near = vectors[group] @ _unit(vectors[group].sum(axis=0))
        found.append([group[at] for at in sorted(range(len(group)), key=lambda at: (-round(float(near[at]), 6), at))])
    return sorted(found, key=lambda group: (-len(group), min(group)))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _by_words(texts: Sequence[str]) -> np.ndarray:
    """A number for each stem that carries meaning, the rarer the larger; of unit length."""
    stems = [set(content_stems(text)) for text in texts]
    seen = Counter(stem for each in stems for stem in each)
    places = {stem: place for place, stem in enumerate(sorted(seen))}
    vectors = np.zeros((len(texts), len(places) + len(texts)))
    for row, each in enumerate(stems):
        for stem in each:
            vectors[row, places[stem]] = math.log(1 + len(texts) / seen[stem])
        if not each:
            vectors[row, len(places) + row] = 1.0  # Without a word it is like no other.
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
