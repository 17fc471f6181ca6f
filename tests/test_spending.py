"""What a call cost is written down once, and a budget stops what it should stop."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from project.catalogue import Model
from project.models import ApiKey, Budget, Usage, period_of
from project.provider.pieces import Tokens
from project.spending import BudgetSpent, Payer, check, cost, note

pytestmark = pytest.mark.django_db
PRICED = Model("gpt-priced", input_price=2.5, cached_input_price=1.25, output_price=10)
DAY, MONTH = Budget.Period.DAY, Budget.Period.MONTH


def limited(limit: float, **more) -> Budget:
    row = Budget(limit=Decimal(str(limit)), **{"period": DAY, **more})
    row.full_clean()
    row.save()
    return row


def spend(tokens: int, payer: Payer | None = None, *, base: Model | None = None, at: datetime | None = None) -> Usage:
    row = note("gpt-test", payer or Payer(), Tokens(tokens, 0), base=base)
    if at:
        Usage.objects.filter(pk=row.pk).update(created_at=at)
    return row


# What a call costs ---------------------------------------------------------------------------------------------------
def test_kept_tokens_have_their_own_price():
    assert cost(PRICED, Tokens(1_000_000, 100_000, cached=400_000)) == Decimal("1.5") + Decimal("0.5") + 1


def test_kept_tokens_without_a_price_of_their_own_cost_the_full_one():
    base = Model("m", input_price=2, output_price=4)
    assert cost(base, Tokens(1_000_000, 0, cached=1_000_000)) == 2


@pytest.mark.parametrize("base", [Model("m"), Model("m", input_price=1), Model("m", output_price=1)])
def test_a_price_that_nobody_told_leaves_the_cost_unknown(base):
    assert cost(base, Tokens(10, 10)) is None


def test_a_model_that_writes_nothing_needs_no_price_for_writing():
    assert cost(Model("vectors", "embedding", input_price=0.02), Tokens(1_000_000, 0)) == Decimal("0.02")


def test_what_costs_nothing_is_not_of_unknown_cost():
    assert cost(Model("own", input_price=0, output_price=0), Tokens(5, 5)) == 0


def test_everything_the_service_told_is_written_down(alice):
    key, collection = ApiKey.create(alice)[0], uuid4()
    told = Tokens(900, 80, cached=300, reasoning=60, is_estimate=True)
    note("main", Payer("rewrite", alice.pk, key.pk, collection), told, base=PRICED)
    row = Usage.objects.get()
    assert (row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens) == (900, 300, 80, 60)
    assert (row.user, row.api_key, row.collection_id) == (alice, key, collection)
    assert (row.purpose, row.deployment, row.base_model, row.is_estimate) == ("rewrite", "main", "gpt-priced", True)
    assert row.cost == Decimal("0.002675")


@pytest.mark.django_db(transaction=True)
def test_what_a_person_spent_stays_written_when_the_person_goes(alice):
    payer = Payer(user_id=alice.pk)
    alice.delete()
    spend(7, payer)
    assert Usage.objects.get(user=None).input_tokens == 7


# Days and months -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "period", "now", "start", "end"),
    [
        ("UTC", DAY, "2026-11-21T13:00Z", "2026-11-21T00:00Z", "2026-11-22T00:00Z"),
        ("Europe/Berlin", DAY, "2026-11-21T23:30Z", "2026-11-21T23:00Z", "2026-11-22T23:00Z"),
        ("Europe/Berlin", DAY, "2026-10-25T12:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours long
        ("America/New_York", MONTH, "2026-12-01T04:59Z", "2026-11-01T04:00Z", "2026-12-01T05:00Z"),
        ("UTC", MONTH, "2026-12-31T23:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("UTC", MONTH, "2028-01-31T00:00Z", "2028-01-01T00:00Z", "2028-02-01T00:00Z"),
    ],
)
def test_a_period_is_what_the_operators_clock_says(settings, zone, period, now, start, end):
    settings.TIME_ZONE = zone
    assert period_of(period, datetime.fromisoformat(now)) == tuple(map(datetime.fromisoformat, (start, end)))


# When it is enough ---------------------------------------------------------------------------------------------------
def test_without_a_budget_nothing_stops():
    spend(10**9)
    assert check(Payer()) == []


def test_a_spent_budget_stops_and_says_whose_it_is_how_much_and_until_when(alice, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    limited(1_000, user=alice)
    spend(1_000, Payer(user_id=alice.pk))
    with pytest.raises(BudgetSpent) as caught:
        check(Payer(user_id=alice.pk))
    midnight = period_of(DAY, timezone.now())[1]
    assert caught.value.resets_at == midnight
    told = f"{midnight.astimezone(timezone.get_default_timezone()):%B %Y at 00:00} (Europe/Berlin)."
    assert str(caught.value).startswith("alice's budget of 1,000 tokens for today is spent. It begins anew on ")
    assert str(caught.value).endswith(told)


def test_it_goes_on_in_the_next_period():
    limited(1_000)
    spend(5_000, at=period_of(DAY, timezone.now())[0] - timedelta(seconds=1))
    assert check(Payer()) == []


def test_from_its_line_on_it_warns():
    limited(1_000, warn_at=Decimal("0.8"))
    spend(799)
    assert check(Payer()) == []
    spend(1)
    assert [said.split(" It ")[0] for said in check(Payer())] == [
        "The common budget of 1,000 tokens for today is spent to 80 %."
    ]


def test_a_budget_in_dollars_counts_what_calls_cost():
    limited(2, unit="dollars")
    spend(400_000, base=PRICED)
    assert check(Payer()) == []
    spend(400_000, base=PRICED)
    with pytest.raises(BudgetSpent, match=r"of \$2\.00"):
        check(Payer())


@pytest.mark.parametrize("kind", ["user", "key", "collection", "everybody"])
def test_a_budget_binds_those_it_names_and_nobody_else(alice, bob, kind):
    key, collection = ApiKey.create(alice)[0], uuid4()
    of = {"user": {"user": alice}, "key": {"api_key": key}, "collection": {"collection_id": collection}}
    limited(10, **of.get(kind, {}))
    payer = Payer("answer", alice.pk, key.pk, collection)
    spend(10, payer)
    with pytest.raises(BudgetSpent):
        check(payer)
    stranger = Payer(user_id=bob.pk)
    if kind == "everybody":
        with pytest.raises(BudgetSpent):
            check(stranger)
    else:
        assert check(stranger) == []


def test_of_several_that_are_spent_the_last_to_begin_anew_is_named():
    limited(10)
    limited(10, period=MONTH)
    spend(10)
    with pytest.raises(BudgetSpent) as caught:
        check(Payer())
    assert caught.value.resets_at == period_of(MONTH, timezone.now())[1]


def test_tokens_without_a_price_are_counted_beside_the_dollars():
    budget = limited(1, unit="dollars")
    spend(1_000)
    spend(1_000, base=PRICED)
    spent = budget.spent(timezone.now())
    assert (spent.tokens, spent.dollars, spent.unpriced) == (2_000, Decimal("0.0025"), 1_000)


# Said once -----------------------------------------------------------------------------------------------------------
def alerts(caplog) -> list[str]:
    return [record.getMessage().split()[0] for record in caplog.records if "budget=" in record.getMessage()]


def test_the_operator_hears_of_each_line_once(caplog):
    limited(1_000)
    with caplog.at_level(logging.WARNING):
        for tokens in (700, 150, 10, 200, 50):
            spend(tokens)
    assert alerts(caplog) == ["budget_near", "budget_spent"]


def test_a_raised_limit_is_a_line_of_its_own(caplog):
    budget = limited(1_000)
    with caplog.at_level(logging.WARNING):
        spend(1_000)
        Budget.objects.filter(pk=budget.pk).update(limit=2_000)
        spend(1_000)
    assert alerts(caplog) == ["budget_spent", "budget_spent"]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_cross_it_at_once_one_says_so(caplog):
    limited(10)

    def cross(_: int) -> None:
        try:
            spend(10)
        finally:
            connections.close_all()

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(6) as many:
        list(many.map(cross, range(12)))
    assert alerts(caplog) == ["budget_spent"]
    assert Usage.objects.count() == 12


# Which budgets there can be ------------------------------------------------------------------------------------------
def test_a_budget_is_of_one_kind(alice):
    with pytest.raises(ValidationError, match="or none of them for everybody"):
        limited(10, user=alice, collection_id=uuid4())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"limit": 0}, "greater than or equal to 0.01"),
        ({"limit": 1.5}, "counted whole"),
        ({"limit": 5, "warn_at": Decimal("1.2")}, "less than or equal to 1"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        limited(**wrong)


def test_there_is_one_budget_of_a_kind():
    limited(10)
    with pytest.raises(ValidationError, match="such a budget already"):
        limited(20)


def test_how_long_to_wait_is_never_nothing():
    assert BudgetSpent("spent", datetime(2020, 1, 1, tzinfo=UTC)).retry_after == 1
