"""Hybrid search inside Postgres: words by BM25, meaning by pgvector, permission and fusion in one statement.

Each index version has six tables of its own: its documents, its chunks, their texts and words, in how many chunks of a
document a word occurs, and the vectors. How frequent a word is, is summed in the query over the documents the asker
may see (docs/decisions/0001-document-frequencies.md, 0006-words-weighed-once.md).
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakSet

import numpy as np
import psycopg
from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from documents.search import Entry, Hit, Leg, Query, SearchUnavailable, Standing
from documents.search.pgvector import statements as sql
from documents.search.pgvector import tables
from documents.search.words import CONFIGURATIONS, UNSPACED_LANGUAGES, quoted, spelled

if TYPE_CHECKING:
    from documents.models import IndexVersion

ENTRIES_AT_ONCE = 500
SETTLED: WeakSet[psycopg.Connection] = WeakSet()  # those that are set for searching
QUESTION_LETTERS = 50_000  # a question's words must fit what Postgres takes for one text


class PgvectorBackend:
    """One index version's chunks, in tables named search_<version>_document, _chunk and so on."""

    grammars = frozenset(CONFIGURATIONS) | UNSPACED_LANGUAGES
    exact_up_to: float = 10_000  # chunks: so many are compared one by one sooner than found through the graph
    weighed_share = 0.4  # of these: so many are weighed one by one sooner than looked up by their words
    read_most = 11_500  # places where the question's words occur

    def __init__(self, version: IndexVersion) -> None:
        self.dimensions = version.dimensions
        self.languages = version.languages
        self.version, self.tables = version.pk, tables.names_of(version.pk)
        self.configurations = tuple((name, _configuration(name)) for name in ("", *filter(self._known, CONFIGURATIONS)))

    def create(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(tables.CREATE.format(**self.tables, dimensions=self.dimensions))

    def drop(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(tables.DROP.format(**self.tables))

    def add(self, entries: Iterable[Entry]) -> None:
        entries = iter(entries)
        while batch := list(islice(entries, ENTRIES_AT_ONCE)):
            latest = {entry.chunk_id: entry for entry in batch}
            with transaction.atomic():
                self._add_words(list(latest.values()))
                self._add_vectors({key: entry.vector for key, entry in latest.items() if entry.vector is not None})

    def _add_words(self, entries: Sequence[Entry]) -> None:
        known = [self._known(entry.language) for entry in entries]
        columns: dict[str, Any] = {
            "ids": [entry.chunk_id for entry in entries],
            "documents": [entry.document_id for entry in entries],
            "generations": [entry.generation for entry in entries],
            "languages": known,
            "configurations": [_configuration(language) for language in known],
            "texts": [f" {spelled(entry.text).lower()} " for entry in entries],
        }
        with connection.cursor() as cursor:
            for step in (tables.TAKE_TURNS, tables.CLEAR, tables.ADD_DOCUMENTS, tables.ADD_WORDS):
                cursor.execute(step.format(**self.tables), columns)

    def _add_vectors(self, vectors: dict[int, Sequence[float]]) -> None:
        """In binary: written out as text, vectors take twenty times as long."""
        _know_vectors()
        with psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(
                tables.ADD_VECTORS.format(**self.tables),
                [list(vectors), [_half(vector) for vector in vectors.values()]],
            )

    def publish(self) -> None:
        """Nobody but Lectern searches these tables."""

    def move(self, document_id: UUID, collection_id: UUID) -> None:
        """Where a document lies is read from its own row, in the statement that searches."""

    def remove(self, document_id: UUID, *, keep_generation: int | None = None) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(tables.TAKE_TURNS, {"documents": [document_id]})
            cursor.execute(tables.REMOVE.format(**self.tables), {"document": document_id, "keep": keep_generation})

    def withdraw(self, chunk_ids: Collection[int]) -> None:
        ids = {"ids": list(chunk_ids)}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(tables.DOCUMENTS_OF.format(**self.tables), ids)
            cursor.execute(tables.TAKE_TURNS, {"documents": [document for (document,) in cursor.fetchall()]})
            cursor.execute(tables.CLEAR.format(**self.tables), ids)

    def count(self, document_id: UUID, generation: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(tables.COUNT.format(**self.tables), [document_id, generation])
            return cursor.fetchone()[0]

    def held(self) -> list[tuple[UUID, int, int]]:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(tables.HELD.format(**self.tables))
                return cursor.fetchall()
        except ProgrammingError as exc:
            raise SearchUnavailable("Its tables are gone: build a new version.", "search_index_missing") from exc

    @classmethod
    def stored(cls) -> set[int]:
        with connection.cursor() as cursor:
            cursor.execute(tables.STORED)
            return {pk for (pk,) in cursor.fetchall()}

    def size(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute(tables.SIZE, [list(self.tables.values())])
            return cursor.fetchone()[0]

    def search(self, query: Query, top: int) -> list[Hit]:
        """A question without a vector is looked up by its words alone, whatever the mode.

        Chunks that hold all the question quotes, word for word, come before all others.
        """
        if not query.collections or top < 1:
            return []
        depth = sql.DEPTH * ceil(top / sql.DEPTH)  # In steps, since each has a plan of its own.
        rows = self._rows(query, sql.FOUND, depth, exact_up_to=self.exact_up_to, top=top)
        return [_hit(row) for row in rows]

    def explain(self, query: Query, chunk_ids: Collection[int]) -> dict[int, Standing]:
        """Every chunk the query may see is weighed and compared for it, however many there are."""
        if not query.collections or not chunk_ids:
            return {}
        rows = self._rows(query, sql.STANDING, sql.DEPTH, exact_up_to=float("inf"), ids=list(chunk_ids))
        return {row[0]: Standing(_leg(*row[1:3]), _leg(*row[3:5]), _leg(*row[5:7])) for row in rows}

    def _rows(self, query: Query, ending: str, depth: int, *, exact_up_to: float, **limits: Any) -> list[tuple]:
        vector = None if query.mode == "keyword" else query.vector
        by_meaning = vector is not None
        by_words = query.mode != "vector" or not by_meaning
        question = query.text[:QUESTION_LETTERS] if by_words else ""
        phrases = quoted(question)
        asked: dict[str, Any] = {
            "collections": list(query.collections),
            "documents": list(query.documents or []),
            "question": spelled(question).lower(),
            "quoted": " ".join(phrases),
            "patterns": [f"% {phrase} %" for phrase in phrases],
            "vector": None if vector is None else _half(vector),
            "weigh_up_to": exact_up_to * self.weighed_share,
            "exact_up_to": exact_up_to,
            "read_most": self.read_most,
            "alpha": _alpha(query) if by_words and by_meaning else float(by_meaning),
            **limits,
        }
        shape = sql.Shape(
            self.version,
            self.configurations,
            by_words=by_words,
            by_meaning=by_meaning,
            quoted=bool(phrases),
            narrowed=query.documents is not None,
            fusion=settings.FUSION,
            depth=depth,
            ending=ending,
        )
        statement, names = sql.statement(shape)
        return _answered(statement, [asked[name] for name in names])

    def _known(self, language: str) -> str:
        """The language whose grammar is used; "" where words are taken as they stand."""
        return language if language in CONFIGURATIONS and language in (self.languages or CONFIGURATIONS) else ""


def _answered(statement: bytes, asked: Sequence[Any]) -> list[tuple]:
    """In binary, as a vector in text takes longer to write and read, and planned once for each connection."""
    with connection.cursor() as settling:
        raw = connection.connection
        if raw.prepare_threshold is None:
            raw.prepare_threshold = sys.maxsize  # None but what asks for it.
            _know_vectors()
        if connection.in_atomic_block:  # A rollback would take back what was set for longer.
            settling.execute(sql.SETTINGS.format(scope="LOCAL"))
        elif raw not in SETTLED:
            settling.execute(sql.SETTINGS.format(scope="SESSION"))
            SETTLED.add(raw)
        with connection.wrap_database_errors, psycopg.RawCursor(raw) as cursor:
            return cursor.execute(statement, asked, prepare=True, binary=True).fetchall()


def _know_vectors() -> None:
    if connection.connection.adapters.types.get("halfvec") is None:  # It asks Postgres four times.
        register_vector(connection.connection)


def _alpha(query: Query) -> float:
    return settings.FUSION_ALPHA if query.alpha is None else query.alpha


def _half(vector: Sequence[float]) -> HalfVector:
    return HalfVector(np.asarray(vector, np.float32))


def _configuration(language: str) -> str:
    return f"pg_catalog.{CONFIGURATIONS.get(language, 'simple')}"


def _leg(rank: int | None, score: float | None) -> Leg | None:
    return None if rank is None or score is None else Leg(rank, score)


def _hit(row: tuple) -> Hit:
    chunk_id, score, *legs = row
    return Hit(chunk_id, min(1.0, max(0.0, score)), keyword=_leg(*legs[:2]), vector=_leg(*legs[2:]))
