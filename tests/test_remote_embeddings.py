"""Vectors from a service: what is kept, what is paid, and what is said when there are none."""

import logging
import time
from threading import Thread

import numpy as np
import pytest
from django.db import connection

from documents.embeddings import (
    LOCAL_MODEL,
    EmbeddingBusy,
    EmbeddingError,
    EmbeddingUnavailable,
    embed_cached,
    embed_query,
    embedder,
    local_model_name,
    model_name,
)
from documents.embeddings.remote import windows_of
from documents.indexes import default_index, live_version
from documents.models import EmbeddingCache, Index, IndexVersion
from documents.search import Entry
from project.models import Usage
from project.tokens import count_tokens
from tests.fake_openai import FakeOpenAI, Vectors, vector

pytestmark = pytest.mark.django_db
LONG = "The tenant pays the rent on the first day of the month. " * 1_000  # 12,000 tokens
SMALL = "openai:vectors"


@pytest.fixture
def service(settings):
    """An embedding service that is set up as any server that speaks OpenAI's words."""
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_EMBEDDING_MODEL = "vectors"
        yield fake
        assert fake.faults == []


def texts(number: int) -> list[str]:
    return [f"Clause {place} of the lease" for place in range(number)]


def asked(service: FakeOpenAI) -> list[int]:
    """How many texts each request carried."""
    return [len(request["body"]["input"]) for request in service.requests]


def tokens_noted() -> int:
    return sum(Usage.objects.values_list("input_tokens", flat=True))


# Whose vectors they are ----------------------------------------------------------------------------------------------
def test_without_a_setting_texts_stay_on_this_machine():
    assert model_name() == local_model_name() == LOCAL_MODEL


@pytest.mark.parametrize(
    ("endpoint", "azure", "openai", "dimensions", "name"),
    [
        ("https://a.example", "text-embedding-3-small", "other", 0, "azure:text-embedding-3-small"),
        ("https://a.example", "", "nomic-embed-text", 0, "openai:nomic-embed-text"),
        ("", "text-embedding-3-small", "nomic-embed-text", 0, "openai:nomic-embed-text"),
        ("https://a.example", "text-embedding-3-small", "", 512, "azure:text-embedding-3-small@512"),
    ],
)
def test_a_name_tells_source_model_and_asked_length(settings, endpoint, azure, openai, dimensions, name):
    settings.AZURE_OPENAI_ENDPOINT, settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT = endpoint, azure
    settings.OPENAI_EMBEDDING_MODEL, settings.EMBEDDING_DIMENSIONS = openai, dimensions
    assert model_name() == name


def test_long_names_fit_their_column_and_stay_apart(settings):
    settings.OPENAI_EMBEDDING_MODEL = "m" * 300
    settings.EMBEDDING_DIMENSIONS = 256
    first = model_name()
    settings.EMBEDDING_DIMENSIONS = 512
    assert len(first) == len(model_name()) == 120 and first != model_name()


@pytest.mark.parametrize("name", ["openai:older", "azure:vectors", "openai:vectors@512", ""])
def test_an_index_of_another_model_is_told_that_it_is_not_set_up(service, name):
    with pytest.raises(EmbeddingUnavailable, match="not set up") as caught:
        embed_cached(name, ["rent"])
    assert caught.value.code == "embedding_missing" and service.requests == []


def test_an_index_built_here_is_still_served_here(service):
    assert len(embed_query(LOCAL_MODEL, "rent")) == 384 and service.requests == []


# What comes, and what is kept -----------------------------------------------------------------------------------------
def test_each_text_gets_its_own_vector_and_the_cost_is_told(service):
    found = embed_cached(SMALL, ["rent", "deposit", "rent", "roof"])
    assert np.allclose(found.vectors, [vector(text, 64) for text in ("rent", "deposit", "rent", "roof")], atol=1e-6)
    assert (found.tokens, found.cached, asked(service)) == (3, 0, [3])


