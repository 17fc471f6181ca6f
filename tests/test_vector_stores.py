"""A collection as a vector store at the service: filled, kept, deleted; never with what may not be read."""

import io
import json
from contextlib import redirect_stdout

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from documents import stores
from documents.models import Document, RemoteFile, VectorStore
from project.deployments import Connection, chosen
from project.provider import ProviderBusy, ProviderMisconfigured
from project.provider import stores as wire
from project.provider.stores import StoredFile
from tests.fake_responses import FakeResponses
from tests.fake_stores import Stored
from tests.library import RENT, add, shared_collection

PETS = b"# Pets\n\nA dog needs a written permission of the landlord.\n"


@pytest.fixture
def service(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(stores, "LOOK_S", 0.01)
    monkeypatch.setattr(wire, "RETRIES", 0)
    with FakeResponses() as fake:
        settings.DEPLOYMENTS_FILE = str(tmp_path / "deployments.toml")
        monkeypatch.setenv("DESK_KEY", "secret")
        (tmp_path / "deployments.toml").write_text(
            f'[connections.here]\nkind = "openai"\nendpoint = "{fake.url}/v1"\nkey_variable = "DESK_KEY"\n'
            '[deployments.desk]\nconnection = "here"\nmodel = "gpt-5-mini"\napi = "responses"\n'
            'grounding = "file_search"\n'
        )
        yield fake
        assert fake.faults == []


@pytest.fixture
def shared(alice, bob):
    collection = shared_collection(alice, bob)
    add(alice, RENT, "rules.md", collection)
    return collection


def run(*words: str, user="alice") -> tuple[dict, int]:
    """What the command says, as JSON, and its exit code."""
    said, code = io.StringIO(), 0
    try:
        with redirect_stdout(said):
            call_command("vector_store", *words, "--user", user, "--json", stdout=said)
    except SystemExit as exc:
        code = int(exc.code or 0)
    return json.loads(said.getvalue()), code


def texts(service) -> list[str]:
    (held,) = service.stores.stores.values()
    return sorted(service.stores.files[file_id].content.decode() for file_id in held)


def test_a_collection_becomes_a_vector_store_and_once_is_enough(service, shared):
    row, code = run("create", "Shared")
    assert code == 0 and row["ready"] == 1 and row["is_new"] and "third working day" in texts(service)[0]
    before = len(service.requests)
    again, _ = run("create", "Shared")
    assert not again["is_new"] and again["vector_store_id"] == row["vector_store_id"]
    assert len(service.requests) == before


def test_files_that_take_a_while_are_waited_for(service, shared, alice):
    service.stores.slow = 4
    seen = []
    store, _ = stores.create(shared, chosen("desk").connection)
    found = stores.update(store, chosen("desk").connection, alice, lambda *told: seen.append(told))
    assert (
        found.ready == 1
        and seen[0] == ("Uploading", 1, 1)
        and seen[1:] == [("Taking in", 0, 1)] * 2 + [("Taking in", 1, 1)]
    )


def test_a_new_version_takes_the_place_of_the_old_one(service, shared, alice):
    run("create", "Shared")
    add(alice, RENT.replace(b"third", b"fifth"), "rules.md", shared)
    row, code = run("status", "Shared")
    assert code == 1 and (row["missing"], row["outdated"]) == (1, 1)
    assert run("update", "Shared")[1] == 0
    assert len(texts(service)) == 1 and "fifth" in texts(service)[0] and len(service.stores.files) == 1


def test_a_deleted_document_is_deleted_at_the_service_by_the_sweep(service, shared):
    run("create", "Shared")
    Document.objects.update(deleted_at=timezone.now())
    assert stores.has_outdated()
    stores.sweep()
    assert texts(service) == [] and service.stores.files == {} and not stores.has_outdated()


def test_a_deleted_collection_is_deleted_at_the_service_by_the_sweep(service, shared):
    run("create", "Shared")
    shared.delete()
    stores.sweep()
    assert service.stores.stores == {} and service.stores.files == {} and not VectorStore.objects.exists()


def test_an_update_that_was_broken_off_goes_on_where_it_stopped(service, shared, alice):
    add(alice, PETS, "pets.md", shared)
    service.stores.down = [0, 0, 503]  # The store, the first file, then nothing.
    with pytest.raises(CommandError, match="busy"):
        run("create", "Shared")
    assert len(service.stores.files) == 1 and RemoteFile.objects.get().state == "uploaded"
    row, code = run("update", "Shared")
    assert code == 0 and row["ready"] == 2 and len(service.stores.files) == 2


def test_a_file_the_service_cannot_read_is_told_and_tried_again(service, shared):
    service.stores.bad = {"rules": "no"}
    row, code = run("create", "Shared")
    assert code == 1 and row["failed"] == 1 and row["errors"] == {"rules.md": "invalid_file"}
    service.stores.bad = {}
    row, code = run("update", "Shared")
    assert code == 0 and row["ready"] == 1 and len(service.stores.files) == 1


def test_words_that_are_withheld_here_are_not_uploaded(service, shared):
    page = Document.objects.get().pages_live().get()
    start = page.text.index("Pets")
    page.findings = [[start, start + 4, "instruction", "It speaks to a model."]]
    page.save()
    run("create", "Shared")
    assert "Pets" not in texts(service)[0] and "need a written permission" in texts(service)[0]


def test_what_an_editor_trusts_is_uploaded_anew(service, shared, alice):
    run("create", "Shared")
    Document.objects.update(trusted_at=timezone.now(), trusted_by=alice)
    assert run("status", "Shared")[0]["outdated"] == 1
    assert run("update", "Shared")[0]["ready"] == 1


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_a_reader_may_look_and_not_change(service, shared, verb):
    run("create", "Shared")
    with pytest.raises(CommandError, match="no collection “Shared” to change"):
        run(verb, "Shared", user="bob")
    assert run("status", "Shared", user="bob")[0]["ready"] == 1


def test_a_stranger_finds_no_collection_and_no_store(service, shared, charlie):
    run("create", "Shared")
    with pytest.raises(CommandError, match="no collection"):
        run("status", "Shared", user="charlie")
    assert run("list", user="charlie")[0] == [] and len(run("list")[0]) == 1


def test_deleting_a_store_deletes_its_files_too(service, shared):
    run("create", "Shared")
    run("delete", "Shared")
    assert service.stores.stores == {} and service.stores.files == {} and not VectorStore.objects.exists()


def test_what_is_gone_at_the_service_already_is_deleted_all_the_same(service, shared):
    run("create", "Shared")
    service.stores.stores.clear()
    service.stores.files.clear()
    run("delete", "Shared")
    assert not VectorStore.objects.exists()


def test_a_store_that_somebody_deleted_there_is_said_to_be_gone(service, shared, alice):
    run("create", "Shared")
    add(alice, PETS, "pets.md", shared)
    service.stores.stores.clear()
    with pytest.raises(CommandError, match="not at the service any more"):
        run("update", "Shared")


@pytest.mark.parametrize(
    "words", [["create", "Nothing"], ["status", "Shared"], ["update", "Shared", "--deployment", "x"]]
)
def test_what_is_not_there_is_said_in_one_sentence(service, shared, words):
    with pytest.raises(CommandError, match=r"no (?:collection|vector store|model)"):
        run(*words)


# The wire ------------------------------------------------------------------------------------------------------------
def at(service, kind="openai", key="secret", version="") -> Connection:
    endpoint = service.url if kind == "azure" else f"{service.url}/v1"
    return Connection("here", kind, endpoint, version, key)


@pytest.mark.parametrize(
    ("kind", "version", "path"),
    [
        ("openai", "", "/v1/files"),
        ("azure", "v1", "/openai/v1/files"),
        ("azure", "2025-04-01-preview", "/openai/files?api-version=2025-04-01-preview"),
    ],
)
def test_every_way_in_is_called_as_its_service_wants(service, kind, version, path):
    connection = at(service, kind, version=version)
    file_id = wire.upload(connection, "a.txt", b"text", lives_s=3600)
    assert service.requests[0]["path"] == path
    store_id = wire.create_store(connection, "One")
    batch = wire.attach(connection, store_id, [file_id])
    assert wire.batch_counts(connection, store_id, batch).completed == 1
    assert wire.stored_files(connection, store_id) == [StoredFile(file_id, "completed")]
    wire.detach(connection, store_id, file_id)
    assert wire.stored_files(connection, store_id) == []
    wire.delete_store(connection, store_id)
    wire.delete_file(connection, file_id)


def test_a_list_longer_than_a_page_is_read_to_its_end(service):
    connection = at(service)
    store_id = wire.create_store(connection, "One")
    service.stores.files |= {f"file-x{n}": Stored(f"{n}.txt", b"x", "assistants") for n in range(103)}
    wire.attach(connection, store_id, list(service.stores.files))
    assert len(wire.stored_files(connection, store_id)) == 103


@pytest.mark.parametrize(
    ("status", "error"), [(400, ProviderMisconfigured), (403, ProviderMisconfigured), (429, ProviderBusy)]
)
def test_each_refusal_is_one_of_ours(service, status, error):
    service.stores.down = [status]
    with pytest.raises(error):
        wire.create_store(at(service), "One")


def test_a_wrong_key_and_a_service_that_is_not_there_are_told_apart(service):
    with pytest.raises(ProviderMisconfigured, match="refuses the key of “here”"):
        wire.create_store(at(service, key="wrong"), "One")
    with pytest.raises(ProviderBusy, match="cannot be reached"):
        wire.create_store(Connection("here", "openai", "http://127.0.0.1:9/v1", key="x"), "One")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b"null", b'{"id": 7}', b'{"id": "../files"}', b'{"id": ""}'])
def test_an_answer_that_makes_no_sense_is_worth_another_try(service, body):
    service.stores.odd = [body, body]
    with pytest.raises(ProviderBusy, match="cannot be read"):
        wire.create_store(at(service), "One")
    with pytest.raises(ProviderBusy, match="cannot be read"):
        wire.batch_counts(at(service), "vs_1", "vsfb_1")


def test_a_name_with_any_letters_in_it_arrives(service):
    file_id = wire.upload(at(service), 'Größe "1" – 表.csv', b"x")
    assert service.stores.files[file_id].name == 'Größe "1" – 表.csv'
