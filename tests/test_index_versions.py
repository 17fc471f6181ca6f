"""A version is built beside the live one, swapped, gone back to and taken away, while questions and uploads go on."""

import json
import threading
import time

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import close_old_connections, connection

from chat.models import Conversation, Message
from documents import intake
from documents.indexes import default_index, live_version, private_collection, versions
from documents.ingestion import building, ingest
from documents.ingestion.building import build_next, missing
from documents.ingestion.job import Job
from documents.models import Chunk, Collection, Document, Holding, Index, IndexVersion, State
from documents.retrieval import retrieve
from documents.search import SearchUnavailable
from documents.tasks import clean_up, take_away
from tests.library import RENT, add, shared_collection, upload

LONG = "\n\n".join(f"# Rule {n}\n\nThe rent of flat {n} is {n * 7} pounds, due on day {n % 28 + 1}." for n in range(90))

pytestmark = pytest.mark.django_db


def built(index: Index, **changes) -> IndexVersion:
    version = versions.rebuild(index, **changes)
    while build_next(version, 60):
        pass
    version.refresh_from_db()
    return version


@pytest.fixture
def index(alice) -> Index:
    """An index with two documents in it."""
    add(alice)
    add(alice, LONG.encode(), "long.md")
    return default_index()


def found(owner, question: str = "When is the rent due?") -> list[str]:
    return [passage.text for passage in retrieve(question, owner)]


def test_a_version_of_other_chunks_is_built_beside_the_live_one_and_changes_nothing_until_the_swap(index, alice):
    before, live = found(alice), index.live
    version = built(index, chunk_tokens=60, chunk_overlap=0)
    assert (version.state, index.live) == (IndexVersion.State.READY, live)
    assert found(alice) == before
    assert version.chunks.count() > live.chunks.count()
    versions.swap(version)
    assert {chunk.index_version_id for chunk in Chunk.objects.filter(pk__in=ids(alice))} == {version.pk}
    long = Document.objects.get(name="long.md")
    assert long.chunk_count == long.chunks_live().count() == long.holdings.get(index_version=version).chunk_count
    call_command("check_consistency")


def ids(owner) -> list[int]:
    return [passage.chunk_id for passage in retrieve("When is the rent due?", owner)]


def test_going_back_is_a_swap_too_and_nothing_is_missing(index, alice):
    before = found(alice)
    versions.swap(built(index, chunk_tokens=60))
    assert found(alice) != before
    versions.roll_back(index)
    assert found(alice) == before
    versions.roll_back(index)
    add(alice, b"The boathouse is locked at nine.\n", "boat.txt")
    build_next(IndexVersion.objects.get(number=1), 60)
    version, lacking = versions.roll_back(index)
    assert (version.number, lacking) == (1, 0)
    assert "The boathouse is locked at nine." in found(alice, "boathouse")[0]
    call_command("check_consistency")


def test_what_was_uploaded_since_follows_after_going_back(index, alice):
    versions.swap(built(index, chunk_tokens=60))
    add(alice, b"The boathouse is locked at nine.\n", "boat.txt")
    version, lacking = versions.roll_back(index)
    assert lacking == 1
    build_next(version, 60)
    assert missing(version).count() == 0 and "boathouse" in found(alice, "boathouse")[0]


def test_what_changes_while_a_version_is_built_is_in_it(index, alice):
    version = versions.rebuild(index, chunk_tokens=60)
    build_next(version, 60)
    gone = Document.objects.get(name="rules.md")
    intake.delete(gone)
    clean_up(str(gone.pk))
    add(alice, b"The boathouse is locked at nine.\n", "boat.txt")
    add(alice, LONG.replace("pounds", "euros").encode(), "long.md")
    build_next(version, 60)
    versions.swap(version)
    everything = " ".join(found(alice) + found(alice, "boathouse"))
    assert "euros" in everything and "boathouse" in everything
    assert "pounds" not in everything and "third working day" not in everything
    call_command("check_consistency")


def test_a_swap_is_refused_while_a_document_is_missing(index, alice):
    version = built(index, chunk_tokens=60)
    add(alice, b"The boathouse is locked at nine.\n", "boat.txt")
    with pytest.raises(versions.VersionRefused, match="lacks 1 document"):
        versions.swap(version)
    assert Index.objects.get().live_id != version.pk


