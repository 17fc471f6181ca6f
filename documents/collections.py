"""What becomes of a whole collection."""

from __future__ import annotations

from django.db import transaction

from documents.ingestion import remove_traces
from documents.models import Collection


class CollectionKept(Exception):
    """It cannot be deleted; str(exc) says why, to a person."""


class CollectionBusy(CollectionKept):
    """It cannot be deleted yet: worth trying again in a minute."""


def delete(collection: Collection) -> None:
    """Delete an empty collection: documents in it are somebody's work. Raises CollectionKept."""
    with transaction.atomic():
        Collection.objects.select_for_update(of=("self",)).get(pk=collection.pk)  # Nothing comes in meanwhile.
        if left := collection.documents.filter(deleted_at=None).count():
            raise CollectionKept(f"“{collection.name}” still holds {left} documents. Delete them first.")
        for gone in collection.documents.filter(cleaned_at=None):
            remove_traces(gone)
        if is_clean := not collection.documents.filter(cleaned_at=None).exists():
            collection.delete()
    if not is_clean:  # Outside: what could be cleaned stays clean.
        said = "What was deleted from it is still in an index that does not answer. Try again in a minute."
        raise CollectionBusy(f"“{collection.name}” is not deleted yet. {said}")
