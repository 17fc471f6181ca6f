"""What was spent, as its pages, its files and its command tell it."""

import asyncio
import csv
import io
import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from project.catalogue import Model
from project.models import ApiKey, AuditEvent, Budget, Usage
from project.provider.pieces import Tokens
from project.spending import Payer, note
from project.spending.reports import between, collection_names, report, total
from tests.library import shared_collection

pytestmark = pytest.mark.django_db
PRICED = Model("gpt-priced", input_price=1, output_price=1)


def spend(tokens: int, user=None, *, at: str = "", base: Model | None = PRICED, name: str = "main", **payer) -> None:
    row = note(name, Payer(user_id=user and user.pk, **payer), Tokens(tokens, 0), base=base)
    if at:
        Usage.objects.filter(pk=row.pk).update(created_at=datetime.fromisoformat(at))


def lines(by: str, first: str = "2026-01-01", last: str = "2026-12-31") -> list[tuple]:
    rows = between(date.fromisoformat(first), date.fromisoformat(last))
    return [(line.name, line.tokens) for line in report(rows, by, collection_names())]


def body(response) -> str:
    async def read() -> bytes:
        return b"".join([part async for part in response])

    return asyncio.run(read()).decode() if response.is_async else response.getvalue().decode()


# Sums ----------------------------------------------------------------------------------------------------------------
def test_a_day_is_one_of_the_operators_clock(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    spend(1, at="2026-03-01T22:59:59Z")
    spend(2, at="2026-03-01T23:00:00Z")
    assert lines("day") == [("1 Mar 2026", 1), ("2 Mar 2026", 2)]
    assert lines("day", "2026-03-02", "2026-03-02") == [("2 Mar 2026", 2)]


def test_months_come_in_their_order():
    spend(5, at="2026-02-10T12:00Z")
    spend(9, at="2026-01-10T12:00Z")
    assert lines("month") == [("January 2026", 9), ("February 2026", 5)]


def test_people_models_and_purposes_come_from_the_largest(alice, bob):
    spend(1, alice, at="2026-03-01T12:00Z", name="small", purpose="rewrite")
    spend(2, bob, at="2026-03-01T12:00Z")
    spend(3, at="2026-03-01T12:00Z", base=None)
    assert lines("user") == [("nobody in particular", 3), ("bob", 2), ("alice", 1)]
    assert lines("model") == [("main", 3), ("main (gpt-priced)", 2), ("small (gpt-priced)", 1)]
    assert lines("purpose") == [("answer", 5), ("rewrite", 1)]


def test_collections_are_told_by_their_names(alice):
    kept, gone = shared_collection(alice, name="Leases"), shared_collection(alice, name="Old")
    spend(3, at="2026-03-01T12:00Z", collection_id=kept.pk)
    spend(2, at="2026-03-01T12:00Z", collection_id=gone.pk)
    spend(1, at="2026-03-01T12:00Z")
    gone.delete()
    named = ["Leases of alice", "a collection that is gone or closed", "several collections, or none"]
    assert [name for name, _ in lines("collection")] == named


def test_every_report_adds_up_to_the_same():
    for hour in range(24):
        spend(hour + 1, at=f"2026-05-{hour + 1:02}T{hour:02}:30Z", purpose=f"p{hour % 3}", name=f"m{hour % 4}")
    whole = total(between(date(2026, 1, 1), date(2026, 12, 31)))
    for by in ("day", "month", "model", "user", "collection", "purpose"):
        assert sum(tokens for _, tokens in lines(by)) == whole.tokens == 300
    assert whole.dollars == Decimal(300) / 1_000_000


# Pages ---------------------------------------------------------------------------------------------------------------
def test_spending_is_for_administrators(client, alice, staff):
    client.force_login(alice)
    assert client.get("/console/spending/").status_code == 404
    assert client.get("/console/spending.csv").status_code == 404
    client.force_login(staff)
    assert client.get("/console/spending/").status_code == 200


def test_ones_own_usage_shows_nothing_of_others(client, alice, bob):
    place = shared_collection(bob, name="Secret plans")
    spend(111, alice)
    spend(222_222, bob, collection_id=place.pk)
    Budget.objects.create(user=bob, limit=987_654)
    client.force_login(alice)
    html = client.get("/usage/").content.decode()
    assert "111" in html
    assert not any(word in html for word in ("222,222", "222,333", "Secret plans", "987,654", "bob"))
    assert "222222" not in body(client.get("/usage.csv"))


def test_nobody_signed_in_sees_no_usage(client):
    assert client.get("/usage/").status_code == client.get("/usage.csv").status_code == 302


def test_the_page_says_that_nothing_was_spent(client, alice):
    client.force_login(alice)
    html = client.get("/usage/").content.decode()
    assert "No model was asked in this time" in html and "There is no budget" in html


def test_an_unknown_price_is_said(client, alice):
    spend(50, alice, base=None)
    client.force_login(alice)
    assert "not known" in client.get("/usage/").content.decode()


@pytest.mark.parametrize(("spent", "word"), [(10, "Within"), (80, "Nearly spent"), (100, "Spent")])
def test_a_budget_shows_its_state_in_words(client, alice, spent, word):
    Budget.objects.create(user=alice, limit=100, period="day")
    spend(spent, alice)
    client.force_login(alice)
    html = client.get("/usage/").content.decode()
    assert f"</svg>{word}</span>" in html and f"{spent} tokens of 100 tokens a day" in html


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("first=2026-03-02&last=2026-03-01", "comes after the last"),
        ("first=never", "written like"),
        ("first=2001-01-01&last=2026-01-01", "Ten years at a time"),
        ("first=9999-12-31&last=9999-12-31", "Only days from 2000"),
        ("last=0001-01-01", "Only days from 2000"),
    ],
)
def test_an_odd_period_is_no_fault_of_ours(client, alice, asked, said):
    client.force_login(alice)
    response = client.get(f"/usage/?{asked}")
    assert response.status_code == 200 and said in response.content.decode()
    assert client.get(f"/usage.csv?{asked}").status_code in {200, 400}


