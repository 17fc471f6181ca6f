"""Source numbers are told from text, wherever the stream is cut."""

from hypothesis import given
from hypothesis import strategies as st

from chat.grounding.citations import MarkerSplitter

ANSWER = "Pay in May [12]. Or not [x], [doc3][4] and [1234] or [ 5 ] [doc]. The end [9"


def split(pieces: list[str]) -> list[str | int]:
    splitter = MarkerSplitter()
    parts = [part for piece in pieces for part in splitter.feed(piece)]
    return [*parts, *splitter.rest()]


def joined(parts: list[str | int]) -> list[str | int]:
    """Text that arrived in several pieces counts as one."""
    found: list[str | int] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return found


def test_numbers_are_told_from_text():
    assert joined(split([ANSWER])) == [
        "Pay in May ", 12, ". Or not [x], ", 3, 4, " and [1234] or [ 5 ] [doc]. The end [9",
    ]  # fmt: skip


def test_the_same_text_cut_at_every_place_gives_the_same_result():
    whole = joined(split([ANSWER]))
    for place in range(len(ANSWER) + 1):
        assert joined(split([ANSWER[:place], ANSWER[place:]])) == whole


@given(st.lists(st.integers(0, len(ANSWER)), max_size=12))
def test_however_often_it_is_cut(places):
    cuts = sorted({0, *places, len(ANSWER)})
    assert joined(split([ANSWER[a:b] for a, b in zip(cuts, cuts[1:], strict=False)])) == joined(split([ANSWER]))


@given(st.text(alphabet="[]doc0123 a.`\n", max_size=60), st.integers(1, 7))
def test_nothing_is_lost_and_nothing_is_invented(text, step):
    parts = split([text[at : at + step] for at in range(0, len(text), step)])
    assert joined(parts) == joined(split([text]))


def test_text_before_a_possible_marker_is_not_held_back():
    assert list(MarkerSplitter().feed("All of this [")) == ["All of this "]


CODE = "See [1]:\n```py\nrow[2]\n```\n[3] and ```x``` [4]\n1. ~~~\n   ```[5]\n   ~~~\n   [6]\n\n```\nopen[7]"


def test_a_number_in_code_is_a_place_in_a_list_and_no_source():
    assert [part for part in split([CODE]) if isinstance(part, int)] == [1, 3, 4, 6]


INLINE = "Use `row[1]` or ``a`[2]`` [3], ` [4]\n`x[5]` ``` y[6]``` [7] `open[8]"


def test_a_number_between_backticks_is_code_too():
    assert [part for part in split([INLINE]) if isinstance(part, int)] == [3, 4, 7, 8]
    for step in range(1, len(INLINE)):
        cut = [INLINE[at : at + step] for at in range(0, len(INLINE), step)]
        assert joined(split(cut)) == joined(split([INLINE]))


def test_an_open_backtick_holds_a_number_back_for_a_line_at_most():
    splitter = MarkerSplitter()
    assert joined([*splitter.feed("a ` b [1] "), *splitter.feed("word " * 50)])[1] == 1


def test_code_is_told_from_text_wherever_the_stream_is_cut():
    whole = joined(split([CODE]))
    for place in range(len(CODE) + 1):
        assert joined(split([CODE[:place], CODE[place:]])) == whole
