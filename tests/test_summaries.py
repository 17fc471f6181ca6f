"""What was said long ago is summed up once, and shown; off unless a setting says so."""

import pytest
from asgiref.sync import async_to_sync

from chat.conversations.conversing import Draft, ask, begin, converse
from chat.models import Conversation, Message
from project.models import Usage
from tests.fake_openai import FakeOpenAI, Reply
from tests.library import add

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service(settings):
    settings.SUMMARISE_HISTORY, settings.REWRITE = True, "rules"
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


@pytest.fixture
def conversation(alice) -> Conversation:
    """Seven turns on the rent."""
    add(alice)
    row = begin(alice, "Rent", [])
    for number in range(7):
        reply = ask(row, f"When is the rent due, question {number}?", f"k{number}")
        reply.end("done", content=f"In May, answer {number}.[1]")
    return row


def answered(conversation: Conversation, text: str = "When is the rent due?") -> Message:
    message = ask(conversation, text, "")
    assert message.claim()

    async def run() -> None:
        async for _ in converse(message, Draft()):
            pass

    async_to_sync(run)()
    message.refresh_from_db()
    return message


def roles(request: dict) -> list[str]:
    return [message["role"] for message in request["body"]["messages"]]


def test_what_no_longer_goes_along_is_summed_up_for_the_model(conversation, service):
    service.replies = [Reply(pieces=["They asked when rent is due: May."]), Reply()]
    message = answered(conversation)
    summing, asking = service.requests
    assert "question 3" in summing["body"]["messages"][1]["content"]
    assert "question 4" not in summing["body"]["messages"][1]["content"]
    assert roles(asking) == ["system", "user", *["user", "assistant"] * 3, "user"]
    assert "They asked when rent is due: May." in asking["body"]["messages"][1]["content"]
    assert ["Before that", "summed up for the model: They asked when rent is due: May."] in message.how


def test_a_summary_is_made_once(conversation, service):
    service.replies = [Reply(pieces=["In short."])]
    answered(conversation)
    answered(conversation)
    assert len(service.requests) == 3


def test_a_summary_is_paid_for_as_one(conversation, service):
    service.replies = [Reply(pieces=["In short."])]
    answered(conversation)
    assert sorted(Usage.objects.values_list("purpose", flat=True)) == ["answer", "summary"]


def test_without_the_setting_nothing_is_summed_up(conversation, service, settings):
    settings.SUMMARISE_HISTORY = False
    answered(conversation)
    assert len(service.requests) == 1


def test_a_summary_that_fails_keeps_nobody_from_their_answer(conversation, service):
    service.replies = [Reply(status=401), Reply()]
    assert answered(conversation).state == "done"
    conversation.refresh_from_db()
    assert conversation.summary == ""


def test_a_long_conversation_stays_within_its_room(conversation, service, settings):
    settings.CHAT_CONTEXT_TOKENS, settings.CHAT_ANSWER_TOKENS = 1_500, 100
    for number in range(20):
        reply = ask(conversation, f"Question {number}?", f"l{number}")
        reply.end("done", content="word " * 300)
    assert answered(conversation).state == "done"
    for request in service.requests:
        assert sum(len(message["content"].split()) for message in request["body"]["messages"]) < 1_500
