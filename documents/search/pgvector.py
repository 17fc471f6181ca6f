"""Hybrid search inside Postgres: words by BM25, meaning by pgvector, permission and fusion in one statement.

Each index version has three tables of its own: its chunks, their words and their vectors. Document frequencies are not
kept: they are counted in the query, over the chunks the asker may see (docs/decisions/0001-document-frequencies.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

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
    """One index version's chunks, in the tables search_<version>_chunk, _word and _vector."""

    exact_up_to = 10_000  # chunks: so many are compared one by one sooner than found through the graph

    def __init__(self, version: IndexVersion) -> None:
        self.dimensions = version.dimensions
        self.tables = {name: f"search_{version.pk:d}_{name}" for name in ("chunk", "word", "vector")}

    def create(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(CREATE.format(**self.tables, dimensions=self.dimensions))

    def drop(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS {chunk}, {word}, {vector}".format(**self.tables))

    def add(self, entries: Iterable[Entry]) -> None:
        entries = iter(entries)
        while batch := list(islice(entries, ENTRIES_AT_ONCE)):
            with transaction.atomic():
                self._add_words(batch)
                self._add_vectors(batch)

    def _add_words(self, entries: Sequence[Entry]) -> None:
        columns = {
            "ids": [entry.chunk_id for entry in entries],
            "documents": [entry.document_id for entry in entries],
            "generations": [entry.generation for entry in entries],
            "languages": [_known(entry.language) for entry in entries],
            "configurations": [_configuration(_known(entry.language)) for entry in entries],
            "texts": [spelled(entry.text) for entry in entries],
        }
        with connection.cursor() as cursor:
            cursor.execute(TAKE_TURNS, columns)
            for table in ("word", "vector"):
                cursor.execute(f"DELETE FROM {self.tables[table]} WHERE chunk_id = ANY(%s)", [columns["ids"]])
            cursor.execute(ADD.format(**self.tables), columns)

    def _add_vectors(self, entries: Sequence[Entry]) -> None:
        """In binary: written out as text, vectors take twenty times as long."""
        with_vector = [entry for entry in entries if entry.vector is not None]
        if not with_vector:
            return
        connection.ensure_connection()
        register_vector(connection.connection)
        with psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(
                f"INSERT INTO {self.tables['vector']} (chunk_id, document_id, generation, embedding)"
                " SELECT * FROM unnest(%b::bigint[], %b::uuid[], %b::int[], %b::halfvec[])",
                [
                    [entry.chunk_id for entry in with_vector],
                    [entry.document_id for entry in with_vector],
                    [entry.generation for entry in with_vector],
                    [HalfVector(entry.vector) for entry in with_vector],
                ],
            )

    def remove(self, document_id: UUID, *, keep_generation: int | None = None) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(REMOVE.format(**self.tables), {"document": document_id, "keep": keep_generation})

    def count(self, document_id: UUID, generation: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {self.tables['chunk']} WHERE document_id = %s AND generation = %s",
                [document_id, generation],
            )
            return cursor.fetchone()[0]

    def search(self, query: Query, top: int) -> list[Hit]:
        """A question without a vector is looked up by its words alone, whatever the mode."""
        if not query.collections or top < 1:
            return []
        by_meaning = query.vector is not None and query.mode != "keyword"
        by_words = query.mode != "vector" or not by_meaning
        statement = _statement(by_words, by_meaning).format(**self.tables)
        parameters = {
            "collections": list(query.collections),
            "documents": None if query.documents is None else list(query.documents),
            "languages": ["", *CONFIGURATIONS],
            "configurations": [_configuration(language) for language in ("", *CONFIGURATIONS)],
            "question": spelled(_both_ends(query.text)) if by_words else "",
            "vector": HalfVector(query.vector).to_text() if by_meaning else None,
            "alpha": settings.FUSION_ALPHA if by_words and by_meaning else float(by_meaning),
            "depth": max(DEPTH, top),
            "exact_up_to": self.exact_up_to,
            "top": top,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(FOR_THIS_SEARCH)
            cursor.execute(statement, parameters)
            return [_hit(row) for row in cursor.fetchall()]


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


# The words' table is read by its index alone once it is vacuumed; the vectors stay whole in their rows.
CREATE = """
CREATE TABLE IF NOT EXISTS {chunk} (
    chunk_id bigint PRIMARY KEY, document_id uuid NOT NULL, generation int NOT NULL,
    language varchar(2) NOT NULL, length int NOT NULL
);
CREATE INDEX IF NOT EXISTS {chunk}_document ON {chunk} (document_id, generation);
CREATE TABLE IF NOT EXISTS {word} (
    chunk_id bigint NOT NULL, document_id uuid NOT NULL, generation int NOT NULL,
    times smallint NOT NULL, length int NOT NULL, language varchar(2) NOT NULL, lexeme text COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS {word}_lexeme ON {word} (lexeme, language);
CREATE INDEX IF NOT EXISTS {word}_chunk ON {word} (chunk_id);
CREATE TABLE IF NOT EXISTS {vector} (
    chunk_id bigint PRIMARY KEY, document_id uuid NOT NULL, generation int NOT NULL,
    embedding halfvec({dimensions}) NOT NULL
);
ALTER TABLE {vector} ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX IF NOT EXISTS {vector}_document ON {vector} (document_id, generation);
CREATE INDEX IF NOT EXISTS {vector}_nearest ON {vector} USING hnsw (embedding halfvec_cosine_ops);
"""

# Two workers that were given one document write its chunks one after the other.
TAKE_TURNS = """
SELECT pg_advisory_xact_lock(hashtextextended(document, 0))
FROM (SELECT DISTINCT unnest(%(documents)s::text[]) AS document ORDER BY document) AS documents
"""

ADD = """
WITH entry AS (
    SELECT * FROM unnest(
        %(ids)s::bigint[], %(documents)s::uuid[], %(generations)s::int[],
        %(languages)s::varchar[], %(configurations)s::text[], %(texts)s::text[]
    ) AS entry (chunk_id, document_id, generation, language, configuration, text)
), found AS MATERIALIZED (
    SELECT entry.chunk_id, found.lexeme, cardinality(found.positions) AS times
    FROM entry, unnest(to_tsvector(entry.configuration::regconfig, entry.text)) AS found
), total AS (
    SELECT chunk_id, sum(times) AS length FROM found GROUP BY chunk_id
), chunk AS (
    INSERT INTO {chunk} (chunk_id, document_id, generation, language, length)
    SELECT chunk_id, document_id, generation, language, coalesce(length, 0)
    FROM entry LEFT JOIN total USING (chunk_id)
    ON CONFLICT (chunk_id) DO UPDATE SET document_id = excluded.document_id, generation = excluded.generation,
        language = excluded.language, length = excluded.length
    RETURNING *
)
INSERT INTO {word} (chunk_id, document_id, generation, times, length, language, lexeme)
SELECT chunk_id, document_id, generation, times, length, language, lexeme FROM chunk JOIN found USING (chunk_id)
"""

REMOVE = """
WITH chunk AS (
    DELETE FROM {chunk} WHERE document_id = %(document)s AND generation IS DISTINCT FROM %(keep)s RETURNING chunk_id
), word AS (
    DELETE FROM {word} WHERE chunk_id IN (SELECT chunk_id FROM chunk)
)
DELETE FROM {vector} WHERE chunk_id IN (SELECT chunk_id FROM chunk)
"""

# Compiling such a statement costs more than running it. The graph is searched on until enough allowed chunks are found.
FOR_THIS_SEARCH = "SET LOCAL jit = off; SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = 100"

ALLOWED = """
allowed AS MATERIALIZED (
    SELECT id AS document_id, generation FROM documents_document
    WHERE collection_id = ANY(%(collections)s::uuid[])
        AND (%(documents)s::uuid[] IS NULL OR id = ANY(%(documents)s::uuid[]))
        AND generation > 0 AND deleted_at IS NULL AND superseded_at IS NULL
), library AS MATERIALIZED (
    SELECT language, count(*) AS chunks, sum(length) AS length
    FROM {chunk} JOIN allowed USING (document_id, generation) GROUP BY language
), size AS MATERIALIZED (
    SELECT sum(chunks)::float8 AS chunks, greatest(sum(length), 1)::float8 / sum(chunks) AS mean_length FROM library
)"""

WORDS = f"""
asked AS MATERIALIZED (
    SELECT library.language, lexeme
    FROM unnest(%(languages)s::varchar[], %(configurations)s::text[]) AS known (language, configuration)
    JOIN library USING (language), unnest(to_tsvector(configuration::regconfig, %(question)s))
), met AS MATERIALIZED (
    SELECT word.chunk_id, word.lexeme, word.times, word.length
    FROM asked JOIN {{word}} AS word USING (lexeme, language) JOIN allowed USING (document_id, generation)
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

# "+ 0" keeps the graph, which is not exact, out of the exact half; coalesce() keeps the filter of the other half from
# becoming a join, which would lose the graph's order.
MEANING = """
near AS MATERIALIZED (
    (
        SELECT chunk_id, (embedding <=> %(vector)s::halfvec) + 0 AS distance
        FROM {vector} JOIN allowed USING (document_id, generation)
        WHERE (SELECT chunks FROM size) <= %(exact_up_to)s
        ORDER BY distance, chunk_id LIMIT %(depth)s
    ) UNION ALL (
        SELECT chunk_id, embedding <=> %(vector)s::halfvec AS distance
        FROM {vector}
        WHERE (SELECT chunks FROM size) > %(exact_up_to)s
            AND coalesce((document_id, generation) IN (SELECT document_id, generation FROM allowed), false)
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
