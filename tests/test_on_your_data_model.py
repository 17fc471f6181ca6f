"""Programs written for On Your Data where a model answers, or a search service elsewhere is searched: at the wire."""

import json
from types import SimpleNamespace

import openai
import pytest

from documents.embeddings import LOCAL_MODEL, embed_query
from project.models import ApiKey, Usage
from tests.fake_openai import FakeOpenAI, Reply
from tests.fake_rerank import FakeRerank
from tests.fake_search import FakeSearch, Fault
from tests.library import RENT, add, shared_collection
from tests.on_your_data import LATE, QUESTION, azure, check, messages, with_source

pytestmark = pytest.mark.django_db(transaction=True)

IN_FULL = ["citations", "intent", "all_retrieved_documents"]


@pytest.fixture
def service(settings):
    """A model, called as the deployment "desk"."""
    with FakeOpenAI() as fake:
        settings.AZURE_OPENAI_ENDPOINT, settings.AZURE_OPENAI_API_KEY = fake.url, "secret"
        settings.AZURE_OPENAI_CHAT_DEPLOYMENT, settings.CHAT_BASE_MODEL = "desk", "gpt-4o"
        yield fake
        assert fake.faults == []


@pytest.fixture
def door(asgi_server, alice):
    collection = shared_collection(alice, name="House rules")
    return SimpleNamespace(url=asgi_server, key=ApiKey.create(alice)[1], owner=alice, collection=collection)


@pytest.fixture
def rules(door):
    add(door.owner, RENT, "rules.md", door.collection)
    return door


def ask(door, question=QUESTION, model="desk", told=None, more=None, **parameters):
    answer = azure(door.url, door.key, LATE).chat.completions.create(
        model=model, messages=told or messages(question), extra_body=with_source(**parameters), **(more or {})
    )
    check(answer.model_dump(exclude_unset=True), LATE)
    return answer.choices[0]


def said_to(service):
    return [message["content"] for message in service.requests[-1]["body"]["messages"]]


# A model answers ---------------------------------------------------------------------------------------------------
def test_a_model_answers_from_the_passages_and_its_numbers_are_docs(rules, service):
    service.replies = [Reply(pieces=["It is the third ", "working day [", "1]. Not so [7]."])]
    choice = ask(rules)
    assert choice.message.content == "It is the third working day [doc1]. Not so ."
    assert "third working day" in said_to(service)[-1]


def test_a_model_streams_with_the_context_first(rules, service):
    service.replies = [Reply(pieces=["It is", " so [1]", "."], pause_s=0.1)]  # The view has long returned at the end.
    stream = azure(rules.url, rules.key, LATE).chat.completions.create(
        model="desk", messages=messages(), stream=True, extra_body=with_source()
    )
    chunks = [chunk.model_dump(exclude_unset=True) for chunk in stream]
    for chunk in chunks:
        check(chunk, LATE, is_chunk=True)
    assert chunks[0]["choices"][0]["delta"]["context"]["citations"] and chunks[0]["model"] == "desk"
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == "It is so [doc1]."
    assert Usage.objects.filter(deployment="desk").exists()


def test_role_information_and_the_system_message_reach_the_model(rules, service):
    told = [{"role": "system", "content": "Answer as a pirate."}, *messages()]
    ask(rules, told=told, role_information="You are the desk.")
    assert "You are the desk.\nAnswer as a pirate." in said_to(service)[0]


def test_in_scope_is_whether_the_model_may_add_what_it_knows(rules, service):
    service.replies = [Reply(pieces=["Paris."]), Reply(pieces=["NOT_IN_DOCUMENTS"])]
    assert ask(rules, "What is the capital of France?", in_scope=False).message.content == "Paris."
    assert "from what you know where they do not say" in said_to(service)[0]
    strict = ask(rules, "What is the capital of the rent?", in_scope=True).message
    assert strict.content.startswith("The requested information is not found") and not strict.context["citations"]
    assert "from nothing else" in said_to(service)[0]


