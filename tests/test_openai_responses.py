"""`/v1/responses` through OpenAI's own clients: whole and streamed, gone on from, fetched and deleted."""

import asyncio
import json
from datetime import timedelta

import openai
import pytest
from django.utils import timezone
from pydantic import BaseModel

from chat.models import StoredResponse
from chat.tasks import sweep_responses
from documents.openai_api.ids import RESPONSE, STORE, private, public
from tests.fake_openai import Reply
from tests.library import RENT, add, shared_collection
from tests.openai_served import async_client, client, read_all
from tests.test_openai_chat import model  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = "When is the rent due?"
GARDEN = b"# Garden\n\nThe rent of a garden plot is due in December.\n"


@pytest.fixture
def lectern(asgi_server, alice):
    add(alice)
    return client(asgi_server, alice)


def ask(lectern, text=QUESTION, **more):
    return lectern.responses.create(model="default", input=text, **more)


def searching(*collections, **more) -> list[dict]:
    return [{"type": "file_search", "vector_store_ids": [public(STORE, each.pk) for each in collections], **more}]


def file_names(response) -> set[str]:
    return {each.filename for each in response.output[-1].content[0].annotations}


def test_an_answer_points_to_its_files_and_holds_no_markers(lectern):
    response = ask(lectern)
    assert response.output_text == "The rent is due on the third working day of the month."
    cited = response.output[0].content[0].annotations[0]
    assert (cited.type, cited.filename, cited.index) == ("file_citation", "rules.md", len(response.output_text))
    assert lectern.files.retrieve(cited.file_id).filename == "rules.md"
    assert "/pages/1/" in cited.url


def test_a_stream_tells_every_step_and_ends_once(lectern, alice):
    tools = searching(alice.collections.get())
    events = list(ask(lectern, stream=True, tools=tools, include=["file_search_call.results"]))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:7] == [
        "created",
        "in_progress",
        "output_item.added",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "output_item.done",
    ]
    rest = list(dict.fromkeys(kinds[7:]))
    assert rest == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_what_is_streamed_is_what_is_kept(lectern):
    with lectern.responses.stream(model="default", input=QUESTION) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    kept = lectern.responses.retrieve(final.id)
    assert said == final.output_text == kept.output_text and kept.status == "completed"


def test_asynchronous_clients_are_served_alike(asgi_server, alice):
    add(alice)

    async def both():
        async with async_client(asgi_server, alice) as lectern:
            whole = await ask(lectern)
            events = [event async for event in await ask(lectern, stream=True)]
            return whole.output_text, events[-1].response.output_text

    whole, streamed = asyncio.run(both())
    assert whole == streamed and "third working day" in whole


def test_a_file_search_looks_into_its_vector_stores_alone(lectern, alice):
    gardens = shared_collection(alice, name="Gardens")
    add(alice, GARDEN, "garden.md", gardens)
    assert file_names(ask(lectern, tools=searching(gardens))) == {"garden.md"}


def test_results_are_told_when_they_are_asked_for(lectern, alice):
    tools = searching(alice.collections.get())
    told = ask(lectern, tools=tools, include=["file_search_call.results"]).output[0]
    assert told.queries == [QUESTION] and "third working day" in told.results[0].text
    assert told.results[0].attributes["url"].startswith("http")
    assert ask(lectern, tools=tools).output[0].results is None


def test_results_can_be_fewer_and_filtered_by_attributes(lectern, alice):
    store = lectern.vector_stores.create(name="Rules").id
    for name, year in (("old.md", 2020), ("new.md", 2025)):
        file = lectern.files.create(file=(name, RENT + name.encode()), purpose="assistants")
        lectern.vector_stores.files.create(store, file_id=file.id, attributes={"year": year})
    read_all()
    tool = {"type": "file_search", "vector_store_ids": [store], "max_num_results": 1}
    include = ["file_search_call.results"]
    assert len(ask(lectern, tools=[tool], include=include).output[0].results) == 1
    late = tool | {"filters": {"type": "gt", "key": "year", "value": 2021}, "max_num_results": 5}
    assert {each.filename for each in ask(lectern, tools=[late], include=include).output[0].results} == {"new.md"}


def test_a_file_that_comes_with_the_question_is_what_is_asked_about(lectern, alice):
    file = lectern.files.create(file=("garden.md", GARDEN), purpose="user_data")
    read_all()
    parts = [{"type": "input_file", "file_id": file.id}, {"type": "input_text", "text": "When is the rent due?"}]
    assert file_names(ask(lectern, [{"role": "user", "content": parts}])) == {"garden.md"}


def test_a_conversation_goes_on_from_what_was_kept(model, lectern):  # noqa: F811
    first = ask(lectern)
    ask(lectern, "And in winter?", previous_response_id=first.id, instructions="Be brief.")
    sent = json.dumps(model.requests[-1]["body"]["messages"])
    assert QUESTION in sent and "It is so." in sent and "Be brief." in sent


