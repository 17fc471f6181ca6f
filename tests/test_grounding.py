"""Answers whose passages the model's service finds by itself: kept, shown, checked, refused, and asked again here."""

import re
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from chat.answering import answer
from chat.checks import data_sources
from chat.conversations.conversing import Draft, ask, ask_again, begin, converse
from chat.conversations.turns import turn_of
from chat.events import Cite, Done, Failed, Found, Question, Status, Text
from chat.grounding import grounding
from chat.models import Citation, Message, State, web_address
from project.deployments import DeploymentsError, chosen
from project.models import Budget, Usage
from project.provider.calls import stream
from tests.fake_on_your_data import NOT_FOUND, FakeOnYourData, Finding, Reply
from tests.library import add, shared_collection

pytestmark = pytest.mark.django_db(transaction=True)

FILE = """
[connections.azure]
kind = "azure"
endpoint = "{url}"
api_version = "{version}"
key_variable = "DESK_KEY"

[deployments.desk]
connection = "azure"
base_model = "gpt-4o"
grounding = "data_sources"
data_source = "handbook"

[data_sources.handbook]
type = "azure_search"

[data_sources.handbook.parameters]
endpoint = "https://desk.search.windows.net"
index_name = "handbook"
authentication = {{ type = "api_key", key_variable = "SEARCH_KEY" }}
{more}
"""
RENT = Finding(
    "Rules of the house. The rent is due on the third working day of the month. Pets are welcome.",
    title="House rules",
    url="https://intra.example.org/rules.pdf",
    filepath="rules/house.pdf",
    chunk_id="7",
)
FEES = Finding("The fee for late payment is five euros.", title="Fees", url="javascript:alert(1)", chunk_id="1")
QUESTION = "When is the rent due?"


@pytest.fixture
def write(settings, tmp_path, monkeypatch):
    """Have the operator's file hold a data source."""
    monkeypatch.setenv("DESK_KEY", "geheim-desk")
    monkeypatch.setenv("SEARCH_KEY", "geheim-search")
    settings.AZURE_OPENAI_ENDPOINT = settings.OPENAI_CHAT_MODEL = ""

    def written(
        more: str = "", version: str = "2025-03-01-preview", url: str = "http://localhost:1", text=FILE
    ) -> None:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.toml"
        path.write_text(text.format(more=more, version=version, url=url))
        settings.DEPLOYMENTS_FILE = str(path)

    return written


@pytest.fixture
def service(write):
    with FakeOnYourData() as fake:
        write(url=fake.url)
        fake.replies = [Reply(["The rent is due on the third working day ", "of the month [doc", "1]."], [RENT, FEES])]
        yield fake
        assert fake.faults == []


async def events_of(question: Question) -> list:
    async with aclosing(answer(question)) as events:
        return [event async for event in events]


async def done_of(question: Question) -> Done:
    done = (await events_of(question))[-1]
    assert isinstance(done, Done), done
    return done


async def answered(user, grounding: str = "") -> Message:
    """The kept answer to the question, asked in a conversation."""
    from asgiref.sync import sync_to_async

    def put() -> Message:
        message = ask(begin(user, QUESTION, []), QUESTION, "k")
        if grounding:
            message = ask_again(message.question, grounding)
        message.claim()
        return message

    message = await sync_to_async(put)()
    async for _ in converse(message, Draft()):
        pass
    await sync_to_async(message.refresh_from_db)()
    return message


@pytest.fixture
def kept(alice, service):
    """The answer as it is kept; called in a test that is not async."""
    from asgiref.sync import async_to_sync

    return lambda **more: async_to_sync(answered)(alice, **more)


@pytest.fixture
def told(alice, service):
    """What answer() says of a question."""
    from asgiref.sync import async_to_sync

    return lambda text=QUESTION, **more: async_to_sync(events_of)(Question(text, alice, **more))


# The way of a question -----------------------------------------------------------------------------------------------
def test_the_index_goes_along_and_nothing_is_searched_here(told, service, alice):
    add(alice)
    told()
    sent = service.requests[0]["body"]
    assert sent["data_sources"][0]["parameters"]["authentication"] == {"type": "api_key", "key": "geheim-search"}
    assert sent["messages"] == [{"role": "user", "content": QUESTION}]


