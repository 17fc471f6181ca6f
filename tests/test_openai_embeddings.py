"""`/v1/embeddings` and `/v1/models` through OpenAI's own client."""

import numpy as np
import openai
import pytest

from project.models import Usage
from tests.fake_openai import FakeOpenAI
from tests.openai_served import client

pytestmark = pytest.mark.django_db(transaction=True)

LOCAL = "all-MiniLM-L6-v2"


@pytest.fixture
def lectern(asgi_server, alice):
    return client(asgi_server, alice)


@pytest.fixture
def service(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_EMBEDDING_MODEL = "text-embedding-3-small"
        yield fake
        assert fake.faults == []


def test_vectors_of_the_local_model_come_alike_in_both_forms(lectern):
    packed = lectern.embeddings.create(model=LOCAL, input=["rent", "garden"])  # The client asks for base64.
    plain = lectern.embeddings.create(model=LOCAL, input=["rent", "garden"], encoding_format="float")
    assert len(packed.data) == 2 and len(packed.data[0].embedding) == 384
    assert np.allclose(packed.data[1].embedding, plain.data[1].embedding)
    assert np.isclose(np.linalg.norm(plain.data[0].embedding), 1)
    assert plain.usage.prompt_tokens == plain.usage.total_tokens == 3


def test_tokens_stand_for_their_text(lectern):
    tokens = [[68840, 374, 4245, 304, 3297, 13]]  # "Rent is due in May."
    by_tokens = lectern.embeddings.create(model=LOCAL, input=tokens).data[0].embedding
    by_text = lectern.embeddings.create(model=LOCAL, input="Rent is due in May.").data[0].embedding
    assert np.allclose(by_tokens, by_text)
    assert np.allclose(lectern.embeddings.create(model=LOCAL, input=tokens[0]).data[0].embedding, by_text)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"] * 2_049}, "input"),
        ({"input": "word " * 9_000}, "input"),
        ({"input": [100_300]}, "input"),
        ({"input": [226]}, "input"),
        ({"dimensions": 64}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_cannot_be_embedded_is_refused(lectern, more, param):
    with pytest.raises(openai.BadRequestError) as refused:
        lectern.embeddings.create(**{"model": LOCAL, "input": "rent", "encoding_format": "float", **more})
    assert refused.value.param.split(".")[0] == param


def test_an_unknown_model_is_not_found(lectern):
    with pytest.raises(openai.NotFoundError, match=LOCAL):
        lectern.embeddings.create(model="text-embedding-9", input="rent")


def test_a_service_is_asked_for_as_many_dimensions_as_are_wanted_and_paid_by_the_key(lectern, service, alice):
    answer = lectern.embeddings.create(model="text-embedding-3-small", input=["rent", "due"], dimensions=32)
    assert [len(each.embedding) for each in answer.data] == [32, 32]
    assert service.requests[-1]["body"]["dimensions"] == 32
    note = Usage.objects.get()
    assert (note.user, note.api_key, note.input_tokens) == (alice, alice.api_keys.get(), answer.usage.prompt_tokens)


def test_models_are_listed_and_found_by_their_names(lectern, service, settings):
    settings.OPENAI_CHAT_MODEL = "gpt-4o"
    names = [model.id for model in lectern.models.list()]
    assert names == ["default", "gpt-4o", "text-embedding-3-small"]
    assert lectern.models.retrieve("gpt-4o").owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        lectern.models.retrieve("gpt-9")
