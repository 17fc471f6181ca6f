"""The SQL of hybrid search. Braces stand for an index version's own tables; percent signs for what is asked.

A word's weight in a chunk is BM25's saturated count, stored once; how rare the word is among what the asker may see is
counted in the query and multiplied in. So each chunk's words are also one sparse vector, and a question's too: their
inner product is the BM25 score, exactly and quickly, wherever it is known which chunks to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

K1, B = 1.5, 0.75
LENGTH = 130  # words of an average chunk: fixed, so that no chunk's weight hangs on another's length
PLACES = 2**29  # of the sparse vectors; a word's place is its hash
WORDS_READ = 64  # of a longer question the rarest are looked up
DEPTH = 50  # how many of each leg's best take part in the fusion
RRF = 60

# Of a large library so many places where the question's words occur are read, and so many chunks that seem the most
# promising then are weighed: a share of all chunks, within bounds. Tuned, as the graph is, on every
# other question of `make bench`.
READ = "least(greatest(0.3 * sum(chunks), 6000), %(read_most)s)"
WEIGHED = "least(greatest(0.006 * sum(chunks), 150), 400)"

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

# What is asked, and its types.
ASKED_WITH = {
    "collections": "uuid[]",
    "documents": "uuid[]",
    "question": "text",
    "quoted": "text",
    "patterns": "text[]",
    "vector": "halfvec",
    "weigh_up_to": "float8",
    "exact_up_to": "float8",
    "read_most": "int",
    "alpha": "float8",
    "top": "int",
    "ids": "bigint[]",
}

# A connection reads and plans a statement once: each time would take longer than to run it. What decides the plan
# (which parts there are, and how many rows a leg gives) is therefore written into it, and nothing else is.
PREPARE = f"PREPARE {{name}} ({', '.join(ASKED_WITH.values())}) AS {{statement}}"

# Compiling such a statement costs more than running it. The graph is searched on until enough allowed chunks are found.
# Sent in one message with the statement, these hold for it alone: one way to the database and back instead of five.
EXECUTE = f"""
SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = 120;
EXECUTE {{name}} ({", ".join(f"%({name})s" for name in ASKED_WITH)})
"""

# How much is allowed the planner can only guess, and its guess would have words compared with documents one by one,
# read all there is for a little, or lose the graph's order. So a filter by what is allowed is never left to become a
# join: OR and coalesce() keep it from that, and OFFSET 0 has words, documents and chunks looked up in their indexes,
# also while the tables are new and the planner knows nothing of them. Who may read all that is here is asked only
# once.
ALLOWED = f"""
allowed AS MATERIALIZED (
    SELECT slot, held.language, held.chunks
    FROM documents_document AS document
    JOIN {{document}} AS held ON held.document_id = document.id AND held.generation = document.generation
    WHERE collection_id IN (SELECT unnest(%(collections)s)) {{narrowed}}
        AND deleted_at IS NULL AND superseded_at IS NULL
), size AS MATERIALIZED (
    SELECT sum(chunks)::float8 AS chunks, count(*) = (SELECT count(*) FROM {{document}}) AS is_all,
        min(language COLLATE "C") = max(language COLLATE "C") AS is_of_one_language,
        sum(chunks) <= %(weigh_up_to)s AS is_weighed, sum(chunks) <= %(exact_up_to)s AS is_compared,
        {READ} AS read, {WEIGHED} AS weighed
    FROM allowed
)"""

# The question's words by language, and its weights as one sparse vector for the chunks of each.
ASKED = f"""
asked AS MATERIALIZED (
    SELECT known.language, lexeme
    FROM (VALUES {{known}}) AS known (language, configuration), unnest(to_tsvector(configuration, %(question)s))
    WHERE known.language IN (SELECT language FROM allowed)
), telling AS MATERIALIZED (
    SELECT lexeme, sum(chunks) AS holders,
        ln(1 + ((SELECT chunks FROM size) - sum(chunks) + 0.5) / (sum(chunks) + 0.5)) AS weight
    FROM asked, LATERAL (
        SELECT * FROM {{frequency}} AS frequency WHERE frequency.lexeme = asked.lexeme OFFSET 0
    ) AS frequency (slot, chunks, word)
    WHERE chunks > 0 AND (
        (SELECT is_all AND is_of_one_language FROM size)
        OR (slot, asked.language) IN (SELECT slot, language FROM allowed)
    )
    GROUP BY lexeme ORDER BY holders, lexeme LIMIT {WORDS_READ}
), placed AS (
    SELECT language, {PLACE} AS place, max(weight)::real AS weight
    FROM asked JOIN telling USING (lexeme) GROUP BY language, place
), question AS MATERIALIZED (
    SELECT language, ('{{{{' || string_agg(place || ':' || weight, ',') || '}}}}/{PLACES}')::sparsevec AS words
    FROM placed GROUP BY language
)"""

NOT_ASKED = f"""
question AS (SELECT ''::varchar AS language, '{{{{}}}}/{PLACES}'::sparsevec AS words WHERE false)"""

# A quoted phrase's holders are looked for among the chunks of its rarest word; where it has none but stop words, which
# are no lexemes, among all.
QUOTED = """
clue AS MATERIALIZED (
    SELECT DISTINCT ON (language) language, lexeme
    FROM (VALUES {known}) AS known (language, configuration)
    LEFT JOIN LATERAL unnest(to_tsvector(configuration, %(quoted)s)) ON true
    LEFT JOIN telling USING (lexeme)
    WHERE language IN (SELECT language FROM allowed)
    ORDER BY language, holders
), holder AS MATERIALIZED (
    SELECT chunk_id
    FROM clue, LATERAL (SELECT * FROM {word} AS word WHERE word.lexeme = clue.lexeme OFFSET 0) AS word
        JOIN {text} USING (chunk_id)
    WHERE coalesce((word.slot, language) IN (SELECT slot, language FROM allowed), false)
        AND text LIKE ALL (%(patterns)s)
    UNION ALL
    SELECT chunk_id FROM clue JOIN allowed USING (language) JOIN {chunk} USING (slot) JOIN {text} USING (chunk_id)
    WHERE lexeme IS NULL AND text LIKE ALL (%(patterns)s)
)"""

NOT_QUOTED = "holder AS (SELECT NULL::bigint AS chunk_id WHERE false)"

# In a large library each word's heaviest chunks are read, the more of them the more telling it is; the most promising
# of these are then weighed exactly, and so are those that meaning puts forward.
WORDS = """
reading AS MATERIALIZED (
    SELECT lexeme, weight, ceil((SELECT read FROM size) * weight / sum(weight) OVER ()) AS most
    FROM telling
    WHERE NOT (SELECT is_weighed FROM size)
), promising AS MATERIALIZED (
    SELECT chunk_id FROM reading, LATERAL (
        SELECT chunk_id, word.weight FROM {word} AS word
        WHERE word.lexeme = reading.lexeme
            AND ((SELECT is_all FROM size) OR slot IN (SELECT slot FROM allowed))
        ORDER BY word.weight DESC LIMIT reading.most
    ) AS word
    GROUP BY chunk_id ORDER BY sum(reading.weight * word.weight) DESC LIMIT (SELECT weighed FROM size)
), worded AS MATERIALIZED (
    SELECT chunk_id, -(chunk.words <#> question.words) AS score
    FROM allowed
        JOIN LATERAL (SELECT * FROM {chunk} AS chunk WHERE chunk.slot = allowed.slot OFFSET 0) AS chunk ON true
        LEFT JOIN question USING (language)
    WHERE (SELECT is_weighed FROM size)
    UNION ALL
    SELECT chunk_id, -(chunk.words <#> question.words)
    FROM (SELECT chunk_id FROM promising UNION SELECT chunk_id FROM holder UNION SELECT chunk_id FROM near) AS chosen
        JOIN {chunk} AS chunk USING (chunk_id) JOIN allowed USING (slot) LEFT JOIN question USING (language)
    WHERE NOT (SELECT is_weighed FROM size)
), keyword AS MATERIALIZED (
    SELECT chunk_id, coalesce(score, 0) AS score, row_number() OVER (ORDER BY held DESC, score DESC, chunk_id) AS rank
    FROM worded, LATERAL (SELECT chunk_id IN (SELECT chunk_id FROM holder) AS held)
    WHERE score > 0 OR held
    ORDER BY rank LIMIT {ranked}
)"""

NO_WORDS = """
worded AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score WHERE false),
keyword AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score, NULL::bigint AS rank WHERE false)"""

# "+ 0" keeps the graph, which is not exact, out of the exact half. Where the graph gave up before it had found enough
# of what is allowed, all of that is compared after all.
MEANING = """
graph AS MATERIALIZED (
    SELECT chunk_id, embedding <=> %(vector)s AS distance
    FROM {vector}
    WHERE NOT (SELECT is_compared FROM size) AND ((SELECT is_all FROM size) OR slot IN (SELECT slot FROM allowed))
    ORDER BY embedding <=> %(vector)s LIMIT {ranked}
), near AS MATERIALIZED (
    SELECT * FROM graph WHERE (SELECT count(*) FROM graph) >= {ranked}
    UNION ALL (
        SELECT chunk_id, (embedding <=> %(vector)s) + 0 AS distance
        FROM allowed, LATERAL (SELECT * FROM {vector} AS vector WHERE vector.slot = allowed.slot OFFSET 0) AS vector
        WHERE coalesce((SELECT count(*) FROM graph) < {ranked}, true)
        ORDER BY distance, chunk_id LIMIT {ranked}
    )
), meaning AS MATERIALIZED (
    SELECT chunk_id, 1 - distance AS score, row_number() OVER (ORDER BY distance, chunk_id) AS rank FROM near
)"""

NO_MEANING = """
near AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS distance WHERE false),
meaning AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score, NULL::bigint AS rank WHERE false)"""

CANDIDATE = """
candidate AS (
    SELECT chunk_id, keyword.rank AS by_words, meaning.rank AS by_meaning
    FROM (SELECT * FROM keyword WHERE rank <= {depth}) AS keyword
        FULL JOIN (SELECT * FROM meaning WHERE rank <= {depth}) AS meaning USING (chunk_id)
)"""

# A chunk that only one leg put forward is given the other leg's score too, so that it is not judged by half.
CONVEX = """
judged AS (
    SELECT chunk_id, coalesce(worded.score, 0) AS by_words, 1 - coalesce(near.distance, far.distance) AS by_meaning
    FROM candidate LEFT JOIN worded USING (chunk_id) LEFT JOIN near USING (chunk_id)
        LEFT JOIN LATERAL (
            SELECT embedding <=> %(vector)s AS distance FROM {vector} AS vector
            WHERE vector.chunk_id = candidate.chunk_id AND near.chunk_id IS NULL AND %(vector)s IS NOT NULL OFFSET 0
        ) AS far ON true
), scaled AS (
    SELECT chunk_id,
        coalesce(by_words / nullif(max(by_words) OVER (), 0), 0) AS by_words,
        CASE WHEN by_meaning IS NULL THEN 0
            ELSE coalesce((by_meaning - min(by_meaning) OVER ())
                / nullif(max(by_meaning) OVER () - min(by_meaning) OVER (), 0), 1) END AS by_meaning
    FROM judged
), blended AS (
    SELECT chunk_id, %(alpha)s * by_meaning + (1 - %(alpha)s) * by_words AS score FROM scaled
)"""

RECIPROCAL = f"""
legs AS (SELECT exists(SELECT FROM keyword)::int + exists(SELECT FROM meaning)::int AS number),
blended AS (
    SELECT chunk_id,
        (coalesce(1.0 / ({RRF} + by_words), 0) + coalesce(1.0 / ({RRF} + by_meaning), 0))::float8
            * {RRF + 1} / legs.number AS score
    FROM candidate, legs
)"""

# Holders of what was quoted have the upper half of the scores.
FUSED = """
fused AS (
    SELECT chunk_id, score, row_number() OVER (ORDER BY score DESC, chunk_id) AS rank
    FROM (
        SELECT chunk_id, (score + (chunk_id IN (SELECT chunk_id FROM holder))::int) / {halves} AS score FROM blended
    ) AS blended
)"""

FOUND = """
SELECT chunk_id, fused.score, keyword.rank, keyword.score, meaning.rank, meaning.score
FROM fused LEFT JOIN keyword USING (chunk_id) LEFT JOIN meaning USING (chunk_id)
ORDER BY fused.rank LIMIT %(top)s
"""

STANDING = """
SELECT chunk_id, keyword.rank, keyword.score, meaning.rank, meaning.score, fused.rank, fused.score
FROM {chunk} JOIN allowed USING (slot)
    LEFT JOIN keyword USING (chunk_id) LEFT JOIN meaning USING (chunk_id) LEFT JOIN fused USING (chunk_id)
