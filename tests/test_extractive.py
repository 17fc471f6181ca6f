"""Without a language model the documents answer in their own sentences, or the question is refused."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from chat.llm import Extractive
from chat.prompts import NOT_FOUND, build
from chat.verification import normalise
from documents.embeddings import embedder, local_model_name
from documents.retrieval import Passage, retrieve
from tests.conftest import person
from tests.library import add
from tests.test_prompts import passage, words

SAMPLES = Path(__file__).resolve().parent.parent / "documents" / "samples"
ASKED = [
    (file["file"], asked["question"], asked["answer"])
    for file in json.loads((SAMPLES / "samples.json").read_text())
    for asked in file["questions"]
]
NOT_THERE = [
    "What is the capital of Mongolia?",
    "How do I bake sourdough bread?",
    "Who won the football world cup in 2014?",
    "How many moons does Jupiter have?",
    "Who painted the Mona Lisa?",
    "How much does a season ticket for the car park cost?",
    "What dividend was paid to shareholders?",
    "What does the canteen serve on Fridays?",
    "Which bank holds the pension fund?",
    "What is the company's policy on artificial intelligence?",
    "How much fluoride is added to drinking water?",
]
SUPPLY = (
    "3 Restoring supply\n\nSupplies shall be restored within twelve hours of the company becoming aware of the burst. "
    "The duty manager records the time of the first call. They are kept for seven years."
)
TRAVEL = (
    "Travel\n\n| Item | Rate |\n|---|---|\n| Own car | 45 pence a mile |\n| Own bicycle | 20 pence a mile |\n\nBy rail."
)
PLAN = "Cover\n\nThe insurance plan covers:\n- broken windows\n- stolen bicycles\n- flooded cellars\n\nAnnex."


def answer(question: str, *passages: Passage, model: Extractive | None = None) -> str:
    prompt = build(question, passages, budget=20_000, answer_tokens=100, count=words)

    async def text(pieces: AsyncGenerator) -> str:
        return "".join([piece async for piece in pieces])

    return asyncio.run(text((model or Extractive(None)).stream(prompt)))


def test_the_sentence_that_answers_is_given_word_for_word_with_its_number():
    given = answer("When are supplies restored after a burst?", passage(SUPPLY))
    assert given.startswith(
        "Supplies shall be restored within twelve hours of the company becoming aware of the burst. [1]"
    )


def test_a_heading_is_no_answer():
    assert "3 Restoring supply" not in answer("When are supplies restored after a burst?", passage(SUPPLY))


def test_what_no_passage_holds_is_refused():
    assert answer("Who painted the Mona Lisa?", passage(SUPPLY)) == NOT_FOUND


def test_a_question_without_words_is_refused():
    assert answer("?!", passage(SUPPLY)) == NOT_FOUND


def test_overlapping_passages_give_a_sentence_once():
    cut = SUPPLY.index("Supplies")
    later = replace(passage(SUPPLY), chunk_id=2, start=cut, text=SUPPLY[cut:])
    given = answer("When are supplies restored after a burst?", passage(SUPPLY), later)
    assert given.count("Supplies shall be restored") == 1


def test_two_versions_of_a_document_give_a_sentence_once():
    given = answer("When are supplies restored after a burst?", passage(SUPPLY), passage(SUPPLY, 2))
    assert given.count("Supplies shall be restored") == 1


def test_a_row_comes_under_the_header_of_its_table():
    assert answer("What is the rate for my own bicycle?", passage(TRAVEL)) == (
        "| Item | Rate |\n|---|---|\n| Own bicycle | 20 pence a mile [1] |"
    )


def test_a_later_part_of_a_table_comes_under_the_header_further_up():
    rows = replace(passage("Own car | 45 pence a mile\nOwn bicycle | 20 pence a mile"), start=900, header="Item | Rate")
    assert answer("What is the rate for my own bicycle?", rows) == (
        "| Item | Rate |\n|---|---|\n| Own bicycle | 20 pence a mile [1] |"
    )


def test_a_header_helps_to_find_its_rows():
    rows = replace(passage("Own car | 45\nOwn bicycle | 20"), start=900, header="Vehicle | Pence for each mile")
    assert "Own bicycle | 20 [1]" in answer("How many pence are paid for each mile by bicycle?", rows)


def test_a_column_keeps_its_name_where_the_first_column_has_none():
    header = "Statements | \n | Three months | \n | 2023 | 2022"
    rows = replace(passage("Net income | 20 | 16\nOther income | 3 | 4"), start=900, header=header)
    given = answer("What was the net income in 2023?", rows)
    assert given.startswith("|  | 2023 | 2022 |\n|---|---|---|\n| Net income | 20 | 16 [1] |")


def test_words_under_a_header_without_bars_are_still_quoted():
    text = "Supplies shall be restored within twelve hours of a burst. They are then tested."
    given = answer("When are supplies restored after a burst?", replace(passage(text), start=90, header="Duty Time"))
    assert given.startswith("Supplies shall be restored within twelve hours of a burst. [1]")


def test_withheld_words_are_never_quoted():
    secret = "Supplies shall be restored after a burst for friends only."
    given = answer("When are supplies restored after a burst?", passage(SUPPLY + " " * len(secret)))
    assert "friends" not in given and given.count("restored") == 1


def test_an_item_comes_with_the_words_it_hangs_on():
    given = answer("Does the insurance plan cover stolen bicycles?", passage(PLAN))
    assert given.startswith("The insurance plan covers:\n")
    assert "- stolen bicycles [1]" in given


def test_a_question_about_the_whole_list_is_answered_with_all_of_it():
    given = answer("What does the insurance plan cover?", passage(PLAN))
    assert all(f"- {item} [1]" in given for item in ("broken windows", "stolen bicycles", "flooded cellars"))


def test_a_sentence_that_leans_on_the_one_before_comes_after_it():
    text = "Water hygiene cards are shown at the gate. They expire after three years."
    given = answer("When do water hygiene cards expire?", passage(text))
    assert given.index("are shown at the gate") < given.index("expire after three years")


def test_a_note_number_of_the_document_is_not_taken_for_one_of_ours():
    given = answer(
        "When was the castle built?", passage("The castle was built in 1340.[7] The castle burnt [2] in 1655.")
    )
    assert "[7]" not in given and "[2]" not in given


def test_no_more_than_three_sentences_are_given():
    text = " ".join(f"The castle of {name} was built in stone." for name in ("Ash", "Birch", "Cedar", "Elm", "Fir"))
    assert answer("What was the castle built in?", passage(text)).count("[1]") <= 3


def test_a_language_without_spaces_is_answered():
    given = answer("供水在十二小时内恢复吗？", passage("供水在十二小时内恢复。付款为五十英镑。"))
    assert given.startswith("供水在十二小时内恢复。")


@pytest.fixture(scope="module")
def owner(rows_for_all):
    alice = person("alice")
    for name in dict.fromkeys(file for file, _, _ in ASKED):
        add(alice, (SAMPLES / name).read_bytes(), name)
    return alice


@pytest.fixture
def samples(owner, db):
    return owner


def real_answer(question: str, user) -> str:
    return answer(question, *retrieve(question, user, top=8), model=Extractive(embedder(local_model_name()).embed))


def test_every_question_of_the_samples_is_answered(samples):
    plain = {question: normalise(real_answer(question, samples))[0] for _, question, _ in ASKED}
    missing = [question for _, question, wanted in ASKED if normalise(wanted)[0].strip(".") not in plain[question]]
    assert not missing


def test_what_the_samples_do_not_say_is_refused(samples):
    answered = [question for question in NOT_THERE if real_answer(question, samples) != NOT_FOUND]
    assert not answered
