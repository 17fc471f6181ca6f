"""Put files into a collection and take them out, as programs do with a vector store.

A document belongs to one collection, where permission is decided. A file that is put into a second one becomes a
document of its own there, of the same bytes; docs/decisions/0008-a-file-in-a-second-store.md tells why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from documents import intake
from documents.models import Collection, Document, FileBatch, StoreFile

PIECE = 1 << 20


def put(
    file: Document,
    collection: Collection,
    user: User,
    attributes: Mapping[str, Any],
    batch: FileBatch | None = None,
) -> StoreFile:
    """Put a file into a collection that this person may edit; again is harmless. Raises intake.UploadRefused."""
    StoreFile.objects.adopt(collection)
    rows = StoreFile.objects.filter(collection=collection).known_as(file.pk)
    if known := rows.live().exclude(document=None).first():
        return _noted(known, attributes, batch)
    rows.delete()  # Its document is gone, or never came to be.
    if file.collection_id == collection.pk:
        document, is_copy = file, False
    else:
        name = free_name(file.name, collection)
        document, is_copy = intake.accept(_pieces(file.path), name, user, collection)
    return _recorded(file, collection, document, is_copy=is_copy, attributes=attributes, batch=batch)


def note_refusal(file: Document, collection: Collection, batch: FileBatch, sentence: str) -> None:
    """A file of a batch that could not be put in; the others were."""
    facts = {"batch": batch, "error": sentence[:500], "created_at": timezone.now()}
    StoreFile.objects.get_or_create(collection=collection, file=file, defaults=facts)


def take_out(row: StoreFile) -> None:
    """Take a file out of a collection; the file itself stays where it was uploaded."""
    document = row.document
    row.delete()
    if document is not None and not StoreFile.objects.filter(document=document).exists():
        intake.delete(document)


def delete_file(file: Document, user: User) -> None:
    """Delete a file, and what stands for it in collections that this person may edit."""
    editable = Collection.objects.editable_by(user)
    for row in StoreFile.objects.live().filter(file=file, is_copy=True, collection__in=editable):
        take_out(row)
    intake.delete(file)


def free_name(name: str, collection: Collection) -> str:
    """The name, or one like it that no document here has: two files of one name are two files to a program.

    Within Lectern the second would be a new version that takes the first one's place.
    """
    stem, ending = PurePath(name).stem, PurePath(name).suffix
    rows = collection.documents.current().filter(deleted_at=None, name__startswith=stem[:180])
    taken = set(rows.values_list("name", flat=True))
    number = 1
    while (candidate := name if number == 1 else f"{stem[:180]} ({number}){ending}") in taken:
        number += 1
    return candidate


def _recorded(
    file: Document,
    collection: Collection,
    document: Document,
    *,
    is_copy: bool,
    attributes: Mapping[str, Any],
    batch: FileBatch | None,
) -> StoreFile:
    facts = {"document": document, "is_copy": is_copy, "attributes": dict(attributes), "batch": batch}
    try:
        with transaction.atomic():
            # A row that stood for the document alone gives way.
            StoreFile.objects.filter(collection=collection, document=document, file=document).delete()
            return StoreFile.objects.create(collection=collection, file=file, created_at=timezone.now(), **facts)
    except IntegrityError:  # Somebody was quicker, with the same.
        return StoreFile.objects.get(collection=collection, file=file)


def _noted(row: StoreFile, attributes: Mapping[str, Any], batch: FileBatch | None) -> StoreFile:
    row.attributes = dict(attributes) or row.attributes
    row.batch = batch or row.batch
    row.save(update_fields=["attributes", "batch"])
    return row


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
