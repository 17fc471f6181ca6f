"""Indexes and the search playground in the console: every act by its form, for staff alone, and written down."""

import json
import time
from datetime import timedelta

import pytest
from celery.signals import before_task_publish
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from chat.models import Conversation, Message
from documents.indexes import comparing, default_index, versions
from documents.ingestion.building import build_next
from documents.models import Collection, EvaluationSet, Index, IndexVersion, VersionComparison
from documents.search import SearchError
from documents.search.azure import AzureSearchBackend
from documents.tasks import compare, take_away
from project.models import AuditEvent
from tests.library import add, shared_collection
from tests.test_backends import serving

pytestmark = pytest.mark.django_db

BOAT = b"# Boathouse\n\nThe boathouse is locked at nine in the evening.\n"
FORM = {"backend_name": "pgvector", "chunk_tokens": "60", "overlap": "0", "languages": ""}


@pytest.fixture
def index(alice) -> Index:
    shared = shared_collection(alice)
    add(alice, collection=shared)
    add(alice, BOAT, "boat.md", shared)
    return default_index()


@pytest.fixture
def page(client, staff):
    """What a staff member's browser shows at an address, or after sending a form there."""
    client.force_login(staff)

    def show(place: str = "", data: dict | None = None, status: int = 200) -> str:
        place = f"/console/{place}"
        response = client.get(place) if data is None else client.post(place, data, follow=True)
        assert response.status_code == status, response.content.decode()
        return response.content.decode()

    return show


def facts(index: Index, **changes: str) -> dict[str, str]:
    return FORM | {"embedding_model": index.live_version.embedding_model} | changes


def finish(index: Index) -> IndexVersion:
    version = index.versions.order_by("-number").first()
    while build_next(version, 60):
        pass
    version.refresh_from_db()
    return version


def events(subject_kind: str = "index") -> list[str]:
    rows = AuditEvent.objects.filter(subject_kind=subject_kind).order_by("pk")
    return [event.action for event in rows]


def live(index: Index) -> int:
    index.refresh_from_db()
    return index.live_version.number


# The list and the page ---------------------------------------------------------------------------------------------
def test_the_list_tells_of_each_index_how_it_stands(page, index):
    Index.objects.create(name="empty")
    text = page("indexes/")
    assert "Holds what the library holds." in text
    assert "No version yet." in text
    assert "all-MiniLM-L6-v2, 384" in text


def test_a_document_that_is_not_in_the_index_yet_is_told(page, index):
    index.live_version.holdings.all()[0].delete()
    assert "1 document is on its way." in page("indexes/")


def test_the_page_of_an_index_without_a_version_says_so(page):
    empty = Index.objects.create(name="empty")
    assert "This index has no version yet." in page(f"indexes/{empty.pk}/")


def test_what_the_index_holds_is_held_against_the_rows(page, index, alice):
    assert "holds exactly what its rows say" in page(f"indexes/{index.pk}/?checked=1")
    index.live_version.backend.remove(alice.documents.get(name="boat.md").pk)
    assert "One thing does not agree." in page(f"indexes/{index.pk}/?checked=1")


def test_the_list_takes_as_many_queries_for_many_documents(page, index, alice, django_assert_max_num_queries):
    with django_assert_max_num_queries(16):
        page("indexes/")


# Building ----------------------------------------------------------------------------------------------------------
def test_nothing_is_built_before_it_is_seen_what_it_takes(page, index):
    text = page(f"indexes/{index.pk}/build/", facts(index, act="preview"))
    assert "What it takes" in text and "nothing leaves this machine" in text
    assert index.versions.count() == 1 and events() == []


@pytest.mark.parametrize("backend", ["pgvector", "azure"])
def test_a_version_is_built_compared_swapped_and_gone_back_to_on_each_backend(page, index, settings, alice, backend):
    with serving(settings) as service:
        place = f"indexes/{index.pk}/"
        page(f"{place}build/", facts(index, act="make", backend_name=backend))
        assert "Version 2 is being built" in page(place)
        assert finish(index).state == IndexVersion.State.READY
        cases = [{"question": "When is the boathouse locked?", "pages": ["boat.md#page=1"]}]
        lines = SimpleUploadedFile("smoke.jsonl", "\n".join(map(json.dumps, cases)).encode())
        page(f"{place}compare/", {"questions": "0", "file": lines})
        comparison = VersionComparison.objects.get()
        comparison.user = alice
        comparison.save()
        compare(str(comparison.pk))
        assert "Version 2 finds as much as version 1" in page(place)
        page(f"{place}versions/2/swap/", {"name": "main"})
        assert live(index) == 2
        assert (backend == "azure") == bool(service.indexes)
        page(f"{place}rollback/", {})
        assert live(index) == 1
        IndexVersion.objects.filter(number=2).update(retired_at=timezone.now() - versions.STILL_ASKED * 2)
        page(f"{place}versions/2/drop/", {"name": "main"})
        take_away(str(index.versions.get(number=2).pk))
        assert index.versions.count() == 1 and not service.indexes
    acts = ["rebuild", "compare", "swap", "rollback", "drop"]
    assert events() == [f"index.{act}" for act in acts]


