"""Every route of the API and every tool of `/mcp`, with a key that does not open it: refused as documented, and
nothing is told.

The routes are walked, so a new one is tested with the day it is there.
"""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.mcp import server_for
from documents.models import Collection, Document, DocumentEvent
from documents.openai_api.ids import FILE, STORE, public
from project.models import ApiKey, AuditEvent
from tests.library import RENT, add, shared_collection
from tests.routes import TOOLS, Route, Tool, routes

pytestmark = pytest.mark.django_db(transaction=True)
SECRETS = ("vault", "4711", "Hidden", "carol")
EVERY = list(routes())
OPEN = {"GET /v1/models"}  # Tells which models there are to whoever holds a key, and needs no more.


@pytest.fixture
def things(alice):
    """What lies in a collection of Alice's that the calls below must not reach."""
    from tests.conftest import person

    hidden = shared_collection(alice, person("carol"), name="Hidden")
    document = add(alice, RENT + b"The vault code is 4711.\n", "vault.md", hidden)
    ids = {"file": public(FILE, document.pk), "store": public(STORE, hidden.pk)}
    return ids | {"documents": document.pk, "collections": hidden.pk}


def body_of(response) -> str:
    if response.streaming:
        return ""  # Its status says enough: what is refused is never a stream.
    return response.content.decode("utf-8", "replace")


def assert_nothing_is_told(route: Route, response) -> None:
    assert response.status_code < 500, (route, response.status_code, body_of(response)[:500])
    asked = ("vault code", r"\u201cHidden\u201d")  # What the call itself says may come back.
    body = body_of(response)
    for words in asked:
        body = body.replace(words, "")
    assert not [secret for secret in SECRETS if secret in body], (route, body[:500])


def as_it_was(things) -> bool:
    """Whether what must not be reached is as it was."""
    row = Document.objects.get(pk=things["documents"])
    place = Collection.objects.get(pk=things["collections"])
    same = (row.name, row.deleted_at, row.collection_id, row.state) == ("vault.md", None, place.pk, "ready")
    return same and place.name == "Hidden" and [one.user.username for one in place.memberships.all()] == ["carol"]


def test_the_routes_are_walked():
    assert len(EVERY) > 30 and all(route.scope for route in EVERY)
    assert {"GET /api/documents/{uuidstr:pk}", "POST /v1/chat/completions"} <= set(map(str, EVERY))


def test_the_tools_that_are_walked_are_those_that_there_are(alice):
    key, secret = ApiKey.create(alice)
    told = asyncio.run(server_for(lambda: key).list_tools())
    assert {tool.name for tool in told} == set(TOOLS)


def test_who_may_gets_an_answer_by_every_tool(client, alice, things):
    """Else the walk below would be one past doors that are shut to everybody."""
    headers = {"api-key": ApiKey.create(alice, scope="read")[1]}
    told = {route.name: body_of(route.call(client, headers, things)) for route in EVERY if isinstance(route, Tool)}
    assert all("4711" in told[name] for name in ("search", "open_page", "ask")), told
    assert "vault.md" in told["list_documents"]


def test_a_key_that_is_none_opens_no_route(client, alice, things):
    now = timezone.now()
    revoked = ApiKey.create(alice, scope="write", revoked_at=now)[1]
    expired = ApiKey.create(alice, scope="write", expires_at=now - timedelta(seconds=1))[1]
    for headers in ({}, {"api-key": "lk_wrong"}, {"api-key": revoked}, {"Authorization": f"Bearer {expired}"}):
        for route in EVERY:
            response = route.call(client, headers, things)
            assert response.status_code == 401, (route, response.status_code)
            assert "error" in response.json(), route
            assert_nothing_is_told(route, response)
    assert as_it_was(things)


def test_a_key_opens_no_route_above_its_scope(client, alice, things):
    for scope, closed in (("read", {"write", "admin"}), ("write", {"admin"})):
        headers = {"api-key": ApiKey.create(alice, scope=scope)[1]}
        for route in EVERY:
            if route.scope in closed:
                response = route.call(client, headers, things)
                assert response.status_code == 403, (route, response.status_code)
                assert_nothing_is_told(route, response)
    assert as_it_was(things)


def test_nothing_that_changes_is_open_to_a_reading_key():
    """Who asks and searches posts too: those routes are named here, on purpose."""
    asking = {"/api/search", "/api/explain"}
    ours = [route for route in EVERY if route.path.startswith("/api/") and route.method != "GET"]
    assert {route.path for route in ours if route.scope == "read"} == asking


def test_to_run_lectern_takes_more_than_the_scope(client, alice, things):
    headers = {"api-key": ApiKey.create(alice, scope="admin")[1]}  # Alice is not staff.
    for route in EVERY:
        if route.scope == "admin":
            assert route.call(client, headers, things).status_code == 403, route


def test_a_stranger_finds_nothing_on_any_route(client, charlie, things):
    check(client, {"api-key": ApiKey.create(charlie, scope="write")[1]}, things)


def test_a_narrowed_key_finds_nothing_elsewhere_on_any_route(client, alice, things):
    shown = shared_collection(alice, name="Shown")
    add(alice, b"# Shown\n\nTea is served at four.\n", "tea.md", shown)
    check(client, {"api-key": ApiKey.create(alice, scope="write", collection_ids=[shown.pk])[1]}, things)


def check(client, headers, things) -> None:
    for route in EVERY:
        if route.scope == "admin":
            continue
        response = route.call(client, headers, things)
        assert_nothing_is_told(route, response)
        if route.path.startswith(("/api/documents/{", "/api/collections/{")):
            assert response.status_code == 404, (route, response.status_code)
    assert as_it_was(things)


def test_what_a_stranger_did_stands_in_the_record_as_theirs(client, charlie, things):
    before = AuditEvent.objects.count()
    check(client, {"api-key": ApiKey.create(charlie, scope="write")[1]}, things)
    assert {event.user_name for event in AuditEvent.objects.all()[: AuditEvent.objects.count() - before]} <= {"charlie"}


def test_events_are_of_what_one_may_read(client, alice, charlie, things):
    assert DocumentEvent.objects.for_user(alice).exists()
    assert not DocumentEvent.objects.for_user(charlie).exists()
