"""Every page of the console in a real browser: empty and filled, in light, in dark and narrow."""

import pytest
from django.conf import settings as own
from django.urls import reverse

from chat.batches import working
from chat.batches.lines import Line
from chat.models import Batch, ModerationEvent, PromptTemplate
from project.models import Budget
from tests.library import add
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures
from tests.test_wording import TEXT, service  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
QUESTION = "When is the rent due?"
RECORDS = ("/admin/project/usage/", "/admin/chat/prompttemplate/")


def batch_of(owner) -> Batch:
    """One answered, one failed, one not in the documents, one to come."""
    lines = [Line(id=str(place), question=QUESTION) for place in range(4)]
    batch = working.begin(owner, "questions.jsonl", lines, deployment="", limit_cost=None)
    answer = {"answer": "On the third working day.[1]", "citations": [{"number": 1, "document": "lease.pdf" * 20}]}
    failure = {"error": {"reason": "The model was busy."}}
    ends = {"0": ("done", answer), "1": ("failed", failure), "2": ("refused", {})}
    for key, (state, result) in ends.items():
        batch.items.filter(key=key).update(state=state, result=result)
    Batch.objects.filter(pk=batch.pk).update(state="canceled")
    return batch


def test_every_page_of_the_console_is_clean_when_nothing_happened_yet(signed_in, asgi_server, staff):  # noqa: F811
    page = signed_in(staff)
    page.set_viewport_size({"width": 320, "height": 900})
    for name, view in own.CONSOLE_PAGES:
        page.goto(f"{asgi_server}{reverse(view)}")
        assert page.locator("h1").inner_text() == name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_every_page_of_the_console_is_clean_when_it_is_filled(signed_in, asgi_server, staff, service):  # noqa: F811
    add(staff)
    PromptTemplate.objects.create(text=TEXT, is_active=True, note="The board wants it kind.")
    PromptTemplate.objects.create(text=TEXT, name="leases")
    ModerationEvent.objects.create(where="question", category="violence", severity="high", checked_by="openai")
    Budget.objects.create(limit=6_000)
    apart = (
        "console-spending",
        "console-wording",
    )  # The one has a test of its own, the other is here with its preview.
    filled = [reverse(view) for _, view in own.CONSOLE_PAGES if view not in apart]
    page = signed_in(staff)
    for place in (*filled, batch_of(staff).get_absolute_url(), f"/console/wording/?text={QUESTION}", *RECORDS):
        page.goto(f"{asgi_server}{place}")
        check_by_axe(page)


def test_the_chooser_of_models_is_reached_by_keyboard(signed_in, asgi_server, settings, tmp_path, alice):  # noqa: F811
    file = tmp_path / "deployments.toml"
    file.write_text(DEPLOYMENTS)
    settings.DEPLOYMENTS_FILE = str(file)
    page = signed_in(alice)
    page.get_by_label("Your question").fill(QUESTION)
    chooser = page.get_by_label("Answered by")
    for _ in range(3):
        page.keyboard.press("Tab")
        if chooser.evaluate("chooser => chooser === document.activeElement"):
            break
    page.keyboard.press("ArrowDown")
    assert chooser.input_value() == "desk"
    check_by_axe(page)


DEPLOYMENTS = """
default = "desk"
[connections.own]
kind = "compatible"
endpoint = "http://127.0.0.1:9/v1"
[deployments.desk]
connection = "own"
model = "llama-4"
[deployments.own]
connection = "own"
model = "llama-3"
"""
