"""Finding chunks: what is asked, what is found, and what a search backend must do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

Mode = Literal["hybrid", "keyword", "vector"]


@dataclass(frozen=True)
class Entry:
    """A chunk as a backend takes it in. `text` carries `title > section` in front."""

    chunk_id: int
    document_id: UUID
    collection_id: UUID
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
    alpha: float | None = None  # how much the vector leg weighs, 0..1; None: as the setting says


@dataclass(frozen=True)
class Leg:
    """Where one leg of the search put a chunk: rank from 1, and the score in that leg's own terms.

    A vector score is the cosine, on every backend; a keyword score is BM25's and has no upper bound.
    """

    rank: int
    score: float


@dataclass(frozen=True)
class Hit:
    chunk_id: int
    score: float  # 0..1
    keyword: Leg | None = None
    vector: Leg | None = None
    reranked: float | None = None  # 0..1, where the backend itself ranked by meaning anew
    caption: str = ""  # the stretch that the backend's own ranking found most telling


@dataclass(frozen=True)
class Standing:
    """Where a chunk stands among everything the query may see; a leg is None where the chunk is not in it at all."""

    keyword: Leg | None
    vector: Leg | None
    fused: Leg | None  # None: no leg's best hold it, so that it takes no part in the fusion


class SearchError(Exception):
    """The index did not answer; str(exc) may be shown to a person."""


class SearchBusy(SearchError):
    """Worth trying again, after so many seconds."""

    def __init__(self, sentence: str, retry_after: float = 15.0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class SearchUnavailable(SearchError):
    """Only an operator can mend it: a wrong key, an index that is gone, a field of another shape."""

    def __init__(self, sentence: str, code: str = "search_refused") -> None:
        super().__init__(sentence)
        self.code = code


class SearchBackend(Protocol):
    """One index version's chunks. Every verb may be repeated without harm; each raises SearchError.

    What a remote index was told can be found there seconds later: `search` and `count` may lag behind. What it finds
    is therefore held against the rows before it is shown: a chunk whose document is deleted, superseded, at another
    generation or moved elsewhere, or that is searched no more, never leaves `search`, on any backend.
    """

    grammars: frozenset[str]  # ISO 639-1: the languages whose forms of a word the keyword search knows as one

    def create(self) -> None: ...
    def drop(self) -> None: ...

    def publish(self) -> None:
        """This version is the one that is searched from now on: tell whoever asks the service by the index's name."""

    def add(self, entries: Iterable[Entry]) -> None:
        """Take chunks in; one that is there already is written again."""

    def move(self, document_id: UUID, collection_id: UUID) -> None:
        """The document lies in another collection now."""

    def remove(self, document_id: UUID, *, keep_generation: int | None = None) -> None:
        """Take a document's chunks out, all but those of one generation."""

    def withdraw(self, chunk_ids: Collection[int]) -> None:
        """Take single chunks out."""

    def search(self, query: Query, top: int) -> list[Hit]:
        """Best first. Only live generations of documents in the query's collections are ever looked at."""

    def explain(self, query: Query, chunk_ids: Collection[int]) -> dict[int, Standing]:
        """Where these chunks stand, by exact ranks; one that the query may not see is left out."""

    def count(self, document_id: UUID, generation: int) -> int: ...

    def size(self) -> int:
        """Bytes it takes, as well as the backend can tell."""

    def held(self) -> Iterable[tuple[UUID, int, int]]:
        """Everything it holds: document, generation and how many chunks."""

    @classmethod
    def stored(cls) -> set[int]:
        """The keys of all versions that it has something of, whether there is a row of them or not."""
