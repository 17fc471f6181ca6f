"""Small makers of rows, with plain arguments."""

from __future__ import annotations

from documents.indexes import default_index, private_collection
from documents.ingestion import ingest
from documents.intake import accept
from documents.models import Collection, Document, Membership

RENT = b"# House rules\n\nThe rent is due on the third working day of the month.\n\nPets need a written permission.\n"


def shared_collection(owner, *members, name: str = "Shared", role: str = Membership.Role.READER) -> Collection:
    collection = Collection.objects.create(owner=owner, name=name, index=default_index())
    for member in members:
        Membership.objects.create(collection=collection, user=member, role=role)
    return collection


def upload(owner, content: bytes = RENT, name: str = "rules.md", collection: Collection | None = None) -> Document:
    """A stored file that nobody has read yet."""
    document, _ = accept([content], name, owner, collection or private_collection(owner))
    return document


def add(owner, content: bytes = RENT, name: str = "rules.md", collection: Collection | None = None) -> Document:
    """A file that is read and found, through the real ingestion."""
    document = upload(owner, content, name, collection)
    ingest(document)
    document.refresh_from_db()
    assert document.generation, (document.state, document.error)
    return document
