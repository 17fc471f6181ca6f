"""An embedding service that is busy, broken, silent or another one than before, at the wire of a real worker."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.fake_openai import FakeOpenAI, Vectors
from tests.stack import Stack, brief

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture(scope="module")
def service():
    with FakeOpenAI() as fake:
        yield fake


@pytest.fixture(scope="module")
def lectern(service):
    settings = {"OPENAI_BASE_URL": f"{service.url}/v1", "OPENAI_API_KEY": "secret", "OPENAI_EMBEDDING_MODEL": "small"}
    with Stack(LECTERN_EMBEDDING_PRICE="0.02", **settings) as stack:
        stack.ended(stack.upload(b"The first asks how long a vector is.", "first.txt"))
        yield stack


@pytest.fixture(autouse=True)
def _whole_again(lectern, service):
    service.vectors.clear()
    service.requests.clear()
    yield
    service.vectors.clear()
    lectern.is_consistent()


def text(subject: str, paragraphs: int = 2_000) -> bytes:
    return "\n\n".join(f"Paragraph {number} of {subject} is about a valve." for number in range(paragraphs)).encode()


def in_two_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("seconds", lambda: {"Retry-After": "2"}),
        ("milliseconds", lambda: {"retry-after-ms": "1500"}),
        ("date", lambda: {"Retry-After": in_two_seconds()}),
    ],
)
def test_a_busy_service_is_waited_for_as_long_as_it_asks(lectern, service, name, headers):
    service.vectors.append(Vectors(status=429, headers=headers(), error={"code": "429", "message": "Too many"}))
    pk = lectern.upload(text(name, 10), f"{name}.txt")
    waiting = lectern.until(pk, lambda document: document["waits_for"], 20)
    assert (waiting["state"], waiting["waits_for"]) == ("embedding", "The embedding service is busy.")
    document = lectern.ended(pk, 60)
    assert document["state"] == "ready"
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["done"]  # Waiting is no attempt.


def test_nothing_is_paid_for_twice_and_the_receipt_says_what_it_cost(lectern, service):
    content = text("paid")
    service.vectors.extend([Vectors(), Vectors(status=500, error={"code": "500", "message": "no"})])
    pk = lectern.upload(content, "paid.txt")
    document = lectern.ended(pk, 60)
    asked = [text for request in service.requests for text in request["body"]["input"]]
    receipt = document["receipt"]
    assert document["state"] == "ready"
    assert receipt["embedded"] + receipt["cached"] == document["chunks"]
    assert receipt["tokens"] > 0 and receipt["cost"] == pytest.approx(receipt["tokens"] * 0.02 / 1e6, abs=1e-6)
    again = lectern.call("POST", f"/documents/{pk}/retry")
    assert again.status_code == 200
    lectern.ended(pk, 60)
    assert len([text for request in service.requests for text in request["body"]["input"]]) == len(asked)


def test_a_service_that_fails_for_a_while_is_tried_again(lectern, service):
    service.vectors.extend(
        [Vectors(status=500, error={"code": "500", "message": "no"}, headers={"Retry-After": "1"})] * 5
    )
    document = lectern.ended(lectern.upload(text("failing", 10), "failing.txt"), 90)
    assert document["state"] == "ready"


def test_vectors_of_another_length_never_reach_the_index(lectern, service):
    lectern.ended(lectern.upload(text("before", 3), "before.txt"), 60)
    service.vectors.append(Vectors(length=17))
    document = lectern.ended(lectern.upload(text("other length", 3), "length.txt"), 60)
    assert (document["state"], document["error"]["code"]) == ("failed", "embedding_length")
    assert "17" in document["error"]["reason"]


def test_a_refused_key_ends_with_a_reason_and_can_be_tried_again(lectern, service):
    service.vectors.append(Vectors(status=401, error={"code": "invalid_api_key", "message": "wrong key"}))
    pk = lectern.upload(text("refused", 3), "refused.txt")
    assert lectern.ended(pk, 60)["error"]["code"] == "embedding_refused"
    lectern.call("POST", f"/documents/{pk}/retry")
    assert lectern.ended(pk, 60)["state"] == "ready"


def test_a_service_that_hangs_is_given_up_and_asked_again(lectern, service):
    """Meanwhile another document can be canceled at once, and its worker is free for the next."""
    service.vectors += [Vectors(pause_s=300)]
    canceled = lectern.upload(text("canceled", 3), "canceled.txt")
    lectern.until(canceled, lambda document: document["state"] == "embedding", 20)
    began = time.monotonic()
    assert lectern.call("POST", f"/documents/{canceled}/cancel").json()["state"] == "canceled"
    assert lectern.ended(lectern.upload(text("next", 1), "next.txt"), 30)["state"] == "ready"
    assert time.monotonic() - began < 30  # The silent service would be waited for twice as long.
    service.vectors += [Vectors(pause_s=300)]
    pk = lectern.upload(text("hanging", 3), "hanging.txt")
    lectern.until(pk, lambda document: document["state"] == "embedding", 20)
    began = time.monotonic()
    document = lectern.ended(pk, 120)
    assert (document["state"], time.monotonic() - began < 120) == ("ready", True), brief(document)
