"""Question sets that are kept in the library, and their runs, as the console has them."""

import pytest

from documents.models import EvaluationSet


@pytest.fixture
def kept(alice) -> EvaluationSet:
    return EvaluationSet.objects.create(name="House rules", created_by=alice)


# Sets ----------------------------------------------------------------------------------------------------------------
def test_a_question_that_is_taken_twice_is_one_case_that_knows_more(kept, alice):
    kept.take("When is  the rent due?", pages=["rules.md#page=1"], by=alice)
    kept.take("When is the rent due?", pages=["rules.md#page=2", "rules.md#page=1"], note="Asked again")
    case = kept.cases.get()
    assert (case.pages, case.note, case.added_by) == (["rules.md#page=1", "rules.md#page=2"], "Asked again", alice)


def test_a_question_for_which_a_page_is_known_is_no_longer_one_that_nothing_answers(kept):
    kept.take("When is the rent due?", is_unanswerable=True)
    assert not kept.take("When is the rent due?", pages=["rules.md#page=1"]).is_unanswerable
