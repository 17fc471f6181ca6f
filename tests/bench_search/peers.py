"""The hybrid searches that LangChain and LlamaIndex bring along, set up as their own guides do, on the same Postgres.

They hold the same chunks, are asked the same, and are told by a filter which collections the asker may read, as their
guides keep what belongs to several people apart; what they give back is read with its text, as ours is.

langchain-postgres asks for an older pgvector than ours, of which it uses nothing here; so it cannot be locked beside
it, and is fetched by its hash into a folder of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.db import connection

DEPTH = 50
LANGCHAIN = "langchain-postgres==0.0.19 --hash=sha256:e23e7949bd9b6d210393665c20162e3330ceca0a238d2a50f12d4aedb8ecbfe0"
GRAPH = {"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_ef_search": 40, "hnsw_dist_method": "vector_cosine_ops"}


class Stored(NamedTuple):
    """Chunks, numbered from 1, and who may read them."""

    texts: Sequence[str]
    vectors: np.ndarray
    collections: Sequence[str]  # of each chunk
    readable: list[str]


def address(driver: str) -> str:
    where = connection.settings_dict
    return f"postgresql+{driver}://{where['USER']}:{where['PASSWORD']}@/{where['NAME']}?host={where['HOST']}"


def size(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("SELECT pg_total_relation_size(%s)", [table])
        return cursor.fetchone()[0]


def langchain(folder: Path, stored: Stored) -> tuple[Callable, float, int]:
    """Its search, the seconds its indexes took and the bytes it takes."""
    place = folder / "langchain-postgres"
    if not place.exists():
        wanted = folder / "langchain-postgres.txt"
        wanted.write_text(LANGCHAIN)
        fetch = ["uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", place, "-r", wanted]
        subprocess.run([Path(sys.executable).parent / fetch[0], *fetch[1:]], check=True)
    sys.path.append(str(place))
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_postgres import Column, PGEngine, PGVectorStore
    from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig, reciprocal_rank_fusion
    from langchain_postgres.v2.indexes import HNSWIndex

    def config(question: str = "") -> HybridSearchConfig:
        return HybridSearchConfig(
            tsv_column="content_tsv",
            fts_query=question,
            fusion_function=reciprocal_rank_fusion,
            primary_top_k=DEPTH,
            secondary_top_k=DEPTH,
        )

    engine = PGEngine.from_connection_string(address("asyncpg"))
    engine.init_vectorstore_table(
        "peer_langchain",
        384,
        metadata_columns=[Column("collection", "VARCHAR")],
        overwrite_existing=True,
        hybrid_search_config=config(),
    )
    model = DeterministicFakeEmbedding(size=384)  # Not asked: the vectors are given.
    kept = {"metadata_columns": ["collection"], "hybrid_search_config": config()}
    store = PGVectorStore.create_sync(engine, model, "peer_langchain", **kept)
    facts = [{"number": number, "collection": each} for number, each in enumerate(stored.collections, 1)]
    for first in range(0, len(facts), 1_000):
        part = slice(first, first + 1_000)
        store.add_embeddings(stored.texts[part], stored.vectors[part].tolist(), facts[part])
    begun = time.monotonic()
    store.apply_vector_index(HNSWIndex())
    store.apply_hybrid_search_index()
    took = time.monotonic() - begun

    def search(question: str, vector: np.ndarray) -> list[int]:
        found = store.similarity_search_with_score_by_vector(
            vector.tolist(),
            k=10,
            filter={"collection": {"$in": stored.readable}},
            hybrid_search_config=config(question),
        )
        return [document.metadata["number"] for document, _ in found]

    return search, took, size("peer_langchain")


def worded(asked: Sequence[tuple[str, np.ndarray]]) -> int:
    """For how many questions LangChain's leg by words, which joins them with AND, finds anything at all."""
    wanted = "SELECT EXISTS (SELECT FROM peer_langchain WHERE content_tsv @@ plainto_tsquery('english', %s))"
    with connection.cursor() as cursor:
        return sum(cursor.execute(wanted, [question]).fetchone()[0] for question, _ in asked)


def llama_index(stored: Stored) -> tuple[Callable, float, int]:
    """Its search, the seconds it took to add to its live indexes, which it makes first, and the bytes it takes."""
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import (
        FilterOperator,
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
    )
    from llama_index.vector_stores.postgres import PGVectorStore

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS data_peer_llama_index")
    store = PGVectorStore.from_params(
        connection_string=address("psycopg2"),
        async_connection_string=address("asyncpg"),
        table_name="peer_llama_index",
        embed_dim=384,
        hybrid_search=True,
        text_search_config="english",
        hnsw_kwargs=dict(GRAPH),
    )
    begun = time.monotonic()
    for first in range(0, len(stored.texts), 1_000):
        rows = zip(*(each[first : first + 1_000] for each in stored[:3]), strict=True)
        store.add(
            [
                TextNode(id_=str(number), text=text, embedding=vector.tolist(), metadata={"collection": collection})
                for number, (text, vector, collection) in enumerate(rows, start=first + 1)
            ]
        )
    took = time.monotonic() - begun
    may_read = MetadataFilter(key="collection", value=stored.readable, operator=FilterOperator.IN)

    def search(question: str, vector: np.ndarray) -> list[int]:
        asked = VectorStoreQuery(
            query_embedding=vector.tolist(),
            query_str=question,
            similarity_top_k=10,
            sparse_top_k=10,
            mode=VectorStoreQueryMode.HYBRID,
            filters=MetadataFilters(filters=[may_read]),
        )
        return [int(number) for number in store.query(asked).ids]

    return search, took, size("data_peer_llama_index")
