"""What is deleted, moved or read again leaves nothing behind, in whichever index it was and however that fares."""

import math
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from documents import intake, tasks
from documents.indexes import default_index, live_version, private_collection, versions
from documents.ingestion import indexing, ingest
from documents.ingestion.building import build_next, missing
from documents.models import Collection, Document, Holding, Index, IndexVersion, Page, State
from documents.search import SearchBusy
from documents.tasks import clean_up
from tests import test_backends
from tests.fake_search import FakeSearch
from tests.library import add, shared_collection, upload
from tests.test_backends import new_version, serving

LONG = "\n\n".join(f"# Rule {n}\n\nThe rent of flat {n} is {n * 7} pounds, due on day {n % 28 + 1}." for n in range(24))

pytestmark = pytest.mark.django_db


def begin(version: IndexVersion) -> None:
    """Work on it until it holds something, though not all."""
    while build_next(version, 0) and not list(version.backend.held()):
        pass


@pytest.fixture
def service(settings) -> Iterator[FakeSearch]:
    with serving(settings) as service:
        yield service


@pytest.fixture
def azure(service, settings) -> FakeSearch:
    """What is read goes to the service."""
    settings.SEARCH_BACKEND = "azure"
    return service


@pytest.fixture
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(indexing, "VECTORS_AT_ONCE", 2)
    monkeypatch.setattr(indexing, "CHUNKS_AT_ONCE", 2)


def places(service: FakeSearch, version: IndexVersion) -> set[str]:
    """The collections under which the service has entries of a version."""
    return {entry["collection_id"] for entry in service.indexes[version.backend.name].stored.values()}


def meanwhile(monkeypatch, act, before: int = 2) -> None:
    """Do it once, in front of the batch of that number."""
    store, batches = indexing.Indexing.store, []

    def stored(work, batch, vectors):
        batches.append(batch)
        if len(batches) == before:
            act()
        store(work, batch, vectors)

    monkeypatch.setattr(indexing.Indexing, "store", stored)


def worked_off(version: IndexVersion) -> None:
    while build_next(version, 60):
        pass
    assert not missing(version).exists()


def stop() -> None:
    raise KeyboardInterrupt


# Moved while it is brought in ----------------------------------------------------------------------------------------
@pytest.mark.usefixtures("small_batches")
def test_a_document_moved_while_it_is_read_lies_in_one_collection_of_a_remote_index(alice, azure, monkeypatch):
    target = shared_collection(alice)
    document = upload(alice, LONG.encode())
    meanwhile(monkeypatch, lambda: intake.move(Document.objects.get(pk=document.pk), target))
    ingest(document)
    worked_off(live_version(target.index))
    assert places(azure, live_version(target.index)) == {str(target.pk)}


@pytest.mark.usefixtures("small_batches")
def test_a_document_moved_between_two_turns_of_reading_lies_in_one_collection(alice, azure, monkeypatch):
    target = shared_collection(alice)
    document = upload(alice, LONG.encode())
    meanwhile(monkeypatch, stop)
    with pytest.raises(KeyboardInterrupt):
        ingest(document)
    intake.move(document, target)
    Document.objects.filter(pk=document.pk).update(lease_until=None)
    ingest(document)
    worked_off(live_version(target.index))
    assert places(azure, live_version(target.index)) == {str(target.pk)}


@pytest.mark.usefixtures("small_batches")
def test_a_document_moved_while_it_is_read_again_lies_in_one_collection(alice, azure, monkeypatch):
    target = shared_collection(alice)
    document = add(alice, LONG.encode())
    intake.retry(document)
    meanwhile(monkeypatch, lambda: intake.move(Document.objects.get(pk=document.pk), target))
    ingest(document)
    worked_off(live_version(target.index))
    assert places(azure, live_version(target.index)) == {str(target.pk)}


@pytest.mark.usefixtures("small_batches")
def test_a_document_moved_while_a_version_is_built_lies_in_one_collection_of_it(alice, service, monkeypatch):
    document, target = add(alice, LONG.encode()), shared_collection(alice)
    version = versions.rebuild(default_index(), backend_name="azure")
    meanwhile(monkeypatch, lambda: intake.move(document, target), before=3)
    begin(version)
    begin(version)
    worked_off(version)
    assert places(service, version) == {str(target.pk)}


# Removed from everywhere ---------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("small_batches")
def test_a_version_that_failed_keeps_nothing_of_a_deleted_document(alice, service, monkeypatch):
    document = add(alice, LONG.encode())
    version = versions.rebuild(default_index(), backend_name="azure")
    begin(version)
    IndexVersion.objects.filter(pk=version.pk).update(state=IndexVersion.State.FAILED)
    assert version.backend.held()
    intake.delete(document)
    clean_up(str(document.pk))
    assert version.backend.held() == [] and not version.holdings.exists()


@pytest.mark.usefixtures("small_batches")
def test_a_version_that_failed_keeps_no_old_generation(alice, service):
    document = add(alice, LONG.encode())
    version = versions.rebuild(default_index(), backend_name="azure")
    begin(version)
    IndexVersion.objects.filter(pk=version.pk).update(state=IndexVersion.State.FAILED)
    intake.retry(document)
    ingest(document)
    assert version.backend.held() == []
    versions.resume(version)
    worked_off(version)
    assert [row[0] for row in version.backend.held()] == [document.pk]


