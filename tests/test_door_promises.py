"""What the door promises of the calls that go wrong: who is billed, who is asked, and how long anybody waits."""

import asyncio
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from asgiref.sync import async_to_sync
from django.db import connection as database

from project.deployments import Connection, Deployment
from project.models import Usage
from project.parameters import Wanted
from project.provider import (
    Call,
    Filtered,
    Notice,
    ProviderBusy,
    ProviderInterrupted,
    ProviderMisconfigured,
    ProviderRefused,
    Tokens,
    ToolCall,
    connections,
    stream,
)
from project.provider.errors import TABLE
from project.spending import Payer
from tests.conftest import ROOT
from tests.fake_openai import Reply
from tests.test_door import FILTERED, HATE, WAYS, ask, at, said, service, two, written

__all__ = ["service", "two"]
pytestmark = pytest.mark.django_db(transaction=True)
SAFE = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}


def keyless(service, way: str = "v1") -> Deployment:
    deployment = at(service, way)
    return replace(deployment, connection=replace(deployment.connection, key=""))


def bill() -> list[tuple[int, int, bool]]:
    return list(Usage.objects.values_list("input_tokens", "output_tokens", "is_estimate"))


# Who is billed -------------------------------------------------------------------------------------------------------
def test_an_answer_that_breaks_off_before_its_first_word_is_billed_and_not_asked_for_again(service):
    service.bills, service.replies = True, [Reply(pieces=[], cut=True)]
    with pytest.raises(ProviderInterrupted, match="in the middle"):
        ask(at(service))
    assert len(service.requests) == 1 and bill() == [(*service.ledger[0], True)]


def test_an_answer_cut_by_the_filter_is_written_down_as_the_service_counted_it(service):
    service.bills = True
    service.replies = [Reply(pieces=["It"], finish="content_filter", filtered=HATE, thoughts=40)]
    with pytest.raises(ProviderRefused):
        ask(at(service))
    assert bill() == [(*service.ledger[0], False)] and Usage.objects.get().reasoning_tokens == 40


def test_who_cannot_sign_in_is_not_billed(service, monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    connections.forget_identity()
    deployment = keyless(service)
    with pytest.raises(ProviderMisconfigured, match="cannot sign in"):
        ask(deployment)
    assert bill() == [] and service.requests == []


def test_an_answer_is_not_lost_with_the_note_of_its_cost(service, caplog):
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE project_usage RENAME TO project_usage_away")
    try:
        assert written(ask(at(service))) == "It is so. [1]"
    finally:
        with database.cursor() as cursor:
            cursor.execute("ALTER TABLE project_usage_away RENAME TO project_usage")
    assert "usage_not_noted" in caplog.text


# How long anybody waits ----------------------------------------------------------------------------------------------
def test_a_service_that_does_not_take_the_call_is_waited_for_as_long_as_the_caller_likes(service, monkeypatch):
    monkeypatch.setattr("project.provider.calls.LEAST_S", 0.05)
    service.replies = [Reply(is_silent=True)]
    with pytest.raises(ProviderBusy, match="did not answer in time") as caught:
        ask(at(service), patience_s=0.1)
    assert caught.value.code == "timeout" and service.closed_early.wait(5) and bill() == []


def test_nobody_stands_in_line_while_another_deployment_may_have_room(service, two):
    two = replace(two, requests_a_minute=1)
    assert written(ask(two)) == "It is so. [1]"
    pieces = ask(two, patience_s=50)
    assert "so “second” answers" in pieces[0].sentence
    assert [request["body"]["model"] for request in service.requests] == ["first", "second"]


def test_a_model_that_thinks_is_given_longer_than_one_that_does_not(service):
    async def limits() -> tuple[float, float]:
        made = [
            await connections.async_client(at(service).connection, is_patient=is_patient)
            for is_patient in (False, True)
        ]
        return made[0].timeout.read, made[1].timeout.read

    quick, patient = asyncio.run(limits())
    assert patient > 3 * quick


@pytest.mark.parametrize("more", [{"hosted_tools": [{"type": "file_search"}]}, {"data_sources": [{"type": "x"}]}])
def test_a_deployment_that_has_not_the_sources_does_not_stand_in(service, two, more):
    service.replies = [said(404, "DeploymentNotFound")]
    service.check = lambda *request: None  # Neither tool nor source is one.

    async def asked() -> None:
        wanted = Wanted([{"role": "user", "content": "When?"}], stream=True)
        async for _ in stream(Call(two, wanted, Payer(), **more)):
            pass

    with pytest.raises(ProviderMisconfigured, match="knows no deployment"):
        async_to_sync(asked)()
    assert len(service.requests) == 1


# What breaks in the middle -------------------------------------------------------------------------------------------
def test_a_connection_torn_in_the_middle_ends_the_answer(service):
    service.replies = [Reply(pieces=["In ", "May"], is_torn=True)]
    with pytest.raises(ProviderInterrupted, match="broke off in the middle"):
        ask(at(service))
    assert len(service.requests) == 1 and len(bill()) == 1


def test_a_fault_told_in_the_middle_ends_the_answer_and_its_words_stay_out(service, caplog):
    service.replies = [Reply(pieces=["In "], late_error={"code": "server_error", "message": "secret words"})]
    with pytest.raises(ProviderInterrupted, match="in the middle"):
        ask(at(service))
    assert "secret words" not in caplog.text


def test_a_filter_that_comes_late_cuts_the_answer_and_names_what_it_found(service):
    service.replies = [Reply(pieces=["In "], late_error={"code": "content_filter", "message": "x", **FILTERED})]
    with pytest.raises(ProviderRefused, match=r"cut the answer off \(hate, high\)"):
        ask(at(service))


def test_a_question_stopped_in_azures_first_chunk_is_said_to_be_the_questions(service):
    service.replies = [Reply(pieces=[], of_question=HATE, finish=None)]
    with pytest.raises(ProviderRefused, match=r"stopped this question \(hate, high\)"):
        ask(at(service))


@pytest.mark.parametrize("way", WAYS)
def test_a_filter_that_found_nothing_is_not_spoken_of(service, way):
    service.replies = [Reply(of_question=SAFE, filtered=SAFE)]
    assert not [piece for piece in ask(at(service, way)) if isinstance(piece, Filtered | Notice)]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_tells_its_tokens_last(service, way):
    service.replies = [Reply(cached=3, thoughts=2)]
    assert ask(at(service, way))[-1] == Tokens(321, 12, 3, 2)


def test_tool_calls_of_a_server_that_numbers_none_are_told_apart(service):
    splinters = [
        {"tool_calls": [{"id": "a", "function": {"name": "search", "arguments": '{"q": '}}]},
        {"tool_calls": [{"function": {"arguments": '"rent"}'}}]},
        {"tool_calls": [{"id": "b", "function": {"name": "open", "arguments": "{}"}}]},
    ]
    service.replies = [Reply(deltas=splinters, finish="tool_calls")]
    calls = [piece for piece in ask(at(service, "compatible")) if isinstance(piece, ToolCall)]
    assert calls == [ToolCall("a", "search", '{"q": "rent"}'), ToolCall("b", "open", "{}")]


def test_tool_calls_left_unfinished_by_the_cap_are_not_made(service):
    splinter = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "search", "arguments": '{"q'}}]}
    service.replies = [Reply(deltas=[splinter], finish="length")]
    assert not [piece for piece in ask(at(service)) if isinstance(piece, ToolCall)]


