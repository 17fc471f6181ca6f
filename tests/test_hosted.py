"""Answers found at the service: by file_search and by code over tables, with our own pages as their sources."""

import asyncio

import pytest
from django.core.management import call_command

from chat.answering import answer
from chat.conversations.conversing import Draft, begin, converse
from chat.conversations.conversing import ask as put
from chat.conversations.turns import turn_of
from chat.events import Cite, Done, Failed, Found, Question, Ran
from chat.grounding.hosted import quoted_passages, tables_of
from chat.models import Message
from documents.models import Document, RemoteFile
from project.deployments import chosen
from project.models import Budget, Usage
from project.provider import stores as wire
from project.provider.pieces import Retrieved, ServiceCitation, Tokens
from project.spending import Payer, note
from tests.fake_responses import Answer, FakeResponses
from tests.library import RENT, add, shared_collection

SALES = b"item,sum\npipe,480\nlamp,20\n"
PETS = b"# Pets\n\nA dog needs a written permission of the landlord.\n"
ASKED = "When is the rent due?"


@pytest.fixture
def service(settings, monkeypatch, tmp_path, transactional_db):
    monkeypatch.setattr(wire, "RETRIES", 0)
    with FakeResponses() as fake:
        settings.DEPLOYMENTS_FILE = str(tmp_path / "deployments.toml")
        monkeypatch.setenv("DESK_KEY", "secret")
        (tmp_path / "deployments.toml").write_text(
            f'[connections.here]\nkind = "openai"\nendpoint = "{fake.url}/v1"\nkey_variable = "DESK_KEY"\n'
            '[deployments.desk]\nconnection = "here"\nmodel = "gpt-5-mini"\napi = "responses"\n'
            'grounding = "file_search"\ncode_interpreter = true\n'
            '[deployments.plain]\nconnection = "here"\nmodel = "gpt-5-mini"\napi = "responses"\n'
        )
        yield fake
        assert fake.faults == []


@pytest.fixture
def shared(service, alice, bob):
    collection = shared_collection(alice, bob)
    add(alice, RENT, "rules.md", collection)
    call_command("vector_store", "create", "Shared", "--deployment", "desk", "--user", "alice", "--json")
    return collection


def searching(service, text: str = "The rent is due on the third working day of the month."):
    """An answer that quotes the best result, as the service would."""

    def respond(body: dict) -> Answer:
        (tool,) = [tool for tool in body["tools"] if tool["type"] == "file_search"]
        results = service.stores.search(tool["vector_store_ids"], body["input"][-1]["content"])
        quotes = {0: (results[0]["file_id"], results[0]["filename"])} if results else {}
        return Answer([text], results=results, queries=["rent due"], quotes=quotes)

    return respond


def events_of(question: Question) -> list:
    async def collect() -> list:
        return [event async for event in answer(question)]

    return asyncio.run(collect())


# file_search ---------------------------------------------------------------------------------------------------------
def test_what_the_service_quotes_is_cited_with_its_words_on_our_page(service, shared, bob):
    service.answers = [searching(service)]
    *events, done = events_of(Question(ASKED, bob, deployment="desk"))
    draft = Draft()
    for event in events:
        draft.take(event)
    assert draft.content == "The rent is due on the third working day of the month.[1]"
    (source,) = [source for source in done.sources if source.is_cited]
    page = Document.objects.get().pages_live().get()
    assert [page.text[start:end] for start, end in source.marks] == [
        "The rent is due on the third working day of the month."
    ]
    assert ("Searched for", "rent due") in done.how and (done.tokens.input, done.tokens.cached) == (321, 64)


def test_only_stores_of_collections_the_person_may_read_are_searched(service, shared, alice, charlie):
    own = shared_collection(charlie, name="Own")
    add(charlie, PETS, "pets.md", own)
    call_command("vector_store", "create", "Own", "--deployment", "desk", "--user", "charlie", "--json")
    service.answers = [searching(service), searching(service)]
    events_of(Question(ASKED, charlie, deployment="desk"))
    events_of(Question(ASKED, alice, deployment="desk"))
    searched = [body["tools"][0]["vector_store_ids"] for body in service.asked]
    assert searched == [[own.vector_stores.get().remote_id], [shared.vector_stores.get().remote_id]]