def test_wishes_for_the_writing_reach_the_model(rules, service):
    ask(rules, more={"temperature": 0.2, "top_p": 0.5, "max_tokens": 60, "stop": ["END"], "seed": 7})
    body = service.requests[-1]["body"]
    assert (body["temperature"], body["top_p"], body["stop"], body["seed"]) == (0.2, 0.5, ["END"], 7)
    assert body["max_completion_tokens"] == 60


def test_an_answer_that_is_cut_says_so(rules, service):
    service.replies = [Reply(pieces=["It is"], finish="length")]
    assert ask(rules).finish_reason == "length"


@pytest.mark.parametrize("name", ["default", "desk"])
def test_the_deployments_that_are_set_up_answer(rules, service, name):
    assert ask(rules, model=name).message.content


def test_a_deployment_that_is_not_there_is_told_as_the_service_told_it(door, service):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(door, model="gpt-9")
    assert caught.value.code == "DeploymentNotFound" and service.requests == []


FILTER = {
    "code": "content_filter",
    "message": "filtered",
    "innererror": {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
    },
}


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_question_that_the_filter_stops_is_told_in_its_shape(rules, service, is_streamed):
    service.replies = [Reply(status=400, error=FILTER)]
    with pytest.raises(openai.BadRequestError) as caught:
        azure(rules.url, rules.key, LATE).chat.completions.create(
            model="desk", messages=messages(), stream=is_streamed, extra_body=with_source()
        )
    error = caught.value
    assert error.code == "content_filter" and error.param == "prompt"
    assert error.body["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    result = error.body["innererror"]["content_filter_result"]
    assert result["violence"] == {"filtered": True, "severity": "medium"}
    assert result["hate"] == {"filtered": False, "severity": "safe"}


def test_words_that_moderation_stops_end_an_answer_as_the_filter_did(rules, service, settings, tmp_path):
    listed = tmp_path / "words.txt"
    listed.write_text("forbidden word\n")
    settings.MODERATION, settings.MODERATION_WORDS = "words", str(listed)
    service.replies = [Reply(pieces=["This is a forbidden word [1]."])]
    choice = ask(rules)
    assert (choice.finish_reason, choice.message.content) == ("content_filter", "")


def test_a_model_out_of_order_is_a_fault_with_a_status(rules, service):
    service.replies = [Reply(status=401, error={"code": "401", "message": "no"})] * 3
    with pytest.raises(openai.InternalServerError) as caught:
        ask(rules)
    assert caught.value.status_code == 502 and caught.value.code == "502"


# A reranker --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("query_type", ["semantic", "vector_semantic_hybrid"])
def test_semantic_queries_are_put_into_order_and_told_the_score(rules, settings, query_type):
    embedding = {"embedding_dependency": {"type": "deployment_name", "deployment_name": "ada"}}
    plain = {"semantic": "simple"}.get(query_type, "vector_simple_hybrid")
    with FakeRerank() as reranker:
        settings.RERANK_URL, settings.RERANK_MODEL, settings.RERANK_KEY = f"{reranker.url}/v2/rerank", "m", "secret"
        wanted = {"include_contexts": IN_FULL, "semantic_configuration": "default", **embedding}
        anew = ask(rules, model="x", query_type=query_type, **wanted).message.context["all_retrieved_documents"]
        asked = len(reranker.requests)
        as_found = ask(rules, model="x", query_type=plain, **wanted).message.context["all_retrieved_documents"]
        assert (asked, len(reranker.requests)) == (1, 1)
    assert 0 <= anew[0]["rerank_score"] <= 4 and "rerank_score" not in as_found[0]


# A search service elsewhere ----------------------------------------------------------------------------------------
DEFINITION = {
    "name": "handbook",
    "fields": [
        {"name": "id", "type": "Edm.String", "key": True, "searchable": False},
        {"name": "heading", "type": "Edm.String", "searchable": True},
        {
            "name": "body",
            "type": "Edm.String",
            "searchable": True,
            "filterable": False,
            "sortable": False,
            "facetable": False,
        },
        {"name": "place", "type": "Edm.String", "searchable": False},
        {"name": "team", "type": "Edm.String", "searchable": False, "filterable": True},
        {
            "name": "vector",
            "type": "Collection(Edm.Single)",
            "searchable": True,
            "dimensions": 384,
            "vectorSearchProfile": "near",
        },
    ],
    "vectorSearch": {
        "algorithms": [{"name": "graph", "kind": "hnsw"}],
        "profiles": [{"name": "near", "algorithm": "graph"}],
    },
    "semantic": {
        "configurations": [
            {"name": "default", "prioritizedFields": {"prioritizedContentFields": [{"fieldName": "body"}]}}
        ]
    },
}
TEXTS = {
    "1": ("Rent", "The rent is due on the third working day.", "desk"),
    "2": ("Pets", "Dogs and cats need a written permission.", "desk"),
    "3": ("Bees", "The rent of a hive is paid in honey.", "farm"),
}
MAPPING = {
    "title_field": "heading",
    "url_field": "place",
    "content_fields": ["heading", "body"],
    "content_fields_separator": "\n\n",
    "vector_fields": ["vector"],
}
BY_NAME = {"type": "deployment_name", "deployment_name": LOCAL_MODEL}


@pytest.fixture
def elsewhere(settings, transactional_db):
    """A search service with an index that is not Lectern's, on a host that may be called."""
    from tests.fake_ranking import StoredIndex

    with FakeSearch() as fake:
        index = fake.indexes["handbook"] = StoredIndex(DEFINITION)
        for key, (heading, body, team) in TEXTS.items():
            place, vector = f"https://wiki.example/{key}", embed_query(LOCAL_MODEL, body).tolist()
            entry = {"id": key, "heading": heading, "body": body, "team": team, "place": place, "vector": vector}
            index.take("upload", entry, 0.0)
        settings.SEARCH_HOSTS = [fake.url.removeprefix("http://")]
        yield fake
        assert fake.faults == []


def outer(fake, **parameters):
    sign_in = {"type": "api_key", "key": "look"}
    return {
        "endpoint": fake.url,
        "index_name": "handbook",
        "authentication": sign_in,
        "fields_mapping": MAPPING,
        "include_contexts": IN_FULL,
        **parameters,
    }


def sent(fake):
    return fake.asked("search")[-1]["body"]


def test_an_index_elsewhere_is_searched_by_its_own_fields(door, elsewhere):
    message = ask(door, model="x", **outer(elsewhere)).message
    first = message.context["citations"][0]
    assert first["content"] == "Rent\n\nThe rent is due on the third working day."
    assert (first["title"], first["url"], first["chunk_id"], first["filepath"]) == (
        "Rent",
        "https://wiki.example/1",
        "1",
        None,
    )
    assert "third working day" in message.content and "[doc1]" in message.content
    assert elsewhere.asked("search")[-1]["headers"]["api-key"] == "look"


@pytest.mark.parametrize(
    ("query_type", "more"),
    [
        ("semantic", {"semantic_configuration": "default"}),
        ("vector", {"embedding_dependency": BY_NAME}),
        ("vector_simple_hybrid", {"embedding_dependency": BY_NAME}),
        ("vector_semantic_hybrid", {"embedding_dependency": BY_NAME, "semantic_configuration": "default"}),
    ],
)
def test_each_query_type_is_asked_of_it(door, elsewhere, query_type, more):
    asked = outer(elsewhere, query_type=query_type, **more)
    found = ask(door, "Do dogs need a permission?", "x", **asked).message.context
    body = sent(elsewhere)
    assert ("vectorQueries" in body) == ("vector" in query_type) and bool(body.get("search")) == (
        query_type != "vector"
    )
    assert (body.get("queryType") == "semantic") == ("semantic" in query_type)
    assert body.get("semanticConfiguration") == more.get("semantic_configuration")
    if "vector" in query_type:
        assert found["citations"][0]["title"] == "Pets"
    assert ("rerank_score" in found["all_retrieved_documents"][0]) == ("semantic" in query_type)


def test_the_filter_goes_along(door, elsewhere):
    found = ask(door, model="x", **outer(elsewhere, filter="team eq 'farm'")).message.context
    assert {each["title"] for each in found["all_retrieved_documents"]} == {"Bees"}


def test_a_token_signs_in_where_the_request_brings_one(door, elsewhere):
    elsewhere.token = "token"
    sign_in = {"type": "access_token", "access_token": "token"}
    assert ask(door, model="x", **outer(elsewhere, authentication=sign_in)).message.context["citations"]


def told(door, **parameters):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(door, model="x", **parameters)
    assert caught.value.body["requestid"]
    return caught.value.body["message"]


def test_what_it_refuses_is_told_without_the_key(door, elsewhere):
    wrong = {"type": "api_key", "key": "of-nobody"}
    said = told(door, **outer(elsewhere, authentication=wrong))
    assert "refuses the sign-in (status 403)" in said and "of-nobody" not in said
    assert "has no index “other”" in told(door, **outer(elsewhere, index_name="other"))
    assert "refused the query (status 400)" in told(door, **outer(elsewhere, filter="nothing eq 'x'"))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"authentication": {"type": "system_assigned_managed_identity"}}, "no managed identity"),
        ({"query_type": "vector", "embedding_dependency": {**BY_NAME, "deployment_name": "ada"}}, "no such deployment"),
        (
            {"query_type": "vector", "embedding_dependency": BY_NAME, "fields_mapping": {"title_field": "heading"}},
            "vector_fields: Field required",
        ),
        (
            {
                "query_type": "vector",
                "embedding_dependency": {
                    "type": "endpoint",
                    "endpoint": "http://127.0.0.1:9/embeddings",
                    "authentication": {"type": "api_key", "key": "k"},
                },
            },
            "Lectern calls no other endpoint",
        ),
    ],
)
def test_what_cannot_be_done_elsewhere_is_told_before_anything_is_called(door, elsewhere, parameters, said):
    assert said in told(door, **outer(elsewhere, **parameters))
    assert elsewhere.requests == []