def test_what_the_service_found_becomes_the_numbered_passages(told):
    found = next(event for event in told() if isinstance(event, Found))
    assert [(each.document_id, each.document_title, each.outer_chunk) for each in found.passages] == [
        (None, "House rules", "7"),
        (None, "Fees", "1"),
    ]


def test_its_markers_are_our_numbers_wherever_they_are_cut(told, service):
    events = told()
    assert [event.number for event in events if isinstance(event, Cite)] == [1]
    assert "".join(event.text for event in events if isinstance(event, Text)).startswith("The rent is due on the third")


def test_a_number_that_was_never_offered_is_dropped(told, service):
    service.replies = [Reply(["So it is [doc3] and [doc0][doc2]."], [RENT, FEES, Finding("x", filter_reason="score")])]
    assert [event.number for event in told() if isinstance(event, Cite)] == [2]


def test_each_sentence_is_traced_to_its_words(told):
    done = told()[-1]
    (start, end), *_ = done.sources[0].marks
    assert RENT.content[start:end] == "The rent is due on the third working day of the month."
    assert [source.is_cited for source in done.sources] == [True, False]


def test_how_it_was_made_tells_queries_place_and_what_was_set_aside(told, service):
    aside = [Finding("far", filter_reason="score"), Finding("farther", filter_reason="rerank")]
    service.replies = [Reply(["Yes [doc1]."], [RENT, *aside], queries=["rent due date"])]
    done = told()[-1]
    how = dict(done.how)
    assert how["Searched by"] == "the model's service, in the index “handbook” of Azure AI Search"
    assert how["Searched for"] == "rent due date" and how["Found"] == "1 passages for the model"
    assert how["Set aside"] == "1 below the strictness, 1 beyond the number of passages"
    assert how["Answered by"].startswith("desk, ") and how["Answered by"].endswith("900 + 20 tokens")
    assert [source.passage.text for source in done.sources] == [RENT.content, "far", "farther"]


def test_the_service_is_asked_for_all_it_can_tell(told, service):
    told()
    asked = service.requests[0]["body"]["data_sources"][0]["parameters"]["include_contexts"]
    assert asked == ["citations", "intent", "all_retrieved_documents"]


def test_an_old_version_is_not_asked_for_what_it_does_not_know(told, service, write):
    write(version="2024-10-21", url=service.url)
    assert isinstance(told()[-1], Done)
    assert "include_contexts" not in service.requests[0]["body"]["data_sources"][0]["parameters"]


def test_what_was_said_before_and_what_a_program_says_go_along(told, service):
    from chat.prompts import Turn

    told(history=[Turn("Who owns it?", "The city[2].")], instructions="Be brief.")
    roles = [(each["role"], each["content"]) for each in service.requests[0]["body"]["messages"]]
    assert roles == [("system", "Be brief."), ("user", "Who owns it?"), ("assistant", "The city."), ("user", QUESTION)]


def test_a_question_narrowed_to_the_library_is_searched_in_the_library(told, service, alice):
    document = add(alice)
    done = told(documents=[document.pk])[-1]
    assert isinstance(done, Done) and {source.passage.document_id for source in done.sources} == {document.pk}
    assert not any("data_sources" in each["body"] for each in service.requests)


def test_an_answer_in_one_piece_is_read_the_same(write, service, alice):
    from asgiref.sync import async_to_sync

    deployment = chosen("desk")
    deployment = replace(deployment, base=replace(deployment.base, streaming=False))
    call = grounding.call_of(Question(QUESTION, alice), deployment, grounding.source_of(deployment))

    async def collect() -> list:
        async with aclosing(stream(call)) as pieces:
            return [piece async for piece in pieces]

    notice, found, text, tokens = async_to_sync(collect)()
    assert "streaming" in notice.sentence
    assert [each.title for each in found.citations] == ["House rules", "Fees"] and found.queries == ("is it so",)
    assert text == "The rent is due on the third working day of the month [doc1]." and tokens.output == 20


# Refusals and faults -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("findings", [[], [RENT]])
def test_what_is_not_in_the_index_is_refused_without_a_citation(told, service, findings):
    service.replies = [Reply([NOT_FOUND[:20], NOT_FOUND[20:]], findings)]
    events = told("Who painted the ceiling?")
    assert not any(isinstance(event, Text | Cite) for event in events)
    done = events[-1]
    assert done.is_refused and not any(source.is_cited for source in done.sources)
    assert "the index “handbook” of Azure AI Search" in done.notice


