"""The management routes: collections and people, documents, what happened, figures, indexes, keys, the record."""

import json

import pytest
from asgiref.sync import async_to_sync

from documents.models import Collection, Document, DocumentEvent, EvaluationRun, Index, Membership
from project.models import ApiKey, AuditEvent
from tests.library import RENT, add, shared_collection, upload

pytestmark = pytest.mark.django_db


class Api:
    """Calls of one person's."""

    def __init__(self, client, user, scope: str = "write") -> None:
        self.client, self.headers = client, {"api-key": ApiKey.create(user, scope=scope)[1]}

    def __call__(self, method: str, path: str, status: int = 200, **body):
        more = {"data": json.dumps(body), "content_type": "application/json"} if method in ("post", "patch") else {}
        response = getattr(self.client, method)(f"/api{path}", headers=self.headers, **more)
        assert response.status_code == status, (response.status_code, response.content)
        return response.json() if response.content else None


@pytest.fixture
def api(client, alice) -> Api:
    return Api(client, alice)


# Collections and people ----------------------------------------------------------------------------------------------
def test_a_collection_is_made_renamed_and_deleted(api):
    made = api("post", "/collections", 201, name="Handbooks")
    assert (made["role"], made["documents"], made["index"]) == ("owner", 0, "main")
    assert api("patch", f"/collections/{made['id']}", name="Manuals")["name"] == "Manuals"
    api("delete", f"/collections/{made['id']}", 204)
    api("get", f"/collections/{made['id']}", 404)


def test_many_collections_take_as_many_queries_as_one(api, alice, bob, django_assert_max_num_queries):
    for number in range(12):
        shared_collection(bob, alice, name=f"Of Bob {number}")
    with django_assert_max_num_queries(4):  # Two for the key, one to list them.
        listed = api("get", "/collections")
    assert [row["role"] for row in listed][-12:] == ["reader"] * 12


def test_a_collection_that_holds_documents_stays(api, alice):
    row = shared_collection(alice)
    add(alice, collection=row)
    assert api("delete", f"/collections/{row.pk}", 409)["error"]["code"] == "not_empty"


@pytest.mark.parametrize("name", ["Private", "Shared", " "])
def test_a_name_that_cannot_be_is_refused(api, alice, name):
    shared_collection(alice)
    assert api("post", "/collections", 422, name=name)["error"]["param"] == "name"


def test_people_are_let_in_and_out(client, api, alice, bob):
    place = f"/collections/{shared_collection(alice).pk}"
    assert api("post", f"{place}/members", 201, username="bob") == {"username": "bob", "role": "reader"}
    assert api("patch", f"{place}/members/bob", role="editor")["role"] == "editor"
    assert Api(client, bob)("get", place)["role"] == "editor"
    assert [one["username"] for one in Api(client, bob)("get", f"{place}/members")] == ["bob"]
    api("delete", f"{place}/members/bob", 204)
    Api(client, bob)("get", place, 404)


def test_only_the_owner_changes_who_is_in(client, alice, bob, charlie):
    place = f"/collections/{shared_collection(alice, bob, role=Membership.Role.EDITOR).pk}"
    for call in (("post", f"{place}/members"), ("patch", place), ("delete", place), ("delete", f"{place}/members/bob")):
        Api(client, bob)(*call, 403, username="charlie", name="X")
    Api(client, charlie)("get", place, 404)


@pytest.mark.parametrize(("name", "status"), [("nobody", 422), ("alice", 409)])
def test_who_cannot_be_let_in_is_told(api, alice, name, status):
    api("post", f"/collections/{shared_collection(alice).pk}/members", status, username=name)


# Documents -----------------------------------------------------------------------------------------------------------
def test_the_list_is_filtered_and_counted(client, api, alice):
    rules = shared_collection(alice, name="Rules")
    add(alice, collection=rules)
    upload(alice, b"# Other\n\nWords.\n", "other.md")
    names = {query: [row["name"] for row in api("get", f"/documents?{query}")] for query in (
        "state=ready", "state=ready,queued", "collection=rules", f"collection={rules.pk}", "q=oth", "kind=pdf",
        "created_after=2199-01-01T00:00:00Z",
    )}  # fmt: skip
    assert list(names.values()) == [
        ["rules.md"], ["other.md", "rules.md"], ["rules.md"], ["rules.md"], ["other.md"], [], [],
    ]  # fmt: skip
    response = client.get("/api/documents?limit=1", headers=api.headers)
    assert (len(response.json()), response["x-total-count"]) == (1, "2")


def test_a_document_is_moved_and_renamed_with_its_versions(api, alice):
    target = shared_collection(alice, name="Rules")
    add(alice)
    document = add(alice, RENT + b"More.\n")
    changed = api("patch", f"/documents/{document.pk}", collection="rules", name="house.md")
    assert (changed["name"], changed["collection_id"]) == ("house.md", str(target.pk))
    versions = api("get", f"/documents/{document.pk}/versions")
    assert [(row["version"], row["name"], row["superseded_at"] is None) for row in versions] == [
        (2, "house.md", True), (1, "house.md", False),
    ]  # fmt: skip


