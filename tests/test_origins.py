"""Pages of other origins: none may call the API, unless theirs is named."""

import pytest

from project.models import ApiKey

pytestmark = pytest.mark.django_db
APP = "https://app.example.org"
ALLOW = "Access-Control-Allow-Origin"


def ask_first(client, origin: str = APP, path: str = "/api/search"):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "api-key, content-type"}
    return client.options(path, headers={"Origin": origin, **asked})


def test_no_origin_is_let_in_by_itself(client, alice):
    headers = {"Origin": APP, "api-key": ApiKey.create(alice)[1]}
    assert not ask_first(client).has_header(ALLOW)
    assert not client.get("/api/documents", headers=headers).has_header(ALLOW)


def test_the_origin_that_is_named_may_call_with_a_key(client, alice, settings):
    settings.CORS_ORIGINS = [APP]
    first = ask_first(client)
    assert (first.status_code, first[ALLOW]) == (204, APP)
    assert "api-key" in first["Access-Control-Allow-Headers"] and "DELETE" in first["Access-Control-Allow-Methods"]
    answer = client.get("/api/documents", headers={"Origin": APP, "api-key": ApiKey.create(alice)[1]})
    assert (answer.status_code, answer[ALLOW]) == (200, APP)
    assert "Origin" in answer["Vary"] and "x-ratelimit-remaining-tokens" in answer["Access-Control-Expose-Headers"]


def test_a_refusal_can_be_read_too(client, settings):
    settings.CORS_ORIGINS = [APP]
    answer = client.get("/api/documents", headers={"Origin": APP})
    assert (answer.status_code, answer[ALLOW]) == (401, APP)


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", f"{APP}.evil.org", "http://app.example.org"])
def test_no_other_origin_is(client, settings, origin):
    settings.CORS_ORIGINS = [APP]
    assert not ask_first(client, origin).has_header(ALLOW)


def test_a_page_is_open_to_no_other_origin_and_no_cookie_goes_along(client, alice, settings):
    settings.CORS_ORIGINS = [APP]
    client.force_login(alice)
    page = client.get("/library/", headers={"Origin": APP})
    assert page.status_code == 200 and not page.has_header(ALLOW)
    assert not ask_first(client).has_header("Access-Control-Allow-Credentials")
    assert client.get("/api/documents", headers={"Origin": APP}).status_code == 401