def test_lines_that_only_python_would_break_stay_whole(service):
    body = json.dumps(
        {"choices": [{"delta": {"content": "a\u2028b\x85c"}, "finish_reason": "stop"}]}, ensure_ascii=False
    )
    service.replies = [Reply(raw=f"data: {body}\r\n\r\ndata: [DONE]\n\n".encode())]
    assert written(ask(at(service))) == "a\u2028b\x85c"


def test_every_code_of_the_log_is_told_in_the_docs():
    told = (ROOT / "docs" / "models.md").read_text()
    assert [rule.code for _, rule in TABLE if f"`{rule.code}`" not in told] == []


# Who we are ----------------------------------------------------------------------------------------------------------
def test_no_stray_variable_adds_to_a_call(service, monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "stray")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer stray\nX-Stray: stray")
    for way in WAYS:
        ask(at(service, way))
    assert "stray" not in json.dumps([request["headers"] for request in service.requests])


def test_organisation_and_project_go_along_where_they_are_set(service):
    deployment = at(service, "openai")
    ask(replace(deployment, connection=replace(deployment.connection, organisation="org-1", project="proj-1")))
    headers = service.requests[0]["headers"]
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")


def test_clients_end_with_their_event_loop(service):
    connection = Connection("here", "compatible", f"{service.url}/v1", key="secret")

    async def opened():
        client = await connections.async_client(connection)
        assert await connections.async_client(connection) is client
        return client

    clients = [asyncio.run(opened()) for _ in range(3)]
    assert all(client.is_closed() for client in clients)


def test_a_client_that_cannot_be_made_keeps_no_event_loop():
    async def opened() -> None:
        await connections.async_client(Connection("odd", "compatible", "http://[::1/v1"))

    before = len(connections._kept)
    with pytest.raises(httpx2.InvalidURL):
        asyncio.run(opened())
    assert len(connections._kept) == before


@pytest.fixture
def identity(monkeypatch):
    """A machine with an identity: its endpoint hands out one token after the other."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Tests are quiet."""

        def do_GET(self) -> None:
            answer = {"access_token": tokens.pop(0), "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer | {"resource": "x"}).encode())

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "this machine")
    connections.forget_identity()
    yield tokens
    server.shutdown()
    server.server_close()
    connections.forget_identity()


@pytest.mark.parametrize("way", ["v1", "preview", "2024-10-21", "2025-04-01-preview"])
def test_a_token_that_is_refused_is_renewed_once_and_the_next_call_keeps_it(service, identity, way):
    identity += ["stale", "fresh"]
    service.secret = "fresh"
    deployment = keyless(service, way)
    for _ in range(2):
        assert written(ask(deployment)) == "It is so. [1]"
    sent = [request["headers"]["authorization"] for request in service.requests]
    assert sent == ["Bearer stale", "Bearer fresh", "Bearer fresh"] and not identity
    assert not any("api-key" in request["headers"] for request in service.requests)


def test_an_identity_without_the_right_is_told_so_after_one_renewal(service, identity):
    identity += ["one", "two", "three"]
    deployment = keyless(service)
    with pytest.raises(ProviderMisconfigured, match="refuses the key"):
        ask(deployment)
    assert len(service.requests) == 2


def test_one_call_in_the_middle_of_a_busy_minute_is_asked_again_no_sooner_than_told(service):
    service.replies = [Reply(status=429, headers={"retry-after": "1"}), Reply()]
    began = time.monotonic()
    assert written(ask(at(service))) == "It is so. [1]"
    assert time.monotonic() - began >= 1


def test_a_refusal_and_a_fault_are_no_second_bill(service):
    service.replies = [said(503), said(429), Reply()]
    ask(at(service))
    assert len(bill()) == len(service.ledger) == 1
