"""The Responses way: every event that matters becomes a piece, and nothing malformed gets through."""

import asyncio
import json
from contextlib import aclosing

import openai
import pytest

from project.catalogue import model_of
from project.deployments import Connection, Deployment
from project.parameters import Wanted, responses_request
from project.provider import (
    ProviderBusy,
    ProviderInterrupted,
    ProviderRefused,
    ProviderTooLong,
    responses,
)
from project.provider.calls import Call
from project.provider.errors import FOREIGN, ours
from project.provider.pieces import (
    Begun,
    CodeRun,
    Cut,
    Filtered,
    Finding,
    Quoted,
    Retrieved,
    ServiceCitation,
    Tokens,
    ToolCall,
)
from project.spending import Payer
from tests.fake_responses import Answer, FakeResponses, check

SAID = Tokens(321, 12, 64, 4)
FILE = {"file_id": "file-1", "filename": "rules.txt", "text": "Rent is due in May.", "score": 0.5, "attributes": {}}
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_9"], "max_num_results": 8}


@pytest.fixture
def service():
    with FakeResponses() as fake:
        fake.stores.stores["vs_9"] = {}
        yield fake
        assert fake.faults == []


def call(service, *, stream=True, hosted_tools=(), **wishes) -> Call:
    connection = Connection("here", "openai", f"{service.url}/v1", key="secret")
    deployment = Deployment("desk", connection, "gpt-5-mini", model_of("gpt-5-mini"), api="responses")
    wanted = Wanted([{"role": "user", "content": "When?"}], max_output_tokens=50, stream=stream, **wishes)
    return Call(deployment, wanted, Payer(), hosted_tools=hosted_tools)


def ask(service, answer: Answer | None = None, *, path: str = "/v1", got: list | None = None, **more) -> list:
    """All pieces; those that came before an error are in `got`."""
    service.answers = [answer] if answer else []
    asked = call(service, **more)
    request, _ = responses_request(asked.deployment.base, asked.deployment.connection.dialect, asked.wanted)
    found = [] if got is None else got

    async def collect() -> None:
        client = openai.AsyncOpenAI(base_url=service.url + path, api_key="secret", max_retries=0)
        async with client, aclosing(responses.pieces(client, asked, request)) as pieces:
            assert await anext(pieces) == Begun()
            async for piece in pieces:
                found.append(piece)

    try:
        asyncio.run(collect())
    except FOREIGN as exc:
        raise ours(exc, "desk") from exc
    return found


@pytest.mark.parametrize("path", ["/v1", "/openai/v1"])
def test_text_comes_as_it_is_written_and_tokens_last(service, path):
    *words, tokens = ask(service, Answer(["In ", "May."]), path=path)
    assert ("".join(words), tokens) == ("In May.", SAID)
    assert service.billed == [Answer().usage]


def test_a_model_that_cannot_stream_is_read_whole(service):
    answer = Answer(["In ", "May."], results=[FILE], quotes={0: ("file-1", "rules.txt")})
    found = ask(service, answer, stream=False, hosted_tools=[SEARCH])
    assert found[1:] == ["In ", Quoted("file-1", "rules.txt"), "May.", SAID]
    assert "stream" not in service.asked[0]


def test_nothing_is_kept_at_the_service(service):
    ask(service)
    (asked,) = service.asked
    assert asked["store"] is False and "previous_response_id" not in asked


def test_thoughts_and_events_nobody_knows_are_passed_over(service):
    lines = [{"type": "response.created"}, {"type": "response.dreaming", "delta": 7}, {"type": None}, {}]
    lines += [{"type": "response.output_item.done", "item": {"type": "dream", "content": 5}}, text("So."), completed()]
    assert ask(service, Answer(raw=[data(line) for line in lines])) == ["So.", Tokens(1, 2)]
    assert ask(service, Answer(["So."], thinks=True)) == ["So.", SAID]


def test_a_quotation_stands_where_the_words_it_carries_end(service):
    quotes = {0: ("file-1", "a.txt"), 1: ("file-2", "b.txt")}
    answer = Answer(["One.", " Two."], results=[FILE], queries=["when"], quotes=quotes)
    retrieved = Retrieved(
        [
            ServiceCitation(
                FILE["text"], "rules.txt", file="rules.txt", file_id="file-1", score=0.5, raw={"attributes": {}}
            )
        ],
        queries=["when"],
    )
    quoted = [Quoted("file-1", "a.txt"), Quoted("file-2", "b.txt")]
    assert ask(service, answer, hosted_tools=[SEARCH]) == [retrieved, "One.", quoted[0], " Two.", quoted[1], SAID]
    assert service.asked[0]["include"] == ["file_search_call.results"] and service.asked[0]["tools"] == [SEARCH]