def test_a_question_narrowed_to_a_collection_searches_that_alone(service, shared, alice):
    other = shared_collection(alice, name="Other")
    (failed,) = [
        event for event in events_of(Question(ASKED, alice, [other.pk], deployment="desk")) if isinstance(event, Failed)
    ]
    assert "none there of a collection you may read" in failed.sentence and service.asked == []


def test_what_was_deleted_here_is_out_of_the_store_before_anything_is_asked(service, shared, alice):
    add(alice, PETS, "pets.md", shared)
    call_command("vector_store", "update", "Shared", "--deployment", "desk", "--user", "alice", "--json")
    Document.objects.filter(name="rules.md").update(deleted_at="2026-01-01T00:00:00Z")
    service.answers = [searching(service)]
    events_of(Question(ASKED, alice, deployment="desk"))
    (held,) = service.stores.stores.values()
    assert [service.stores.files[one].name for one in held] == ["pets.md.txt"]


def test_the_service_is_sent_no_more_than_the_operator_allows(service, shared, alice):
    question = Question(ASKED, alice, deployment="desk", instructions="Answer like a sailor. " * 20_000)
    assert events_of(question)[-1].code == "context_length_exceeded" and service.asked == []


def test_a_warning_of_one_persons_budget_is_not_kept_for_another(service, shared, alice, bob, settings):
    settings.CACHE_ANSWERS_S = 600
    Budget.objects.create(user=alice, limit=1_000, period="day")
    note("desk", Payer(user_id=alice.pk), Tokens(900, 0))
    service.answers = [searching(service), searching(service)]
    assert "alice" in events_of(Question(ASKED, alice, deployment="desk"))[-1].notice
    assert "alice" not in events_of(Question(ASKED, bob, deployment="desk"))[-1].notice


def test_a_result_of_a_document_that_may_not_be_read_any_more_is_dropped(service, shared, bob, charlie):
    file = RemoteFile.objects.get()
    told = Retrieved([ServiceCitation("The rent is due on the third working day", file_id=file.file_id)])
    assert len(quoted_passages(Question(ASKED, bob), chosen("desk"), told)) == 1
    assert quoted_passages(Question(ASKED, charlie), chosen("desk"), told) == []


def test_a_quotation_that_stands_nowhere_cites_the_document_without_words(service, shared, bob):
    file = RemoteFile.objects.get()
    told = Retrieved([ServiceCitation("Words that the service has made up by itself.", file_id=file.file_id)])
    ((_, passage),) = quoted_passages(Question(ASKED, bob), chosen("desk"), told)
    assert (passage.document_name, passage.page_number, passage.text) == ("rules.md", 1, "")


def test_a_question_the_files_do_not_answer_is_refused(service, shared, bob):
    service.answers = [searching(service, "NOT_IN_DOCUMENTS")]
    *events, done = events_of(Question("When does the tenant pay the rent for pets?", bob, deployment="desk"))
    assert done.is_refused and not any(hasattr(event, "text") and "NOT_IN" in event.text for event in events)


def test_a_question_narrowed_to_documents_is_searched_by_ourselves(service, shared, alice):
    scope = [Document.objects.get().pk]
    service.answers = [Answer(["The rent is due on the third working day of the month. [1]"])]
    done = events_of(Question(ASKED, alice, documents=scope, deployment="desk"))[-1]
    (asked,) = service.asked
    assert "tools" not in asked and "third working day" in asked["input"][-1]["content"]
    assert [source.is_cited for source in done.sources] == [True]


def test_one_place_cites_one_source_once(service, shared, alice):
    def twice(body: dict) -> Answer:
        results = service.stores.search(body["tools"][0]["vector_store_ids"], "rent")
        quote = (results[0]["file_id"], "rules.md.txt")
        return Answer(["The rent is due.", ""], results=results, quotes={0: quote, 1: quote})

    service.answers = [twice]
    events = events_of(Question(ASKED, alice, deployment="desk"))
    assert [event.number for event in events if isinstance(event, Cite)] == [1]


