"""Programs written for Azure OpenAI On Your Data, through the real SDK, against a running Lectern without a model."""

import asyncio
import json
import re
from types import SimpleNamespace

import httpx2
import openai
import pytest
from django.utils import timezone
from openai import AsyncAzureOpenAI, AsyncOpenAI

from project.models import ApiKey
from tests.library import RENT, add, shared_collection
from tests.on_your_data import LATE, QUESTION, STABLE, V1, azure, check, check_old, messages, v1, with_source

pytestmark = pytest.mark.django_db(transaction=True)

NOT_FOUND = "The requested information is not found in the retrieved data. Please try another query or topic."
REPAIRS = b"# Repairs\n\nThe landlord pays for repairs of the heating within two weeks.\n\nTenants pay for lamps.\n"


@pytest.fixture
def rules(asgi_server, alice):
    """A Lectern with one collection, "House rules", of two documents, and a key of its owner."""
    collection = shared_collection(alice, name="House rules")
    documents = [add(alice, RENT, "rules.md", collection), add(alice, REPAIRS, "repairs.md", collection)]
    key = ApiKey.create(alice, scope=ApiKey.Scope.READ)[1]
    return SimpleNamespace(url=asgi_server, key=key, owner=alice, collection=collection, documents=documents)


@pytest.fixture
def door(asgi_server, alice):
    """The same without a document: for what is refused before anything is searched."""
    key = ApiKey.create(alice, scope=ApiKey.Scope.READ)[1]
    collection = shared_collection(alice, name="House rules")
    return SimpleNamespace(url=asgi_server, key=key, owner=alice, collection=collection)


def ask(rules, question=QUESTION, *before, version=LATE, model="gpt-4o", more=None, **parameters):
    """A whole answer, valid against the published schemas."""
    client = azure(rules.url, rules.key, version)
    body = with_source(**parameters) if parameters.pop("has_source", True) else {}
    answer = client.chat.completions.create(
        model=model, messages=messages(question, *before), extra_body=body, **(more or {})
    )
    check(answer.model_dump(exclude_unset=True), version)
    return answer.choices[0].message


def told(rules, **parameters):
    """What an error says of a data source."""
    with pytest.raises(openai.BadRequestError) as caught:
        ask(rules, **parameters)
    error = caught.value.response.json()["error"]
    assert error["code"] == 400 and len(error["requestid"]) == 36
    return error["message"]


def post(rules, path, body, **headers):
    return httpx2.post(rules.url + path, json=body, headers={"api-key": rules.key} | headers, timeout=60)


# Another address and another key -----------------------------------------------------------------------------------
@pytest.mark.parametrize("version", [STABLE, LATE])
def test_a_program_works_again(rules, version):
    message = ask(rules, version=version)
    assert "third working day" in message.content and "[doc1]" in message.content
    first = message.context["citations"][0]
    assert set(first) == {"content", "title", "url", "filepath", "chunk_id"}
    assert "third working day" in first["content"] and first["title"] == "House rules"
    assert first["filepath"] == "rules.md" and first["url"].startswith("http") and first["chunk_id"]
    assert json.loads(message.context["intent"]) == [QUESTION]
    assert message.end_turn is True


def test_the_way_without_versions(rules):
    answer = v1(rules.url, rules.key).chat.completions.create(
        model="gpt-4o", messages=messages(), extra_body=with_source()
    )
    check(answer.model_dump(exclude_unset=True), V1)
    assert answer.object == "chat.completion" and answer.choices[0].message.context["citations"]
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_many_at_once_through_the_async_clients(rules):
    async def all_of_them():
        async with (
            azure(rules.url, rules.key, kind=AsyncAzureOpenAI) as dated,
            v1(rules.url, rules.key, AsyncOpenAI) as late,
        ):
            asked = [
                client.chat.completions.create(model="gpt-4o", messages=messages(), extra_body=with_source())
                for client in (dated, late, dated, late)
            ]
            return await asyncio.gather(*asked)

    answers = asyncio.run(all_of_them())
    assert all("third working day" in answer.choices[0].message.content for answer in answers)


def test_a_bearer_token_signs_as_a_key_does(rules):
    client = azure(rules.url, None, azure_ad_token=rules.key)
    answer = client.chat.completions.create(model="gpt-4o", messages=messages(), extra_body=with_source())
    assert answer.choices[0].message.context["citations"]