def test_a_document_that_goes_live_while_versions_swap_is_written_again_for_the_new_one(index, alice, monkeypatch):
    version = built(index, chunk_tokens=60)
    finish = Job.finish

    def swap_first(job):
        monkeypatch.setattr(Job, "finish", finish)
        versions.swap(version)
        finish(job)

    monkeypatch.setattr(Job, "finish", swap_first)
    document = add(alice, b"The boathouse is locked at nine.\n", "boat.txt")
    assert document.state == State.READY
    assert document.holdings.get(index_version=version).finished_at
    assert "boathouse" in found(alice, "boathouse")[0]
    call_command("check_consistency")


def test_a_build_that_is_cut_off_goes_on_behind_the_last_batch(index, alice, monkeypatch):
    version = versions.rebuild(index, chunk_tokens=50, chunk_overlap=0)
    store, stored = building.Indexing.store, []

    def die_at_the_second(work, batch, vectors):
        if len(stored) == 1:
            raise KeyboardInterrupt
        stored.append(len(batch))
        store(work, batch, vectors)

    monkeypatch.setattr(building.Indexing, "store", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        build_next(version, 60)
    done = version.holdings.order_by("-done").values_list("done", flat=True)[0]
    assert done == stored[0]
    monkeypatch.setattr(building.Indexing, "store", store)
    IndexVersion.objects.filter(pk=version.pk).update(lease_until=None)
    build_next(version, 60)
    version.refresh_from_db()
    assert version.state == IndexVersion.State.READY
    assert len(texts_of(version)) >= version.embedded > done
    versions.swap(version)
    call_command("check_consistency")


def texts_of(version: IndexVersion) -> list[str]:
    return [chunk.text for chunk in version.chunks.filter(is_searched=True).select_related("page__document")]


def test_vectors_that_are_known_are_not_computed_again(index):
    version = built(index)
    assert version.chunks.count() == index.live.chunks.count() and version.embedded == 0


def test_two_workers_do_not_build_one_version_at_once(index):
    version = versions.rebuild(index, chunk_tokens=60)
    token = building._claim(version)
    assert token and building._claim(version) is None
    assert build_next(version, 60) is False and not version.holdings.exists()


def test_one_version_at_a_time_is_built(index):
    versions.rebuild(index, chunk_tokens=60)
    with pytest.raises(versions.VersionRefused, match="is being built already"):
        versions.rebuild(index, chunk_tokens=70)


def test_a_cancelled_version_leaves_nothing_behind(index):
    version = versions.rebuild(index, chunk_tokens=60)
    build_next(version, 0)
    assert version.holdings.exists()
    versions.cancel(version)
    assert build_next(version, 60) is False
    take_away(str(version.pk))
    assert not IndexVersion.objects.filter(pk=version.pk).exists()
    assert not Chunk.objects.filter(index_version=version.pk).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE %s", [f"search_{version.pk}_%"])
        assert cursor.fetchone() == (0,)
    call_command("check_consistency")


def test_cancelling_stops_a_build_at_its_next_step(index, monkeypatch):
    version = versions.rebuild(index, chunk_tokens=50)
    vectors = building.Indexing.vectors

    def cancel_meanwhile(work, batch):
        monkeypatch.setattr(building.Indexing, "vectors", vectors)
        versions.cancel(IndexVersion.objects.get(pk=version.pk))
        return vectors(work, batch)

    monkeypatch.setattr(building.Indexing, "vectors", cancel_meanwhile)
    assert build_next(version, 60) is False
    version.refresh_from_db()
    assert version.state == IndexVersion.State.CANCELED and version.embedded == 0


def test_the_live_version_can_be_neither_cancelled_nor_dropped(index):
    for verb in (versions.cancel, versions.drop):
        with pytest.raises(versions.VersionRefused):
            verb(index.live)


def test_a_version_that_was_searched_a_moment_ago_is_not_dropped(index):
    before = index.live
    versions.swap(built(index, chunk_tokens=60))
    with pytest.raises(versions.VersionRefused, match="a moment ago"):
        versions.drop(before)


def test_versions_nobody_went_back_to_are_swept_after_a_week(index):
    before = index.live
    versions.swap(built(index, chunk_tokens=60))
    IndexVersion.objects.filter(pk=before.pk).update(retired_at=before.created_at - versions.KEPT_AFTER_SWAP)
    versions.sweep()
    take_away(str(before.pk))
    assert list(IndexVersion.objects.values_list("number", flat=True)) == [2]


def test_what_only_an_operator_can_mend_stops_a_build_with_a_sentence(index, monkeypatch):
    version = versions.rebuild(index, chunk_tokens=60)
    add_entries = type(version.backend).add

    def refuse(backend, entries):
        raise SearchUnavailable("The search service refused the key.")

    monkeypatch.setattr(type(version.backend), "add", refuse)
    build_next(version, 60)
    version.refresh_from_db()
    assert version.state == IndexVersion.State.FAILED
    assert version.error.endswith("“long.md”, “rules.md”: The search service refused the key.")
    monkeypatch.setattr(type(version.backend), "add", add_entries)
    versions.resume(version)
    build_next(version, 60)
    version.refresh_from_db()
    assert (version.state, version.error) == (IndexVersion.State.READY, "")


def test_a_document_moved_into_a_collection_of_another_index_is_found_there_and_nowhere_else(index, alice):
    other = Index.objects.create(name="other")
    target = Collection.objects.create(name="Elsewhere", owner=alice, index=other)
    document = Document.objects.get(name="rules.md")
    intake.move(document, target)
    versions.sweep()
    build_next(Index.objects.get(name="other").live_version, 60)
    clean_up(str(document.pk))
    document.refresh_from_db()
    assert document.state == State.READY and document.pages.exists()
    assert Holding.objects.get(document=document).index_version == Index.objects.get(name="other").live
    assert [passage.document_id for passage in retrieve("working day", alice, collections=[target.pk])] == [document.pk]
    assert all(version.backend.count(document.pk, document.generation) == 0 for version in index.versions.all())
    versions.sweep()
    call_command("check_consistency")


def test_a_document_read_again_while_the_building_comes_to_it_stays_in_the_index(alice, monkeypatch):
    add(alice)
    index = default_index()
    versions.swap(built(index, chunk_tokens=60))
    add(alice, b"# A\n\nThe attic is dusty.", "a.md")
    second = add(alice, b"# B\n\nThe boathouse is locked at nine.", "b.md")
    version, _ = versions.roll_back(index)
    bring, once = building.Building.bring, []

    def read_again(self, document, ends):
        done = bring(self, document, ends)
        if not once:
            once.append(1)
            intake.retry(second)
            ingest(Document.objects.get(pk=second.pk))
        return done

    monkeypatch.setattr(building.Building, "bring", read_again)
    build_next(version, 60)
    second.refresh_from_db()
    assert missing(version).count() == 0 and version.backend.count(second.pk, second.generation) == 1


def test_the_live_version_is_never_taken_away(index):
    IndexVersion.objects.filter(pk=index.live.pk).update(state=IndexVersion.State.CANCELED)
    take_away(str(index.live.pk))
    assert Index.objects.get().live.state == IndexVersion.State.READY


def test_a_collection_put_into_another_index_is_brought_there(index, alice):
    other = Index.objects.create(name="other")
    private_collection(alice)
    live_version(other)
    Collection.objects.filter(owner=alice).update(index=other)
    build_next(Index.objects.get(name="other").live_version, 60)
    assert "third working day" in " ".join(found(alice))


def test_a_moved_document_is_told_to_every_version(index, alice, bob):
    version = built(index, chunk_tokens=60)
    target = shared_collection(alice, bob)
    intake.move(Document.objects.get(name="rules.md"), target)
    assert missing(version).count() == 1
    build_next(version, 60)
    assert missing(version).count() == 0
    versions.swap(version)
    assert "third working day" in " ".join(found(bob))


def test_what_building_takes_is_said_before(index, settings):
    settings.EMBEDDING_PRICE = 0.5
    local = versions.estimate(index, index.live.embedding_model)
    service = versions.estimate(index, "openai:small")
    assert local.cost is None and service.documents == 2
    assert service.cost == pytest.approx(service.tokens * 0.5 / 1e6)


@pytest.mark.parametrize(
    "changes", [{"backend_name": "elastic"}, {"chunk_tokens": 7}, {"chunk_overlap": 0.9}, {"languages": ["tlh"]}]
)
def test_what_cannot_be_built_is_refused_with_a_sentence(index, changes):
    with pytest.raises(versions.VersionRefused):
        versions.rebuild(index, **changes)
    assert index.versions.count() == 1


def test_the_command_goes_the_whole_way(index, alice, capsys):
    call_command("indexes", "rebuild", "--chunk-tokens", "60", "--languages", "en,de")
    call_command("indexes", "list")
    assert "being built" in capsys.readouterr().out
    with pytest.raises(CommandError, match="not ready"):
        call_command("indexes", "swap")
    build_next(index.versions.get(number=2), 60)
    call_command("indexes", "swap")
    call_command("indexes", "rollback")
    out = capsys.readouterr().out
    assert "main 2 is searched now" in out and "main 1 is searched again" in out
    with pytest.raises(CommandError, match="no index “x”"):
        call_command("indexes", "swap", "--index", "x")


@pytest.mark.django_db(transaction=True)
def test_questions_without_pause_see_no_failure_and_no_mixture_while_versions_swap(alice):
    add(alice)
    add(alice, LONG.encode(), "long.md")
    index = default_index()
    version = built(index, chunk_tokens=60)
    over, seen, failed, mixed = threading.Event(), set(), [], []

    def ask() -> None:
        user = User.objects.get(pk=alice.pk)
        while not over.is_set():
            try:
                chunks = [passage.chunk_id for passage in retrieve("When is the rent of flat 12 due?", user)]
                of = set(Chunk.objects.filter(pk__in=chunks).values_list("index_version", flat=True))
                seen.update(of)
                if len(of) != 1:
                    mixed.append(of)
            except Exception as exc:
                failed.append(exc)
        close_old_connections()
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    slowest = 0.0
    for turn in range(6):
        time.sleep(0.4)
        began = time.monotonic()
        versions.roll_back(Index.objects.get()) if turn % 2 else versions.swap(version)
        slowest = max(slowest, time.monotonic() - began)
    over.set()
    for thread in threads:
        thread.join()
    assert (failed, mixed) == ([], []) and len(seen) == 2
    assert slowest < 1


def test_an_upload_of_the_same_file_while_a_version_is_built_is_not_doubled(index, alice):
    version = versions.rebuild(index, chunk_tokens=60)
    build_next(version, 0)
    again = upload(alice, RENT)
    assert again == Document.objects.get(name="rules.md")
    build_next(version, 60)
    assert version.holdings.count() == 2


def ask(owner, question: str) -> None:
    conversation = Conversation.objects.create(owner=owner, title="x")
    Message.objects.create(conversation=conversation, role=Message.Role.USER, content=question)


def test_both_versions_are_asked_what_people_asked_before_a_swap(index, alice, bob, capsys):
    for question in ("When is the rent due?", "When is the rent due?", "What is the rent of flat 12?"):
        ask(alice, question)
    ask(bob, "Are pets allowed?")
    built(index, chunk_tokens=60, chunk_overlap=0)
    call_command("indexes", "compare", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["questions"] == 3 and 0 < found["overlap"] <= 1
    assert found["after"]["chunks"] > found["before"]["chunks"] and found["before"]["bytes"] > 0
    assert found["before"]["p95_ms"] > 0
    call_command("indexes", "compare")
    assert "of the first ten pages" in capsys.readouterr().out


def test_a_set_tells_whether_the_change_is_for_the_better(index, alice, tmp_path, capsys):
    pages = [{"question": "On which working day is it due?", "truth": "On the third day. [rules.md#page=1]"}]
    asked = tmp_path / "questions.jsonl"
    asked.write_text("\n".join(json.dumps(row) for row in pages))
    version = built(index, embedding_model="")
    call_command("indexes", "compare", "--set", str(asked), "--user", "alice", "--json")
    (one,) = json.loads(capsys.readouterr().out)["sets"]
    assert one["before"]["hit@10"] == one["after"]["hit@10"] == 1.0
    assert retrieve("rent", alice, version=version)[0].vector is None


def test_nothing_is_compared_where_nothing_was_asked(index):
    built(index, chunk_tokens=60)
    with pytest.raises(CommandError, match="Nobody has asked"):
        call_command("indexes", "compare")


@pytest.mark.django_db(transaction=True)
def test_a_swap_and_a_build_of_the_same_version_do_not_wait_for_each_other(alice):
    """Both write documents and versions: in one order."""
    for number in range(12):
        add(alice, f"House {number}: {LONG}".encode(), f"{number}.md")
    index = default_index()
    version = built(index, chunk_tokens=60)
    Holding.objects.filter(index_version=version).update(chunk_count=1)
    failed: list[BaseException] = []

    def build() -> None:
        try:
            for holding in Holding.objects.filter(index_version=version):
                holding.delete()
                build_next(IndexVersion.objects.get(pk=version.pk), 60)
        except BaseException as exc:
            failed.append(exc)
        finally:
            connection.close()

    thread = threading.Thread(target=build)
    thread.start()
    while thread.is_alive():
        try:
            versions.swap(version)
            versions.roll_back(Index.objects.get())
        except versions.VersionRefused:
            time.sleep(0.02)
    thread.join()
    version.refresh_from_db()
    assert failed == [] and version.error == ""
