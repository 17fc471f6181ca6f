"""What does not agree is found, named and mended."""

import os
import time
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command
from django.utils import timezone

from documents import intake
from documents.consistency import faults
from documents.ingestion import ingest
from documents.ingestion.building import build_next
from documents.models import Attempt, Chunk, Document, IndexVersion, Page, State
from documents.search import Entry, SearchBusy
from documents.tasks import clean_up
from tests.library import RENT, add, upload
from tests.test_backends import new_version, serving

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    return [fault.kind for fault in faults()]


def mended() -> list[str]:
    """What is found, after which it is mended: the documents that are read again, or built again, for it are."""
    found = list(faults())
    for fault in found:
        fault.repair()
    for document in Document.objects.under_way():
        ingest(document)
    for version in IndexVersion.objects.kept():
        build_next(version, 60)
    return [fault.kind for fault in found]


def test_nothing_is_found_where_all_is_well(alice):
    add(alice)
    add(alice, RENT.replace(b"third", b"fifth"))
    assert kinds() == []


def test_the_command_says_so(alice, capsys):
    add(alice)
    call_command("check_consistency")
    assert capsys.readouterr().out == "Everything agrees.\n"


def test_the_command_ends_with_one_where_something_is_wrong(alice, capsys):
    add(alice).path.unlink()
    with pytest.raises(SystemExit, match="1"):
        call_command("check_consistency", "--repair")
    assert "row without file" in capsys.readouterr().out
    call_command("check_consistency")


def lose_the_file(document):
    document.path.unlink()


def spoil_the_file(document):
    document.path.write_bytes(RENT.replace(b"third", b"fifth"))


def leave_a_file(document):
    stray = document.path.with_name("11111111-1111-4111-8111-111111111111")
    stray.write_bytes(b"left")
    os.utime(stray, (time.time() - 7_200,) * 2)


def lose_a_chunk(document):
    Chunk.objects.filter(document=document).first().delete()


def lose_a_page(document):
    Page.objects.filter(document=document).delete()


def empty_the_index(document):
    document.collection.index.live_version.backend.remove(document.pk)


def leave_an_old_page(document):
    Page.objects.create(document=document, generation=7, number=1, text="old")
    Document.objects.filter(pk=document.pk).update(finished_at=timezone.now() - timedelta(hours=1))


def leave_an_index(document):
    new_version(document.collection.index, "pgvector").delete()


def forget_the_row(document):
    Document.objects.filter(pk=document.pk).update(deleted_at=timezone.now(), cleaned_at=timezone.now())


def forget_to_clean(document):
    Document.objects.filter(pk=document.pk).update(deleted_at=timezone.now() - timedelta(hours=1))
    document.collection.index.live_version.backend.remove(document.pk)


def leave_a_lease(document):
    Document.objects.filter(pk=document.pk).update(lease_until=timezone.now() + timedelta(hours=1))


def leave_a_dead_lease(document):
    long_ago = timezone.now() - timedelta(hours=1)
    Document.objects.filter(pk=document.pk).update(state=State.EXTRACTING, lease_until=long_ago)


def leave_an_attempt_open(document):
    Attempt.objects.filter(document=document).update(outcome="")


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lose_the_file, "row without file"),
        (spoil_the_file, "wrong checksum"),
        (leave_a_file, "file without row"),
        (lose_a_chunk, "missing or doubled chunks"),
        (lose_a_page, "missing or doubled chunks"),
        (empty_the_index, "missing in the index"),
        (leave_an_old_page, "pages nobody reads"),
        (forget_the_row, "chunks without document"),
        (forget_to_clean, "deleted but not cleaned"),
        (leave_an_index, "index without row"),
        (leave_a_lease, "lease without work"),
        (leave_a_dead_lease, "stale lease"),
        (leave_an_attempt_open, "attempt without end"),
    ],
)
def test_what_is_wrong_is_found_and_mended(alice, spoil, kind):
    spoil(add(alice))
    assert kind in mended()
    left = kinds()
    if spoil is forget_the_row:  # Its file was left too, and is no longer anybody's.
        assert left in ([], ["file without row"])
    else:
        assert left == []


def test_a_lost_file_is_told_and_what_was_read_of_it_stays(alice):
    document = add(alice)
    document.path.unlink()
    mended()
    document.refresh_from_db()
    assert (document.state, document.error["code"], document.generation) == (State.FAILED, "file_lost", 1)


