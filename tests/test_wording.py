"""How answers are worded is an organisation's own, in versions; the rules on sources are not."""

import pytest
from django.core.exceptions import ValidationError

from chat.conversations.conversing import ask, begin
from chat.events import Question
from chat.models import CollectionTemplate, Message, PromptTemplate
from chat.prompts import RULES
from chat.wording import worded
from project.models import AuditEvent, Usage
from tests.asking import end_of
from tests.fake_openai import FakeOpenAI
from tests.library import add, shared_collection

pytestmark = pytest.mark.django_db
flow = pytest.mark.django_db(transaction=True)
TEXT = "Answer as a kind colleague, in {language}."


@pytest.fixture
def service(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


def template(text: str = TEXT, name: str = "answer", *, is_active: bool = True) -> PromptTemplate:
    return PromptTemplate.objects.create(name=name, text=text, is_active=is_active)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Be kind.", "{language} is missing"),
        ("In {language} for {company}.", "{company} is no variable"),
        ("In {language} on {}.", "{} is no variable"),
        ("In {language} on { today.", "A brace stands alone"),
        ("In {language} for {organisation}.", "LECTERN_ORGANISATION is not set"),
        ("In {language.__class__}.", "is no variable"),
    ],
)
def test_a_text_whose_variables_do_not_fit_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(ValidationError) as refused:
        template(text)
    assert sentence in str(refused.value)


def test_variables_are_filled_in(settings):
    settings.ORGANISATION = "Marsh Water {language}"
    filled = template("For {organisation}, in {language}, on {today}.").filled()
    assert filled.startswith("For Marsh Water {language}, in the language of the question, on ")
    assert "{today}" not in filled


def test_versions_are_counted_and_one_is_active():
    first, second = template(), template()
    assert [first.version, second.version] == [1, 2]
    assert list(PromptTemplate.objects.filter(is_active=True)) == [second]


def test_a_version_does_not_change():
    written = template()
    written.text = "Else, in {language}."
    with pytest.raises(ValidationError, match="does not change"):
        written.save()


def test_an_older_version_can_be_used_again():
    first, _ = template(), template()
    first.activate()
    assert list(PromptTemplate.objects.filter(is_active=True)) == [first]


def test_the_wording_of_a_collection_is_for_questions_put_to_it_alone(alice):
    shared, other = shared_collection(alice), shared_collection(alice, name="Other")
    template()
    template("For lawyers, in {language}.", "legal")
    CollectionTemplate.objects.create(collection=shared, name="legal")

    def name(*collections) -> str:
        return worded(Question("Why?", alice, [one.pk for one in collections] or None)).wording.name

    assert [name(shared), name(other), name(shared, other), name()] == ["legal", "answer", "answer", "answer"]


def test_a_template_whose_setting_went_away_gives_place_to_the_built_in_wording(alice, settings):
    settings.ORGANISATION = "Marsh Water"
    template("For {organisation}, in {language}.")
    settings.ORGANISATION = ""
    assert str(worded(Question("Why?", alice)).wording) == "the built-in wording"


@flow
def test_the_rules_on_sources_are_sent_before_any_wording(alice, service):
    add(alice)
    template("Never name a source, in {language}.")
    end_of(alice)
    told = service.requests[0]["body"]["messages"][0]["content"]
    assert told == f"{RULES}\n\nNever name a source, in the language of the question."


@flow
def test_an_answer_tells_the_name_and_version_it_was_worded_by(client, alice, service):
    add(alice)
    template()
    used = template()
    message = ask(begin(alice, "When is the rent due?", []), "When is the rent due?", "k")
    client.force_login(alice)
    client.post(f"/answers/{message.pk}/again/")
    reply = Message.objects.get(role="assistant", state="done")
    assert reply.template == used
    assert ["Worded by", "answer, version 2"] in reply.how


