"""Where one part of asking meets another: what each holds by itself, it holds together with the others."""

import pytest
from asgiref.sync import async_to_sync

from chat.batches.lines import Line
from chat.batches.working import begin as begin_batch
from chat.conversations.conversing import Draft, ask, begin, converse
from chat.events import Done, Failed
from chat.models import Batch, Message, ModerationEvent, State
from chat.tasks import work_batch
from project.models import Budget
from project.provider.pieces import Tokens
from project.spending import Payer, note
from tests.asking import QUESTION, end_of
from tests.fake_on_your_data import FakeOnYourData
from tests.fake_on_your_data import Finding as Outside
from tests.fake_on_your_data import Reply as OutsideReply
from tests.fake_openai import FakeOpenAI, Reply
from tests.fake_responses import Answer, FakeResponses
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
def outside(settings, tmp_path, monkeypatch):
    """A deployment whose service searches an index of its own."""
    monkeypatch.setenv("DESK_KEY", "geheim-desk")
    monkeypatch.setenv("SEARCH_KEY", "geheim-search")
    settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = ""
    with FakeOnYourData() as fake:
        path = tmp_path / "deployments.toml"
        path.write_text(
            f'[connections.azure]\nkind = "azure"\nendpoint = "{fake.url}"\napi_version = "2025-03-01-preview"\n'
            'key_variable = "DESK_KEY"\n[deployments.desk]\nconnection = "azure"\nbase_model = "gpt-4o"\n'
            'moderation = "filter"\ngrounding = "data_sources"\ndata_source = "handbook"\n'
            '[data_sources.handbook]\ntype = "azure_search"\n'
            '[data_sources.handbook.parameters]\nendpoint = "https://desk.search.windows.net"\n'
            'index_name = "handbook"\nauthentication = { type = "api_key", key_variable = "SEARCH_KEY" }\n'
        )
        settings.DEPLOYMENTS_FILE = str(path)
        fake.replies = [OutsideReply(["The rent is due in May [doc1]."], [Outside("The rent is due in May.")])]
        yield fake
        assert fake.faults == []


def answered(user, text: str = QUESTION) -> Message:
    message = ask(begin(user, text, []), text, "")
    assert message.claim()
    return written(message)


def written(message: Message) -> Message:
    async def run() -> None:
        async for _ in converse(message, Draft()):
            pass

    async_to_sync(run)()
    message.refresh_from_db()
    return message


def near(**of) -> None:
    Budget.objects.create(limit=1000, period="day", **of)


# Answers that are kept -----------------------------------------------------------------------------------------------
def test_an_answer_from_elsewhere_can_be_asked_for_twice_where_answers_are_kept(alice, outside, settings):
    settings.CACHE_ANSWERS_S = 600
    outside.replies *= 2
    assert isinstance(end_of(alice), Done)
    assert isinstance(end_of(alice), Done)


def test_a_warning_of_one_persons_budget_is_not_kept_for_another(alice, bob, outside, settings):
    settings.CACHE_ANSWERS_S = 600
    outside.replies *= 2
    near(user=alice)
    note("desk", Payer(user_id=alice.pk), Tokens(900, 0))
    assert "alice" in end_of(alice).notice
    assert "alice" not in end_of(bob).notice


# What is sent ---------------------------------------------------------------------------------------------------------
LONG = "Answer like a sailor. " * 20_000


def test_a_service_that_searches_is_sent_no_more_than_the_operator_allows(alice, outside):
    assert end_of(alice, instructions=LONG).code == "context_length_exceeded"
    assert outside.requests == []


@pytest.fixture
def desk(service, settings, tmp_path, monkeypatch):
    """A deployment that uses tools."""
    monkeypatch.setenv("DESK_KEY", "secret")
    path = tmp_path / "deployments.toml"
    path.write_text(
        f'[connections.here]\nkind = "compatible"\nendpoint = "{service.url}/v1"\n'
        'key_variable = "DESK_KEY"\n[deployments.desk]\nconnection = "here"\nmodel = "gpt-test"\ntools = true\n'
    )
    settings.DEPLOYMENTS_FILE = str(path)
    return service


def test_a_budget_that_a_first_step_spends_stops_the_next(alice, desk):
    add(alice)
    Budget.objects.create(limit=50, period="day", user=alice)
    function = {"name": "list_documents", "arguments": '{"name": null, "page": 1}'}
    called = [{"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": function}]}]
    desk.replies = [Reply(deltas=called, finish="tool_calls"), Reply(pieces=["In May [1]."])]
    failed = end_of(alice, deployment="desk")
    assert failed.code == "budget_spent" and failed.retry_after and len(desk.requests) == 1


def test_a_model_with_tools_is_sent_no_more_than_the_operator_allows(alice, desk):
    assert end_of(alice, deployment="desk", instructions=LONG).code == "context_length_exceeded"
    assert desk.requests == []


def test_the_console_shows_where_a_service_searches_and_no_key(client, staff, outside):
    client.force_login(staff)
    page = client.get("/console/models/").content.decode()
    assert all(told in page for told in ("handbook", "https://desk.search.windows.net", "SEARCH_KEY"))
    assert "geheim" not in page


# What is written of an answer ----------------------------------------------------------------------------------------
def test_several_budgets_that_are_nearly_spent_do_not_cost_the_answer(alice, service):
    add(alice)
    near(user=alice)
    near()
    Budget.objects.create(limit=1000, period="month", user=alice)
    Budget.objects.create(limit=1000, period="month")
    note("gpt-test", Payer(user_id=alice.pk), Tokens(900, 0))
    assert answered(alice).state == State.DONE


