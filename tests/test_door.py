"""The door to a language model: every way in, every way it can go wrong, and what each costs."""

import asyncio
import json
import logging
from contextlib import aclosing
from dataclasses import replace

import pytest
from asgiref.sync import async_to_sync

from project.catalogue import model_of
from project.circuit import Circuit
from project.deployments import Connection, Deployment
from project.models import Usage
from project.parameters import Wanted
from project.provider import (
    Call,
    Cut,
    Filtered,
    Notice,
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderTooLong,
    Retrieved,
    Tokens,
    ToolCall,
    stream,
)
from project.spending import Payer
from tests.fake_openai import FakeOpenAI, Reply

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "When?"}]
SOON = {"retry-after-ms": "1"}


@pytest.fixture
def service():
    with FakeOpenAI() as fake:
        yield fake
        assert fake.faults == []


def at(service: FakeOpenAI, way: str = "v1", base: str = "gpt-4o", **more) -> Deployment:
    """A deployment of this model, reached in this way."""
    if way in {"openai", "compatible"}:
        path = "/v1" if way == "openai" else "/own/v1"
        connection = Connection("here", way, f"{service.url}{path}", key="secret")
    else:
        connection = Connection("here", "azure", service.url, way, "secret")
    return Deployment("desk", connection, "desk-1", model_of(base), **more)


def ask(deployment: Deployment, messages=MESSAGES, **more) -> list:
    patience = more.pop("patience_s", 5)
    wanted = Wanted(messages, **{"max_output_tokens": 50, "stream": True} | more)

    async def collect() -> list:
        async with aclosing(stream(Call(deployment, wanted, Payer(), patience_s=patience))) as pieces:
            return [piece async for piece in pieces]

    return async_to_sync(collect)()


def written(pieces: list) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


