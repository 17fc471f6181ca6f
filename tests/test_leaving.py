"""An account is deleted: nothing of the person is left behind, and nobody else loses anything."""

import pytest

from documents.models import Collection, Document, Holding
from tests.library import add, shared_collection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delete(client, staff):
    staff.is_superuser = True
    staff.save()
    client.force_login(staff)
    return lambda person: client.post(f"/admin/auth/user/{person.pk}/delete/", {"post": "yes"}, follow=True)


def test_what_only_the_person_could_read_goes_with_the_account(alice, delete):
    document = add(alice)
    assert document.path.exists()
    delete(alice)
    assert not document.path.exists()
    assert not Document.objects.filter(pk=document.pk).exists()
    assert not Holding.objects.exists()


def test_what_was_put_into_the_collection_of_another_stays_there(alice, bob, delete):
    shared = shared_collection(bob, alice, role="editor")
    document = add(alice, collection=shared)
    delete(alice)
    document.refresh_from_db()
    assert document.owner == bob
    assert document.path.exists()
    assert document.is_findable


def test_a_collection_that_others_read_is_handed_over_first(alice, bob, delete):
    shared = shared_collection(alice, bob)
    document = add(alice, collection=shared)
    page = delete(alice).content.decode()
    assert "Others use what alice owns: “Shared”. Give it another owner first." in page
    document.refresh_from_db()
    assert document.deleted_at is None
    Collection.objects.filter(pk=shared.pk).update(owner=bob)
    delete(alice)
    assert Document.objects.get(pk=document.pk).owner == bob


def test_a_document_of_another_in_the_persons_collection_is_not_lost(alice, bob, delete):
    shared = shared_collection(alice)
    document = add(bob, collection=shared)
    assert "“Shared”" in delete(alice).content.decode()
    assert Document.objects.get(pk=document.pk).deleted_at is None


def test_nobody_is_deleted_by_the_dozen(client, staff, alice, delete):
    assert "delete_selected" not in client.get("/admin/auth/user/").content.decode()
