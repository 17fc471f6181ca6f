"""Finding chunks: what is asked, what is found, and what a search backend must do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

Mode = Literal["hybrid", "keyword", "vector"]


@dataclass(frozen=True)
class Entry:
    """A chunk as a backend takes it in. `text` carries `title > section` in front."""

    chunk_id: int
    document_id: UUID
    generation: int
    text: str
    language: str  # ISO 639-1, or "" when unknown
    vector: Sequence[float] | None  # of the version's dimensions, unit length; None: found by keyword alone


@dataclass(frozen=True)
class Query:
    """What is asked, and where it may be looked for. Permission travels inside: there is no search without it."""

    text: str
    vector: Sequence[float] | None
    collections: frozenset[UUID]  # those the asker may read; empty finds nothing
    documents: frozenset[UUID] | None = None  # narrows further; None: all of them
    mode: Mode = "hybrid"


@dataclass(frozen=True)
class Leg:
    """Where one leg of the search put a chunk: rank from 1, and the score in that leg's own terms."""

    rank: int
    score: float


@dataclass(frozen=True)
class Hit:
    chunk_id: int
    score: float  # 0..1
    keyword: Leg | None = None
    vector: Leg | None = None


class SearchBackend(Protocol):
    """One index version's chunks. Every verb may be repeated without harm."""

    def create(self) -> None: ...
    def drop(self) -> None: ...

    def add(self, entries: Iterable[Entry]) -> None:
        """Take chunks in; one that is there already is written again."""

    def remove(self, document_id: UUID, *, keep_generation: int | None = None) -> None:
        """Take a document's chunks out, all but those of one generation."""

    def search(self, query: Query, top: int) -> list[Hit]:
        """Best first. Only live generations of documents in the query's collections are ever looked at."""

    def count(self, document_id: UUID, generation: int) -> int: ...

    def held(self) -> Iterable[tuple[UUID, int, int]]:
        """Everything it holds: document, generation and how many chunks."""
