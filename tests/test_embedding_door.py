"""Vectors from a service: every way in, and every way it can go wrong."""

import base64
import logging
import os
import subprocess
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest

from project import provider
from project.provider import ProviderBusy, ProviderError, ProviderMisconfigured, Tokens
from project.waiting import retry_after
from tests.conftest import ROOT
from tests.fake_openai import FakeOpenAI, Vectors, vector

pytestmark = pytest.mark.usefixtures("services")  # Circuits begin closed.


@pytest.fixture
def service():
    with FakeOpenAI() as fake:
        yield fake
        assert fake.faults == []


def way_in(settings, service, kind: str) -> None:
    settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = settings.OPENAI_EMBEDDING_MODEL = ""
    if kind == "openai":
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{service.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL, settings.OPENAI_EMBEDDING_MODEL = "gpt-test", "vectors"
        return
    settings.AZURE_OPENAI_ENDPOINT, settings.AZURE_OPENAI_API_KEY = service.url, "secret"
    settings.AZURE_OPENAI_CHAT_DEPLOYMENT, settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT = "desk", "vectors"
    settings.AZURE_OPENAI_API_VERSION = kind


# Vectors -------------------------------------------------------------------------------------------------------------
TEXTS = ["rent", "deposit", "heating", "rent"]


def embed(texts=TEXTS, dimensions=None, timeout=5.0) -> tuple[np.ndarray, Tokens]:
    return provider.embed(texts, model="vectors", dimensions=dimensions, timeout=timeout)


def expected(texts=TEXTS, length=64) -> np.ndarray:
    return np.vstack([vector(text, length) for text in texts])


@pytest.mark.parametrize(
    ("kind", "path", "header", "encoding"),
    [
        ("openai", "/v1/embeddings", "authorization", "float"),
        ("v1", "/openai/v1/embeddings", "authorization", "base64"),
        ("2024-10-21", "/openai/deployments/vectors/embeddings?api-version=2024-10-21", "api-key", "base64"),
    ],
)
def test_every_way_in_asks_for_vectors_as_its_service_wants(settings, service, kind, path, header, encoding):
    way_in(settings, service, kind)
    vectors, tokens = embed()
    assert np.allclose(vectors, expected()) and vectors.dtype == np.float32 and tokens == Tokens(5, 0)
    (request,) = service.requests
    assert request["path"] == path and "secret" in request["headers"][header]
    assert request["body"]["encoding_format"] == encoding and "dimensions" not in request["body"]


def test_dimensions_are_asked_for_when_they_are_set(settings, service):
    way_in(settings, service, "v1")
    assert embed(dimensions=16)[0].shape == (4, 16)
    assert service.requests[0]["body"]["dimensions"] == 16


def test_a_server_that_packs_numbers_unasked_is_understood(settings, service):
    way_in(settings, service, "openai")

    def pack(answer: dict) -> None:
        for row in answer["data"]:
            row["embedding"] = base64.b64encode(np.array(row["embedding"], "<f4").tobytes()).decode()

    service.vectors = [Vectors(mend=pack)]
    assert np.allclose(embed()[0], expected())


def test_vectors_are_put_in_order_by_their_numbers(settings, service):
    way_in(settings, service, "openai")
    service.vectors = [Vectors(mend=lambda answer: answer["data"].reverse())]
    assert np.allclose(embed()[0], expected())


def spoilt(**row: object) -> Vectors:
    return Vectors(mend=lambda answer: answer["data"][1].update(row))


@pytest.mark.parametrize(
    "reply",
    [
        Vectors(body=b"<html>Sign in</html>"),
        Vectors(body=b""),
        Vectors(body=b"[]"),
        Vectors(body=b"null"),
        Vectors(body=b"\xff\xfe"),
        Vectors(body=b"[" * 100_000),
        Vectors(body=b'{"error": {"message": "overloaded"}}'),
        Vectors(mend=lambda answer: answer["data"].pop()),
        Vectors(mend=lambda answer: answer["data"].append(answer["data"][0])),
        Vectors(mend=lambda answer: answer.update(data=None)),
        spoilt(index=0),
        spoilt(index=7),
        spoilt(index=None),
        spoilt(embedding=[1.0] * 63),
        spoilt(embedding=[float("nan")] * 64),
        spoilt(embedding=[1e300] * 64),
        spoilt(embedding=[0.0] * 64),
        spoilt(embedding=[[1.0]] * 64),
        spoilt(embedding=[]),
        spoilt(embedding=None),
        spoilt(embedding="not packed"),
    ],
)
def test_an_answer_that_makes_no_sense_is_worth_another_try(settings, service, reply):
    way_in(settings, service, "openai")
    service.vectors = [reply]
    with pytest.raises(ProviderBusy, match="cannot be read") as caught:
        embed()
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": -4}, {"prompt_tokens": "many"}, {"prompt_tokens": 2**40}]
)
def test_a_server_that_does_not_count_costs_nothing(settings, service, usage):
    way_in(settings, service, "openai")
    service.vectors = [Vectors(mend=lambda answer: answer.update(usage=usage))]
    assert embed()[1] == Tokens(0, 0)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_a_busy_embedding_service_is_asked_once_and_said_to_be_busy(settings, service, status):
    way_in(settings, service, "v1")
    service.vectors = [Vectors(status=status, headers={"retry-after": "7"})]
    with pytest.raises(ProviderBusy, match="is busy") as caught:
        embed()
    assert caught.value.retry_after == 7 and len(service.requests) == 1


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Vectors(status=401), ProviderMisconfigured, "refuses the key"),
        (Vectors(status=403), ProviderMisconfigured, "refuses the key"),
        (Vectors(status=404, error={"code": "DeploymentNotFound", "message": ""}), ProviderMisconfigured, "“vectors”"),
        (Vectors(status=400), ProviderMisconfigured, "refused the call"),
        (Vectors(status=413), ProviderMisconfigured, "refused the call"),
        (Vectors(status=429, error={"code": "insufficient_quota", "message": ""}), ProviderBusy, "quota"),
        (Vectors(cut=True), ProviderBusy, "cannot be reached"),
    ],
)
def test_each_fault_of_an_embedding_service_is_told_in_words(settings, service, reply, error, words):
    way_in(settings, service, "2024-10-21")
    service.vectors = [reply]
    with pytest.raises(error, match=words):
        embed()


