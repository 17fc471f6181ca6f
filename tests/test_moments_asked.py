"""Faults and second thoughts at every moment of an answer: while its sentences are checked, while some of them are
written again, while a model gives a second opinion. No word is lost or doubled, nothing is stuck, nobody pays twice."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import pytest

from chat.models import Conversation, Message, State
from project.models import Budget
from tests.fake_openai import Reply
from tests.library import add
from tests.test_asking import FETCH, browse, events, put, service, stream_url  # noqa: F401 - two are fixtures
from tests.test_going_on import ended
from tests.test_opinions import PARTLY, RULES, WRONG, rewritten

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = "When is the rent due, and what of leaks and dogs?"
JUDGED = json.dumps({"judgements": [{"sentence": 1, "verdict": "supported"}]})
MOMENTS = {
    "checked": ({}, [Reply([WRONG, *[" And so on."] * 50], pause_s=0.05)], WRONG),
    "rewritten": (
        {"UNSUPPORTED": "rewrite"},
        [Reply([WRONG]), Reply(["", rewritten("The share of leaks fell to 12 per cent in 2023. [1]")], pause_s=1)],
        WRONG,
    ),
    "judged": ({"SECOND_OPINION": True}, [Reply([PARTLY]), Reply(["", JUDGED], pause_s=1)], PARTLY),
}


@pytest.fixture(params=MOMENTS)
def moment(request, browse, alice, service, settings):  # noqa: F811
    """An answer that is being read, in the middle of what its moment is: its browser, address and text so far."""
    changed, replies, said = MOMENTS[request.param]
    for name, value in changed.items():
        setattr(settings, name, value)
    settings.SUGGESTIONS, settings.UNREAD_SECONDS = False, 30
    add(alice, RULES)
    service.replies = [Reply(list(each.pieces), pause_s=each.pause_s) for each in replies]
    http = browse(alice)
    turn = put(http, QUESTION)
    http.ask_url, http.page = turn["ask_url"], turn["conversation_url"]
    return http, stream_url(turn), said.replace(" [", "["), len(replies)


@contextmanager
def reading(http, url: str, fake, calls: int):
    """Read the answer aside; inside the block the moment has come. What was seen is whole when the block is left."""
    seen: list[tuple[str, dict]] = []
    reader = threading.Thread(target=lambda: seen.extend(events(http, url)))
    reader.start()
    deadline = time.monotonic() + 20
    while (len(fake.requests) < calls or not (calls > 1 or kept())) and time.monotonic() < deadline:
        time.sleep(0.01)
    yield seen
    reader.join(30)
    assert not reader.is_alive()


def kept() -> str:
    return Message.objects.get(role="assistant").content


def test_a_stop_keeps_each_word_once(moment, service):  # noqa: F811
    http, url, said, calls = moment
    with reading(http, url, service, calls) as seen:
        http.post(url.replace("stream", "stop"), headers=FETCH)
    message = ended(State.STOPPED)
    assert seen[-1][0] == "error" and message.content.strip().startswith(said.strip())
    assert message.content.count("rent") == said.count("rent") and message.proofs
    assert service.closed_early.wait(3) and len(service.requests) == calls


def test_a_reload_reads_on_what_is_being_finished(moment, service):  # noqa: F811
    http, url, said, calls = moment
    with reading(http, url, service, calls) as first:
        assert stream_url({"turn_html": http.get(http.page).text}) == url
        second = events(http, url)
    message = ended(State.DONE)
    assert first[-1][0] == second[-1][0] == "done" and len(service.ledger) == calls
    assert message.content.count("rent") == said.count("rent")


def test_a_budget_that_is_spent_meanwhile_costs_the_answer_nothing(moment, service, alice):  # noqa: F811
    http, url, said, calls = moment
    with reading(http, url, service, calls) as seen:
        Budget.objects.create(limit=1, period="day", user=alice)
    ended(State.DONE)
    assert seen[-1][0] == "done" and len(service.requests) == calls
    refused = events(http, stream_url(put(http, QUESTION, path=http.ask_url)))[-1]
    assert refused[0] == "error" and "budget" in refused[1]["html"]


def test_a_budget_that_is_spent_before_leaves_the_sentences_as_the_rules_found_them(browse, alice, service, settings):  # noqa: F811
    settings.UNSUPPORTED, settings.SECOND_OPINION, settings.SUGGESTIONS = "rewrite", True, False
    add(alice, RULES)
    service.replies = [Reply([f"{WRONG} {PARTLY}"], pause_s=0.5)]
    http = browse(alice)
    budget = Budget(limit=300, period="day", user=alice)  # The answer itself takes more.
    url = stream_url(put(http, QUESTION))
    budget.save()
    events(http, url)
    message = ended(State.DONE)
    assert "21 per cent" in message.content and len(service.requests) == 1


def test_an_edit_while_another_page_reads_is_a_branch_of_its_own(moment, service):  # noqa: F811
    http, url, said, calls = moment
    with reading(http, url, service, calls) as seen:
        asked = Message.objects.get(role="user")
        told = http.post(
            f"/questions/{asked.pk}/edit/", data={"text": "What of dogs?", "client_key": "e"}, headers=FETCH
        )
        assert told.status_code == 200
    events(http, stream_url(told.json()))
    states = set(Message.objects.filter(role="assistant").values_list("state", flat=True))
    assert seen[-1][0] == "done" and states <= {State.DONE, State.REFUSED}
    assert Message.objects.filter(role="user", after=None).count() == 2


def test_a_question_from_each_of_two_pages_is_kept_and_answered(moment, service):  # noqa: F811
    http, url, said, calls = moment
    with reading(http, url, service, calls) as seen:
        told = put(http, "What of dogs?", path=http.ask_url)
    events(http, stream_url(told))
    questions = Message.objects.filter(role="user").values_list("content", flat=True)
    assert seen[-1][0] == "done" and set(questions) == {QUESTION, "What of dogs?"}
    assert not Message.objects.filter(state__in=(State.QUEUED, State.STREAMING)).exists()


def test_a_conversation_deleted_in_another_page_ends_for_whoever_reads(moment, service):  # noqa: F811
    http, url, said, calls = moment
    row = Conversation.objects.get()
    with reading(http, url, service, calls) as seen:
        assert http.post(row.delete_url, headers=FETCH).status_code == 302
    assert seen[-1][0] in {"error", "done"} and not Message.objects.get(role="assistant").is_running
    refused = http.post(http.ask_url, data={"text": "And now?"}, headers=FETCH)
    assert refused.status_code == 404
    http.post(f"/conversations/{row.pk}/undo/")
    assert said.split("[")[0] in http.get(http.page).text
