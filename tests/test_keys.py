"""Keys: what they open, for whom, how often and how long; and what is written down of it."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from chat.models import Conversation
from documents import intake, sharing
from documents.indexes import private_collection
from documents.models import Collection, Document
from documents.retrieval import retrieve
from project.keys import issue, revoke
from project.limits import spend
from project.models import ApiKey, AuditEvent, NothingIsRewritten, narrow
from tests.library import RENT, add, shared_collection

pytestmark = pytest.mark.django_db


def signed(user, **more) -> dict[str, str]:
    return {"Authorization": f"Bearer {ApiKey.create(user, **more)[1]}"}


def search(client, headers, query: str = "When is the rent due?", **more):
    body = json.dumps({"query": query, **more})
    return client.post("/api/search", body, content_type="application/json", headers=headers)


# Which open, and which do not ----------------------------------------------------------------------------------------
def test_a_revoked_key_opens_nothing_from_the_next_call_on(client, alice):
    key, secret = ApiKey.create(alice)
    headers = {"api-key": secret}
    assert client.get("/api/documents", headers=headers).status_code == 200
    revoke(key)
    assert client.get("/api/documents", headers=headers).status_code == 401


def test_an_expired_key_opens_nothing(client, alice):
    ago, later = (timezone.now() + timedelta(hours=hours) for hours in (-1, 1))
    assert client.get("/api/documents", headers=signed(alice, expires_at=ago)).status_code == 401
    assert client.get("/api/documents", headers=signed(alice, expires_at=later)).status_code == 200


def test_each_scope_holds_those_before_it(staff):
    held = {scope: [other for other in ApiKey.Scope.values if ApiKey.create(staff, scope=scope)[0].may(other)]
            for scope in ApiKey.Scope.values}  # fmt: skip
    assert held == {"read": ["read"], "write": ["read", "write"], "admin": ["read", "write", "admin"]}


def test_an_admin_key_of_somebody_who_no_longer_runs_lectern_runs_it_no_more(staff):
    key, _ = ApiKey.create(staff, scope="admin")
    staff.is_staff = False
    staff.save()
    key.refresh_from_db()
    assert key.may("write") and not key.may("admin")


@pytest.mark.parametrize(
    "asked",
    [{"scope": "admin"}, {"expires_at": timezone.now() - timedelta(days=1)}],
)
def test_a_key_that_makes_no_sense_is_not_made(alice, asked):
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError):
        issue(alice, **asked)


# Narrowed to collections ---------------------------------------------------------------------------------------------
@pytest.fixture
def narrowed(alice):
    """The headers of a key of Alice's for one of her collections; what lies in the other must not be seen."""
    shown, hidden = shared_collection(alice, name="Shown"), shared_collection(alice, name="Hidden")
    add(alice, collection=shown)
    add(alice, RENT + b"The vault code is 4711.\n", "vault.md", hidden)
    return signed(alice, collection_ids=[shown.pk])


def test_a_narrowed_key_finds_nothing_elsewhere(client, narrowed):
    found = search(client, narrowed, "What is the vault code?").json()["results"]
    assert {row["document"] for row in found} == {"rules.md"}
    assert search(client, narrowed, collections=["Hidden"]).json()["results"] == []


def test_a_narrowed_key_sees_no_document_elsewhere(client, narrowed):
    vault = Document.objects.get(name="vault.md")
    assert [row["name"] for row in client.get("/api/documents", headers=narrowed).json()] == ["rules.md"]
    assert client.get(f"/api/documents/{vault.pk}", headers=narrowed).status_code == 404
    assert client.delete(f"/api/documents/{vault.pk}", headers=narrowed).status_code == 404


@pytest.mark.parametrize("collection", ["", "Private", "Hidden", "New"])
def test_a_narrowed_key_adds_nothing_elsewhere(client, narrowed, collection):
    data = {"file": SimpleUploadedFile("a.md", b"# A\n\nWords.\n"), "collection": collection}
    response = client.post("/api/documents", data, headers=narrowed)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert Document.objects.count() == 2


def test_a_narrowed_key_adds_where_it_may(client, narrowed):
    data = {"file": SimpleUploadedFile("a.md", b"# A\n\nWords.\n"), "collection": "Shown"}
    assert client.post("/api/documents", data, headers=narrowed).status_code == 201


