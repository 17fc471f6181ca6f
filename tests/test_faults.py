"""Faults that really happen: processes killed, services gone, messages lost and doubled. After each of them nothing is
lost, nothing is doubled, and what was accepted reaches its end. `make test-faults` runs these alone."""

import resource
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import pdfs
from tests.stack import Stack, brief, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.slow]

RECOVERY_S = 120  # within which everything goes on after a kill


@pytest.fixture(scope="module")
def lectern():
    with Stack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def _whole_again(request):
    """Each test finds one worker, and leaves behind what agrees."""
    if "lectern" not in request.fixturenames:
        yield
        return
    lectern = request.getfixturevalue("lectern")
    if len(lectern.workers) != 1 or not lectern.workers[0].is_running:
        lectern.kill_worker()
        lectern.start_worker()
    yield
    lectern.is_consistent()


def text(subject: str, paragraphs: int = 3_000) -> bytes:
    """A file that takes a while to embed; no two of them alike."""
    lines = (
        f"Paragraph {n} of {subject} says that valve {subject}-{n} is closed by crew {n % 7}.\n\n"
        for n in range(paragraphs)
    )
    return f"# The valves of {subject}\n\n{''.join(lines)}".encode()


def pages(subject: str, count: int) -> bytes:
    lines = [
        [(50, 700 - 14 * line, 11, f"Page {n} line {line} of {subject}.".encode()) for line in range(3)]
        for n in range(count)
    ]
    return pdfs.pdf(*(pdfs.text(each) for each in lines))


def same_as_undisturbed(lectern: Stack, content: bytes, pk: str) -> None:
    """The chunks are those of a reading that nothing disturbed."""
    collection = f"again {time.monotonic()}"
    files = {"file": ("undisturbed.md", content)}
    other = lectern.call("POST", "/documents", files=files, data={"collection": collection}).json()["id"]
    lectern.ended(other)
    assert lectern.chunks(pk) == lectern.chunks(other)


def test_a_worker_killed_while_it_reads(lectern):
    pk = lectern.upload(pages("reading", 1_500), "reading.pdf")
    lectern.until(pk, lambda document: document["state"] == "extracting" and document["progress"]["done"] > 50)
    lectern.kill_worker()
    lectern.start_worker()
    document = lectern.ended(pk, RECOVERY_S)
    assert (document["state"], document["pages"]) == ("ready", 1_500)
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["interrupted", "done"]
    assert document["attempts"][0]["stage"] == "extracting"


def test_a_worker_killed_while_it_embeds(lectern):
    content = text("embedding")
    pk = lectern.upload(content, "embedding.md")
    before = lectern.until(pk, lambda document: document["state"] == "embedding" and document["progress"]["done"] > 0)
    lectern.kill_worker()
    lectern.start_worker()
    document = lectern.ended(pk, RECOVERY_S)
    assert document["state"] == "ready"
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["interrupted", "done"]
    assert document["receipt"]["embedded"] <= document["chunks"] - before["progress"]["done"] + 64
    same_as_undisturbed(lectern, content, pk)


def test_a_worker_killed_between_the_write_to_the_index_and_its_commit(lectern):
    """The lock that writers of one document share is held, so the worker stands in the middle of its transaction."""
    content = text("indexing")
    with lectern.database() as database:
        pk = lectern.upload(content, "indexing.md")
        database.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [pk])
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 60
        while not database.execute(waits).fetchone()[0]:
            assert time.monotonic() < deadline, brief(lectern.document(pk))
            time.sleep(0.05)
        lectern.kill_worker()
    assert lectern.document(pk)["progress"]["done"] == 0  # Nothing of the batch counts.
    lectern.start_worker()
    assert lectern.ended(pk, RECOVERY_S)["state"] == "ready"
    same_as_undisturbed(lectern, content, pk)


