"""An answer is kept for whoever asks the same with the same rights, and nobody is shown what is not theirs."""

from datetime import UTC, datetime

import pytest

from chat.cache import key_of
from chat.events import Done, Found, Question
from chat.models import PromptTemplate
from chat.prompts import Turn
from chat.wording import worded
from documents import intake
from documents.embeddings import LOCAL_MODEL, embed_query
from documents.indexes import private_collection
from documents.models import Collection, Document, Index, IndexVersion, Membership
from documents.retrieval import retrieve
from documents.retrieval.keeping import fetched, places_of
from project import limits
from project.models import Usage
from tests.asking import QUESTION, end_of, events_of, text_of
from tests.fake_openai import FakeOpenAI, Reply
from tests.library import add, shared_collection
from tests.rows import row

flow = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def service(settings):
    settings.CACHE_ANSWERS_S = 600
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


@pytest.fixture
def no_redis(settings):
    """Redis is away, for whoever asks it from now on."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    limits.connection.cache_clear()
    yield
    limits.connection.cache_clear()


# What is shown again -------------------------------------------------------------------------------------------------
@flow
def test_the_same_question_is_answered_without_the_model(alice, service):
    add(alice)
    first, second = events_of(alice), events_of(alice)
    assert len(service.requests) == 1
    assert text_of(second) == text_of(first) == "It is so. [1]"


@flow
def test_a_kept_answer_says_so_with_its_age(alice, service):
    add(alice)
    end_of(alice)
    done = end_of(alice)
    assert done.notice.startswith("Cached: this answer was written less than a minute ago.")
    assert done.how[0] == ("Cached", "written less than a minute ago; no model was asked now")


@flow
def test_a_kept_answer_has_its_sources_with_the_words_they_rest_on(alice, service):
    add(alice)
    service.replies = [Reply(pieces=["The rent is due on the third working day. [1]"])]
    first, second = events_of(alice), events_of(alice)
    sources = [[event.sources for event in events if isinstance(event, Done)][0] for events in (first, second)]
    assert sources[0] == sources[1] and sources[1][0].is_cited and sources[1][0].marks
    assert [len(event.passages) for event in second if isinstance(event, Found)] == [1]


@flow
def test_a_kept_answer_costs_nothing(alice, service):
    add(alice)
    end_of(alice)
    paid = Usage.objects.count()
    assert (end_of(alice).tokens.input, Usage.objects.count()) == (0, paid)


@flow
def test_nothing_is_kept_unless_a_setting_says_so(alice, service, settings):
    settings.CACHE_ANSWERS_S = 0
    add(alice)
    end_of(alice)
    end_of(alice)
    assert len(service.requests) == 2


@flow
def test_answer_again_asks_the_model_again(alice, service):
    add(alice)
    end_of(alice)
    end_of(alice, is_fresh=True)
    assert len(service.requests) == 2


@flow
@pytest.mark.parametrize(
    "reply", [Reply(pieces=["NOT_IN_DOCUMENTS"]), Reply(finish="length"), Reply(cut=True), Reply(status=401)]
)
def test_only_a_whole_answer_is_kept(alice, service, reply):
    add(alice)
    service.replies = [reply]
    end_of(alice)
    assert not end_of(alice).notice.startswith("Cached")
    assert len(service.requests) == 2


@flow
def test_without_redis_an_answer_is_written_and_nothing_is_kept(alice, service, no_redis):
    add(alice)
    assert [end_of(alice).notice.startswith("Cached") for _ in range(2)] == [False, False]


# Whose eyes ----------------------------------------------------------------------------------------------------------
@flow
def test_two_people_who_may_read_the_same_share_an_answer(alice, bob, service):
    shared = shared_collection(alice, bob)
    add(alice, collection=shared)
    end_of(alice, collections=[shared.pk])
    assert end_of(bob, collections=[shared.pk]).notice.startswith("Cached")


@flow
def test_who_lost_membership_is_not_shown_it_at_the_next_question(alice, bob, service):
    shared = shared_collection(alice, bob)
    add(alice, collection=shared)
    end_of(bob, collections=[shared.pk])
    Membership.objects.all().delete()
    done = end_of(bob, collections=[shared.pk])
    assert done.is_refused and not done.sources


@flow
def test_words_of_a_document_that_is_gone_are_not_fetched_again(alice):
    document = add(alice)
    places = places_of(retrieve(QUESTION, alice))
    assert fetched(places, alice)
    intake.delete(document)
    assert fetched(places, alice) is None


@flow
def test_a_stranger_is_given_no_word_of_a_kept_place(alice, charlie):
    add(alice)
    assert fetched(places_of(retrieve(QUESTION, alice)), charlie) is None


@flow
def test_no_word_of_a_document_lies_in_what_is_kept_of_its_places(alice):
    add(alice)
    assert "third working" not in repr(places_of(retrieve(QUESTION, alice)))


@flow
def test_a_deleted_document_ends_every_answer_that_could_use_it(alice, service):
    add(alice)
    other = add(alice, b"# Pets\n\nDogs need a permission.\n", "pets.md")
    end_of(alice)
    intake.delete(other)
    assert not end_of(alice).notice.startswith("Cached")


# The key: each part alone --------------------------------------------------------------------------------------------
def key(user, text: str = QUESTION, **more) -> str:
    return key_of(worded(Question(text, user, **more)))


def test_blanks_alone_make_no_other_question(alice, service):
    assert key(alice, "When  is\nthe rent due? ") == key(alice)


@pytest.mark.parametrize(
    "more",
    [
        {"text": "When is the rent due"},
        {"text": "when is the rent due?"},
        {"history": [Turn("And?", "No.")]},
        {"instructions": "Be brief."},
        {"summary": "They spoke of dogs."},
        {"collections": []},
        {"documents": []},
    ],
    ids=lambda more: next(iter(more)),
)
def test_another_question_has_another_key(alice, service, more):
    private_collection(alice)
    assert key(alice, **more) != key(alice)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_CHAT_MODEL", "gpt-other"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"),
        ("CHAT_EFFORT", "low"),
        ("CHAT_API", "responses"),
        ("CHAT_BASE_MODEL", "gpt-4o"),
        ("CHAT_ANSWER_TOKENS", 99),
        ("CHAT_CONTEXT_TOKENS", 2_000),
        ("FUSION_ALPHA", 0.9),
        ("RERANK_URL", "https://rerank.example"),
        ("MODERATION", "filter"),
        ("MODERATION_LIMITS", {"hate": "low"}),
    ],
)
def test_another_setting_of_the_model_or_the_search_has_another_key(alice, service, settings, name, value):
    before = key(alice)
    setattr(settings, name, value)
    assert key(alice) != before


def test_another_wording_has_another_key(alice, service):
    before = key(alice)
    PromptTemplate.objects.create(text="Answer in {language}.", is_active=True)
    assert key(alice) != before


def test_a_collection_more_has_another_key(alice, bob, service):
    before = key(alice)
    shared_collection(bob, alice)
    assert key(alice) != before


def test_another_live_version_has_another_key(alice, service):
    collection = private_collection(alice)
    before = key(alice)
    version = IndexVersion.objects.create(index=collection.index, number=99, dimensions=3)
    Index.objects.filter(pk=collection.index_id).update(live=version)
    assert key(alice) != before


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"deleted_at": NOON},
        {"superseded_at": NOON},
        {"trusted_at": NOON},
        {"title": "Another"},
        {"name": "another.md"},
        {"state": "embedding"},
        {"chunk_count": 7},
        {"generation": 0},
    ],
    ids=lambda change: "-".join(map(str, next(iter(change.items())))),
)
def test_a_document_that_changed_has_another_key(alice, service, change):
    document = row(alice)
    before = key(alice)
    Document.objects.filter(pk=document.pk).update(**change)
    assert key(alice) != before


def test_a_document_that_moved_has_another_key(alice, service):
    document, shared = row(alice), shared_collection(alice)
    before = key(alice, collections=[shared.pk])
    Document.objects.filter(pk=document.pk).update(collection=shared)
    assert key(alice, collections=[shared.pk]) != before


def test_a_document_that_nobody_can_find_yet_changes_nothing(alice, service):
    before = key(alice)
    row(alice, state="queued")
    assert key(alice) != "" and key(alice, collections=[private_collection(alice).pk]) != before
    assert key(alice) == (row(alice, "b.md", state="extracting") and key(alice))


def test_what_lies_outside_the_scope_changes_nothing(alice, service):
    shared = shared_collection(alice)
    before = key(alice, collections=[shared.pk])
    row(alice)
    assert key(alice, collections=[shared.pk]) == before
    assert Collection.objects.for_user(alice).count() == 2


# Vectors of questions ------------------------------------------------------------------------------------------------
def test_a_question_is_embedded_once_a_day(settings, db):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_EMBEDDING_MODEL = "text-embedding-3-small"
        vectors = [embed_query("openai:text-embedding-3-small", QUESTION) for _ in range(2)]
    assert len(fake.requests) == 1
    assert (vectors[0] == vectors[1]).all()


def test_no_word_of_a_question_lies_in_redis(db):
    embed_query(LOCAL_MODEL, "who is paid what")
    found = list(limits.connection().scan_iter("vector:*"))
    assert len(found) == 1 and b"paid" not in found[0]


def test_without_redis_a_question_is_embedded_each_time(no_redis, db):
    assert (embed_query(LOCAL_MODEL, "rent") == embed_query(LOCAL_MODEL, "rent")).all()
