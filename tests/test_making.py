"""How an answer was made: what it took is kept with it, and drawn in proportion."""

from __future__ import annotations

import pytest

from chat.conversations.conversing import begin
from chat.making import drawn
from chat.models import Conversation, Message
from tests.asking import QUESTION
from tests.library import add

MADE = {"search_s": 1.0, "answer_s": 3.0, "sent": 8, "asked": True, "input_tokens": 3000, "output_tokens": 200}


def test_time_is_drawn_in_proportion():
    assert [(part.left, part.width) for part in drawn(MADE).time] == [(0, 25.0), (25.0, 75.0)]


def test_tokens_are_drawn_within_the_models_room():
    assert [part.width for part in drawn(MADE | {"room": 8000}).tokens] == [37.5, 2.5]


def test_what_is_there_is_seen_however_little_it_is():
    first, second = drawn(MADE | {"search_s": 0.001}).time
    assert first.width > 0.5 and second.left + second.width <= 100


def test_a_head_tells_all_of_it():
    assert drawn(MADE).words == "4.0 s · 3,200 tokens"


def test_where_no_service_counted_our_own_count_stands():
    assert drawn(MADE | {"input_tokens": 0, "output_tokens": 0, "prompt_tokens": 2900}).words.endswith("2,900 tokens")


def test_where_no_model_was_asked_there_are_no_tokens():
    found = drawn(MADE | {"asked": False})
    assert found.words == "4.0 s" and found.tokens == []


def test_an_answer_kept_without_figures_draws_none():
    assert drawn({}) is None


@pytest.mark.parametrize(
    ("narrowed", "words"),
    [
        ({}, "all that the asker could read"),
        ({"collections": 2}, "2 collections"),
        ({"collections": 1, "documents": 3}, "1 collection, 3 documents"),
    ],
)
def test_what_the_search_was_narrowed_to_is_told(narrowed, words):
    assert drawn(MADE | narrowed).within == words


@pytest.mark.django_db(transaction=True)
def test_what_an_answer_took_is_kept_with_it_and_each_passage_with_its_tokens(client, alice):
    add(alice)
    client.force_login(alice)
    client.post("/ask/", data={"text": QUESTION}, follow=True)
    answer = Message.objects.get(role="assistant")
    assert answer.made["sent"] == answer.citations.filter(is_sent=True).count() >= 1
    assert answer.made["answer_s"] >= 0 and not answer.made["asked"]
    assert all(citation.tokens for citation in answer.citations.all())


@pytest.mark.django_db
def test_the_panel_lists_the_passages_with_their_places(client, alice):
    from tests.cited import cite, first_page

    conversation: Conversation = begin(alice, QUESTION, [])
    asked = conversation.messages.create(role="user", content=QUESTION)
    message = conversation.messages.create(role="assistant", reply_to=asked, content="On the third day[1].")
    message.how, message.made = [["Searched for", QUESTION]], MADE
    message.save()
    page = first_page(add(alice))
    cite(message, page, [(2, 13)], keyword_rank=3, vector_rank=7, tokens=41, score=0.9)
    cite(message, page, [(14, 30)], number=2, is_cited=False, is_sent=False, keyword_rank=9, tokens=17)
    client.force_login(alice)
    html = client.get(conversation.get_absolute_url()).text
    rows = html.split('<table class="legs">')[1].split("</table>")[0]
    assert [word in rows for word in ("cited, 1", "left out", ">3<", ">7<", ">9<", ">41<", ">17<")] == [True] * 7