def test_a_name_that_is_taken_changes_nothing(api, alice):
    add(alice, name="a.md")
    document = add(alice, RENT + b"More.\n", "b.md")
    assert api("patch", f"/documents/{document.pk}", 409, name="a.md")["error"]["code"] == "taken"
    assert Document.objects.get(pk=document.pk).name == "b.md"


def test_a_document_goes_only_where_one_may_add(api, alice, bob):
    foreign = shared_collection(bob, alice)
    document = add(alice)
    api("patch", f"/documents/{document.pk}", 404, collection=str(foreign.pk))


def test_the_file_comes_back_as_it_was(client, api, alice):
    document = add(alice)
    response = client.get(f"/api/documents/{document.pk}/original", headers=api.headers)

    async def whole() -> bytes:
        return b"".join([piece async for piece in response])

    assert async_to_sync(whole)() == RENT
    assert response["Content-Disposition"] == 'attachment; filename="rules.md"'


def test_a_search_is_explained_by_itself(api, alice):
    document = add(alice)
    told = api("post", "/explain", query="When is the rent due?", about=[{"document": str(document.pk)}])
    assert told["explanations"][0]["reason"] == "shown" and told["explanations"][0]["legs"]["keyword"]["rank"] == 1


# What happened -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_what_happens_is_told_in_its_order_and_once(api, alice):
    add(alice)
    first = api("get", "/events")
    assert [event["kind"] for event in first["events"]][:2] == ["queued", "extracting"]
    assert first["events"][-1]["kind"] == "ready"
    assert api("get", f"/events?after={first['next']}") == {"events": [], "next": first["next"]}
    api("delete", f"/documents/{first['events'][0]['document_id']}", 204)
    assert [event["kind"] for event in api("get", f"/events?after={first['next']}")["events"]] == ["deleted"]
    half = api("get", "/events?limit=2")
    assert api("get", f"/events?after={half['next']}&limit=1")["events"] == first["events"][2:3]


@pytest.mark.django_db(transaction=True)
def test_an_event_waits_for_those_before_it(alice):
    """A transaction that began earlier and ends later must not bring an event that a reader has gone past."""
    import threading

    from django.db import connection, transaction

    began, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        try:
            with transaction.atomic():
                upload(alice, b"# Slow\n\nWords.\n", "slow.md")
                began.set()
                assert go_on.wait(20)
        finally:
            connection.close()

    upload(alice, b"# Zero\n\nWords.\n", "zero.md")
    thread = threading.Thread(target=slowly)
    from tests.conftest import person

    dora = person("dora")
    shared = shared_collection(dora, alice)
    thread.start()
    assert began.wait(20)
    upload(dora, b"# Fast\n\nWords.\n", "fast.md", shared)
    seen = [event.name for event in DocumentEvent.objects.for_user(alice)]
    go_on.set()
    thread.join()
    assert seen == ["zero.md"]
    assert [event.name for event in DocumentEvent.objects.for_user(alice)] == ["zero.md", "slow.md", "fast.md"]


@pytest.mark.parametrize("after", ["x", "1", "1-", "-1-2", "9" * 30 + "-1"])
def test_an_id_that_is_none_is_refused(api, after):
    api("get", f"/events?after={after}", 422)


def test_a_stream_goes_on_after_the_last_event_that_was_seen(asgi_server, alice):
    import httpx2

    add(alice)
    key, secret = ApiKey.create(alice, scope="read")
    url, headers = f"{asgi_server}/api/events/stream", {"api-key": secret}

    def ids(number: int, **more: str) -> list[str]:
        found: list[str] = []
        with httpx2.stream("GET", url, headers=headers | more, timeout=30) as response:
            assert response.headers["content-type"] == "text/event-stream"
            for line in response.iter_lines():
                found += [line[4:]] if line.startswith("id: ") else []
                if len(found) == number:
                    return found
        return found

    first = ids(3)
    assert ids(1, **{"Last-Event-ID": first[1]}) == first[2:]
    last = DocumentEvent.objects.last().cursor
    ApiKey.objects.filter(pk=key.pk).update(scope="write")
    with httpx2.stream("GET", url, headers=headers | {"Last-Event-ID": last}, timeout=30) as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 2000"
        key.revoked_at = key.created_at
        key.save()
        assert "id" not in "".join(lines)  # It ends, because the key is revoked.