def test_instructions_hold_for_their_own_turn(model, lectern):  # noqa: F811
    first = ask(lectern, instructions="Sing.")
    ask(lectern, "And in winter?", previous_response_id=first.id)
    assert "Sing." not in json.dumps(model.requests[-1]["body"]["messages"])


def test_input_items_are_told_with_those_before_them(lectern):
    first = ask(lectern)
    second = ask(lectern, "And pets?", previous_response_id=first.id)
    items = lectern.responses.input_items.list(second.id, order="asc").data
    assert [item.role for item in items] == ["user", "assistant", "user"]
    after = lectern.responses.input_items.list(second.id, order="asc", after=items[0].id, limit=1)
    assert [item.id for item in after.data] == [items[1].id] and after.has_more


def test_what_shall_not_be_kept_is_not(lectern):
    response = ask(lectern, store=False)
    with pytest.raises(openai.NotFoundError):
        lectern.responses.retrieve(response.id)
    assert not StoredResponse.objects.exists()


def test_a_deleted_response_is_gone(lectern):
    response = ask(lectern)
    lectern.responses.delete(response.id)
    for call in (lectern.responses.retrieve, lectern.responses.delete, lectern.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            call(response.id)


def test_nobody_sees_or_goes_on_from_the_responses_of_others(asgi_server, lectern, charlie):
    response = ask(lectern)
    stranger = client(asgi_server, charlie)
    with pytest.raises(openai.NotFoundError):
        stranger.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError) as missing:
        ask(stranger, previous_response_id=response.id)
    assert missing.value.param == "previous_response_id"


def test_another_key_of_the_same_person_goes_on(asgi_server, lectern, alice):
    response = ask(lectern)
    assert client(asgi_server, alice).responses.retrieve(response.id).id == response.id


def test_a_key_narrowed_to_collections_sees_what_it_asked_for_itself(asgi_server, lectern, alice):
    response = ask(lectern)
    narrowed = client(asgi_server, alice, collection_ids=[alice.collections.get().pk])
    with pytest.raises(openai.NotFoundError):
        narrowed.responses.retrieve(response.id)
    own = ask(narrowed)
    assert narrowed.responses.retrieve(own.id).output_text == own.output_text


def test_responses_go_after_their_time(lectern, settings):
    response = ask(lectern)
    rows = StoredResponse.objects.filter(pk=private(RESPONSE, response.id))
    rows.update(created_at=timezone.now() - timedelta(days=settings.RESPONSES_DAYS, minutes=1))
    with pytest.raises(openai.NotFoundError):
        lectern.responses.retrieve(response.id)
    sweep_responses()
    assert not rows.exists()


def test_nothing_can_be_cancelled_for_nothing_runs_unwatched(lectern):
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        lectern.responses.cancel(ask(lectern).id)


def test_an_answer_that_was_cut_is_incomplete(model, lectern):  # noqa: F811
    model.replies = [Reply(["It is so. [1]"], finish="length")]
    response = ask(lectern, max_output_tokens=16)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_structured_answer_is_parsed_by_the_client(model, lectern):  # noqa: F811
    class Due(BaseModel):
        day: int

    model.replies = [Reply(['{"day": 3}'])]
    response = lectern.responses.parse(model="default", input=QUESTION, text_format=Due)
    assert response.output_parsed == Due(day=3)
    assert model.requests[-1]["body"]["response_format"]["json_schema"]["schema"]["properties"]["day"]


def test_a_model_that_fails_in_the_stream_ends_it_as_failed(model, lectern):  # noqa: F811
    model.replies = [Reply(["It is"], late_error={"code": "server_error", "message": "no"})]
    last = list(ask(lectern, stream=True))[-1]
    assert (last.type, last.response.status) == ("response.failed", "failed") and last.response.error.message


def test_a_model_that_is_busy_is_an_error_of_the_call(model, lectern):  # noqa: F811
    model.replies = [Reply(status=500)] * 9
    with pytest.raises(openai.InternalServerError):
        ask(lectern)


def test_what_the_documents_do_not_say_is_not_said(lectern):
    response = ask(lectern, "Who won the chess championship in Reykjavik?")
    assert response.output_text == "This is not in your documents." and file_names(response) == set()


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [{"type": "file_search", "vector_store_ids": []}]}, "tools"),
        ({"background": True}, "background"),
        ({"max_output_tokens": 2}, "max_output_tokens"),
        ({"text": {"format": {"type": "json_object"}}}, "text"),
        ({"extra_body": {"colour": "red"}}, "colour"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(lectern, more, param):
    with pytest.raises(openai.BadRequestError) as refused:
        lectern.responses.create(**{"model": "default", "input": QUESTION, **more})
    assert refused.value.param.split(".")[0].split("[")[0] == param


def test_a_vector_store_that_is_not_yours_is_not_there(asgi_server, lectern, alice, charlie):
    with pytest.raises(openai.NotFoundError) as missing:
        ask(client(asgi_server, charlie), tools=searching(alice.collections.get()))
    assert missing.value.param == "vector_store_id"
