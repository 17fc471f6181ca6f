"""The permission proof: it finds what is planted, nothing else, and leaves nothing behind."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from chat.models import Conversation, Gap, Message, PermissionProof
from chat.permissions import Size, prove
from chat.permissions.running import run
from documents.models import Chunk, Collection, Document, DocumentEvent, EmbeddingCache
from documents.models.documents import DocumentQuerySet
from project.background import BUSY
from project.models import ApiKey, AuditEvent

pytestmark = pytest.mark.django_db(transaction=True)
SMALL, LEAST = Size(2, 1, 1), Size(1, 1, 1)  # In the least one nobody is a member of another collection.


def test_without_a_leak_none_is_found_and_nothing_is_left_behind():
    report = prove(SMALL)
    assert report.leaks == [] and report.is_clean, report.as_json()
    roles = {role for _, role in report.counts}
    assert {"owner", "editor", "reader", "member of another", "stranger", "staff", "asker"} <= roles
    assert {"narrowed key, inside", "narrowed key, outside", "revoked key"} <= roles
    ways = {path for path, _ in report.counts}
    assert ways - {path for (path, _), count in report.counts.items() if count.reached} == set(), report.seconds
    kinds = (User, Collection, Document, Chunk, Conversation, Message, Gap, ApiKey, DocumentEvent, EmbeddingCache)
    assert [kind.__name__ for kind in kinds if kind.objects.exists()] == []


@pytest.mark.faults
@pytest.mark.slow
def test_more_than_a_hundred_thousand_probes_find_no_leak_and_miss_nobody():
    report = prove()
    assert report.total("probes") >= 100_000
    assert (report.leaks, report.total("leaks"), report.total("missed")) == ([], 0, 0)


def test_a_leak_that_is_planted_is_found_on_the_ways_that_it_opens(monkeypatch):
    monkeypatch.setattr(DocumentQuerySet, "for_user", lambda rows, user: rows.filter(deleted_at=None))
    report = prove(LEAST)
    leaking = {path for (path, _), count in report.counts.items() if count.leaks}
    assert {"documents", "text of pages", "kept answers", "original", "API: content of a file"} <= leaking
    assert not {"collections", "conversations", "search by words"} & leaking
    assert report.leaks and not User.objects.exists()


# The console's page --------------------------------------------------------------------------------------------------
def test_only_those_who_run_lectern_ask_for_a_proof_and_two_clicks_make_one(client, alice, staff):
    client.force_login(alice)
    assert client.get("/console/permissions/").status_code == 404
    assert client.post("/console/permissions/prove/").status_code == 404
    client.force_login(staff)
    assert client.get("/console/permissions/prove/").status_code == 405
    assert "No proof has been made yet." in client.get("/console/permissions/").text
    for _ in range(2):
        client.post("/console/permissions/prove/")
    assert PermissionProof.objects.get().asked_by == staff
    assert AuditEvent.objects.filter(action="permissions.prove", user_name="staff").count() == 1
    assert "Under way" in client.get("/console/permissions/").text


def test_a_proof_is_stopped_and_leaves_nothing_behind(client, staff, monkeypatch):
    monkeypatch.setattr("project.background.EVERY_S", 0)
    proof = PermissionProof.objects.create()
    client.force_login(staff)

    def stop(done: int, total: int) -> None:
        if done == 2:
            client.post("/console/permissions/stop/")

    run(proof, LEAST, stop)
    assert (proof.state, proof.report) == ("canceled", {})
    assert not User.objects.exclude(pk=staff.pk).exists() and not Collection.objects.exists()
    assert "was stopped." in client.get("/console/permissions/").text
    assert "No proof is under way." in client.post("/console/permissions/stop/", follow=True).text


def test_a_proof_whose_worker_is_gone_is_given_up(client, staff):
    PermissionProof.objects.create(state="running", seen_at="2026-01-01T00:00Z")
    client.force_login(staff)
    assert "Whoever made it ended in the middle." in client.get("/console/permissions/").text


def test_one_proof_runs_at_a_time():
    PermissionProof.objects.create(state="running")
    second = PermissionProof.objects.create()
    run(second)
    assert (second.state, second.error) == ("failed", BUSY)