def test_a_document_in_work_is_left_alone(alice):
    document = add(alice)
    intake.retry(document)
    document.claim()
    document.renew(state=State.EXTRACTING)
    Page.objects.create(document=document, generation=document.building, number=1, text="being read")
    assert kinds() == []


def test_an_upload_on_its_way_is_left_alone(alice):
    add(alice).path.with_name("11111111-1111-4111-8111-111111111111").write_bytes(b"coming")
    assert kinds() == []


def test_mending_twice_does_no_harm(alice):
    document = add(alice)
    lose_a_chunk(document)
    mended()
    assert mended() == []
    assert partial(Document.objects.get, pk=document.pk)().state == State.READY


# Indexes -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def service(settings):
    with serving(settings) as service:
        yield service


def test_a_version_that_does_not_answer_is_told_and_the_others_are_looked_at(alice, service, settings, capsys):
    document = add(alice)
    new_version(document.collection.index, "azure")
    empty_the_index(document)
    settings.AZURE_SEARCH_KEY = "another"
    with pytest.raises(SystemExit, match="1"):
        call_command("check_consistency", "--repair")
    said = capsys.readouterr().out
    assert "index does not answer: main 2: The search service refuses the key.\n" in said
    assert "missing in the index" in said and "mended" in said


def test_what_cannot_be_mended_is_said_and_the_rest_is_mended(alice, monkeypatch, capsys):
    document = add(alice)
    forget_the_row(document)
    leave_a_lease(add(alice, RENT + b"More.", "more.md"))
    backend = type(document.collection.index.live_version.backend)

    def busy(*args, **options):
        raise SearchBusy("The search service is busy.")

    monkeypatch.setattr(backend, "remove", busy)
    with pytest.raises(SystemExit, match="1"):
        call_command("check_consistency", "--repair")
    said = capsys.readouterr().out
    assert "1 chunks, not mended: The search service is busy." in said and "more.md”, mended" in said


def test_a_document_that_goes_live_while_its_index_is_read_is_no_fault(alice, monkeypatch):
    document, coming = add(alice), upload(alice, RENT + b"More.", "more.md")
    backend = type(document.collection.index.live_version.backend)
    held, read = backend.held, []

    def go_live_after(self):
        found = held(self)
        if not read:
            ingest(coming)
            intake.retry(document)
            ingest(document)
        read.append(found)
        return found

    monkeypatch.setattr(backend, "held", go_live_after)
    assert kinds() == [] and read


def test_what_a_worker_is_about_to_tidy_is_no_fault(alice):
    document = add(alice)
    version = document.collection.index.live_version
    version.backend.add([Entry(10**9, document.pk, document.collection_id, 7, "old", "en", None)])
    assert kinds() == []
    intake.delete(document)
    assert version.backend.held() and kinds() == []


def test_an_index_at_the_service_that_no_row_names_goes_with_the_repair_and_nobody_elses(alice, service):
    gone, kept = (new_version(add(alice).collection.index, "azure") for _ in range(2))
    service.indexes["another-version-7"] = service.indexes["lectern-version-7-b"] = service.indexes[gone.backend.name]
    gone.backend.publish()
    gone.delete()
    assert mended() == ["index without row"]
    assert set(service.indexes) == {kept.backend.name, "another-version-7", "lectern-version-7-b"}
    assert kinds() == []


def test_a_version_that_is_taken_away_meanwhile_is_no_fault(alice, monkeypatch):
    other = new_version(add(alice).collection.index, "pgvector")
    backend = type(other.backend)
    held = backend.held

    def taken_away(self):
        if IndexVersion.objects.filter(pk=other.pk).exists():
            other.backend.drop()
            IndexVersion.objects.filter(pk=other.pk).delete()
        return held(self)

    monkeypatch.setattr(backend, "held", taken_away)
    assert kinds() == []


def test_an_index_whose_tables_are_gone_is_told(alice, capsys):
    new_version(add(alice).collection.index, "pgvector").backend.drop()
    with pytest.raises(SystemExit, match="1"):
        call_command("check_consistency")
    assert "index does not answer: main 2: Its tables are gone" in capsys.readouterr().out


def test_a_file_that_goes_with_its_document_meanwhile_is_no_fault(alice, monkeypatch):
    document = add(alice)
    path = type(document).path

    def deleted_just_now(row):
        if not Document.objects.filter(pk=row.pk, deleted_at=None).exists():
            return path.fget(row)
        intake.delete(document)
        clean_up(str(document.pk))
        return path.fget(row)

    monkeypatch.setattr(Document, "path", property(deleted_just_now))
    assert kinds() == []
