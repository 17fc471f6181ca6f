"""Many questions: each answered once, kept as soon as it is, within the money, whatever ends in the middle."""

import json
import os
import signal
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone

from chat.batches import working
from chat.batches.asking import Purse
from chat.batches.lines import BadLine, Line, finished, read_lines
from chat.models import Batch, BatchItem
from chat.tasks import work_batch
from documents.models import Document
from project.models import Usage
from tests.fake_openai import FakeOpenAI, Reply
from tests.library import add, shared_collection

pytestmark = pytest.mark.django_db(transaction=True)
RENT, PETS = "When is the rent due?", "Who painted the ceiling of the chapel in Rome?"


DEPLOYMENTS = """
default = "desk"
[connections.here]
kind = "openai"
endpoint = "{}/v1"
key_variable = "A_KEY"
[deployments.desk]
connection = "here"
model = "gpt-test"
[deployments.mute]
connection = "here"
model = "a-model-nobody-knows"
"""
PRICES = {"gpt-test": {"family": "classic", "context_tokens": 128_000, "input_price": 2.5, "output_price": 10}}


@pytest.fixture
def service(settings, tmp_path, monkeypatch):
    """A model at $2.50 and $10 for a million tokens, and another whose price nobody knows."""
    with FakeOpenAI() as fake:
        monkeypatch.setenv("A_KEY", "secret")
        (tmp_path / "deployments.toml").write_text(DEPLOYMENTS.format(fake.url))
        (tmp_path / "prices.json").write_text(json.dumps({"as_of": "2026-11-20", "groups": [{"models": PRICES}]}))
        settings.DEPLOYMENTS_FILE = str(tmp_path / "deployments.toml")
        settings.CATALOGUE_FILE = str(tmp_path / "prices.json")
        yield fake
        assert fake.faults == []


@pytest.fixture
def files(tmp_path):
    """A function that writes questions, and asks them as alice: the exit code, the results, the words."""
    asked, out = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"

    def run(*lines: object, **options: object) -> tuple[int, list[dict]]:
        if lines:
            asked.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        code = 0
        try:
            call_command("ask", file=asked, out=out, user="alice", json=True, **options)
        except SystemExit as exc:
            code = int(exc.code or 0)
        return code, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []

    run.out = out
    return run


def line(key: object, question: str = RENT, **more: object) -> dict:
    return {"id": key, "question": question, **more}


