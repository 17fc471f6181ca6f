"""The door for programs: keys, documents, search and chat, as the shapes promise."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from documents.ingestion import ingest
from documents.models import Collection, Document
from project.models import ApiKey
from tests.library import RENT, add, shared_collection

pytestmark = pytest.mark.django_db
answering = pytest.mark.django_db(transaction=True)  # An answer gives its connection back while the model writes.


def signed(user, scope: str = ApiKey.Scope.WRITE) -> dict[str, str]:
    return {"Authorization": f"Bearer {ApiKey.create(user, scope=scope)[1]}"}


def send(client, user, content: bytes = RENT, name: str = "rules.md", **more):
    data = {"file": SimpleUploadedFile(name, content), **more}
    return client.post("/api/documents", data, headers=signed(user))


def post(client, path: str, body: dict, headers: dict[str, str]):
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def chat(client, user, question: str, **more):
    body = {"model": "default", "messages": [{"role": "user", "content": question}], **more}
    return post(client, "/v1/chat/completions", body, signed(user))


# Keys --------------------------------------------------------------------------------------------------------------
def test_the_command_prints_the_key_alone_on_the_last_line(client, alice, capsys):
    call_command("create_api_key", "alice")
    key = capsys.readouterr().out.strip().splitlines()[-1]
    assert client.get("/api/documents", headers={"api-key": key}).status_code == 200


def test_only_a_hash_of_the_key_is_kept(alice):
    row, secret = ApiKey.create(alice)
    assert secret not in str(ApiKey.objects.filter(pk=row.pk).values())


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"api-key": ""}, {"Authorization": "Basic eDp5"}]
)
def test_without_a_key_there_is_nothing(client, headers):
    response = client.get("/api/documents", headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_a_revoked_key_and_the_key_of_somebody_who_left_open_nothing(client, alice):
    headers = signed(alice)
    type(alice).objects.update(is_active=False)
    assert client.get("/api/documents", headers=headers).status_code == 401


def test_a_reading_key_cannot_write(client, alice):
    response = client.post("/api/documents", {}, headers=signed(alice, ApiKey.Scope.READ))
    assert response.status_code == 403


def test_a_minute_has_its_limit(client, alice, settings):
    settings.REQUESTS_A_MINUTE = 3
    headers = signed(alice)
    assert [client.get("/api/documents", headers=headers).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert int(client.get("/api/documents", headers=headers)["Retry-After"]) > 0


# Documents ---------------------------------------------------------------------------------------------------------
def test_an_upload_answers_201_and_the_same_again_200(client, alice):
    first, second = send(client, alice), send(client, alice)
    assert (first.status_code, first.json()["state"], first.json()["duplicate"]) == (201, "queued", False)
    assert (second.status_code, second.json()["id"], second.json()["duplicate"]) == (200, first.json()["id"], True)


def test_a_document_tells_how_far_it_is(client, alice):
    row = send(client, alice).json()
    ingest(Document.objects.get(pk=row["id"]))
    shown = client.get(f"/api/documents/{row['id']}", headers=signed(alice)).json()
    assert (shown["state"], shown["pages"], shown["collection"]) == ("ready", 1, "Private")


def test_an_upload_into_a_new_name_makes_a_collection_of_ones_own(client, alice):
    send(client, alice, collection="Rules")
    assert Collection.objects.get(name="Rules").owner == alice


def test_the_private_collection_can_be_named_and_not_doubled(client, alice):
    send(client, alice, collection="Private")
    assert send(client, alice).json()["duplicate"]
    assert Collection.objects.get(owner=alice).is_private


@pytest.mark.parametrize("query", ["offset=99999999999999999999", "limit=0", "offset=-1", "limit=x", "state=%00"])
def test_an_odd_page_of_the_list_is_no_fault_of_ours(client, alice, query):
    assert client.get(f"/api/documents?{query}", headers=signed(alice)).status_code in {200, 422}


def test_an_upload_into_a_shared_name_goes_there_only_for_editors(client, alice, bob):
    shared_collection(alice, bob, name="Rules")
    row = send(client, bob, collection="Rules").json()
    assert Document.objects.get(pk=row["id"]).collection.owner == bob


def test_what_cannot_be_read_is_told_with_reason_and_advice(client, alice):
    response = send(client, alice, b"\x7fELF\x00\x00", "program.pdf")
    assert response.status_code == 415
    assert response.json()["error"]["reason"] and response.json()["error"]["advice"]


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_not_yours_is_not_there(client, alice, charlie, verb):
    document = add(alice)
    response = getattr(client, verb)(f"/api/documents/{document.pk}", headers=signed(charlie))
    assert response.status_code == 404
    assert Document.objects.filter(pk=document.pk, deleted_at=None).exists()


def test_deleting_takes_it_out_of_the_search_at_once(client, alice):
    document = add(alice)
    assert client.delete(f"/api/documents/{document.pk}", headers=signed(alice)).status_code == 204
    assert post(client, "/api/search", {"query": "rent"}, signed(alice)).json()["results"] == []


def test_retry_and_cancel_answer_with_the_document(client, alice):
    row = send(client, alice).json()
    assert client.post(f"/api/documents/{row['id']}/cancel", headers=signed(alice)).json()["state"] == "canceled"
    assert client.post(f"/api/documents/{row['id']}/retry", headers=signed(alice)).json()["state"] == "queued"


# Search ------------------------------------------------------------------------------------------------------------
def test_a_search_names_the_place_on_the_page(client, alice):
    document = add(alice)
    result = post(client, "/api/search", {"query": "When is the rent due?"}, signed(alice)).json()["results"][0]
    page = document.pages_live().get(number=result["page"])
    assert page.text[result["start"] : result["end"]] == result["text"]
    assert (result["document_id"], result["document"]) == (str(document.pk), "rules.md")
    assert set(result["legs"]) == {"keyword", "vector"} and result["legs"]["keyword"]["rank"] == 1


@pytest.mark.parametrize("mode", ["keyword", "vector"])
def test_one_leg_can_be_asked_alone(client, alice, mode):
    add(alice)
    result = post(client, "/api/search", {"query": "rent due", "mode": mode}, signed(alice)).json()["results"][0]
    assert set(result["legs"]) == {mode}


def test_a_search_stays_in_the_collections_named(client, alice):
    add(alice, collection=shared_collection(alice, name="Rules"))
    add(alice, RENT + b"Private copy.\n", "mine.md")
    answer = post(client, "/api/search", {"query": "rent", "collections": ["rules"]}, signed(alice)).json()
    assert {row["document"] for row in answer["results"]} == {"rules.md"}
    nothing = post(client, "/api/search", {"query": "rent", "collections": ["unknown"]}, signed(alice)).json()
    assert nothing["results"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "x", "top": 0},
        {"query": "x", "top": 101},
        {"query": "x", "mode": "best"},
        {"query": 3},
        [],
    ],
)
def test_a_search_that_makes_no_sense_is_refused_with_a_sentence(client, alice, body):
    response = post(client, "/api/search", body, signed(alice))
    assert response.status_code == 422 and response.json()["error"]["message"]


@pytest.mark.parametrize(
    "query", ["\x00", "\ud800", "'; DROP TABLE", "a & | ! ( <-> :*", "[" * 10_000, "的" * 5_000, "%_\\"]
)
def test_no_query_is_a_fault_of_ours(client, alice, query):
    add(alice)
    assert post(client, "/api/search", {"query": query}, signed(alice)).status_code in {200, 422}


# Chat --------------------------------------------------------------------------------------------------------------
@answering
def test_an_answer_carries_its_citations(client, alice):
    document = add(alice)
    body = chat(client, alice, "When is the rent due?").json()
    message = body["choices"][0]["message"]
    assert "third working day" in message["content"] and "[doc1]" in message["content"]
    first = message["context"]["citations"][0]
    assert "third working day" in first["content"]
    assert (first["filepath"], first["title"]) == ("rules.md", "House rules")
    assert str(document.pk) in first["url"]
    assert body["usage"]["total_tokens"] > 0


@answering
def test_what_the_documents_do_not_say_is_not_said(client, alice):
    add(alice)
    message = chat(client, alice, "Who won the chess championship in Reykjavik?").json()["choices"][0]["message"]
    assert message["content"] == "This is not in your documents."
    assert message["context"]["citations"] == []


@answering
def test_nobody_gets_an_answer_from_the_documents_of_others(client, alice, charlie):
    add(alice)
    message = chat(client, charlie, "When is the rent due?").json()["choices"][0]["message"]
    assert message["context"]["citations"] == [] and "third" not in message["content"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"messages": []}, 400),
        ({"messages": [{"role": "user", "content": ""}]}, 400),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400),
        ({"model": "gpt-9", "messages": [{"role": "user", "content": "x"}]}, 404),
        ({"messages": [{"role": "user", "content": "x" * 20_001}]}, 400),
        ({"messages": "x"}, 400),
    ],
)
def test_a_call_that_makes_no_sense_is_refused_in_openais_shape(client, alice, body, status):
    response = post(client, "/v1/chat/completions", body, signed(alice))
    assert response.status_code == status
    assert {"message", "type", "code", "param"} <= response.json()["error"].keys()


@answering
def test_broken_json_is_no_fault_of_ours(client, alice):
    for content in (b"{", b"\xff\xfe", b"[" * 50_000, b'{"messages": [{"role": "user", "content": "\\ud800"}]}'):
        response = client.post("/v1/chat/completions", content, content_type="application/json", headers=signed(alice))
        assert response.status_code in {200, 400}, content[:20]


def test_the_description_of_the_api_is_open(client):
    assert client.get("/api/docs").status_code == 200
    paths = client.get("/api/openapi.json").json()["paths"]
    assert {"/api/documents", "/api/search", "/v1/chat/completions"} <= paths.keys()


def test_health(client, db):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.head("/healthz").status_code == 200
    assert client.get("/readyz").json() == {"status": "ok", "failing": []}
