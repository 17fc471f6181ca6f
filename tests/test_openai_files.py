"""`/v1/files` and `/v1/vector_stores` through OpenAI's own clients: a file is a document, a store a collection."""

import asyncio

import openai
import pytest

from documents.models import Collection, Document, StoreFile
from documents.openai_api.filters import passes
from documents.openai_api.given import Comparison, Compound
from documents.openai_api.ids import FILE, STORE, private, public
from project.models import ApiKey
from tests.library import RENT, add, shared_collection, upload
from tests.openai_served import async_client, client, read_all

pytestmark = pytest.mark.django_db(transaction=True)

GARDEN = b"# Garden\n\nThe garden is open in summer, and the rent of a plot is due in December.\n"


@pytest.fixture
def lectern(asgi_server, alice):
    return client(asgi_server, alice)


def send(lectern, content: bytes = RENT, name: str = "rules.md") -> str:
    return lectern.files.create(file=(name, content), purpose="assistants").id


def store_with(lectern, *files: str, name: str = "Rules") -> str:
    return lectern.vector_stores.create(name=name, file_ids=list(files)).id


# Files ---------------------------------------------------------------------------------------------------------------
def test_a_file_is_a_document_in_ones_private_collection(lectern, alice):
    file = lectern.files.create(file=("rules.md", RENT), purpose="user_data")
    document = Document.objects.get(pk=private(FILE, file.id))
    assert document.collection.is_private and document.owner == alice
    assert (file.filename, file.bytes, file.purpose, file.status) == ("rules.md", len(RENT), "user_data", "uploaded")
    read_all()
    assert lectern.files.retrieve(file.id).status == "processed"


def test_the_same_bytes_are_the_same_file(lectern):
    assert send(lectern) == send(lectern, name="again.md")


def test_two_files_of_one_name_stay_two_files(lectern):
    first, second = send(lectern), send(lectern, GARDEN)
    read_all()
    assert lectern.files.retrieve(second).filename == "rules (2).md"
    assert {file.id for file in lectern.files.list()} == {first, second}


def test_the_list_of_files_is_walked_through_in_parts(lectern):
    ids = [send(lectern, RENT + str(number).encode(), f"{number}.md") for number in range(5)]
    page = lectern.files.list(limit=2)
    assert ([file.id for file in page.data], page.has_more) == (ids[:2:-1], True)
    assert [file.id for file in lectern.files.list(limit=2, order="asc")] == ids  # The client asks for all parts.


def test_files_are_listed_by_purpose(lectern):
    send(lectern)
    other = lectern.files.create(file=("garden.md", GARDEN), purpose="user_data").id
    assert [file.id for file in lectern.files.list(purpose="user_data")] == [other]


def test_a_file_comes_back_byte_for_byte_and_only_as_a_download(lectern):
    response = lectern.files.with_raw_response.content(send(lectern))
    assert response.content == RENT
    assert response.headers["content-disposition"] == 'attachment; filename="rules.md"'


@pytest.mark.parametrize("what", ["retrieve", "delete", "content"])
def test_a_file_that_is_not_yours_is_not_there(asgi_server, lectern, charlie, what):
    file = send(lectern)
    with pytest.raises(openai.NotFoundError) as missing:
        getattr(client(asgi_server, charlie).files, what)(file)
    assert (missing.value.code, missing.value.param, missing.value.type) == (
        "not_found",
        "file_id",
        "invalid_request_error",
    )
    assert lectern.files.retrieve(file).id == file


def test_a_reading_key_may_not_write(asgi_server, alice):
    reader = client(asgi_server, alice, scope=ApiKey.Scope.READ)
    for call in (lambda: send(reader), lambda: reader.vector_stores.create(name="x")):
        with pytest.raises(openai.PermissionDeniedError):
            call()


@pytest.mark.parametrize(
    ("more", "param"),
    [({"purpose": "fine-tune"}, "purpose"), ({"expires_after": {"anchor": "created_at", "seconds": 3600}}, "expires")],
)
def test_what_a_file_cannot_be_is_refused(lectern, more, param):
    with pytest.raises(openai.BadRequestError) as refused:
        lectern.files.create(**{"file": ("rules.md", RENT), "purpose": "assistants", **more})
    assert refused.value.param.startswith(param)


