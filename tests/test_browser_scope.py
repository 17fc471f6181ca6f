"""A conversation in a real browser: what is searched, what was searched for, and what could be asked next."""

import pytest

from chat.models import Conversation, Message
from tests.library import add
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures
from tests.test_multi_turn import HANDBOOK, LETTING

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
ENDED = ".exchange:last-child:not([data-stream])"


def test_a_scope_is_chosen_a_query_edited_and_a_suggestion_asked(signed_in, asgi_server, alice):  # noqa: F811
    handbook, letting = add(alice, HANDBOOK, "handbook.md"), add(alice, LETTING, "letting.md")
    page = signed_in(alice)
    page.goto(f"{asgi_server}/library/")
    page.get_by_label("Choose Letting").check()
    page.get_by_role("button", name="Ask these").click()
    page.wait_for_selector("#scope >> text=Letting")
    assert not page.get_by_text("All documents", exact=True).is_visible()

    page.get_by_role("link", name="Choose collections and documents").click()
    page.get_by_label("Find a document by name").fill("hand")
    page.locator("#choose[open] [data-offered]").get_by_label("Handbook").check()
    check_by_axe(page)
    page.get_by_role("button", name="Search these").click()
    page.locator("#scope .scope", has_text="Letting").click()
    assert page.locator("#scope .scope").all_inner_texts() == ["Handbook"]

    page.get_by_label("Your question").fill("When is the rent due?")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{ENDED} .answer a.cite")
    assert list(Conversation.objects.get().documents.all()) == [handbook]
    suggestion = page.locator(".next button").first
    suggestion.wait_for()
    assert "keeping pets" in suggestion.inner_text()
    suggestion.click()
    page.wait_for_selector(f".exchange:nth-child(2){ENDED.removeprefix('.exchange')} .answer")

    page.get_by_label("Your question").fill("And of whom?")
    page.keyboard.press("Enter")
    page.wait_for_selector(f".exchange:nth-child(3){ENDED.removeprefix('.exchange')} .searched")
    check_by_axe(page)
    page.get_by_label("Edit what is searched for").click()
    page.get_by_label("Search for").fill("What does keeping pets need?")
    page.get_by_role("button", name="Search and answer again").click()
    page.wait_for_selector(f"{ENDED} .searched >> text=as you wrote it")
    assert "written permission" in page.locator(".answer").last.inner_text()
    assert Message.objects.filter(role="user").count() == 3
    assert letting.pk not in Message.objects.latest("created_at").citations.values_list("document", flat=True)
    check_by_axe(page)


def test_a_scope_is_chosen_without_script(browser, asgi_server, client, settings, alice):
    letting = add(alice, LETTING, "letting.md")
    add(alice, HANDBOOK, "handbook.md")
    client.force_login(alice)
    context = browser.new_context(java_script_enabled=False)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": asgi_server}])
    page = context.new_page()
    page.goto(f"{asgi_server}/")
    page.get_by_role("link", name="Choose collections and documents").click()
    page.get_by_label("Find a document by name").fill("lett")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Letting").check()
    page.get_by_role("button", name="Search these").click()
    page.get_by_label("Your question").fill("When is the rent of a shop due?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_selector(".answer >> text=June")
    assert list(Conversation.objects.get().documents.all()) == [letting]
    context.close()
