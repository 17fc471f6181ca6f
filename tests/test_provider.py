"""The door to a model: every way in, and every way it can go wrong."""

import asyncio

import pytest

from project import provider
from project.provider import Cut, ProviderBusy, ProviderInterrupted, ProviderMisconfigured, ProviderRefused, Tokens
from tests.fake_openai import FakeOpenAI, Reply

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "When?"}]


@pytest.fixture
def service():
    with FakeOpenAI() as fake:
        yield fake
        assert fake.faults == []


def way_in(settings, service, kind: str) -> None:
    settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = ""
    if kind == "openai":
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{service.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        return
    settings.AZURE_OPENAI_ENDPOINT, settings.AZURE_OPENAI_API_KEY = service.url, "secret"
    settings.AZURE_OPENAI_CHAT_DEPLOYMENT = "desk"
    settings.AZURE_OPENAI_API_VERSION = kind


def ask(**more) -> list:
    async def collect() -> list:
        return [piece async for piece in provider.stream_chat(MESSAGES, max_tokens=50)]

    return asyncio.run(collect())


@pytest.mark.parametrize(
    ("kind", "path", "header"),
    [
        ("openai", "/v1/chat/completions", "authorization"),
        ("v1", "/openai/v1/chat/completions", "authorization"),
        ("2024-10-21", "/openai/deployments/desk/chat/completions?api-version=2024-10-21", "api-key"),
    ],
)
def test_every_way_in_asks_as_its_service_wants(settings, service, kind, path, header):
    way_in(settings, service, kind)
    service.replies = [Reply(pieces=["In ", "May. [1]"])]
    assert ask() == ["In ", "May. [1]", Tokens(321, 12)]
    assert service.requests[0]["path"] == path
    assert "secret" in service.requests[0]["headers"][header]


def test_no_setting_means_no_model(settings):
    settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = ""
    assert not provider.is_configured()


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(status=401), ProviderMisconfigured, "refuses the key"),
        (Reply(status=404, error={"code": "DeploymentNotFound", "message": "x"}), ProviderMisconfigured, "knows no"),
        (Reply(status=400, error={"code": "content_filter", "message": "x"}), ProviderRefused, "content filter"),
        (Reply(status=400, error={"code": "context_length_exceeded", "message": "x"}), ProviderMisconfigured, "long"),
        (Reply(finish="content_filter"), ProviderRefused, "cut the answer off"),
        (Reply(cut=True), ProviderInterrupted, "in the middle"),
        (Reply(finish=None), ProviderInterrupted, "in the middle"),
    ],
)
def test_each_fault_is_told_in_words(settings, service, reply, error, words):
    way_in(settings, service, "openai")
    service.replies = [reply]
    with pytest.raises(error, match=words):
        ask()


def test_a_busy_service_is_tried_again_and_then_said_to_be_busy(settings, service):
    way_in(settings, service, "openai")
    service.replies = [Reply(status=429, headers={"retry-after-ms": "1"}) for _ in range(3)]
    with pytest.raises(ProviderBusy, match="busy"):
        ask()
    assert len(service.requests) == 3


def test_one_busy_moment_is_not_noticed(settings, service):
    way_in(settings, service, "openai")
    service.replies = [Reply(status=503, headers={"retry-after-ms": "1"}), Reply(pieces=["May."])]
    assert ask()[0] == "May."


def test_a_service_that_is_not_there_is_said_to_be_out_of_reach(settings):
    settings.AZURE_OPENAI_ENDPOINT = ""
    settings.OPENAI_BASE_URL, settings.OPENAI_CHAT_MODEL = "http://127.0.0.1:9/v1", "gpt-test"
    with pytest.raises(ProviderBusy, match="cannot be reached"):
        ask()


def test_an_answer_at_its_limit_says_so(settings, service):
    way_in(settings, service, "openai")
    service.replies = [Reply(pieces=["It"], finish="length")]
    assert ask() == ["It", Cut(), Tokens(321, 12)]


def test_closing_the_stream_closes_the_connection(settings, service):
    way_in(settings, service, "openai")
    service.replies = [Reply(pieces=["word "] * 400, pause_s=0.01)]

    async def leave_early() -> None:
        stream = provider.stream_chat(MESSAGES, max_tokens=50)
        await anext(stream)
        await stream.aclose()

    asyncio.run(leave_early())
    assert service.closed_early.wait(3)
