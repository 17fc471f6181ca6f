"""The conversation in a real browser: stopped, lost, reloaded, edited, found, shared, deleted and brought back."""

from __future__ import annotations

import io
import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pypdf import PdfReader

from chat.conversations.conversing import ask, ask_again, begin
from chat.models import Conversation, Feedback, Message, Share, State
from documents.ingestion import ingest
from documents.models import Document
from tests.fake_openai import FakeOpenAI, Reply
from tests.library import RENT, add
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures
from tests.test_talk import DUE, said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

QUESTION = "When is the rent due?"
ENDED = ".exchange[data-answer]:not([data-stream])"


@pytest.fixture
def service(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


def talk(alice, *questions: str) -> Conversation:
    """A conversation about the house rules, answered."""
    document = add(alice)
    row = begin(alice, "House rules", [])
    for text in questions:
        said(ask(row, text, ""), f"On the third working day, as to “{text}”.[1]", document)
    return row


def put(page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def open_at(page, asgi_server: str, row: Conversation) -> None:
    page.goto(f"{asgi_server}{row.get_absolute_url()}")


def test_a_stop_reaches_the_model_and_keeps_the_text(signed_in, alice, service):  # noqa: F811
    add(alice)
    service.replies = [Reply(pieces=["The rent is due in May. [1] ", *["More. "] * 400], pause_s=0.05)]
    page = signed_in(alice)
    put(page, QUESTION)
    assert page.locator(".exchange .ask").inner_text() == QUESTION  # It stands there before any answer has come.
    page.wait_for_selector(".answer >> text=The rent is due in May.")
    page.keyboard.press("Escape")
    page.wait_for_selector("text=Stopped. What was written is kept.")
    assert service.closed_early.wait(3)
    assert "The rent is due in May." in page.locator(".answer").inner_text()
    assert page.locator("#announce").inner_text() == "Stopped. What was written is kept."
    assert page.get_by_role("button", name="Ask", exact=True).is_visible()


def test_a_reload_and_a_lost_connection_go_on_with_the_same_answer_and_are_not_paid_for_twice(
    signed_in,  # noqa: F811
    alice,
    service,
    settings,
    faults,  # noqa: F811
):
    add(alice)
    settings.REWRITE, settings.SUGGESTIONS, settings.UNREAD_SECONDS = "rules", False, 30
    service.replies = [
        Reply(pieces=["The rent is due in May. [1] ", *["More. "] * 60], pause_s=0.05),
        Reply(pieces=["In June. [1]"]),
    ]
    page = signed_in(alice)
    put(page, QUESTION)
    page.wait_for_selector(".answer >> text=The rent is due in May.")
    page.reload()
    page.wait_for_selector(".exchange[data-stream] .answer >> text=The rent is due in May.")
    page.wait_for_selector(f"{ENDED} .answer >> text=More.")
    assert page.locator(".answer").inner_text().count("More.") == 60
    assert len(service.requests) == len(service.ledger) == 1

    page.route("**/stream/", lambda route: route.abort())
    put(page, "And in summer?")
    page.wait_for_selector("text=The connection was lost while answering.")
    assert page.get_by_role("button", name="Go on").is_visible()
    page.unroute("**/stream/")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector(f"{ENDED} .answer >> text=In June.")
    assert page.locator("#exchanges [data-lost]").count() == 0 and len(service.requests) == 2
    faults[:] = [fault for fault in faults if "ERR_FAILED" not in fault]


def test_what_broke_off_goes_on_in_its_place(signed_in, asgi_server, alice, service, settings):  # noqa: F811
    row = talk(alice, QUESTION, "What of pets?")
    settings.SUGGESTIONS = False
    broken = Message.objects.filter(role="assistant").order_by("created_at").first()
    Message.objects.filter(pk=broken.pk).update(
        state=State.INTERRUPTED, error="It broke off. What was written is kept."
    )
    service.replies = [Reply(pieces=["Pay it ", "to the owner. [1]"])]
    page = signed_in(alice)
    open_at(page, asgi_server, row)
    check_by_axe(page)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector(f"{ENDED}:nth-child(1) .answer >> text=Pay it to the owner.")
    first = page.locator(".exchange").first
    assert "On the third working day" in first.inner_text() and "broke off" not in first.inner_text()
    assert page.locator(".exchange").count() == 2 and len(service.requests) == 1


def test_what_is_begun_survives_in_each_conversation_and_goes_when_it_is_asked(signed_in, asgi_server, alice):  # noqa: F811
    row = talk(alice, QUESTION)
    page = signed_in(alice)
    words = page.get_by_label("Your question")
    words.fill("A new matter")
    open_at(page, asgi_server, row)
    assert words.input_value() == ""
    words.fill("Are pets allowed?")
    page.reload()
    assert words.input_value() == "Are pets allowed?"
    page.goto(f"{asgi_server}/")
    assert words.input_value() == "A new matter"
    open_at(page, asgi_server, row)
    words.fill("Are pets")
    words.press("Shift+Enter")
    words.press_sequentially("allowed?")
    assert words.input_value() == "Are pets\nallowed?"
    words.press("Enter")
    page.wait_for_selector(f"{ENDED}:nth-child(2)")
    page.reload()
    assert words.input_value() == ""


def test_a_question_is_edited_and_both_versions_stay_with_what_followed(signed_in, asgi_server, alice):  # noqa: F811
    row = talk(alice, "What of the rent?", "What of pets?")
    page = signed_in(alice)
    open_at(page, asgi_server, row)
    page.get_by_label("Edit the question").first.click()
    expect(page.locator(".edit textarea").first).to_be_focused()
    page.keyboard.press("Escape")
    assert page.get_by_label("Edit the question").first.evaluate("pen => pen === document.activeElement")
    page.get_by_label("Edit the question").first.click()
    expect(page.locator(".edit textarea").first).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{ENDED} .answer >> text=The rent is due on the third")
    assert page.locator(".exchange").count() == 1
    versions = page.get_by_label("Versions of the question")
    assert versions.inner_text() == "2/2"
    page.get_by_role("button", name="Answer again").click()
    page.get_by_label("Versions of the answer").wait_for()
    assert page.locator(".exchange").count() == 1
    versions.get_by_label("Earlier version").click()
    page.wait_for_selector("text=as to “What of pets?”")
    assert versions.inner_text() == "1/2" and page.locator(".exchange").count() == 2
    put(page, "And dogs?")  # It follows what is shown.
    page.wait_for_selector(f"{ENDED}:nth-child(3)")
    steps = Message.objects.get(content="And dogs?").after
    assert steps.question.content == "What of pets?"


def test_keys_reach_everything_one_does_often(signed_in, asgi_server, alice):  # noqa: F811
    row = talk(alice, QUESTION)
    page = signed_in(alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=asgi_server)
    page.keyboard.press("Control+k")
    page.keyboard.type("working third")
    page.wait_for_selector("#conversation-list >> text=1 conversation found")
    assert page.locator("#conversation-list b").all_inner_texts()[0].casefold() in {"working", "third"}
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{row.get_absolute_url()}**")
    page.keyboard.press("Control+Shift+C")
    page.wait_for_function("document.getElementById('announce').textContent.includes('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "as to “When is the rent due?”. [1]" in copied and "[1] House rules, page 1: http" in copied
    page.keyboard.press("Control+/")
    assert page.locator("#keys").is_visible()
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.press("Shift+Escape")
    assert page.get_by_label("Your question").evaluate("words => words === document.activeElement")
    page.keyboard.press("Control+Shift+O")
    page.wait_for_url(f"{asgi_server}/")


def test_an_answer_may_be_shown_only_when_it_is_complete(signed_in, alice, service):  # noqa: F811
    add(alice)
    service.replies = [Reply(pieces=["The rent ", "is due in May. [1]"], pause_s=0.4)]
    page = signed_in(alice)
    page.get_by_role("button", name="All keys").click()
    page.get_by_label("Show an answer only when it is complete").check()
    page.keyboard.press("Escape")
    page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => {
        for (const answer of document.querySelectorAll(".exchange[data-stream] .answer")) seen.push(answer.textContent);
        }).observe(document.getElementById("exchanges"), { subtree: true, childList: true, characterData: true }) }"""
    )
    put(page, QUESTION)
    page.wait_for_selector(f"{ENDED} .answer >> text=The rent is due in May.")
    assert set(page.evaluate("seen")) <= {""}


def test_a_thumb_and_its_reasons_are_kept(signed_in, asgi_server, alice):  # noqa: F811
    row = talk(alice, QUESTION)
    said(ask_again(row.messages.get(role="user")), "In May.[1]", Document.objects.get())
    page = signed_in(alice)
    open_at(page, asgi_server, row)
    page.get_by_role("button", name="Not a good answer").click()
    page.get_by_label("Something in it is wrong").check(force=True)
    page.get_by_label("In your words").fill("It is the fourth.")
    check_by_axe(page)
    page.get_by_role("button", name="Send").click()
    page.wait_for_selector("text=Noted. Change what you said")
    whole = Feedback.objects.get(citation=None)
    assert (whole.is_good, whole.reasons, whole.comment) == (False, ["wrong"], "It is the fourth.")
    page.get_by_role("button", name="Source 1 does not say that").click()
    page.wait_for_selector("#cited [data-thumb=down][aria-pressed=true]:focus")
    assert not Feedback.objects.get(citation__number=1).is_good
    page.get_by_role("button", name="A good answer", exact=True).click()
    page.wait_for_selector("text=Noted. Say more")
    assert Feedback.objects.get(citation=None).is_good


def test_a_conversation_is_shared_read_by_another_and_taken_back(signed_in, asgi_server, alice, bob, client, settings):  # noqa: F811
    row = talk(alice, QUESTION)
    page = signed_in(alice)
    open_at(page, asgi_server, row)
    page.get_by_role("link", name="Share this conversation").click()
    page.get_by_role("button", name="Make a link").click()
    address = page.get_by_label("The link", exact=True).input_value()
    check_by_axe(page)
    page.goto(address)
    assert DUE in page.locator("main").inner_text()
    check_by_axe(page)
    client.force_login(bob)
    page.context.add_cookies([cookie_of(client, settings, asgi_server)])
    page.goto(address)
    assert "This answer rests on documents you may not read." in page.locator("main").inner_text()
    assert DUE not in page.locator("main").inner_text() and "No longer available" in page.locator("main").inner_text()
    client.force_login(alice)
    page.context.add_cookies([cookie_of(client, settings, asgi_server)])
    page.goto(f"{asgi_server}/conversations/{row.pk}/shares/")
    page.get_by_role("button", name="Take back").click()
    page.wait_for_selector("text=Taken back")
    assert not Share.objects.get().is_alive


def cookie_of(client, settings, asgi_server: str) -> dict[str, str]:
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": asgi_server}


def test_delete_is_undone_and_a_pin_holds(signed_in, asgi_server, alice):  # noqa: F811
    row = talk(alice, QUESTION)
    page = signed_in(alice)
    open_at(page, asgi_server, row)
    page.get_by_role("button", name="Pin this conversation").click()
    page.wait_for_selector("#conversation-list >> text=Pinned")
    page.get_by_role("button", name="More about this conversation").click()
    page.get_by_role("button", name="Delete").first.click()
    page.locator("dialog#delete").get_by_role("button", name="Delete").click()
    page.wait_for_selector("text=“House rules” is deleted.")
    assert page.locator("#conversation-list a").count() == 0
    check_by_axe(page)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector(".answer >> text=On the third working day")


def test_a_file_dropped_into_a_conversation_tells_its_way_and_can_be_asked(signed_in, asgi_server, alice):  # noqa: F811
    other = add(alice, b"# Lifts\n\nThe lift is looked at each year.\n", "lifts.md")
    row = begin(alice, "House rules", [], [other])
    ask(row, "Is anything here?", "").end(State.REFUSED)
    page = signed_in(alice)
    open_at(page, asgi_server, row)
    drop = """([name, text]) => { const held = new DataTransfer(); held.items.add(new File([text], name));
        window.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true })) }"""
    page.evaluate(drop, ["rules.md", RENT.decode()])
    page.wait_for_selector("#uploads .way")
    assert page.locator("#scope .scope").all_inner_texts() == [
        "Lifts",
        "rules",
    ]  # It is narrowed: what comes is searched.
    ingest(Document.objects.get(name="rules.md"))
    page.wait_for_selector("#uploads >> text=Ready", timeout=15_000)
    check_by_axe(page)
    put(page, QUESTION)
    page.wait_for_selector(f"{ENDED} .answer >> text=The rent is due on the third")


def test_on_paper_there_is_the_conversation_with_its_sources_and_nothing_else(signed_in, asgi_server, alice):  # noqa: F811
    row = talk(alice, QUESTION)
    page = signed_in(alice)
    for address in (f"/conversations/{row.pk}/print/", row.get_absolute_url()):
        page.goto(f"{asgi_server}{address}")
        words = " ".join(PdfReader(io.BytesIO(page.pdf())).pages[0].extract_text().split())
        assert QUESTION in words and "On the third working day" in words and DUE in words
        assert not any(chrome in words for chrome in ("Library", "Search", "Ask a follow-up", "Print, or"))
    with page.expect_download() as download:
        page.get_by_role("button", name="More about this conversation").click()
        page.get_by_role("link", name="Save as JSON").click()
    assert json.loads(download.value.path().read_text())["turns"][0]["question"] == QUESTION


def test_another_page_of_the_same_conversation_sees_what_was_asked(signed_in, asgi_server, alice):  # noqa: F811
    row = talk(alice, QUESTION)
    page = signed_in(alice)
    open_at(page, asgi_server, row)
    page.locator("h1").click()
    said(ask(row, "And pets?", ""), "No pets.")
    page.evaluate("dispatchEvent(new Event('focus'))")
    page.wait_for_selector(".answer >> text=No pets.")


def test_two_pages_of_one_conversation_read_one_answer_and_keep_their_own_words(
    signed_in,  # noqa: F811
    asgi_server,
    alice,
    service,
    settings,
):
    row = talk(alice, QUESTION)
    settings.REWRITE, settings.SUGGESTIONS, settings.UNREAD_SECONDS = "rules", False, 30
    service.replies = [Reply(["No pets. [1] ", *["More. "] * 100], pause_s=0.05), Reply(["In June. [1]"])]
    page = signed_in(alice)
    other = page.context.new_page()
    complaints: list[str] = []
    other.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    other.on("pageerror", lambda error: complaints.append(str(error)))
    for each, text in ((page, "And pets?"), (other, "And dogs?")):
        open_at(each, asgi_server, row)
        each.get_by_label("Your question").fill(text)
    page.get_by_label("Your question").press("Enter")
    page.wait_for_selector(".exchange[data-stream] .answer >> text=No pets.")
    other.reload()
    other.wait_for_selector(".exchange[data-stream] .answer >> text=No pets.")
    words = other.get_by_label("Your question")
    assert words.input_value() == "And dogs?"
    words.press("Enter")
    other.wait_for_selector("text=An answer is being written.")
    page.get_by_label("Edit the question").click()
    expect(page.locator(".edit textarea")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=An answer is being written.")
    page.get_by_role("button", name="Cancel").click()
    for each in (page, other):
        each.wait_for_selector(f"{ENDED}:nth-child(2) .answer >> text=More.")
    assert words.input_value() == "And dogs?" and len(service.requests) == 1
    words.press("Enter")
    other.wait_for_selector(f"{ENDED}:nth-child(3) .answer >> text=In June.")
    assert len(service.ledger) == 2 and complaints == []
    other.close()


def test_the_page_follows_only_for_whoever_is_at_its_end(signed_in, asgi_server, alice, service, settings):  # noqa: F811
    row = talk(alice, QUESTION, "What of pets?", "What of dogs?")
    settings.REWRITE, settings.SUGGESTIONS = "rules", False  # What is held is the answer, and no call beside it.
    service.replies = [Reply(pieces=["word " * 400], hold=True)]
    page = signed_in(alice)
    page.set_viewport_size({"width": 1440, "height": 600})
    open_at(page, asgi_server, row)
    put(page, QUESTION)
    page.wait_for_selector(".exchange[data-stream] .answer >> text=word word")
    page.locator("#talk").evaluate("talk => { talk.scrollTop = 0 }")
    page.wait_for_selector("#to-latest:visible")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(f"{ENDED}:nth-child(4)")
    assert page.locator("#talk").evaluate("talk => talk.scrollTop") == 0


def test_versions_search_thumbs_undo_and_links_work_without_script(browser, asgi_server, client, settings, alice):
    row = talk(alice, "What of the rent?")
    client.force_login(alice)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([cookie_of(client, settings, asgi_server)])
    page = context.new_page()
    open_at(page, asgi_server, row)
    page.get_by_label("Edit the question").click()
    page.get_by_label("The question in other words").fill(QUESTION)
    page.get_by_role("button", name="Ask this instead").click()
    page.wait_for_selector(".answer >> text=The rent is due on the third")
    page.get_by_label("Earlier version").click()
    page.wait_for_selector("text=as to “What of the rent?”")
    page.get_by_role("button", name="Not a good answer").click()
    page.get_by_label("Something is missing").check(force=True)
    page.get_by_role("button", name="Send").click()
    assert Feedback.objects.get().reasons == ["incomplete"]
    page.get_by_label("Search conversations").fill("working")
    page.keyboard.press("Enter")
    page.locator("a.find").click()
    page.get_by_role("link", name="Share this conversation").click()
    page.get_by_role("button", name="Make a link").click()
    page.goto(page.get_by_label("The link", exact=True).input_value())
    assert DUE in page.locator("main").inner_text()
    open_at(page, asgi_server, row)
    page.get_by_role("button", name="More about this conversation").click()
    page.get_by_role("button", name="Delete").first.click()
    page.locator("dialog#delete").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector(".answer")
    context.close()