def test_a_worker_killed_between_the_index_and_the_switch(lectern):
    """A new version is in the index, and the old one's row is held, so the switch cannot be committed."""
    old = lectern.upload(text("switching", 20), "switching.md")
    lectern.ended(old)
    with lectern.database() as database:
        new = lectern.upload(text("switching anew", 20), "switching.md")
        database.execute("SELECT 1 FROM documents_document WHERE id = %s FOR UPDATE", [old])
        lectern.until(new, lambda document: document["state"] == "indexing", 60)
        time.sleep(0.5)
        lectern.kill_worker()
        assert {hit["document_id"] for hit in lectern.found("switching")} == {old}
    lectern.start_worker()
    assert lectern.ended(new, RECOVERY_S)["state"] == "ready"
    assert {hit["document_id"] for hit in lectern.found("switching")} == {new}


def test_the_web_killed_right_after_it_said_created(lectern):
    pk = lectern.upload(text("web", 20), "web.md")
    lectern.kill_web()
    lectern.start_web()
    assert lectern.ended(pk, RECOVERY_S)["state"] == "ready"


def test_the_web_killed_in_the_middle_of_uploads_keeps_what_it_accepted(lectern):
    accepted = []

    def send(number: int) -> None:
        try:
            accepted.append(lectern.upload(text(f"upload {number}", 3), f"upload-{number}.md"))
        except Exception:  # The connection of whoever was not answered.
            return

    with ThreadPoolExecutor(4) as senders:
        waiting = [senders.submit(send, number) for number in range(40)]
        while len(accepted) < 8:
            time.sleep(0.01)
        lectern.kill_web()
        for each in waiting:
            each.result()
    lectern.start_web()
    for pk in accepted:
        assert lectern.ended(pk, RECOVERY_S)["state"] == "ready"


def test_the_queue_flushed(lectern):
    lectern.kill_worker()
    waiting = [lectern.upload(text(f"flushed {number}", 3), f"flushed-{number}.md") for number in range(5)]
    lectern.redis.stop()
    for kept in (lectern.data_dir / "redis").rglob("*.aof"):
        kept.unlink()
    for kept in (lectern.data_dir / "redis").rglob("*.rdb"):
        kept.unlink()
    for kept in (lectern.data_dir / "redis").rglob("*.manifest"):
        kept.unlink()
    lectern.redis.start()
    lectern.start_worker()
    for pk in waiting:
        assert lectern.ended(pk, RECOVERY_S)["state"] == "ready"


def test_the_queue_stopped(lectern):
    """Uploads are accepted meanwhile; a search is answered; afterwards everything is read."""
    done = lectern.upload(text("before the queue stopped", 3), "before.md")
    lectern.ended(done)
    wait_for(lectern.is_idle, 60)  # A turn that is in hand takes what is uploaded, with or without a queue.
    lectern.redis.stop()
    pk = lectern.upload(text("stopped", 3), "stopped.md")
    assert lectern.document(pk)["state"] == "queued"
    assert "queue does not answer" in lectern.document(pk)["waits_for"]
    assert {hit["document_id"] for hit in lectern.found("before the queue stopped")} == {done}
    lectern.redis.start()
    assert lectern.ended(pk, RECOVERY_S)["state"] == "ready"


def test_the_database_restarted_while_a_file_is_embedded(lectern):
    content = text("restarted")
    pk = lectern.upload(content, "restarted.md")
    lectern.until(pk, lambda document: document["state"] == "embedding" and document["progress"]["done"] > 0)
    lectern.postgres.stop()
    began = time.monotonic()
    assert lectern.call("GET", f"/documents/{pk}").status_code == 503
    lectern.postgres.start()
    while lectern.call("GET", f"/documents/{pk}").status_code != 200:
        assert time.monotonic() - began < 30
        time.sleep(0.1)
    assert lectern.ended(pk, RECOVERY_S)["state"] == "ready"
    same_as_undisturbed(lectern, content, pk)


def test_the_same_job_delivered_many_times_to_two_workers(lectern):
    lectern.start_worker()
    content = text("twice", 1_000)
    pk = lectern.upload(content, "twice.md")
    for _ in range(20):
        lectern.send("ingest")
        lectern.send("sweep")
    document = lectern.ended(pk)
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["done"]
    same_as_undisturbed(lectern, content, pk)