def test_a_long_time_is_drawn_by_months(client, alice):
    spend(5, alice, at="2026-02-10T12:00Z")
    client.force_login(alice)
    html = client.get("/usage/?first=2026-01-01&last=2026-06-30").content.decode()
    assert "Tokens a month" in html and html.count("<rect ") == 6


# Files ---------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_the_file_holds_every_call_and_no_formula(client, staff, alice):
    type(alice).objects.filter(pk=alice.pk).update(username="=HYPERLINK(1)")
    key, _ = ApiKey.create(alice)
    spend(7, alice, api_key_id=key.pk, name="@main")
    client.force_login(staff)
    response = client.get("/console/spending.csv")
    (row,) = csv.DictReader(io.StringIO(body(response)))
    assert (row["person"], row["deployment"], row["api_key"]) == ("'=HYPERLINK(1)", "'@main", key.start)
    assert (row["input_tokens"], Decimal(row["dollars"]), row["is_estimate"]) == ("7", Decimal("0.000007"), "no")
    assert "attachment" in response["Content-Disposition"]


@pytest.mark.django_db(transaction=True)
def test_a_long_file_comes_whole(client, staff):
    Usage.objects.bulk_create(Usage(deployment="main", input_tokens=1) for _ in range(2_501))
    client.force_login(staff)
    assert len(body(client.get("/console/spending.csv")).splitlines()) == 2_502


# Budgets in the console ----------------------------------------------------------------------------------------------
NEW = {"kind": "all", "period": "day", "unit": "tokens", "limit": "5", "warn_percent": "70"}


def set_budget(client, **change: str):
    return client.post("/console/budgets/set/", NEW | change, follow=True)