def test_a_busy_service_ends_in_its_sentence(service, shared, alice):
    service.answers = [Answer(failed="server_error")]
    failed = events_of(Question(ASKED, alice, deployment="desk"))[-1]
    assert isinstance(failed, Failed) and "busy" in failed.sentence


def test_citations_of_the_service_are_kept_and_open_like_our_own(service, shared, alice, client):
    service.answers = [searching(service)]
    message = converse_about(alice, shared)
    citation = message.citations.get(number=1)
    assert citation.is_cited and citation.quote == "The rent is due on the third working day of the month."
    client.force_login(alice)
    assert client.get(citation.url).status_code == 200
    file = RemoteFile.objects.get()
    told = Retrieved([ServiceCitation("Words that nobody wrote on any page here.", file_id=file.file_id)])
    ((_, passage),) = quoted_passages(Question(ASKED, alice), chosen("desk"), told)
    citation.start, citation.end, citation.marks = passage.start, passage.end, []
    assert client.get(citation.url).status_code == 200


def converse_about(user, collection, text: str = ASKED, deployment: str = "desk") -> Message:
    conversation = begin(user, text, [collection])
    conversation.deployment = deployment
    conversation.save()
    message = put(conversation, text, "key")
    message.claim()

    async def run() -> None:
        async for _ in converse(message, Draft()):
            pass

    asyncio.run(run())
    message.refresh_from_db()
    return message


# Code over tables ----------------------------------------------------------------------------------------------------
@pytest.fixture
def sales(service, alice, bob):
    collection = shared_collection(alice, bob, name="Sales")
    add(alice, SALES, "sales.csv", collection)
    return collection


SUM = "What is the sum of all items?"


def computing(service, **more):
    """An answer by code; what lies at the service while it runs is kept in `seen`."""
    seen: list[bytes] = []

    def respond(body: dict) -> Answer:
        seen.extend(service.stores.files[one].content for one in body["tools"][0]["container"]["file_ids"])
        return Answer(["The sum is 500. [1]"], runs=[("print(480 + 20)", "500\n")], **more)

    return respond, seen


def test_a_sum_over_a_table_comes_with_its_code_and_its_source(service, sales, bob):
    respond, seen = computing(service)
    service.answers = [respond]
    *events, done = events_of(Question(SUM, bob, [sales.pk], deployment="desk"))
    assert seen == [SALES] and Ran("print(480 + 20)", "500\n") in events
    (source,) = done.sources
    assert source.is_cited and source.passage.document_name == "sales.csv" and "480" in source.passage.text
    assert ("Computed", "by code at the service: 1 run over 1 file") in done.how


def test_what_the_service_bills_is_written_down_for_whoever_asked(service, sales, bob):
    service.answers = [computing(service)[0]]
    events_of(Question(SUM, bob, [sales.pk], deployment="desk"))
    (row,) = Usage.objects.filter(purpose="answer")
    assert (row.user, row.collection_id, row.deployment) == (bob, sales.pk, "desk")
    told = (row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens)
    assert told == (321, 64, 12, 4) and len(service.billed) == 1 and not row.is_estimate


def test_a_spent_budget_stops_it_before_anything_is_sent(service, sales, bob):
    Budget.objects.create(user=bob, limit=1, period="day")
    Usage.objects.create(user=bob, deployment="desk", input_tokens=500, cost=5)
    failed = events_of(Question(SUM, bob, [sales.pk], deployment="desk"))[-1]
    assert isinstance(failed, Failed) and failed.code == "budget_spent" and service.requests == []


def test_the_files_are_deleted_at_the_service_when_the_answer_is_there(service, sales, bob):
    service.answers = [computing(service)[0]]
    events_of(Question(SUM, bob, [sales.pk], deployment="desk"))
    assert service.stores.files == {}
    uploads = [one for one in service.requests if one["path"] == "/v1/files"]
    assert len(uploads) == 1


def test_numbers_that_no_code_has_computed_are_said_to_be_so(service, sales, bob):
    service.answers = [Answer(["The sum is 501. [1]"])]
    done = events_of(Question(SUM, bob, [sales.pk], deployment="desk"))[-1]
    assert done.notice == "No code was run for this answer: check its numbers before you rely on them."