def test_the_address_of_a_citation_opens_the_page_at_its_words(rules, client):
    url = ask(rules).context["citations"][0]["url"]
    client.force_login(rules.owner)
    assert b"third working day" in client.get("/" + url.split("/", 3)[3]).content


def test_the_numbers_count_the_citations_from_1(rules):
    message = ask(rules, "Do tenants or landlords pay for repairs of the heating and for lamps?", strictness=1)
    sentences = re.findall(r"([^\]]+?) *\[doc(\d+)\]", message.content)
    assert sentences
    for sentence, number in sentences:
        assert sentence.strip() in message.context["citations"][int(number) - 1]["content"]


def test_what_is_not_there_is_said_in_the_service_s_words(rules):
    message = ask(rules, "Who won the chess championship in Reykjavik?")
    assert message.content == NOT_FOUND and message.context["citations"] == []


def test_what_was_said_before_leads_the_search(rules):
    message = ask(rules, "And who pays for them?", ("user", "What of lamps?"), ("assistant", "There are some [doc1]."))
    assert "What of lamps" in json.loads(message.context["intent"])[0]
    assert "lamps" in message.content


def test_an_answer_may_be_handed_back_with_its_context(rules):
    said = {"role": "assistant", "content": "In May [doc1].", "context": {"citations": []}, "end_turn": True}
    tool = {"role": "tool", "content": '{"citations": []}'}
    body = with_source() | {"messages": [*messages(), tool, said, *messages()], "stop": None, "n": 1}
    response = post(rules, f"/openai/deployments/x/chat/completions?api-version={STABLE}", body)
    assert response.status_code == 200, response.text


# Streams -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", [STABLE, LATE, V1])
def test_in_a_stream_the_context_comes_first(rules, version):
    client = v1(rules.url, rules.key) if version == V1 else azure(rules.url, rules.key, version)
    with client.chat.completions.create(
        model="gpt-4o",
        messages=messages(),
        stream=True,
        stream_options={"include_usage": True},
        extra_body=with_source(),
    ) as stream:
        chunks = list(stream)
    for chunk in chunks:
        check(chunk.model_dump(exclude_unset=True), version, is_chunk=True)
    first, *between, last, counted = chunks
    assert first.choices[0].delta.role == "assistant" and first.choices[0].delta.context["citations"]
    assert not any(getattr(chunk.choices[0].delta, "context", None) for chunk in between)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in between)
    assert "third working day" in text and "[doc1]" in text
    assert last.choices[0].finish_reason == "stop" and last.choices[0].end_turn is True
    assert first.choices[0].end_turn is False
    assert counted.choices == [] and counted.usage.total_tokens > 0


def test_a_stream_ends_with_done_and_tells_no_usage_unasked(rules):
    path = f"/openai/deployments/x/chat/completions?api-version={STABLE}"
    response = post(rules, path, with_source() | {"messages": messages(), "stream": True})
    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert response.headers["content-type"].startswith("text/event-stream") and events[-1] == "[DONE]"
    assert not any("usage" in json.loads(event) for event in events[:-1])


