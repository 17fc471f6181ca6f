"""The panel in a real browser: zoom, neighbours, what changed since, what is gone, how an answer was made."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from chat.models import Citation, Conversation, Message
from chat.proof.rechecking import recheck
from documents import intake
from documents.models import Document
from tests.cited import answered, cite
from tests.library import add
from tests.made_files import pdf
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

FACTS = [f"Valve {n} of Netherfold is looked at every {n + 3} days by two people." for n in range(100)]
TABLE = b"Town,May,June\nNetherfold,40,61\nHighdale,41,62\n"


@pytest.fixture
def talk(alice) -> Message:
    """An answer over three pages of a PDF and a cell of a table, as it was made."""
    log, levels = add(alice, pdf(FACTS), "log.pdf"), add(alice, TABLE, "levels.csv")
    first, second = log.pages_live()[:2]
    first.document = second.document = log
    message = answered(alice, (FACTS[5], first, FACTS[5]), (FACTS[50], second, FACTS[50]))
    sheet = levels.pages_live().get()
    sheet.document = levels
    start = sheet.text.index("62")
    cite(message, sheet, [(start, start + 2)], number=3, keyword_rank=2, vector_rank=1, tokens=40, score=0.8)
    made = {"search_s": 0.12, "answer_s": 3.9, "sent": 3, "asked": True, "input_tokens": 3100, "output_tokens": 310}
    Message.objects.filter(pk=message.pk).update(
        content=f"{FACTS[5][:-1]}[1]. {FACTS[50][:-1]}[2]. Highdale stood at 62 in June[3].",
        how=[["Searched for", "valve 5"], ["Answered by", "gpt, 4.0 s"]],
        made=made | {"prompt_tokens": 3050, "room": 8000},
    )
    Conversation.objects.filter(pk=message.conversation_id).update(pinned_at=timezone.now())
    return message


def lit_on(page) -> int:
    return page.locator("#sources svg.page rect.lit").count()


def test_the_story_of_the_panel(signed_in, asgi_server, alice, talk):  # noqa: F811
    page = signed_in(alice)
    page.goto(asgi_server + talk.conversation.get_absolute_url())
    page.locator(".answer a.cite").first.press("Enter")
    page.wait_for_selector("#sources svg.page rect.lit")

    # Larger by the button and by the key, whole by the key.
    width = page.locator("#sources svg.page").bounding_box()["width"]
    page.get_by_role("button", name="Larger").click()
    page.locator("#sources .viewer__page").focus()
    page.keyboard.press("+")
    assert page.locator("#sources svg.page").bounding_box()["width"] > 1.4 * width
    assert page.locator("[data-zoom-shown]").inner_text() == "150 %"
    page.keyboard.press("0")
    frame, shown = (page.locator(f"#sources {name}").bounding_box() for name in (".viewer__page", "svg.page"))
    assert shown["height"] <= frame["height"]

    # A neighbour by the key, and back to the words.
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#sources >> text=2 of 3")
    assert lit_on(page) == 0
    page.get_by_role("button", name="Back to the words").click()
    page.wait_for_selector("#sources svg.page rect.lit")
    assert page.get_by_role("button", name="Back to the words").count() == 0

    # A cell of a table.
    page.locator("#cited a").nth(2).click()
    page.wait_for_selector("#sources td.cell--lit mark")
    assert page.locator("#sources td.cell--lit").inner_text() == "62"

    # How it was made.
    page.get_by_text("How this answer was made").click()
    assert page.locator("#made summary .count").inner_text() == "4.0 s · 3,410 tokens"
    assert page.locator("#made .legs tbody tr").count() == 3
    page.locator("#made .legs a").first.click()
    page.wait_for_selector("#sources .viewer__bar")
    check_by_axe(page)

    # A newer version: a fact is another, a fact is the same.
    add(alice, pdf(["Printed in June.", *FACTS[:5], FACTS[5].replace("8 days", "9 days"), *FACTS[6:]]), "log.pdf")
    recheck()
    page.goto(asgi_server + talk.conversation.get_absolute_url())
    assert page.locator(".recheck li").count() == 1
    assert page.locator("#conversation-list a .icon").count() == 1
    page.locator(".answer a.cite").first.press("Enter")
    page.wait_for_selector("#sources .since del")
    assert "removed: 8" in page.locator(".since del").text_content()
    assert "added: 9" in page.locator(".since ins").text_content()
    check_by_axe(page)
    page.locator("#sources .since a").click()
    page.wait_for_selector("#sources .viewer__bar >> text=version 2")
    page.wait_for_selector("#sources svg.page rect.lit")
    page.locator(".answer a.cite").nth(1).press("Enter")
    page.wait_for_selector("#sources >> text=unchanged in version 2")
    page.get_by_role("button", name="Put this away").press("Enter")
    page.wait_for_selector(".exchange")
    assert page.locator(".recheck").count() == 0

    # Its own page, by the permanent link.
    page.locator(".answer a.cite").first.press("Enter")
    page.wait_for_selector("#sources .since del")
    page.get_by_role("link", name="Open the page by itself").click()
    page.wait_for_selector(".shell--page svg.page rect.lit")
    assert re.search(r"/cite/[0-9a-f-]{36}/$", page.url)
    check_by_axe(page)

    # Gone.
    intake.delete(Document.objects.get(name="log.pdf", version=2))
    page.goto(asgi_server + Citation.objects.get(message=talk, number=3).url)
    page.goto(asgi_server + talk.conversation.get_absolute_url())
    page.locator(".answer a.cite").first.press("Enter")
    page.wait_for_selector("#sources >> text=no longer available")
    assert "Valve 5" not in page.locator("#sources").inner_text()
    check_by_axe(page)


def test_without_script_the_link_opens_the_page(browser, asgi_server, alice, client, settings, talk):
    client.force_login(alice)
    context = browser.new_context(java_script_enabled=False)
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}
    context.add_cookies([{**cookie, "url": asgi_server}])
    page = context.new_page()
    page.goto(asgi_server + talk.conversation.get_absolute_url())
    page.locator(".answer a.cite").first.press("Enter")
    assert page.locator("svg.page rect.lit").count() >= 1
    page.get_by_role("link", name="Next page").click()
    assert page.get_by_text("2 of 3").count() == 1
    context.close()
