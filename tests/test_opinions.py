"""What becomes of a sentence that its sources do not bear out: marked, left out, written again, or asked about."""

import json

import pytest

from chat.conversations.conversing import Draft
from chat.events import Done, Failed, Proved
from project.models import Usage
from tests.asking import events_of
from tests.fake_openai import FakeOpenAI, Reply
from tests.library import add

pytestmark = pytest.mark.django_db(transaction=True)

RULES = b"""# House rules

The rent is due on the third working day of the month.

Dogs may be kept with a written permission of the owner.

The share of leaks fell to 12 per cent in 2023.
"""
WRONG = "The rent is due on the third working day of the month. [1] The share of leaks fell to 21 per cent in 2023. [1]"
RIGHT = "The rent is due on the third working day of the month.[1]"
PARTLY = "Dogs must be kept with a written permission of the owner. [1]"


@pytest.fixture
def service(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


@pytest.fixture
def asked(alice, service):
    """The draft of an answer, its end, and how often the service was asked: it says this, one after the other."""
    add(alice, RULES)

    def ask(*said: str) -> tuple[Draft, Done]:
        service.replies = [Reply([words]) for words in said]
        draft = Draft()
        for event in events_of(alice, "When is the rent due, and what of leaks and dogs?"):
            draft.take(event)
        assert isinstance(event, Done), event
        return draft, event

    return ask


def rewritten(text: str) -> str:
    return json.dumps({"rewrites": [{"sentence": 1, "text": text}]})


def verdicts(draft: Draft) -> list[str]:
    return [row["verdict"] for row in draft.proofs]


def test_by_itself_a_sentence_is_marked_and_the_model_is_asked_once(asked, service):
    draft, _ = asked(WRONG)
    assert verdicts(draft) == ["supported", "unsupported"] and "21 per cent" in draft.content
    assert len(service.requests) == 1


def test_hidden_it_is_left_out_and_kept_with_its_reason(asked, settings):
    settings.UNSUPPORTED = "hide"
    draft, _ = asked(WRONG)
    assert draft.content.strip() == RIGHT
    assert draft.proofs[-1]["words"] == "The share of leaks fell to 21 per cent in 2023."
    assert draft.proofs[-1]["shown"] == "12 per cent"


def test_written_again_it_stands_in_the_source_and_is_paid_for(asked, settings, service):
    settings.UNSUPPORTED = "rewrite"
    draft, _ = asked(WRONG, rewritten("The share of leaks fell to 12 per cent in 2023. [1]"))
    assert draft.content.strip() == f"{RIGHT} The share of leaks fell to 12 per cent in 2023.[1]"
    assert verdicts(draft) == ["supported", "supported"]
    assert sorted(Usage.objects.values_list("purpose", flat=True)) == ["answer", "check"]
    assert "21 per cent" in service.requests[1]["body"]["messages"][-1]["content"]
    assert "third working day of the month.\n2." not in service.requests[1]["body"]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "said", [rewritten("The share of leaks fell to 99 per cent in 2023. [1]"), "no JSON", '{"rewrites": []}']
)
def test_what_is_no_better_changes_nothing(asked, settings, said):
    settings.UNSUPPORTED = "rewrite"
    draft, _ = asked(WRONG, said, said)
    assert "21 per cent" in draft.content and verdicts(draft) == ["supported", "unsupported"]


def test_a_sentence_the_model_drops_is_left_out(asked, settings):
    settings.UNSUPPORTED = "rewrite"
    draft, _ = asked(WRONG, rewritten(""))
    assert draft.content.strip() == RIGHT and draft.proofs[-1]["words"].startswith("The share of leaks")


def test_a_service_that_fails_then_leaves_the_answer_as_it_is(asked, settings, service):
    settings.UNSUPPORTED = "rewrite"
    draft, done = asked(WRONG, "{")
    assert "21 per cent" in draft.content and not done.is_refused


def test_what_is_written_again_is_moderated_too(asked, settings, alice, tmp_path, service):
    words = tmp_path / "words.txt"
    words.write_text("12 per cent\n")
    settings.UNSUPPORTED, settings.MODERATION, settings.MODERATION_WORDS = "rewrite", "words", str(words)
    service.replies = [Reply([WRONG]), Reply([rewritten("The share of leaks fell to 12 per cent in 2023. [1]")])]
    last = events_of(alice, "When is the rent due, and what of leaks?")[-1]
    assert isinstance(last, Failed) and last.withdraws


@pytest.mark.parametrize("verdict", ["supported", "partly", "unsupported"])
def test_a_second_opinion_is_asked_about_what_stands_in_part(asked, settings, service, verdict):
    settings.SECOND_OPINION = True
    said = json.dumps({"judgements": [{"sentence": 1, "verdict": verdict}, {"sentence": 9, "verdict": "partly"}]})
    draft, done = asked(PARTLY, said)
    assert verdicts(draft) == [verdict] and draft.proofs[0]["by_model"]
    assert ("Second opinion", "the model was asked about 1 of them") in done.how
    assert [row.purpose for row in Usage.objects.order_by("pk")] == ["answer", "check"]


def test_nobody_is_asked_where_everything_stands(asked, settings, service):
    settings.SECOND_OPINION, settings.UNSUPPORTED = True, "rewrite"
    asked("The rent is due on the third working day of the month. [1]")
    assert len(service.requests) == 1


def test_without_a_model_nothing_is_asked_for(alice, settings):
    settings.SECOND_OPINION, settings.UNSUPPORTED = True, "rewrite"
    add(alice, RULES)
    events = events_of(alice)
    assert [event.proof.verdict for event in events if isinstance(event, Proved)] == ["supported"]