def test_words_that_only_begin_like_a_refusal_are_an_answer(told, service):
    service.replies = [Reply(["The requested ", "information is", " on page 3 [doc1]."], [RENT])]
    events = told()
    assert not events[-1].is_refused
    assert "".join(event.text for event in events if isinstance(event, Text)) == (
        "The requested information is on page 3 ."
    )


def test_an_empty_answer_is_a_refusal(told, service):
    service.replies = [Reply([], [RENT])]
    assert told()[-1].is_refused


def test_an_answer_without_a_source_says_so(told, service):
    service.replies = [Reply(["It is Monday."], [])]
    assert "No sentence of this answer names its source" in told()[-1].notice


def test_an_answer_that_breaks_off_keeps_what_was_written(kept, service):
    service.replies = [Reply(["The rent is due [doc1]"], [RENT], cut=True)]
    message = kept()
    assert (message.state, message.content) == (State.FAILED, "The rent is due[1]")
    assert message.citations.get(is_cited=True).title == "House rules"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Unrecognized request argument supplied: data_sources"),
        (400, "Validation error at #/data_sources: Extra inputs are not permitted"),
        (404, "Resource not found"),
        (410, "data_sources is gone"),
    ],
)
def test_a_service_that_is_gone_says_so_and_offers_our_own_search(told, service, status, said):
    service.replies = [Reply(status=status, error={"code": "x", "message": said})]
    failed = told()[-1]
    assert isinstance(failed, Failed) and failed.code == "data_sources_retired"
    assert "retired" in failed.sentence and "Lectern's own search" in failed.sentence


def test_another_fault_keeps_its_own_sentence(told, service):
    service.replies = [Reply(status=401)]
    failed = told()[-1]
    assert isinstance(failed, Failed) and failed.code == "key_refused"
    assert failed.sentence.startswith("The model service refuses the key of “desk”. An administrator must")


def test_a_parameter_the_service_refuses_is_no_retirement(told, service):
    said = "Validation error at #/data_sources/0/azure_search/parameters/filter: Invalid filter"
    service.replies = [Reply(status=400, error={"requestid": "a", "code": 400, "message": said})]
    assert told()[-1].code == "data_source_refused"


def test_the_key_of_an_index_goes_to_no_other_service(told, write, service):
    more = '\n[deployments.other]\nconnection = "azure"\nmodel = "spare"\n'
    write(
        url=service.url,
        text=FILE.replace('data_source = "handbook"', 'data_source = "handbook"\nfallback = "other"') + more,
    )
    service.replies = [Reply(status=401)]
    assert isinstance(told()[-1], Failed)
    assert [each["path"].split("/")[3] for each in service.requests] == ["desk"]


def test_a_spent_budget_stops_it_before_anything_is_sent(told, service, alice):
    Budget.objects.create(user=alice, unit="tokens", limit=900)
    told()
    service.requests.clear()
    assert told()[-1].code == "budget_spent" and service.requests == []


def test_what_it_cost_is_written_down_once(told, alice):
    told()
    usage = Usage.objects.get()
    assert (usage.input_tokens, usage.output_tokens, usage.user) == (900, 20, alice)


def test_one_click_asks_again_with_our_own_search(client, kept, service, alice):
    document = add(alice)
    service.replies = [Reply(status=404, error={"code": "404", "message": "data_sources"})]
    message = kept()
    client.force_login(alice)
    page = client.get(message.conversation.get_absolute_url()).content.decode()
    form = re.search(r'<form method="post" action="([^"]+)" data-again>.*?name="grounding" value="hybrid"', page, re.S)
    client.post(form[1], {"grounding": "hybrid"})
    again = Message.objects.filter(role="assistant").latest("created_at")
    assert again.pk != message.pk and again.state == State.DONE and again.grounding == "hybrid"
    assert set(again.citations.values_list("document", flat=True)) == {document.pk}
    assert len([each for each in service.requests if "data_sources" in each["body"]]) == 1


