"""Before a question is asked, one sees how much of the model's room it takes, and what it will cost."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from chat.answering import PASSAGES, turns_told
from chat.conversations.conversing import ask
from chat.conversations.history import turns_before
from chat.estimating import Estimate
from chat.models import Conversation, State
from chat.prompts import Turn, build
from documents.retrieval import find
from project.catalogue import model_of
from project.models import Usage
from project.tokens import count_tokens, counter
from tests.library import add, shared_collection

pytestmark = pytest.mark.django_db
SAMPLES = Path(__file__).parent.parent / "documents" / "samples"
QUESTION = "When is the rent due?"


@pytest.fixture
def model(settings, tmp_path):
    """A deployment that is known, with its prices; nothing is ever asked of it."""
    settings.OPENAI_CHAT_MODEL, settings.OPENAI_API_KEY = "gpt-5.4", "secret"
    settings.CATALOGUE_FILE = str(tmp_path / "catalogue.json")
    prices = {"gpt-5.4": {"input_price": 2.0, "output_price": 10.0, "context_tokens": 400_000}}
    (tmp_path / "catalogue.json").write_text(json.dumps({"as_of": "2026-11-20", "groups": [{"models": prices}]}))


def meter(client, user, text: str = QUESTION, path: str = "/ask/estimate/", **more):
    client.force_login(user)
    return client.post(path, {"text": text, **more})


def numbers(response) -> list[int]:
    said = re.search(r'aria-valuetext="([^"]+)"', response.content.decode())[1]
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d(?= of| tokens)", said)]


def conversation(user, turns: int) -> Conversation:
    row = Conversation.objects.create(owner=user, title="Rent")
    for number in range(turns):
        reply = ask(row, f"What is rule {number}? " * 20, f"k{number}")
        reply.end(State.DONE, content="It says so. " * 20)
    return row


def test_without_a_model_there_is_no_meter(client, alice):
    assert meter(client, alice).status_code == 204
    assert 'id="meter"' not in client.get("/").content.decode()


def test_with_a_model_the_page_has_its_place(client, alice, model):
    client.force_login(alice)
    assert 'id="meter"' in client.get("/").content.decode()


def test_a_longer_question_takes_more_room(client, alice, model):
    short, room = numbers(meter(client, alice))
    longer, _ = numbers(meter(client, alice, "What does the lease say of dogs? " * 50))
    assert longer - short == pytest.approx(400, rel=0.05) and room == 8_000


def test_it_foresees_within_a_fifth_what_is_sent(client, alice, model):
    for name in ("staff-handbook.md", "drought-plan-2025-2030.html"):
        add(alice, (SAMPLES / name).read_bytes(), name)
    count = counter(model_of("gpt-5.4"))
    told = sent = 0
    for question in (
        "When may hosepipes be banned?",
        "How many days of leave do staff have?",
        "Who approves overtime?",
    ):
        passages = find(question, alice, top=PASSAGES).passages
        sent += build(question, passages, budget=8_000, answer_tokens=1_000, count=count).tokens
        told += numbers(meter(client, alice, question))[0] - 1_000
    assert told == pytest.approx(sent, rel=0.2)


def test_the_price_is_told_where_it_is_known(client, alice, model, settings):
    assert "About $" in meter(client, alice).content.decode()
    settings.CATALOGUE_FILE = ""
    assert "$" not in meter(client, alice).content.decode()


def test_the_answers_before_say_how_long_an_answer_is(client, alice, model):
    first = meter(client, alice).content.decode()
    for _ in range(3):
        Usage.objects.create(deployment="gpt-5.4", output_tokens=100)
    price = [float(re.search(r"\$([\d.]+)", text)[1]) for text in (first, meter(client, alice).content.decode())]
    assert price[0] - price[1] == pytest.approx(0.009, abs=0.0005)


def test_the_conversation_before_counts(client, alice, model):
    row = conversation(alice, 4)
    told, _ = numbers(meter(client, alice, path=f"/conversations/{row.pk}/ask/estimate/"))
    assert told > numbers(meter(client, alice))[0] + 300


def test_nobody_learns_how_much_others_wrote(client, alice, bob, model):
    row = conversation(bob, 2)
    place = shared_collection(bob, name="Secret")
    add(bob, collection=place)
    assert meter(client, alice, path=f"/conversations/{row.pk}/ask/estimate/").status_code == 404
    assert meter(client, alice, collections=str(place.pk)).status_code == 204
    assert numbers(meter(client, alice)) == numbers(meter(client, alice))
    assert numbers(meter(client, alice))[0] < numbers(meter(client, bob))[0]


@pytest.mark.parametrize("body", [{"text": ""}, {"text": "x" * 20_001}, {"text": QUESTION, "deployment": "gone"}])
def test_what_cannot_be_asked_is_not_measured(client, alice, model, body):
    client.force_login(alice)
    assert client.post("/ask/estimate/", body).status_code == 204


@pytest.mark.parametrize(
    ("tokens", "level"), [(0, "normal"), (799, "normal"), (800, "warning"), (899, "warning"), (900, "critical")]
)
def test_the_levels_begin_at_80_and_90_per_cent(tokens, level):
    assert Estimate(tokens, 1_000).level == level


def test_what_is_too_long_says_what_will_happen():
    assert "fewer passages will be sent" in Estimate(1_001, 1_000, Decimal(1)).words


# What was left out ---------------------------------------------------------------------------------------------------
def test_turns_without_room_are_counted():
    turns = [Turn("word " * 100, "word " * 100)] * 5
    prompt = build(QUESTION, [], history=turns, budget=2_500, answer_tokens=200, count=count_tokens)
    assert (len(prompt.history), prompt.turns_left_out) == (2, 3)


def test_turns_that_are_too_old_to_be_remembered_are_counted_too(alice):
    turns, older = turns_before(conversation(alice, 9))
    assert (len(turns), older) == (6, 3)


def test_an_answer_says_how_much_it_remembered():
    assert turns_told(3, 2) == "3 turns before; 2 older turns left out"
