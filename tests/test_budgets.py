"""What happens to questions, documents and programs when a budget is spent."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import openai
import pytest
from django.utils import timezone

from chat.answering import answer
from chat.events import Done, Failed, Question
from documents.ingestion import ingest
from documents.models import Document, State
from documents.retrieval import Scope, find
from project.models import ApiKey, Budget, Usage, period_of
from project.provider.pieces import Tokens
from project.spending import Payer, note
from tests.fake_openai import FakeOpenAI, Reply
from tests.library import RENT, add, upload

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = "When is the rent due?"


@pytest.fixture
def service(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


@pytest.fixture
def vectors(service, settings):
    settings.OPENAI_CHAT_MODEL, settings.OPENAI_EMBEDDING_MODEL = "", "vectors"
    return service


def budget(tokens: int, **of) -> Budget:
    return Budget.objects.create(limit=tokens, period="day", **of)


def spend(user, tokens: int, **more) -> None:
    note("gpt-test", Payer(user_id=user.pk, **more), Tokens(tokens, 0))


def a_day_passes() -> None:
    Usage.objects.update(created_at=period_of("day", timezone.now())[0] - timedelta(minutes=1))


def ends(user, **more):
    async def last():
        return [event async for event in answer(Question(ASKED, user, **more))][-1]

    return asyncio.run(last())


# Questions -----------------------------------------------------------------------------------------------------------
def test_no_model_is_asked_when_the_budget_is_spent(service, alice):
    add(alice)
    budget(100, user=alice)
    spend(alice, 100)
    end = ends(alice)
    assert isinstance(end, Failed) and end.code == "budget_spent"
    assert end.sentence.startswith("alice's budget of 100 tokens for today is spent.")
    assert service.requests == []


def test_a_new_day_begins_with_a_new_budget(service, alice):
    add(alice)
    budget(100, user=alice)
    spend(alice, 100)
    a_day_passes()
    assert isinstance(ends(alice), Done)


def test_what_an_answer_cost_counts_for_the_next(service, alice):
    add(alice)
    budget(100, user=alice)
    assert isinstance(ends(alice), Done)
    assert isinstance(ends(alice), Failed)


def test_near_the_end_of_the_budget_an_answer_says_so(service, alice):
    add(alice)
    budget(1_000_000)
    spend(alice, 850_000)
    assert "is spent to 85 %" in ends(alice).notice


def test_answers_without_a_model_go_on(alice):
    add(alice)
    budget(100)
    spend(alice, 100)
    assert isinstance(ends(alice), Done)


def test_a_question_to_one_collection_counts_against_its_budget(service, alice):
    document = add(alice)
    budget(100, collection_id=document.collection_id)
    spend(alice, 100, collection_id=document.collection_id)
    assert isinstance(ends(alice, collections=[document.collection_id]), Failed)
    assert isinstance(ends(alice), Done)


# Documents -----------------------------------------------------------------------------------------------------------
def test_a_document_waits_for_the_budget_and_goes_on_by_itself(vectors, alice):
    budget(100, user=alice)
    spend(alice, 100)
    document = upload(alice, RENT, "rules.md")
    ingest(document)
    document.refresh_from_db()
    assert document.waits_for.startswith("alice's budget of 100 tokens for today is spent. It begins anew on ")
    assert document.not_before > timezone.now()
    assert "rent" not in str(vectors.requests)  # Only how long vectors are was asked, when the index was made.
    a_day_passes()
    Document.objects.update(not_before=None)
    ingest(document)
    document.refresh_from_db()
    assert document.state == State.READY and document.waits_for == ""


def test_a_raised_limit_is_noticed_soon(vectors, alice):
    Budget.objects.create(limit=100, period="month")
    spend(alice, 100)
    document = upload(alice, RENT, "rules.md")
    ingest(document)
    document.refresh_from_db()
    assert document.not_before <= timezone.now() + timedelta(minutes=10)


def test_a_document_counts_for_its_owner_and_its_collection(vectors, alice, settings):
    settings.EMBEDDING_PRICE = 2.0
    document = add(alice)
    row = Usage.objects.get(user=alice)
    assert (row.user, row.collection_id, row.purpose) == (alice, document.collection_id, "embedding")
    assert row.cost == Decimal(2) * row.input_tokens / 1_000_000


def test_with_a_spent_budget_one_searches_by_words_and_is_told(vectors, alice):
    add(alice)
    budget(1, user=alice)
    found = find(ASKED, alice, Scope())
    assert found.passages and "Searched by words alone. alice's budget of 1 tokens" in found.notices[0]


# Programs ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("streams", [False, True])
def test_a_program_is_refused_in_openais_words(client, service, alice, streams):
    key, secret = ApiKey.create(alice)
    budget(100, api_key=key)
    spend(alice, 100, api_key_id=key.pk)
    body = {"model": "default", "stream": streams, "messages": [{"role": "user", "content": ASKED}]}
    headers = {"Authorization": f"Bearer {secret}"}
    response = client.post("/v1/chat/completions", body, content_type="application/json", headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (429, "insufficient_quota", "insufficient_quota")
    assert error["message"].startswith("This API key's budget of 100 tokens for today is spent.")
    assert 0 < int(response["Retry-After"]) <= 25 * 3600


def test_openais_client_asks_once(asgi_server, service, alice):
    key, secret = ApiKey.create(alice)
    budget(100, api_key=key)
    spend(alice, 100, api_key_id=key.pk)
    client = openai.OpenAI(base_url=f"{asgi_server}/v1", api_key=secret, max_retries=1)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="default", messages=[{"role": "user", "content": ASKED}])
    assert caught.value.code == "insufficient_quota"
    assert caught.value.request.headers["x-stainless-retry-count"] == "0"


def test_what_a_program_asks_counts_for_its_key(client, service, alice):
    add(alice)
    service.replies = [Reply()]
    key, secret = ApiKey.create(alice)
    body = {"model": "default", "messages": [{"role": "user", "content": ASKED}]}
    client.post(
        "/v1/chat/completions", body, content_type="application/json", headers={"Authorization": f"Bearer {secret}"}
    )
    assert Usage.objects.get().api_key == key