def test_what_a_lagging_index_does_not_show_yet_goes_with_the_document(alice, service):
    version = new_version(Index.objects.create(name="main"), "azure")
    service.delay_s = math.inf
    document = test_backends.add(test_backends.collection("Leases", alice, version.index), "rent")
    intake.delete(document)
    clean_up(str(document.pk))
    service.settle()
    assert version.backend.held() == [] and not document.pages.exists()


def test_an_index_that_refuses_keeps_a_deleted_document_in_no_other(alice, service, monkeypatch):
    document = add(alice)
    live = default_index().live_version
    built = versions.rebuild(default_index(), backend_name="azure")
    worked_off(built)
    intake.delete(document)
    azure_key, service.key = service.key, "another"
    clean_up(str(document.pk))
    document.refresh_from_db()
    assert live.backend.held() == [] and document.cleaned_at is None and not document.path.exists()
    service.key = azure_key
    clean_up(str(document.pk))
    document.refresh_from_db()
    assert built.backend.held() == [] and document.cleaned_at and not document.pages.exists()


def test_an_index_that_is_gone_holds_no_deleted_document_back(alice, azure):
    document = add(alice)
    azure.indexes.clear()
    intake.delete(document)
    clean_up(str(document.pk))
    document.refresh_from_db()
    assert document.cleaned_at and not document.pages.exists()


def test_a_collection_stays_until_its_deleted_documents_have_left_every_index(alice, azure, client):
    place = shared_collection(alice)
    document = add(alice, collection=place)
    intake.delete(document)
    address, act = reverse("collection", args=[place.pk]), {"action": "delete"}
    client.force_login(alice)
    azure_key, azure.key = azure.key, "another"
    shown = client.post(address, act, follow=True).content.decode()
    assert "Try again" in shown and Collection.objects.filter(pk=place.pk).exists()
    azure.key = azure_key
    client.post(address, act)
    assert not Collection.objects.filter(pk=place.pk).exists()
    assert live_version(default_index()).backend.held() == []


# Left behind in another index ----------------------------------------------------------------------------------------
def swept(monkeypatch) -> None:
    """What the sweep sends is done at once, as far as it is the cleaning up."""
    monkeypatch.setattr(tasks, "send", lambda task, *ids: clean_up(*ids) if task == "clean_up" else None)
    tasks.sweep()


def elsewhere(owner) -> Collection:
    other = Index.objects.create(name="other")
    live_version(other)
    return Collection.objects.create(owner=owner, name="Elsewhere", index=other)


def test_a_collection_put_into_another_index_leaves_nothing_in_the_one_before(alice, monkeypatch):
    document, before = add(alice), default_index().live_version
    Collection.objects.filter(pk=private_collection(alice).pk).update(index=elsewhere(alice).index)
    Document.objects.update(finished_at=timezone.now() - timedelta(days=9))
    swept(monkeypatch)
    assert before.backend.held() == []
    worked_off(Index.objects.get(name="other").live_version)
    assert Holding.objects.get().index_version.index.name == "other"
    swept(monkeypatch)
    assert Document.objects.get(pk=document.pk).pages.exists()
    call_command("check_consistency")


@pytest.mark.usefixtures("small_batches")
def test_a_document_that_failed_leaves_nothing_in_the_index_it_was_moved_from(alice, azure, settings, monkeypatch):
    """The service refused the key when it failed, and when it was moved."""
    document, target = upload(alice, LONG.encode()), elsewhere(alice)
    before = live_version(default_index())
    meanwhile(monkeypatch, lambda: setattr(settings, "AZURE_SEARCH_KEY", "another"))
    ingest(document)
    document.refresh_from_db()
    assert (document.state, document.generation) == (State.FAILED, 0)
    intake.move(document, target)
    clean_up(str(document.pk))
    settings.AZURE_SEARCH_KEY = azure.key
    assert before.backend.held()
    Document.objects.update(finished_at=timezone.now() - timedelta(days=9))
    swept(monkeypatch)
    assert before.backend.held() == [] and not Holding.objects.exists() and not Page.objects.exists()


def test_a_version_that_is_being_taken_away_is_not_cleaned_of_single_documents(alice, service):
    document = add(alice)
    version = versions.rebuild(default_index(), backend_name="azure")
    worked_off(version)
    versions.drop(version)
    asked = len(service.requests)
    intake.delete(document)
    clean_up(str(document.pk))
    document.refresh_from_db()
    assert document.cleaned_at and len(service.requests) == asked


def test_the_sweep_sends_no_more_than_the_queue_should_hold(alice, monkeypatch):
    document = add(alice)
    Document.objects.filter(pk=document.pk).update(deleted_at=timezone.now())
    sent: list[str] = []
    monkeypatch.setattr(tasks, "send", lambda task, *ids: sent.append(task))
    monkeypatch.setattr(tasks, "_messages_waiting", lambda: tasks.MESSAGES_MOST)
    tasks.sweep()
    assert "clean_up" not in sent


def test_a_busy_index_is_asked_again_by_the_sweep(alice, monkeypatch):
    document = add(alice)
    backend = type(document.collection.index.live_version.backend)
    remove = backend.remove

    def busy(*args, **options):
        raise SearchBusy("The search service is busy.")

    monkeypatch.setattr(backend, "remove", busy)
    intake.delete(document)
    clean_up(str(document.pk))
    monkeypatch.setattr(backend, "remove", remove)
    assert document.pages.exists()
    swept(monkeypatch)
    assert Document.objects.get(pk=document.pk).cleaned_at and not document.pages.exists()
