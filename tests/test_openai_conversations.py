"""`/v1/conversations` through OpenAI's own clients: kept item by item, gone on from, and nobody else's."""

from datetime import timedelta

import openai
import pytest
from django.utils import timezone

from chat.models import Thread
from chat.tasks import sweep_responses
from tests.fake_openai import Reply
from tests.library import add, shared_collection
from tests.openai_served import client
from tests.test_openai_chat import model  # noqa: F401 - a fixture
from tests.test_openai_tools import CALLS, FLAT

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = "When is the rent due?"


@pytest.fixture
def lectern(asgi_server, alice):
    add(alice)
    return client(asgi_server, alice)


def ask(lectern, conversation, text=QUESTION, **more):
    return lectern.responses.create(model="default", input=text, conversation=conversation, **more)


def test_responses_go_on_from_a_conversation_and_are_added_to_it(model, lectern):  # noqa: F811
    model.replies = [Reply(["On the third working day. [1]"]), Reply(["It is. [1]"])]
    begun = lectern.conversations.create(
        metadata={"topic": "rent"}, items=[{"type": "message", "role": "user", "content": "Hello."}]
    )
    first = ask(lectern, begun.id, store=False)
    assert first.conversation.id == begun.id
    list(ask(lectern, {"id": begun.id}, "And is that the law?", stream=True))
    said = [message["content"] for message in model.requests[-1]["body"]["messages"]]
    assert QUESTION in said and "On the third working day." in " ".join(said)
    listed = list(lectern.conversations.items.list(begun.id, order="asc", limit=2))
    assert [item.role for item in listed] == ["user", "user", "assistant", "user", "assistant"]
    assert listed[2].content[0].text.startswith("On the third working day")


def test_calls_of_tools_are_kept_in_a_conversation_until_they_are_answered(model, lectern):  # noqa: F811
    model.replies = [CALLS, Reply(["Rain."])]
    begun = lectern.conversations.create()
    ask(lectern, begun.id, tools=FLAT)
    outputs = [{"type": "function_call_output", "call_id": call, "output": "Rain."} for call in ("call_1", "call_2")]
    assert ask(lectern, begun.id, outputs).output_text == "Rain."
    kinds = [item.type for item in lectern.conversations.items.list(begun.id, order="asc")]
    assert kinds == ["message", *["function_call"] * 2, *["function_call_output"] * 2, "message"]


def test_a_conversation_is_changed_and_deleted(lectern):
    begun = lectern.conversations.create()
    assert lectern.conversations.update(begun.id, metadata={"a": "b"}).metadata == {"a": "b"}
    said = [{"role": "user", "content": "One."}, {"role": "assistant", "content": "Two."}]
    one, two = lectern.conversations.items.create(begun.id, items=said).data
    assert lectern.conversations.items.retrieve(two.id, conversation_id=begun.id).content[0].text == "Two."
    lectern.conversations.items.delete(one.id, conversation_id=begun.id)
    assert [item.id for item in lectern.conversations.items.list(begun.id)] == [two.id]
    with pytest.raises(openai.NotFoundError):
        lectern.conversations.items.delete(one.id, conversation_id=begun.id)
    assert lectern.conversations.retrieve(begun.id).metadata == {"a": "b"}
    assert lectern.conversations.delete(begun.id).deleted
    with pytest.raises(openai.NotFoundError):
        lectern.conversations.retrieve(begun.id)


def test_a_conversation_is_its_own_persons_and_a_narrowed_key_sees_its_own(asgi_server, lectern, alice, bob):
    begun = lectern.conversations.create().id
    narrowed = client(asgi_server, alice, collection_ids=[shared_collection(alice).pk])
    for other in (client(asgi_server, bob), narrowed):
        for call in (
            lambda other=other: other.conversations.retrieve(begun),
            lambda other=other: other.conversations.items.list(begun),
            lambda other=other: ask(other, begun),
        ):
            with pytest.raises(openai.NotFoundError):
                call()


def test_what_makes_no_sense_is_refused_by_its_name(lectern):
    begun = lectern.conversations.create().id
    answered = ask(lectern, begun)
    for call, param in [
        (lambda: ask(lectern, begun, previous_response_id=answered.id), "previous_response_id"),
        (lambda: ask(lectern, {"name": "x"}), "conversation"),
        (lambda: lectern.conversations.items.list(begun, after="nothing").data, "after"),
        (lambda: lectern.conversations.items.create(begun, items=[{"type": "reply"}]), "input[0]"),
        (lambda: lectern.conversations.items.create(begun, items=[]), "items"),
    ]:
        with pytest.raises(openai.BadRequestError) as refused:
            call()
        assert refused.value.param.split(".")[0] == param


def test_what_is_too_old_is_swept(lectern, settings):
    begun = lectern.conversations.create().id
    Thread.objects.update(updated_at=timezone.now() - timedelta(days=settings.RESPONSES_DAYS + 1))
    with pytest.raises(openai.NotFoundError):
        lectern.conversations.retrieve(begun)
    sweep_responses()
    assert not Thread.objects.exists()
