"""The tables of an index version, and the statements that fill and count them."""

from __future__ import annotations

K1, B = 1.5, 0.75
LENGTH = 130  # words of an average chunk: fixed, so that no chunk's weight hangs on another's length
PLACES = 2**29  # of the sparse vectors; a word's place is its hash

TABLES = ("document", "chunk", "text", "word", "frequency", "vector")

# A slot is a document's generation, as a small number: each word and vector carries it for the permission's sake. The
# indexes over the words hold all that is read of them, since the rows of one word lie far apart. Vectors lie in a
# narrow table, unpacked: comparing them one by one is reading them one by one.
CREATE = """
CREATE TABLE IF NOT EXISTS {document} (
    slot int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, document_id uuid NOT NULL, generation int NOT NULL,
    language varchar(2) NOT NULL, chunks int NOT NULL DEFAULT 0,
    UNIQUE (document_id, generation, language)
);
CREATE TABLE IF NOT EXISTS {chunk} (chunk_id bigint PRIMARY KEY, slot int NOT NULL, words sparsevec NOT NULL);
CREATE INDEX IF NOT EXISTS {chunk}_slot ON {chunk} (slot);
CREATE TABLE IF NOT EXISTS {text} (chunk_id bigint PRIMARY KEY, text text NOT NULL);
CREATE TABLE IF NOT EXISTS {word} (
    chunk_id bigint NOT NULL, slot int NOT NULL, weight real NOT NULL, lexeme text COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS {word}_heaviest ON {word} (lexeme, weight DESC) INCLUDE (slot, chunk_id);
CREATE INDEX IF NOT EXISTS {word}_chunk ON {word} (chunk_id);
CREATE TABLE IF NOT EXISTS {frequency} (slot int NOT NULL, chunks int NOT NULL, lexeme text COLLATE "C" NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS {frequency}_lexeme ON {frequency} (lexeme, slot) INCLUDE (chunks);
CREATE INDEX IF NOT EXISTS {frequency}_slot ON {frequency} (slot);
CREATE TABLE IF NOT EXISTS {vector} (
    chunk_id bigint PRIMARY KEY, slot int NOT NULL, embedding halfvec({dimensions}) NOT NULL
);
ALTER TABLE {vector} ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX IF NOT EXISTS {vector}_slot ON {vector} (slot);
CREATE INDEX IF NOT EXISTS {vector}_nearest ON {vector}
    USING hnsw (embedding halfvec_cosine_ops) WITH (m = 24, ef_construction = 200);
"""

DROP = "DROP TABLE IF EXISTS {document}, {chunk}, {text}, {word}, {frequency}, {vector}"

STORED = """
SELECT DISTINCT split_part(tablename, '_', 2)::bigint FROM pg_catalog.pg_tables
WHERE schemaname = current_schema()
    AND tablename ~ '^search_[1-9][0-9]{0,17}_(document|chunk|text|word|frequency|vector)$'
"""

# Whoever writes a document's chunks waits for whoever else does. No two documents share a row.
TAKE_TURNS = """
SELECT pg_advisory_xact_lock(hashtextextended(document, 0))
FROM (SELECT DISTINCT unnest(%(documents)s::text[]) AS document ORDER BY document) AS documents
"""

# What is taken out is taken off the counts in the same statement, what is put in is put on: they cannot drift.
CLEAR = """
WITH word AS (
    DELETE FROM {word} WHERE chunk_id = ANY(%(ids)s::bigint[]) RETURNING slot, lexeme
), counted AS (
    UPDATE {frequency} AS frequency SET chunks = frequency.chunks - gone.chunks
    FROM (SELECT slot, lexeme, count(*) AS chunks FROM word GROUP BY slot, lexeme) AS gone
    WHERE frequency.slot = gone.slot AND frequency.lexeme = gone.lexeme
), chunk AS (
    DELETE FROM {chunk} WHERE chunk_id = ANY(%(ids)s::bigint[]) RETURNING slot
), text AS (
    DELETE FROM {text} WHERE chunk_id = ANY(%(ids)s::bigint[])
), held AS (
    UPDATE {document} AS document SET chunks = document.chunks - gone.chunks
    FROM (SELECT slot, count(*) AS chunks FROM chunk GROUP BY slot) AS gone
    WHERE document.slot = gone.slot
)
DELETE FROM {vector} WHERE chunk_id = ANY(%(ids)s::bigint[])
"""

DOCUMENTS_OF = """
SELECT DISTINCT document_id FROM {document} JOIN {chunk} USING (slot) WHERE chunk_id = ANY(%(ids)s::bigint[])
"""

ADD_DOCUMENTS = """
INSERT INTO {document} (document_id, generation, language)
SELECT DISTINCT * FROM unnest(%(documents)s::uuid[], %(generations)s::int[], %(languages)s::varchar[])
ON CONFLICT DO NOTHING
"""

PLACE = f"(hashtextextended(lexeme, 0) & {PLACES - 1}) + 1"

ADD_WORDS = f"""
WITH entry AS MATERIALIZED (
    SELECT chunk_id, slot, configuration::regconfig, text
    FROM unnest(
        %(ids)s::bigint[], %(documents)s::uuid[], %(generations)s::int[],
        %(languages)s::varchar[], %(configurations)s::text[], %(texts)s::text[]
    ) AS entry (chunk_id, document_id, generation, language, configuration, text)
    JOIN {{document}} USING (document_id, generation, language)
), found AS MATERIALIZED (
    SELECT chunk_id, slot, lexeme, cardinality(positions) AS times,
        sum(cardinality(positions)) OVER (PARTITION BY chunk_id) AS length
    FROM entry, unnest(to_tsvector(configuration, text))
), word AS (
    INSERT INTO {{word}} (chunk_id, slot, weight, lexeme)
    SELECT chunk_id, slot, times * {K1 + 1} / (times + {K1} * ({1 - B} + {B} * length / {LENGTH})), lexeme FROM found
    RETURNING *
), counted AS (
    INSERT INTO {{frequency}} AS frequency (slot, chunks, lexeme)
    SELECT slot, count(*), lexeme FROM found GROUP BY slot, lexeme
    ON CONFLICT (lexeme, slot) DO UPDATE SET chunks = frequency.chunks + excluded.chunks
), held AS (
    UPDATE {{document}} AS document SET chunks = document.chunks + added.chunks
    FROM (SELECT slot, count(*) AS chunks FROM entry GROUP BY slot) AS added
    WHERE document.slot = added.slot
), placed AS (
    SELECT chunk_id, {PLACE} AS place, sum(weight) AS weight FROM word GROUP BY chunk_id, place
), sparse AS (
    SELECT chunk_id, string_agg(place || ':' || weight, ',') AS words FROM placed GROUP BY chunk_id
), text AS (
    INSERT INTO {{text}} (chunk_id, text) SELECT chunk_id, text FROM entry
)
INSERT INTO {{chunk}} (chunk_id, slot, words)
SELECT chunk_id, slot, ('{{{{' || coalesce(words, '') || '}}}}/{PLACES}')::sparsevec
FROM entry LEFT JOIN sparse USING (chunk_id)
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
), text AS (
    DELETE FROM {text} WHERE chunk_id IN (SELECT chunk_id FROM chunk)
), frequency AS (
    DELETE FROM {frequency} WHERE slot IN (SELECT slot FROM gone)
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

SIZE = "SELECT coalesce(sum(pg_total_relation_size(name::regclass)), 0)::bigint FROM unnest(%s::text[]) AS name"


def names_of(version: int) -> dict[str, str]:
    return {name: f"search_{version:d}_{name}" for name in TABLES}