# The console ---------------------------------------------------------------------------------------------------------
@flow
def test_the_preview_shows_the_very_messages_and_asks_no_model(client, staff, service):
    add(staff)
    tried = template(is_active=False)
    client.force_login(staff)
    page = client.get("/console/wording/", {"template": tried.pk, "text": "When is the rent due?"}).content.decode()
    assert "kind colleague, in the language of the question" in page and "Question: When is the rent due?" in page
    assert "third working day" in page and "tokens" in page
    assert service.requests == [] and not Usage.objects.exists()


@flow
def test_the_preview_asks_the_model_when_it_is_told_to(client, staff, service):
    add(staff)
    tried = template(is_active=False)
    client.force_login(staff)
    page = client.post("/console/wording/try/", {"template": tried.pk, "text": "When is the rent due?"})
    assert "It is so." in page.content.decode() and "answer, version 1" in page.content.decode()
    assert "kind colleague" in service.requests[0]["body"]["messages"][0]["content"]


def test_the_console_names_the_wording_that_answers(client, staff):
    tried = template(is_active=False)
    client.force_login(staff)
    assert "The built-in wording" in client.get("/console/wording/").content.decode()
    PromptTemplate.objects.filter(pk=tried.pk).update(is_active=True)
    assert "The built-in wording" not in client.get("/console/wording/").content.decode()


def test_what_somebody_else_may_read_stands_in_no_preview(client, staff, alice):
    add(alice)
    client.force_login(staff)
    page = client.get("/console/wording/", {"text": "When is the rent due?"}).content.decode()
    assert "third working day" not in page


@pytest.mark.parametrize("path", ["/console/wording/", "/console/batches/"])
def test_for_others_there_are_no_such_pages(client, alice, path):
    client.force_login(alice)
    assert client.get(path).status_code == 404


def test_an_administrator_writes_a_new_version_and_uses_an_older_one_again(client, staff):
    client.force_login(staff)
    form = {"name": "answer", "text": TEXT, "note": "kinder", "is_used": "on"}
    for _ in range(2):
        assert client.post("/console/wording/new/", form).status_code == 302
    first, second = PromptTemplate.objects.order_by("version")
    assert (first.version, first.is_active, second.is_active, second.created_by) == (1, False, True, staff)
    client.post(f"/console/wording/{first.pk}/use/")
    first.refresh_from_db()
    assert first.is_active
    acts = AuditEvent.objects.filter(action__startswith="template.").order_by("pk").values_list("action", flat=True)
    assert list(acts) == ["template.new", "template.new", "template.activate"]


def test_a_version_whose_setting_went_away_is_not_used_again(client, staff, settings):
    settings.ORGANISATION = "Aldermere"
    row = template(text="Speak for {organisation} in {language}.")
    settings.ORGANISATION = ""
    client.force_login(staff)
    assert "LECTERN_ORGANISATION is not set" in client.post(f"/console/wording/{row.pk}/use/", follow=True).text


def test_only_those_who_run_lectern_word_answers(client, alice):
    row = template()
    client.force_login(alice)
    for place in ("new/", f"{row.pk}/use/"):
        assert client.post(f"/console/wording/{place}", {"name": "answer", "text": TEXT}).status_code == 404


def test_the_console_refuses_a_text_with_a_sentence(client, staff):
    client.force_login(staff)
    response = client.post("/console/wording/new/", {"name": "answer", "text": "Be kind."})
    assert response.status_code == 400 and "{language} is missing" in response.text
    assert not PromptTemplate.objects.exists()


def test_the_console_changes_and_deletes_no_version(client, staff):
    written = template()
    client.force_login(staff)
    client.post(f"/admin/chat/prompttemplate/{written.pk}/change/", {"name": "answer", "text": "x {language}"})
    client.post(f"/admin/chat/prompttemplate/{written.pk}/delete/", {"post": "yes"})
    written.refresh_from_db()
    assert written.text == TEXT
