"""In a real browser: whatever a model writes, nothing loads, nothing breaks, and what is doubtful is marked."""

from __future__ import annotations

import os

import pytest

from tests.fake_openai import FakeOpenAI, Reply
from tests.library import add
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

RULES = b"""# House rules

The rent is due on the third working day of the month.

Dogs may be kept with a written permission of the owner.

The share of leaks fell to 12 per cent in 2023.
"""
ANSWER = (
    "The rent is due on the third working day of the month. [7] Dogs must be kept with a written permission of the "
    "owner. [1]\n\nThe share of leaks fell to **21 per cent** in 2023. [1] <script>document.title = 'owned'</script>"
    "\n\n![x](https://evil.example/x.png) [a link](javascript:alert(1)) <img src=x onerror=alert(1)>\n\nThe castle was "
    "built by monks from Gh"
)


@pytest.fixture
def service(settings):
    with FakeOpenAI() as fake:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = f"{fake.url}/v1", "secret"
        settings.OPENAI_CHAT_MODEL = "gpt-test"
        yield fake
        assert fake.faults == []


def shot(page, name: str) -> None:
    """A picture for somebody to look at, where they ask for it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_doubt_is_drawn_told_and_leads_to_the_words(signed_in, asgi_server, alice, service):  # noqa: F811
    add(alice, RULES)
    service.replies = [Reply([ANSWER[at : at + 40] for at in range(0, len(ANSWER), 40)], finish="length", pause_s=0.01)]
    page = signed_in(alice)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("textbox", name="Your question").fill("When is the rent due, and what of dogs and leaks?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tools")
    answer = page.locator(".answer")
    # Loads nothing, runs nothing: the fixture of faults sees to requests and the console.
    assert page.title() != "owned" and answer.locator("img, script").count() == 0
    # Each verdict is drawn, has words of its own, and a reason a person understands.
    assert answer.locator(".partly").first.inner_text().startswith("Dogs must be kept")
    assert [part.strip() for part in answer.locator(".unsupported").all_inner_texts()][:3] == [
        "The share of leaks fell to", "21 per cent", "in 2023.",
    ]  # fmt: skip
    assert "The passage says 12 per cent, not 21 per cent." in answer.locator(".why").first.inner_text()
    assert answer.locator(".hidden-text").first.text_content() == "Partly supported: "
    assert "2 do in part." in page.locator(".proof", has_text="stand").inner_text()
    assert "cut off" in page.locator(".exchange").inner_text()
    # A number that was never offered is gone; the passage that carries the sentence stands in its place.
    assert answer.locator(".cite").first.inner_text() == "1"
    answer.locator(".cite").first.click()
    page.wait_for_selector("#sources .lit")
    full = page.locator("#sources .lit:not(.lit--near)").all_inner_texts()
    assert " ".join(" ".join(full).split()) == "The rent is due on the third working day of the month."
    # The reason opens by keyboard, and Escape closes it.
    sign = answer.get_by_role("button", name="Partly supported").first
    sign.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".peek:popover-open >> text=may")
    shot(page, "proof-peek")
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)  # It would open the note that comes to lie under it.
    page.wait_for_function("![...document.querySelectorAll('.peek')].some((box) => box.checkVisibility())")
    check_by_axe(page)
    shot(page, "proof-light")
    page.emulate_media(color_scheme="dark")
    shot(page, "proof-dark")
    page.set_viewport_size({"width": 320, "height": 900})
    shot(page, "proof-narrow")


def test_without_script_the_marks_and_reasons_are_there(browser, asgi_server, client, settings, alice, service):
    settings.UNSUPPORTED = "hide"
    add(alice, RULES)
    service.replies = [Reply([ANSWER])]
    client.force_login(alice)
    context = browser.new_context(java_script_enabled=False)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": asgi_server}])
    page = context.new_page()
    page.goto(f"{asgi_server}/")
    page.get_by_role("textbox", name="Your question").fill("When is the rent due, and what of dogs and leaks?")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector(".tools")
    assert "21 per cent" not in page.locator(".answer").inner_text()
    page.locator("summary", has_text="no source bears out").click()
    assert "The share of leaks fell to 21 per cent in 2023." in page.locator(".left-out").inner_text()
    page.get_by_role("button", name="Partly supported").first.click()
    assert "may" in page.locator(".peek:popover-open").inner_text()
    context.close()
