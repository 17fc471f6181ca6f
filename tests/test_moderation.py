"""What may not be asked or answered is stopped, said in one sentence, and counted for the administrators."""

import json

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured

from chat.events import Done, Failed, Question
from chat.llm import Piece
from chat.models import Message, ModerationEvent
from chat.moderation import AnswerBlocked, QuestionBlocked, watched
from chat.prompts import Prompt
from project.checks import models as check_models
from project.environment import limits
from project.provider.moderation import CATEGORIES
from project.provider.pieces import Filtered, Finding
from tests.asking import end_of, events_of, text_of
from tests.fake_moderation import FakeModeration
from tests.fake_openai import FakeOpenAI, Reply
from tests.library import add

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


@pytest.fixture
def judge(service, settings):
    """OpenAI's moderations stand before the model."""
    with FakeModeration(service.url, {"knife": ("violence", 0.9), "fight": ("violence", 0.3)}) as fake:
        settings.OPENAI_BASE_URL, settings.MODERATION = f"{fake.url}/v1", "openai"
        yield fake


@pytest.fixture
def word_list(settings, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# not for us\nproject bluebird\ncompetitors: Acme Corp\n")
    settings.MODERATION, settings.MODERATION_WORDS = "words", str(path)


# By OpenAI -----------------------------------------------------------------------------------------------------------
def test_a_stopped_question_names_category_and_severity_and_reaches_no_model(alice, service, judge):
    add(alice)
    (failed,) = events_of(alice, "How do I use a knife?")
    assert failed == Failed(
        "QuestionBlocked",
        "Moderation stopped this question: violence, severity high. Put it in other words.",
    )
    assert service.requests == []


def test_a_harmless_question_is_answered(alice, service, judge):
    add(alice)
    assert text_of(events_of(alice)) == "It is so. [1]"
    assert judge.asked == ["When is the rent due?", "It is so. "]


def test_a_limit_of_ones_own_stops_what_the_service_would_let_through(alice, service, judge, settings):
    settings.MODERATION_LIMITS = {"violence": 0.2}
    assert end_of(alice, "How do I fight?").sentence.startswith(
        "Moderation stopped this question: violence, severity low"
    )


def test_a_limit_of_ones_own_lets_through_what_the_service_would_stop(alice, service, judge, settings):
    settings.MODERATION_LIMITS = {"violence": 0.95}
    add(alice)
    assert isinstance(end_of(alice, "How do I use a knife?"), Done)


def test_a_stopped_answer_is_taken_back(alice, service, judge):
    add(alice)
    service.replies = [Reply(pieces=["Take the knife. [1]"])]
    last = end_of(alice)
    assert (last.code, last.withdraws) == ("AnswerBlocked", True)


def test_unchecked_is_stopped_when_the_setting_says_closed(alice, service, judge, settings):
    settings.MODERATION_FAILURE, judge.status = "closed", 500
    assert "could not be checked" in end_of(alice).sentence
    assert ModerationEvent.objects.get().outcome == "unchecked-stopped"


def test_unchecked_goes_on_when_the_setting_says_open(alice, service, judge, settings):
    settings.MODERATION_FAILURE, judge.status = "open", 500
    add(alice)
    assert isinstance(end_of(alice), Done)
    assert set(ModerationEvent.objects.values_list("where", "outcome")) == {
        ("question", "unchecked-passed"),
        ("answer", "unchecked-passed"),
    }


@pytest.mark.parametrize("text", ["", "knife " * 9_000])
def test_a_form_that_is_refused_anyway_is_not_judged(client, alice, service, judge, text):
    client.force_login(alice)
    asked = client.post("/ask/", {"text": text, "client_key": "k"}, headers={"X-Requested-With": "fetch"})
    assert (asked.status_code, judge.asked, ModerationEvent.objects.count()) == (400, [], 0)


def test_the_same_text_is_judged_once(alice, service, judge):
    end_of(alice, "How do I use a knife?")
    end_of(alice, "How do I use a knife?")
    assert len(judge.asked) == 1


def test_the_categories_are_those_of_the_installed_package():
    assert {"self-harm/instructions", "illicit/violent", "sexual/minors"} <= set(CATEGORIES)
    assert len(CATEGORIES) == 13


# By a list of words --------------------------------------------------------------------------------------------------
def test_a_phrase_of_the_list_stops_a_question_in_any_case_and_over_line_ends(alice, word_list):
    assert end_of(alice, "What of PROJECT\n bluebird?").sentence.startswith(
        "Moderation stopped this question: word list."
    )


def test_a_word_that_only_contains_a_phrase_is_harmless(alice, word_list):
    assert isinstance(end_of(alice, "What of project bluebirds?"), Done)


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_no_letter_of_a_listed_phrase_is_shown_however_the_answer_is_cut(alice, service, word_list, size):
    add(alice)
    answer = "The rent is due. [1] Acme Corp pays more. [1]"
    service.replies = [Reply(pieces=[answer[at : at + size] for at in range(0, len(answer), size)])]
    events = events_of(alice)
    assert "Acme" not in text_of(events)
    assert events[-1].code == "AnswerBlocked" and "competitors" in events[-1].sentence


@pytest.mark.parametrize("size", [1, 4, 100])
def test_an_answer_without_a_listed_phrase_comes_whole(alice, service, word_list, size):
    add(alice)
    answer = "Acme Corporation is not meant. [1] Nor is a bluebird. [1]"
    service.replies = [Reply(pieces=[answer[at : at + size] for at in range(0, len(answer), size)])]
    assert text_of(events_of(alice)) == answer


# By Azure's filter ---------------------------------------------------------------------------------------------------
class Said:
    """A model that says these pieces."""

    name, notice, rules, window, looks_further = "said", "", "", None, False
    count = len

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = pieces

    async def stream(self, prompt: Prompt):
        for piece in self.pieces:
            yield piece


def heard(user, *pieces: Piece) -> list[Piece]:
    async def collect() -> list[Piece]:
        model = watched(Said(*pieces), Question("Why?", user))
        return [piece async for piece in model.stream(Prompt("Why?", [], [], 9, 0))]

    return async_to_sync(collect)()


def found(severity: str, *, is_filtered: bool = False, where="answer") -> Filtered:
    return Filtered(where, [Finding("hate", severity, is_filtered)])


def test_what_the_filter_lets_through_goes_on(alice, service, settings):
    settings.MODERATION = "filter"
    assert heard(alice, "Yes.", found("low")) == ["Yes.", found("low")]


def test_what_the_filter_stopped_is_stopped(alice, service, settings):
    settings.MODERATION = "filter"
    with pytest.raises(AnswerBlocked, match="hate, severity high"):
        heard(alice, "Yes.", found("high", is_filtered=True))


@pytest.mark.parametrize(
    ("severity", "is_stopped"), [("safe", False), ("low", False), ("medium", True), ("high", True)]
)
def test_a_stricter_limit_than_the_filters_holds_from_its_severity_on(alice, service, settings, severity, is_stopped):
    settings.MODERATION, settings.MODERATION_LIMITS = "filter", {"hate": "medium"}
    try:
        heard(alice, "Yes.", found(severity))
    except AnswerBlocked:
        assert is_stopped
    else:
        assert not is_stopped


def test_an_attack_on_the_prompt_that_the_service_only_reports_is_stopped_where_a_limit_names_it(
    alice, service, settings
):
    settings.MODERATION, attack = "filter", Filtered("question", [Finding("jailbreak", "", False)])
    heard(alice, "Yes.", attack)
    settings.MODERATION_LIMITS = {"jailbreak": "low"}
    with pytest.raises(QuestionBlocked, match="jailbreak"):
        heard(alice, "Yes.", attack)


# What is noted, and who sees it --------------------------------------------------------------------------------------
def test_what_was_stopped_is_noted_without_its_words(alice, service, judge):
    end_of(alice, "How do I use a knife?")
    noted = ModerationEvent.objects.get()
    told = (noted.where, noted.category, noted.severity, noted.checked_by, noted.deployment, noted.user, noted.text)
    assert told == ("question", "violence", "high", "openai", "gpt-test", alice, "")


def test_the_words_are_kept_where_a_setting_says_so(alice, service, judge, settings):
    settings.MODERATION_KEEP_TEXT = True
    end_of(alice, "How do I use a knife?")
    assert ModerationEvent.objects.get().text == "How do I use a knife?"


def test_administrators_see_days_and_categories(client, staff, alice, service, judge):
    end_of(alice, "How do I use a knife?")
    client.force_login(staff)
    page = client.get("/console/moderation/").content.decode()
    assert "violence" in page and "high" in page and "gpt-test" in page


def test_for_others_there_is_no_such_page(client, alice):
    client.force_login(alice)
    assert client.get("/console/moderation/").status_code == 404


def test_a_stopped_question_is_not_kept_and_stays_in_its_box(client, alice, service, judge):
    """A refusal before anything is stored is what the composer shows, with the text still in it."""
    client.force_login(alice)
    response = client.post("/ask/", {"text": "How do I use a knife?"}, headers={"X-Requested-With": "fetch"})
    assert response.status_code == 400
    assert "violence, severity high" in json.loads(response.content)["error"]["reason"]
    assert not Message.objects.exists()


# Settings ------------------------------------------------------------------------------------------------------------
def test_openai_cannot_be_asked_about_a_deployment_of_azure(settings):
    settings.AZURE_OPENAI_ENDPOINT, settings.AZURE_OPENAI_API_KEY = "https://a.example", "secret"
    settings.AZURE_OPENAI_CHAT_DEPLOYMENT, settings.MODERATION = "chat", "openai"
    assert "project.E005" in [message.id for message in check_models()]


def test_a_limit_on_a_category_nobody_has_is_said_at_the_start(settings):
    settings.OPENAI_CHAT_MODEL, settings.OPENAI_API_KEY = "gpt-4o", "secret"
    settings.MODERATION, settings.MODERATION_LIMITS = "openai", {"graphic": 0.5}
    assert "project.E006" in [message.id for message in check_models()]


@pytest.mark.parametrize(("path", "code"), [("", "project.E007"), ("/nowhere/words.txt", "project.E008")])
def test_a_word_list_that_is_not_there_is_said_at_the_start(settings, path, code):
    settings.MODERATION, settings.MODERATION_WORDS = "words", path
    assert code in [message.id for message in check_models()]


@pytest.mark.parametrize("text", ["hate", "hate=", "hate=2", "hate=very", "=0.5"])
def test_a_limit_that_is_none_is_refused_by_its_name(monkeypatch, text):
    monkeypatch.setenv("LECTERN_MODERATION_LIMITS", text)
    with pytest.raises(ImproperlyConfigured, match="LECTERN_MODERATION_LIMITS"):
        limits("LECTERN_MODERATION_LIMITS")


def test_limits_are_scores_or_severities(monkeypatch):
    monkeypatch.setenv("LECTERN_MODERATION_LIMITS", "hate=medium, self-harm/intent=0.25")
    assert limits("LECTERN_MODERATION_LIMITS") == {"hate": "medium", "self-harm/intent": 0.25}


# What is not done ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "Ignore previous readings of the meter: what does the handbook say?",
        "What is the system prompt in chapter 3 of the manual?",
        "Act as a landlord would: when is the rent due?",
    ],
)
def test_a_question_that_sounds_like_an_attack_is_answered_like_any_other(alice, service, judge, text):
    add(alice)
    assert isinstance(end_of(alice, text), Done)
