"""The console's first page: whether Lectern is well, and what wants a look."""

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat.models import Conversation, Message, State
from project import limits, workers
from project.models import Budget, Usage
from project.provider.pieces import Tokens
from project.spending import Payer, note
from tests.rows import row

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, staff, monkeypatch):
    monkeypatch.setattr("project.doctor.TIME_S", 60)  # A machine that is busy is no fault.
    client.force_login(staff)
    return lambda: client.get("/console/").content.decode()


def heard_of(name: str, seconds_ago: float = 0) -> None:
    limits.connection().zadd(workers.KEY, {name: limits.connection().time()[0] - seconds_ago})


def answered(owner, state: str = State.DONE, **facts) -> None:
    conversation = Conversation.objects.create(owner=owner, title="Rent")
    question = conversation.messages.create(role=Message.Role.USER, content="When is the rent due?")
    conversation.messages.create(role=Message.Role.ASSISTANT, reply_to=question, state=state, **facts)


def test_with_workers_and_scheduler_alive_and_nothing_failed_nothing_wants_a_look(page):
    heard_of("celery@one")
    workers.show_scheduler()
    assert "Lectern is working. Nothing wants a look." in page()


def test_a_worker_that_fell_silent_is_named_first(page):
    heard_of("celery@one")
    heard_of("celery@two", seconds_ago=240)
    workers.show_scheduler()
    text = page()
    assert "One thing wants a look." in text
    assert "Workers wants a look" in text
    assert "1 of 2 alive." in text
    assert "4 min" in text


def test_a_scheduler_that_sends_nothing_is_told(page):
    heard_of("celery@one")
    assert "It sends no regular work" in page()


def test_documents_that_failed_are_counted_by_reason(page, alice):
    row(alice, "a.pdf", "failed", error={"code": "password", "reason": "", "advice": ""})
    row(alice, "b.pdf", "failed", error={"code": "damaged", "reason": "", "advice": ""})
    text = page()
    assert "2 documents could not be read" in text
    assert "password: 1" in text


def test_what_every_attempt_failed_at_is_told_apart_and_chosen_where_it_leads(page, client, alice):
    row(alice, "a.pdf", "failed", error={"code": "internal", "reason": "", "advice": ""})
    row(alice, "b.pdf", "failed", error={"code": "password", "reason": "", "advice": ""})
    text = page()
    assert "Every attempt to read 1 document ended with a fault" in text and "1 document could not be read" in text
    assert "/console/documents/?state=dead&amp;all=1" in text
    assert 'name="all" value="1" autocomplete="off" checked' in client.get("/console/documents/?state=dead&all=1").text


def test_a_document_that_its_worker_left_is_told(page, alice):
    row(alice, "a.pdf", "extracting", lease_until=timezone.now() - timedelta(hours=1))
    assert "1 document was left by its worker" in page()


def test_from_that_line_to_reading_it_again_it_is_three_clicks(page, client, alice):
    left = row(alice, "a.pdf", "extracting", lease_until=timezone.now() - timedelta(hours=1))
    row(alice, "b.pdf", "extracting", lease_until=timezone.now() + timedelta(hours=1))
    assert "/console/documents/?state=left&amp;all=1" in page()
    shown = client.get("/console/documents/?state=left&all=1").text
    assert "a.pdf" in shown and "b.pdf" not in shown and 'name="all" value="1" autocomplete="off" checked' in shown
    meant = {"act": "retry", "all": "1", "back": "?state=left"}
    assert "Read 1 document again?" in client.post("/console/documents/act/", meant).text
    client.post("/console/documents/act/", {"act": "retry", "document": str(left.pk), "sure": "1"})
    left.refresh_from_db()
    assert (left.state, left.lease_until) == ("queued", None) and "left by its worker" not in page()


def test_a_budget_that_is_spent_is_told_until_it_begins_anew(page, alice):
    budget = Budget.objects.create(user=alice, limit=100, period="day")
    note("main", Payer("answer", alice.pk), Tokens(200, 0))
    text = page()
    assert "A budget is spent" in text and "/console/budgets/" in text
    Usage.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert "A budget is spent" not in page()
    Budget.objects.filter(pk=budget.pk).update(spent_said="2020-01-01")
    assert "A budget is spent" not in page()


def test_a_model_that_retires_is_told_with_what_to_do(page, settings, tmp_path):
    soon = f"{date.today() + timedelta(days=9)}"
    own = tmp_path / "models.json"
    facts = {"family": "classic", "retires": {"openai": soon}}
    own.write_text(json.dumps({"as_of": "2026-11-01", "groups": [{"models": {"mine": facts}}]}))
    settings.CATALOGUE_FILE, settings.OPENAI_CHAT_MODEL, settings.OPENAI_API_KEY = str(own), "mine", "secret"
    assert "The model mine retires in 9 days" in page()


def test_what_does_not_work_comes_with_advice(page, monkeypatch):
    heard_of("celery@one", seconds_ago=240)
    monkeypatch.setattr("project.doctor.SCARCE_BYTES", 10**18)
    text = page()
    assert "No worker is running, so nothing is read. Start one: celery -A project worker." in text
    assert "Start one: celery -A project beat." in text and "Make room on the disk" in text


def test_what_is_told_of_documents_is_not_what_they_say(page, alice):
    row(alice, "secret plan.pdf")
    assert "secret plan" not in page()


def test_questions_answers_and_costs_are_drawn_by_day_with_the_figures_behind(page, alice):
    answered(alice, ended_at=timezone.now() + timedelta(seconds=3))
    answered(alice, State.REFUSED, ended_at=timezone.now() + timedelta(seconds=3))
    Usage.objects.create(deployment="desk", cost=Decimal("1.25"))
    text = page()
    assert '<p class="chart__now">2<span>today</span>' in text
    assert '<p class="chart__now">3.0 s<span>today</span>' in text
    assert '<p class="chart__now">$1.25<span>today</span>' in text


def test_answers_that_failed_are_told_with_their_codes(page, alice):
    answered(alice, State.FAILED, failure="rate_limited")
    text = page()
    assert "One answer failed" not in text
    assert "1 answer failed this week" in text
    assert "rate_limited: 1" in text


def test_the_page_stands_while_redis_is_away(page, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    limits.connection.cache_clear()
    try:
        text = page()
    finally:
        limits.connection.cache_clear()
    assert "Redis does not work" in text
    assert "Something does not work." in text
