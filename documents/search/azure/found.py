"""What the service put forward for a question, read out of its rows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from documents.search import Hit
from documents.search.azure.definition import VECTOR
from documents.search.fusion import RRF


@dataclass
class Found:
    """Each by chunk. `fused` is the service's own ranking, for want of the scores of its legs."""

    documents: dict[int, UUID] = field(default_factory=dict)
    words: dict[int, float] = field(default_factory=dict)
    cosines: dict[int, float] = field(default_factory=dict)
    fused: dict[int, float] = field(default_factory=dict)
    reranked: dict[int, float] = field(default_factory=dict)
    captions: dict[int, str] = field(default_factory=dict)

    def keep(self, chunks: Collection[int]) -> None:
        for values in vars(self).values():
            for chunk in values.keys() - set(chunks):
                del values[chunk]

    def legs(self, by_words: object, by_meaning: object) -> list[dict[int, float]]:
        """The scores of each leg that was asked; where the service tells none, its own ranking stands for both."""
        if not self.words and not self.cosines:
            return [self.fused]
        return [leg for leg, is_asked in ((self.words, by_words), (self.cosines, by_meaning)) if is_asked]

    def take(self, row: Mapping[str, Any], *, by_words: bool, by_meaning: bool) -> None:
        """A row's score is BM25's, or 1 / (2 - cosine), or, of both legs together, a sum of 1 / (60 + rank)."""
        chunk, score = row["chunk_id"], row["@search.score"]
        self.documents[chunk] = UUID(row["document_id"])
        if (anew := row.get("@search.reranker_score")) is not None:
            self.reranked[chunk] = min(1.0, anew / 4)
            self.captions[chunk] = next((caption.text or "" for caption in row.get("@search.captions") or ()), "")
        if by_words and by_meaning:
            self.fused[chunk] = score * (RRF + 1) / 2
            self._take_legs(chunk, row.get("@search.document_debug_info"))
        elif by_words:
            self.words[chunk] = score
        else:
            self.cosines[chunk] = 2 - 1 / score

    def _take_legs(self, chunk: int, debug: Any) -> None:
        told = debug.vectors.subscores if debug and debug.vectors else None
        if told and told.text and told.text.search_score:
            self.words[chunk] = told.text.search_score
        for by_field in (told and told.vectors) or ():
            if (one := by_field.get(VECTOR)) and one.vector_similarity is not None:
                self.cosines[chunk] = one.vector_similarity


def in_order(hits: list[Hit]) -> list[Hit]:
    """Best first: what was ranked anew in that order, then whatever was not, by its score."""
    return sorted(hits, key=lambda hit: (hit.reranked is None, -(hit.reranked or 0.0), -hit.score, hit.chunk_id))
