"""An answer outlives the page it was asked on: it is read on after a reload, and gone on with after it broke off."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from chat.conversations.resuming import gone_on, joint, whole_words
from chat.models import Feedback, Message, State
from documents import intake
from project.models import Budget, Usage
from tests.asking import collected
from tests.fake_openai import Reply
from tests.library import add
from tests.test_asking import FETCH, QUESTION, browse, events, put, service, stream_url  # noqa: F401 - two are fixtures

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = "The rent is due on the third working day of the month. [1] "


def leave(http, url: str, *, after: str = "") -> None:
    """Read until these words have come, then go."""
    with http.stream("GET", url) as response:
        for line in response.iter_lines():
            if line.startswith("data: ") and after in line:
                return


def ended(state: str = "") -> Message:
    deadline = time.monotonic() + 10
    while (message := Message.objects.get(role="assistant")).is_running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not state or message.state == state, (message.state, message.error)
    return message


@pytest.fixture
def broken(browse, alice, service, settings):  # noqa: F811
    """An answer that nobody read on, and the browser of whoever asked."""
    settings.SUGGESTIONS = False
    document = add(alice)
    http = browse(alice)
    service.replies = [Reply(pieces=[FIRST, "Pay it into the acc"], hold=True)]
    leave(http, stream_url(put(http)), after="Pay it")
    return http, ended(State.INTERRUPTED), document


def go_on(http, message: Message) -> tuple[str, dict]:
    response = http.post(f"/answers/{message.pk}/go-on/", headers=FETCH)
    assert response.status_code == 200
    return events(http, stream_url(response.json()))[-1]


# Read on ------------------------------------------------------------------------------------------------------------
def test_a_page_that_is_loaded_again_reads_the_same_answer_on(browse, alice, service, settings):  # noqa: F811
    settings.UNREAD_SECONDS = 30
    add(alice)
    service.replies = [Reply(pieces=[FIRST, *["More. "] * 30], pause_s=0.04)]
    http = browse(alice)
    turn = put(http)
    leave(http, stream_url(turn), after="third working day")
    page = http.get(turn["conversation_url"]).text
    assert stream_url({"turn_html": page}) == stream_url(turn)
    seen = events(http, stream_url(turn))
    first = next(body for name, body in seen if name == "answer")
    assert "third working day" in first["html"]  # At once, and not letter by letter once more.
    assert {body["stage"] for name, body in seen if name == "status"} >= {"searching", "answering"}
    message = ended(State.DONE)
    assert seen[-1][0] == "done" and message.content.count("More.") == 30
    assert (len(service.requests), len(service.ledger), Usage.objects.count()) == (1, 1, 1)


def test_readers_side_by_side_pay_once(browse, alice, service):  # noqa: F811
    add(alice)
    service.replies = [Reply(pieces=[FIRST, *["More. "] * 10], pause_s=0.04)]
    http = browse(alice)
    url = stream_url(put(http))
    ends: list[str] = []
    readers = [threading.Thread(target=lambda: ends.append(events(http, url)[-1][0])) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert (ends, len(service.ledger)) == (["done"] * 4, 1)


def test_what_another_process_writes_is_shown_with_its_sources_and_lives_on(browse, alice, broken):  # noqa: F811
    http, message, _ = broken
    Message.objects.filter(pk=message.pk).update(state=State.STREAMING, seen_at=timezone.now())
    name, body = "", {}
    with http.stream("GET", f"/answers/{message.pk}/stream/") as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                break
    assert "third working day" in line and "data-panel" in line
    message.refresh_from_db()
    assert timezone.now() - message.read_at < timedelta(seconds=10)  # Whoever writes it sees that it is read.
    Message.objects.filter(pk=message.pk).update(seen_at=timezone.now() - timedelta(minutes=1))
    name, body = events(http, f"/answers/{message.pk}/stream/")[-1]
    assert name == "error" and "What was written is kept" in body["html"] and "Go on" in body["html"]


def test_a_stop_ends_an_answer_whose_writer_is_gone(browse, alice, broken):  # noqa: F811
    http, message, _ = broken
    Message.objects.filter(pk=message.pk).update(state=State.STREAMING, seen_at=timezone.now() - timedelta(seconds=6))
    http.post(f"/answers/{message.pk}/stop/", headers=FETCH)
    message.refresh_from_db()
    assert message.state == State.STOPPED and "third working day" in message.content


# Gone on with --------------------------------------------------------------------------------------------------------
def test_an_answer_goes_on_from_its_words_over_the_same_sources(broken, service):  # noqa: F811
    http, message, _ = broken
    kept = list(message.citations.values_list("number", "text", "public_id"))
    assert len(service.requests) == 1 and kept and message.proofs
    service.replies = [Reply(pieces=["account ", "of the owner. [1] It costs 99 euros. [1]"])]
    name, body = go_on(http, message)
    message.refresh_from_db()
    assert (name, message.state) == ("done", State.DONE)
    assert message.content == (
        "The rent is due on the third working day of the month.[1] Pay it into the account of the owner.[1] "
        "It costs 99 euros.[1]"
    )
    assert list(message.citations.values_list("number", "text", "public_id")) == kept
    assert [row["verdict"] for row in message.proofs][::2] == ["supported", "unsupported"]  # The whole is checked.
    sent = service.requests[1]["body"]["messages"]
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "user"]
    assert sent[2]["content"].endswith("Pay it into the ") and len(service.ledger) == 2
    assert Message.objects.filter(role="assistant").count() == 1 and "Gone on from" in str(message.how)


def test_an_answer_cut_at_its_limit_goes_on_and_what_was_thought_of_its_source_stays(
    browse,  # noqa: F811
    alice,
    service,  # noqa: F811
    settings,
):
    settings.SUGGESTIONS = False
    add(alice)
    http = browse(alice)
    service.replies = [Reply(pieces=[FIRST, "Pay it into the acc"], finish="length"), Reply(pieces=["account."])]
    end = events(http, stream_url(put(http)))[-1]
    message = ended(State.DONE)
    assert end[0] == "done" and "cut off at its limit" in end[1]["html"] and "Go on" in end[1]["html"]
    source = message.citations.get(is_cited=True)
    Feedback.objects.create(answer=message, citation=source, user=alice, is_good=True)
    assert go_on(http, message)[0] == "done"
    message.refresh_from_db()
    assert message.content.endswith("Pay it into the account.[1]") and not message.is_cut and message.notice == ""
    assert Feedback.objects.get().citation == message.citations.get(is_cited=True) == source
    assert "Go on" not in http.get(message.conversation.get_absolute_url()).text.split("<template")[0]


def test_two_clicks_go_on_once(broken, service):  # noqa: F811
    http, message, _ = broken
    service.replies = [Reply(pieces=["account."])]
    told = [http.post(f"/answers/{message.pk}/go-on/", headers=FETCH).json() for _ in range(2)]
    assert stream_url(told[0]) == stream_url(told[1])
    events(http, stream_url(told[0]))
    again = http.post(f"/answers/{message.pk}/go-on/", headers=FETCH).json()
    assert "data-stream" not in again["turn_html"] and len(service.requests) == 2


def test_what_breaks_off_again_keeps_all_that_was_written(broken, service):  # noqa: F811
    http, message, _ = broken
    service.replies = [Reply(pieces=["account. "], cut=True), Reply(status=401), Reply(pieces=["That is all."])]
    assert go_on(http, message)[0] == "error"
    assert go_on(http, message)[0] == "error"
    message.refresh_from_db()
    assert message.state == State.FAILED and message.content.endswith("Pay it into the account. ")
    assert message.citations.filter(is_cited=True).count() == 1
    assert go_on(http, message)[0] == "done"
    message.refresh_from_db()
    words = re.sub(r"\[\d\]", "", message.content)  # A sentence that named no source may have been given one.
    assert words.endswith("Pay it into the account. That is all.") and words.count("account") == 1


def test_without_money_the_words_stay_and_going_on_is_offered_again(broken, service, alice):  # noqa: F811
    http, message, _ = broken
    budget = Budget.objects.create(limit=1, period="day", user=alice)
    name, body = go_on(http, message)
    assert name == "error" and "budget" in body["html"] and "Go on" in body["html"]
    message.refresh_from_db()
    assert message.content.startswith("The rent is due") and len(service.requests) == 1
    budget.delete()
    assert go_on(http, message)[0] == "done"


def test_over_a_source_that_is_gone_nothing_goes_on(broken, service):  # noqa: F811
    http, message, document = broken
    intake.delete(document)
    page = http.get(message.conversation.get_absolute_url()).text
    assert "Go on" not in page.split("<template")[0] and "Answer again" in page
    http.post(f"/answers/{message.pk}/go-on/", headers=FETCH)
    Message.objects.filter(pk=message.pk).update(state=State.QUEUED)  # It went in between the page and the click.
    assert "can no longer be read" in events(http, f"/answers/{message.pk}/stream/")[-1][1]["html"]
    message.refresh_from_db()
    assert message.content.startswith("The rent is due") and len(service.requests) == 1


def test_without_script_it_goes_on_too(broken, service):  # noqa: F811
    http, message, _ = broken
    service.replies = [Reply(pieces=["account."])]
    page = http.post(f"/answers/{message.pk}/go-on/", follow_redirects=True)
    assert page.status_code == 200 and "account." in page.text


@pytest.mark.parametrize(
    ("begun", "further", "whole"),
    [
        ("It is due in ", "It is due in May.", "It is due in May."),
        ("It is due in ", "due in May.", "It is due in due in May."),  # Too little to tell it from chance.
        ("The rent is due in ", "rent is due in May.", "The rent is due in May."),
        ("It is due.[1]", "Pay then.", "It is due.[1] Pay then."),
        ("It is due.", "\n\nPay.", "It is due.\n\nPay."),
        ("A list:\n", "- one", "A list:\n- one"),
        ("It is due.", "NOT_IN_DOCUMENTS", "It is due."),
        ("It is due.", "", "It is due."),
        ("It is due", ", always.", "It is due, always."),
    ],
)
def test_what_is_there_is_not_said_twice(begun, further, whole):
    assert begun + joint(begun, further) == whole


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_a_model_that_begins_anew_is_heard_from_where_it_broke_off(cut):
    whole = "The rent is due on the third day. [1] Pay it then."

    async def pieces():
        for at in range(0, len(whole), 7):
            yield whole[at : at + 7]

    begun = whole_words(whole[:cut])
    if len(begun.strip()) >= 12:
        assert "".join(collected(gone_on(begun, pieces()))) == whole