def test_a_quotation_told_ahead_of_its_words_waits_for_them(service):
    early = {"type": "file_citation", "file_id": "f", "filename": "n", "index": 4}
    added = {"type": "response.output_text.annotation.added", "annotation_index": 0, "annotation": early}
    found = ask(service, Answer(raw=[data(one) for one in (added, text("One. Two."), completed())]))
    assert found[:3] == ["One.", Quoted("f", "n"), " Two."]


def test_quotations_told_with_the_whole_message_alone_are_not_lost(service):
    answer = Answer(["One."], quotes={0: ("file-1", "a.txt")}, late_quotes=True)
    assert ask(service, answer) == ["One.", Quoted("file-1", "a.txt"), SAID]


def test_each_tool_call_comes_whole(service):
    answer = Answer([], calls=[("search", '{"query": "rent"}'), ("open_page", "{}")])
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}
    calls = [ToolCall("call_0", "search", '{"query": "rent"}'), ToolCall("call_1", "open_page", "{}")]
    assert ask(service, answer, tools=[tool]) == [*calls, SAID]


def test_code_that_was_run_comes_with_what_it_printed(service):
    tool = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": []}}
    answer = Answer(["42."], runs=[("print(6 * 7)", "42\n")])
    assert ask(service, answer, hosted_tools=[tool]) == [CodeRun("print(6 * 7)", "42\n"), "42.", SAID]
    assert service.asked[0]["include"] == ["code_interpreter_call.outputs"]


def test_a_picture_that_code_made_is_named_and_not_loaded(service):
    outputs = [{"type": "logs", "logs": "done"}, {"type": "image", "url": "https://example.org/x.png"}]
    item = {"type": "code_interpreter_call", "code": None, "outputs": outputs}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    found = ask(service, Answer(raw=[data(done), data(completed())]))
    assert found[0] == CodeRun("", f"done\n{responses.PICTURE}")


def test_no_letter_comes_through_that_no_database_keeps(service):
    outputs = [{"type": "logs", "logs": "a\0b"}]
    item = done(type="code_interpreter_call", code="print('\0')", outputs=outputs)
    found = ask(service, Answer(raw=[data(one) for one in (item, text("In\0 May"), completed())]))
    assert found[:2] == [CodeRun("print('')", "ab"), "In May"]


def test_an_answer_at_its_cap_is_cut_and_costs_what_it_cost(service):
    assert ask(service, Answer(["In"], incomplete="max_output_tokens")) == ["In", Cut(), SAID]


HATE = {"hate": {"filtered": True, "severity": "high"}, "violence": {"filtered": False, "severity": "safe"}}


def test_an_answer_that_a_filter_cut_is_refused_with_what_it_found(service):
    filters = [{"blocked": True, "source_type": "completion", "content_filter_results": HATE}]
    got: list = []
    with pytest.raises(ProviderRefused, match=r"cut the answer off \(hate, high\)\."):
        ask(service, Answer(["In"], incomplete="content_filter", filters=filters), got=got)
    assert got == ["In", Filtered("answer", [Finding("hate", "high", True)]), SAID]


def test_what_a_filter_noticed_comes_with_an_answer_too(service):
    low = {"jailbreak": {"filtered": False, "detected": True}, "sexual": {"filtered": False, "severity": "low"}}
    filters = [{"blocked": False, "source_type": "prompt", "content_filter_results": low}]
    found = ask(service, Answer(["In."], filters=filters))
    assert Filtered("question", [Finding("sexual", "low", False)]) in found


def test_a_models_own_refusal_is_its_answer(service):
    assert ask(service, Answer(refusal="I would rather not.")) == ["I would rather not.", SAID]
    assert ask(service, Answer(refusal="I would rather not."), stream=False) == ["I would rather not.", SAID]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("server_error", ProviderBusy),
        ("rate_limit_exceeded", ProviderBusy),
        ("vector_store_timeout", ProviderBusy),
        ("invalid_prompt", ProviderRefused),
        ("content_filter", ProviderRefused),
        ("context_length_exceeded", ProviderTooLong),
        ("image_too_small", ProviderInterrupted),
        (None, ProviderInterrupted),
    ],
)
@pytest.mark.parametrize("shape", ["event", "nested", "failed"])
def test_each_failure_inside_an_answer_is_one_of_ours(service, code, error, shape):
    event = {"type": "error", "code": code, "message": "secret words", "param": None}
    if shape == "nested":
        event = {"type": "error", "error": {"code": code, "message": "secret words"}}
    if shape == "failed":
        event = {"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": "x"}}}
    with pytest.raises(error) as caught:
        ask(service, Answer(raw=[data(text("In")), data(event)]))
    assert "secret" not in str(caught.value)