def test_an_index_goes_from_one_backend_to_the_other_and_back(page, index, settings):
    with serving(settings):
        for number, backend in ((2, "azure"), (3, "pgvector")):
            page(f"indexes/{index.pk}/build/", facts(index, act="make", backend_name=backend))
            finish(index)
            page(f"indexes/{index.pk}/versions/{number}/swap/", {"name": "main"})
            index.refresh_from_db()
            assert index.live_version.backend_name == backend


def test_a_build_is_paused_and_goes_on_where_it_was(page, index):
    place = f"indexes/{index.pk}/versions/2/"
    page(f"indexes/{index.pk}/build/", facts(index, act="make"))
    version = index.versions.get(number=2)
    build_next(version, 0)
    held = version.holdings.count()
    page(f"{place}pause/", {})
    assert build_next(version, 60) is False and version.holdings.count() == held
    assert "Version 2 is paused." in page(f"indexes/{index.pk}/")
    page(f"{place}resume/", {})
    assert finish(index).state == IndexVersion.State.READY
    assert events() == ["index.rebuild", "index.pause", "index.resume"]


def test_a_worker_that_is_at_it_leaves_a_paused_version_at_its_next_step(page, index, monkeypatch):
    from documents.ingestion import building

    page(f"indexes/{index.pk}/build/", facts(index, act="make"))
    version, vectors = index.versions.get(number=2), building.Indexing.vectors

    def pause_meanwhile(work, batch):
        monkeypatch.setattr(building.Indexing, "vectors", vectors)
        versions.pause(version)
        return vectors(work, batch)

    monkeypatch.setattr(building.Indexing, "vectors", pause_meanwhile)
    assert build_next(version, 60) is False
    version.refresh_from_db()
    assert (version.state, version.embedded) == (IndexVersion.State.PAUSED, 0)


def test_pausing_again_and_again_makes_no_document_a_failure(index):
    version = versions.rebuild(index, chunk_tokens=60)
    for _ in range(5):
        build_next(version, 0)
        versions.pause(version)
        versions.resume(version)
        IndexVersion.objects.filter(pk=version.pk).update(turn=0)
    assert finish(index).state == IndexVersion.State.READY


def test_a_cancelled_build_is_taken_away(page, index):
    page(f"indexes/{index.pk}/build/", facts(index, act="make"))
    page(f"indexes/{index.pk}/versions/2/cancel/", {})
    assert index.versions.get(number=2).state == IndexVersion.State.CANCELED
    assert events() == ["index.rebuild", "index.cancel"]


@pytest.mark.parametrize("act", ["swap", "drop"])
def test_without_the_name_nothing_is_swapped_or_dropped(page, index, act):
    versions.rebuild(index, chunk_tokens=60)
    finish(index)
    text = page(f"indexes/{index.pk}/versions/2/{act}/", {"name": "Main"})
    assert "Nothing was done" in text and live(index) == 1
    assert index.versions.get(number=2).state == IndexVersion.State.READY and events() == []


def test_a_second_build_is_refused_with_a_sentence(page, index):
    versions.rebuild(index, chunk_tokens=60)
    assert "is being built already" in page(f"indexes/{index.pk}/build/", facts(index, act="make"), status=400)


def test_a_backend_that_is_not_set_up_is_refused_with_what_to_set(page, index):
    text = page(f"indexes/{index.pk}/build/", facts(index, act="preview", backend_name="azure"), status=400)
    assert "AZURE_SEARCH_ENDPOINT" in text


def test_a_service_that_does_not_answer_is_told_before_anything_is_built(page, index, settings, monkeypatch):
    monkeypatch.setattr(AzureSearchBackend, "search_s", 0.5)
    settings.AZURE_SEARCH_ENDPOINT, settings.AZURE_SEARCH_KEY = "http://127.0.0.1:9", "k"
    text = page(f"indexes/{index.pk}/build/", facts(index, act="preview", backend_name="azure"))
    assert "Nothing can be built until this answers." in text and "Build it beside the live one" not in text


def test_telling_a_service_that_is_away_takes_no_longer_than_a_search(index, settings, monkeypatch):
    settings.AZURE_SEARCH_ENDPOINT, settings.AZURE_SEARCH_KEY = "http://127.0.0.1:9", "k"
    monkeypatch.setattr(AzureSearchBackend, "search_s", 0.2)
    version = IndexVersion(pk=9, number=2, index=index, backend_name="azure", embedding_model="", dimensions=3)
    began = time.monotonic()
    with pytest.raises(SearchError):
        version.backend.publish()
    assert time.monotonic() - began < AzureSearchBackend.write_s / 2


# A new one ---------------------------------------------------------------------------------------------------------
def test_a_new_index_takes_collections_with_it(page, index, alice):
    shared = Collection.objects.get(name="Shared")
    text = page("indexes/new/", facts(index, act="preview", name="second", collections=str(shared.pk)))
    assert "<dd>2</dd>" in text and not Index.objects.filter(name="second").exists()
    page("indexes/new/", facts(index, act="make", name="second", collections=str(shared.pk)))
    second = Index.objects.get(name="second")
    build_next(second.live_version, 60)
    assert second.live_version.holdings.exclude(finished_at=None).count() == 2
    assert events() == ["index.create"]