def test_letters_that_no_database_takes_do_not_leave_an_answer_without_end(alice, service):
    add(alice)
    service.replies = [Reply(pieces=["In\x00 May", " [1]."])]
    message = answered(alice)
    assert (message.state, message.content.count("May")) == (State.DONE, 1)


# The three ways to an answer ----------------------------------------------------------------------------------------
SENTENCE = "The rent is due on the third working day of the month."


def kept(message: Message) -> tuple:
    """What is kept of an answer, but for who wrote it and when."""
    rows = message.citations.values()
    own = {"id", "message_id", "public_id"}
    citations = [{name: value for name, value in row.items() if name not in own} for row in rows]
    return message.state, message.content, message.proofs, message.queries, citations


def test_each_way_to_an_answer_keeps_the_same_of_it(alice, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("DESK_KEY", "secret")
    add(alice)
    found = []
    with FakeOpenAI() as chat, FakeResponses() as responses:
        chat.replies, responses.answers = [Reply(pieces=[SENTENCE, " [1", "]"])], [Answer([SENTENCE, " [1", "]"])]
        for api, url in {"chat": chat.url, "responses": responses.url, "": ""}.items():
            (tmp_path / f"{api}.toml").write_text(
                f'default = "desk"\n[connections.here]\nkind = "compatible"\nendpoint = "{url}/v1"\n'
                f'key_variable = "DESK_KEY"\n[deployments.desk]\nconnection = "here"\napi = "{api}"\n'
            )
            settings.DEPLOYMENTS_FILE = str(tmp_path / f"{api}.toml") if api else ""
            found.append(kept(answered(alice)))
        assert (len(chat.requests), len(responses.asked)) == (1, 1) and chat.faults == responses.faults == []
    by_chat, by_responses, extractive = found
    assert by_chat == by_responses == extractive
    assert by_chat[0] == State.DONE and SENTENCE in by_chat[1] and [row["is_cited"] for row in by_chat[4]] == [True]


# Summaries -----------------------------------------------------------------------------------------------------------
def test_nothing_is_summed_up_for_whom_nothing_is_left(alice, service, settings):
    settings.SUMMARISE_HISTORY = True
    add(alice)
    row = begin(alice, "Rent", [])
    for number in range(7):
        ask(row, f"When is the rent due, question {number}?", f"k{number}").end("done", content="In May.[1]")
    Budget.objects.create(limit=100, period="day", user=alice)
    note("gpt-test", Payer(user_id=alice.pk), Tokens(900, 0))
    message = ask(row, QUESTION, "")
    message.claim()
    assert written(message).failure == "budget_spent"
    assert service.requests == []


# Moderation ----------------------------------------------------------------------------------------------------------
def test_a_question_with_a_letter_that_no_database_takes_is_stopped_like_any_other(client, alice, settings, tmp_path):
    (tmp_path / "words.txt").write_text("bluebird\n")
    settings.MODERATION, settings.MODERATION_WORDS = "words", str(tmp_path / "words.txt")
    settings.MODERATION_KEEP_TEXT = True
    client.force_login(alice)
    asked = client.post("/ask/", {"text": "bluebird\x00", "client_key": "k"}, headers={"X-Requested-With": "fetch"})
    assert asked.status_code == 400


HATE = {"hate": {"filtered": False, "severity": "high"}}


def test_an_answer_that_the_filter_finds_too_much_in_is_taken_back(alice, service, settings):
    settings.MODERATION, settings.MODERATION_LIMITS = "filter", {"hate": "medium"}
    add(alice)
    service.replies = [Reply(filtered=HATE)]
    message = answered(alice)
    assert (message.state, message.failure, message.content) == (State.FAILED, "AnswerBlocked", "")
    assert ModerationEvent.objects.get().category == "hate"


def test_a_stricter_limit_holds_where_the_service_itself_searches(alice, outside, settings):
    settings.MODERATION_LIMITS = {"hate": "medium"}
    outside.replies[0].filtered = HATE
    failed = end_of(alice)
    assert isinstance(failed, Failed) and (failed.code, failed.withdraws) == ("AnswerBlocked", True)
    assert ModerationEvent.objects.get().category == "hate"


# Batches -------------------------------------------------------------------------------------------------------------
def test_a_batch_of_somebody_who_was_shut_out_asks_nothing_more(alice, service):
    add(alice)
    batch = begin_batch(alice, "q.jsonl", [Line(id="1", question=QUESTION)], deployment="", limit_cost=None)
    alice.is_active = False
    alice.save()
    work_batch(str(batch.pk))
    assert (service.requests, Batch.objects.get().state) == ([], Batch.State.CANCELED)


# What cannot be used as it is set up ---------------------------------------------------------------------------------
@pytest.fixture
def broken(service, settings, tmp_path):
    """The operator's catalogue of models is no JSON any more, while Lectern runs."""
    (tmp_path / "catalogue.json").write_text("{")
    settings.CATALOGUE_FILE = str(tmp_path / "catalogue.json")


def test_a_broken_catalogue_is_said_in_the_answer(alice, broken):
    message = answered(alice)
    assert (message.state, message.failure) == (State.FAILED, "DeploymentsError")


def test_a_question_is_taken_while_the_catalogue_is_broken(client, alice, broken):
    client.force_login(alice)
    given = {"text": QUESTION, "client_key": "k"}
    assert client.post("/ask/", given, headers={"X-Requested-With": "fetch"}).status_code == 200
    assert client.post("/ask/estimate/", given).status_code == 204


def test_pages_stand_while_the_catalogue_is_broken(client, alice, staff, broken):
    client.force_login(staff)
    pages = [
        "/",
        "/console/models/",
        "/console/wording/?text=Why",
        "/console/batches/",
        "/console/moderation/",
        "/usage/",
    ]
    assert [client.get(page).status_code for page in pages] == [200] * len(pages)
