"""What one does with a conversation: its versions, the list, links, thumbs and files to take along."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat.conversations.branches import branch
from chat.conversations.conversing import ask, ask_again, begin
from chat.conversations.history import turns_before
from chat.models import Conversation, Feedback, Message, Share, State
from chat.pacing import Pace
from documents import intake
from tests.library import RENT, add, shared_collection

pytestmark = pytest.mark.django_db

FETCH = {"X-Requested-With": "fetch"}
DUE = "The rent is due on the third working day of the month."


def said(message: Message, text: str, *documents) -> Message:
    """Give an answer its end, with a source for each document."""
    for number, document in enumerate(documents, 1):
        page = document.pages_live().get(number=1)
        start = page.text.index("The rent is due") if "The rent is due" in page.text else 0
        message.citations.create(
            number=number, document=document, title=document.title, page_number=1, start=start,
            end=start + len(DUE), text=page.text[start : start + len(DUE)], marks=[[start, start + len(DUE)]],
        )  # fmt: skip
    message.end(State.DONE, content=text)
    return message


def asked(row: Conversation, text: str, answer: str = "", **more) -> Message:
    return said(ask(row, text, "", **more), answer or f"About {text}")


def shown(row: Conversation, at=None) -> list[str]:
    return [f"{step.question.content}: {step.answer.content}" for step in branch(row.messages.all(), at)]


@pytest.fixture
def row(alice) -> Conversation:
    return begin(alice, "Rent", [])


# Versions ------------------------------------------------------------------------------------------------------------
def test_an_edited_question_is_a_version_and_the_old_one_keeps_what_followed_it(row):
    first = asked(row, "rent")
    asked(row, "pets")
    asked(row, "dogs", replaces=first.question)
    assert shown(row) == ["dogs: About dogs"]
    assert shown(row, first.pk) == ["rent: About rent", "pets: About pets"]


def test_what_follows_an_answer_that_was_written_again_belongs_to_the_new_one(row):
    first = asked(row, "rent", "in May")
    asked(row, "pets", "no")
    again = said(ask_again(first.question), "in June")
    asked(row, "dogs", "yes", after=again)
    assert shown(row) == ["rent: in June", "dogs: yes"]
    assert shown(row, first.pk) == ["rent: in May", "pets: no"]


def test_a_model_hears_the_branch_that_is_shown_and_no_other(row):
    first = asked(row, "rent", "in May")
    asked(row, "pets", "no")
    again = said(ask_again(first.question), "in June")
    question = ask(row, "dogs", "", after=again).question
    assert [turn.answer for turn in turns_before(row, question.after_id)[0]] == ["in June"]


def test_the_versions_are_counted_and_lead_to_each_other(client, alice, row):
    first = asked(row, "rent", "in May")
    second = said(ask_again(first.question), "in June")
    client.force_login(alice)
    newest = client.get(row.get_absolute_url()).content.decode()
    assert "2/2" in newest and "in June" in newest and "in May" not in newest
    assert first.get_absolute_url() in newest
    older = client.get(first.get_absolute_url()).content.decode()
    assert "1/2" in older and "in May" in older and second.get_absolute_url() in older


@pytest.mark.django_db(transaction=True)
def test_a_question_is_edited_without_script(client, alice, row):
    add(alice)
    first = asked(row, "rent")
    client.force_login(alice)
    client.post(reverse("message-edit", args=[first.reply_to_id]), {"text": "When is the rent due?"})
    assert shown(row)[0].startswith("When is the rent due?: The rent is due on the third working day")
    assert row.messages.filter(role="user", after=None).count() == 2


@pytest.mark.parametrize("name", ["message-edit", "message-feedback", "conversation-pin", "conversation-undo"])
def test_nobody_changes_what_is_anothers(client, charlie, row, name):
    message = asked(row, "rent")
    pk = {"message-edit": message.reply_to_id, "message-feedback": message.pk}.get(name, row.pk)
    client.force_login(charlie)
    assert client.post(reverse(name, args=[pk]), {"text": "x", "vote": "up"}).status_code == 404


def test_a_follow_up_is_asked_of_ones_own_conversation_alone(client, alice, bob, row):
    other = asked(begin(bob, "Secret", []), "secret")
    asked(row, "rent")
    client.force_login(alice)
    address = reverse("ask-more", args=[row.pk])
    assert client.post(address, {"text": "x", "after": other.pk}).status_code == 404


@pytest.mark.parametrize("at", ["x", "00000000-0000-0000-0000-000000000000", "\x00"])
def test_an_address_with_no_version_in_it_shows_the_newest(client, alice, row, at):
    asked(row, "rent", "in May")
    client.force_login(alice)
    assert "in May" in client.get(row.get_absolute_url(), {"at": at}).content.decode()


def test_bursts_are_shown_evenly_and_no_number_in_halves():
    text, pace, steps = "It is due in May.[12] " * 20, Pace(), []
    while pace.is_behind(text):
        steps.append(pace.step(text))
    assert len(steps) > 5 and steps[-1] == text
    assert all(step.count("[") == step.count("]") for step in steps)


# The list ------------------------------------------------------------------------------------------------------------
def found(client, words: str) -> str:
    return client.get(reverse("conversation-search"), {"q": words}, headers=FETCH).content.decode()


def test_a_conversation_is_found_by_its_title_its_question_and_its_answer(client, alice, row):
    asked(row, "What of dogs?", "They need a written permission.")
    client.force_login(alice)
    for words in ("rent", "DOGS", "written need"):
        assert "1 conversation found" in found(client, words)
    assert "<b>written</b>" in found(client, "written")
    assert "Nothing is found" in found(client, "cats")


def test_what_is_found_in_an_older_version_opens_that_version(client, alice, row):
    first = asked(row, "rent", "in May")
    said(ask_again(first.question), "in June")
    client.force_login(alice)
    assert first.get_absolute_url() in found(client, "May")


def test_nobody_finds_anothers_words_nor_those_that_are_deleted(client, alice, charlie, row):
    asked(row, "What of dogs?")
    client.force_login(charlie)
    assert "Nothing is found" in found(client, "dogs")
    row.discard()
    client.force_login(alice)
    assert "Nothing is found" in found(client, "dogs")


@pytest.mark.parametrize("words", ["%", "_", "\\", "<script>", "'", "\x00", "x" * 500, "[", "("])
def test_a_search_for_anything_is_a_page(client, alice, row, words):
    asked(row, "rent")
    client.force_login(alice)
    response = client.get(reverse("conversation-search"), {"q": words})
    assert response.status_code == 200
    assert "<script>" not in response.content.decode().split("<main")[0].replace("<script src", "").replace(
        "<script type", ""
    )


def test_a_long_list_and_a_search_in_it_ask_no_more_than_short_ones(client, alice, django_assert_max_num_queries):
    client.force_login(alice)
    for place in range(2):
        asked(begin(alice, f"Rent {place}", []), "rent")
    urls = [reverse("conversations"), f"{reverse('conversation-search')}?q=rent"]
    few = []
    for url in urls:
        with CaptureQueriesContext(connection) as spent:
            client.get(url, headers=FETCH)
        few.append(len(spent))
    rows = Conversation.objects.bulk_create(Conversation(owner=alice, title=f"Rent {place}") for place in range(298))
    Message.objects.bulk_create(Message(conversation=row, role="user", content="rent") for row in rows)
    for url, least in zip(urls, few, strict=True):
        with django_assert_max_num_queries(least):
            assert client.get(url, headers=FETCH).content.decode().count("Rent") >= 50


def test_pinned_conversations_come_first(client, alice, row):
    begin(alice, "Newer", [])
    client.force_login(alice)
    client.post(reverse("conversation-pin", args=[row.pk]), {"pinned": "1"})
    page = client.get("/").content.decode()
    assert page.index("Pinned") < page.index(">Rent<") < page.index("Today") < page.index(">Newer<")
    client.post(reverse("conversation-pin", args=[row.pk]), {"pinned": ""})
    assert "Pinned" not in client.get("/").content.decode()


def test_a_deleted_conversation_is_gone_and_comes_back_by_undo(client, alice, row):
    asked(row, "rent")
    client.force_login(alice)
    response = client.post(row.delete_url, follow=True)
    assert "“Rent” is deleted." in response.content.decode()
    assert client.get(row.get_absolute_url()).status_code == 404
    client.post(reverse("conversation-undo", args=[row.pk]))
    assert client.get(row.get_absolute_url()).status_code == 200


def test_what_is_not_brought_back_goes_for_good(row, alice):
    kept = begin(alice, "Kept", [])
    row.discard()
    assert Conversation.objects.sweep() == 0
    Conversation.objects.filter(pk=row.pk).update(deleted_at=timezone.now() - timedelta(hours=2))
    assert Conversation.objects.sweep() == 1
    assert list(Conversation.objects.all()) == [kept]


def test_deleting_stops_what_is_being_answered(row):
    message = ask(row, "rent", "")
    assert message.claim()
    row.discard()
    message.refresh_from_db()
    assert message.stop_requested


# Many turns ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["conversation", "conversation-print", "conversation-json"])
def test_a_page_of_fifty_turns_asks_no_more_than_one_of_two(client, alice, row, django_assert_max_num_queries, address):
    document = add(alice, RENT, "house.md")
    client.force_login(alice)
    url = reverse(address, args=[row.pk])
    for place in range(2):
        said(ask(row, f"rent {place}", ""), "On the third day.[1]", document)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    for place in range(48):
        said(ask(row, f"rent {place}", ""), "On the third day.[1]", document)
    with django_assert_max_num_queries(len(few) + 2):
        assert client.get(url).content.decode().count("On the third day.") >= 50


# Links ---------------------------------------------------------------------------------------------------------------
def link(client, row: Conversation) -> str:
    """The address that is told once."""
    page = client.post(reverse("conversation-shares", args=[row.pk]), {"days": 7}, follow=True).content.decode()
    return page.split('readonly value="')[1].split('"')[0]


@pytest.fixture
def shared(client, alice, bob, row) -> str:
    """A link to an answer over a document that Bob may read and one that he may not."""
    both = add(alice, RENT, "house.md", shared_collection(alice, bob))
    own = add(alice, b"# Own\n\nThe rent is due on the third working day of the month. Quietly.\n", "own.md")
    said(ask(row, "When is the rent due?", ""), "On the third day.[1] Quietly.[2]", both, own)
    client.force_login(alice)
    return link(client, row)


def test_a_reader_sees_the_answer_and_of_its_sources_what_they_may_read(client, bob, shared):
    client.force_login(bob)
    page = client.get(shared).content.decode()
    assert "On the third day." in page and "Quietly." not in page
    assert page.count("This sentence rests on a document you may not read.") == 1
    assert page.count("No longer available") == 1 and page.count(DUE) == 1
    assert "own.md" not in page and "Own, page" not in page


def test_rights_are_looked_up_anew_at_each_view(client, alice, bob, shared):
    from documents.models import Membership

    client.force_login(bob)
    assert DUE in client.get(shared).content.decode()
    Membership.objects.filter(user=bob).delete()
    page = client.get(shared).content.decode()
    assert DUE not in page and page.count("No longer available") == 2
    assert "On the third day." not in page and "This answer rests on documents you may not read." in page


def test_a_document_that_is_deleted_is_gone_behind_the_link_too(client, alice, bob, row, shared):
    for citation in row.messages.get(role="assistant").citations.all():
        intake.delete(citation.document)
    client.force_login(bob)
    assert DUE not in client.get(shared).content.decode()


def test_a_stranger_must_sign_in_unless_a_setting_lets_them_read_what_rests_on_no_document(client, shared, settings):
    client.logout()
    assert client.get(shared).status_code == 302
    settings.SHARE_WITH_STRANGERS = True
    page = client.get(shared).content.decode()
    assert "When is the rent due?" in page
    assert "On the third day." not in page and DUE not in page


def test_the_owner_reads_behind_the_link_what_others_read_there_and_their_own_words_too(client, alice, shared):
    client.force_login(alice)
    page = client.get(shared).content.decode()
    assert "Quietly." in page and "you may not read" not in page


def test_a_link_shows_what_was_there_when_it_was_made(client, bob, row, shared):
    asked(row, "And later?")
    client.force_login(bob)
    assert "And later?" not in client.get(shared).content.decode()


@pytest.mark.parametrize("change", ["revoked_at", "expires_at"])
def test_a_link_that_is_taken_back_or_over_opens_no_more(client, bob, shared, change):
    Share.objects.update(**{change: timezone.now() - timedelta(seconds=1)})
    client.force_login(bob)
    assert client.get(shared).status_code == 404


def test_deleting_the_conversation_closes_its_links(client, bob, row, shared):
    row.discard()
    client.force_login(bob)
    assert client.get(shared).status_code == 404


def test_the_secret_of_a_link_is_kept_nowhere_and_told_once(client, alice, row, shared):
    token = shared.rstrip("/").rpartition("/")[2]
    kept = Share.objects.get()
    assert len(token) >= 43 and token not in json.dumps(list(Share.objects.values()), default=str)
    assert kept.token_hash not in shared
    assert token not in client.get(reverse("conversation-shares", args=[row.pk])).content.decode()


def test_only_the_owner_sees_and_takes_back_a_link(client, alice, charlie, row, shared):
    client.force_login(charlie)
    assert client.get(reverse("conversation-shares", args=[row.pk])).status_code == 404
    revoke = reverse("share-revoke", args=[Share.objects.get().pk])
    assert client.post(revoke).status_code == 404
    client.force_login(alice)
    client.post(revoke)
    assert not Share.objects.get().is_alive


def test_what_a_service_found_elsewhere_is_not_shown_to_others(client, alice, bob, row):
    message = ask(row, "rent", "")
    message.citations.create(
        number=1, is_external=True, title="Payroll index", page_number=0, start=0, end=6, text="secret", marks=[[0, 6]]
    )
    said(message, "It is so.[1]")
    client.force_login(alice)
    address = link(client, row)
    assert "Payroll index" in client.get(address).content.decode()
    client.force_login(bob)
    page = client.get(address).content.decode()
    assert "Payroll index" not in page and "secret" not in page


# Thumbs --------------------------------------------------------------------------------------------------------------
def thumb(client, message: Message, **given) -> None:
    client.post(reverse("message-feedback", args=[message.pk]), {"vote": "down", **given})


def test_a_thumb_is_kept_once_can_be_changed_and_taken_back(client, alice, row):
    message = asked(row, "rent")
    client.force_login(alice)
    for _ in range(2):
        thumb(client, message, reasons=["wrong", "source"], comment="It is the fourth.")
    kept = Feedback.objects.get()
    assert (kept.is_good, kept.reasons, kept.comment) == (False, ["wrong", "source"], "It is the fourth.")
    assert kept.question == "rent"
    thumb(client, message, vote="up")
    assert Feedback.objects.get().is_good
    thumb(client, message, vote="none")
    assert not Feedback.objects.exists()


def test_each_source_has_a_thumb_of_its_own(client, alice, row):
    document = add(alice)
    message = said(ask(row, "rent", ""), "In May.[1]", document)
    client.force_login(alice)
    thumb(client, message, source="1")
    assert client.post(reverse("message-feedback", args=[message.pk]), {"vote": "up", "source": "9"}).status_code == 404
    assert (Feedback.objects.get().citation.number, Feedback.objects.get().is_good) == (1, False)
    page = client.get(message.get_absolute_url()).content.decode()
    assert 'aria-pressed="true" aria-label="Source 1 does not say that"' in page


def test_what_is_said_anew_is_looked_at_anew(client, alice, staff, row):
    message = asked(row, "rent")
    client.force_login(alice)
    thumb(client, message)
    Feedback.objects.update(resolved_at=timezone.now(), resolved_by=staff)
    thumb(client, message)
    assert not Feedback.objects.open().exists()
    thumb(client, message, comment="Still wrong.")
    assert Feedback.objects.open().get().comment == "Still wrong."


@pytest.mark.parametrize("given", [{"vote": "sideways"}, {"reasons": ["nonsense"]}, {"comment": "x" * 3_000}])
def test_a_thumb_that_is_none_is_refused_with_a_sentence(client, alice, row, given):
    message = asked(row, "rent")
    client.force_login(alice)
    response = client.post(reverse("message-feedback", args=[message.pk]), {"vote": "down", **given}, follow=True)
    assert "This could not be kept" in response.content.decode()
    assert not Feedback.objects.exists()


# Files to take along -------------------------------------------------------------------------------------------------
def test_a_conversation_goes_along_as_markdown_with_its_sources(client, alice, row):
    document = add(alice)
    said(ask(row, "When is *it* due?", ""), "In May.[1] ![x](http://evil.example/p.png) <b>", document)
    client.force_login(alice)
    response = client.get(reverse("conversation-markdown", args=[row.pk]))
    text = response.content.decode()
    assert 'filename="rent.md"' in response["Content-Disposition"]
    assert text.startswith("# Rent\n\n## When is \\*it\\* due?\n\nIn May.[1] !\\[x]")
    assert f"- [1] House rules, page 1: “{DUE}” <http://testserver/" in text and "\\<b>" in text


def test_a_conversation_goes_along_as_json(client, alice, row):
    document = add(alice)
    said(ask(row, "When is it due?", ""), "In May.[1]", document)
    client.force_login(alice)
    whole = client.get(reverse("conversation-json", args=[row.pk])).json()
    turn = whole["turns"][0]
    assert (whole["title"], turn["question"], turn["answer"]) == ("Rent", "When is it due?", "In May.[1]")
    assert turn["sources"][0]["quote"] == DUE and turn["sources"][0]["page"] == "1"


def test_of_a_source_that_is_gone_no_word_goes_along(client, alice, row):
    document = add(alice)
    said(ask(row, "rent", ""), "In May.[1]", document)
    intake.delete(document)
    client.force_login(alice)
    for name in ("conversation-markdown", "conversation-json", "conversation-print"):
        text = client.get(reverse(name, args=[row.pk])).content.decode()
        assert DUE not in text and "No longer available" in text


def test_the_version_that_is_shown_goes_along(client, alice, row):
    first = asked(row, "rent", "in May")
    said(ask_again(first.question), "in June")
    client.force_login(alice)
    page = client.get(first.get_absolute_url()).content.decode()
    for name in ("conversation-markdown", "conversation-json", "conversation-print"):
        assert f"{reverse(name, args=[row.pk])}?at={first.pk}" in page
    address = reverse("conversation-markdown", args=[row.pk])
    assert "in June" in client.get(address).content.decode()
    assert "in May" in client.get(address, {"at": first.pk}).content.decode()


@pytest.mark.parametrize("name", ["conversation-markdown", "conversation-json", "conversation-print"])
def test_nobody_takes_anothers_conversation_along(client, charlie, row, name):
    client.force_login(charlie)
    assert client.get(reverse(name, args=[row.pk])).status_code == 404


# Verdicts on their way out -------------------------------------------------------------------------------------------
@pytest.fixture
def doubted(alice, row) -> Message:
    """An answer with a sentence that stands, one that does not, and one that was left out."""
    document = add(alice, RENT, "house.md")
    message = said(ask(row, "When is the rent due?", ""), f"{DUE}[1] It costs 5 euros.[1]", document)
    start = message.citations.get().start
    wrong = {"verdict": "unsupported", "reason": "number", "said": "5 euros", "shown": "", "spans": []}
    rows = [
        {"start": 0, "end": len(DUE), "verdict": "supported", "spans": [[1, start, start + len(DUE)]]},
        {"start": len(DUE) + 4, "end": len(DUE) + 21, **wrong},
        {"start": len(message.content), "end": len(message.content), "words": "Dogs bite.", **wrong},
    ]
    Message.objects.filter(pk=message.pk).update(proofs=rows)
    return message


def test_what_does_not_stand_is_told_in_the_files_too(client, alice, row, doubted):
    client.force_login(alice)
    text = client.get(reverse("conversation-markdown", args=[row.pk])).content.decode()
    assert "1 of 2 sentences stand in the sources" in text
    assert "- *Not supported:* “It costs 5 euros.”" in text and "- *Left out:* “Dogs bite.”" in text
    (turn,) = client.get(reverse("conversation-json", args=[row.pk])).json()["turns"]
    assert [(each["text"], each["verdict"], each["sources"]) for each in turn["sentences"]] == [
        (DUE, "supported", [1]), ("It costs 5 euros.", "unsupported", []),
    ]  # fmt: skip
    assert turn["left_out"] == ["Dogs bite."]


def test_what_does_not_stand_is_told_on_paper_and_behind_a_link_too(client, alice, row, doubted):
    client.force_login(alice)
    for url in (reverse("conversation-print", args=[row.pk]), link(client, row)):
        page = client.get(url).content.decode()
        assert "stand in the sources" in page and "Dogs bite." in page and 'class="unsupported"' in page


def test_a_file_is_written_in_the_readers_language(client, alice, row, doubted):
    client.force_login(alice)
    url = reverse("conversation-markdown", args=[row.pk])
    text = client.get(url, headers={"Accept-Language": "de"}).content.decode()
    assert "Nicht belegt" in text and "Not supported" not in text and "Left out" not in text