def test_a_model_that_takes_no_dimensions_is_named_with_the_setting(settings, service):
    way_in(settings, service, "v1")
    said = {"code": None, "message": "This model does not support specifying dimensions."}
    service.vectors = [Vectors(status=400, error=said)]
    with pytest.raises(ProviderMisconfigured, match="“vectors” takes no LECTERN_EMBEDDING_DIMENSIONS"):
        embed(dimensions=16)


@pytest.mark.parametrize("reply", [Vectors(pause_s=3), Vectors(drip_s=0.2)], ids=["silent", "slow"])
def test_the_time_limit_holds_for_the_whole_answer(settings, service, reply):
    way_in(settings, service, "openai")
    service.vectors = [reply]
    began = time.monotonic()
    with pytest.raises(ProviderBusy, match="does not answer"):
        embed(timeout=0.6)
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("http://127.0.0.1:9/v1", ProviderBusy, "cannot be reached"),
        ("localhost:9/v1", ProviderMisconfigured, "no address"),
        ("http://[::1/v1", ProviderMisconfigured, "no address"),
    ],
)
def test_an_embedding_service_that_is_not_there_is_told_from_an_address_that_is_none(settings, address, error, words):
    settings.AZURE_OPENAI_ENDPOINT = ""
    settings.OPENAI_BASE_URL, settings.OPENAI_EMBEDDING_MODEL = address, "vectors"
    with pytest.raises(error, match=words):
        embed()


