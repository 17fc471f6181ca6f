"""Bodies that no client of good will sends: each is answered with a sentence, at every door of programs."""

import json

import pytest

from project.models import ApiKey

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = [{"role": "user", "content": "When is the rent due?"}]
SIGN_IN = {"type": "api_key", "key": "of-the-caller"}
PLACE = {"endpoint": "https://desk.search.windows.net", "index_name": "rules", "authentication": SIGN_IN}


@pytest.fixture
def post(client, alice):
    headers = {"api-key": ApiKey.create(alice)[1]}
    return lambda path, body: client.post(path, body, content_type="application/json", headers=headers)


def refused(response) -> str:
    assert response.status_code in {400, 422}, (response.status_code, response.content)
    return response.json()["error"]["message"]


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize("depth", [70, 450, 950, 100_000])
def test_what_is_nested_without_end_is_refused(post, depth):
    deep = nested(depth)
    old = f'"dataSources": [{{"type": "AzureCognitiveSearch", "parameters": {deep}}}]'
    refused(post("/openai/v1/chat/completions", f'{{"messages": {json.dumps(ASKED)}, {old}}}'))
    form = f'{{"format": {{"type": "json_schema", "name": "x", "schema": {deep}}}}}'
    refused(post("/v1/responses", f'{{"input": "x", "text": {form}}}'))
    refused(post("/v1/vector_stores", f'{{"metadata": {deep}}}'))
    refused(post("/api/search", f'{{"query": {deep}}}'))


@pytest.mark.parametrize("kind", [[], {}, ["text"], None, 1])
def test_a_kind_that_is_no_word_is_refused(post, kind):
    parts = [{"role": "user", "content": [{"type": kind, "text": "x"}]}]
    refused(post("/v1/chat/completions", json.dumps({"messages": parts})))
    refused(post("/v1/responses", json.dumps({"input": parts})))
    refused(post("/v1/responses", json.dumps({"input": [{"type": kind or [], "role": "user", "content": "x"}]})))
    refused(post("/openai/v1/chat/completions", json.dumps({"messages": parts})))


@pytest.mark.parametrize("value", [None, 7, ["of-the-caller"], {"of-the-caller": 1}, "of-the-caller\ud800"])
def test_a_secret_that_cannot_be_read_is_not_told_back(post, value):
    source = {"type": "azure_search", "parameters": {**PLACE, "authentication": {"type": "api_key", "key": value}}}
    body = json.dumps({"messages": ASKED, "data_sources": [source]})
    assert "of-the-caller" not in refused(post("/openai/v1/chat/completions", body))