def test_vectors_are_single_precision_and_of_unit_length(service):
    service.vectors = [Vectors(mend=lambda answer: answer["data"][0].update(embedding=[3.0] * 64))]
    (found,) = embed_cached(SMALL, ["rent"]).vectors
    assert found.dtype == np.float32 and np.linalg.norm(found) == pytest.approx(1)


def test_a_text_is_paid_for_once(service):
    embed_cached(SMALL, ["rent", "deposit"])
    again = embed_cached(SMALL, ["deposit", "rent", "roof"])
    assert (again.tokens, again.cached, asked(service)) == (1, 2, [2, 1])
    assert np.allclose(again.vectors, [vector(text, 64) for text in ("deposit", "rent", "roof")], atol=1e-6)


def test_what_is_known_needs_no_service(service):
    embed_cached(SMALL, ["rent"])
    service.vectors = [Vectors(status=503)]
    assert embed_cached(SMALL, ["rent"]).cached == 1


def test_models_do_not_share_vectors(service):
    embed_cached(LOCAL_MODEL, ["rent"])
    assert embed_cached(SMALL, ["rent"]).cached == 0


def test_what_was_spent_is_noted_under_the_models_name(service):
    embed_cached(SMALL, ["rent", "deposit"])
    embed_query(SMALL, "When is the rent due?")
    assert list(Usage.objects.order_by("pk").values_list("deployment", "input_tokens")) == [(SMALL, 2), (SMALL, 6)]


def test_what_this_machine_does_costs_nothing():
    assert embed_cached(LOCAL_MODEL, ["rent"]).tokens == 0 and not Usage.objects.exists()


# Requests as large as the service takes -------------------------------------------------------------------------------
def test_no_request_holds_more_texts_than_the_service_takes(service):
    found = embed_cached(SMALL, texts(4_100))
    assert asked(service) == [2_048, 2_048, 4] and len(found.vectors) == 4_100


def test_no_request_holds_more_tokens_than_the_service_takes(service):
    found = embed_cached(SMALL, [f"{number} {LONG[:30_000]}" for number in range(45)])
    assert len(service.requests) == 2 and len(found.vectors) == 45


def test_a_long_text_is_cut_into_windows_and_nothing_is_dropped(service):
    text = f"{LONG} horses stables hay"
    (found,) = embed_cached(SMALL, [text]).vectors
    windows = service.requests[0]["body"]["input"]
    assert "".join(windows) == text and len(windows) == 2
    weights = [count_tokens(window) for window in windows]
    mean = np.average([vector(window, 64) for window in windows], axis=0, weights=weights)
    assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_text_longer_than_a_request_becomes_one_vector(service):
    (found,) = embed_cached(SMALL, [LONG * 20]).vectors
    assert len(service.requests) == 2 and EmbeddingCache.objects.count() == 1
    assert found @ vector(LONG, 64) > 0.99


@pytest.mark.parametrize("text", ["", "租金在五月到期。" * 3_000, "x" * 50_000, "\ud800", "\x00", "a " + "🙂" * 9_000])
def test_every_text_can_be_embedded(service, text):
    assert len(embed_cached(SMALL, [text]).vectors) == 1


def test_a_model_that_takes_less_gets_shorter_windows(service):
    service.window = 512
    found = embed_cached(SMALL, ["rent", LONG[:10_000], "deposit"])
    windows = service.requests[-1]["body"]["input"]
    assert "".join(windows) == f"rent{LONG[:10_000]}deposit" and max(map(count_tokens, windows)) <= 512
    assert np.allclose(found.vectors[::2], [vector("rent", 64), vector("deposit", 64)], atol=1e-6)
    assert found.vectors[1] @ vector(LONG, 64) > 0.99


def test_a_model_that_takes_no_passage_is_refused(service):
    service.window = 16
    with pytest.raises(EmbeddingUnavailable, match="no text as long") as caught:
        embed_cached(SMALL, [LONG[:1_000]])
    assert caught.value.code == "embedding_refused"