def test_a_key_narrowed_to_nothing_opens_nothing(client, alice):
    add(alice)
    headers = signed(alice, collection_ids=[])
    assert client.get("/api/documents", headers=headers).json() == []
    assert search(client, headers).json()["results"] == []


def test_a_narrowing_gives_no_right(alice, bob):
    document = add(alice)
    assert retrieve("rent", narrow(bob, [document.collection_id])) == []


def test_a_narrowed_caller_reads_conversations_about_its_collections_alone(alice):
    shown, hidden = private_collection(alice), shared_collection(alice)
    rows = [Conversation.objects.create(owner=alice, title=title) for title in ("all", "both", "shown", "hidden")]
    for row, places in zip(rows, ([], [shown, hidden], [shown], [hidden]), strict=True):
        row.collections.set(places)
    readable = Conversation.objects.for_user(narrow(alice, [shown.pk]))
    assert [row.title for row in readable] == ["shown"]


# How often -----------------------------------------------------------------------------------------------------------
def test_every_answer_says_what_is_left_of_the_minute(client, alice):
    headers = signed(alice, requests_a_minute=5, tokens_a_minute=1_000)
    client.get("/api/documents", headers=headers)
    response = client.get("/api/documents", headers=headers)
    told = {name: response[f"x-ratelimit-{name}"] for name in ("limit-requests", "remaining-requests", "limit-tokens",
            "remaining-tokens")}  # fmt: skip
    assert list(told.values()) == ["5", "3", "1000", "1000"]
    assert response["x-ratelimit-reset-requests"] in {"59s", "60s"} and response["x-ratelimit-reset-tokens"] == "0s"