def test_an_answer_by_our_own_search_is_repeated_by_our_own_search(client, kept, service, alice):
    add(alice)
    message = kept(grounding="hybrid")
    client.force_login(alice)
    client.post(f"/answers/{message.pk}/again/")
    assert Message.objects.filter(role="assistant").latest("created_at").grounding == "hybrid"


def test_other_failures_offer_no_other_search(client, kept, service, alice):
    service.replies = [Reply(status=401)]
    message = kept()
    client.force_login(alice)
    assert "own search" not in client.get(message.conversation.get_absolute_url()).content.decode()


# What is kept and shown ----------------------------------------------------------------------------------------------
def test_an_external_source_is_kept_with_its_words(kept):
    message = kept()
    assert message.content == "The rent is due on the third working day of the month[1]."
    first, second = message.citations.order_by("number")
    assert (first.is_external, first.document, first.is_cited, first.outside) == (True, None, True, RENT.url)
    assert first.quote == "The rent is due on the third working day of the month."
    assert not second.is_cited and first.label == "House rules"


def test_an_external_source_is_never_called_gone(kept, alice):
    turn = turn_of(kept(), alice)
    assert [citation.is_gone for citation in turn.citations] == [False]
    assert "o longer available" not in turn.html and 'aria-label="Source 1: House rules"' in turn.html


def test_the_page_shows_its_words_and_no_page_number(client, kept, alice):
    message = kept()
    client.force_login(alice)
    page = client.get(message.conversation.get_absolute_url()).content.decode()
    assert '<span class="lit-text">The rent is due on the third working day of the month.</span>' in page
    assert "page 0" not in page and "p. 0" not in page


@pytest.mark.parametrize("part", ["", "?part=1"])
def test_its_text_is_shown_with_the_words_lit_and_a_way_out(client, kept, alice, part):
    message = kept()
    client.force_login(alice)
    shown = client.get(f"/answers/{message.pk}/sources/1/{part}").content.decode()
    assert '<mark class="lit" data-mark="0">The rent is due on the third working day of the month.</mark>' in shown
    link = re.search(rf'<a [^>]*href="{re.escape(RENT.url)}"[^>]*>', shown)[0]
    assert "noopener" in link


def test_an_address_that_is_none_of_the_web_is_no_link(client, kept, alice):
    message = kept()
    client.force_login(alice)
    shown = client.get(f"/answers/{message.pk}/sources/2/?part=1").content.decode()
    assert "javascript:alert(1)" in shown and "href" not in shown


def test_a_hostile_text_is_only_text(client, kept, service, alice):
    hostile = Finding("<img src=https://evil.example/x.png><script>x</script>\x00 Rent.", title="<b>T</b>", url="\x00")
    service.replies = [Reply(["Rent [doc1]. ![x](https://evil.example/y.png)"], [hostile])]
    message = kept()
    client.force_login(alice)
    pages = [f"/answers/{message.pk}/sources/1/", message.conversation.get_absolute_url()]
    for page in (client.get(url).content.decode() for url in pages):
        assert "<img src" not in page and "<script>x" not in page and "<b>T" not in page


def test_a_stranger_cannot_see_that_the_source_exists(client, kept, charlie):
    message = kept()
    client.force_login(charlie)
    assert client.get(f"/answers/{message.pk}/sources/1/").status_code == 404


def test_a_source_of_the_library_is_not_shown_this_way(client, kept, alice):
    document = add(alice)
    message = kept()
    Citation.objects.filter(message=message, number=1).update(is_external=False, document=document)
    client.force_login(alice)
    assert client.get(f"/answers/{message.pk}/sources/1/").status_code == 404


@pytest.mark.parametrize(
    "url",
    ["", "rules.pdf", "//evil.example", "javascript:x", "data:text/html,x", "https://", "http://[1]:2]", "ftp://x.org",
     "https://a.org\\@evil.example", "https://desk@evil.example", "https://x.org/\x00", "https://x.org/ b"],
)  # fmt: skip
def test_only_an_address_of_the_web_can_be_followed(url):
    assert web_address(url) == ""


