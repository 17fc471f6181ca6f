"""A library of an earlier Lectern, after an upgrade: it starts, and finds everything again by itself."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from documents.indexes import versions
from documents.ingestion import ingest
from documents.ingestion.building import build_next, missing
from documents.models import Document, Holding, Index, State
from documents.retrieval import retrieve
from tests.library import add

pytestmark = pytest.mark.django_db(transaction=True)

# As they were before words were weighed once.
OLD_TABLES = """
CREATE TABLE search_{0}_document (
    slot int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, document_id uuid NOT NULL, generation int NOT NULL,
    language varchar(2) NOT NULL, chunks int NOT NULL DEFAULT 0, length bigint NOT NULL DEFAULT 0,
    UNIQUE (document_id, generation, language)
);
CREATE TABLE search_{0}_chunk (chunk_id bigint PRIMARY KEY, slot int NOT NULL, length int NOT NULL);
CREATE INDEX search_{0}_chunk_slot ON search_{0}_chunk (slot);
CREATE TABLE search_{0}_word (
    chunk_id bigint NOT NULL, slot int NOT NULL, length int NOT NULL, times smallint NOT NULL,
    lexeme text COLLATE "C" NOT NULL
);
CREATE INDEX search_{0}_word_lexeme ON search_{0}_word (lexeme) INCLUDE (chunk_id, slot, length, times);
CREATE INDEX search_{0}_word_chunk ON search_{0}_word (chunk_id);
CREATE TABLE search_{0}_vector (chunk_id bigint PRIMARY KEY, slot int NOT NULL, embedding halfvec({1}) NOT NULL);
INSERT INTO search_{0}_document (document_id, generation, language, chunks) VALUES (gen_random_uuid(), 1, 'en', 1);
INSERT INTO search_{0}_chunk VALUES (1, 1, 3);
"""


def migrate(name: str | None = None) -> MigrationExecutor:
    """To this migration of the documents, or to the last of all."""
    executor = MigrationExecutor(connection)
    executor.migrate([("documents", name)] if name else executor.loader.graph.leaf_nodes())
    return executor


@pytest.fixture
def before(transactional_db) -> Iterator:
    """The rows of an empty library as they were before there were versions."""
    executor = migrate("0002_receipts_and_turns")
    try:
        yield executor.loader.project_state([("documents", "0002_receipts_and_turns")]).apps
    finally:
        migrate()


def add_old(before, collection, name: str, text: str, **facts) -> UUID:
    """A document of two pages, the second of which has nothing to search for."""
    document = before.get_model("documents", "Document").objects.create(
        id=uuid4(),
        collection=collection,
        owner=collection.owner,
        name=name,
        kind="text",
        sha256=uuid4().hex,
        size=len(text),
        **({"state": "ready", "generation": 1, "building": 1, "page_count": 2, "chunk_count": 2} | facts),
    )
    page_model, chunk_model = before.get_model("documents", "Page"), before.get_model("documents", "Chunk")
    for generation in range(1, document.building + 1):
        for number, words in ((1, text), (2, "   ")):
            page = page_model.objects.create(document=document, generation=generation, number=number, text=words)
            chunk_model.objects.create(
                document=document,
                page=page,
                generation=generation,
                ordinal=number - 1,
                start=0,
                end=len(words),
                is_searched=bool(words.strip()),
            )
    return document.pk


@pytest.fixture
def old(before) -> dict[str, UUID]:
    """Documents as an upgrade may find them: ready, being read again, and found in part already."""
    owner = before.get_model("auth", "User").objects.create(username="alice", password="!")
    index = before.get_model("documents", "Index").objects.create(name="main")
    index.live = before.get_model("documents", "IndexVersion").objects.create(
        index=index, number=1, embedding_model="", dimensions=16
    )
    index.save()
    collection = before.get_model("documents", "Collection").objects.create(
        id=uuid4(), name="Private", owner=owner, index=index, is_private=True
    )
    with connection.cursor() as cursor:
        cursor.execute(OLD_TABLES.format(index.live.pk, 16))
    ready = add_old(before, collection, "ready.txt", "The rent is due in May.")
    at_work = {"state": "embedding", "done": 1, "total": 1, "attempt": 1}
    again = add_old(before, collection, "again.txt", "Pets need a permission.", **at_work, building=2)
    partly = add_old(before, collection, "partly.txt", "The boathouse is locked at nine.", **at_work)
    return {"ready": ready, "again": again, "partly": partly}


def test_what_is_read_again_during_an_upgrade_is_held_as_it_was_and_counted_by_what_is_searched(old):
    migrate("0003_index_versions")
    with connection.cursor() as cursor:
        cursor.execute("SELECT document_id, generation, chunk_count, done FROM documents_holding ORDER BY 1")
        assert cursor.fetchall() == sorted([(old["ready"], 1, 2, 1), (old["again"], 1, 2, 1)])


def test_search_tables_of_an_earlier_shape_are_made_anew_and_filled_by_the_worker(old, caplog):
    migrate()
    index, alice = Index.objects.get(), User.objects.get()
    version = index.live_version
    assert "the worker brings its documents in again" in caplog.text + version.error
    assert retrieve("When is the rent due?", alice) == []
    assert versions.progress(version).documents_done == 0 and missing(version).exists()
    for document in Document.objects.under_way():
        ingest(document)
    while build_next(version, 60):
        pass
    assert {document.state for document in Document.objects.all()} == {State.READY}
    for question, text in (("rent", "The rent is due"), ("pets", "Pets need"), ("boathouse", "The boathouse is")):
        assert retrieve(question, alice)[0].text.startswith(text)
    assert not missing(version).exists() and Holding.objects.count() == 3


def test_search_tables_of_today_are_left_as_they_are(alice):
    add(alice)
    migrate("0006_building_by_turns")
    migrate()
    assert len(retrieve("rent", alice)) == 1 and Holding.objects.exclude(finished_at=None).count() == 1