@pytest.mark.parametrize("answer_", [Answer(status=403), Answer(failed="server_error"), Answer(["The"], cut=True)])
def test_the_files_are_deleted_when_the_answer_fails_too(service, sales, bob, answer_):
    service.answers = [answer_]
    assert isinstance(events_of(Question(SUM, bob, [sales.pk], deployment="desk"))[-1], Failed)
    assert service.stores.files == {}


def test_sending_tables_takes_no_longer_than_an_answer_may(service, sales, bob, monkeypatch):
    monkeypatch.setattr("chat.grounding.hosted.ANSWER_SECONDS", 0)
    failed = events_of(Question(SUM, bob, [sales.pk], deployment="desk"))[-1]
    assert isinstance(failed, Failed) and failed.code == "timeout"
    assert service.stores.files == {} and service.billed == []


def test_a_stopped_answer_deletes_its_files(service, sales, bob):
    service.answers = [Answer(["word "] * 400, pause_s=0.01)]

    async def stop_early() -> None:
        events = answer(Question(SUM, bob, [sales.pk], deployment="desk"))
        async for event in events:
            if isinstance(event, Found):
                break
        await events.aclose()

    asyncio.run(stop_early())
    assert service.stores.files == {}


def test_code_is_kept_with_the_answer_and_shown_escaped_and_collapsed(service, sales, alice, client):
    hostile = Answer(["500. [1]"], runs=[("</code><script>alert(1)</script>", "<img src=x>")])
    service.answers = [hostile]
    message = converse_about(alice, sales, SUM)
    assert message.runs == [{"code": "</code><script>alert(1)</script>", "output": "<img src=x>"}]
    client.force_login(alice)
    page = client.get(message.conversation.get_absolute_url()).content.decode()
    assert (
        "&lt;/code&gt;&lt;script&gt;alert(1)" in page and "<script>alert(1)" not in page and "<img src=x>" not in page
    )
    assert '<details class="run">' in page and turn_of(message, alice).runs


def test_tables_beside_other_documents_are_not_computed(service, sales, alice):
    assert len(tables_of(Question(SUM, alice, [sales.pk]))) == 1
    add(alice, RENT, "rules.md", sales)
    assert tables_of(Question(SUM, alice, [sales.pk])) == [] == tables_of(Question(SUM, alice))


def test_a_table_that_may_not_be_read_goes_nowhere(service, sales, charlie):
    assert tables_of(Question(SUM, charlie, [sales.pk])) == []


def test_a_table_with_withheld_words_goes_nowhere_until_an_editor_trusts_it(service, sales, alice):
    page = Document.objects.get().pages_live().get()
    page.findings = [[0, 4, "instruction", "It speaks to a model."]]
    page.save()
    assert tables_of(Question(SUM, alice, [sales.pk])) == []
    Document.objects.update(trusted_at="2026-01-01T00:00:00Z")
    assert len(tables_of(Question(SUM, alice, [sales.pk]))) == 1


def test_where_no_code_runs_an_answer_on_tables_says_so(service, sales, alice, settings):
    settings.DEPLOYMENTS_FILE = ""
    done = events_of(Question("Which item costs 480?", alice, [sales.pk]))[-1]
    assert (
        isinstance(done, Done)
        and ("Computed", "Nothing: this model runs no code. Numbers are read from the passages; check sums yourself.")
        in done.how
    )


# Budgets -------------------------------------------------------------------------------------------------------------
def test_a_spent_budget_stops_what_the_service_would_search(service, shared, alice):
    Budget.objects.create(user=alice, limit=100)
    note("desk", Payer(user_id=alice.pk), Tokens(100, 0))
    (failed,) = events_of(Question(ASKED, alice, deployment="desk"))
    assert failed.code == "budget_spent" and service.asked == []


def test_near_the_end_of_a_budget_an_answer_of_the_service_says_so(service, shared, alice):
    Budget.objects.create(user=alice, limit=100_000)
    note("desk", Payer(user_id=alice.pk), Tokens(85_000, 0))
    service.answers = [searching(service)]
    assert "is spent to 85 %" in events_of(Question(ASKED, alice, deployment="desk"))[-1].notice
