"""The verdict on a sentence: what a passage bears out, and each way in which it may not."""

import pytest

from chat.verification import Evidence, Reason, Verdict, is_factual, verify

SCHEME = (
    "Customer guarantee scheme. If your supply is interrupted because of a burst main, we will restore it within 12 "
    "hours of becoming aware of the interruption. If we fail to do so you are entitled to a payment of £30, and a "
    "further £30 for each additional 24 hours. Business customers receive £75. The scheme was approved by the Board on "
    "14 March 2025 and applies from 1 April 2025. Complaints about leaks are answered by Marta Lindqvist's team. Some "
    "customers with medical needs can ask for bottled water. Payments are not made while a drought order is in force."
)
CITED = [Evidence(1, SCHEME, "Customer Guarantee Scheme 2026")]
OTHER = [Evidence(2, "Meters are read twice a year, in April and in October, by our own staff.", "Meters")]


@pytest.mark.parametrize(
    "sentence",
    [
        "Supply is restored within 12 hours after a burst main.",
        "You get £30, plus another £30 for every further 24 hours.",
        "A business customer is paid 75 pounds.",
        "The board approved the scheme on March 14, 2025.",
        "The scheme has applied since 01.04.2025.",
        "No payments are made while a drought order is in force.",
        "Some customers who have medical needs can request bottled water.",
        "Leak complaints are handled by Marta Lindqvist's team.",
        'According to the scheme, "Business customers receive £75".',
        "Supply comes back within 720 minutes of a burst main.",
    ],
)
def test_what_stands_there_in_other_words_is_supported(sentence):
    proof = verify(sentence, CITED)
    assert (proof.verdict, proof.reason) == (Verdict.SUPPORTED, None)


@pytest.mark.parametrize(
    ("sentence", "verdict", "reason", "said"),
    [
        ("Business customers receive £85.", Verdict.UNSUPPORTED, Reason.NUMBER, "85"),
        ("Supply is restored within 24 hours of a burst main.", Verdict.PARTLY, Reason.NUMBER, "24 hours"),
        ("A business customer is paid 75 euros.", Verdict.UNSUPPORTED, Reason.UNIT, "75 euros"),
        ("Supply is restored within 12 days of a burst main.", Verdict.UNSUPPORTED, Reason.UNIT, "12 days"),
        ("The board approved the scheme on March 14, 2024.", Verdict.UNSUPPORTED, Reason.DATE, "March 14, 2024"),
        ("Leak complaints go to Martin Oberholzer's team.", Verdict.UNSUPPORTED, Reason.NAME, "Martin"),
        ("All customers can ask for bottled water.", Verdict.PARTLY, Reason.SCOPE, "all"),
        ("Payments are made while a drought order is in force.", Verdict.UNSUPPORTED, Reason.NEGATION, None),
        ("Business customers do not receive £75.", Verdict.UNSUPPORTED, Reason.NEGATION, "do not"),
        ('The scheme says "we always restore it at once".', Verdict.UNSUPPORTED, Reason.QUOTATION, None),
        ("Boilers are inspected yearly by certified engineers.", Verdict.UNSUPPORTED, Reason.NO_MATCH, None),
    ],
)
def test_what_does_not_is_named(sentence, verdict, reason, said):
    proof = verify(sentence, CITED)
    assert (proof.verdict, proof.reason) == (verdict, reason)
    assert said in (None, proof.said)


LOG = (
    "Customary law was developed between the 10th and 13th centuries. In the decade following, one in five of the 46 "
    "valves (2,300 lbs each) failed. The crew left at approximately 1145 central daylight time. Sales in Zone EUR rose "
    "from CHF 40 million to CHF 60 million. The valve was fitted to prevent water from entering the cellar by night."
)
LOGGED = [Evidence(1, LOG, "Log")]


@pytest.mark.parametrize(
    "sentence",
    [
        "Customary law took shape between the 900s and the thirteenth century.",
        "Over the next ten years a fifth of the valves failed.",
        "Of the more than 40 valves, 20 % failed.",
        "A valve weighed 2,300 pounds.",
        "The crew left at around 11:45.",
        "Sales in Zone EUR came to 60 million Swiss francs.",
    ],
)
def test_a_figure_or_a_name_in_another_form_is_the_same(sentence):
    assert verify(sentence, LOGGED).verdict is Verdict.SUPPORTED