def test_a_stream_tells_what_is_not_there(rules):
    stream = azure(rules.url, rules.key).chat.completions.create(
        model="x",
        messages=messages("Who won the chess championship in Reykjavik?"),
        stream=True,
        extra_body=with_source(),
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.context["citations"] == []
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == NOT_FOUND


def test_the_async_client_streams(rules):
    async def streamed():
        async with azure(rules.url, rules.key, kind=AsyncAzureOpenAI) as client:
            stream = await client.chat.completions.create(
                model="x", messages=messages(), stream=True, extra_body=with_source()
            )
            return [chunk async for chunk in stream]

    chunks = asyncio.run(streamed())
    assert chunks[0].choices[0].delta.context["citations"]


def test_what_is_wrong_is_a_status_before_a_stream_begins(door):
    with pytest.raises(openai.BadRequestError):
        azure(door.url, door.key).chat.completions.create(
            model="x", messages=messages(), stream=True, extra_body=with_source(index_name="nothing")
        )


# What a request says of the search ---------------------------------------------------------------------------------
def retrieved(rules, question=QUESTION, **parameters):
    asked = ["citations", "intent", "all_retrieved_documents"]
    return ask(rules, question, include_contexts=asked, **parameters).context


def test_index_name_finds_a_collection_or_an_index_by_its_name(rules):
    for name in ("House rules", "house-rules", rules.collection.index.name):
        assert ask(rules, index_name=name).context["citations"]


def test_only_the_named_collection_is_searched(rules):
    add(rules.owner, b"# Secret\n\nThe rent is due on Mondays.\n", "secret.md")
    files = {each["filepath"] for each in retrieved(rules)["all_retrieved_documents"]}
    assert "secret.md" not in files


def test_a_collection_of_others_is_not_there(rules, charlie):
    stranger = SimpleNamespace(url=rules.url, key=ApiKey.create(charlie)[1])
    assert told(stranger) == told(stranger, index_name="no such").replace("no such", "house-rules")


def test_a_key_that_is_narrowed_or_revoked_reaches_nothing_else(door):
    elsewhere = shared_collection(door.owner, name="Elsewhere")
    narrowed = ApiKey.create(door.owner, collection_ids=[elsewhere.pk])[1]
    stranger = SimpleNamespace(url=door.url, key=narrowed)
    assert "There is no index or collection" in told(stranger)
    assert "There is no index or collection" in told(stranger, index_name=door.collection.index.name + "x")
    revoked = ApiKey.create(door.owner, revoked_at=timezone.now())[1]
    assert refused(door, openai.AuthenticationError, key=revoked).status_code == 401


QUERY_TYPES = {
    "simple": {},
    "semantic": {"semantic_configuration": "default"},
    "vector": {"embedding_dependency": {"type": "deployment_name", "deployment_name": "ada"}},
    "vector_simple_hybrid": {"embedding_dependency": {"type": "deployment_name", "deployment_name": "ada"}},
    "vector_semantic_hybrid": {
        "semantic_configuration": "default",
        "embedding_dependency": {"type": "deployment_name", "deployment_name": "ada", "dimensions": 1536},
    },
}


@pytest.mark.parametrize("query_type", QUERY_TYPES)
def test_every_query_type_answers(rules, query_type):
    assert "third working day" in ask(rules, query_type=query_type, **QUERY_TYPES[query_type]).content


def test_words_find_what_is_said_and_meaning_what_is_meant(rules):
    question = "May I keep a dog or a cat?"  # "Pets need a written permission."
    by_words = retrieved(rules, question, query_type="simple", strictness=1)["all_retrieved_documents"]
    by_meaning = retrieved(rules, question, query_type="vector", strictness=1, **QUERY_TYPES["vector"])
    assert "rules.md" not in {each["filepath"] for each in by_words}
    assert by_meaning["all_retrieved_documents"][0]["filepath"] == "rules.md"
    assert 1 / 3 <= by_meaning["all_retrieved_documents"][0]["original_search_score"] <= 1


@pytest.mark.parametrize(
    ("query_type", "missing"), [("vector", "embedding_dependency"), ("semantic", "semantic_configuration")]
)
def test_a_query_type_needs_what_it_works_with(door, query_type, missing):
    place = f"Validation error at #/data_sources/0/azure_search/parameters/{missing}"
    assert told(door, query_type=query_type).startswith(f"{place}: Field required")


def test_top_n_documents_is_how_many_the_model_is_shown(rules):
    for most in (1, 2):
        context = retrieved(rules, "rent and repairs of the heating", top_n_documents=most, strictness=1)
        reasons = [each.get("filter_reason") for each in context["all_retrieved_documents"]]
        assert len(context["citations"]) == most and reasons == [None] * most + ["rerank"] * (2 - most)


def test_strictness_sets_aside_what_does_not_come_near(rules):
    question = "Who pays for the rent of garages in winter?"
    kept = [
        sum(
            "filter_reason" not in each
            for each in retrieved(rules, question, strictness=level)["all_retrieved_documents"]
        )
        for level in (1, 3, 5)
    ]
    assert kept[0] > kept[-1] == 0 and kept == sorted(kept, reverse=True)
    strict = retrieved(rules, question, strictness=5)["all_retrieved_documents"]
    assert {each["filter_reason"] for each in strict} == {"score"}


def test_filter_narrows_to_the_documents_it_names(rules):
    for written in ("filepath eq 'repairs.md'", "search.in(filepath, 'repairs.md,other.md')", "title ne 'House rules'"):
        found = retrieved(rules, "rent or repairs", filter=written, strictness=1)["all_retrieved_documents"]
        assert {each["filepath"] for each in found} == {"repairs.md"}


def test_filter_knows_the_names_that_fields_mapping_gives(rules):
    mapping = {"filepath_field": "DocumentBlobName", "content_fields": ["chunk"], "vector_fields": []}
    found = retrieved(rules, "rent or repairs", filter="DocumentBlobName eq 'repairs.md'", fields_mapping=mapping)
    assert {each["filepath"] for each in found["all_retrieved_documents"]} == {"repairs.md"}


def test_a_filter_that_cannot_be_read_says_where(door):
    said = told(door, filter="title eqq 'x'")
    place = "Validation error at #/data_sources/0/azure_search/parameters/filter"
    assert said.startswith(f"{place}: Invalid expression: syntax error at position 6.")


def test_max_search_queries_is_how_often_is_searched(rules):
    question = "When is the rent due? Who pays for lamps?"
    one, more = (retrieved(rules, question, max_search_queries=most, strictness=1) for most in (1, 3))
    assert json.loads(one["intent"]) == [question]
    assert json.loads(more["intent"]) == [question, "When is the rent due?", "Who pays for lamps?"]
    assert any(len(each["search_queries"]) > 1 for each in more["all_retrieved_documents"])


def test_include_contexts_is_what_is_told(rules):
    assert set(ask(rules).context) == {"citations", "intent"}
    assert set(ask(rules, include_contexts=["intent"]).context) == {"intent"}
    assert ask(rules, include_contexts=[]).context == {}


def test_all_that_was_found_is_told_with_its_scores(rules):
    found = retrieved(rules, "rent and repairs", strictness=1)["all_retrieved_documents"]
    assert [each["data_source_index"] for each in found] == [0, 0]
    assert all(each["original_search_score"] > 0 and each["search_queries"] for each in found)


# The other four ----------------------------------------------------------------------------------------------------
FIELDS = {"content_fields": ["text"], "vector_fields": ["vector"]}
ADA = {"type": "deployment_name", "deployment_name": "ada"}
OTHERS = {
    "azure_cosmos_db": {
        "database_name": "db",
        "container_name": "box",
        "index_name": "prod",
        "authentication": {"type": "connection_string", "connection_string": "geheim"},
        "embedding_dependency": ADA,
        "fields_mapping": FIELDS,
    },
    "elasticsearch": {
        "endpoint": "https://elastic.example",
        "index_name": "prod",
        "authentication": {"type": "key_and_key_id", "key": "geheim", "key_id": "id"},
    },
    "mongo_db": {
        "endpoint": "cluster.mongodb.example",
        "database_name": "db",
        "collection_name": "texts",
        "app_name": "app",
        "index_name": "prod",
        "authentication": {"type": "username_and_password", "username": "reader", "password": "geheim"},
        "embedding_dependency": ADA,
        "fields_mapping": FIELDS,
    },
    "pinecone": {
        "environment": "eu",
        "index_name": "prod",
        "authentication": {"type": "api_key", "key": "geheim"},
        "embedding_dependency": ADA,
        "fields_mapping": {"content_fields": ["text"]},
    },
}


@pytest.mark.parametrize("kind", OTHERS)
def test_each_other_type_is_answered_from_the_collection_that_stands_for_it(rules, settings, kind):
    settings.ON_YOUR_DATA_INDEXES = {(kind, "prod"): "House rules"}
    assert "third working day" in ask(rules, kind=kind, **OTHERS[kind]).content


@pytest.mark.parametrize("kind", OTHERS)
def test_each_other_type_is_checked_and_told_when_nothing_stands_for_it(door, kind):
    assert f"LECTERN_ON_YOUR_DATA_INDEXES={kind}:prod=" in told(door, kind=kind, **OTHERS[kind])
    without = {name: value for name, value in OTHERS[kind].items() if name != "authentication"}
    place = f"Validation error at #/data_sources/0/{kind}/parameters/authentication"
    assert told(door, kind=kind, **without) == f"{place}: Field required"


# The previews of 2023 ----------------------------------------------------------------------------------------------
OLD_BODY = {
    "dataSources": [
        {
            "type": "AzureCognitiveSearch",
            "parameters": {
                "endpoint": "https://old.search.windows.net",
                "key": "of the search service",
                "indexName": "house-rules",
                "queryType": "vectorSemanticHybrid",
                "semanticConfiguration": "default",
                "embeddingDeploymentName": "ada",
                "fieldsMapping": {"contentFields": ["content"], "titleField": "title", "urlField": None},
                "inScope": True,
                "topNDocuments": 1,
                "strictness": 1,
                "roleInformation": "You are the desk.",
                "filter": None,
            },
        }
    ],
    "messages": messages(),
    "temperature": 0,
    "max_tokens": 800,
}


def old(rules, version, **more):
    path = f"/openai/deployments/turbo/extensions/chat/completions?api-version={version}"
    return post(rules, path, OLD_BODY | more)


def test_the_first_preview_answers_with_a_list_of_messages(rules):
    body = old(rules, "2023-06-01-preview").json()
    check_old(body, "2023-06-01-preview")
    tool, answer = body["choices"][0]["messages"]
    citations = json.loads(tool["content"])["citations"]
    assert (tool["role"], tool["end_turn"], len(citations)) == ("tool", False, 1)
    assert (answer["role"], answer["end_turn"]) == ("assistant", True) and "[doc1]" in answer["content"]


@pytest.mark.parametrize("version", ["2023-08-01-preview", "2023-12-01-preview"])
def test_later_previews_put_the_tool_into_the_context(rules, version):
    body = old(rules, version).json()
    check_old(body, "2023-08-01-preview")
    message = body["choices"][0]["message"]
    assert json.loads(message["context"]["messages"][0]["content"])["citations"]
    assert message["end_turn"] is True


def test_the_first_preview_streams_messages_with_an_end_of_their_own(rules):
    events = [
        line.removeprefix("data: ") for line in old(rules, "2023-06-01-preview", stream=True).text.split("\n\n") if line
    ]
    parts = [json.loads(event)["choices"][0]["messages"][0] for event in events[:-1]]
    assert json.loads(parts[0]["delta"]["content"])["citations"] and parts[0]["delta"]["role"] == "tool"
    assert parts[1]["delta"] == {"role": "assistant"}
    assert parts[-1]["delta"] == {"content": "[DONE]"} and parts[-1]["end_turn"] is True
    assert events[-1] == "[DONE]"


def test_the_old_words_are_understood_on_the_later_path(rules):
    response = post(rules, f"/openai/deployments/x/chat/completions?api-version={STABLE}", OLD_BODY)
    assert response.json()["choices"][0]["message"]["context"]["citations"]


def test_a_fault_in_the_old_words_is_told_in_them(door):
    source = {"type": "AzureCognitiveSearch", "parameters": {"key": "k", "indexName": "house-rules"}}
    said = old(door, "2023-12-01-preview", dataSources=[source]).json()["error"]["message"]
    assert said == "Validation error at #/dataSources/0/AzureCognitiveSearch/parameters/endpoint: Field required"


def test_the_older_path_ended_with_2023(door):
    assert old(door, STABLE).status_code == old(door, "2024-02-15-preview").status_code == 404


# What is refused ---------------------------------------------------------------------------------------------------
def refused(door, kind, **more):
    with pytest.raises(kind) as caught:
        azure(door.url, more.pop("key", door.key), more.pop("version", STABLE)).chat.completions.create(
            **{"model": "x", "messages": messages(), "extra_body": with_source()} | more
        )
    return caught.value


def test_a_wrong_key_is_told_as_the_service_told_it(door):
    error = refused(door, openai.AuthenticationError, key="wrong")
    assert (error.status_code, error.code) == (401, "401") and "Access denied" in error.message


@pytest.mark.parametrize("version", ["", "2019-01-01", "2024-99-99-preview", "x"])
def test_a_version_that_never_was_is_no_address(door, version):
    error = refused(door, openai.NotFoundError, version=version or " ")
    assert (error.code, error.body["message"]) == ("404", "Resource not found")


def test_without_a_version_there_is_no_address(door):
    response = post(door, "/openai/deployments/x/chat/completions", with_source() | {"messages": messages()})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "404")


