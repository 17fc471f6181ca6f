"""What is refused of programs written for Azure OpenAI On Your Data: in the service's shapes, and nothing leaks."""

from types import SimpleNamespace

import httpx2
import openai
import pytest

from project.models import ApiKey
from tests.library import shared_collection
from tests.on_your_data import STABLE, ask, messages, post, refused, told, with_source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def door(asgi_server, alice):
    """The same without a document: for what is refused before anything is searched."""
    key = ApiKey.create(alice, scope=ApiKey.Scope.READ)[1]
    collection = shared_collection(alice, name="House rules")
    return SimpleNamespace(url=asgi_server, key=key, owner=alice, collection=collection)


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