def test_a_key_has_its_own_limit_of_calls(client, alice):
    headers = signed(alice, requests_a_minute=2)
    assert [client.get("/api/documents", headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("/api/documents", headers=headers)
    assert 0 < int(refused["Retry-After"]) <= 60 and refused["x-ratelimit-remaining-requests"] == "0"


def test_a_key_whose_tokens_are_spent_waits(client, alice):
    key, secret = ApiKey.create(alice, tokens_a_minute=100)
    spend(f"key:{key.pk}", 70)
    assert client.get("/api/documents", headers={"api-key": secret})["x-ratelimit-remaining-tokens"] == "30"
    spend(f"key:{key.pk}", 70)
    refused = client.get("/api/documents", headers={"api-key": secret})
    assert (refused.status_code, refused["x-ratelimit-remaining-tokens"]) == (429, "0")
    assert 0 < int(refused["Retry-After"]) <= 60


def test_what_a_call_to_a_model_takes_counts_for_the_key_it_was_made_with(client, alice):
    from project.provider.pieces import Tokens
    from project.spending import Payer, note

    key, secret = ApiKey.create(alice)
    note("gpt", Payer(user_id=alice.pk, api_key_id=key.pk), Tokens(30, 12))
    response = client.get("/api/documents", headers={"api-key": secret})
    assert int(response["x-ratelimit-limit-tokens"]) - int(response["x-ratelimit-remaining-tokens"]) == 42


def test_one_key_does_not_spend_what_another_has(client, alice):
    one, other = (signed(alice, requests_a_minute=1) for _ in range(2))
    assert [client.get("/api/documents", headers=each).status_code for each in (one, other, one)] == [200, 200, 429]


# Made by command and by page -----------------------------------------------------------------------------------------
def test_the_command_takes_what_a_key_can_have(alice, capsys):
    shared = shared_collection(alice, name="Rules")
    call_command("create_api_key", "alice", scope="read", collection=["rules"], days=3, requests=7, tokens=9)
    key = ApiKey.find(capsys.readouterr().out.strip().splitlines()[-1])
    assert (key.scope, key.collection_ids) == ("read", [shared.pk])
    assert (key.requests_a_minute, key.tokens_a_minute) == (7, 9)
    assert timedelta(days=2) < key.expires_at - timezone.now() <= timedelta(days=3)


def test_the_command_names_the_collections_there_are(alice):
    shared_collection(alice, name="Rules")
    with pytest.raises(CommandError, match="Theirs: Rules"):
        call_command("create_api_key", "alice", collection=["Ruls"])


def make(client, **more):
    return client.post("/keys/", {"name": "Nightly", "scope": "read", "days": "30"} | more)


def test_a_new_key_is_shown_once(client, alice):
    client.force_login(alice)
    response = make(client)
    secret = response.context["secret"]
    assert response.status_code == 201 and secret in response.content.decode() and ApiKey.find(secret)
    assert secret not in client.get("/keys/").content.decode()
    assert "no-store" in response["Cache-Control"]


def test_a_person_narrows_a_key_to_what_they_may_read(client, alice, bob):
    shared, foreign = shared_collection(alice, name="Rules"), shared_collection(bob, name="Bobs")
    client.force_login(alice)
    make(client, collections=[str(shared.pk)])
    assert ApiKey.objects.get().collection_ids == [shared.pk]
    assert make(client, collections=[str(foreign.pk)]).status_code == 400
    html = client.get("/keys/").content.decode()
    assert "Bobs" not in html and f'type="checkbox" name="collections" value="{shared.pk}"' in html


@pytest.mark.parametrize("more", [{"scope": "admin"}, {"name": ""}, {"days": "-1"}, {"collections": ["x"]}])
def test_a_form_that_asks_too_much_is_refused(client, alice, more):
    client.force_login(alice)
    assert make(client, **more).status_code == 400
    assert not ApiKey.objects.exists()


def test_nobody_revokes_the_key_of_somebody_else(client, alice, bob):
    key, _ = ApiKey.create(alice)
    client.force_login(bob)
    assert client.post(f"/keys/{key.pk}/revoke/").status_code == 404
    client.force_login(alice)
    assert client.post(f"/keys/{key.pk}/revoke/").status_code == 302
    key.refresh_from_db()
    assert not key.is_live


# What was done -------------------------------------------------------------------------------------------------------
def told() -> list[tuple[str, str, str]]:
    return [(event.action, event.user_name, event.subject_name) for event in AuditEvent.objects.order_by("pk")]


def test_what_is_done_is_written_down_with_the_key_and_the_address(client, alice):
    key, secret = issue(alice, name="Nightly")
    data = {"file": SimpleUploadedFile("rules.md", RENT)}
    client.post("/api/documents", data, headers={"api-key": secret})
    event = AuditEvent.objects.first()
    assert (event.action, event.subject_name, event.user_name) == ("document.upload", "rules.md", "alice")
    assert (event.api_key_id, event.api_key_name, event.address) == (key.pk, f"{key.start}… Nightly", "127.0.0.1")


def test_every_act_has_its_line(client, alice, bob):
    client.force_login(alice)
    client.post("/library/collections/new/", {"name": "Rules"})
    shared = Collection.objects.get(name="Rules")
    place = f"/library/collections/{shared.pk}/"
    client.post(place, {"name": "House rules"})
    client.post(f"{place}members/", {"username": "bob", "role": "reader"})
    client.post(f"{place}members/", {"username": "bob", "role": "editor"})
    client.post(f"{place}members/", {"remove": "bob"})
    document = add(alice)
    intake.move(document, Collection.objects.get(pk=shared.pk))
    client.post(f"{document.get_absolute_url()}delete/")
    client.post(place, {"action": "delete"})
    assert [action for action, _, _ in told()] == [
        "collection.create", "collection.rename", "member.add", "member.change", "member.remove", "document.upload",
        "document.move", "document.delete", "collection.delete",
    ]  # fmt: skip


def test_making_and_revoking_a_key_are_written_down(client, alice):
    client.force_login(alice)
    make(client)
    client.post(f"/keys/{ApiKey.objects.get().pk}/revoke/")
    assert [(action, who) for action, who, _ in told()] == [("key.create", "alice"), ("key.revoke", "alice")]


def test_what_came_to_nothing_is_not_written_down(alice, bob):
    shared = shared_collection(alice)
    sharing.let_in(shared, alice, "reader")
    sharing.let_out(shared, "nobody")
    assert told() == []


def test_what_was_done_stays_written(alice):
    issue(alice)
    event = AuditEvent.objects.get()
    for act in (event.delete, event.save, AuditEvent.objects.all().delete):
        with pytest.raises(NothingIsRewritten):
            act()
    for statement in ("UPDATE project_auditevent SET user_name = 'bob'", "DELETE FROM project_auditevent"):
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    alice.delete()
    assert AuditEvent.objects.get().subject_name.endswith("of alice")