def test_an_administrator_sets_changes_and_takes_away_budgets(client, staff, alice):
    place, key = shared_collection(alice, name="Leases"), ApiKey.create(alice)[0]
    client.force_login(staff)
    assert "There is no budget" in client.get("/console/budgets/").text
    set_budget(client)
    set_budget(client, kind="person", name="alice", unit="dollars", limit="2.50")
    set_budget(client, kind="key", name=f"{key.start}…")
    page = set_budget(client, kind="collection", name="Leases of alice").text
    rows = Budget.objects.order_by("pk").values_list("user", "api_key", "collection_id", "limit", "warn_at")
    facts = [(alice.pk, None, None, Decimal("2.5")), (None, key.pk, None, 5), (None, None, place.pk, 5)]
    assert list(rows) == [(*each, Decimal("0.7")) for each in [(None, None, None, 5), *facts]]
    assert page.count("Begins anew on") == 4 and "Collection Leases of alice" in page
    first = Budget.objects.order_by("pk")[0]
    client.post(f"/console/budgets/{first.pk}/", {"limit": "9", "warn_percent": "50"})
    first.refresh_from_db()
    assert (first.limit, first.warn_at) == (9, Decimal("0.5"))
    client.post(f"/console/budgets/{first.pk}/delete/")
    assert not Budget.objects.filter(pk=first.pk).exists()
    acts = AuditEvent.objects.filter(action__startswith="budget.").order_by("pk").values_list("action", flat=True)
    assert list(acts) == ["budget.set"] * 4 + ["budget.change", "budget.delete"]


def test_budgets_are_for_those_who_run_lectern(client, alice):
    row = Budget.objects.create(limit=5)
    client.force_login(alice)
    assert client.get("/console/budgets/").status_code == set_budget(client).status_code == 404
    for act in ("", "delete/"):
        assert client.post(f"/console/budgets/{row.pk}/{act}", {"limit": "9", "warn_percent": "1"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"limit": "-1"}, "greater than or equal"),
        ({"kind": "collection", "name": "Leases"}, "more than one, is called that"),
        ({"kind": "person"}, "more than one, is called that"),
        ({"limit": "1.5"}, "counted whole"),
        ({"unit": "euros"}, "not one of the available choices"),
        ({"limit": "7"}, "There is such a budget already"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_with_a_sentence(client, staff, change, said):
    client.force_login(staff)
    if change == {"limit": "7"}:
        set_budget(client)
    response = set_budget(client, **change)
    assert response.status_code == 400 and said in response.text
    assert Budget.objects.count() == (change == {"limit": "7"})


# The command ---------------------------------------------------------------------------------------------------------
def told(capsys, *words: str) -> str:
    call_command("usage", *words)
    return capsys.readouterr().out


def test_the_command_adds_up(capsys, alice):
    spend(1_200, alice)
    spend(300, alice, base=None)
    found = json.loads(told(capsys, "--by", "user", "--json"))
    assert found["total"]["tokens"] == 1_500 and found["total"]["unpriced"] == 300
    assert (found["lines"][0]["name"], found["lines"][0]["dollars"]) == ("alice", "0.00120000")
    assert "1,500 tokens" in told(capsys, "--by", "purpose")
    (row,) = csv.DictReader(io.StringIO(told(capsys, "--by", "user", "--csv")))
    assert (row["user"], row["calls"]) == ("alice", "2")


def test_the_command_says_that_nothing_was_spent(capsys):
    assert told(capsys, "--from", "2020-01-01", "--to", "2020-01-31") == "No model was asked in this time.\n"


def test_the_command_refuses_a_period_that_runs_backwards():
    tomorrow = timezone.localdate() + timedelta(days=1)
    with pytest.raises(CommandError, match="comes after") as caught:
        call_command("usage", "--from", str(tomorrow))
    assert caught.value.returncode == 2
