"""The story in a real browser: drop a PDF, watch it become ready, ask, click a number, see the words lit."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from pypdf import PdfReader

from chat.models import Citation, Message
from documents import rendering
from documents.models import Document
from tests.library import FILES, RENT, add, covers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

HANDBOOK = Path(__file__).parent.parent / "documents" / "samples" / "burst-main-handbook.pdf"
QUESTION = "Within how many hours must supply be restored after a burst main?"


@pytest.fixture
def faults(page, asgi_server) -> list[str]:
    """What a page must never do: complain in the console, break, or ask another host for anything."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((asgi_server, "data:", "blob:")) else found.append(request.url),
    )
    return found


@pytest.fixture
def signed_in(page, asgi_server, client, settings, faults):
    """Sign somebody in and hand out their browser page."""

    def sign_in(user):
        client.force_login(user)
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}
        page.context.add_cookies([{**cookie, "url": asgi_server}])
        page.goto(f"{asgi_server}/")
        return page

    yield sign_in
    assert faults == []


def check_by_axe(page) -> None:
    """No violation in light, in dark and on a narrow screen, which does not scroll sideways either."""
    for scheme in ("light", "dark"):
        for width in (1440, 320):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 900})
            results = Axe().run(page)
            assert results.violations_count == 0, (scheme, width, results.generate_report())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (scheme, width)
    page.set_viewport_size({"width": 1440, "height": 900})


def lit_rectangles(page) -> list[tuple[float, ...]]:
    read = "all => all.map(r => ['x', 'y', 'width', 'height'].map(name => Number(r.getAttribute(name))))"
    return [tuple(rect) for rect in page.locator("#sources svg.page rect.lit").evaluate_all(read)]


@pytest.mark.slow
def test_from_a_dropped_pdf_to_the_lit_words(signed_in, asgi_server, alice, worker):
    page = signed_in(alice)
    page.goto(f"{asgi_server}/library/")
    check_by_axe(page)
    page.set_input_files('input[type="file"] >> nth=0', HANDBOOK)
    page.wait_for_selector("#documents >> text=Ready", timeout=60_000)
    check_by_axe(page)

    page.goto(f"{asgi_server}/")
    check_by_axe(page)
    page.get_by_label("Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(".exchange:not([data-stream]) .answer a.cite", timeout=30_000)
    answer = Message.objects.get(role="assistant")
    assert re.search(r"twelve hours|12 hours", page.locator(".answer").inner_text())

    page.locator(".answer a.cite").first.click()
    page.wait_for_selector("#sources svg.page rect.lit")
    citation = Citation.objects.get(message=answer, number=1)
    spans = citation.spans
    expected = rendering.rectangles(Document.objects.get().path, citation.page_number, spans)
    flat = [side for rects in expected for rect in rects for side in (rect.left, rect.top, rect.width, rect.height)]
    assert [side for rect in lit_rectangles(page) for side in rect] == pytest.approx(flat, abs=0.01)
    words = Document.objects.get().pages_live().get(number=citation.page_number).text[slice(*spans[0])]
    assert " ".join(words.split()) in " ".join(page.locator(".answer").inner_text().split())
    image = page.locator("#sources svg.page image")
    assert (
        page.evaluate(
            "fetch(arguments_[0]).then(r => r.status)".replace("arguments_[0]", repr(image.get_attribute("href")))
        )
        == 200
    )
    check_by_axe(page)

    page.reload()
    assert page.locator(".answer a.cite").count() >= 1


@pytest.mark.slow
@pytest.mark.skipif(not FILES.is_dir(), reason="The public reports are not beside this checkout.")
def test_seventeen_real_reports_go_through_the_page_without_losing_one_of_theirs(signed_in, asgi_server, alice, worker):
    page = signed_in(alice)
    page.goto(f"{asgi_server}/library/")
    reports = sorted([*(FILES / "agency").glob("*.pdf"), *(FILES / "ntsb").glob("*.pdf")])
    page.set_input_files('input[type="file"] >> nth=0', reports)
    ready = page.locator("#documents .state--good")
    deadline = time.monotonic() + 400
    while ready.count() < len(reports):
        assert time.monotonic() < deadline, list(Document.objects.values_list("name", "state", "error"))
        page.wait_for_timeout(500)
    for report in reports:
        document = Document.objects.get(name=report.name)
        assert (document.state, document.page_count) == ("ready", len(PdfReader(report).pages)), report.name
        assert covers(document), report.name


def test_what_is_not_there_says_so_and_shows_the_nearest(signed_in, alice):
    add(alice)
    page = signed_in(alice)
    page.get_by_label("Your question").fill("Who painted the ceiling of the chapel in Rome?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_selector("text=This is not in your documents", timeout=20_000)
    assert page.locator(".nearest li").count() >= 1
    check_by_axe(page)


def test_a_text_file_shows_its_words_marked(signed_in, alice):
    add(alice)
    page = signed_in(alice)
    page.get_by_label("Your question").fill("When is the rent due?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".exchange:not([data-stream]) a.cite", timeout=20_000)
    page.locator(".answer a.cite").first.focus()
    page.keyboard.press("Enter")
    lit = page.wait_for_selector("#sources mark.lit")
    assert lit.inner_text() == "The rent is due on the third working day of the month."
    check_by_axe(page)


def test_everything_basic_works_without_script(browser, asgi_server, client, settings, alice, tmp_path):
    client.force_login(alice)
    context = browser.new_context(java_script_enabled=False)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": asgi_server}])
    page = context.new_page()
    rules = tmp_path / "rules.md"
    rules.write_bytes(RENT)
    page.goto(f"{asgi_server}/library/")
    page.set_input_files('input[type="file"] >> nth=0', rules)
    page.locator("form[data-upload] button:visible").first.click()
    page.wait_for_selector("text=rules.md is on its way")
    from documents.ingestion import ingest

    ingest(Document.objects.get())
    page.goto(f"{asgi_server}/")
    page.get_by_label("Your question").fill("When is the rent due?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_selector("a.cite")
    page.locator("a.cite").first.click()
    assert page.wait_for_selector("mark.lit").inner_text() == "The rent is due on the third working day of the month."
    context.close()


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/signin/old/", "/nowhere"]
)
def test_the_doors_are_as_clean_as_the_rooms(page, asgi_server, faults, path):
    page.goto(f"{asgi_server}{path}")
    check_by_axe(page)
    assert [fault for fault in faults if "404" not in fault and "410" not in fault] == []


def test_signing_in_and_out_by_hand(page, asgi_server, alice, faults):
    page.goto(f"{asgi_server}/library/")
    page.locator('input[name="login"]').fill("alice")
    page.locator('input[name="password"]').fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector('[role="alert"]')
    page.locator('input[name="login"]').fill("alice")
    page.locator('input[name="password"]').fill("reading room 7")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{asgi_server}/library/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/accounts/login/|/$"))
    assert faults == []


def test_the_console_keeps_to_the_policy(signed_in, asgi_server, staff):
    page = signed_in(staff)
    for place in ("/admin/", "/admin/documents/document/", "/admin/documents/collection/", "/admin/project/apikey/"):
        page.goto(f"{asgi_server}{place}")
        assert page.locator("#content").count() == 1