def data(event: object) -> str:
    return f"data: {json.dumps(event)}"


def text(delta: object) -> dict:
    return {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": delta}


def completed(**more: object) -> dict:
    usage = {"input_tokens": 1, "output_tokens": 2}
    return {"type": "response.completed", "response": {"status": "completed", "usage": usage} | more}


def done(**item: object) -> dict:
    return {"type": "response.output_item.done", "output_index": 0, "item": item}


MALFORMED = {
    "no JSON": "data: {half",
    "a list": "data: []",
    "null": "data: null",
    "too deep": "data: " + "[" * 100_000,
    "a number for text": data(text(7)),
    "no text": data({"type": "response.output_text.delta"}),
    "half a letter": 'data: {"type": "response.output_text.delta", "delta": "\\ud83d"}',
    "a place that is none": data(text("In") | {"output_index": "first"}),
    "an item that is none": data({"type": "response.output_item.done", "item": "text"}),
    "a call without a name": data(done(type="function_call", call_id="c", arguments="{}")),
    "a call with arguments that are no text": data(done(type="function_call", call_id="c", name="f", arguments={})),
    "results that are no list": data(done(type="file_search_call", queries=["q"], results={"a": 1})),
    "a score that is none": data(done(type="file_search_call", queries=[], results=[{"score": "high"}])),
    "outputs that are none": data(done(type="code_interpreter_call", code="1", outputs=["1"])),
    "a message without content": data(done(type="message")),
    "an end without a response": data({"type": "response.completed"}),
    "an end that is a word": data({"type": "response.completed", "response": "done"}),
    "an end that is going on": data(completed(status="in_progress")),
    "no end": data(text("In")),
    "nothing": ": nothing",
}


@pytest.mark.parametrize("usage", [None, 7, {}, {"input_tokens": -1, "output_tokens": 2}, {"input_tokens": "many"}])
def test_a_bill_that_cannot_be_read_spoils_no_answer(service, usage):
    assert ask(service, Answer(raw=[data(text("In May.")), data(completed(usage=usage))])) == ["In May."]


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_stream_ends_in_one_of_our_sentences(service, line):
    with pytest.raises(ProviderInterrupted, match=r"cannot be read|in the middle"):
        ask(service, Answer(raw=[line]))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"status": 7}', b'{"status": "completed", "output": 5}']
)
def test_a_malformed_whole_answer_ends_in_one_of_our_sentences(service, body):
    with pytest.raises(ProviderInterrupted):
        ask(service, Answer(body=body), stream=False)


def test_what_the_connection_and_the_package_raise_is_for_the_runner_to_name(service):
    with pytest.raises(ProviderBusy) as caught:
        ask(service, Answer(status=429, headers={"retry-after": "1"}))
    assert caught.value.retry_after == 1
    with pytest.raises((ProviderBusy, ProviderInterrupted)):
        ask(service, Answer(["In", "May."], cut=True))


def test_whoever_stops_reading_stops_the_model(service):
    service.answers = [Answer(["word "] * 500, pause_s=0.01)]
    asked = call(service)
    request, _ = responses_request(asked.deployment.base, asked.deployment.connection.dialect, asked.wanted)

    async def read_one() -> object:
        client = openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="secret")
        async with client, aclosing(responses.pieces(client, asked, request)) as pieces:
            await anext(pieces)
            return await anext(pieces)

    assert asyncio.run(read_one()) == "word "
    assert service.closed_early.wait(5)


@pytest.mark.parametrize("way", ["openai-v1", "azure-v1"])
def test_the_fake_refuses_what_the_specifications_do(way):
    whole = {"model": "m", "input": "When?", "store": False}
    assert check(way, whole) == []
    assert check(way, whole | {"messages": []}) and check(way, whole | {"max_output_tokens": "ten"})
    assert check(way, whole | {"tools": [{"type": "file_search"}]}) and check(way, {**whole, "store": True})