# Ways in -------------------------------------------------------------------------------------------------------------
WAYS = {
    "openai": ("/v1/chat/completions", "authorization"),
    "compatible": ("/own/v1/chat/completions", "authorization"),
    "v1": ("/openai/v1/chat/completions", "authorization"),
    "preview": ("/openai/v1/chat/completions?api-version=preview", "authorization"),
    "2024-10-21": ("/openai/deployments/desk-1/chat/completions?api-version=2024-10-21", "api-key"),
    "2025-04-01-preview": ("/openai/deployments/desk-1/chat/completions?api-version=2025-04-01-preview", "api-key"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_asks_as_its_service_wants(service, way):
    service.replies = [Reply(pieces=["In ", "May. [1]"])]
    pieces = ask(at(service, way))
    assert written(pieces) == "In May. [1]"
    path, header = WAYS[way]
    (request,) = service.requests
    assert request["path"] == path and "secret" in request["headers"][header]
    assert request["body"]["model"] == "desk-1" and request["body"]["stream"] is True


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("base", ["gpt-4o", "gpt-5-mini", "o3"])
def test_no_request_carries_what_its_model_refuses(service, way, base):
    """The service checks every argument against its schema; what a reasoning model refuses is checked here."""
    deployment = at(service, way, base, generation={"reasoning_effort": "low", "temperature": 0.3, "top_p": 0.9})
    ask(deployment, seed=7, presence_penalty=0.5)
    body = service.requests[0]["body"]
    if deployment.base.family == "reasoning":
        refused = {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs"}
        assert not refused & body.keys() and body["max_completion_tokens"] == 50
    else:
        assert (body["temperature"], body["top_p"]) == (0.3, 0.9) and "reasoning_effort" not in body


def test_what_was_left_out_is_said_before_the_answer(service):
    (first, *_) = ask(at(service, base="gpt-5-mini"), temperature=0.2)
    assert isinstance(first, Notice) and "does not take a temperature" in first.sentence


def test_a_model_that_cannot_stream_gives_the_same_pieces(service):
    deployment = at(service)
    deployment = replace(deployment, base=replace(deployment.base, streaming=False))
    service.replies = [Reply(pieces=["In May."])]
    assert ask(deployment)[-2:] == ["In May.", Tokens(321, 12)]
    assert "stream" not in service.requests[0]["body"]


def test_tokens_are_told_with_what_was_cached_and_thought(service):
    service.replies = [Reply(cached=256, thoughts=9)]
    assert ask(at(service))[-1] == Tokens(321, 12, cached=256, reasoning=9)


def test_a_tool_call_that_comes_in_splinters_comes_whole(service):
    splinters = [
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "sea", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"name": "rch", "arguments": '{"que'}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "open", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": 'ry": "rent"}'}}]},
    ]
    service.replies = [Reply(deltas=splinters, finish="tool_calls")]
    calls = [piece for piece in ask(at(service)) if isinstance(piece, ToolCall)]
    assert calls == [ToolCall("a", "search", '{"query": "rent"}'), ToolCall("b", "open", "{}")]


def test_what_the_service_itself_found_comes_with_the_answer(service):
    context = {
        "citations": [{"content": "Rent is due in May.", "title": "Lease", "url": "https://x/lease", "chunk_id": "0"}],
        "intent": '["rent due"]',
    }
    service.replies = [Reply(deltas=[{"context": context}, {"content": "In May [doc1]."}])]
    (found,) = [piece for piece in ask(at(service)) if isinstance(piece, Retrieved)]
    assert (found.citations[0].text, found.citations[0].title) == ("Rent is due in May.", "Lease")
    assert found.queries == ("rent due",)


def test_leaving_closes_the_connection(service):
    service.replies = [Reply(pieces=["word "], hold=True)]

    async def leave_early() -> None:
        pieces = stream(Call(at(service), Wanted(MESSAGES, stream=True), Payer()))
        await anext(pieces)
        await pieces.aclose()

    async_to_sync(leave_early)()
    for _ in range(300):
        if service.ledger:
            return
        asyncio.run(asyncio.sleep(0.01))
    raise AssertionError("The service was never left.")


# What can go wrong: error, what becomes of it, the sentence, the code in the log ------------------------------------
def said(status: int, code: str | None = None, message: str = "x", **more) -> Reply:
    return Reply(status=status, error={"code": code, "message": message, **more}, headers=SOON)


HATE = {"hate": {"filtered": True, "severity": "high"}, "violence": {"filtered": False, "severity": "safe"}}
FILTERED = {"innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": HATE}}
LONG = "This model's maximum context length is 8192 tokens."
FAULTS = [
    (said(401), ProviderMisconfigured, 1, "refuses the key of “desk”", "key_refused"),
    (said(403), ProviderMisconfigured, 1, "refuses the key", "key_refused"),
    (said(404, "DeploymentNotFound"), ProviderMisconfigured, 1, "knows no deployment “desk”", "unknown_deployment"),
    (said(404, "model_not_found"), ProviderMisconfigured, 1, "knows no deployment", "unknown_deployment"),
    (said(404, "404"), ProviderMisconfigured, 1, "address or api-version", "wrong_address"),
    (said(429), ProviderBusy, 3, "is busy", "rate_limited"),
    (said(429, "insufficient_quota"), ProviderMisconfigured, 1, "is used up", "quota_spent"),
    (said(408), ProviderBusy, 3, "is busy", "busy"),
    (said(409), ProviderBusy, 3, "is busy", "busy"),
    (said(500), ProviderBusy, 3, "is busy", "service_fault"),
    (said(503), ProviderBusy, 3, "is busy", "service_fault"),
    (said(400, "content_filter", **FILTERED), ProviderRefused, 1, r"this question \(hate, high\)", "content_filter"),
    (said(400, "context_length_exceeded"), ProviderTooLong, 1, "too long for “desk”", "context_length_exceeded"),
    (said(400, None, LONG), ProviderTooLong, 1, "too long", "context_length_exceeded"),
    (said(400, "unknown_parameter"), ProviderMisconfigured, 1, "refused the call", "refused"),
    (said(400, None, "data_sources is gone"), ProviderMisconfigured, 1, "was retired", "data_sources_retired"),
    (said(422), ProviderMisconfigured, 1, "refused the call", "refused"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "error", "tries", "words", "code"), FAULTS, ids=lambda value: str(value)[:30])
def test_each_fault_has_its_error_its_tries_its_sentence_and_its_code(
    service, caplog, monkeypatch, reply, error, tries, words, code
):
    monkeypatch.setattr("project.provider.calls.PAUSE_S", 0.001)
    service.replies = [reply] * tries
    with caplog.at_level(logging.WARNING), pytest.raises(error, match=words) as caught:
        ask(at(service))
    assert caught.value.code == code and f"code={code}" in caplog.text
    assert len(service.requests) == tries and not Usage.objects.exists()


def test_a_busy_moment_is_not_noticed(service):
    service.replies = [said(503), said(429), Reply(pieces=["May."])]
    assert written(ask(at(service))) == "May."


def test_a_service_that_asks_for_more_patience_than_there_is_is_left_at_once(service):
    service.replies = [Reply(status=429, headers={"retry-after": "60"})]
    with pytest.raises(ProviderBusy) as caught:
        ask(at(service))
    assert caught.value.retry_after == 60 and len(service.requests) == 1


def test_a_service_that_is_not_there_is_said_to_be_out_of_reach(service):
    deployment = replace(at(service), connection=Connection("gone", "compatible", "http://127.0.0.1:9/v1"))
    with pytest.raises(ProviderBusy, match="cannot be reached") as caught:
        ask(deployment, patience_s=0.2)
    assert caught.value.code == "unreachable"


