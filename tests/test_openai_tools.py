"""Tools of the program's own beside the documents, several answers to one question, and how likely words were."""

import json

import openai
import pytest

from tests.fake_openai import Reply
from tests.library import add
from tests.openai_served import client
from tests.test_openai_chat import ASKED, ask, model  # noqa: F401 - `model` is a fixture

pytestmark = pytest.mark.django_db(transaction=True)

WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"place": {"default": None}}}}
TOOLS = [{"type": "function", "function": WEATHER}]
FLAT = [{"type": "function", **WEATHER, "strict": False}]
CALL = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"place": "Oslo"}'},
}
SECOND = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
CALLS = Reply(deltas=[{"tool_calls": [CALL, SECOND]}], finish="tool_calls")
TOLD = {"role": "tool", "tool_call_id": "call_1", "content": "Rain in Oslo."}
TOLD_TOO = {"role": "tool", "tool_call_id": "call_2", "content": "Sun."}
RESULT = Reply(["It rains in Oslo. The rent is due on the third working day of the month. [1]"])
LIKELY = [{"token": "It", "logprob": -0.1, "bytes": [73, 116], "top_logprobs": []}]


@pytest.fixture
def lectern(asgi_server, alice):
    add(alice)
    return client(asgi_server, alice)


def respond(lectern, given, **more):
    return lectern.responses.create(model="default", input=given, **more)


# Chat completions ----------------------------------------------------------------------------------------------------
def test_the_model_calls_a_tool_and_answers_from_what_it_gave_back(model, lectern):  # noqa: F811
    model.replies = [CALLS, RESULT]
    first = ask(lectern, tools=TOOLS, tool_choice="auto", parallel_tool_calls=True).choices[0]
    assert (first.finish_reason, first.message.content) == ("tool_calls", None)
    assert [(call.id, call.function.name) for call in first.message.tool_calls] == [
        ("call_1", "weather"),
        ("call_2", "weather"),
    ]
    assert first.message.context["citations"][0]["filepath"] == "rules.md"
    sent = model.requests[-1]["body"]
    assert (sent["tools"], sent["tool_choice"], sent["parallel_tool_calls"]) == (TOOLS, "auto", True)
    assert "third working day" in sent["messages"][-1]["content"]

    second = ask(lectern, [*ASKED, first.message, TOLD, TOLD_TOO], tools=TOOLS).choices[0]
    assert second.finish_reason == "stop"
    assert second.message.content.startswith("It rains in Oslo. The rent is due") and "[doc1]" in second.message.content
    roles = [message["role"] for message in model.requests[-1]["body"]["messages"]]
    assert roles[-4:] == ["user", "assistant", "tool", "tool"]
    told = second.message.context["lectern"]["sentences"]
    assert [(each["text"][:8], each["verdict"]) for each in told] == [("The rent", "supported")]


def test_a_stream_tells_the_calls_with_their_places(model, lectern):  # noqa: F811
    model.replies = [CALLS]
    chunks = [chunk.choices[0] for chunk in ask(lectern, tools=TOOLS, stream=True)]
    calls = [call for chunk in chunks for call in chunk.delta.tool_calls or ()]
    assert [(call.index, call.id, call.function.arguments) for call in calls] == [
        (0, "call_1", '{"place": "Oslo"}'),
        (1, "call_2", "{}"),
    ]
    assert chunks[0].delta.role == "assistant" and chunks[-1].finish_reason == "tool_calls"


def test_a_tool_may_be_called_where_no_document_says_anything(model, asgi_server, alice):  # noqa: F811
    model.replies = [CALLS, Reply(["Rain."])]
    lectern = client(asgi_server, alice)
    message = ask(lectern, tools=TOOLS).choices[0].message
    assert len(message.tool_calls) == 2
    assert ask(lectern, [*ASKED, message, TOLD, TOLD_TOO]).choices[0].message.content == "Rain."


def test_what_tools_gave_back_in_an_earlier_turn_is_known_later(model, lectern):  # noqa: F811
    exchange = [{"role": "assistant", "tool_calls": [{k: CALL[k] for k in ("id", "type", "function")}]}, TOLD]
    before = [{"role": "user", "content": "Does it rain?"}, *exchange, {"role": "assistant", "content": "It does."}]
    ask(lectern, [*before, *ASKED])
    roles = [message["role"] for message in model.requests[-1]["body"]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([*ASKED, TOLD], "must be a response to a preceeding message with 'tool_calls'"),
        ([*ASKED, {"role": "assistant", "tool_calls": [{k: CALL[k] for k in ("id", "type", "function")}]}],
         "did not have response messages: call_1"),
        ([{"role": "assistant", "content": "Hello."}], "must be a question"),
    ],
)  # fmt: skip
def test_calls_and_results_that_do_not_match_are_refused_in_the_words_of_the_service(lectern, messages, sentence):
    with pytest.raises(openai.BadRequestError, match=sentence):
        ask(lectern, messages)


def test_without_a_model_nobody_could_call_a_tool(lectern):
    for call in (lambda: ask(lectern, tools=TOOLS), lambda: respond(lectern, "Rain?", tools=FLAT)):
        with pytest.raises(openai.BadRequestError, match="nobody could call a tool") as refused:
            call()
        assert refused.value.param == "tools"


