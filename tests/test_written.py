"""An answer is cut into sentences while it streams, and put together with what was found of them."""

from hypothesis import given
from hypothesis import strategies as st

from chat.events import Cite, Event, Proved, Text
from chat.proof.written import Reader, Sentence, Written
from chat.verification import Proof, Verdict

ANSWER = [
    "## Rent\n\nRent is **due on May 3.** It is paid in advance", 1, ".", 2, " Dogs are a case of their own. ", 3,
    "\n\nWe pay for:", 4, "\n\n- boots, e.g. of Dr. Lee\n- hats ", 5,
    "\n\n| Item | Rate |\n|---|---|\n| Car | 45 pence |",
    6, "\n\n```\ncode. More.\n```\nA last line\ngoes on.",
]  # fmt: skip
WORDS = [
    "Rent", "Rent is due on May 3.", "It is paid in advance.", "Dogs are a case of their own.", "We pay for:",
    "boots, e.g. of Dr. Lee", "hats", "Item | Rate", "---|---", "Car | 45 pence",
    "``` code. More. ```", "A last line goes on.",
]  # fmt: skip
SUPPORTED = Proof(Verdict.SUPPORTED)


def events(pieces: list[str | int], step: int = 10_000) -> list[Event]:
    found: list[Event] = []
    for piece in pieces:
        if isinstance(piece, int):
            found.append(Cite(piece))
        else:
            found += [Text(piece[at : at + step]) for at in range(0, len(piece), step)]
    return found


def read(pieces: list[str | int], step: int = 10_000) -> list[Sentence]:
    reader = Reader()
    return [*(sentence for event in events(pieces, step) for sentence in reader.take(event)), *reader.rest()]


def named(sentences: list[Sentence], words: str) -> Sentence:
    return next(sentence for sentence in sentences if sentence.words.startswith(words))


def test_sentences_items_rows_and_headings_are_told_apart():
    told = [sentence.words for sentence in read(ANSWER)]
    assert [words for words in told if "code" not in words] == [words for words in WORDS if "code" not in words]


def test_the_signs_of_quotations_and_footnotes_are_no_words_of_a_sentence():
    text = "> Rent is due [^1].\n> Dogs bark and\n> cats mew.\n\n[^1]: In May."
    told = read([text])
    assert [sentence.words for sentence in told] == ["Rent is due .", "Dogs bark and cats mew.", "In May."]
    assert text[told[1].start :].startswith("Dogs")


def test_headings_header_rows_and_code_state_nothing():
    silent = [sentence.words for sentence in read(ANSWER) if not sentence.is_stated]
    assert silent[:3] == ["Rent", "Item | Rate", "---|---"] and "code" in silent[3]


def test_each_number_belongs_to_the_sentence_before_it():
    cited = {sentence.words[:5]: sentence.cited for sentence in read(ANSWER) if sentence.cited}
    assert cited == {"It is": (1, 2), "Dogs ": (3,), "We pa": (4,), "hats": (5,), "Car |": (6,)}


def test_an_item_is_read_with_its_lead_in_and_the_sources_named_there():
    hats = named(read(ANSWER), "boots")
    assert hats.lead == "Rent We pay for:" and hats.inherited == (4,)


def test_a_row_is_read_with_its_header():
    assert named(read(ANSWER), "Car").lead == "Item | Rate"


def test_however_the_stream_is_cut_the_sentences_are_the_same():
    whole = read(ANSWER)
    for step in range(1, 40):
        assert read(ANSWER, step) == whole


@given(st.text(alphabet="Ab .\n*-|#`1)", max_size=120), st.integers(1, 9))
def test_whatever_is_written_no_letter_stands_in_two_sentences(text, step):
    found = read([text], step)
    assert all(one.end <= other.start for one, other in zip(found, found[1:], strict=False))
    assert all(text[sentence.start : sentence.end].strip() for sentence in found)


def test_a_sentence_is_told_when_the_next_has_begun():
    reader = Reader()
    assert reader.take(Text("Rent is due in May. ")) == [] and reader.take(Cite(1)) == []
    (first,) = reader.take(Text("Dogs are"))
    assert first.words == "Rent is due in May." and first.cited == (1,)