def test_a_key_narrowed_to_collections_sees_those_and_no_files_elsewhere(asgi_server, lectern, alice):
    file = send(lectern)
    store = store_with(lectern, file)
    narrowed = client(asgi_server, alice, collection_ids=[private(STORE, store)])
    assert [each.id for each in narrowed.vector_stores.list()] == [store]
    shown = narrowed.vector_stores.files.list(store).data[0].id
    assert shown != file and narrowed.files.retrieve(shown).filename == "rules.md"
    for call in (lambda: narrowed.files.retrieve(file), lambda: narrowed.files.content(file)):
        with pytest.raises(openai.NotFoundError):
            call()
    for call in (lambda: send(narrowed, GARDEN), lambda: narrowed.vector_stores.create(name="Another")):
        with pytest.raises(openai.PermissionDeniedError):
            call()


# Vector stores -------------------------------------------------------------------------------------------------------
def test_a_vector_store_is_a_collection(lectern, alice):
    store = lectern.vector_stores.create(name="Rules", metadata={"team": "house"})
    row = Collection.objects.get(pk=private(STORE, store.id))
    assert (row.name, row.owner, row.metadata) == ("Rules", alice, {"team": "house"})
    assert (store.status, store.file_counts.total) == ("completed", 0)


def test_two_stores_of_one_name_are_told_apart(lectern):
    assert [lectern.vector_stores.create(name="Rules").name for _ in range(2)] == ["Rules", "Rules (2)"]


def test_a_store_is_renamed_and_its_metadata_replaced(lectern):
    store = lectern.vector_stores.update(store_with(lectern), name="House", metadata={"a": "b"})
    assert (store.name, lectern.vector_stores.retrieve(store.id).metadata) == ("House", {"a": "b"})
    assert lectern.vector_stores.update(store.id, name=" House ").name == "House"  # It is its own name still.


def test_stores_are_listed_with_those_that_are_shared(asgi_server, alice, bob):
    shared = shared_collection(alice, bob, name="Shared")
    assert [store.id for store in client(asgi_server, bob).vector_stores.list()] == [public(STORE, shared.pk)]


def test_deleting_a_store_leaves_the_files(lectern):
    file = send(lectern)
    store = store_with(lectern, file)
    assert lectern.vector_stores.delete(store).deleted
    assert [each.id for each in lectern.files.list()] == [file]
    with pytest.raises(openai.NotFoundError):
        lectern.vector_stores.retrieve(store)


def test_a_store_with_documents_of_people_is_not_deleted(lectern, alice):
    shared = shared_collection(alice, name="Shared")
    upload(alice, collection=shared)
    with pytest.raises(openai.ConflictError, match="by hand"):
        lectern.vector_stores.delete(public(STORE, shared.pk))


def test_a_store_cannot_expire(lectern):
    with pytest.raises(openai.BadRequestError) as refused:
        lectern.vector_stores.create(name="x", expires_after={"anchor": "last_active_at", "days": 1})
    assert refused.value.param == "expires_after"


def test_an_unknown_parameter_of_a_store_is_refused(lectern):
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'colour'"):
        lectern.vector_stores.create(name="x", extra_body={"colour": "red"})


def test_who_may_read_a_store_may_not_change_it(asgi_server, alice, bob):
    shared = public(STORE, shared_collection(alice, bob, name="Shared").pk)
    reader = client(asgi_server, bob)
    file = send(reader)
    for call in (
        lambda: reader.vector_stores.files.create(shared, file_id=file),
        lambda: reader.vector_stores.update(shared, name="Mine"),
        lambda: reader.vector_stores.delete(shared),
    ):
        with pytest.raises(openai.PermissionDeniedError):
            call()


# Files of a store ----------------------------------------------------------------------------------------------------
def test_a_file_in_two_stores_is_found_in_both_and_read_by_their_members_alone(asgi_server, lectern, alice, bob):
    file = send(lectern)
    first, second = store_with(lectern, file), store_with(lectern, name="Second")
    lectern.vector_stores.files.create(second, file_id=file)
    read_all()
    for store in (first, second):
        assert lectern.vector_stores.search(store, query="rent").data[0].file_id == file
    Collection.objects.get(pk=private(STORE, second)).memberships.create(user=bob)
    reader = client(asgi_server, bob)
    assert [store.id for store in reader.vector_stores.list()] == [second]
    with pytest.raises(openai.NotFoundError):
        reader.files.retrieve(file)  # It lies in Alice's private collection; what Bob reads has an id of its own.
    shown = reader.vector_stores.files.list(second).data[0].id
    assert reader.files.retrieve(shown).filename == "rules.md"