@pytest.mark.parametrize(
    "path", ["/openai/deployments/x/images/generations", "/openai/nothing", "/openai/deployments/x"]
)
def test_what_is_not_served_is_not_found_in_the_service_s_shape(door, path):
    response = post(door, f"{path}?api-version={STABLE}", {})
    assert response.json() == {"error": {"code": "404", "message": "Resource not found"}}
    assert httpx2.get(f"{door.url}/openai/deployments/x/chat/completions?api-version={STABLE}").status_code == 401


def test_a_minute_has_its_limit(door, settings):
    settings.REQUESTS_A_MINUTE = 1
    ask(door)
    error = refused(door, openai.RateLimitError)
    assert error.code == "429" and 0 < int(error.response.headers["Retry-After"]) <= 60
    assert error.response.headers["x-ratelimit-remaining-requests"] == "0"


FAULTS = [
    (
        {"extra_body": {"data_sources": []}},
        "data_sources: List should have at least 1 item after validation, not 0",
    ),
    (
        {"extra_body": {"data_sources": with_source()["data_sources"] * 2}},
        "data_sources: List should have at most 1",
    ),
    (
        {"extra_body": with_source(strictness=6)},
        "data_sources/0/azure_search/parameters/strictness: Input should be",
    ),
    (
        {"extra_body": with_source(team="x")},
        "data_sources/0/azure_search/parameters/team: Extra inputs are not perm",
    ),
    ({"extra_body": with_source(query_type="best")}, "data_sources/0/azure_search/parameters/query_type: Input"),
    ({"tools": []}, "tools: Extra inputs are not permitted"),
    ({"logprobs": True}, "logprobs: Extra inputs are not permitted"),
    ({"temperature": 3}, "temperature: Input should be less than or equal to 2"),
    ({"messages": []}, "messages: List should have at least 1 item"),
    ({"messages": [{"role": "judge", "content": "x"}]}, "messages/0/role: Input should be"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages: The last message must be a question"),
]


def test_a_fault_is_told_with_its_place(door):
    for more, place in FAULTS:
        error = refused(door, openai.BadRequestError, **more).body
        assert error["code"] == 400 and error["requestid"]
        assert error["message"].startswith(f"Validation error at #/{place}"), error["message"]


def test_all_faults_are_told_at_once_and_no_secret_is(door):
    error = refused(
        door, openai.BadRequestError, extra_body={"data_sources": [{"type": "azure_search", "parameters": {}}]}
    )
    assert error.body["message"].splitlines() == [
        f"Validation error at #/data_sources/0/azure_search/parameters/{name}: Field required"
        for name in ("endpoint", "index_name", "authentication")
    ]
    broken = with_source(authentication={"type": "api_key", "key": "geheim", "more": 1})
    assert "geheim" not in refused(door, openai.BadRequestError, extra_body=broken).response.text


def test_what_is_no_request_is_no_fault_of_ours(door):
    url = f"{door.url}/openai/deployments/x/chat/completions?api-version={STABLE}"
    for content in (b"{", b"\xff\xfe", b"[" * 50_000, b"[]", b"3", b'"x"', b""):
        response = httpx2.post(url, content=content, headers={"api-key": door.key, "content-type": "application/json"})
        assert response.status_code == 400 and "parse the JSON body" in response.json()["error"]["message"]


def test_an_index_that_is_not_there_is_told_as_the_service_told_it(door):
    said = told(door, index_name="nothing")
    assert said.startswith(
        "Invalid AzureCognitiveSearch configuration detected: Call to get Azure AI Search index failed."
    )


def test_a_question_beyond_bounds_is_too_long(door):
    error = refused(door, openai.BadRequestError, messages=messages("x" * 20_001))
    assert error.code == "context_length_exceeded"


# Without data sources ----------------------------------------------------------------------------------------------
def test_without_data_sources_everything_the_key_may_read_is_searched(rules):
    add(rules.owner, b"# Bees\n\nThe hive is opened on Thursdays.\n", "bees.md")
    answer = azure(rules.url, rules.key).chat.completions.create(
        model="x", messages=messages("When is the hive opened?")
    )
    check(answer.model_dump(exclude_unset=True), STABLE)
    message = answer.choices[0].message
    assert answer.object == "chat.completion" and "Thursdays" in message.content
    assert message.context["citations"][0]["filepath"] == "bees.md"