def test_words_without_an_end_are_cut_into_pieces():
    found = read(["lorem " * 2_000])
    assert len(found) > 5 and max(sentence.end - sentence.start for sentence in found) <= 2_000


# Put together --------------------------------------------------------------------------------------------------------
TWO = ["Rent is due in May. ", 1, " Dogs are not allowed. ", 2, "\n\n- A hat is paid for.\n- Boots are too."]


def drawn(pieces: list[str | int], **proved: dict) -> tuple[str, list[str]]:
    """The text, and the sentences as they stand in it; `proved` says by first word what was found."""
    written = Written()
    for event in events(pieces):
        written.take(event)
    for sentence in read(pieces):
        told = proved.get(sentence.words.split()[0], {})
        places = sentence.start, sentence.end, sentence.until
        written.take(Proved(*places, SUPPORTED, **{"cited": sentence.cited, "cites": sentence.cited, **told}))
    text, placed = written.draw(lambda before, number: f"{before.rstrip(' ')}[{number}]")
    return text, [text[each.start : each.end] for each in placed]


def test_without_corrections_the_text_is_as_it_was_written():
    assert drawn(TWO) == (
        "Rent is due in May.[1] Dogs are not allowed.[2]\n\n- A hat is paid for.\n- Boots are too.",
        ["Rent is due in May.", "Dogs are not allowed.", "A hat is paid for.", "Boots are too."],
    )


def test_a_wrong_number_is_put_right_where_it_stood():
    assert drawn(TWO, Rent={"cites": (7,)})[0].startswith("Rent is due in May.[7] Dogs are not allowed.[2]")


def test_a_missing_number_is_put_behind_the_sentence():
    assert "- A hat is paid for.[4]\n- Boots" in drawn(TWO, A={"cites": (4,)})[0]


def test_a_number_behind_the_end_of_code_leaves_the_fence_alone():
    assert drawn(["Do this:\n\n```\nrow[1]\n```", 1, "\n\nThen rest."])[0].endswith("\n```\n[1]\n\nThen rest.")


def test_a_sentence_written_again_keeps_its_place_and_its_number():
    text, stand = drawn(TWO, Rent={"instead": "Rent is due in June."})
    assert text.startswith("Rent is due in June.[1] Dogs") and stand[0] == "Rent is due in June."


def test_a_sentence_left_out_takes_its_number_along():
    assert drawn(TWO, Rent={"instead": ""})[0].startswith("Dogs are not allowed.[2]")


def test_an_item_left_out_takes_its_sign_along():
    assert drawn(TWO, A={"instead": ""})[0].endswith("allowed.[2]\n\n- Boots are too.")


def test_a_row_left_out_takes_its_bars_along():
    table = ["| Item | Rate |\n|---|---|\n| Car | 45 |\n| Cycle | 20 |\n"]
    assert drawn(table, Car={"instead": ""})[0] == "| Item | Rate |\n|---|---|\n| Cycle | 20 |\n"


def test_numbers_inside_a_sentence_stay_inside():
    text, stand = drawn(["Rent is due", 1, ", dogs are not", 2, "."])
    assert text == stand[0] == "Rent is due[1], dogs are not[2]."


def test_a_verdict_that_overtakes_its_text_waits_for_it():
    written = Written()
    written.take(Proved(0, 19, 20, SUPPORTED))
    written.take(Text("Rent is"))
    assert written.draw(lambda before, number: before) == ("Rent is", [])


@given(st.lists(st.one_of(st.text(alphabet="Ab. \n-", max_size=20), st.integers(1, 3)), max_size=8))
def test_no_word_is_lost_however_it_is_put_together(pieces):
    text, _ = drawn(pieces)
    bare = "".join(piece for piece in pieces if isinstance(piece, str))
    assert "".join(text.split()).replace("[1]", "").replace("[2]", "").replace("[3]", "") == "".join(bare.split())
