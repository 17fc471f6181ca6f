"""Consistency in the console: checked in the background, seen with counts, mended when that is confirmed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from documents import checking
from documents.models import ConsistencyCheck, Document
from documents.tasks import check, check_consistency
from project.background import Background, StoppedError
from project.models import AuditEvent
from tests.library import add

pytestmark = pytest.mark.django_db
PAGE = "/console/consistency/"


@pytest.fixture
def page(client, staff):
    client.force_login(staff)
    return lambda: client.get(PAGE).text


@pytest.fixture
def damaged(alice) -> Document:
    """A document that its index has forgotten."""
    document = add(alice)
    document.collection.index.live_version.backend.remove(document.pk)
    return document


def asked(client, act: str, **given) -> ConsistencyCheck:
    client.post(f"{PAGE}{act}/", given)
    row = ConsistencyCheck.objects.first()
    check(row.pk)
    row.refresh_from_db()
    return row


def test_what_does_not_agree_is_seen_and_mended_and_written_down(client, page, damaged):
    assert "Nothing was checked yet." in page()
    found = asked(client, "check")
    assert (found.state, found.counts, found.left) == ("done", {"missing in the index": 1}, 1)
    assert "One thing does not agree." in page() and str(damaged.pk) in page()
    assert "1 thing does not agree with the rest" in client.get("/console/").text
    mended = asked(client, "repair", sure="1")
    assert (mended.mends, mended.mended, mended.left) == (True, 1, 0)
    assert "One thing did not agree, and is mended." in page()
    assert "does not agree with the rest" not in client.get("/console/").text
    assert list(
        AuditEvent.objects.filter(subject_kind="consistencycheck").order_by("pk").values_list("action", flat=True)
    ) == [
        "consistency.check",
        "consistency.repair",
    ]


def test_nothing_is_mended_that_was_not_seen_and_confirmed(client, page, damaged):
    client.post(f"{PAGE}repair/", {"sure": "1"})
    asked(client, "check")
    client.post(f"{PAGE}repair/")
    assert "Nothing was done" in page()
    assert not ConsistencyCheck.objects.filter(mends=True).exists()


def test_what_is_found_at_night_is_on_the_overview(client, page, damaged):
    check_consistency()
    assert "missing in the index: 1" in client.get("/console/").text
    assert "One thing does not agree." in page()


def test_where_all_is_well_there_is_nothing_to_mend(client, page, alice):
    add(alice)
    asked(client, "check")
    assert "Rows, files and indexes agree." in page() and "Mend it" not in page()


def test_only_those_who_run_lectern_check_and_mend(client, alice):
    client.force_login(alice)
    for act in ("check", "repair", "stop"):
        assert client.post(f"{PAGE}{act}/", {"sure": "1"}).status_code == 404
    assert client.get(PAGE).status_code == 404 and not ConsistencyCheck.objects.exists()


# Work in the background ----------------------------------------------------------------------------------------------
def test_two_clicks_make_one_check_and_one_that_waits_is_stopped_at_once(client, page, staff):
    for _ in range(2):
        client.post(f"{PAGE}check/")
    assert "It waits for a worker." in page()
    client.post(f"{PAGE}stop/")
    row = ConsistencyCheck.objects.get()
    checking.work(row)
    assert (row.state, row.asked_by) == ("canceled", staff)
    client.post(f"{PAGE}stop/")
    assert "Nothing is under way." in page()


def test_one_that_runs_is_stopped_at_its_next_step_and_puts_away_what_it_made(monkeypatch, db):
    monkeypatch.setattr("project.background.EVERY_S", 0)
    row, put_away = ConsistencyCheck.objects.create(), []

    def work(told):
        try:
            told(1, 3)
            assert row.cancel() and not row.cancel()
            told(2, 3)
        except StoppedError:
            put_away.append(True)
            raise

    row.run(work)
    assert (row.state, row.done, put_away) == ("canceled", 1, [True])


def test_a_surprise_ends_it_with_a_sentence(db):
    row = ConsistencyCheck.objects.create()
    row.run(lambda told: 1 / 0)
    assert (row.state, row.error) == ("failed", "A fault of Lectern's own; it is noted in the log.")


def test_one_whose_worker_is_gone_is_given_up(db):
    long_ago = timezone.now() - timedelta(hours=1)
    row = ConsistencyCheck.objects.create(state=Background.State.RUNNING, seen_at=long_ago)
    again = ConsistencyCheck.objects.create()
    checking.work(again)
    row.refresh_from_db()
    assert (row.state, again.state) == ("failed", "done")
