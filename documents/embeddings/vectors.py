"""What every embedder gives, and the ways it can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

WAIT_SECONDS = 15.0  # where a service does not say how long
Heed = Callable[[], None]  # called again and again while something takes long; what it raises ends the waiting


class EmbeddingError(Exception):
    """There is no vector; str(exc) may be shown to a person."""

    tokens = 0  # What was spent, and kept, before the fault.


class EmbeddingUnavailable(EmbeddingError):
    """Only an operator can mend it: a model that is missing, a key that is refused, vectors of another length."""

    def __init__(self, sentence: str, code: str = "embedding_missing") -> None:
        super().__init__(sentence)
        self.code = code


class EmbeddingBusy(EmbeddingError):
    """Worth trying again, after so many seconds."""

    def __init__(self, sentence: str, told: float | None = None) -> None:
        super().__init__(sentence)
        self.told = told  # Seconds the service asked for; None: it did not say.

    @property
    def retry_after(self) -> float:
        return WAIT_SECONDS if self.told is None else self.told


class Embedded(NamedTuple):
    vectors: list[np.ndarray]
    tokens: int  # As the service counted them; 0 for what this machine did.
    cached: int  # Texts whose vectors were known.


class Part(NamedTuple):
    """What one request brought: vectors by the place of their text, and what it cost."""

    vectors: dict[int, np.ndarray]
    tokens: int


class Embedder(Protocol):
    name: str
    dimensions: int  # 0: not known before the first vector
    languages: frozenset[str] | None  # ISO 639-1: those it was made for; None: many

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """One row a text: float32, of unit length. A text gets the same vector in any company."""

    def parts(self, texts: Sequence[str], heed: Heed | None = None) -> Iterator[Part]:
        """The same, as it comes: what an earlier part brought can be kept when a later one fails."""

    def query(self, text: str) -> np.ndarray:
        """One vector for somebody who waits."""


def readable(texts: Sequence[str]) -> list[str]:
    """Tokenizers and services take UTF-8 alone: half of a surrogate pair becomes the mark that stands for it."""
    return [text.encode("utf-8", "replace").decode() for text in texts]


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length one. A row without a direction is refused: no distance to it means anything."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 1e-6).all()):
        raise ValueError("the model returned a vector without a direction")
    return (vectors / lengths).astype(np.float32)
