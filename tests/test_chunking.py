import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.chunking import Span, split
from documents.tokens import count_tokens

PROSE = "Rent is due on the first day of May. The landlord may ask for a deposit of two months. "


def letters(text: str) -> int:
    return len(text)


def words(text: str) -> int:
    return len(text.split())


def texts_of(text: str, spans: list[Span]) -> list[str]:
    return [text[span.start : span.end] for span in spans]


def cut(text: str, headings=(), tokens: int = 40, overlap: float = 0.1, count=count_tokens) -> list[str]:
    return texts_of(text, split(text, headings, tokens=tokens, overlap=overlap, count=count))


ALPHABET = st.one_of(
    st.sampled_from(list('ab cde. \n\r\t|-•A1。中文字กข\u0301\u200d\ufffe\x00!?)"') + ["\n\n", "\r\n", ". A", "e.g. "]),
    st.characters(exclude_categories=["Cs"]),
)
TEXT = st.lists(ALPHABET, max_size=400).map("".join)
HEADINGS = st.lists(st.tuples(st.integers(0, 450), st.integers(1, 4), st.text("abA1 ", max_size=6)), max_size=6)


@settings(max_examples=300, deadline=None)
@given(TEXT, HEADINGS, st.integers(1, 60), st.floats(0, 0.9), st.sampled_from([count_tokens, letters, words]))
def test_every_letter_is_in_a_chunk_that_keeps_the_limit(text, headings, tokens, overlap, count):
    spans = split(text, headings, tokens=tokens, overlap=overlap, count=count)
    covered = 0
    for span in spans:
        piece = text[span.start : span.end]
        assert piece.strip() == piece and piece
        assert count(piece) <= tokens or is_one_letter(piece)
        assert not text[covered : span.start].strip()
        covered = span.end
    assert not text[covered:].strip()
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(spans))


def is_one_letter(piece: str) -> bool:
    return len(cut(piece, tokens=1, overlap=0, count=lambda text: 1 + len(text) if len(text) > 1 else 1)) == 1


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t\u3000"])
def test_a_blank_text_has_no_chunk(text):
    assert cut(text) == []


def test_a_short_text_is_one_chunk_without_its_blanks():
    assert cut("  Rent is due.\n\n") == ["Rent is due."]


def test_a_chunk_ends_with_its_sentence():
    assert all(piece.endswith(".") for piece in cut(PROSE * 20))


def test_an_abbreviation_does_not_end_a_sentence():
    text = "See the note by Dr. Miller on p. 5 about rent. Nothing else was said about it."
    assert cut(text, tokens=16, overlap=0) == [
        "See the note by Dr. Miller on p. 5 about rent.",
        "Nothing else was said about it.",
    ]


def test_a_chunk_begins_with_the_last_words_of_the_one_before():
    text = " ".join(f"Sentence number {number} stands here." for number in range(200))
    spans = split(text, [], tokens=100, overlap=0.1, count=count_tokens)
    shared = [a.end - b.start for a, b in pairwise(spans)]
    assert min(shared) > 20


def test_without_overlap_nothing_is_said_twice():
    spans = split(PROSE * 30, [], tokens=100, overlap=0, count=count_tokens)
    assert all(a.end <= b.start for a, b in pairwise(spans))


def test_a_heading_begins_a_chunk():
    text = f"{PROSE}\nDeposits\n{PROSE}"
    assert cut(text, [(text.index("Deposits"), 1, "Deposits")], tokens=60)[1].startswith("Deposits\nRent")


def test_a_tiny_text_stays_with_the_heading_that_follows():
    text = f"Draft\nDeposits\n{PROSE}"
    assert cut(text, [(6, 1, "Deposits")], tokens=60) == [text.strip()]


def test_a_heading_is_never_the_last_thing_in_a_chunk():
    text = f"{PROSE}{PROSE}\nDeposits\n{PROSE * 3}"
    pieces = cut(text, [(text.index("Deposits"), 1, "Deposits")], tokens=44, overlap=0)
    assert not any(piece.endswith("Deposits") for piece in pieces)


def test_the_section_is_the_headings_in_force_at_the_start():
    text = f"Rent\n{PROSE}\nDeposits\n{PROSE}\nHeating\n{PROSE}"
    headings = [(0, 1, "Rent"), (text.index("Deposits"), 2, "Deposits"), (text.index("Heating"), 1, "Heating")]
    spans = split(text, headings, tokens=30, overlap=0, count=count_tokens)
    assert [span.section for span in spans] == ["Rent", "Rent > Deposits", "Heating"]


def test_a_heading_from_an_earlier_page_names_the_section_but_does_not_cut():
    assert split(PROSE, [(0, 1, "Leases")], tokens=60, overlap=0, count=count_tokens) == [
        Span(0, len(PROSE) - 1, "Leases")
    ]


def test_a_paragraph_is_a_better_end_than_a_sentence():
    text = f"{PROSE}\n\n{PROSE}{PROSE}"
    assert cut(text, tokens=32, overlap=0)[0] == PROSE.strip()


def test_table_rows_are_not_cut_apart():
    rows = [f"{number}\tRent for month {number}\t{number * 100} GBP" for number in range(60)]
    assert all(line in rows for piece in cut("\n".join(rows)) for line in piece.split("\n"))


def test_list_items_are_not_cut_apart():
    items = [f"• item {number} of a list without any full stop" for number in range(40)]
    assert all(line in items for piece in cut("\n".join(items)) for line in piece.split("\n"))


def test_chinese_is_cut_after_its_sentences():
    text = "租金在五月到期。房东可以要求押金。" * 20
    assert all(piece.endswith("。") for piece in cut(text))


def test_a_word_of_ten_thousand_letters_is_cut_somewhere():
    text = "abcdefghij" * 1000
    pieces = cut(text, tokens=100, overlap=0)
    assert "".join(pieces) == text


def test_a_letter_keeps_its_marks():
    assert all(piece[0] == "e" for piece in cut("e\u0301" * 500, tokens=10, count=letters))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PROSE * 23_000, id="prose"),
        pytest.param("word " * 400_000, id="words"),
        pytest.param("x" * 2_000_000, id="letters"),
        pytest.param("1\t2\t3\n" * 300_000, id="table"),
        pytest.param("a" + " " * 2_000_000 + "b", id="blanks"),
        pytest.param("中" * 700_000, id="chinese"),
    ],
)
def test_two_megabytes_take_seconds(text):
    begun = time.process_time()
    split(text, [], tokens=400, overlap=0.1, count=count_tokens)
    assert time.process_time() - begun < 10