def test_a_file_that_kills_its_worker_every_time(lectern):
    """Whoever begins to read it dies; after three times it fails with a reason, and others' files are read."""
    held = "SELECT attempt FROM documents_document WHERE name = 'deadly.pdf' AND lease_until > now()"
    with lectern.database() as lock, lectern.database() as database:
        database.autocommit = True
        deadly = lectern.upload(pages("deadly", 10), "deadly.pdf")
        lock.execute(
            "LOCK TABLE documents_page IN SHARE MODE"
        )  # Nothing of it can be stored before its reader is dead.
        for attempt in (1, 2, 3):
            deadline = time.monotonic() + RECOVERY_S
            while database.execute(held).fetchone() != (attempt,):
                assert time.monotonic() < deadline, (brief(lectern.document(deadly)), lectern.last_words())
                lectern.send("sweep")
                time.sleep(0.5)
            lectern.kill_worker()
            lectern.start_worker()
        document = lectern.ended(deadly, RECOVERY_S)
    assert document["error"]["code"] == "interrupted"
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["interrupted"] * 4
    assert lectern.ended(lectern.upload(text("harmless", 3), "harmless.md"))["state"] == "ready"


def test_a_full_disk(lectern):
    """The kernel refuses to write more to the file: a sentence, no row, and reading goes on."""
    done = lectern.upload(text("roomy", 3), "roomy.md")
    lectern.ended(done)
    web = lectern.web.process.pid
    before = len(lectern.call("GET", "/documents").json())
    unlimited = resource.prlimit(web, resource.RLIMIT_FSIZE)
    resource.prlimit(web, resource.RLIMIT_FSIZE, (100_000, unlimited[1]))
    try:
        answer = lectern.call("POST", "/documents", files={"file": ("large.md", text("large", 20_000))})
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
        assert lectern.found("roomy valve")
    finally:
        resource.prlimit(web, resource.RLIMIT_FSIZE, unlimited)
    assert len(lectern.call("GET", "/documents").json()) == before


def test_a_canceled_file_frees_its_worker_within_five_seconds(lectern):
    pk = lectern.upload(text("canceled"), "canceled.md")
    lectern.until(pk, lambda document: document["state"] == "embedding" and document["progress"]["done"] > 0)
    began = time.monotonic()
    assert lectern.call("POST", f"/documents/{pk}/cancel").json()["state"] == "canceled"
    assert pk not in {hit["document_id"] for hit in lectern.found("valve canceled-7")}
    other = lectern.upload(text("next", 1), "next.md")
    assert lectern.until(other, lambda document: document["state"] != "queued", 10)
    assert time.monotonic() - began < 5
    lectern.ended(other)
    lectern.send("clean_up", pk)


def test_a_small_file_does_not_wait_for_another_persons_long_one(lectern):
    lectern.upload(text("long", 20_000), "long.md")
    time.sleep(8)
    began = time.monotonic()
    small = lectern.upload(text("short", 2), "short.md", key=lectern.key_of("bob"))
    key = lectern.key_of("bob")
    while lectern.call("GET", f"/documents/{small}", key=key).json()["state"] not in {"ready", "failed"}:
        assert time.monotonic() - began < 60
        time.sleep(0.2)
    long = next(row for row in lectern.call("GET", "/documents").json() if row["name"] == "long.md")
    assert long["state"] == "embedding"
    assert long["id"] in {
        hit["document_id"] for hit in lectern.found("valve long-3")
    }  # What is embedded so far can be found.
    lectern.call("POST", f"/documents/{long['id']}/cancel")
    lectern.send("clean_up", long["id"])


def test_after_a_kill_everything_goes_on_within_two_minutes():
    """With the settings everybody has, and nothing done by hand: beat alone notices."""
    with Stack(LECTERN_LEASE_SECONDS="60") as lectern:
        pk = lectern.upload(text("untouched"), "untouched.md")
        lectern.until(pk, lambda document: document["state"] == "embedding" and document["progress"]["done"] > 0)
        lectern.kill_worker()
        killed = time.monotonic()
        lectern.start_worker()
        lectern.until(pk, lambda document: len(document["attempts"]) == 2, RECOVERY_S)
        assert time.monotonic() - killed < RECOVERY_S
        lectern.until(pk, lambda document: document["state"] == "ready", 120)
        lectern.is_consistent()
