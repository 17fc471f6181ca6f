"""The interface in German, and turned round for a language that is written from right to left, in a real browser."""

import pytest

from tests.library import add
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
# No page scrolls sideways, and nothing in it stands outside, but for what scrolls by itself.
OUTSIDE = """() => [...document.querySelectorAll("body *")].filter((each) => {
  const at = each.getBoundingClientRect();
  const scrolls = each.closest(".scroll-x, .talk, .frame, .viewer__page, .hidden-text, .skip, [popover], dialog");
  const seen = each.checkVisibility({ contentVisibilityAuto: true }) && at.width > 1 && at.height > 1;
  return seen && !scrolls && (at.right > innerWidth + 1 || at.left < -1);
}).map((each) => each.outerHTML.slice(0, 120))"""


def test_somebody_chooses_german_and_is_spoken_to_in_german(signed_in, alice):  # noqa: F811
    add(alice)
    page = signed_in(alice)
    page.get_by_role("button", name="Language").click()
    page.get_by_role("button", name="Deutsch").click()
    page.wait_for_selector('html[lang="de"]')
    page.get_by_label("Ihre Frage").fill("When is the rent due?")
    page.keyboard.press("Enter")
    page.get_by_text("Dies sind wörtliche Sätze aus Ihren Dokumenten.").wait_for()
    check_by_axe(page)


def test_german_words_fit_and_a_page_that_is_turned_round_fits_too(signed_in, asgi_server, alice):  # noqa: F811
    document = add(alice)
    page = signed_in(alice)
    page.context.add_cookies([{"name": "lectern_language", "value": "de", "url": asgi_server}])
    for place in ("/", "/library/", document.get_absolute_url(), "/usage/"):
        page.goto(f"{asgi_server}{place}")
        for direction in ("ltr", "rtl"):
            page.evaluate("(direction) => { document.documentElement.dir = direction; }", direction)
            for width in (320, 1440):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (place, direction, width)
                assert page.evaluate(OUTSIDE) == [], (place, direction, width)
        assert page.locator("#side").bounding_box()["x"] > 1440 / 2, "the list stands where reading begins"