def test_windows_are_nearly_equal():
    sizes = [tokens for _, tokens in windows_of(LONG * 3)]
    assert max(sizes) - min(sizes) < 100 and max(sizes) <= 8_191


# Faults -----------------------------------------------------------------------------------------------------------
def test_a_busy_service_says_how_long_to_wait(service):
    service.vectors = [Vectors(status=429, headers={"Retry-After": "42"})]
    with pytest.raises(EmbeddingBusy, match=r"^The embedding service is busy\.$") as caught:
        embed_cached(SMALL, ["rent"])
    assert caught.value.retry_after == 42


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Vectors(status=503), "is busy"),
        (Vectors(cut=True), "cannot be reached"),
        (Vectors(body=b"<html>"), "cannot be read"),
    ],
)
def test_where_nothing_is_said_fifteen_seconds_are_waited(service, reply, words):
    service.vectors = [reply]
    with pytest.raises(EmbeddingBusy, match=words) as caught:
        embed_cached(SMALL, ["rent"])
    assert caught.value.retry_after == 15


@pytest.mark.django_db(transaction=True)
def test_who_no_longer_wants_the_vectors_does_not_wait_for_them_and_what_they_cost_is_noted(service):
    service.vectors = [Vectors(pause_s=2)]

    def heed() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        embed_cached(SMALL, texts(1), heed=heed)
    assert tokens_noted() == 0  # It has not answered yet.
    ends = time.monotonic() + 20
    while not tokens_noted() and time.monotonic() < ends:
        time.sleep(0.05)
    assert tokens_noted() > 0


def test_a_service_that_hangs_is_given_up(service):
    service.vectors = [Vectors(pause_s=3)]
    with pytest.raises(EmbeddingBusy, match="does not answer"):
        embedder(SMALL).embed(["rent"], 0.5)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_only_an_operator_can_mend_is_said_to_be_so(service, status):
    service.vectors = [Vectors(status=status)]
    with pytest.raises(EmbeddingUnavailable) as caught:
        embed_cached(SMALL, ["rent"])
    assert caught.value.code == "embedding_refused"


def test_either_fault_can_be_caught_by_one_name(service):
    service.vectors = [Vectors(status=401), Vectors(status=500)]
    for _ in range(2):
        with pytest.raises(EmbeddingError):
            embed_cached(SMALL, ["rent"])


def test_what_was_paid_before_a_fault_is_kept(service):
    service.vectors = [Vectors(), Vectors(status=429)]
    with pytest.raises(EmbeddingBusy) as caught:
        embed_cached(SMALL, texts(5_000))
    assert EmbeddingCache.objects.count() == 2_048
    assert caught.value.tokens == tokens_noted() == sum(map(count_tokens, texts(2_048)))


def test_after_a_fault_only_the_rest_is_asked_for(service):
    service.vectors = [Vectors(), Vectors(status=500)]
    with pytest.raises(EmbeddingBusy):
        embed_cached(SMALL, texts(5_000))
    found = embed_cached(SMALL, texts(5_000))
    assert asked(service)[2:] == [2_048, 904] and found.cached == 2_048
    assert np.allclose(found.vectors, [vector(text, 64) for text in texts(5_000)], atol=1e-6)


def test_no_key_is_logged_or_said(service, caplog):
    service.vectors = [Vectors(status=401, error={"code": "401", "message": "Incorrect API key provided: secret"})]
    with caplog.at_level(logging.DEBUG), pytest.raises(EmbeddingUnavailable) as caught:
        embed_cached(SMALL, ["rent"])
    logging.getLogger("tests").error("job_failed", exc_info=caught.value)
    assert "secret" not in caplog.text + str(caught.value)


# A question that waits ------------------------------------------------------------------------------------------------
def test_a_question_gets_one_more_try(service):
    service.vectors = [Vectors(status=503)]
    assert np.allclose(embed_query(SMALL, "rent"), vector("rent", 64), atol=1e-6)