def test_a_file_is_put_in_once(lectern):
    file = send(lectern)
    store = store_with(lectern, file)
    lectern.vector_stores.files.create(store, file_id=file, attributes={"year": 2025})
    assert [each.attributes for each in lectern.vector_stores.files.list(store)] == [{"year": 2025}]


def test_a_file_tells_how_far_it_is_and_why_it_failed(lectern):
    good, bad = send(lectern), send(lectern, b"%PDF-1.4 broken", "bad.pdf")
    store = store_with(lectern, good, bad)
    assert lectern.vector_stores.files.retrieve(good, vector_store_id=store).status == "in_progress"
    read_all()
    assert lectern.vector_stores.files.retrieve(good, vector_store_id=store).status == "completed"
    failed = lectern.vector_stores.files.retrieve(bad, vector_store_id=store)
    assert (failed.status, failed.last_error.code) == ("failed", "invalid_file") and failed.last_error.message
    counts = lectern.vector_stores.retrieve(store).file_counts
    assert (counts.completed, counts.failed, counts.total) == (1, 1, 2)
    assert [each.id for each in lectern.vector_stores.files.list(store, filter="failed")] == [bad]


def test_documents_that_people_put_there_are_files_too(lectern, alice):
    shared = shared_collection(alice, name="Shared")
    document = add(alice, collection=shared)
    listed = lectern.vector_stores.files.list(public(STORE, shared.pk)).data
    assert [(each.id, each.status) for each in listed] == [(public(FILE, document.pk), "completed")]


def test_what_is_taken_out_is_found_no_more_and_stays_a_file(lectern):
    file = send(lectern)
    store = store_with(lectern, file)
    read_all()
    assert lectern.vector_stores.files.delete(file, vector_store_id=store).deleted
    assert lectern.vector_stores.search(store, query="rent").data == []
    assert lectern.files.retrieve(file).status == "processed"


def test_a_deleted_file_goes_from_every_store(lectern):
    file = send(lectern)
    store = store_with(lectern, file)
    read_all()
    lectern.files.delete(file)
    assert lectern.vector_stores.files.list(store).data == []
    assert not Document.objects.filter(deleted_at=None).exists()


def test_the_text_of_a_file_can_be_read(lectern):
    file = send(lectern)
    store = store_with(lectern, file)
    read_all()
    assert "third working day" in lectern.vector_stores.files.content(file, vector_store_id=store).data[0].text


def test_an_unknown_file_is_not_put_in(lectern):
    with pytest.raises(openai.NotFoundError):
        lectern.vector_stores.files.create(store_with(lectern), file_id="file-abc123")


# Batches -------------------------------------------------------------------------------------------------------------
def test_a_batch_counts_its_files(lectern):
    files = [send(lectern), send(lectern, GARDEN, "garden.md")]
    store = store_with(lectern)
    batch = lectern.vector_stores.file_batches.create(store, file_ids=files, attributes={"year": 2025})
    assert (batch.status, batch.file_counts.in_progress) == ("in_progress", 2)
    read_all()
    batch = lectern.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store)
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)
    listed = lectern.vector_stores.file_batches.list_files(batch.id, vector_store_id=store)
    assert {each.id for each in listed} == set(files) and {each.attributes["year"] for each in listed} == {2025}


def test_a_cancelled_batch_stops_what_is_not_ready(lectern):
    store = store_with(lectern)
    batch = lectern.vector_stores.file_batches.create(store, file_ids=[send(lectern)])
    batch = lectern.vector_stores.file_batches.cancel(batch.id, vector_store_id=store)
    assert (batch.status, batch.file_counts.cancelled) == ("cancelled", 1)


def test_a_file_that_is_not_taken_fails_alone(lectern, settings):
    files = [send(lectern), send(lectern, GARDEN, "garden.md")]
    read_all()
    store = store_with(lectern)
    settings.QUOTA_FILES = 3
    batch = lectern.vector_stores.file_batches.create(store, file_ids=files)
    assert (batch.file_counts.in_progress, batch.file_counts.failed) == (1, 1)
    failed = lectern.vector_stores.files.list(store, filter="failed").data[0]
    assert "documents" in failed.last_error.message