def test_the_first_century_agrees_with_itself():
    sentence = "The engine goes back to the first century AD."
    assert verify(sentence, [Evidence(1, sentence)]).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("Of the more than 60 valves a fifth failed.", Verdict.UNSUPPORTED),  # a bound that the passage does not keep
        ("Sales in Zone EUR rose by CHF 20 million.", Verdict.PARTLY),  # reckoned from two figures that stand there
        ("The valve keeps water out of the cellar, so it cannot come in by night.", Verdict.SUPPORTED),
        ("The crew cannot have left by 11:45.", Verdict.SUPPORTED),  # in free wording a denial proves nothing
        ("The crew did not leave at approximately 1145 central daylight time.", Verdict.UNSUPPORTED),
    ],
)
def test_unsupported_needs_evidence_against_it(sentence, verdict):
    assert verify(sentence, LOGGED).verdict is verdict


PLANT = (
    "The plant in the USA emitted nearly 4,000 tons of carbon dioxide over several years. It may reduce the releases, "
    "especially at night. Since 1990 the director is named by the council; in 2004 the mayor of Lund asked for more. "
    "The pilot, age 85, reported no preimpact failures at 1730 EST. ($ in millions) 2023 As Reported | $72,361."
)
REPORT = [Evidence(1, PLANT, "Report")]


@pytest.mark.parametrize(
    "sentence",
    [
        "The plant in the United States put out almost 4,000 tons of CO2.",
        "The 85-year-old pilot reported no pre-impact malfunctions.",
        "The pilot’s report gives 5:30 p.m. EST.",
        "Reported in 2023: about $72.4 billion.",
        "Among the pilot's reports were no failures before the impact.",
        'The words "pilot" and "age" stand there.',
    ],
)
def test_another_way_of_writing_it_is_no_fault(sentence):
    assert verify(sentence, REPORT).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("sentence", "verdict", "reason"),
    [
        ("The plant in the USA emitted exactly 4,000 tons of carbon dioxide.", Verdict.PARTLY, Reason.SCOPE),
        ("It must reduce the releases, especially at night.", Verdict.PARTLY, Reason.SCOPE),
        ("It may reduce the releases, only at night.", Verdict.PARTLY, Reason.SCOPE),
        ("It may raise the releases, especially at night.", Verdict.UNSUPPORTED, Reason.NEGATION),
        ("It may decline to reduce the releases, especially at night.", Verdict.UNSUPPORTED, Reason.NEGATION),
        (
            "The plant in the USA emitted nearly 4,000 tons of carbon dioxide over several months.",
            Verdict.UNSUPPORTED,
            Reason.UNIT,
        ),
        ("Since 2004 the director is named by the council.", Verdict.PARTLY, Reason.DATE),
        ("In 2004 the mayor of USA asked for more.", Verdict.PARTLY, Reason.NAME),
        (
            "Since 1990 the director is named by the council, which annoyed sailors.",
            Verdict.PARTLY,
            Reason.NO_MATCH,
        ),
    ],
)
def test_what_is_put_in_the_place_of_other_words_is_named(sentence, verdict, reason):
    proof = verify(sentence, REPORT)
    assert (proof.verdict, proof.reason) == (verdict, reason)


def test_the_words_it_rests_on_are_pointed_at():
    proof = verify("Business customers receive £75.", CITED)
    assert [(number, SCHEME[start:end]) for number, start, end in proof.spans] == [
        (1, "Business customers receive £75.")
    ]


def test_a_wrong_number_of_a_source_is_put_right():
    proof = verify("Meters are read twice a year, in April and October.", CITED, OTHER)
    assert (proof.verdict, proof.numbers) == (Verdict.SUPPORTED, [2])


def test_two_facts_from_two_passages_rest_on_both():
    sentence = "Business customers receive £75, and meters are read twice a year by the company's own staff."
    proof = verify(sentence, [*CITED, *OTHER])
    assert (proof.verdict, proof.numbers) == (Verdict.SUPPORTED, [1, 2])


def test_a_year_may_stand_in_the_title_alone():
    assert verify("In 2026 business customers receive £75.", CITED).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    "sentence", ["The plan covers:", "When is it due?", "", "**Payments**", "The passages do not say when.", "[1]"]
)
def test_what_states_nothing_gets_no_verdict(sentence):
    assert not is_factual(sentence) and verify(sentence, CITED) is None


@pytest.mark.parametrize("sentence", ["\x00 £" * 50, "1" * 5_000, "„“" * 500, "a, " * 3_000, "not " * 2_000, "٣٤ ½ ²"])
def test_strange_sentences_end_in_some_verdict(sentence):
    verify(sentence, CITED)
