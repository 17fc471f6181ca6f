"""Of an answer others read what rests on documents that they may read."""

import pytest

from chat.proof.withholding import withheld

ONE = "This sentence rests on a document you may not read."
ALL = "This answer rests on documents you may not read."


def row(content: str, words: str, *numbers: int, **more) -> dict:
    start = content.index(words)
    spans = [[number, 0, 5] for number in numbers]
    return {"start": start, "end": start + len(words), "verdict": "supported", "spans": spans, **more}


def text(content: str, gone: set[int], readable: set[int], *rows: dict) -> str:
    return withheld(content, rows, gone, readable)[0]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("Rent is due.[1] Dogs bark.[2]", f"Rent is due.[1] {ONE}[2]"),
        ("Rent is due[1]. Dogs bark[2].", f"Rent is due[1]. {ONE}"),
        ("Dogs bark.[2] Rent is due.[1]", f"{ONE}[2] Rent is due.[1]"),
        ("Dogs bark.[1][2]", "Dogs bark.[1][2]"),
        ("On pets:[2]\n\n- dogs bark\n- cats mew[1]", f"{ONE}[2]\n\n- {ONE}\n- cats mew[1]"),
        ("| a | b |\n|---|---|\n| rent | due[1] |\n| dogs | bark[2] |", None),
        ("Rent.[1]\n```\ncode\n```\nDogs bark.[2]", f"Rent.[1]\n```\ncode\n```\n{ONE}[2]"),
        ("Dogs bark.[2] Cats mew.[2] Rent.[1]", "These sentences rest on documents you may not read.[2] Rent.[1]"),
    ],
)
def test_a_sentence_whose_sources_are_all_out_of_reach_is_withheld(content, shown):
    found = text(content, {2}, {1})
    assert found == (shown or f"| a | b |\n|---|---|\n| rent | due[1] |\n| {ONE}[2] |")


def test_where_no_source_can_be_read_nothing_is_shown():
    assert withheld("Rent is due.[1] And so on.", [], {1}, set()) == (ALL, [])


def test_an_answer_all_of_whose_sources_can_be_read_stays():
    assert text("Rent is due.[1] And so on.", set(), {1}) == "Rent is due.[1] And so on."


def test_a_sentence_that_names_no_source_goes_by_the_words_it_was_found_in():
    content = "Dogs bark. Rent is due.[1]"
    assert text(content, {2}, {1}, row(content, "Dogs bark.", 2)) == f"{ONE} Rent is due.[1]"


def test_what_was_found_of_the_rest_moves_with_its_sentence():
    content = "Dogs bark.[2] Rent is due.[1]"
    shown, rows = withheld(content, [row(content, "Dogs bark.", 2), row(content, "Rent is due.", 1)], {2}, {1})
    assert [shown[each["start"] : each["end"]] for each in rows] == ["Rent is due."]


def test_of_what_was_left_out_no_word_is_told():
    gone = {"start": 0, "end": 0, "verdict": "unsupported", "spans": [], "words": "Dogs bite."}
    assert withheld("Dogs bark.[2] Rent is due.[1]", [gone], {2}, {1})[1] == []