@pytest.mark.parametrize("address", ["localhost:9/v1", "http://[::1/v1"])
def test_an_address_that_is_none_is_said_to_be_none(service, address):
    deployment = replace(at(service), connection=Connection("odd", "compatible", address))
    with pytest.raises(ProviderMisconfigured, match="cannot be used as it is written"):
        ask(deployment)


def test_a_key_that_a_service_repeats_reaches_neither_log_nor_message(service, caplog):
    service.replies = [said(400, "secret", "The key secret is no good.")]
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderError) as caught:
        ask(at(service))
    assert "no good" not in caplog.text and "secret" not in str(caught.value)


@pytest.mark.parametrize("reply", [Reply(pieces=["It is"], cut=True), Reply(pieces=["It is"], finish=None)])
def test_an_answer_that_breaks_off_is_not_asked_for_again(service, reply):
    service.replies = [reply]
    with pytest.raises(ProviderInterrupted, match="in the middle"):
        ask(at(service))
    assert len(service.requests) == 1 and Usage.objects.get().is_estimate is reply.cut


EVENT = '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":%s}'
SHAPES = [
    b"",
    b"<html>Sign in</html>",
    b"data: \n\n",
    b"data: {\n\n",
    b"data: []\n\ndata: [DONE]\n\n",
    b"data: 5\n\n",
    b"data: null\n\n",
    b'data: {"error": {"message": "overloaded"}}\n\n',
    b'data: {"error": "overloaded"}\n\n',
    *[
        f"data: {EVENT % choices}\n\ndata: [DONE]\n\n".encode()
        for choices in (
            "null",
            "7",
            '"x"',
            "[7]",
            '[{"delta": 7}]',
            '[{"delta": {"content": 7}}]',
            '[{"delta": {"content": ["a"]}}]',
            '[{"delta": {"tool_calls": 7}}]',
            '[{"delta": {"tool_calls": [{"index": "x"}]}}]',
            '[{"delta": null, "finish_reason": 7}]',
            '[{"delta": {"context": 7}}]',
        )
    ],
    b"data: " + b"[" * 50_000 + b"\n\n",
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("raw", SHAPES, ids=lambda raw: repr(raw[:60]))
def test_a_reply_in_no_known_shape_ends_in_a_sentence(service, raw):
    service.replies = [Reply(raw=raw)]
    with pytest.raises(ProviderError) as caught:
        ask(at(service))
    assert str(caught.value).endswith(".") and len(service.requests) == 1


# The content filter's four shapes ------------------------------------------------------------------------------------
def test_an_answer_cut_by_the_filter_names_category_and_severity(service):
    service.replies = [Reply(pieces=["It"], finish="content_filter", filtered=HATE)]
    with pytest.raises(ProviderRefused, match=r"cut the answer off \(hate, high\)") as caught:
        ask(at(service))
    assert [each.category for each in caught.value.findings if each.is_filtered] == ["hate"]


def test_what_the_filter_saw_in_a_question_comes_with_its_answer(service):
    service.replies = [Reply(of_question={"jailbreak": {"filtered": False, "detected": True}})]
    (noted,) = [piece for piece in ask(at(service)) if isinstance(piece, Filtered)]
    assert (noted.where, noted.findings[0].category) == ("question", "jailbreak")


# Thoughts that leave no room -----------------------------------------------------------------------------------------
def test_an_answer_that_thoughts_left_empty_is_asked_for_once_more_with_more_room(service):
    service.replies = [Reply(pieces=[], finish="length", thoughts=50), Reply(pieces=["May."])]
    pieces = ask(at(service, base="gpt-5-mini"))
    caps = [request["body"]["max_completion_tokens"] for request in service.requests]
    assert written(pieces) == "May." and caps == [50, 200]
    assert "asked once more" in next(piece.sentence for piece in pieces if isinstance(piece, Notice))
    assert Usage.objects.count() == 2 and pieces[-1] == Tokens(642, 24, reasoning=50)


def test_one_that_stays_empty_says_so(service):
    service.replies = [Reply(pieces=[], finish="length", thoughts=50)] * 2
    pieces = ask(at(service, base="gpt-5-mini"))
    assert any(isinstance(piece, Notice) and "wrote nothing" in piece.sentence for piece in pieces)
    assert Cut() in pieces and len(service.requests) == 2


# Another deployment --------------------------------------------------------------------------------------------------
@pytest.fixture
def two(settings, tmp_path, monkeypatch, service):
    """A deployment whose fallback is another one, at the same service."""
    monkeypatch.setenv("HERE_KEY", "secret")
    path = tmp_path / "deployments.toml"
    path.write_text(f"""
[connections.here]
kind = "compatible"
endpoint = "{service.url}/v1"
key_variable = "HERE_KEY"
[deployments.first]
connection = "here"
fallback = "second"
[deployments.second]
connection = "here"
""")
    settings.DEPLOYMENTS_FILE = str(path)
    from project.deployments import chosen

    return chosen("first")


def test_the_fallback_answers_and_says_so(service, two):
    service.replies = [said(404, "DeploymentNotFound"), Reply(pieces=["May."])]
    pieces = ask(two)
    assert written(pieces) == "May."
    assert "“first” could not be asked, so “second” answers." in pieces[0].sentence
    assert [request["body"]["model"] for request in service.requests] == ["first", "second"]
    assert Usage.objects.get().deployment == "second"


@pytest.mark.parametrize("now", ["", "gone.toml"])
def test_a_fallback_that_is_gone_by_now_is_none(service, two, settings, now):
    settings.DEPLOYMENTS_FILE = now
    service.replies = [said(404, "DeploymentNotFound")]
    with pytest.raises(ProviderMisconfigured, match="knows no deployment “first”"):
        ask(two)
    assert len(service.requests) == 1


def test_no_other_is_asked_once_there_are_words(service, two):
    service.replies = [Reply(pieces=["It"], cut=True)]
    with pytest.raises(ProviderInterrupted):
        ask(two)
    assert len(service.requests) == 1


def test_a_question_the_filter_stops_goes_to_no_other(service, two):
    service.replies = [said(400, "content_filter")]
    with pytest.raises(ProviderRefused):
        ask(two)
    assert len(service.requests) == 1


def test_after_failures_in_a_row_it_is_left_alone_and_the_fallback_answers(service, two, monkeypatch):
    monkeypatch.setattr("project.provider.calls.PAUSE_S", 0.001)
    well = Reply(pieces=["May."])
    service.replies = [said(500), said(500), said(500), well, said(500), said(500), well, well]
    assert [written(ask(two)) for _ in range(3)] == ["May."] * 3
    assert Circuit("first").state().word == "open"
    asked = [request["body"]["model"] for request in service.requests]
    assert asked == ["first"] * 3 + ["second"] + ["first"] * 2 + ["second"] * 2


def test_a_wrong_key_is_no_outage(service):
    service.replies = [said(401)] * 6
    for _ in range(6):
        with pytest.raises(ProviderMisconfigured):
            ask(at(service))
    assert Circuit("desk").state().failures == 0


def test_a_full_quota_is_said_after_the_callers_patience(service):
    deployment = at(service, requests_a_minute=1)
    ask(deployment)
    with pytest.raises(ProviderBusy, match="at its limit") as caught:
        ask(deployment, patience_s=0.1)
    assert caught.value.code == "own_quota" and len(service.requests) == 1


# What it costs -------------------------------------------------------------------------------------------------------
def one_of(place: int) -> list[Reply]:
    """What the service says to a question: of ten, six are answered well."""
    pieces = [f"Answer {place} ", "is that rent ", "is due in May. ", "[1]"]
    return {
        1: [said(429), said(503), Reply(pieces=pieces)],
        2: [Reply(pieces=pieces[:2], cut=True)],
        3: [Reply(pieces=pieces[:3], hold=True)],
        4: [Reply(pieces=pieces[:2], finish="content_filter", filtered=HATE)],
        5: [Reply(pieces=pieces, finish="length", cached=8, thoughts=place % 7)],
        6: [said(400, "content_filter", **FILTERED)],
    }.get(place % 10, [Reply(pieces=pieces)])


def test_what_is_written_down_is_what_was_billed_to_the_token(service, monkeypatch):
    monkeypatch.setattr("project.provider.calls.PAUSE_S", 0.001)
    monkeypatch.setattr("project.provider.calls.TRIES_MOST", 6)  # A kept connection may be closed under a call.
    service.bills = True
    service.script = {f"Question {place}?": one_of(place) for place in range(500)}
    deployment = at(service)

    async def one(place: int) -> None:
        messages = [MESSAGES[0], {"role": "user", "content": f"Question {place}?"}]
        own = replace(deployment, name=f"desk {place}")  # So that no circuit opens.
        pieces = stream(Call(own, Wanted(messages, stream=True), Payer()))
        told = ""
        try:
            async for piece in pieces:
                told += piece if isinstance(piece, str) else ""
                if place % 10 == 3 and "May." in told:
                    break
        except ProviderError:
            pass
        finally:
            await pieces.aclose()

    async def all_of_them() -> None:
        for start in range(0, 500, 20):
            await asyncio.gather(*(one(place) for place in range(start, start + 20)))

    async_to_sync(all_of_them)()
    rows = sorted(Usage.objects.values_list("input_tokens", "output_tokens"))
    assert len(rows) == 450 and rows == sorted(service.ledger)
    assert json.dumps(sum(map(sum, rows))) == json.dumps(sum(map(sum, service.ledger)))
