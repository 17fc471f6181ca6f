"""Questions, feedback and gaps in the console: what is shown to whom, and what is done about it."""

from __future__ import annotations

import numpy as np
import pytest

from chat.console.themes import clustered, themes
from chat.models import Feedback, Gap, Message, State
from documents.models import EvaluationSet
from project.models import AuditEvent
from tests.cited import answered, first_page
from tests.library import add, shared_collection
from tests.test_gaps import ANSWERED, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, staff):
    client.force_login(staff)
    return lambda url, **given: client.get(url, given).text


@pytest.fixture
def answer(alice) -> Message:
    document = add(alice, collection=shared_collection(alice))
    words = "The rent is due on the third working day of the month."
    return answered(alice, (words, first_page(document), words), question="When is the rent due?")


def address(message: Message) -> str:
    return f"/console/questions/{message.pk}/"


def voted_down(message: Message, user) -> Feedback:
    Feedback.give(user, message, None, False, ["wrong"], "It is the fourth day.")
    return Feedback.objects.get()


# Themes --------------------------------------------------------------------------------------------------------------
def test_questions_about_the_same_come_together_whatever_their_order():
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0.9, 0.1, 0], [0, 0.95, 0.1], [0, 0, 1]], float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert [sorted(group) for group in clustered(vectors, 0.7)] == [[0, 2], [1, 3], [4]]
    turned = clustered(vectors[::-1], 0.7)
    assert sorted(sorted(4 - place for place in group) for group in turned) == [[0, 2], [1, 3], [4]]


@pytest.mark.parametrize("model", ["", None])
def test_a_theme_is_named_by_one_of_its_questions_with_and_without_a_model(model, monkeypatch):
    if model is not None:
        monkeypatch.setattr("chat.console.themes.model_name", lambda: model)
    asked = ["How do I park a car?", "Where can I park my car?", "What is the pension age?", "Where do I park the car?"]
    found = themes(asked)
    assert [sorted(theme.members) for theme in found] == [[0, 1, 3], [2]]
    assert found[0].name in asked and themes([]) == []


# Who sees what -------------------------------------------------------------------------------------------------------
def test_nobody_else_finds_any_of_it(client, alice, answer):
    opinion = voted_down(answer, alice)
    client.force_login(alice)
    acts = [f"/console/feedback/{opinion.pk}/{act}/" for act in ("resolve", "assign")]
    for url in ("/console/questions/", "/console/gaps/", address(answer)):
        assert client.get(url).status_code == 404
    for url in (*acts, f"{address(answer)}view/"):
        assert client.post(url).status_code == 404
    opinion.refresh_from_db()
    assert opinion.resolved_at is None


def test_a_question_is_shown_without_its_asker_and_without_words_of_documents_one_may_not_read(page, answer):
    assert "When is the rent due?" in page("/console/questions/")
    text = page(address(answer))
    assert "third working day" not in text and "alice" not in text
    assert "The answer rests on documents that you may not read." in text


def test_whoever_may_read_the_document_sees_the_passages_then_and_now(page, answer, staff):
    answer.citations.get().document.collection.memberships.create(user=staff, role="reader")
    assert page(address(answer)).count("third working day") >= 2


def test_a_superuser_looks_as_the_asker_does_and_it_is_written_down(client, staff, answer):
    client.force_login(staff)
    assert client.get(f"{address(answer)}view/").status_code == 405
    text = client.post(f"{address(answer)}view/").text
    assert "third working day" in text and "asked by alice" in text
    assert AuditEvent.objects.get(action="question.view_as").subject_name == "alice"


def test_staff_that_is_no_superuser_cannot_look_as_somebody_else(client, staff, answer):
    staff.is_superuser = False
    staff.save()
    client.force_login(staff)
    assert "third working day" not in client.post(f"{address(answer)}view/", follow=True).text
    assert not AuditEvent.objects.filter(action="question.view_as").exists()


@pytest.mark.parametrize(
    ("shown", "before", "after"), [("all", True, True), ("feedback", False, True), ("none", False, False)]
)
def test_the_operator_decides_which_questions_are_shown(page, settings, alice, answer, shown, before, after):
    settings.CONSOLE_QUESTIONS = shown
    assert ("When is the rent due?" in page("/console/questions/")) == before
    voted_down(answer, alice)
    assert ("When is the rent due?" in page("/console/questions/")) == after


