"""A file becomes findable exactly once, whatever happens on the way."""

import contextlib
import os
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from documents import intake
from documents.ingestion import ingest, ingest_next
from documents.models import Chunk, Document, LeaseLost, State
from documents.retrieval import retrieve
from documents.tasks import sweep
from tests.library import FILES, RENT, add, covers, upload

pytestmark = pytest.mark.django_db

LONG = b"# Long\n\n" + b"".join(
    b"Paragraph %d says that valve V-%d is closed by crew %d.\n\n" % (n, n, n % 7) for n in range(900)
)


def shape(document: Document) -> list[tuple]:
    rows = Chunk.objects.filter(document=document).order_by("generation", "ordinal")
    return list(rows.values_list("page__number", "start", "end", "section"))


def test_a_file_becomes_findable(alice):
    document = add(alice)
    assert document.state == State.READY
    assert (document.title, document.page_count) == ("House rules", 1)
    assert document.seconds.keys() == {"extracting", "chunking", "embedding", "indexing"}
    assert retrieve("When is the rent due?", alice)[0].document_id == document.pk


def test_the_chunks_of_a_page_are_the_page(alice):
    document = add(alice, LONG, "long.md")
    assert document.chunk_count > 10
    assert covers(document)


def test_running_it_twice_changes_nothing(alice):
    document = add(alice)
    before = shape(document)
    ingest(document)
    assert shape(document) == before
    assert document.collection.index.live_version.backend.count(document.pk, document.generation) == len(before)


def test_two_workers_cannot_hold_one_document(alice):
    document = upload(alice)
    assert document.claim()
    assert not Document.objects.get(pk=document.pk).claim()


def test_a_dead_workers_document_can_be_taken_over(alice):
    document = upload(alice)
    document.claim()
    Document.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert Document.objects.get(pk=document.pk).claim()
    with pytest.raises(LeaseLost):
        document.renew(done=1)


def test_a_file_that_stops_its_worker_is_not_tried_for_ever(alice, settings):
    document = upload(alice)
    Document.objects.update(attempt=settings.INGEST_ATTEMPTS)
    ingest(document)
    document.refresh_from_db()
    assert (document.state, document.error["code"]) == (State.FAILED, "interrupted")


def test_a_canceled_document_is_left_alone(alice):
    document = upload(alice)
    document.claim()
    intake.cancel(Document.objects.get(pk=document.pk))
    with pytest.raises(LeaseLost):
        document.renew(done=1)
    ingest(Document.objects.get(pk=document.pk))
    assert Document.objects.get(pk=document.pk).state == State.CANCELED


def test_a_canceled_document_can_be_read_after_all(alice):
    document = upload(alice)
    intake.cancel(document)
    intake.retry(document)
    ingest(document)
    assert Document.objects.get(pk=document.pk).state == State.READY


def test_reading_again_replaces_the_old_chunks(alice):
    document = add(alice)
    before = shape(document)
    intake.retry(document)
    ingest(document)
    document.refresh_from_db()
    assert shape(document) == before
    assert document.generation == document.building == 2


def test_a_broken_file_fails_with_reason_and_advice(alice):
    document = upload(alice, b"%PDF-1.7\n" + b"nonsense " * 50, "broken.pdf")
    ingest(document)
    document.refresh_from_db()
    assert document.state == State.FAILED
    assert document.error["reason"].endswith(".") and document.error["advice"].endswith(".")


def test_a_file_without_words_is_never_simply_ready(alice):
    from tests.pdfs import pdf

    document = upload(alice, pdf(b""), "blank.pdf")
    ingest(document)
    document.refresh_from_db()
    assert document.state == State.WARNING and document.warnings


def test_the_sweep_sends_what_the_queue_forgot(alice, worker, transactional_db):
    document = upload(alice)  # Its message went out with the commit; suppose the queue was flushed meanwhile.
    Document.objects.update(state=State.QUEUED, lease_until=None, generation=0)
    sweep()
    wait_for(lambda: Document.objects.get(pk=document.pk).state == State.READY, 60)


