"""Small makers of rows, with plain arguments."""

from __future__ import annotations

from pathlib import Path

from documents.indexes import default_index, private_collection
from documents.ingestion import ingest
from documents.intake import accept
from documents.models import Chunk, Collection, Document, Membership

FILES = (
    Path(__file__).resolve().parent.parent.parent / "shared" / "eval" / "files"
)  # Public reports, if they are there.
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


def covers(document: Document) -> bool:
    """Whether the chunks of each page together are the page: every letter of it lies in one of them."""
    for page in document.pages_live():
        seen = bytearray(len(page.text))
        for start, end in Chunk.objects.filter(page=page).values_list("start", "end"):
            seen[start:end] = b"\1" * (end - start)
        if any(not seen[at] and not letter.isspace() for at, letter in enumerate(page.text)):
            return False
    return True
