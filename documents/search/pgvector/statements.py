"""The SQL of hybrid search. Braces stand for an index version's own tables; percent signs for what is asked.

A word's weight in a chunk is BM25's saturated count, stored once; how rare the word is among what the asker may see is
counted in the query and multiplied in. So each chunk's words are also one sparse vector, and a question's too: their
inner product is the BM25 score, exactly and quickly, wherever it is known which chunks to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

from documents.search.pgvector.tables import PLACE, PLACES, names_of

WORDS_READ = 64  # of a longer question the rarest are looked up
DEPTH = 50  # how many of each leg's best take part in the fusion
RRF = 60

# Of a large library so many places where the question's words occur are read, and so many chunks that seem the most
# promising then are weighed: a share of all chunks, within bounds. Tuned, as the graph is, on every other question of
# `make bench`.
READ = "least(greatest(0.3 * sum(chunks), 6000), %(read_most)s)"
WEIGHED = "least(greatest(0.006 * sum(chunks), 150), 400)"

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
        **names_of(shape.version),
        known=", ".join(f"('{language}'::varchar, '{name}'::regconfig)" for language, name in shape.configurations),
        narrowed="AND id IN (SELECT unnest(%(documents)s))" if shape.narrowed else "",
        depth=shape.depth,
        ranked=shape.depth if shape.ending == FOUND else "NULL",
        halves=2 if shape.quoted else 1,
    )
    return whole % {name: f"${place}" for place, name in enumerate(ASKED_WITH, start=1)}
