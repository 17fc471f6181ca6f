"""Sentences are cut where a reader would cut them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.sentences import sentences, statements


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Lee met Mr. Wu at 5 p.m. yesterday. He left.", ["Dr. Lee met Mr. Wu at 5 p.m. yesterday.", "He left."]),
        ("It costs 1.50 euros. It is 3.2 m long.", ["It costs 1.50 euros.", "It is 3.2 m long."]),
        ("See Fig. 3 and e.g. section 2. Done.", ["See Fig. 3 and e.g. section 2.", "Done."]),
        ("A line\r\nbroken in two. Next.", ["A line\r\nbroken in two.", "Next."]),
        ("Heading\n\nText here.", ["Heading", "Text here."]),
        ("- first point\n- second point", ["- first point", "- second point"]),
        ("a | b\nc | d", ["a | b", "c | d"]),
        ("“Stop.” He went.", ["“Stop.”", "He went."]),
        ("水は十二時間以内に戻る。支払いは五十ポンド。", ["水は十二時間以内に戻る。", "支払いは五十ポンド。"]),
        ("", []),
        (" \n ", []),
        ("No end", ["No end"]),
    ],
)
def test_a_text_is_cut(text, expected):
    assert cut(text) == expected


@given(st.text(alphabet="aB .!?\n\r-|1é。\t", max_size=200))
def test_sentences_are_in_order_trimmed_and_hold_every_letter(text):
    spans = sentences(text)
    assert all(a < b and text[a:b] == text[a:b].strip() for a, b in spans)
    assert all(first[1] <= second[0] for first, second in zip(spans, spans[1:], strict=False))
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())


def quoted(text: str, **how: bool) -> list[tuple[str, str]]:
    return [(statement.lead, statement.text) for statement in statements(text, **how)]


def test_headings_and_rules_are_not_quoted():
    assert quoted("Fees\n\nRent is due.\n\n| a | b |\n|---|---|\n| c | d |") == [
        ("", "Rent is due."), ("| a | b |", "| c | d |"),
    ]  # fmt: skip


def test_a_table_ends_where_the_text_goes_on():
    assert quoted("a | b\nc | d\nRent is due.") == [("a | b", "c | d"), ("", "Rent is due.")]


def test_a_row_in_the_middle_of_a_table_heads_nothing():
    assert quoted("a | b\nc | d", is_beginning=False) == [("", "a | b"), ("", "c | d")]


def test_the_rest_of_a_sentence_cut_before_is_not_quoted():
    assert quoted("of the month. Rent is due.") == [("", "Rent is due.")]


def test_a_line_of_a_form_is_quoted_but_is_no_whole_sentence():
    assert [statement.is_whole for statement in statements("Registration: N5921D")] == [False]
