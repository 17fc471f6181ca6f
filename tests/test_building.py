"""What can go wrong while a version is built: in the queue, with a single document, with the one that is searched."""

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from documents import intake
from documents.embeddings import EmbeddingBusy
from documents.indexes import default_index, versions
from documents.ingestion import building, indexing, ingest
from documents.ingestion.building import build_next, due, missing
from documents.ingestion.indexing import Indexing
from documents.ingestion.job import Job
from documents.models import Attempt, Chunk, Document, Holding, Index, IndexVersion, State
from documents.search import SearchUnavailable
from documents.tasks import build, clean_up, take_away
from project.celery import app
from tests.library import add, shared_collection, upload
from tests.test_index_versions import LONG, built, found

pytestmark = pytest.mark.django_db
Of = IndexVersion.State


@pytest.fixture
def index(alice) -> Index:
    """An index with three documents in it."""
    for name in ("a.md", "b.md", "c.md"):
        add(alice, f"# House {name}\n\nThe rent of house {name} is due in May.\n".encode(), name)
    return default_index()


# The queue -----------------------------------------------------------------------------------------------------------
def messages() -> list[list[str]]:
    """What waits in the queue for whoever builds."""
    with app.connection_for_read() as broker:
        waiting = broker.default_channel.client.lrange(app.conf.task_default_queue, 0, -1)
    read = [json.loads(message) for message in waiting]
    mine = [message for message in read if message["headers"]["task"] == "documents.tasks.build"]
    return [json.loads(base64.b64decode(message["body"]))[0] for message in mine]


def test_between_two_turns_the_sweep_sends_no_second_message(index, settings):
    settings.TURN_SECONDS = 0
    versions.rebuild(index, chunk_tokens=60)
    versions.sweep()
    assert len(messages()) == 1
    build(*messages()[-1])
    versions.sweep()
    assert len(messages()) == 2  # The one that was answered, and the next.


def test_of_two_messages_for_one_turn_one_alone_is_answered(index, settings):
    settings.TURN_SECONDS = 0
    version = versions.rebuild(index, chunk_tokens=60)
    IndexVersion.objects.update(queued_until=timezone.now() - timedelta(seconds=1))
    versions.sweep()
    first, second = messages()
    assert first == second
    build(*first)
    build(*second)
    assert len(messages()) == 3
    assert version.holdings.count() == 1


def test_who_asks_for_a_version_while_it_waits_for_its_turn_begins_no_second_chain(index, settings):
    settings.TURN_SECONDS = 0
    version = versions.rebuild(index, chunk_tokens=60)
    for _ in range(3):
        build(str(version.pk))
    assert len(messages()) == 1


def test_a_message_that_was_lost_is_sent_again(index):
    version = versions.rebuild(index, chunk_tokens=60)
    IndexVersion.objects.filter(pk=version.pk).update(queued_until=timezone.now() - timedelta(seconds=1))
    versions.sweep()
    assert len(messages()) == 2


# A document that cannot be brought in --------------------------------------------------------------------------------
def spoil(monkeypatch, name: str, fault: BaseException) -> None:
    """From now on no vector comes of this document."""
    vectors = Indexing.vectors

    def of_all_others(work, *batch):
        if work.document.name == name:
            raise fault
        return vectors(work, *batch)

    monkeypatch.setattr(Indexing, "vectors", of_all_others)


def later(version: IndexVersion) -> None:
    """The time until the next try goes by."""
    version.holdings.update(not_before=timezone.now() - timedelta(seconds=1))
    IndexVersion.objects.filter(pk=version.pk).update(not_before=None, lease_until=None)
    build_next(version, 60)
    version.refresh_from_db()


@pytest.mark.parametrize("name", ["a.md", "b.md", "c.md"])
def test_a_document_that_fails_keeps_no_other_out(index, monkeypatch, name):
    spoil(monkeypatch, name, ValueError("a fault of ours"))
    version = built(index, chunk_tokens=60)
    assert [document.name for document in missing(version)] == [name]
    assert version.state == Of.BUILDING and not due(version).exists()


def test_a_version_that_lacks_a_document_for_good_says_which_and_why_and_can_try_again(index, monkeypatch):
    with monkeypatch.context() as patch:
        spoil(patch, "b.md", ValueError("a fault of ours"))
        version = built(index, chunk_tokens=60)
        later(version)
        assert version.state == Of.BUILDING
        later(version)
    assert version.state == Of.FAILED
    assert version.error == f"1 document could not be brought in. “b.md”: {building.FAULT}"
    versions.resume(version)
    assert not build_next(version, 60)
    version.refresh_from_db()
    assert (version.state, version.error) == (Of.READY, "")
    assert not Holding.objects.exclude(error="").exists()


def test_what_the_service_refuses_of_one_document_is_said_at_once(index, monkeypatch):
    spoil(monkeypatch, "b.md", SearchUnavailable("The search service refused a passage (status 400)."))
    version = built(index, chunk_tokens=60)
    assert (version.state, version.error) == (
        Of.FAILED,
        "1 document could not be brought in. “b.md”: The search service refused a passage (status 400).",
    )


def test_a_document_that_fails_in_the_version_in_use_is_tried_again_by_itself(index, monkeypatch):
    version = built(index, chunk_tokens=60)
    with monkeypatch.context() as patch:
        spoil(patch, "b.md", ValueError("a fault of ours"))
        version.holdings.all().delete()
        for _ in range(5):
            later(version)
        assert version.state == Of.READY and "“b.md”" in version.error
        assert [document.name for document in missing(version)] == ["b.md"]
    later(version)
    assert version.error == "" and not missing(version).exists()