def test_one_query_that_fails_fails_all_unless_a_part_will_do(door, elsewhere):
    question = "When is the rent due? Are dogs allowed?"
    elsewhere.wrong = [Fault(403, "search")]
    assert "refuses the sign-in" in told(door, question=question, **outer(elsewhere))
    elsewhere.wrong = [Fault(403, "search")]
    found = ask(door, question, "x", **outer(elsewhere, allow_partial_result=True, strictness=1)).message.context
    assert found["citations"] and len(json.loads(found["intent"])) == 3
    elsewhere.wrong = [Fault(403, "search")] * 3
    assert "refuses the sign-in" in told(door, question=question, **outer(elsewhere, allow_partial_result=True))


def test_a_service_that_is_away_is_worth_another_try(door, elsewhere):
    elsewhere.wrong = [Fault(503, "search")] * 2
    with pytest.raises(openai.InternalServerError) as caught:
        ask(door, model="x", **outer(elsewhere))
    assert caught.value.status_code == 503


def test_it_does_not_follow_where_it_is_sent_on_to(door, elsewhere):
    with FakeSearch() as other:
        address = f"{other.url}/indexes('handbook')/docs/search.post.search?api-version=2026-04-01"
        elsewhere.wrong = [Fault(307, "search", {"Location": address})] * 2
        with pytest.raises(openai.APIStatusError):
            ask(door, model="x", **outer(elsewhere))
        assert other.requests == []


@pytest.mark.parametrize(
    "address", ["{url}", "{url}/", "http://127.0.0.1:9", "http://user@{host}", "http://{host}/x", "http://{host}?x=1"]
)
def test_only_a_host_that_an_operator_named_is_called(rules, settings, address):
    """Others are not looked at: the name is one of Lectern's, or nothing."""
    with FakeSearch() as fake:
        host = fake.url.removeprefix("http://")
        settings.SEARCH_HOSTS = ["desk.search.windows.net", *([host] if "{host}" in address else [])]
        endpoint = address.format(url=fake.url, host=host)
        assert ask(rules, model="x", endpoint=endpoint).message.context["citations"]
        assert "There is no index or collection" in told(rules, endpoint=endpoint, index_name="handbook")
        assert fake.requests == []