# Responses -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["by id", "by items"])
def test_a_response_calls_a_tool_and_the_next_one_answers(model, lectern, way):  # noqa: F811
    model.replies = [CALLS, RESULT]
    first = respond(lectern, "When is the rent due?", tools=FLAT, tool_choice={"type": "function", "name": "weather"})
    assert [(item.type, item.call_id) for item in first.output] == [
        ("function_call", "call_1"),
        ("function_call", "call_2"),
    ]
    sent = model.requests[-1]["body"]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert sent["tools"][0]["function"] == WEATHER | {"strict": False}
    results = [
        {"type": "function_call_output", "call_id": "call_1", "output": "Rain in Oslo."},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "Sun."}]},
    ]
    if way == "by id":
        second = respond(lectern, results, previous_response_id=first.id)
    else:
        asked = {"role": "user", "content": "When is the rent due?"}
        second = respond(lectern, [asked, *first.output, *results])
    assert second.output_text.startswith("It rains in Oslo.")
    assert [message["role"] for message in model.requests[-1]["body"]["messages"]][-4:] == [
        "user", "assistant", "tool", "tool"]  # fmt: skip
    listed = lectern.responses.input_items.list(second.id, order="asc").data
    assert [item.type for item in listed][-2:] == ["function_call_output", "function_call_output"]


def test_a_streamed_response_tells_each_step_of_a_call(model, lectern):  # noqa: F811
    model.replies = [Reply(deltas=[{"content": "One moment."}, {"tool_calls": [CALL]}], finish="tool_calls")]
    with lectern.responses.stream(model="default", input="Rain?", tools=FLAT) as stream:
        kinds = [event.type.removeprefix("response.") for event in stream]
        final = stream.get_final_response()
    assert kinds[-7:] == [
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [item.type for item in final.output] == ["message", "function_call"]
    assert json.loads(final.output[1].arguments) == {"place": "Oslo"}


def test_results_without_their_calls_are_refused(model, lectern):  # noqa: F811
    output = {"type": "function_call_output", "call_id": "call_9", "output": "?"}
    with pytest.raises(openai.BadRequestError, match="No tool call found for function call output with call_id call_9"):
        respond(lectern, [{"role": "user", "content": "Rain?"}, output])
    model.replies = [CALLS]
    first = respond(lectern, "Rain?", tools=FLAT)
    with pytest.raises(openai.BadRequestError, match="No tool output found for function call call_1"):
        respond(lectern, "And now?", previous_response_id=first.id)


# Several answers, and how likely they were ---------------------------------------------------------------------------
def test_several_answers_come_of_one_search(model, lectern):  # noqa: F811
    model.replies = [Reply([f"Answer {number}. [1]"]) for number in range(3)]
    answer = ask(lectern, n=3)
    assert sorted(choice.message.content for choice in answer.choices) == [f"Answer {n}. [doc1]" for n in range(3)]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    shown = {json.dumps(choice.message.context["citations"]) for choice in answer.choices}
    assert len(shown) == 1 and answer.usage.completion_tokens == 36


def test_several_answers_are_streamed_by_their_index(model, lectern):  # noqa: F811
    model.replies = [Reply([f"Answer {number}."]) for number in range(2)]
    said = {0: "", 1: ""}
    chunks = list(ask(lectern, n=2, stream=True, stream_options={"include_usage": True}))
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said[choice.index] += choice.delta.content or ""
    assert said == {0: "Answer 0.", 1: "Answer 1."} and chunks[-1].usage.completion_tokens == 24


def test_how_likely_words_were_is_told_where_the_model_can(model, lectern):  # noqa: F811
    model.replies = [Reply(["It is so. [1]"], likely=LIKELY) for _ in range(3)]
    told = ask(lectern, logprobs=True, top_logprobs=0).choices[0].logprobs.content
    assert (told[0].token, told[0].logprob) == ("It", -0.1)
    assert model.requests[-1]["body"]["top_logprobs"] == 0
    chunks = [chunk.choices[0] for chunk in ask(lectern, logprobs=True, stream=True)]
    assert [token.token for chunk in chunks if chunk.logprobs for token in chunk.logprobs.content] == ["It"]
    response = respond(lectern, "When is the rent due?", include=["message.output_text.logprobs"])
    assert response.output[0].content[0].logprobs[0].token == "It"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 9}, "n"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "no name"}}]}, "tools"),
        ({"functions": [WEATHER]}, "functions"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(model, lectern, more, param):  # noqa: F811
    with pytest.raises(openai.BadRequestError) as refused:
        ask(lectern, **more)
    assert refused.value.param.split(".")[0] == param


def test_a_reasoning_model_refuses_log_probabilities_as_the_service_does(model, lectern, settings):  # noqa: F811
    settings.OPENAI_CHAT_MODEL = "gpt-5-mini"
    with pytest.raises(openai.BadRequestError, match="'logprobs' is not supported with this model") as refused:
        ask(lectern, logprobs=True)
    assert refused.value.code == "unsupported_parameter"
