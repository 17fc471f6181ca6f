"""A collection as a vector store at a model service, kept as the library is.

What is uploaded is the text as we read it, never the original: words that were found hidden in a document, or that
speak to a model, stay here, and what the service quotes can be found on our pages again. Each step is noted before
the next, so that an update that was broken off goes on where it stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection as database

from documents.models import FINDABLE, Collection, Document, DocumentQuerySet, Person, RemoteFile, VectorStore
from project.deployments import Connection, DeploymentsError, deployments
from project.provider import ProviderError, stores

log = logging.getLogger(__name__)

LOCK = 7_205_761  # Half of the key; the other half is the store's.
LOOK_S = 1.0
PATIENCE_S = 900.0  # For the service to take in one batch.

Watch = Callable[[str, int, int], None]  # What is going on, how much of it is done, and of how much.
State = RemoteFile.State


class StoreRefused(Exception):
    """It cannot be done now; str(exc) says why, to a person."""


@dataclass(frozen=True)
class Standing:
    """How a store stands beside the library."""

    ready: int
    failed: int
    waiting: int  # of the store's files: not taken in yet
    missing: int  # documents that the store does not hold yet
    outdated: int  # files of what was deleted, or is read otherwise by now


def connection_named(name: str) -> Connection | None:
    """The service by its name; None when no deployment is there any more."""
    return next((one.connection for one in deployments().values() if one.connection.name == name), None)


def create(collection: Collection, connection: Connection) -> tuple[VectorStore, bool]:
    """The store of a collection at a service, and whether it is new; empty when it is."""
    known = VectorStore.objects.filter(collection=collection, connection=connection.name).first()
    if known:
        return known, False
    remote_id = stores.create_store(connection, f"Lectern {collection.pk}")
    row, is_new = VectorStore.objects.get_or_create(
        collection=collection, connection=connection.name, defaults={"remote_id": remote_id}
    )
    if not is_new:
        stores.delete_store(connection, remote_id)  # Somebody else was quicker.
    return row, is_new


def standing(store: VectorStore, user: Person) -> Standing:
    files = store.files.exclude(pk__in=store.files.outdated())
    return Standing(
        ready=files.filter(state=State.READY).count(),
        failed=files.filter(state=State.FAILED).count(),
        waiting=files.filter(state__in=(State.UPLOADED, State.READING)).count(),
        missing=_missing(store, user).count(),
        outdated=store.files.outdated().count(),
    )


def update(store: VectorStore, connection: Connection, user: Person, watch: Watch = lambda *_: None) -> Standing:
    """Bring a store to what this person's library is now. What failed before is tried again.

    Raises ProviderError, and StoreRefused while somebody else updates it; run again, it goes on where it stopped.
    """
    with _alone(store):
        let_go(store.files.outdated() | store.files.filter(state=State.FAILED), connection)
        documents = list(_missing(store, user))
        for done, document in enumerate(documents, 1):
            _upload(store, connection, document)
            watch("Uploading", done, len(documents))
        while group := store.files.filter(state=State.UPLOADED).order_by("pk")[: stores.BATCH_MOST]:
            _take_in(store, connection, list(group), watch)
        if store.files.filter(state=State.READING).exists():
            _settle(store, connection)
    return standing(store, user)


def delete(store: VectorStore, connection: Connection) -> None:
    """Delete a store and its files at the service, and then what we know of it."""
    with _alone(store):
        stores.delete_store(connection, store.remote_id)
        let_go(store.files.all(), connection)
        store.delete()


def let_go(files: Iterable[RemoteFile], connection: Connection) -> None:
    """Have files be found no more, and deleted."""
    for file in files:
        stores.detach(connection, file.store.remote_id, file.file_id)
        stores.delete_file(connection, file.file_id)
        file.delete()


def has_outdated() -> bool:
    """Whether there is anything at a service that the library does not hold any more."""
    return VectorStore.objects.filter(collection=None).exists() or RemoteFile.objects.outdated().exists()


def sweep() -> None:
    """Take out of every store what the library does not hold any more. What fails is tried by the next sweep."""
    try:
        for store in VectorStore.objects.filter(collection=None):
            if connection := connection_named(store.connection):
                delete(store, connection)
        for file in RemoteFile.objects.outdated().select_related("store"):
            if connection := connection_named(file.store.connection):
                let_go([file], connection)
    except (ProviderError, StoreRefused, DeploymentsError) as exc:
        log.warning("vector stores could not be tidied: %s", exc)


def document_text(document: Document) -> str:
    """What answers may use of a document: its pages in order, withheld words blanked out."""
    pages = document.pages_live().select_related("document").order_by("number")
    return "\n\n".join(filter(None, (page.shown_text(0, len(page.text)).strip() for page in pages)))


def _missing(store: VectorStore, user: Person) -> DocumentQuerySet:
    """Documents of the collection that this person may read and that the store does not hold as they are now."""
    held = store.files.exclude(pk__in=store.files.outdated()).values("document")
    readable = Document.objects.for_user(user).current().filter(collection=store.collection, generation__gt=0)
    return readable.filter(state__in=FINDABLE, chunk_count__gt=0).exclude(pk__in=held).order_by("created_at", "pk")


def _upload(store: VectorStore, connection: Connection, document: Document) -> None:
    file_id = stores.upload(connection, f"{document.name}.txt", document_text(document).encode())
    is_trusted = document.trusted_at is not None
    store.files.create(document=document, generation=document.generation, is_trusted=is_trusted, file_id=file_id)


def _take_in(store: VectorStore, connection: Connection, group: Sequence[RemoteFile], watch: Watch) -> None:
    """Have the store take in what is uploaded, and wait for it."""
    batch = stores.attach(connection, store.remote_id, [file.file_id for file in group])
    store.files.filter(pk__in=[file.pk for file in group]).update(state=State.READING)
    ends = time.monotonic() + PATIENCE_S
    while (counts := stores.batch_counts(connection, store.remote_id, batch)).in_progress:
        watch("Taking in", counts.total - counts.in_progress, counts.total)
        if time.monotonic() > ends:
            raise StoreRefused(
                "The service is still taking files in. Run the update again later: it goes on from here."
            )
        time.sleep(LOOK_S)
    watch("Taking in", counts.total, counts.total)
    _settle(store, connection)


def _settle(store: VectorStore, connection: Connection) -> None:
    """Note what became of the files that were being taken in; one the store does not hold is to be attached again."""
    found = {file.file_id: file for file in stores.stored_files(connection, store.remote_id)}
    became = {"completed": State.READY, "in_progress": State.READING}
    for file in store.files.filter(state=State.READING):
        told = found.get(file.file_id)
        file.state = became.get(told.state, State.FAILED) if told else State.UPLOADED
        file.error = told.error[:60] if told else ""
        file.save(update_fields=["state", "error"])


@contextmanager
def _alone(store: VectorStore) -> Iterator[None]:
    """One at a time may change a store."""
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, store.pk])
        if not cursor.fetchone()[0]:
            raise StoreRefused("Somebody else is changing this vector store now. Try again when that is done.")
        key = store.pk
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, key])
