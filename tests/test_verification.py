"""A sentence is traced to the words that carry it."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.verification import Evidence, Verdict, locate, markers_with_sentences, normalise, stem, verify

PASSAGE = (
    "3.1 Distribution mains\r\nSupplies shall be restored within twelve hours of the com-\r\npany becoming aware of "
    "the burst. The duty manager records the time of the first call.\r\n\r\n3.2 Strategic mains\r\nThe limit is "
    "forty-eight hours – counted from the same moment. Payments to household accounts are made within 20 working days."
)


def words(sentence: str) -> str | None:
    span = locate(sentence, PASSAGE)
    return PASSAGE[slice(*span)] if span else None


def test_words_taken_over_are_found_across_line_breaks():
    assert words("The duty manager records the time of the first call.") == (
        "The duty manager records the time of the first call."
    )


def test_dashes_quotes_and_case_do_not_matter():
    assert words("the limit is forty-eight hours - counted from the same moment") == (
        "The limit is forty-eight hours – counted from the same moment."
    )


def test_a_paraphrase_is_found_by_its_content():
    assert words("Household payments go out in 20 working days.").startswith("Payments to household accounts")


def test_a_paraphrase_over_a_hyphenated_line_end_is_found():
    assert "twelve hours" in words("Supply must be restored within twelve hours.")


@pytest.mark.parametrize("sentence", ["Parental leave lasts six months.", "", "!!", "It is."])
def test_what_does_not_stand_there_lights_nothing(sentence):
    assert words(sentence) is None


def test_spans_lie_inside_the_passage():
    for sentence in ("limit", "twelve hours restored", PASSAGE, PASSAGE * 2):
        span = locate(sentence, PASSAGE)
        assert span is None or 0 <= span[0] < span[1] <= len(PASSAGE)


def test_the_map_of_a_normalised_text_leads_back():
    text = "Straße  “X”\u00ad\r\nİ"
    plain, places = normalise(text)
    assert len(plain) == len(places)
    assert list(places) == sorted(places)
    assert plain.startswith('strasse "x" ')


def test_each_number_belongs_to_the_sentence_before_it():
    pieces = ["First fact.", 1, 2, " Second", 3, " fact goes on.", " Third."]
    assert markers_with_sentences(pieces) == [
        (1, "First fact."), (2, "First fact."), (3, "Second fact goes on."),
    ]  # fmt: skip


def test_a_number_without_any_text_belongs_to_nothing():
    assert markers_with_sentences([1]) == [(1, "")]


def test_another_day_of_the_month_in_words_is_another_figure():
    passage = Evidence(1, "The rent is due on the third working day of the month.")
    wrong = verify("The rent is due on the fourth working day of the month.", [passage])
    assert wrong.verdict is Verdict.UNSUPPORTED and (wrong.said, wrong.shown) == ("fourth", "third")
    assert verify("The rent is due on the 3rd working day of the month.", [passage]).verdict is Verdict.SUPPORTED


def test_sentences_that_are_checked_at_the_same_time_do_not_mix_up_their_words():
    words = [f"{one}{other}ingly" for one in "abcdefghijklmnopqrst" for other in ("nation", "suppl", "restor", "obl")]
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(stem.__wrapped__, words * 8))
    finally:
        sys.setswitchinterval(often)
    assert together == [stem.__wrapped__(word) for word in words] * 8
