"""The search playground: legs and ranks, two settings side by side, another's eyes, and why not this passage."""

import pytest
from django.contrib.auth.models import User

from documents.indexes import default_index, versions
from documents.ingestion.building import build_next
from documents.models import EvaluationSet
from documents.retrieval import Scope, find
from project.models import AuditEvent
from tests.library import add, shared_collection
from tests.test_backends import serving

pytestmark = pytest.mark.django_db

QUESTION = "When is the rent due?"
ASKED = {"question": QUESTION, "top": "5", "mode": "hybrid"}
SECRET = b"# Plans\n\nThe rent will be raised to nine hundred crowns in autumn.\n"


@pytest.fixture
def staff() -> User:
    """Who runs the console, and is no superuser."""
    return User.objects.create_user("staff", is_staff=True)


@pytest.fixture
def root() -> User:
    return User.objects.create_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def library(staff, alice) -> None:
    """One document that staff may read, one that only Alice may."""
    add(staff)
    add(alice, SECRET, "plans.md")


def search(client, user, status: int = 200, **changes: str) -> str:
    client.force_login(user)
    response = client.post("/console/search/", ASKED | changes)
    assert response.status_code == status
    return response.content.decode()


def events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.filter(subject_kind="user").values_list("action", "subject_name"))


def test_a_question_shows_its_passages_and_each_leg(client, staff, library):
    text = search(client, staff)
    assert text.count("third working day") == 3  # Together, by words, by meaning.
    assert "words alone" in text and "meaning alone" in text
    assert text.count('class="rank">1<') == 3


def test_staff_find_only_what_they_may_read_themselves(client, staff, library):
    text = search(client, staff)
    assert "nine hundred crowns" not in text
    assert "one document hidden from staff" in text


def test_staff_do_not_see_with_the_eyes_of_others(client, staff, library):
    text = search(client, staff, 400, see_as="alice")
    assert "Only a superuser" in text and "nine hundred crowns" not in text and events() == []


def test_a_superuser_sees_as_another_and_it_is_written_down(client, root, library):
    text = search(client, root, see_as="alice")
    assert "nine hundred crowns" in text and "third working day" not in text
    assert events() == [("search.view_as", "alice")]


def test_a_name_of_nobody_is_told(client, root, library):
    assert "There is nobody of this name." in search(client, root, 400, see_as="alicia")


def test_two_settings_stand_side_by_side(client, staff, library):
    text = search(client, staff, is_compared="on", mode_2="keyword", alpha="20")
    assert "meaning 20 %" in text and text.count('<section class="block" aria-labelledby="res-') == 2


def test_two_backends_stand_side_by_side(client, staff, library, settings):
    with serving(settings):
        version = versions.rebuild(default_index(), backend_name="azure")
        while build_next(version, 60):
            pass
        text = search(client, staff, is_compared="on", mode_2="hybrid", version_2=str(version.pk))
    assert "main 2 (Azure AI Search)" in text
    assert text.count("third working day") == 6


def test_how_much_meaning_weighs_is_told_to_the_search(staff, library):
    words, meaning = (find(QUESTION, staff, Scope(alpha=alpha)).passages[0] for alpha in (0.0, 1.0))
    assert words.score == pytest.approx(1.0) and meaning.score == pytest.approx(1.0)


def test_collections_narrow_what_is_searched(client, staff, library):
    other = shared_collection(staff, name="Other")
    assert "Nothing was found." in search(client, staff, collections=str(other.pk))


def test_why_not_a_page_is_answered_by_its_name(client, staff, library):
    add(staff, b"Bread is baked on Tuesdays.\n", "bread.txt")
    text = search(client, staff, top="1", document="bread.txt", page="1")
    assert "bread.txt, 1" in text and "would have to be asked for" in text


def test_why_not_a_passage_is_answered_by_its_words(client, staff, library):
    text = search(client, staff, words="third working day")
    assert "It was found as passage 1" in text


def test_what_one_may_not_read_is_not_explained_by_name_or_by_words(client, staff, library):
    for asked in ({"document": "plans.md"}, {"words": "nine hundred crowns"}):
        assert "There is no such passage" in search(client, staff, **asked)


def test_another_version_explains_its_own_ranks(client, staff, library):
    version = versions.rebuild(default_index(), chunk_tokens=60)
    while build_next(version, 60):
        pass
    assert "It was found as passage" in search(client, staff, version=str(version.pk), document="rules.md")


@pytest.mark.parametrize("asked", [{"question": ""}, {"top": "0"}, {"mode": "all"}, {"words": "\0"}, {"version": "99"}])
def test_what_cannot_be_asked_is_told(client, staff, asked):
    assert 'role="alert"' in search(client, staff, 400, **asked)


def keep(client, user, **sent):
    client.force_login(user)
    sent = {"question": QUESTION, "set_name": "smoke"} | sent
    return client.post("/console/search/keep/", sent, follow=True).content.decode()


def test_a_question_is_kept_with_its_page_in_a_set(client, staff, library):
    assert 'value="rules.md#page=1"' in search(client, staff)
    assert "The question is in the set" in keep(client, staff, page=["rules.md#page=1"])
    case = EvaluationSet.objects.get(name="smoke").cases.get()
    assert (case.question, case.pages, case.origin) == (QUESTION, ["rules.md#page=1"], "playground")
    assert AuditEvent.objects.filter(action="evaluation.keep_case", user_id=staff.pk).count() == 1


def test_a_question_that_nothing_answers_is_kept_as_such(client, staff, library):
    keep(client, staff, is_unanswerable="on")
    assert EvaluationSet.objects.get(name="smoke").cases.get().is_unanswerable


@pytest.mark.parametrize(
    "sent", [{}, {"page": "no page"}, {"page": "a#page=1", "is_unanswerable": "on"}, {"set_name": ""}]
)
def test_what_is_no_case_is_not_kept(client, staff, sent):
    keep(client, staff, **sent)
    assert not EvaluationSet.objects.exists()


def test_keeping_is_a_post_by_staff(client, staff, alice):
    keep(client, alice, page=["rules.md#page=1"])
    client.force_login(staff)
    assert client.get("/console/search/keep/").status_code == 405
    assert not EvaluationSet.objects.exists()


def test_for_others_there_is_no_playground(client, alice):
    search(client, alice, 404)
    assert client.get("/console/search/").status_code == 404
