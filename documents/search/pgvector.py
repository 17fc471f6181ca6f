"""Hybrid search inside Postgres: words by BM25, meaning by pgvector, permission and fusion in one statement.

Each index version has four tables of its own: its documents, its chunks, their words and their vectors. Document
frequencies are not kept: they are counted in the query, over the chunks the asker may see
(docs/decisions/0001-document-frequencies.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import psycopg
from django.conf import settings
from django.db import connection, transaction
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from documents.search import Entry, Hit, Leg, Query
from documents.search.words import CONFIGURATIONS, spelled

if TYPE_CHECKING:
    from documents.models import IndexVersion

ENTRIES_AT_ONCE = 500
DEPTH = 50  # how many of each leg's best take part in the fusion
RRF = 60
K1, B = 1.5, 0.75
QUESTION_LETTERS = 2_000  # of a longer question the keyword leg reads the beginning and the end


class PgvectorBackend:
    """One index version's chunks, in the tables search_<version>_document, _chunk, _word and _vector."""

    exact_up_to = 10_000  # chunks: so many are compared one by one sooner than found through the graph

    def __init__(self, version: IndexVersion) -> None:
        self.dimensions = version.dimensions
        self.tables = {name: f"search_{version.pk:d}_{name}" for name in ("document", "chunk", "word", "vector")}

    def create(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(CREATE.format(**self.tables, dimensions=self.dimensions))

    def drop(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS {document}, {chunk}, {word}, {vector}".format(**self.tables))

    def add(self, entries: Iterable[Entry]) -> None:
        entries = iter(entries)
        while batch := list(islice(entries, ENTRIES_AT_ONCE)):
            with transaction.atomic():
                self._add_words(batch)
                self._add_vectors({entry.chunk_id: entry.vector for entry in batch if entry.vector is not None})

    def _add_words(self, entries: Sequence[Entry]) -> None:
        columns: dict[str, Any] = {
            "ids": [entry.chunk_id for entry in entries],
            "documents": [entry.document_id for entry in entries],
            "generations": [entry.generation for entry in entries],
            "languages": [_known(entry.language) for entry in entries],
            "configurations": [_configuration(_known(entry.language)) for entry in entries],
            "texts": [spelled(entry.text) for entry in entries],
        }
        with connection.cursor() as cursor:
            for step in (TAKE_TURNS, CLEAR, ADD_DOCUMENTS, ADD_WORDS, COUNT_AGAIN):
                cursor.execute(step.format(**self.tables), columns)

    def _add_vectors(self, vectors: dict[int, Sequence[float]]) -> None:
        """In binary: written out as text, vectors take twenty times as long."""
        register_vector(connection.connection)
        with psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(
                ADD_VECTORS.format(**self.tables), [list(vectors), [_half(vector) for vector in vectors.values()]]
            )

    def remove(self, document_id: UUID, *, keep_generation: int | None = None) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(REMOVE.format(**self.tables), {"document": document_id, "keep": keep_generation})

    def count(self, document_id: UUID, generation: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(COUNT.format(**self.tables), [document_id, generation])
            return cursor.fetchone()[0]

    def held(self) -> list[tuple[UUID, int, int]]:
        with connection.cursor() as cursor:
            cursor.execute(HELD.format(**self.tables))
            return cursor.fetchall()

    def search(self, query: Query, top: int) -> list[Hit]:
        """A question without a vector is looked up by its words alone, whatever the mode."""
        if not query.collections or top < 1:
            return []
        by_meaning = query.vector is not None and query.mode != "keyword"
        by_words = query.mode != "vector" or not by_meaning
        statement = _statement(by_words, by_meaning).format(**self.tables)
        parameters: dict[str, Any] = {
            "collections": list(query.collections),
            "documents": None if query.documents is None else list(query.documents),
            "languages": ["", *CONFIGURATIONS],
            "configurations": [_configuration(language) for language in ("", *CONFIGURATIONS)],
            "question": spelled(_both_ends(query.text)) if by_words else "",
            "vector": _half(query.vector).to_text() if query.vector is not None else None,
            "alpha": settings.FUSION_ALPHA if by_words and by_meaning else float(by_meaning),
            "depth": max(DEPTH, top),
            "exact_up_to": self.exact_up_to,
            "top": top,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(FOR_THIS_SEARCH)
            cursor.execute(statement, parameters)
            return [_hit(row) for row in cursor.fetchall()]


def _half(vector: Sequence[float]) -> HalfVector:
    return HalfVector(np.asarray(vector, np.float32))


def _known(language: str) -> str:
    return language if language in CONFIGURATIONS else ""


def _configuration(language: str) -> str:
    return f"pg_catalog.{CONFIGURATIONS.get(language, 'simple')}"


def _both_ends(question: str) -> str:
    if len(question) <= QUESTION_LETTERS:
        return question
    half = QUESTION_LETTERS // 2
    return f"{question[:half]} {question[-half:]}"


def _hit(row: tuple) -> Hit:
    chunk_id, score, keyword_rank, keyword_score, vector_rank, vector_score = row
    return Hit(
        chunk_id,
        min(1.0, max(0.0, score)),
        keyword=None if keyword_rank is None else Leg(keyword_rank, keyword_score),
        vector=None if vector_rank is None else Leg(vector_rank, vector_score),
    )


def _statement(by_words: bool, by_meaning: bool) -> str:
    legs = [ALLOWED, WORDS if by_words else NO_WORDS, MEANING if by_meaning else NO_MEANING]
    return "WITH " + ",\n".join(legs) + (FUSE_RRF if settings.FUSION == "rrf" else FUSE_CONVEX)


# A slot is a document's generation, as a small number: each word and vector carries it for the permission's sake. The
# index over the words holds all that is read of them, since the rows of one word lie far apart.
CREATE = """
CREATE TABLE IF NOT EXISTS {document} (
    slot int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, document_id uuid NOT NULL, generation int NOT NULL,
    language varchar(2) NOT NULL, chunks int NOT NULL DEFAULT 0, length bigint NOT NULL DEFAULT 0,
    UNIQUE (document_id, generation, language)
);
CREATE TABLE IF NOT EXISTS {chunk} (chunk_id bigint PRIMARY KEY, slot int NOT NULL, length int NOT NULL);
CREATE INDEX IF NOT EXISTS {chunk}_slot ON {chunk} (slot);
CREATE TABLE IF NOT EXISTS {word} (
    chunk_id bigint NOT NULL, slot int NOT NULL, length int NOT NULL, times smallint NOT NULL,
    lexeme text COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS {word}_lexeme ON {word} (lexeme) INCLUDE (chunk_id, slot, length, times);
CREATE INDEX IF NOT EXISTS {word}_chunk ON {word} (chunk_id);
CREATE TABLE IF NOT EXISTS {vector} (
    chunk_id bigint PRIMARY KEY, slot int NOT NULL, embedding halfvec({dimensions}) NOT NULL
);
ALTER TABLE {vector} ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX IF NOT EXISTS {vector}_slot ON {vector} (slot);
CREATE INDEX IF NOT EXISTS {vector}_nearest ON {vector} USING hnsw (embedding halfvec_cosine_ops);
"""

# Two workers that were given one document write its chunks one after the other.
TAKE_TURNS = """
SELECT pg_advisory_xact_lock(hashtextextended(document, 0))
FROM (SELECT DISTINCT unnest(%(documents)s::text[]) AS document ORDER BY document) AS documents
"""

CLEAR = """
WITH word AS (DELETE FROM {word} WHERE chunk_id = ANY(%(ids)s::bigint[]))
DELETE FROM {vector} WHERE chunk_id = ANY(%(ids)s::bigint[])
"""

ADD_DOCUMENTS = """
INSERT INTO {document} (document_id, generation, language)
SELECT DISTINCT * FROM unnest(%(documents)s::uuid[], %(generations)s::int[], %(languages)s::varchar[])
ON CONFLICT DO NOTHING
"""

ADD_WORDS = """
WITH entry AS MATERIALIZED (
    SELECT chunk_id, slot, configuration::regconfig, text
    FROM unnest(
        %(ids)s::bigint[], %(documents)s::uuid[], %(generations)s::int[],
        %(languages)s::varchar[], %(configurations)s::text[], %(texts)s::text[]
    ) AS entry (chunk_id, document_id, generation, language, configuration, text)
    JOIN {document} USING (document_id, generation, language)
), found AS MATERIALIZED (
    SELECT chunk_id, lexeme, cardinality(positions) AS times
    FROM entry, unnest(to_tsvector(configuration, text))
), total AS (
    SELECT chunk_id, sum(times) AS length FROM found GROUP BY chunk_id
), chunk AS (
    INSERT INTO {chunk} (chunk_id, slot, length)
    SELECT chunk_id, slot, coalesce(length, 0) FROM entry LEFT JOIN total USING (chunk_id)
    ON CONFLICT (chunk_id) DO UPDATE SET slot = excluded.slot, length = excluded.length
    RETURNING *
)
INSERT INTO {word} (chunk_id, slot, length, times, lexeme)
SELECT chunk_id, slot, length, times, lexeme FROM chunk JOIN found USING (chunk_id)
"""

# Counted anew each time, never added up: a repeated batch cannot make the figures drift.
COUNT_AGAIN = """
UPDATE {document} AS document SET chunks = counted.chunks, length = counted.length
FROM (
    SELECT slot, count(chunk_id) AS chunks, coalesce(sum(chunk.length), 0) AS length
    FROM {document} LEFT JOIN {chunk} AS chunk USING (slot)
    WHERE document_id = ANY(%(documents)s::uuid[]) GROUP BY slot
) AS counted
WHERE document.slot = counted.slot
"""

ADD_VECTORS = """
INSERT INTO {vector} (chunk_id, slot, embedding)
SELECT chunk_id, slot, embedding
FROM unnest(%b::bigint[], %b::halfvec[]) AS entry (chunk_id, embedding) JOIN {chunk} USING (chunk_id)
"""

REMOVE = """
WITH gone AS (
    DELETE FROM {document} WHERE document_id = %(document)s AND generation IS DISTINCT FROM %(keep)s RETURNING slot
), chunk AS (
    DELETE FROM {chunk} WHERE slot IN (SELECT slot FROM gone) RETURNING chunk_id
), word AS (
    DELETE FROM {word} WHERE chunk_id IN (SELECT chunk_id FROM chunk)
)
DELETE FROM {vector} WHERE chunk_id IN (SELECT chunk_id FROM chunk)
"""

COUNT = """
SELECT count(*) FROM {chunk} JOIN {document} USING (slot) WHERE document_id = %s AND generation = %s
"""

HELD = """
SELECT document_id, generation, count(chunk_id)
FROM {document} LEFT JOIN {chunk} USING (slot) GROUP BY document_id, generation
"""

# Compiling such a statement costs more than running it. The graph is searched on until enough allowed chunks are found.
FOR_THIS_SEARCH = "SET LOCAL jit = off; SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = 100"

# Here and below coalesce() keeps a filter by what is allowed from becoming a join. How much is allowed the planner can
# only guess, and its guess would have words compared with documents one by one, or lose the graph's order. OFFSET 0 has
# each word looked up in the index even while the tables are new and the planner knows nothing of them.
ALLOWED = """
allowed AS MATERIALIZED (
    SELECT slot, held.language, held.chunks, held.length
    FROM documents_document AS document
    JOIN {document} AS held ON held.document_id = document.id AND held.generation = document.generation
    WHERE collection_id = ANY(%(collections)s::uuid[])
        AND (%(documents)s::uuid[] IS NULL OR id = ANY(%(documents)s::uuid[]))
        AND deleted_at IS NULL AND superseded_at IS NULL
), size AS MATERIALIZED (
    SELECT sum(chunks)::float8 AS chunks, greatest(sum(length), 1)::float8 / sum(chunks) AS mean_length FROM allowed
)"""

WORDS = f"""
asked AS MATERIALIZED (
    SELECT known.language, lexeme
    FROM unnest(%(languages)s::varchar[], %(configurations)s::text[]) AS known (language, configuration),
        unnest(to_tsvector(configuration::regconfig, %(question)s))
    WHERE known.language IN (SELECT language FROM allowed)
), met AS MATERIALIZED (
    SELECT word.chunk_id, asked.lexeme, word.times, word.length
    FROM asked, LATERAL (SELECT * FROM {{word}} AS word WHERE word.lexeme = asked.lexeme OFFSET 0) AS word
    WHERE coalesce((word.slot, asked.language) IN (SELECT slot, language FROM allowed), false)
), weight AS MATERIALIZED (
    SELECT lexeme, ln(1 + (size.chunks - count(*) + 0.5) / (count(*) + 0.5)) AS weight
    FROM met, size GROUP BY lexeme, size.chunks
), worded AS MATERIALIZED (
    SELECT chunk_id, sum(
        weight * times * {K1 + 1} / (times + {K1} * ({1 - B} + {B} * length / size.mean_length))
    ) AS score
    FROM met JOIN weight USING (lexeme), size GROUP BY chunk_id
), keyword AS MATERIALIZED (
    SELECT chunk_id, score, row_number() OVER (ORDER BY score DESC, chunk_id) AS rank
    FROM worded ORDER BY rank LIMIT %(depth)s
)"""

NO_WORDS = """
worded AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score WHERE false),
keyword AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score, NULL::bigint AS rank WHERE false)"""

# "+ 0" keeps the graph, which is not exact, out of the exact half.
MEANING = """
near AS MATERIALIZED (
    (
        SELECT chunk_id, (embedding <=> %(vector)s::halfvec) + 0 AS distance
        FROM {vector} JOIN allowed USING (slot)
        WHERE (SELECT chunks FROM size) <= %(exact_up_to)s
        ORDER BY distance, chunk_id LIMIT %(depth)s
    ) UNION ALL (
        SELECT chunk_id, embedding <=> %(vector)s::halfvec AS distance
        FROM {vector}
        WHERE (SELECT chunks FROM size) > %(exact_up_to)s
            AND coalesce(slot IN (SELECT slot FROM allowed), false)
        ORDER BY embedding <=> %(vector)s::halfvec LIMIT %(depth)s
    )
), meaning AS MATERIALIZED (
    SELECT chunk_id, 1 - distance AS score, row_number() OVER (ORDER BY distance, chunk_id) AS rank FROM near
), compared AS MATERIALIZED (
    SELECT chunk_id, score FROM meaning
    UNION ALL
    SELECT chunk_id, 1 - (embedding <=> %(vector)s::halfvec) FROM {vector} JOIN keyword USING (chunk_id)
    WHERE chunk_id NOT IN (SELECT chunk_id FROM meaning)
)"""

NO_MEANING = """
meaning AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score, NULL::bigint AS rank WHERE false),
compared AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score WHERE false)"""

# A chunk that only one leg put forward is given the other leg's score too, so that it is not judged by half.
FUSE_CONVEX = """, candidate AS (
    SELECT chunk_id, coalesce(worded.score, 0) AS by_words, compared.score AS by_meaning
    FROM (SELECT chunk_id FROM keyword UNION SELECT chunk_id FROM meaning) AS candidate
    LEFT JOIN worded USING (chunk_id) LEFT JOIN compared USING (chunk_id)
), scaled AS (
    SELECT chunk_id,
        coalesce(by_words / nullif(max(by_words) OVER (), 0), 0) AS by_words,
        CASE WHEN by_meaning IS NULL THEN 0
            ELSE coalesce((by_meaning - min(by_meaning) OVER ())
                / nullif(max(by_meaning) OVER () - min(by_meaning) OVER (), 0), 1) END AS by_meaning
    FROM candidate
)
SELECT chunk_id, %(alpha)s * by_meaning + (1 - %(alpha)s) * by_words AS fused,
    keyword.rank, keyword.score, meaning.rank, meaning.score
FROM scaled LEFT JOIN keyword USING (chunk_id) LEFT JOIN meaning USING (chunk_id)
ORDER BY fused DESC, chunk_id LIMIT %(top)s
"""

FUSE_RRF = f""", legs AS (SELECT exists(SELECT FROM keyword)::int + exists(SELECT FROM meaning)::int AS number)
SELECT chunk_id,
    (coalesce(1.0 / ({RRF} + keyword.rank), 0) + coalesce(1.0 / ({RRF} + meaning.rank), 0))::float8
        * {RRF + 1} / legs.number AS fused,
    keyword.rank, keyword.score, meaning.rank, meaning.score
FROM keyword FULL JOIN meaning USING (chunk_id), legs
ORDER BY fused DESC, chunk_id LIMIT %(top)s
"""
