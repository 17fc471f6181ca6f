"""A file is taken in once, under our own name, or refused with one clear sentence."""

import threading

import pytest
from django.db import connection

from documents import intake
from documents.indexes import private_collection
from documents.intake import UploadRefused
from documents.models import Collection, Document, State, display_name
from tests.library import RENT, add, shared_collection, upload

pytestmark = pytest.mark.django_db


def test_the_file_lies_under_our_own_id(alice):
    document = upload(alice, name="../../etc/passwd.md")
    assert document.path.read_bytes() == RENT
    assert document.name == "passwd.md"
    assert str(document.pk) in str(document.path) and "passwd" not in str(document.path)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("C:\\Users\\a\\b.pdf", "b.pdf"),
        ("re\u202eport.pdf", "report.pdf"),
        ("\x00\x01", "document"),
        ("", "document"),
        ("...", "document"),
        ("a" * 300 + ".pdf", "a" * 196 + ".pdf"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_a_name_is_shown_without_tricks(given, shown):
    assert display_name(given) == shown


def test_the_same_bytes_again_are_the_same_document(alice):
    first = upload(alice)
    stored = set(first.path.parent.parent.rglob("*-*"))
    second, is_new = intake.accept([RENT], "other name.md", alice, first.collection)
    assert (second.pk, is_new) == (first.pk, False)
    assert set(first.path.parent.parent.rglob("*-*")) == stored


def test_the_same_bytes_in_another_collection_are_another_document(alice):
    assert upload(alice).pk != upload(alice, collection=shared_collection(alice)).pk


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_give_one_document(alice):
    collection = private_collection(alice)
    found = []

    def send() -> None:
        found.append(intake.accept([RENT], "rules.md", alice, collection)[0].pk)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert Document.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_versions_sent_at_once_get_numbers_of_their_own(alice):
    collection = private_collection(alice)
    contents = [RENT + b"Copy %d.\n" % number for number in range(6)]

    def send(content: bytes) -> None:
        intake.accept([content], "rules.md", alice, collection)
        connection.close()

    threads = [threading.Thread(target=send, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Document.objects.values_list("version", flat=True)) == [1, 2, 3, 4, 5, 6]


def test_a_collection_deleted_meanwhile_takes_nothing_in(alice):
    collection = shared_collection(alice)
    Collection.objects.filter(pk=collection.pk).delete()
    with pytest.raises(UploadRefused, match="gone"):
        upload(alice, collection=collection)


def test_an_archive_packed_in_an_odd_way_is_refused(alice, tmp_path):
    import zipfile

    packed = tmp_path / "odd.docx"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>" * 50)
    content = bytearray(packed.read_bytes())
    for place in range(40, len(content) - 30, 7):
        broken = bytes(content[:place]) + bytes([content[place] ^ 0xFF]) + bytes(content[place + 1 :])
        with pytest.raises(UploadRefused):
            upload(alice, broken, "odd.docx")


def test_a_failed_file_is_tried_again_when_it_comes_again(alice):
    document = upload(alice)
    Document.objects.update(state=State.FAILED, error={"code": "x", "reason": "x", "advice": "x"})
    again, is_new = intake.accept([RENT], "rules.md", alice, document.collection)
    assert (again.pk, is_new, again.state, again.error) == (document.pk, False, State.QUEUED, None)


def test_other_bytes_under_the_same_name_are_the_next_version(alice):
    first = add(alice)
    second = add(alice, RENT.replace(b"third", b"fifth"))
    first.refresh_from_db()
    assert (second.version, second.replaces_id) == (2, first.pk)
    assert first.superseded_at and list(Document.objects.for_user(alice).current()) == [second]


def test_the_newest_version_wins_whichever_is_read_first(alice):
    from documents.ingestion import ingest

    first = add(alice)
    second = upload(alice, RENT.replace(b"third", b"fifth"))
    third = upload(alice, RENT.replace(b"third", b"tenth"))
    ingest(third)
    ingest(second)
    assert list(Document.objects.for_user(alice).current()) == [third]
    backend = first.collection.index.live_version.backend
    assert [backend.count(one.pk, 1) for one in (first, second)] == [0, 0]


def test_deleting_a_document_deletes_its_earlier_versions(alice):
    add(alice)
    second = add(alice, RENT.replace(b"third", b"fifth"))
    intake.delete(second)
    assert not Document.objects.for_user(alice).exists()


def test_the_old_version_is_found_until_the_new_one_is_ready(alice):
    first = add(alice)
    upload(alice, RENT.replace(b"third", b"fifth"))
    first.refresh_from_db()
    assert first.is_findable


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "empty.pdf", "empty"),
        (b"\x7fELF\x00\x00\x01", "program.pdf", None),
        (b"\x89PNG\r\n\x1a\n\x00", "a.txt", None),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(alice, content, name, code):
    with pytest.raises(UploadRefused) as refusal:
        upload(alice, content, name)
    assert code in {None, refusal.value.code}
    assert refusal.value.reason.endswith(".") and refusal.value.advice.endswith(".")
    assert not Document.objects.exists()


def test_nothing_is_left_of_a_refused_file(alice, settings):
    with pytest.raises(UploadRefused):
        upload(alice, b"\x7fELF\x00\x00\x01", "program.bin")
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file() and b"ELF" in path.read_bytes()[:4]] == []


def test_too_large_a_file_is_refused_before_it_is_all_there(alice, settings):
    settings.UPLOAD_MAX_BYTES = 1_000_000
    read = []

    def pieces():
        for number in range(100):
            read.append(number)
            yield b"x" * 100_000

    with pytest.raises(UploadRefused, match="larger than 1 MB"):
        intake.accept(pieces(), "a.txt", alice, private_collection(alice))
    assert len(read) == 11


def test_a_quota_is_kept(alice, settings):
    settings.QUOTA_BYTES = len(RENT) + 10
    upload(alice)
    with pytest.raises(UploadRefused, match="used up"):
        upload(alice, RENT + b"more")


@pytest.fixture
def queue_gone():
    """The broker does not answer; afterwards it does again."""
    from project.celery import app

    def connect_to(address: str) -> None:
        app.conf.broker_url = app.conf.broker_write_url = address
        app._pool = app.amqp._producer_pool = None

    address = app.conf.broker_url
    connect_to("redis+socket:///nowhere/r.sock")
    yield
    connect_to(address)


def test_the_file_is_accepted_while_the_queue_is_gone(alice, queue_gone, django_capture_on_commit_callbacks, caplog):
    with django_capture_on_commit_callbacks(execute=True):
        document = upload(alice)
    assert document.state == State.QUEUED
    assert "the sweep will send" in caplog.text


def test_a_deleted_document_leaves_nothing_but_its_name(alice, django_capture_on_commit_callbacks):
    from documents.tasks import clean_up

    document = add(alice)
    intake.delete(document)
    clean_up(str(document.pk))
    assert not document.path.exists()
    assert not document.pages.exists() and not document.chunks.exists()
    assert document.collection.index.live_version.backend.count(document.pk, 1) == 0


def test_a_deleted_document_can_be_uploaded_again(alice):
    document = upload(alice)
    intake.delete(document)
    assert upload(alice).pk != document.pk
