"""`/v1/chat/completions` through OpenAI's own clients, with a model and without one."""

import asyncio
import json

import openai
import pytest

from tests.fake_openai import FakeOpenAI, Reply
from tests.library import add
from tests.openai_served import async_client, client

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = [{"role": "user", "content": "When is the rent due?"}]
NEVER = [{"role": "user", "content": "Who won the chess championship in Reykjavik?"}]


@pytest.fixture
def model(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-4o"
        yield fake
        assert fake.faults == []


@pytest.fixture
def lectern(asgi_server, alice):
    add(alice)
    return client(asgi_server, alice)


def ask(lectern, messages=ASKED, **more):
    return lectern.chat.completions.create(model="default", messages=messages, **more)


def test_an_answer_has_all_that_clients_read(lectern):
    answer = ask(lectern)
    message = answer.choices[0].message
    assert "third working day" in message.content and message.refusal is None
    assert message.context["citations"][0]["filepath"] == "rules.md"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.system_fingerprint and answer.usage.completion_tokens_details.reasoning_tokens == 0


def test_a_stream_tells_the_citations_first_and_the_usage_last(lectern):
    chunks = list(ask(lectern, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.context["citations"][0]["filepath"] == "rules.md"
    assert "third working day" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0
    assert {chunk.usage for chunk in chunks[:-1]} == {None}


def test_asynchronous_clients_are_served_alike(asgi_server, alice):
    add(alice)

    async def both():
        async with async_client(asgi_server, alice) as lectern:
            whole = await ask(lectern)
            pieces = [chunk async for chunk in await ask(lectern, stream=True)]
        return whole.choices[0].message.content, "".join(each.choices[0].delta.content or "" for each in pieces)

    whole, streamed = asyncio.run(both())
    assert whole == streamed.strip() and "third working day" in whole


def test_what_is_wished_reaches_the_model(model, lectern):
    ask(lectern, temperature=0.3, top_p=0.5, seed=7, stop=["END"], presence_penalty=0.1, max_completion_tokens=99)
    sent = model.requests[-1]["body"]
    assert (sent["temperature"], sent["top_p"], sent["seed"], sent["stop"]) == (0.3, 0.5, 7, ["END"])
    assert (sent["presence_penalty"], sent.get("max_tokens") or sent["max_completion_tokens"]) == (0.1, 99)


def test_a_cap_that_is_reached_is_told(model, lectern):
    model.replies = [Reply(["It is so. [1]"], finish="length")]
    assert ask(lectern, max_tokens=5).choices[0].finish_reason == "length"


def test_a_schema_goes_to_the_model_and_its_json_comes_back_as_it_was_written(model, lectern):
    model.replies = [Reply(['{"days": [1', '], "source": "[1]"}'])]
    form = {"type": "json_schema", "json_schema": {"name": "due", "strict": True, "schema": {"type": "object"}}}
    answer = ask(lectern, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"days": [1], "source": "[1]"}
    assert model.requests[-1]["body"]["response_format"] == form


def test_what_is_not_there_is_told_beside_the_json_that_was_asked_for(model, lectern):
    model.replies = [Reply(["NOT_IN_DOCUMENTS"])]
    message = ask(lectern, response_format={"type": "json_object"}).choices[0].message
    assert message.content is None and message.refusal == "This is not in your documents."


def test_json_needs_a_model(lectern):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(lectern, response_format={"type": "json_object"})
    assert (refused.value.param, refused.value.code) == ("response_format", "unsupported_parameter")


def test_what_is_said_in_parts_is_read(lectern):
    parts = [{"type": "text", "text": "When is"}, {"type": "text", "text": "the rent due?"}]
    assert "third working day" in ask(lectern, [{"role": "user", "content": parts}]).choices[0].message.content


def test_what_changes_nothing_is_taken(lectern):
    more = {"user": "u1", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "parallel_tool_calls": True}
    assert ask(lectern, **more, tools=[], tool_choice="auto", n=1, logprobs=False, modalities=["text"]).choices


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"prediction": {"type": "content", "content": "It is due"}}, "prediction"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"temperature": 3}, "temperature"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"extra_body": {"colour": "red"}}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(lectern, more, param):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(lectern, **more)
    assert refused.value.param.split(".")[0] == param and refused.value.type == "invalid_request_error"


def test_an_unknown_argument_is_refused_in_the_words_of_the_service(lectern):
    with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: colour"):
        ask(lectern, extra_body={"colour": "red"})


def test_a_picture_is_refused_and_not_passed_over(lectern):
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    with pytest.raises(openai.BadRequestError, match="image_url"):
        ask(lectern, [{"role": "user", "content": [picture]}])


def test_an_unknown_model_is_not_found(lectern):
    with pytest.raises(openai.NotFoundError) as missing:
        lectern.chat.completions.create(model="gpt-9", messages=ASKED)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_a_wrong_key_is_told_as_such(asgi_server, lectern):
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(lectern.with_options(api_key="wrong"))
    assert refused.value.code == "invalid_api_key" and refused.value.request_id


def test_a_fault_in_the_stream_is_an_error_of_the_client(model, lectern):
    model.replies = [Reply(["It is"], late_error={"code": "server_error", "message": "no"})]
    with pytest.raises(openai.APIError):
        list(ask(lectern, stream=True))