WHERE chunk_id = ANY(%(ids)s)
"""


def tables(version: int) -> dict[str, str]:
    return {name: f"search_{version:d}_{name}" for name in TABLES}


@dataclass(frozen=True)
class Shape:
    """What decides of which parts a search's statement is made, and how it is planned."""

    version: int
    configurations: tuple[tuple[str, str], ...]  # text-search configurations by language
    by_words: bool
    by_meaning: bool
    quoted: bool
    narrowed: bool
    fusion: str
    depth: int
    ending: str


def statement(shape: Shape) -> str:
    """The one statement of a search, of the parts it needs, ending in FOUND or STANDING."""
    parts = [
        ALLOWED,
        ASKED if shape.by_words else NOT_ASKED,
        QUOTED if shape.quoted else NOT_QUOTED,
        MEANING if shape.by_meaning else NO_MEANING,
        WORDS if shape.by_words else NO_WORDS,
        CANDIDATE,
        RECIPROCAL if shape.fusion == "rrf" else CONVEX,
        FUSED,
    ]
    whole = ("WITH " + ",\n".join(parts) + shape.ending).format(
        **tables(shape.version),
        known=", ".join(f"('{language}'::varchar, '{name}'::regconfig)" for language, name in shape.configurations),
        narrowed="AND id IN (SELECT unnest(%(documents)s))" if shape.narrowed else "",
        depth=shape.depth,
        ranked=shape.depth if shape.ending == FOUND else "NULL",
        halves=2 if shape.quoted else 1,
    )
    return whole % {name: f"${place}" for place, name in enumerate(ASKED_WITH, start=1)}
