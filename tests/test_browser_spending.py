"""Spending in a real browser: the pages in light, dark and narrow, and the meter while one types."""

import pytest

from project.catalogue import Model
from project.models import Budget
from project.provider.pieces import Tokens
from project.spending import Payer, note
from tests.library import add, shared_collection
from tests.test_browser import check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
PRICED = Model("gpt-5.4", input_price=2.5, output_price=10)


def test_spending_is_as_clean_as_the_other_rooms(signed_in, asgi_server, staff, alice):  # noqa: F811
    page = signed_in(staff)
    page.goto(f"{asgi_server}/usage/")
    page.wait_for_selector("text=Nothing was spent this month")
    check_by_axe(page)
    place = shared_collection(alice, name="Leases of the northern district and of its farms")
    for limit, of in ((100_000, {}), (6_000, {"user": alice}), (5_000, {"collection_id": place.pk})):
        Budget.objects.create(limit=limit, **of)
    for purpose, base in (("answer", PRICED), ("rewrite", None)):
        note("main", Payer(purpose, alice.pk, collection_id=place.pk), Tokens(2_500, 100, 300, 40), base=base)
    page.goto(f"{asgi_server}/console/spending/")
    for word in ("Within", "Nearly spent", "Spent"):
        page.wait_for_selector(f".state >> text=/^{word}$/")
    page.locator("summary").click()
    check_by_axe(page)


def test_the_meter_moves_while_one_types(signed_in, asgi_server, settings, alice):  # noqa: F811
    settings.OPENAI_CHAT_MODEL, settings.OPENAI_API_KEY = "gpt-5.4", "secret"
    settings.CHAT_CONTEXT_TOKENS = 4_000
    add(alice)
    page = signed_in(alice)
    assert page.locator("[role=meter]").count() == 0
    page.get_by_label("Your question").fill("When is the rent due?")
    page.wait_for_selector('[role=meter][data-level="normal"]')
    check_by_axe(page)
    page.get_by_label("Your question").fill("What does the lease say of dogs? " * 600)
    page.wait_for_selector('[role=meter][data-level="critical"] >> text=/fewer passages will be sent/')
    page.wait_for_selector("#announce >> text=/Too long by about/", state="attached")
    check_by_axe(page)
    page.get_by_label("Your question").fill("")
    page.wait_for_selector("[role=meter]", state="detached")
