"""The story of a gap in a real browser: refused, seen in the console, closed by an upload, told, put away."""

import pytest

from chat import gaps
from chat.models import PermissionProof
from project.audit import audit
from project.models import ApiKey
from tests.library import add, shared_collection
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures
from tests.test_console_questions import voted_down
from tests.test_gaps import ANSWERED, HANDBOOK, OPEN, TOLD, refused

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
ROWS = [
    {"path": "documents", "role": "owner", "probes": 100, "reached": 10, "leaks": 0, "missed": 0},
    {"path": "documents", "role": "stranger", "probes": 200, "reached": 0, "leaks": 1, "missed": 0},
]
REPORT = {"probes": 300, "reached": 10, "leaks": 1, "missed": 0, "seconds": 3.5, "told": ["documents: …"], "rows": ROWS}


def test_from_a_refusal_to_the_news_and_every_page_of_it(signed_in, asgi_server, alice, staff):  # noqa: F811
    gap = refused(alice, ANSWERED[2])
    refused(alice, OPEN[0])
    voted_down(gap.answer, alice)
    page = signed_in(staff)
    page.goto(f"{asgi_server}/console/gaps/")
    assert page.get_by_role("heading", name="2 questions are waiting for a document.").is_visible()
    check_by_axe(page)
    page.locator(".theme:not([open]) summary").click()
    page.get_by_role("link", name=ANSWERED[2]).click()
    check_by_axe(page)
    page.get_by_label("Set of questions").fill("Canteen")
    page.get_by_label("What is right").select_option("none")
    page.get_by_role("button", name="Keep it").click()
    page.get_by_label("Assign to").select_option("staff")
    page.get_by_role("button", name="Assign").click()
    page.get_by_role("button", name="Resolve").click()
    assert page.get_by_text("It is resolved.").is_visible()
    page.get_by_role("link", name="All questions").click()
    page.get_by_role("button", name="Show by theme").click()
    check_by_axe(page)

    add(alice, HANDBOOK.encode(), "handbook.md")
    assert gaps.look_again() == [gap]
    page.goto(f"{asgi_server}/console/gaps/")
    assert page.get_by_text("the asker is told").is_visible()

    page = signed_in(alice)
    page.goto(f"{asgi_server}{gap.question.conversation.get_absolute_url()}")
    assert page.get_by_text(TOLD).is_visible()
    check_by_axe(page)
    page.get_by_role("button", name="Put this away").click()
    assert page.get_by_text(TOLD).count() == 0


def test_people_keys_audit_and_proof(signed_in, asgi_server, alice, bob, staff):  # noqa: F811
    shared_collection(alice, bob, name="Leases")
    ApiKey.create(alice, name="nightly")
    audit("member.add", bob, by=alice, role="reader")
    PermissionProof.objects.create(state="done", report=REPORT)
    page = signed_in(staff)
    for place in ("members/", f"members/people/{alice.pk}/", "keys/", "audit/", "permissions/"):
        page.goto(f"{asgi_server}/console/{place}")
        check_by_axe(page)
    assert page.get_by_role("heading", name="One word reached somebody who may not read it.").is_visible()
    page.goto(f"{asgi_server}/console/members/people/{alice.pk}/")
    page.get_by_label("New owner").fill("bob")
    page.get_by_role("button", name="Hand 0 documents over").click()
    assert page.get_by_text("belongs to bob now").is_visible()
    page.get_by_role("button", name="Shut out").click()
    assert page.get_by_role("button", name="Let in again").is_visible()
