"""The SQL of hybrid search. Braces stand for an index version's own tables; percent signs for what is asked.

A word's weight in a chunk is BM25's saturated count, stored once; how rare the word is among what the asker may see is
counted in the query and multiplied in. So each chunk's words are also one sparse vector, and a question's too: their
inner product is the BM25 score, exactly and quickly, wherever it is known which chunks to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from documents.search.pgvector.tables import PLACE, PLACES, names_of

WORDS_READ = 64  # of a longer question the rarest are looked up
DEPTH = 50  # how many of each leg's best take part in the fusion
RRF = 60

# Of a large library so many places where the question's words occur are read, so many chunks that seem the most
# promising then are weighed, and the graph is searched so widely: all by how many chunks there are, within bounds.
# Tuned, as the graph is, on every other question of `make bench`. Where meaning alone decides, the graph is searched as
# widely as ever.
READ = "least(greatest(0.25 * sum(chunks) - 2500, 2500), %(read_most)s)"
WEIGHED = "least(0.0025 * sum(chunks) + 175, 400)"
EF_SEARCH = "least(greatest(0.0015 * sum(chunks) + 10, 40), 120)"
EF_SEARCH_MOST = "120"

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
# (which parts there are, and how many rows a leg gives) is therefore written into it, and nothing else is. Compiling it
# would cost more than running it. The graph is searched on until enough allowed chunks are found.
SETTINGS = """
SET {scope} jit = off; SET {scope} plan_cache_mode = force_generic_plan; SET {scope} hnsw.iterative_scan = relaxed_order
"""

# How much is allowed the planner can only guess, and its guess would have words compared with documents one by one,
# read all there is for a little, or lose the graph's order. So a filter by what is allowed is never left to become a
# join: OR and coalesce() keep it from that, and OFFSET 0 has words, documents and chunks looked up in their indexes,
# also while the tables are new and the planner knows nothing of them. Who may read all that is here is asked only
# once. The graph is searched after its size is known, so how widely can be set by it.
ALLOWED = f"""
allowed AS MATERIALIZED (
    SELECT slot, held.language, held.chunks
    FROM documents_document AS document
    JOIN {{document}} AS held ON held.document_id = document.id AND held.generation = document.generation
    WHERE collection_id IN (SELECT unnest(%(collections)s)) {{narrowed}}
        AND deleted_at IS NULL AND superseded_at IS NULL
), spoken AS MATERIALIZED (
    SELECT language, sum(chunks)::float8 AS chunks, count(*) AS documents FROM allowed GROUP BY language
), size AS MATERIALIZED (
    SELECT sum(chunks) AS chunks, sum(documents) = (SELECT count(*) FROM {{document}}) AS is_all,
        count(*) = 1 AS is_of_one_language,
        sum(chunks) <= %(weigh_up_to)s AS is_weighed, sum(chunks) <= %(exact_up_to)s AS is_compared,
        {READ} AS read, {WEIGHED} AS weighed,
        set_config('hnsw.ef_search', ({{ef_search}})::int::text, true)
    FROM spoken
)"""

# The question's words by language, and its weights as one sparse vector for the chunks of each.
ASKED = f"""
asked AS MATERIALIZED (
    SELECT known.language, lexeme
    FROM (VALUES {{known}}) AS known (language, configuration), unnest(to_tsvector(configuration, %(question)s))
    WHERE known.language IN (SELECT language FROM spoken)
), telling AS MATERIALIZED (
    SELECT lexeme, sum(holders)::float8 AS holders,
        ln(1 + ((SELECT chunks FROM size) - sum(holders)::float8 + 0.5) / (sum(holders)::float8 + 0.5)) AS weight
    FROM asked, LATERAL (
        SELECT sum(chunks) AS holders
        FROM {{frequency}} AS frequency
        WHERE frequency.lexeme = asked.lexeme AND (
            (SELECT is_all AND is_of_one_language FROM size)
            OR (slot, asked.language) IN (SELECT slot, language FROM allowed)
        )
    ) AS frequency
    WHERE holders > 0
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

# In a large library the rarest word's chunks are read first, then the next one's, and of those left when enough is read
# only the heaviest; the most promising of all are then weighed exactly, and so are those that meaning puts forward.
WORDS = """
reading AS MATERIALIZED (
    SELECT lexeme, weight, greatest(
            read - (sum(holders) OVER (ORDER BY holders, lexeme) - holders),
            0.5 * read / count(*) OVER ()
        ) AS most
    FROM telling, size
    WHERE NOT is_weighed
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
    FROM {chunk} AS chunk JOIN allowed USING (slot) LEFT JOIN question USING (language)
    WHERE NOT (SELECT is_weighed FROM size) AND chunk_id = ANY (ARRAY(
        SELECT chunk_id FROM promising UNION ALL SELECT chunk_id FROM holder UNION ALL SELECT chunk_id FROM meaning
    ))
), keyword AS MATERIALIZED (
    SELECT chunk_id, coalesce(score, 0) AS score, row_number() OVER (ORDER BY held DESC, score DESC, chunk_id) AS rank
    FROM worded, LATERAL (SELECT {held} AS held)
    WHERE score > 0 OR held
)"""

NO_WORDS = """
keyword AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score, NULL::bigint AS rank WHERE false)"""

# "+ 0" keeps the graph, which is not exact, out of the exact half. Where the graph gave up before it had found enough
# of what is allowed, all of that is compared after all.
MEANING = """
graph AS MATERIALIZED (
    SELECT chunk_id, embedding <=> %(vector)s AS distance
    FROM {vector}
    WHERE NOT (SELECT is_compared FROM size) AND ((SELECT is_all FROM size) OR slot IN (SELECT slot FROM allowed))
    ORDER BY embedding <=> %(vector)s LIMIT {ranked}
), meaning AS MATERIALIZED (
    SELECT chunk_id, 1 - distance AS score, row_number() OVER (ORDER BY distance, chunk_id) AS rank
    FROM (
        SELECT * FROM graph WHERE (SELECT count(*) FROM graph) >= {ranked}
        UNION ALL (
            SELECT chunk_id, (embedding <=> %(vector)s) + 0 AS distance
            FROM allowed, LATERAL (SELECT * FROM {vector} AS vector WHERE vector.slot = allowed.slot OFFSET 0) AS vector
            WHERE coalesce((SELECT count(*) FROM graph) < {ranked}, true)
            ORDER BY distance, chunk_id LIMIT {ranked}
        )
    ) AS near
)"""

NO_MEANING = """
meaning AS (SELECT NULL::bigint AS chunk_id, NULL::float8 AS score, NULL::bigint AS rank WHERE false)"""

CANDIDATE = """
candidate AS (
    SELECT chunk_id, keyword.score AS word_score, meaning.score AS meaning_score,
        CASE WHEN keyword.rank <= {depth} THEN keyword.rank END AS word_rank,
        CASE WHEN meaning.rank <= {depth} THEN meaning.rank END AS meaning_rank
    FROM keyword FULL JOIN meaning USING (chunk_id)
    WHERE keyword.rank <= {depth} OR meaning.rank <= {depth}
)"""

# A chunk that only one leg put forward is given the other leg's score too, so that it is not judged by half.
CONVEX = """
judged AS (
    SELECT candidate.*, coalesce(word_score, 0) AS by_words, coalesce(meaning_score, 1 - far.distance) AS by_meaning
    FROM candidate
        LEFT JOIN LATERAL (
            SELECT embedding <=> %(vector)s AS distance FROM {vector} AS vector
            WHERE vector.chunk_id = candidate.chunk_id AND meaning_score IS NULL AND %(vector)s IS NOT NULL OFFSET 0
        ) AS far ON true
), scaled AS (
    SELECT *,
        coalesce(by_words / nullif(max(by_words) OVER (), 0), 0) AS share_by_words,
        CASE WHEN by_meaning IS NULL THEN 0
            ELSE coalesce((by_meaning - min(by_meaning) OVER ())
                / nullif(max(by_meaning) OVER () - min(by_meaning) OVER (), 0), 1) END AS share_by_meaning
    FROM judged
), blended AS (
    SELECT *, %(alpha)s * share_by_meaning + (1 - %(alpha)s) * share_by_words AS blend FROM scaled
)"""

RECIPROCAL = f"""
legs AS (SELECT exists(SELECT FROM keyword)::int + exists(SELECT FROM meaning)::int AS number),
blended AS (
    SELECT candidate.*,
        (coalesce(1.0 / ({RRF} + word_rank), 0) + coalesce(1.0 / ({RRF} + meaning_rank), 0))::float8
            * {RRF + 1} / legs.number AS blend
    FROM candidate, legs
)"""

# Holders of what was quoted have the upper half of the scores.
FUSED = """
fused AS (
    SELECT *, row_number() OVER (ORDER BY score DESC, chunk_id) AS rank
    FROM (SELECT *, (blend + {held}::int) / {halves} AS score FROM blended) AS blended
)"""

FOUND = """
SELECT chunk_id, score, word_rank, word_score, meaning_rank, meaning_score
FROM fused ORDER BY score DESC, chunk_id LIMIT %(top)s
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


@lru_cache(maxsize=500)
def statement(shape: Shape) -> tuple[bytes, tuple[str, ...]]:
    """The one statement of a search, of the parts it needs, ending in FOUND or STANDING; and what it asks with."""
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
        ef_search=EF_SEARCH if shape.by_words else EF_SEARCH_MOST,
        halves=2 if shape.quoted else 1,
        held="(chunk_id IN (SELECT chunk_id FROM holder))" if shape.quoted else "false",
    )
    names = tuple(name for name in ASKED_WITH if f"%({name})s" in whole)
    return (whole % {name: f"${place}::{ASKED_WITH[name]}" for place, name in enumerate(names, 1)}).encode(), names