# A file of questions -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "There is no question"),
        (b"{", "Line 1 is not JSON"),
        (b"\xff\xfe", "Line 1 is not JSON"),
        (b"[1]", "Line 1: an object in braces"),
        (b'{"id": "1"}', "“question” is missing"),
        (b'{"question": "Why?"}', "“id” is missing"),
        (b'{"id": "", "question": "Why?"}', "“id” is empty"),
        (b'{"id": true, "question": "Why?"}', "“id” must be text"),
        (b'{"id": "1", "question": "  "}', "“question” is empty"),
        (b'{"id": "1", "question": 7}', "“question” must be text"),
        (b'{"id": "1", "question": "Why?", "collections": "x"}', "“collections” must be a list"),
        (b'{"id": "1", "question": "Why?", "temperature": 1}', "“temperature” is not known"),
        (b'{"id": "1", "question": "a\\u0000b"}', "holds a NUL"),
        (b'{"id": "1", "question": "\\ud800"}', "half a letter"),
        (b'{"id": "1", "question": "a"}\n{"id": 1, "question": "b"}', "Line 2: the id “1” stands"),
        (b"[" * 100_000, "Line 1 is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(written, sentence):
    with pytest.raises(BadLine) as refused:
        read_lines(written.split(b"\n"))
    assert sentence in str(refused.value)


def test_blank_lines_a_mark_of_utf8_and_numbers_as_ids_are_taken():
    lines = read_lines([b'\xef\xbb\xbf{"id": 7, "question": " Why? "}\n', b"\n"])
    assert lines == [Line(id="7", question="Why?")]


# From file to file ---------------------------------------------------------------------------------------------------
def test_every_question_has_a_result_with_its_sources_and_its_cost(alice, service, files):
    add(alice)
    code, results = files(line("a"), line("b"))
    assert code == 0 and sorted(result["id"] for result in results) == ["a", "b"]
    first = results[0]
    assert (first["state"], first["answer"], first["model"]) == (
        "answered",
        "It is so.[1]",
        "desk",
    )
    assert first["citations"][0] | {"marks": []} == {
        "number": 1,
        "document": "rules.md",
        "document_id": str(Document.objects.get().pk),
        "page": 1,
        "page_label": first["citations"][0]["page_label"],
        "marks": [],
    }
    assert first["tokens"] == {"input": 321, "output": 12} and first["cost"] == pytest.approx(0.0009225)


def test_what_is_answered_is_not_asked_again(alice, service, files):
    add(alice)
    files(line("a"))
    code, results = files(line("a"), line("b"))
    assert (code, len(results), len(service.requests)) == (0, 2, 2)


def test_what_failed_is_asked_again_and_stands_there_once(alice, service, files):
    add(alice)
    service.replies = [Reply(status=401)]
    code, (failed,) = files(line("a"))
    assert code == 1 and failed["state"] == "failed" and "refuses the key" in failed["error"]["reason"]
    code, results = files()
    assert code == 0 and [result["state"] for result in results] == ["answered"]


def test_a_torn_last_line_is_mended_and_its_question_asked_again(alice, service, files):
    add(alice)
    files(line("a"), line("b"), concurrency=1)
    whole = files.out.read_bytes()
    files.out.write_bytes(whole[:-20])
    code, results = files()
    assert code == 0 and [result["id"] for result in results] == ["a", "b"] and len(service.requests) == 3


def test_a_file_that_is_no_file_of_answers_is_left_alone(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Alice,\nall is well.\n")
    with pytest.raises(BadLine, match="line 1, is no result of ours"):
        finished(path)
    assert path.read_text() == "Dear Alice,\nall is well.\n"


def test_not_there_is_a_result_and_no_failure(alice, service, files):
    add(alice)
    service.replies = [Reply(pieces=["NOT_IN_DOCUMENTS"])]
    code, (result,) = files(line("a", PETS))
    assert (code, result["state"], result["citations"]) == (0, "refused", [])


def test_a_question_is_put_to_the_collections_of_its_line(alice, bob, service, files):
    shared = shared_collection(bob, alice, name="Ours")
    add(bob, collection=shared)
    _, results = files(
        line("a", collections=["Ours"]), line("b", collections=[str(shared.pk)]), line("c", collections=[])
    )
    assert {result["id"]: result["state"] for result in results} == {"a": "answered", "b": "answered", "c": "refused"}


def test_a_collection_of_somebody_else_is_one_that_is_not_there(alice, bob, service, files):
    shared_collection(bob, name="Theirs")
    code, (result,) = files(line("a", collections=["Theirs"]))
    assert (code, result["error"]["code"]) == (1, "unknown_collection") and service.requests == []


def test_no_more_is_spent_than_the_limit(alice, service, files, settings, capsys):
    """One question may cost 7,000 tokens in at $2.50 and 1,000 out at $10 a million: $0.0275."""
    add(alice)
    code, results = files(*(line(n) for n in range(8)), limit_cost="0.03", concurrency=3)
    report = json.loads(capsys.readouterr().out)
    spent = sum(result["cost"] for result in results)
    assert code == 1 and 1 <= len(results) < 8 and spent <= 0.03
    assert report["cost"] == pytest.approx(spent) and "Stopped at its cost" in report["stopped"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limit_cost": "much"}, "must be a number of US dollars"),
        ({"limit_cost": "-1"}, "must be a number of US dollars"),
        ({"concurrency": 0}, "--concurrency must be from 1"),
        ({"deployment": "nobody"}, "There is no model 'nobody'"),
    ],
)
def test_an_option_that_makes_no_sense_ends_before_anything_is_asked(alice, service, files, capsys, options, sentence):
    code, results = files(line("a"), **options)
    assert (code, results) == (2, []) and sentence in capsys.readouterr().err


def test_a_limit_that_cannot_be_kept_is_refused(alice, service, files, settings, capsys):
    code, _ = files(line("a"), limit_cost="1", deployment="mute")
    assert code == 2 and "price of this model is not known" in capsys.readouterr().err


def test_money_in_hand_counts_as_spent():
    purse = Purse(Decimal("1.0"), Decimal("0.4"))
    assert [purse.take(), purse.take(), purse.take()] == [True, True, False]
    purse.pay(0.1)
    assert purse.take() and not purse.take()


def test_what_nobody_tells_the_cost_of_counts_as_the_dearest():
    purse = Purse(Decimal("1.0"), Decimal("0.4"))
    assert purse.take()
    purse.pay(None)
    assert purse.spent == Decimal("0.4")


def test_a_file_that_another_run_writes_to_is_left_to_it(alice, service, files, tmp_path, capsys):
    from chat.batches.files import _held

    with _held(files.out):
        code, _ = files(line("a"))
    assert code == 2 and "being written by another run" in capsys.readouterr().err


def test_an_interrupt_keeps_what_is_done_and_the_same_command_goes_on(alice, service, files):
    add(alice)
    service.replies = [Reply(), Reply(pieces=["word "] * 100, pause_s=0.05)]

    def interrupt() -> None:
        deadline = time.monotonic() + 30
        while len(service.requests) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    code, results = files(*(line(n) for n in range(3)), concurrency=1)
    assert code == 1 and [result["id"] for result in results] == ["0"]
    assert service.closed_early.wait(5), "the model is told to stop"
    code, results = files()
    assert code == 0 and sorted(result["id"] for result in results) == ["0", "1", "2"]


# By workers ----------------------------------------------------------------------------------------------------------
def batch_of(owner, *questions: str, limit_cost: str = "") -> Batch:
    lines = [Line(id=str(place), question=question) for place, question in enumerate(questions, 1)]
    limit = Decimal(limit_cost) if limit_cost else None
    return working.begin(owner, "questions.jsonl", lines, deployment="", limit_cost=limit)


def work(batch: Batch) -> Batch:
    while working.work(batch):
        pass
    batch.refresh_from_db()
    return batch


def test_a_batch_is_answered_to_its_end(alice, service):
    add(alice)
    batch = work(batch_of(alice, *[RENT] * 6))
    assert batch.state == "done" and batch.counts() == {"done": 6}
    assert len(service.requests) == 6 and batch.cost == Usage.objects.count() * Decimal("0.000923")


def test_an_item_whose_worker_was_killed_is_asked_again_after_its_lease(alice, service):
    add(alice)
    batch = batch_of(alice, RENT)
    (lost,) = batch.items.claim(1)
    assert not working.work(batch) and service.requests == []
    BatchItem.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert work(batch).counts() == {"done": 1}
    assert not lost.end(BatchItem.State.FAILED, {}, None), "the first worker comes back, and its result is not taken"
    assert batch.counts() == {"done": 1}


def test_no_item_is_taken_twice(alice):
    batch = batch_of(alice, *[RENT] * 5)
    taken = [item.pk for _ in range(3) for item in batch.items.claim(2)]
    assert len(taken) == len(set(taken)) == 5


def test_an_item_that_ends_its_workers_is_given_up(alice, service):
    batch = batch_of(alice, RENT)
    BatchItem.objects.update(attempt=working.ATTEMPTS)
    work(batch)
    assert batch.counts() == {"failed": 1} and service.requests == []


def test_a_busy_service_puts_a_question_off_and_does_not_fail_it(alice, service):
    add(alice)
    service.replies = [Reply(status=429, headers={"retry-after": "90"})]
    batch = work(batch_of(alice, RENT))
    assert (batch.state, batch.counts()) == ("running", {"asking": 1})
    BatchItem.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert work(batch).state == "done"


def test_a_canceled_batch_asks_no_more_and_keeps_what_it_has(alice, service):
    add(alice)
    batch = batch_of(alice, *[RENT] * 6)
    working.work(batch)
    batch.end(Batch.State.CANCELED)
    assert work(batch).state == "canceled" and batch.counts() == {"done": 4, "waiting": 2}


def test_a_batch_stops_before_its_limit(alice, service):
    add(alice)
    batch = work(batch_of(alice, *[RENT] * 20, limit_cost="0.03"))
    assert batch.state == "capped" and 0 < batch.cost <= Decimal("0.03")


def test_the_sweep_sends_what_nobody_is_at_work_on(alice, service, monkeypatch):
    batch = batch_of(alice, RENT)
    sent: list = []
    monkeypatch.setattr(working, "send", sent.append)
    working.sweep()
    batch.items.claim(1)
    working.sweep()
    assert sent == [batch.pk]


def test_a_batch_that_was_deleted_while_it_waited_is_no_fault(alice):
    batch = batch_of(alice, RENT)
    key = str(batch.pk)
    batch.delete()
    work_batch(key)


# The pages -----------------------------------------------------------------------------------------------------------
def upload(client, *lines: dict, **more: str):
    file = SimpleUploadedFile("q.jsonl", "".join(f"{json.dumps(each)}\n" for each in lines).encode())
    return client.post("/console/batches/begin/", {"file": file, **more})


def test_an_administrator_begins_a_batch_and_takes_its_answers(client, staff, service):
    add(staff)
    client.force_login(staff)
    place = upload(client, line("x"), line("y", collections=["Nowhere"])).url
    work(Batch.objects.get())
    page = client.get(place).content.decode()
    assert "It is so." in page and "There is no collection “Nowhere”." in page and "2 of 2 ended" in page
    lines = b"".join(client.get(f"{place}answers/").streaming_content).splitlines()
    assert [(json.loads(each)["id"], json.loads(each)["state"]) for each in lines] == [
        ("x", "answered"),
        ("y", "failed"),
    ]


def test_no_known_price_is_not_told_as_a_price_of_nothing(client, staff, service):
    batch = batch_of(staff, RENT)
    batch.items.update(state="done", cost=None)
    client.force_login(staff)
    for path in ("", f"{batch.pk}/"):
        page = client.get(f"/console/batches/{path}").content.decode()
        assert "cost not known" in page and "$0" not in page


def test_a_bad_file_is_refused_on_the_page_with_its_line(client, staff):
    client.force_login(staff)
    response = upload(client, {"id": "1"})
    assert response.status_code == 400 and "Line 1: “question” is missing." in response.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.parametrize("limit", ["0.001", "-1", "much"])
def test_a_limit_that_makes_no_sense_is_refused_on_the_page(client, staff, service, limit):
    client.force_login(staff)
    assert upload(client, line("1"), limit_cost=limit).status_code == 400


def test_the_batch_of_another_administrator_is_not_there(client, staff, alice, service):
    batch = batch_of(alice, RENT)
    client.force_login(staff)
    for path in ("", "answers/"):
        assert client.get(f"/console/batches/{batch.pk}/{path}").status_code == 404
    assert client.post(f"/console/batches/{batch.pk}/cancel/").status_code == 404


def test_a_batch_is_canceled_on_its_page(client, staff, service):
    batch = batch_of(staff, RENT)
    client.force_login(staff)
    page = client.post(f"/console/batches/{batch.pk}/cancel/", follow=True).content.decode()
    assert "Cancelled" in page and "every 2s" not in page


@pytest.mark.faults
def test_a_real_worker_answers_a_batch(alice, service, settings, monkeypatch, request):
    add(alice)
    monkeypatch.setenv("LECTERN_DEPLOYMENTS", settings.DEPLOYMENTS_FILE)
    monkeypatch.setenv("LECTERN_CATALOGUE", settings.CATALOGUE_FILE)
    request.getfixturevalue("worker")
    batch = batch_of(alice, *[RENT] * 5)
    deadline = time.monotonic() + 60
    while Batch.objects.get().is_running:
        assert time.monotonic() < deadline, batch.counts()
        time.sleep(0.1)
    assert batch.counts() == {"done": 5}