def wait_for(true, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, list(Document.objects.values("name", "state", "error", "done", "total"))
        time.sleep(0.1)


def workers(data_dir: Path) -> list[int]:
    """The processes of the worker that serves this data folder."""
    found = subprocess.run(["pgrep", "-f", "celery -A project worker"], capture_output=True, text=True, check=False)
    mine = f"LECTERN_DATA={data_dir}".encode()
    return [int(pid) for pid in found.stdout.split() if mine in Path(f"/proc/{pid}/environ").read_bytes()]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_changes_nothing_in_the_end(alice, bob, worker, settings):
    undisturbed = upload(bob, LONG, "long.md")
    wait_for(lambda: Document.objects.get(pk=undisturbed.pk).state == State.READY, 120)
    expected = shape(undisturbed)
    from documents.models import EmbeddingCache

    EmbeddingCache.objects.all().delete()  # The second reading must have as much to do as the first.
    document = upload(alice, LONG, "long.md")
    wait_for(
        lambda: (
            Document.objects.get(pk=document.pk).done > 0
            and Document.objects.get(pk=document.pk).state == State.EMBEDDING
        ),
        60,
    )
    killed = workers(settings.DATA_DIR)
    assert killed
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):  # It may have gone with the one before.
            os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    assert Document.objects.get(pk=document.pk).is_under_way
    Document.objects.filter(pk=document.pk).update(lease_until=timezone.now())  # Instead of waiting a minute for it.
    ingest(Document.objects.get(pk=document.pk))
    document.refresh_from_db()
    outcomes = list(document.attempts.values_list("outcome", flat=True))
    assert (document.state, outcomes) == (State.READY, ["interrupted", "done"])  # The first was really cut off.
    assert shape(document) == expected
    assert document.collection.index.live_version.backend.count(document.pk, document.generation) == len(expected)


@pytest.mark.slow
@pytest.mark.skipif(not FILES.is_dir(), reason="The public reports are not beside this checkout.")
def test_ten_reports_that_are_alike_are_told_apart(alice):
    for path in sorted((FILES / "ntsb").glob("*.pdf")):
        document = add(alice, path.read_bytes(), path.name)
        assert covers(document), path.name
    found = retrieve("What happened to the Cessna near its destination?", alice, top=5)
    assert len({passage.document_id for passage in found}) > 1
    for document in Document.objects.all():
        words = document.pages_live().get(number=1).text[:400]
        assert retrieve(words, alice, top=1)[0].document_id == document.pk, document.name


def test_without_an_embedding_model_words_alone_find_it(alice):
    """As on a machine without the weights: the index has no model, and everything else goes on."""
    from documents.models import Index, IndexVersion

    version = IndexVersion.objects.create(index=Index.objects.create(name="main"), number=1, dimensions=384)
    version.backend.create()
    Index.objects.update(live=version)
    document = add(alice)
    found = retrieve("When is the rent due?", alice)[0]
    assert (document.state, found.document_id) == (State.READY, document.pk)
    assert found.keyword and found.vector is None


# Turns ---------------------------------------------------------------------------------------------------------------
def test_people_take_turns(alice, bob):
    long = b"word " * 2_000
    for number in range(3):
        upload(alice, b"%d " % number + long, f"a{number}.txt")
    upload(bob, b"9 " + long, "b.txt")
    served = []
    while document := Document.objects.claim_next():
        served.append(document.name)
        document.release(state=State.READY)
    assert served == ["a0.txt", "b.txt", "a1.txt", "a2.txt"]


def test_who_has_a_file_in_work_waits_for_who_has_none(alice, bob):
    upload(alice, b"small", "a.txt")
    upload(alice, b"small too", "a2.txt")
    assert Document.objects.claim_next().name == "a.txt"
    upload(bob, b"much larger", "b.txt")
    assert [document.name for document in Document.objects.in_turn()] == ["b.txt", "a2.txt"]


def test_of_one_persons_files_the_small_one_goes_first(alice):
    upload(alice, b"long " * 500, "long.txt")
    upload(alice, b"short", "short.txt")
    assert Document.objects.claim_next().name == "short.txt"


