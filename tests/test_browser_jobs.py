"""Documents and jobs, passages and the evaluation in a real browser, in light, in dark and narrow."""

import pytest

from documents.evaluation import running
from documents.models import Document, EvaluationRun, EvaluationSet
from tests.library import add
from tests.rows import attempt, row
from tests.test_browser import by_a_worker, check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
DEAD = {"code": "internal", "reason": "Lectern could not read this file.", "advice": "Try again later."}
RULES = (
    b"# House rules\n\nThe rent is due on the third working day of the month.\n\n# Pets\n\nDogs need a permission.\n"
)


def test_what_failed_is_read_again_and_a_passage_is_kept_out(signed_in, asgi_server, staff, alice):  # noqa: F811
    dead = row(alice, "a-very-long-name-of-a-report-" * 4 + ".pdf", "failed", error=DEAD)
    attempt(dead, 1, "failed", stage="embedding", reason="A fault of Lectern's own.", worker="node-7 4711")
    add(staff, RULES)
    page = signed_in(staff)
    page.goto(f"{asgi_server}/console/documents/?state=dead")
    check_by_axe(page)
    page.locator("a.file__name").click()
    assert page.get_by_text("node-7 4711").is_visible()
    check_by_axe(page)
    page.get_by_role("button", name="Read again").click()
    check_by_axe(page)
    page.get_by_role("button", name="Read again").click()
    assert page.get_by_text("of these refused: 0").is_visible()
    check_by_axe(page)
    assert Document.objects.get(pk=dead.pk).state == "queued"
    page.goto(f"{asgi_server}/console/documents/?state=ready")
    page.get_by_role("link", name="rules.md").click()
    page.get_by_role("link", name="Passages", exact=True).click()
    page.get_by_label("A test question").fill("When is the rent due?")
    page.get_by_role("button", name="Rank them").click()
    assert page.get_by_text("number 1 in all").is_visible()
    check_by_axe(page)
    page.get_by_role("button", name="Keep out").first.click()
    assert page.get_by_text("Not searched", exact=True).is_visible()
    check_by_axe(page)


def test_a_set_is_made_asked_and_compared(signed_in, asgi_server, staff):  # noqa: F811
    add(staff, RULES)
    page = signed_in(staff)
    page.goto(f"{asgi_server}/console/evaluation/")
    page.get_by_label("Name").fill("House rules")
    page.get_by_role("button", name="Make it").click()
    page.get_by_label("Question", exact=True).fill("When is the rent due?")
    page.get_by_label("Right pages, one a line").fill("rules.md#page=1")
    page.get_by_role("button", name="Add it").click()
    page.get_by_text("When is the rent due?").first.click()
    check_by_axe(page)
    for kind in ("What is found", "What is answered"):
        page.goto(f"{asgi_server}{EvaluationSet.objects.get().get_absolute_url()}")
        page.get_by_label("What is measured").select_option(kind)
        page.get_by_role("button", name="Begin").click()
        assert page.get_by_text("0 of").is_visible()
        check_by_axe(page)
        run = EvaluationRun.objects.first()
        by_a_worker(running.work, run)
        page.get_by_text("Each question" if kind == "What is found" else "Each answer").wait_for()
        again = running.begin(run.set, staff, run.kind)
        by_a_worker(running.work, again)
        page.goto(f"{asgi_server}{again.get_absolute_url()}")
        check_by_axe(page)
    page.goto(f"{asgi_server}/console/evaluation/")
    check_by_axe(page)
