"""Questions that nobody could answer: a new document closes exactly those it answers, and their askers are told."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from celery.signals import before_task_publish

from chat import gaps
from chat.conversations.conversing import begin
from chat.models import Gap, Message, State
from documents import intake, sharing
from documents.models import Document
from tests.library import add, shared_collection

pytestmark = pytest.mark.django_db

HANDBOOK = """# Office handbook

Parking permits are issued by the caretaker in room 12 on Mondays.

Bicycles may be stored in the cellar behind the boiler room.

The canteen closes at half past two in the afternoon.

Visitors must sign the register at the reception desk before entering.

Lost keys cost 40 euros, which are taken off the next salary.
"""
ANSWERED = [
    "Who issues parking permits?",
    "Where may bicycles be stored?",
    "When does the canteen close?",
    "Where must visitors sign the register?",
    "What do lost keys cost?",
]
OPEN = [
    "How many days of parental leave may fathers take?",
    "What is the password policy for laptops?",
    "Who approves travel to Norway?",
    "What is the notice period during probation?",
    "Which vaccine does the company doctor offer?",
    "How is overtime paid at Christmas?",
    "What does the pension fund contribute?",
    "Which printer takes A3 paper?",
    "How do I report a burst water main?",
    "Who is the data protection officer?",
    "What is the maximum budget for a farewell gift?",
    "How often is the fire extinguisher inspected?",
    "Which airline has a corporate contract?",
    "What is the tariff for electric cars in Lisbon?",
    "Who translates contracts into Finnish?",
]


def refused(owner, question: str) -> Gap:
    """A question that ended as the flow ends one that the documents do not answer."""
    conversation = begin(owner, question, [])
    asked = conversation.messages.create(role=Message.Role.USER, content=question)
    answer = conversation.messages.create(role=Message.Role.ASSISTANT, reply_to=asked, state=State.REFUSED)
    Gap.note(answer, is_refused=True)
    return Gap.objects.get(question=asked)


def page_of(client, gap: Gap) -> str:
    client.force_login(gap.question.conversation.owner)
    return client.get(gap.question.conversation.get_absolute_url()).text


@contextmanager
def noted(sent: list[str]):
    """The names of the tasks that are sent meanwhile."""

    def note(sender: str = "", **_: object) -> None:
        sent.append(sender)

    before_task_publish.connect(note, weak=False)
    try:
        yield
    finally:
        before_task_publish.disconnect(note)


TOLD = "A document that came since answers this."


def test_of_twenty_questions_exactly_the_five_close_that_one_upload_answers_and_each_asker_is_told_once(
    client, alice, bob, charlie
):
    collection = shared_collection(alice, bob)
    askers = [alice, bob]
    rows = [refused(askers[place % 2], question) for place, question in enumerate([*ANSWERED, *OPEN])]
    outside = refused(charlie, ANSWERED[0])
    add(alice, HANDBOOK.encode(), "handbook.md", collection)
    closed = gaps.look_again()
    assert [gap.question.content for gap in closed] == list(reversed(ANSWERED)) and gaps.look_again() == []
    assert [TOLD in page_of(client, gap) for gap in rows] == [True] * 5 + [False] * 15
    assert TOLD not in page_of(client, outside) and Gap.objects.get(pk=outside.pk).closed_at is None


@pytest.fixture
def told(alice, bob) -> Gap:
    gap = refused(bob, ANSWERED[2])
    add(alice, HANDBOOK.encode(), "handbook.md", shared_collection(alice, bob))
    assert gaps.look_again() == [gap]
    gap.refresh_from_db()
    return gap


def test_the_news_shows_the_very_words_and_leads_to_them(client, told):
    html = page_of(client, told)
    assert "The canteen closes at half past two" in html and told.citation.url in html
    assert "a question of it can be answered now" in html
    assert client.get(told.citation.url).status_code == 200


def test_the_news_is_put_away_by_its_asker_alone(client, alice, told):
    client.force_login(alice)
    assert client.post(told.dismiss_url).status_code == 404
    assert client.get(told.dismiss_url).status_code == 405
    assert TOLD in page_of(client, told)
    client.post(told.dismiss_url)
    assert TOLD not in page_of(client, told)


def test_whoever_lost_the_right_to_the_document_is_told_nothing_of_it(client, told):
    told.citation.document.collection.members.clear()
    html = page_of(client, told)
    assert TOLD not in html and "canteen closes" not in html and "handbook" not in html
    assert "a question of it can be answered now" not in html


def test_a_question_that_was_put_to_another_collection_stays_open(alice):
    elsewhere, here = shared_collection(alice, name="Elsewhere"), shared_collection(alice, name="Here")
    gap = refused(alice, ANSWERED[2])
    gap.question.conversation.collections.set([elsewhere])
    type(gap.question.conversation).objects.update(scope_size=1)
    add(alice, HANDBOOK.encode(), "handbook.md", here)
    assert gaps.look_again() == []


def opened_by_sharing(document, bob):
    sharing.let_in(document.collection, bob, "reader")


def opened_by_a_move(document, bob):
    intake.move(document, shared_collection(document.owner, bob, name="Both"))


def opened_by_handing_over(document, bob):
    sharing.hand_over(document.collection, bob)


@pytest.mark.parametrize("open_it", [opened_by_sharing, opened_by_a_move, opened_by_handing_over])
def test_what_is_opened_to_the_asker_later_answers_and_is_told_once(client, alice, bob, charlie, open_it):
    document = add(alice, HANDBOOK.encode(), "handbook.md", shared_collection(alice))
    Document.objects.update(finished_at="2026-01-01T00:00Z")
    gap, other = refused(bob, ANSWERED[2]), refused(charlie, ANSWERED[2])
    assert gaps.look_again() == []
    open_it(document, bob)
    assert gaps.look_again() == [gap] and gaps.look_again() == []
    assert TOLD in page_of(client, gap) and TOLD not in page_of(client, other)


def test_letting_somebody_in_has_the_gaps_looked_at(alice, bob, django_capture_on_commit_callbacks):
    collection, sent = shared_collection(alice), []
    with noted(sent), django_capture_on_commit_callbacks(execute=True):
        sharing.let_in(collection, bob, "reader")
    assert "chat.tasks.look_again" in sent


def test_what_was_there_before_the_question_is_not_searched_again(alice):
    add(alice, HANDBOOK.encode(), "handbook.md")
    Document.objects.update(finished_at="2026-01-01T00:00Z")
    refused(alice, ANSWERED[2])
    assert gaps.look_again() == []


def test_a_question_that_was_asked_again_with_success_is_over_and_tells_nothing(alice):
    gap = refused(alice, ANSWERED[2])
    Gap.note(gap.answer, is_refused=False)
    add(alice, HANDBOOK.encode(), "handbook.md")
    assert gaps.look_again() == [] and not Gap.objects.told_to(alice).exists()


def test_documents_that_come_together_are_looked_at_together(alice, django_capture_on_commit_callbacks):
    sent: list[str] = []
    with noted(sent), django_capture_on_commit_callbacks(execute=True):
        add(alice, HANDBOOK.encode(), "handbook.md")
        add(alice, b"# Other\n\nWords of another matter.\n", "other.md")
    assert sent.count("chat.tasks.look_again") == 1