def test_a_question_gets_no_third_try(service):
    service.vectors = [Vectors(status=503, headers={"retry-after-ms": "20"})] * 2
    with pytest.raises(EmbeddingBusy):
        embed_query(SMALL, "rent")
    assert len(service.requests) == 2


def test_a_question_does_not_wait_as_long_as_a_service_may_ask(service):
    service.vectors = [Vectors(status=429, headers={"retry-after": "8"})]
    began = time.monotonic()
    with pytest.raises(EmbeddingBusy):
        embed_query(SMALL, "rent")
    assert len(service.requests) == 1 and time.monotonic() - began < 2


# The first index ------------------------------------------------------------------------------------------------------
def test_a_first_index_with_dimensions_that_are_set_asks_nobody(service, settings):
    settings.EMBEDDING_DIMENSIONS = 32
    version = default_index().live_version
    assert (version.embedding_model, version.dimensions) == ("openai:vectors@32", 32) and service.requests == []


def test_no_page_waits_for_the_service_to_tell_its_dimensions(service):
    assert default_index().live is None and service.requests == []


def test_the_first_document_finds_out_how_long_vectors_are(service):
    version = live_version(default_index())
    assert (version.embedding_model, version.dimensions, len(service.requests)) == (SMALL, 64, 1)
    assert default_index().live == version


def test_an_index_made_for_the_service_holds_its_vectors(service, alice):
    version = live_version(default_index())
    (found,) = embed_cached(SMALL, ["rent"]).vectors
    document = "00000000-0000-0000-0000-000000000001"
    version.backend.add([Entry(1, document, document, 1, "rent", "en", found)])
    assert version.backend.count(document, 1) == 1


def test_an_index_that_is_there_is_asked_about_nothing(service):
    version = live_version(default_index())
    assert live_version(Index.objects.get()) == version and len(service.requests) == 1


def test_a_service_that_is_busy_leaves_the_index_to_be_made_later(service):
    service.vectors = [Vectors(status=503, headers={"retry-after": "30"})]
    with pytest.raises(EmbeddingBusy):
        live_version(default_index())
    assert not IndexVersion.objects.exists() and live_version(default_index()).dimensions == 64


@pytest.mark.django_db(transaction=True)
def test_workers_that_begin_together_make_one_index(service):
    index, made = default_index(), []

    def work() -> None:
        try:
            made.append(live_version(Index.objects.get(pk=index.pk)).pk)
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [IndexVersion.objects.get().pk] * 4


def test_vectors_too_long_to_search_are_refused_in_words(service):
    service.vectors = [Vectors(length=4_096)]
    with pytest.raises(
        EmbeddingUnavailable, match=r"4,096 numbers; an index holds 4,000 at most.*DIMENSIONS"
    ) as caught:
        live_version(default_index())
    assert caught.value.code == "embedding_length"


def test_vectors_of_another_length_are_told_and_not_kept(service):
    live_version(default_index())
    service.length = 1_536
    with pytest.raises(EmbeddingUnavailable, match=r"vectors of 1,536 numbers; this index holds 64\.") as caught:
        embed_cached(SMALL, ["rent"])
    assert caught.value.code == "embedding_length" and not EmbeddingCache.objects.exists()
    assert caught.value.tokens == 1


def test_a_service_that_ignores_the_asked_length_is_told_from_one_that_heeds_it(service, settings):
    settings.EMBEDDING_DIMENSIONS = 32
    default_index()
    service.vectors = [Vectors(length=64)]
    with pytest.raises(EmbeddingUnavailable, match="64 numbers; this index holds 32"):
        embed_cached("openai:vectors@32", ["rent"])


def test_vectors_kept_from_another_model_of_the_same_name_are_made_anew(service):
    embed_cached(SMALL, ["rent"])
    service.length = 96
    live_version(default_index())
    found = embed_cached(SMALL, ["rent"])
    assert len(found.vectors[0]) == 96 and found.cached == 0
    assert embed_cached(SMALL, ["rent"]).cached == 1