def test_a_long_file_is_laid_aside_for_one_that_waits_and_goes_on_where_it_stopped(alice, bob):
    long = upload(alice, LONG, "long.md")
    upload(bob)
    assert ingest_next(0.0) is False  # Alone in its class: bob's is the smaller one, and short.
    assert Document.objects.get(owner=bob).state == State.READY
    upload(bob, RENT + b"More.", "more.md")
    Document.objects.filter(owner=bob).update(served_at=timezone.now() + timedelta(hours=1))
    assert ingest_next(0.0) is True
    long.refresh_from_db()
    assert (long.state, long.lease_until, long.attempt) == (State.EMBEDDING, None, 0)
    assert 0 < long.done < long.total
    embedded = long.done
    Document.objects.exclude(pk=long.pk).update(state=State.READY)
    assert ingest_next(0.0) is False
    long.refresh_from_db()
    assert (long.state, long.receipt["embedded"]) == (State.READY, long.chunk_count)
    assert long.attempts.count() == 1 and embedded
    assert covers(long)


def test_the_beginning_of_a_first_version_is_found_before_its_end_is_embedded(alice, bob):
    long = upload(alice, LONG, "long.md")
    upload(bob)
    Document.objects.filter(owner=bob).update(served_at=timezone.now() + timedelta(hours=1), size=10**9)
    Document.objects.filter(owner=bob).update(created_at=timezone.now())
    assert ingest_next(0.0) is True
    assert retrieve("valve V-1", alice)[0].document_id == long.pk
    intake.cancel(Document.objects.get(pk=long.pk))
    assert retrieve("valve V-1", alice) == []


# What became of it ---------------------------------------------------------------------------------------------------
def test_the_receipt_counts_every_page(alice):
    document = add(alice, LONG, "long.md")
    receipt = document.receipt
    pages = list(document.pages_live())
    assert receipt["letters"] == sum(len("".join(page.text.split())) for page in pages)
    assert receipt["pages_with_text"] == len(pages) == document.page_count
    assert receipt["embedded"] + receipt["cached"] == document.chunk_count
    assert all(page.receipt["seconds"] >= 0 for page in pages)


def test_the_history_tells_how_each_attempt_ended(alice):
    document = upload(alice, b"%PDF-1.7\n" + b"nonsense " * 50, "broken.pdf")
    ingest(document)
    intake.retry(document)
    ingest(document)
    assert [(one.number, one.outcome, one.stage) for one in document.attempts.all()] == [
        (1, "failed", State.EXTRACTING),
        (2, "failed", State.EXTRACTING),
    ]
    assert document.attempts.first().reason.endswith(".")


def test_words_that_no_reader_sees_are_neither_searched_nor_answered_from(alice):
    document = add(alice)
    page = document.pages_live().get()
    start = page.text.index("Pets")
    page.findings = [[start, len(page.text.rstrip()), "hidden", "white on white"]]
    page.save()
    chunk = Chunk.objects.filter(document=document).get()
    assert "Pets" not in chunk.text and "rent is due" in chunk.text
    assert len(chunk.text) == chunk.end - chunk.start
    Document.objects.update(trusted_at=timezone.now())
    assert "Pets" in Chunk.objects.get(pk=chunk.pk).text


# Mail ----------------------------------------------------------------------------------------------------------------
def mail(*attachments: tuple[str, bytes]) -> bytes:
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ada <ada@example.org>", "bob@example.org", "The pump"
    message.set_content("The pump stands in hall seven.\n")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def test_what_is_attached_to_a_mail_is_a_document_of_its_own(alice):
    document = add(alice, mail(("rules.md", RENT)), "pump.eml")
    [attached] = document.children.all()
    ingest(attached)
    assert retrieve("When is the rent due?", alice)[0].document_id == attached.pk
    assert retrieve("Where does the pump stand?", alice)[0].document_id == document.pk


def test_an_attachment_does_not_replace_a_document_of_its_name(alice):
    mine = add(alice)
    add(alice, mail(("rules.md", RENT.replace(b"third", b"ninth"))), "pump.eml")
    for document in Document.objects.under_way():
        ingest(document)
    mine.refresh_from_db()
    assert mine.superseded_at is None


def test_a_mail_read_again_takes_nothing_in_twice(alice):
    document = add(alice, mail(("rules.md", RENT)), "pump.eml")
    intake.retry(document)
    ingest(document)
    assert document.children.count() == 1


def test_a_mail_takes_what_is_attached_along_when_it_goes(alice):
    document = add(alice, mail(("rules.md", RENT)), "pump.eml")
    intake.delete(document)
    assert not Document.objects.for_user(alice).exists()