def test_without_a_key_the_identity_of_the_process_signs_in_or_is_said_to_fail(settings, service, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    way_in(settings, service, "v1")
    settings.AZURE_OPENAI_API_KEY = ""
    with pytest.raises(ProviderMisconfigured, match="cannot sign in"):
        embed()
    assert service.requests == []


@pytest.mark.parametrize("kind", ["openai", "v1", "2024-10-21"])
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_key_that_a_service_repeats_reaches_neither_log_nor_message(settings, service, caplog, kind, status):
    way_in(settings, service, kind)
    settings.OPENAI_API_KEY = settings.AZURE_OPENAI_API_KEY = "secret"
    said = {"code": "x", "message": "The key secret is no good for the words “rent”."}
    service.vectors = [Vectors(status=status, error=said)]
    with caplog.at_level(logging.DEBUG), pytest.raises(provider.ProviderError) as caught:
        embed()
    shown = caplog.text + "".join(traceback.format_exception(caught.value))
    assert "secret" not in shown and "“rent”" not in shown


def test_a_key_with_letters_that_no_key_has_is_refused_before_it_is_sent(settings, service):
    way_in(settings, service, "2024-10-21")
    settings.AZURE_OPENAI_API_KEY = "secret…"
    with pytest.raises(ProviderMisconfigured, match="letters that no key has"):
        embed()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "99999999"}, 3600),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "2", "x-ratelimit-reset-tokens": "9s"}, 2),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3600),
        ({"x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "12"}, 12),
        ({"x-ratelimit-reset-requests": "later"}, None),
        ({"x-ratelimit-reset-requests": "8s", "x-ratelimit-reset-tokens": "2s"}, 8),
        (
            {
                "x-ratelimit-reset-requests": "8s",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-tokens": "2s",
                "x-ratelimit-remaining-tokens": "0",
            },
            2,
        ),
    ],
)
def test_how_long_a_service_asks_to_wait_is_read_from_what_it_says(headers, seconds):
    assert retry_after(headers) == pytest.approx(seconds)


@pytest.mark.parametrize("price", ["free", "-1", "nan"])
def test_a_price_that_is_no_number_ends_the_start_by_its_name(price):
    environment = os.environ | {"LECTERN_EMBEDDING_PRICE": price}
    start = [sys.executable, "-c", "import project.settings"]
    said = subprocess.run(start, env=environment, cwd=ROOT, capture_output=True, text=True).stderr
    assert f"LECTERN_EMBEDDING_PRICE is '{price}'" in said


def test_a_date_to_wait_for_is_understood(settings, service):
    way_in(settings, service, "openai")
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    service.vectors = [Vectors(status=429, headers={"Retry-After": date})]
    with pytest.raises(ProviderBusy) as caught:
        embed()
    assert 80 < (caught.value.retry_after or 0) <= 90


# Its circuit and its quota -------------------------------------------------------------------------------------------
def test_after_failures_in_a_row_the_service_is_left_alone(settings, service):
    way_in(settings, service, "v1")
    service.vectors = [Vectors(status=503)] * 5
    for _ in range(5):
        with pytest.raises(ProviderBusy, match="is busy"):
            embed()
    with pytest.raises(ProviderBusy, match="out of order") as caught:
        embed()
    assert len(service.requests) == 5 and (caught.value.retry_after or 0) > 0


def test_a_service_that_refuses_is_there(settings, service):
    way_in(settings, service, "v1")
    service.vectors = [Vectors(status=status) for status in (401, 429, 400, 404, 403, 429)]
    for _ in range(6):
        with pytest.raises(ProviderError):
            embed()
    assert len(embed()[0]) == len(TEXTS)


def test_texts_stand_in_line_for_half_of_their_time_where_the_quota_is_full(settings, service):
    way_in(settings, service, "v1")
    settings.EMBEDDING_REQUESTS_A_MINUTE = 1
    embed()
    with pytest.raises(ProviderBusy, match="at its limit") as caught:
        embed(timeout=0.2)
    assert len(service.requests) == 1 and (caught.value.retry_after or 0) > 0
