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
from tests.library import RENT, add

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