# Figures -------------------------------------------------------------------------------------------------------------
def test_a_run_is_measured_kept_and_compared(api, alice):
    add(alice)
    asked = {"set": "smoke", "modes": ["keyword"], "questions": [
        {"question": "When is the rent due?", "right": [{"document": "rules.md", "page": 1}]}]}  # fmt: skip
    first = api("post", "/evaluation/runs", 201, **asked)
    assert first["figures"]["keyword"]["hit@1"]["value"] == 1.0
    second = api("post", "/evaluation/runs", 201, **asked)
    whole = api("get", f"/evaluation/runs/{second['id']}")
    assert whole["before"] == first["id"] and whole["results"][0]["modes"]["keyword"]["rank"] == 1
    assert [(one["name"], one["runs"]) for one in api("get", "/evaluation/sets")] == [("smoke", 2)]


def test_runs_are_ones_own_and_closed_to_a_narrowed_key(client, api, alice, bob):
    add(alice)
    body = {"set": "smoke", "modes": ["keyword"], "questions": [
        {"question": "rent", "right": [{"document": "rules.md", "page": 1}]}]}  # fmt: skip
    run = api("post", "/evaluation/runs", 201, **body)
    Api(client, bob)("get", f"/evaluation/runs/{run['id']}", 404)
    narrow = {"api-key": ApiKey.create(alice, collection_ids=list(Collection.objects.values_list("pk", flat=True)))[1]}
    assert client.get("/api/evaluation/runs", headers=narrow).json() == []
    assert EvaluationRun.objects.count() == 1


# Spending ------------------------------------------------------------------------------------------------------------
def test_one_sees_what_one_spent_and_who_runs_lectern_sees_it_all(client, api, alice, bob, staff):
    from project.provider.pieces import Tokens
    from project.spending import Payer, note

    for user, tokens in ((alice, 10), (bob, 20)):
        note("gpt", Payer(user_id=user.pk), Tokens(tokens, 1))
    assert api("get", "/usage?by=user")["total"]["input_tokens"] == 10
    api("get", "/usage?whose=all", 403)
    lines = Api(client, staff, "admin")("get", "/usage?whose=all&by=user")["lines"]
    assert [(line["name"], line["input_tokens"]) for line in lines] == [("bob", 20), ("alice", 10)]
    api("get", "/usage?first=2026-02-01&last=2026-01-01", 422)


# For those who run Lectern -------------------------------------------------------------------------------------------
@pytest.fixture
def running(client, staff) -> Api:
    return Api(client, staff, "admin")


def test_an_index_is_rebuilt_swapped_and_gone_back_to(running, alice):
    add(alice)
    index = running("get", "/indexes")[0]
    place = f"/indexes/{index['id']}"
    built = running("post", f"{place}/rebuild", 202, chunk_tokens=300)
    assert (built["number"], built["state"]) == (2, "building")
    assert running("post", f"{place}/rebuild", 409)["error"]["code"] == "refused"
    assert running("post", f"{place}/versions/2/swap", 409)["error"]["reason"]
    Index.objects.get(pk=index["id"]).versions.filter(number=2).update(state="failed")
    running("post", f"{place}/versions/2/cancel")
    assert [event.action for event in AuditEvent.objects.filter(subject_kind="index")] == [
        "index.cancel", "index.rebuild",
    ]  # fmt: skip


def test_an_index_is_made(running):
    made = running("post", "/indexes", 201, name="Second")
    assert made["versions"][0]["is_live"]
    running("post", "/indexes", 409, name="Second")
    running("get", "/indexes/999999999999999999999", 404)


@pytest.mark.parametrize("body", [{"chunk_tokens": 3}, {"backend": "none"}, {"model": "best"}])
def test_a_version_that_cannot_be_is_refused(running, alice, body):
    add(alice)
    running("post", f"/indexes/{Index.objects.get().pk}/rebuild", 422, **body)


def test_keys_are_listed_without_what_opens_and_revoked(client, running, alice):
    key, secret = ApiKey.create(alice, name="Nightly")
    listed = running("get", "/keys?user=alice")
    assert [row["name"] for row in listed] == ["Nightly"] and secret not in json.dumps(listed)
    assert running("post", f"/keys/{key.pk}/revoke")["is_live"] is False
    assert client.get("/api/documents", headers={"api-key": secret}).status_code == 401


def test_the_record_is_read_by_who_runs_lectern(running, api, alice):
    add(alice)
    events = running("get", "/audit?user=alice&action=document.upload")
    assert [(event["subject_name"], event["user"]) for event in events] == [("rules.md", "alice")]
    assert running("get", f"/audit?before={events[0]['id']}&user=alice") == []
    api("get", "/audit", 403)


# The description -----------------------------------------------------------------------------------------------------
def test_every_route_of_ours_says_what_it_is_and_how_it_refuses(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method, told in methods.items():
            if path.startswith("/api/"):
                assert told["tags"] and told["summary"] and told["description"], (method, path)
                assert {"401", "403", "404", "422", "429"} <= told["responses"].keys(), (method, path)
