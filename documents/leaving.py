"""A person leaves: what only they could read goes with them, what others share stays with those."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import OuterRef, Q, Subquery

from documents import intake
from documents.ingestion import remove_traces
from documents.models import Collection, Document


class CannotLeave(Exception):
    """Somebody else would lose something; str(exc) says what to do first."""


def leave(user: User) -> None:
    """Take away all files, pages and index entries of a person whose account is to be deleted.

    What they uploaded into collections of others belongs to the owners of these from now on. Raises CannotLeave, with
    nothing changed, while they own a collection that others read; and while an index does not let go: again later.
    """
    of_others = Document.objects.filter(deleted_at=None).exclude(owner=user)
    shared = user.collections.filter(Q(memberships__isnull=False) | Q(documents__in=of_others)).distinct()
    if shared:
        names = ", ".join(f"“{collection}”" for collection in shared)
        raise CannotLeave(f"Others use what {user} owns: {names}. Give it another owner first.")
    elsewhere = Document.objects.filter(owner=user).exclude(collection__owner=user)
    elsewhere.update(owner=Subquery(Collection.objects.filter(pk=OuterRef("collection")).values("owner")[:1]))
    for document in Document.objects.filter(collection__owner=user, deleted_at=None):
        intake.delete(document)
    for document in Document.objects.filter(collection__owner=user, cleaned_at=None):
        remove_traces(document)
    if left := Document.objects.filter(collection__owner=user, cleaned_at=None).count():
        raise CannotLeave(f"{left} documents of {user} are still in an index that does not answer. Try again later.")