def test_a_program_gets_the_citations_as_the_service_told_them(client, alice, service):
    from project.models import ApiKey

    headers = {"Authorization": f"Bearer {ApiKey.create(alice)[1]}"}
    body = {"model": "default", "messages": [{"role": "user", "content": QUESTION}]}
    message = client.post("/v1/chat/completions", body, "application/json", headers=headers).json()["choices"][0]
    assert message["message"]["content"] == "The rent is due on the third working day of the month [doc1]."
    assert message["message"]["context"]["citations"][0] == {
        "content": RENT.content,
        "title": "House rules",
        "url": RENT.url,
        "filepath": "rules/house.pdf",
        "chunk_id": "7",
    }
    assert message["message"]["context"]["citations"][1]["url"] is None


def test_who_waits_is_told_where_is_searched(told):
    stages = [event.text for event in told() if isinstance(event, Status)]
    assert stages == [
        "The model's service is searching the index “handbook” of Azure AI Search",
        "Read 2 passages",
    ]


# The operator's file -------------------------------------------------------------------------------------------------
def messages_of(checks) -> list[str]:
    return [each.msg for each in checks if each.id.startswith("chat.E")]


def test_a_data_source_that_can_be_sent_is_no_error(write):
    write()
    assert messages_of(data_sources()) == []


def test_a_start_says_that_the_service_was_retired(write):
    write()
    (warning,) = data_sources()
    assert warning.msg.startswith("deployments.desk: Microsoft retired") and "hybrid" in warning.hint


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("strictness = 9", "strictness: Input should be less than or equal to 5."),
        ('query_type = "vector"', "embedding_dependency: Field required when query_type is 'vector'."),
        ("colour = 1", "colour: Extra inputs are not permitted."),
        ('include_contexts = ["intent"]', "include_contexts must hold “citations”: answers are checked by it."),
    ],
)
def test_a_fault_in_a_data_source_is_one_line_at_the_start(write, more, said):
    write(more)
    (line,) = messages_of(data_sources())
    assert line.startswith("data_sources.handbook: ") and line.endswith(said)


def test_a_variable_that_is_not_set_is_named(write, monkeypatch):
    write()
    monkeypatch.delenv("SEARCH_KEY")
    (line,) = messages_of(data_sources())
    assert line == "data_sources.handbook.parameters.authentication: the variable SEARCH_KEY is not set."


def test_a_secret_may_not_stand_in_the_file(write):
    write(text=FILE.replace('key_variable = "SEARCH_KEY"', 'key = "geheim"'))
    (line,) = messages_of(data_sources())
    assert "write key_variable" in line and "geheim" not in line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('data_source = "handbook"', 'data_source = "other"', "deployments.desk: there is no data source “other”"),
        ('data_source = "handbook"', "", "deployments.desk: there is no data source “”"),
        ('grounding = "data_sources"', "", "deployments.desk: data_source needs grounding"),
        ('kind = "azure"', 'kind = "compatible"', "deployments.desk: data sources are searched by Azure OpenAI alone"),
    ],
)
def test_a_deployment_and_its_data_source_belong_together(write, old, new, said):
    write(text=FILE.replace(old, new))
    with pytest.raises(DeploymentsError, match=said):
        chosen("desk")


def test_settings_that_broke_since_the_start_are_told_to_who_asks(told, write, service):
    write("strictness = 9", url=service.url)
    failed = told()[-1]
    assert failed.code == "misconfigured" and "strictness" in failed.sentence


def test_no_secret_is_in_a_deployment_or_a_call(write, alice):
    write()
    deployment = chosen("desk")
    source = grounding.source_of(deployment)
    call = grounding.call_of(Question(QUESTION, alice), deployment, source)
    assert "geheim" not in f"{deployment!r} {source!r} {call!r}" and "geheim" in str(call.data_sources)


def test_collections_chosen_in_the_conversation_are_searched_here(alice, service, kept):
    collection = shared_collection(alice)
    add(alice, collection=collection)
    from asgiref.sync import async_to_sync

    done = async_to_sync(done_of)(Question(QUESTION, alice, collections=[collection.pk]))
    assert all(source.passage.document_id for source in done.sources)
    assert not any("data_sources" in each["body"] for each in service.requests)


def test_the_example_of_the_guide_works(write):
    guide = (Path(__file__).parent.parent / "docs" / "data-sources.md").read_text()
    example = re.search(r"```toml\n(.*?)```", guide, re.S)[1]
    write(text=example.replace("{", "{{").replace("}", "}}"))
    assert messages_of(data_sources()) == [] and chosen("desk").data_source == "handbook"
