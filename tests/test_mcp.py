"""The tools for programs that speak the Model Context Protocol, through its own client, over both ways in."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from django.utils import timezone
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from project.models import ApiKey
from tests.library import RENT, add, shared_collection

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parent.parent
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
TALKS = {"Accept": "application/json, text/event-stream"}


def over_http(address: str, secret: str, use: Callable[[Client], Awaitable[None]], mode: str = "auto") -> None:
    async def run() -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http), mode=mode) as client,
        ):
            await use(client)

    asyncio.run(run())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_four_tools_answer_over_http_with_a_reading_key(asgi_server, alice, mode):
    document = add(alice)
    told: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async def use(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search", "open_page", "ask", "list_documents"}
        assert all(tool.annotations.read_only_hint for tool in tools.values())
        listed = (await client.call_tool("list_documents", {})).structured_content
        assert [row["id"] for row in listed["documents"]] == [str(document.pk)]
        found = (await client.call_tool("search", {"query": "When is the rent due?"})).structured_content["results"][0]
        assert (found["document_id"], found["page"]) == (str(document.pk), 1) and "third working day" in found["text"]
        asked = {"document_id": str(document.pk), "page": 1}
        page = (await client.call_tool("open_page", asked)).structured_content
        assert "Pets need" in page["text"] and str(document.pk) in page["url"]
        question = {"question": "When is the rent due?"}
        answered = (await client.call_tool("ask", question, progress_callback=progress)).structured_content
        assert "[doc1]" in answered["answer"] and "third working day" in answered["citations"][0]["text"]

    over_http(asgi_server, ApiKey.create(alice, scope="read")[1], use, mode)
    assert told


def test_a_stranger_finds_nothing_by_any_tool(asgi_server, alice, charlie):
    document = add(alice)

    async def use(client: Client) -> None:
        assert (await client.call_tool("search", {"query": "rent"})).structured_content["results"] == []
        assert (await client.call_tool("list_documents", {})).structured_content["total"] == 0
        opened = await client.call_tool("open_page", {"document_id": str(document.pk), "page": 1})
        assert opened.is_error and "not yours" in opened.content[0].text
        answered = (await client.call_tool("ask", {"question": "When is the rent due?"})).structured_content
        assert answered["is_refused"] and answered["citations"] == []

    over_http(asgi_server, ApiKey.create(charlie)[1], use)


def test_a_narrowed_key_stays_in_its_collections(asgi_server, alice):
    shown, hidden = shared_collection(alice, name="Shown"), shared_collection(alice, name="Hidden")
    add(alice, collection=shown)
    add(alice, RENT + b"The vault code is 4711.\n", "vault.md", hidden)

    async def use(client: Client) -> None:
        for tool, asked in (("search", {"query": "vault code"}), ("ask", {"question": "What is the vault code?"})):
            assert "4711" not in (await client.call_tool(tool, asked)).model_dump_json()
        listed = (await client.call_tool("list_documents", {"collections": ["Hidden"]})).structured_content
        assert listed["documents"] == []

    over_http(asgi_server, ApiKey.create(alice, collection_ids=[shown.pk])[1], use)


def test_what_makes_no_sense_is_told_to_the_model(asgi_server, alice):
    async def use(client: Client) -> None:
        for tool, asked in (("search", {"query": ""}), ("search", {"query": "x", "top": 900}),
                            ("open_page", {"document_id": "x"}), ("ask", {})):  # fmt: skip
            assert (await client.call_tool(tool, asked)).is_error
        assert not (await client.call_tool("search", {"query": "\x00'; DROP"})).is_error

    over_http(asgi_server, ApiKey.create(alice)[1], use)


def test_a_key_that_is_none_gets_no_answer(asgi_server, alice):
    gone = ApiKey.create(alice, revoked_at=timezone.now())[1]
    for headers in ({}, {"api-key": "lk_wrong"}, {"Authorization": f"Bearer {gone}"}):
        response = httpx2.post(f"{asgi_server}/mcp", json=HELLO, headers=headers | TALKS)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_key_has_its_minute_here_too(asgi_server, alice):
    headers = TALKS | {"api-key": ApiKey.create(alice, requests_a_minute=1)[1]}
    first, second = (httpx2.post(f"{asgi_server}/mcp", json=HELLO, headers=headers) for _ in range(2))
    assert (first.status_code, first.headers["x-ratelimit-remaining-requests"]) == (200, "0")
    assert second.status_code == 429 and 0 < int(second.headers["Retry-After"]) <= 60


def test_nothing_that_is_sent_is_a_fault_of_ours(asgi_server, alice):
    headers = TALKS | {"api-key": ApiKey.create(alice)[1], "Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b"null", b"[" * 20_000, b'{"jsonrpc": "2.0", "id": 1, "method": "none"}', b"\xff"):
        response = httpx2.post(f"{asgi_server}/mcp", content=body, headers=headers, timeout=30)
        assert response.status_code < 500, (body[:30], response.status_code)
    assert httpx2.get(f"{asgi_server}/mcp", headers=headers).status_code == 405
    other = httpx2.post(f"{asgi_server}/mcp", json=HELLO, headers=headers | {"Host": "evil.example.org"})
    assert other.status_code == 400


def test_lectern_is_reached_by_the_name_it_has(asgi_server, alice, settings):
    settings.ALLOWED_HOSTS = ["lectern.example.org"]
    headers = TALKS | {"api-key": ApiKey.create(alice)[1], "Host": "lectern.example.org"}
    response = httpx2.post(f"{asgi_server}/mcp", json=HELLO, headers=headers | {"Origin": "https://desk.example.org"})
    assert response.status_code == 200, response.text


def test_the_command_serves_them_over_stdin_and_stdout(alice, services):
    from django.db import connection

    add(alice)
    key, secret = ApiKey.create(alice, scope="read")
    where = connection.settings_dict
    database = f"postgres://{where['USER']}:{where['PASSWORD']}@/{where['HOST']}/{where['NAME']}"
    command = StdioServerParameters(
        command=sys.executable,
        args=["manage.py", "mcp"],
        cwd=ROOT,
        env=dict(os.environ) | {"DATABASE_URL": database, "LECTERN_API_KEY": secret},
    )

    async def run() -> None:
        async with Client(command) as client:
            asked = {"query": "When is the rent due?"}
            found = (await client.call_tool("search", asked)).structured_content["results"]
            assert "third working day" in found[0]["text"]
            await asyncio.to_thread(revoke)
            assert (await client.call_tool("search", asked)).is_error

    def revoke() -> None:
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
        connection.close()

    asyncio.run(run())
