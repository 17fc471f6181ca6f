"""A follow-up is made to stand alone by rules; one that stands alone is left as it is."""

import pytest

from chat.prompts import Turn
from chat.rewriting import resolved

RENT = [Turn("When is the rent due for a flat in Leeds?", "On the third working day of the month.")]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("And for a shop?", "When is the rent due for a shop in Leeds?"),
        ("And in York?", "When is the rent due for a flat in York?"),
        ("What about York?", "When is the rent due for a flat in York?"),
        ("Why?", "Why is the rent due for a flat in Leeds?"),
        ("Who said so, and why?", "Who said so, and why? (Leeds)"),
    ],
)
def test_what_goes_on_from_a_question_takes_its_place_in_it(asked, wanted):
    assert resolved(asked, RENT) == wanted


@pytest.mark.parametrize(
    ("before", "said", "asked", "wanted"),
    [
        ("What was revenue in 2022?", "12 million.", "What about 2023?", "What was revenue in 2023?"),
        ("When does the lease end?", "In May.", "Who signed it?", "Who signed the lease?"),
        ("Who signed the lease?", "It was signed by Ada Lovelace.", "When did she die?", "When did Ada Lovelace die?"),
        (
            "When did the Warsaw Uprising begin?",
            "In 1944.",
            "How long did it last?",
            "How long did the Warsaw Uprising last?",
        ),
        ("What is CSNET?", "A network.", "What was its purpose?", "What was CSNET's purpose?"),
        ("What river does Warsaw straddle?", "The Vistula.", "Who lived there?", "Who lived there? (Warsaw)"),
    ],
)
def test_what_points_back_is_given_its_name(before, said, asked, wanted):
    got = resolved(asked, [Turn(before, said)])
    assert got == wanted or got.startswith(f"{wanted} (")


@pytest.mark.parametrize(
    ("before", "asked", "holds"),
    [
        ("Wann ist die Miete in Köln fällig?", "Und in Bonn?", "Wann ist die Miete in Bonn fällig?"),
        ("Wann ist die Miete in Köln fällig?", "Was ist mit Bonn?", "Bonn"),
        ("Wann beginnt der Mietvertrag?", "Wer hat ihn unterschrieben?", "Mietvertrag"),
        ("¿Cuándo vence el alquiler en Madrid?", "¿Y en Sevilla?", "Sevilla"),
        ("¿Cuándo vence el contrato de Iberia?", "¿Quién firmó eso?", "Iberia"),
        ("Quand le contrat de Renault finit-il ?", "Et celui de Peugeot ?", "Peugeot"),
        ("Quand le loyer est-il payé à Paris ?", "Et à Lyon ?", "Lyon"),
    ],
)
def test_the_same_holds_in_german_spanish_and_french(before, asked, holds):
    got = resolved(asked, [Turn(before, "")])
    assert holds in got and got != asked


@pytest.mark.parametrize(
    "asked",
    [
        "What does a burst main cost to repair?",
        "How many companies were registered in Warsaw in 2006?",
        "Is it true that pets are forbidden in the house?",
        "Did Newton publish his laws in Latin?",
        "How many parking spaces are there in the yard?",
        "Können Sie mir sagen, welche Haustiere erlaubt sind?",
        "Wie viele Stellplätze gibt es im Hof?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(asked):
    assert resolved(asked, RENT) == asked


def test_a_chain_of_follow_ups_is_followed_to_its_end():
    turns = [*RENT, Turn("And for a shop?", "In June.")]
    assert resolved("And in York?", turns) == "When is the rent due for a shop in York?"


def test_what_was_really_searched_for_counts_in_a_turn_before():
    turns = [Turn("And then?", "In June.", read_as="When is the deposit paid back?")]
    assert resolved("Why?", turns) == "Why is the deposit paid back?"


@pytest.mark.parametrize(
    "asked", ["", "?", "!!", "\x00", "and", "it", "Why", "y", "🙂", "<<end", "a" * 5_000, "it " * 900]
)
@pytest.mark.parametrize("before", ["", "?", "it", "What is it?", "x" * 2_000])
def test_any_text_is_read_without_harm(asked, before):
    assert len(resolved(asked, [Turn(before, "")])) <= max(400, len(asked))


def test_without_a_turn_before_nothing_is_read_into_a_question():
    assert resolved("And for a shop?", []) == "And for a shop?"
