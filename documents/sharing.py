"""Collections and their people: made, renamed, shared, deleted. Pages and programs both come here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from documents.changes import tell_opened
from documents.indexes import default_index
from documents.ingestion import remove_traces
from documents.models import Collection, Membership
from project.audit import audit
from project.models import narrowed_to


class NotEmpty(Exception):
    """The collection cannot be deleted yet; str(exc) says why, and what to do."""


class NotYet(NotEmpty):
    """What was deleted from it is not gone everywhere: worth trying again in a minute."""


class NameTaken(Exception):
    """The new owner has a collection of the same name; str(exc) says what to do."""


def found(user: User, name: str, **facts: Any) -> Collection:
    """A new collection of this person's. Raises PermissionDenied for a caller whose key is narrowed to others."""
    if narrowed_to(user) is not None:
        raise PermissionDenied("This key is for certain collections alone: it cannot make another one.")
    with transaction.atomic():
        collection = Collection.objects.create(owner=user, name=name, index=default_index(), **facts)
        audit("collection.create", collection, by=user)
    return collection


def rename(collection: Collection, name: str) -> None:
    before, collection.name = collection.name, name
    with transaction.atomic():
        collection.save(update_fields=["name"])
        audit("collection.rename", collection, before=before)


def let_in(collection: Collection, member: User, role: str) -> Membership | None:
    """From their next request on they read it, or change it too. None: it is theirs already."""
    if member.pk == collection.owner_id:
        return None
    with transaction.atomic():
        row, is_new = Membership.objects.update_or_create(collection=collection, user=member, defaults={"role": role})
        audit("member.add" if is_new else "member.change", collection, member=member.get_username(), role=role)
        tell_opened()
    return row


def let_out(collection: Collection, username: str) -> bool:
    """From their next request on they find nothing of it; False: no such member."""
    with transaction.atomic():
        gone, _ = collection.memberships.filter(user__username=username.replace("\x00", "")).delete()
        if gone:
            audit("member.remove", collection, member=username)
    return bool(gone)


def hand_over(collection: Collection, to: User) -> None:
    """Give it another owner. The one so far stays in it as an editor, so that nothing they work on is out of reach.

    Raises NameTaken where the new owner has a collection of this name.
    """
    with transaction.atomic():
        row = Collection.objects.select_for_update(of=("self",)).select_related("owner").get(pk=collection.pk)
        before = row.owner
        if before.pk == to.pk:
            return
        if to.collections.filter(name=row.name).exists():  # type: ignore[attr-defined]
            raise NameTaken(f"{to} has a collection called “{row.name}” already. Rename one of the two first.")
        row.memberships.filter(user=to).delete()
        Collection.objects.filter(pk=row.pk).update(owner=to, owned_since=timezone.now())
        Membership.objects.create(collection=row, user=before, role=Membership.Role.EDITOR)
        audit("collection.hand_over", row, before=before.get_username(), to=to.get_username())
        tell_opened()
    collection.owner = to


def let_sign_in(person: User, *, is_active: bool) -> None:
    """From their next request on they can sign in and use their keys, or cannot."""
    with transaction.atomic():
        if User.objects.filter(pk=person.pk).exclude(is_active=is_active).update(is_active=is_active):
            audit("person.activate" if is_active else "person.deactivate", person)


def delete(collection: Collection) -> None:
    """Only an empty collection can be deleted: its documents are somebody's work. Raises NotEmpty."""
    with transaction.atomic():
        Collection.objects.select_for_update(of=("self",)).get(pk=collection.pk)  # Nothing comes in meanwhile.
        if left := collection.documents.filter(deleted_at=None).count():
            raise NotEmpty(f"“{collection.name}” still holds {left} documents. Delete them first.")
        for gone in collection.documents.filter(cleaned_at=None):
            remove_traces(gone)
        if is_clean := not collection.documents.filter(cleaned_at=None).exists():
            audit("collection.delete", collection)
            collection.delete()
    if not is_clean:  # Outside: what was removed on the way stays removed.
        said = "What was deleted from it is still in an index that does not answer. Try again in a minute."
        raise NotYet(f"“{collection.name}” is not deleted yet. {said}")