def test_two_indexes_have_no_name_in_common(page, index):
    assert "already" in page("indexes/new/", facts(index, act="make", name="main"), status=400)


def test_the_services_of_an_index_are_tested(page, index):
    assert "Embedding, this machine" in page(f"indexes/{index.pk}/test/", {})
    assert events() == ["index.test"]


# Comparing ---------------------------------------------------------------------------------------------------------
def test_both_versions_are_asked_the_last_questions(page, index, alice):
    conversation = Conversation.objects.create(owner=alice, title="Rent")
    conversation.messages.create(role=Message.Role.USER, content="When is the rent due?")
    versions.rebuild(index, chunk_tokens=60)
    finish(index)
    page(f"indexes/{index.pk}/compare/", {"questions": "10"})
    assert "are being asked" in page(f"indexes/{index.pk}/")
    compare(str(VersionComparison.objects.get().pk))
    assert "both were asked one of the last questions" in page(f"indexes/{index.pk}/")


def test_a_comparison_whose_message_was_lost_is_sent_again_and_made_once(page, index, alice):
    kept = EvaluationSet.objects.create(name="smoke")
    kept.take("When is the boathouse locked?", pages=["boat.md#page=1"])
    versions.rebuild(index, chunk_tokens=60)
    finish(index)
    page(f"indexes/{index.pk}/compare/", {"questions": "0", "set": str(kept.pk)})
    VersionComparison.objects.update(user=alice, created_at=timezone.now() - timedelta(minutes=5))
    sent: list[tuple] = []

    def note(sender="", body=None, **_):
        sent.append((sender, body[0][0]))

    before_task_publish.connect(note, weak=False)
    try:
        comparing.sweep()
        row = VersionComparison.objects.get()
        assert sent == [("documents.tasks.compare", str(row.pk))]
        VersionComparison.objects.update(seen_at=timezone.now())
        compare(str(row.pk))  # Another worker has it.
        comparing.sweep()
        row.refresh_from_db()
        assert row.finished_at is None and len(sent) == 1
        VersionComparison.objects.update(seen_at=timezone.now() - comparing.SILENT * 2)
        compare(str(row.pk))
        comparing.sweep()
        row.refresh_from_db()
        assert row.finished_at and not row.error and len(sent) == 1
    finally:
        before_task_publish.disconnect(note)


def test_a_comparison_that_nobody_makes_is_given_up_after_a_day(index):
    version = versions.rebuild(index, chunk_tokens=60)
    row = VersionComparison.objects.create(before=index.live_version, after=version, questions=5)
    VersionComparison.objects.update(created_at=timezone.now() - timedelta(days=2))
    comparing.sweep()
    row.refresh_from_db()
    assert row.finished_at and "Ask for it again." in row.error


def test_a_set_that_is_kept_here_is_asked_too(page, index):
    kept = EvaluationSet.objects.create(name="smoke")
    kept.take("When is the boathouse locked?", pages=["boat.md#page=1"])
    versions.rebuild(index, chunk_tokens=60)
    finish(index)
    page(f"indexes/{index.pk}/compare/", {"questions": "0", "set": str(kept.pk)})
    assert [one["name"] for one in VersionComparison.objects.get().sets] == ["smoke"]


def test_what_is_no_set_of_questions_is_refused_by_its_line(page, index):
    versions.rebuild(index, chunk_tokens=60)
    finish(index)
    bad = {"questions": "0", "file": SimpleUploadedFile("bad.jsonl", b"{]\n")}
    assert "line 1: this is not JSON" in page(f"indexes/{index.pk}/compare/", bad, status=400)
    assert not VersionComparison.objects.exists()


def test_without_another_version_there_is_nothing_to_compare(page, index):
    assert "build one first" in page(f"indexes/{index.pk}/compare/", {"questions": "10"})


# Who may -----------------------------------------------------------------------------------------------------------
ACTS = ["build/", "test/", "compare/", "rollback/", *(f"versions/1/{act}/" for act in ("swap", "pause", "drop"))]


@pytest.mark.parametrize("act", ["", *ACTS])
def test_for_others_there_is_nothing_at_these_addresses(client, alice, index, act):
    client.force_login(alice)
    place = f"/console/indexes/{index.pk}/{act}"
    assert {client.get(place).status_code, client.post(place).status_code} <= {404, 405}
    assert AuditEvent.objects.filter(subject_kind="index").count() == 0


@pytest.mark.parametrize("act", ACTS[1:])
def test_an_act_is_a_post(client, staff, index, act):
    client.force_login(staff)
    assert client.get(f"/console/indexes/{index.pk}/{act}").status_code == 405


def test_a_superuser_is_a_user_like_others_without_staff(client, index):
    root = User.objects.create_user("root", is_superuser=True)
    client.force_login(root)
    assert client.get("/console/indexes/").status_code == 404
