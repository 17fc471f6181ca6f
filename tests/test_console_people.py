"""Members, keys and the audit in the console."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import User

from documents.models import Collection, Membership
from project.audit import audit
from project.models import ApiKey, AuditEvent
from tests.library import shared_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def runs(client, staff):
    client.force_login(staff)
    return client


# Members -------------------------------------------------------------------------------------------------------------
def test_who_is_in_which_collection_with_which_role(runs, alice, bob):
    shared_collection(alice, bob, name="Leases", role=Membership.Role.EDITOR)
    text = runs.get("/console/members/").text
    assert "Leases" in text and "bob (Editor)" in text
    assert "Leases" in runs.get("/console/members/?q=bob").text
    assert "Leases" not in runs.get("/console/members/?q=nobody").text


def test_whoever_is_shut_out_is_out_with_the_next_request_and_can_be_let_in_again(runs, client_of, alice, staff):
    secret = ApiKey.create(alice)[1]
    theirs = client_of(alice)
    assert theirs.get("/").status_code == 200
    runs.post(f"/console/members/people/{alice.pk}/activate/")
    assert theirs.get("/").status_code == 302
    assert theirs.get("/api/documents", headers={"api-key": secret}).status_code == 401
    runs.post(f"/console/members/people/{alice.pk}/activate/", {"active": "1"})
    assert theirs.get("/api/documents", headers={"api-key": secret}).status_code == 200
    acts = AuditEvent.objects.filter(action__startswith="person.").values_list("action", flat=True)
    assert sorted(acts) == ["person.activate", "person.deactivate"]


@pytest.fixture
def client_of(settings):
    from django.test import Client

    def make(user):
        made = Client()
        made.force_login(user)
        return made

    return make


def test_a_superuser_makes_an_account_with_a_first_password(runs, client_of):
    given = {"username": "dora", "email": "dora@example.org", "password1": "tall reeds 9", "password2": "tall reeds 8"}
    assert runs.post("/console/members/people/new/", given).status_code == 400
    given["password2"] = given["password1"]
    assert "dora can sign in." in runs.post("/console/members/people/new/", given, follow=True).text
    dora = User.objects.get(username="dora")
    assert dora.check_password("tall reeds 9") and not dora.is_staff
    assert AuditEvent.objects.get(action="person.create").subject_id == str(dora.pk)
    dora.is_staff = True
    dora.save()
    theirs = client_of(dora)
    assert theirs.get("/console/members/people/new/").status_code == 404
    assert "people/new/" not in theirs.get("/console/members/").text


def test_nobody_shuts_themselves_out(runs, staff):
    runs.post(f"/console/members/people/{staff.pk}/activate/")
    staff.refresh_from_db()
    assert staff.is_active


def test_a_collection_is_handed_over_and_its_owner_so_far_stays_an_editor(runs, alice, bob):
    row = shared_collection(alice, bob, name="Leases")
    assert "before the account can be deleted" in runs.get(f"/console/members/people/{alice.pk}/").text
    runs.post(f"/console/members/collections/{row.pk}/give/", {"to": "bob"})
    row.refresh_from_db()
    assert row.owner == bob and [(one.user, one.role) for one in row.memberships.all()] == [(alice, "editor")]
    event = AuditEvent.objects.get(action="collection.hand_over")
    assert event.detail == {"before": "alice", "to": "bob"}


def test_a_collection_is_not_handed_to_nobody_nor_beside_one_of_its_name(runs, alice, bob):
    row = shared_collection(alice, bob, name="Leases")
    shared_collection(bob, name="Leases")
    for to in ("nobody", "bob"):
        said = runs.post(f"/console/members/collections/{row.pk}/give/", {"to": to}, follow=True).text
        assert "nobody" in said or "already" in said
        assert Collection.objects.get(pk=row.pk).owner == alice


@pytest.mark.parametrize("flags", [{}, {"is_staff": True}])
def test_only_a_superuser_acts_on_people(client, alice, bob, flags):
    for name, value in flags.items():
        setattr(bob, name, value)
    bob.save()
    row = shared_collection(alice, name="Leases")
    client.force_login(bob)
    for url in (f"people/{alice.pk}/activate/", f"collections/{row.pk}/give/"):
        assert client.post(f"/console/members/{url}", {"to": "bob"}).status_code == 404
    assert client.get("/console/members/").status_code == (200 if flags else 404)
    row.refresh_from_db()
    alice.refresh_from_db()
    assert row.owner == alice and alice.is_active


# Keys ----------------------------------------------------------------------------------------------------------------
def test_every_key_is_listed_and_revoked_for_good(runs, alice):
    key, secret = ApiKey.create(alice, name="nightly")
    assert "nightly" in runs.get("/console/keys/").text and secret not in runs.get("/console/keys/").text
    assert runs.get(f"/console/keys/{key.pk}/revoke/").status_code == 405
    runs.post(f"/console/keys/{key.pk}/revoke/")
    assert ApiKey.find(secret) is None
    assert AuditEvent.objects.filter(action="key.revoke", user_name="staff").count() == 1
    assert "is revoked" in runs.get("/console/keys/").text
    assert "nightly" not in runs.get("/console/keys/").text and "nightly" in runs.get("/console/keys/?all=1").text


# Audit ---------------------------------------------------------------------------------------------------------------
def test_the_audit_is_filtered_by_action_person_and_day(runs, alice, bob):
    audit("document.delete", alice, by=alice)
    audit("member.add", bob, by=bob)
    assert "member.add</code>" in runs.get("/console/audit/?person=bob").text
    assert "member.add</code>" not in runs.get("/console/audit/?action=document.delete").text
    assert "member.add</code>" not in runs.get("/console/audit/?last=2020-01-01").text
    assert "A day is written like" in runs.get("/console/audit/?first=x").text


def test_every_event_is_on_exactly_one_page(runs, alice):
    for number in range(120):
        audit("test.done", alice, by=alice, number=number)
    seen, before = [], ""
    while True:
        context = runs.get("/console/audit/", {"before": before, "action": "test.done"}).context
        seen += [row.detail["number"] for row in context["rows"]]
        before = context["next"]
        if not before:
            break
    assert seen == list(reversed(range(120)))
    for mark in ("x", "2026-01-01_1", "2026-01-01T00:00:00+00:00_x", "9999-99-99T00:00:00+00:00_1"):
        assert runs.get("/console/audit/", {"before": mark}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_file_holds_every_line_and_no_formula(runs, alice):
    audit("collection.rename", shared_collection(alice, name="=HYPERLINK(1)"), by=alice, before="+1")
    response = runs.get("/console/audit.csv?action=collection.rename")
    lines = list(csv.DictReader(io.StringIO(b"".join(response).decode())))
    assert [(line["action"], line["person"], line["name"]) for line in lines] == [
        ("collection.rename", "alice", "'=HYPERLINK(1)")
    ]


def test_of_the_audit_and_the_keys_nobody_else_finds_anything(client, alice):
    key, _ = ApiKey.create(alice)
    client.force_login(alice)
    for url in ("/console/audit/", "/console/audit.csv", "/console/keys/"):
        assert client.get(url).status_code == 404
    assert client.post(f"/console/keys/{key.pk}/revoke/").status_code == 404
    assert ApiKey.objects.live().count() == 1