# Search --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def years(lectern):
    """A store with a file of each of two years."""
    store = store_with(lectern)
    for name, year in (("old.md", 2020), ("new.md", 2025)):
        file = send(lectern, RENT + name.encode(), name)
        lectern.vector_stores.files.create(store, file_id=file, attributes={"year": year, "kind": "rules"})
    read_all()
    return store


def found(lectern, store: str, query="When is the rent due?", **more) -> list[str]:
    return sorted(each.filename for each in lectern.vector_stores.search(store, query=query, **more))


def test_a_search_goes_by_attributes(lectern, years):
    assert found(lectern, years) == ["new.md", "old.md"]
    assert found(lectern, years, filters={"type": "gte", "key": "year", "value": 2021}) == ["new.md"]
    parts = [{"type": "eq", "key": "kind", "value": "rules"}, {"type": "lt", "key": "year", "value": 2021}]
    assert found(lectern, years, filters={"type": "and", "filters": parts}) == ["old.md"]


def test_changed_attributes_hold_at_once(lectern, years):
    file = lectern.vector_stores.files.list(years).data[0]
    lectern.vector_stores.files.update(file.id, vector_store_id=years, attributes={"kind": "poem"})
    assert len(found(lectern, years, filters={"type": "eq", "key": "kind", "value": "poem"})) == 1


def test_a_search_brings_no_more_than_is_asked_for_and_nothing_below_its_threshold(lectern, years):
    assert len(found(lectern, years, max_num_results=1)) == 1
    assert found(lectern, years, query="zebra", ranking_options={"score_threshold": 1.0}) == []


def test_several_queries_are_searched_at_once(lectern, years):
    page = lectern.vector_stores.search(years, query=["rent", "pets"], rewrite_query=True)
    assert len({(each.file_id, each.content[0].text) for each in page.data}) == len(page.data) == 2
    assert page.model_extra["search_query"] == ["rent", "pets"]


def test_a_result_leads_to_its_page(lectern, years):
    first = lectern.vector_stores.search(years, query="rent").data[0]
    assert "/pages/1/" in first.attributes["url"] and first.attributes["kind"] == "rules" and 0 <= first.score <= 1


HELD = [1, 2, "1", True, None]


@pytest.mark.parametrize(
    ("kind", "value", "passed"),
    [
        ("eq", 1.0, [1]),
        ("ne", 1, [2, "1", True, None]),
        ("in", ["1", 2], [2, "1"]),
        ("nin", ["1", 2], [1, True, None]),
        ("lt", "2", ["1"]),
        ("gt", 1, [2]),
        ("gte", 1, [1, 2]),
    ],
)
def test_filters_compare_like_with_like(kind, value, passed):
    wanted = Comparison(type=kind, key="n", value=value)
    let_through = [each for each in HELD if passes(wanted, {} if each is None else {"n": each})]
    assert repr(let_through) == repr(passed)


def test_filters_can_be_joined():
    parts = [Comparison(type="eq", key="n", value=2), Comparison(type="eq", key="n", value=True)]
    either, both = Compound(type="or", filters=parts), Compound(type="and", filters=parts)
    assert [each for each in HELD if passes(either, {"n": each})] == [2, True]
    assert not any(passes(both, {"n": each}) for each in HELD)


# The helpers of the client -------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("worker")
def test_the_helpers_that_upload_and_wait_work_with_a_real_worker(asgi_server, lectern, alice):
    store = store_with(lectern)
    file = lectern.vector_stores.files.upload_and_poll(vector_store_id=store, file=("rules.md", RENT))
    assert file.status == "completed"

    async def many():
        async with async_client(asgi_server, alice) as waiting:
            files = [("garden.md", GARDEN), ("shed.md", b"# Shed\n\nThe shed is locked at night.\n")]
            return await waiting.vector_stores.file_batches.upload_and_poll(store, files=files)

    batch = asyncio.run(many())
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)
    assert found(lectern, store, query="When is the shed locked?", max_num_results=1) == ["shed.md"]
    assert StoreFile.objects.count() >= 3