def test_what_is_uploaded_meanwhile_does_not_wait_for_a_document_that_fails(index, alice, monkeypatch):
    version = built(index, chunk_tokens=60)
    spoil(monkeypatch, "b.md", ValueError("a fault of ours"))
    version.holdings.all().delete()
    build_next(version, 60)
    add(alice, b"The boathouse is locked.", "boat.txt")
    build_next(version, 60)
    assert [document.name for document in missing(version)] == ["b.md"]


def test_an_index_that_never_shows_all_of_a_document_is_told(index, monkeypatch):
    version = versions.rebuild(index, chunk_tokens=60)
    add_entries = type(version.backend).add
    with monkeypatch.context() as patch:
        patch.setattr(
            type(version.backend),
            "add",
            lambda backend, entries: add_entries(backend, [one for one in entries if "b.md" not in one.text]),
        )
        for _ in range(3):
            later(version)
    assert version.state == Of.FAILED
    assert version.error == "1 document could not be brought in. “b.md”: The index shows 0 of 1 passages."
    versions.resume(version)
    later(version)
    assert version.state == Of.READY


def test_a_document_that_kills_its_worker_is_left_out_after_some_times(index, monkeypatch):
    version = versions.rebuild(index, chunk_tokens=60)
    spoil(monkeypatch, "b.md", KeyboardInterrupt())
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            later(version)
    later(version)
    assert version.state == Of.FAILED
    assert version.error == f"1 document could not be brought in. “b.md”: {building.KILLED}"


def test_a_service_that_is_busy_leaves_no_document_out(index, monkeypatch):
    version = versions.rebuild(index, chunk_tokens=60)
    with monkeypatch.context() as patch:
        spoil(patch, "b.md", EmbeddingBusy("The service is busy."))
        for _ in range(5):
            later(version)
    assert (version.state, version.error) == (Of.BUILDING, "The service is busy.")
    later(version)
    assert version.state == Of.READY


def test_when_none_can_be_brought_in_it_is_not_the_documents(index, monkeypatch):
    monkeypatch.setattr(building, "STUCK", 2)
    monkeypatch.setattr(Indexing, "vectors", lambda work, batch: 1 / 0)
    version = built(index, chunk_tokens=60)
    assert version.state == Of.FAILED and version.holdings.count() == 2
    assert version.error.startswith("2 documents could not be brought in. “")


# A long document -----------------------------------------------------------------------------------------------------
def test_a_long_document_is_cut_in_steps_that_are_kept(alice, monkeypatch):
    monkeypatch.setattr(indexing, "CHUNKS_AT_ONCE", 1)
    monkeypatch.setattr(indexing, "PAGES_AT_ONCE", 1)
    add(alice, b"".join(b"Sheet %d, of the rent.\n\f" % number for number in range(6)), "long.txt")
    document = Document.objects.get()
    pages = document.page_count
    assert pages > 3
    index = default_index()
    whole = list(Chunk.objects.order_by("ordinal").values_list("ordinal", "page__number", "start", "end", "section"))
    version = versions.rebuild(index)
    counts = []
    while build_next(version, 0):
        counts.append(version.chunks.count())
    assert counts[:3] == [1, 2, 3]
    cut = version.chunks.order_by("ordinal")
    assert list(cut.values_list("ordinal", "page__number", "start", "end", "section")) == whole
    version.refresh_from_db()
    assert version.state == Of.READY


def test_a_document_that_is_read_while_its_version_is_swapped_and_dropped_goes_into_the_other(alice, monkeypatch):
    add(alice)
    index = default_index()
    first, second = index.live, built(index, chunk_tokens=60, chunk_overlap=0)
    vectors, once = Job._vectors, []

    def drop_meanwhile(job, batch):
        if not once:
            once.append(1)
            versions.swap(second)
            IndexVersion.objects.filter(pk=first.pk).update(retired_at=timezone.now() - timedelta(hours=1))
            versions.drop(first)
            take_away(str(first.pk))
        return vectors(job, batch)

    monkeypatch.setattr(Job, "_vectors", drop_meanwhile)
    document = upload(alice, LONG.encode(), "long.md")
    ingest(document)
    document.refresh_from_db()
    assert document.state == State.READY
    assert set(document.chunks.values_list("index_version", flat=True)) == {second.pk}
    assert [attempt.outcome for attempt in document.attempts.all()] == [Attempt.Outcome.DONE]
    assert "flat 12" in " ".join(found(alice, "rent of flat 12"))


def test_what_is_missing_is_looked_up_document_by_document_whatever_the_statistics_say(index):
    """A join with the holdings went through all of them for each document, where the planner knew of few."""
    version = versions.rebuild(index, chunk_tokens=60)
    for rows in (missing(version), due(version)):
        plan = rows.explain()
        assert "Anti Join" not in plan and "SubPlan" in plan


# How far it is -------------------------------------------------------------------------------------------------------
def test_a_document_that_moves_counts_once(index, alice, bob):
    version = built(index, chunk_tokens=60)
    intake.move(Document.objects.get(name="a.md"), shared_collection(alice, bob))
    progress = versions.progress(version)
    assert (progress.documents, progress.documents_done) == (3, 2)


def test_the_share_does_not_hang_on_the_size_of_the_chunks(alice):
    """Two documents of one length: half is done when one of them is, though it makes many more chunks now."""
    add(alice, LONG.encode(), "a.md")
    add(alice, LONG.replace("rent", "cost").encode(), "b.md")
    version = versions.rebuild(default_index(), chunk_tokens=50, chunk_overlap=0)
    while version.holdings.exclude(finished_at=None).count() < 1:
        build_next(version, 0)
        share = versions.progress(version).share
        assert share <= 0.5
    assert share == 0.5
    Document.objects.filter(name="a.md").update(deleted_at=timezone.now())
    clean_up(str(Document.objects.get(name="a.md").pk))
    assert versions.progress(version).documents == 1