def test_filters_and_themes(page, alice, answer):
    refused(alice, "Who pays for the boiler?")
    assert "boiler" in page("/console/questions/", shown="refused")
    assert "rent due" not in page("/console/questions/", shown="refused")
    assert "boiler" not in page("/console/questions/", text="rent")
    assert "2 themes" in page("/console/questions/", by="theme")
    assert "A day is written like" in page("/console/questions/", first="yesterday")


# What is done --------------------------------------------------------------------------------------------------------
def test_feedback_is_assigned_resolved_and_opened_again_and_each_is_written_down(client, staff, alice, answer):
    opinion = voted_down(answer, alice)
    client.force_login(staff)
    assert "It is the fourth day." in client.get(address(answer)).text
    client.post(f"/console/feedback/{opinion.pk}/assign/", {"to": "staff"})
    assert "rent due" in client.get("/console/questions/?shown=mine").text
    client.post(f"/console/feedback/{opinion.pk}/resolve/")
    opinion.refresh_from_db()
    assert (opinion.assigned_to, opinion.resolved_by) == (staff, staff)
    assert "rent due" in client.get("/console/questions/?shown=resolved").text
    client.post(f"/console/feedback/{opinion.pk}/resolve/", {"open": "1"})
    opinion.refresh_from_db()
    assert opinion.resolved_at is None
    acts = AuditEvent.objects.filter(action__startswith="feedback.").values_list("action", flat=True)
    assert sorted(acts) == ["feedback.assign", "feedback.reopen", "feedback.resolve"]


def test_feedback_is_assigned_to_those_who_run_lectern_alone(client, staff, alice, answer):
    opinion = voted_down(answer, alice)
    client.force_login(staff)
    assert client.post(f"/console/feedback/{opinion.pk}/assign/", {"to": "alice"}).status_code == 404
    assert client.get(f"/console/feedback/{opinion.pk}/assign/").status_code == 405


def test_the_gap_map_puts_open_questions_together_and_shows_what_closed(page, alice, bob):
    for asker in (alice, bob):
        refused(asker, ANSWERED[2])
    closed = refused(alice, ANSWERED[4])
    document = add(alice)
    citation = answered(alice, ("The rent is due", first_page(document), "The rent is due")).citations.get()
    Gap.objects.filter(pk=closed.pk).update(closed_at=closed.opened_at, citation=citation)
    text = page("/console/gaps/")
    assert "2 questions are waiting for a document." in text and "2 people" in text
    assert "answered by “rules”" in text or "answered by “House rules”" in text


def test_the_pages_ask_the_database_as_often_for_many_questions_as_for_few(page, alice, django_assert_max_num_queries):
    for number in range(30):
        refused(alice, f"What is number {number}?")
    for url in ("/console/questions/", "/console/questions/?by=theme", "/console/gaps/"):
        with django_assert_max_num_queries(25):
            assert "What is number" in page(url)
    assert Message.objects.filter(state=State.REFUSED).count() == 30


def test_a_question_becomes_an_evaluation_case_with_the_pages_that_were_cited(client, staff, answer):
    client.force_login(staff)
    client.post(f"{address(answer)}case/", {"set_name": "Complaints", "right": "cited"})
    case = EvaluationSet.objects.get(name="Complaints").cases.get()
    assert (case.question, case.origin, len(case.pages)) == ("When is the rent due?", "feedback", 1)
    assert AuditEvent.objects.filter(action="evaluation.keep_case", user_name="staff").count() == 1
    assert client.post(f"{address(answer)}case/", {"set_name": ""}, follow=True).status_code == 200
    assert EvaluationSet.objects.count() == 1


def test_a_gap_becomes_a_case_that_is_to_be_refused(client, staff, alice):
    gap = refused(alice, ANSWERED[0])
    client.force_login(staff)
    client.post(f"{address(gap.answer)}case/", {"set_name": "Gaps", "right": "none"})
    assert EvaluationSet.objects.get().cases.get().is_unanswerable
