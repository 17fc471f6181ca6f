"""Bring a set's paragraphs into the library as anybody's files come in: stored, read, embedded, indexed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from html import escape
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

from django.contrib.auth.models import User

from documents.evaluation.sets import Paragraph, SetError
from documents.indexes import default_index
from documents.ingestion import ingest, remove_traces
from documents.intake import UploadRefused, accept, delete
from documents.models import FINDABLE, Collection, Document, DocumentQuerySet

OURS = "Evaluation: "
LOOK_S = 0.5
NAME_LETTERS = 150
HEAD = b'<!doctype html><html><head><meta charset="utf-8"><meta name="id" content="'

Item = TypeVar("Item")
Watch = Callable[[list[Item], str], Iterable[Item]]  # the items again, and what a progress bar calls the work


def bring_in(paragraphs: list[Paragraph], collection: Collection, *, fresh: bool, watch: Watch) -> dict[UUID, str]:
    """See that the collection holds these paragraphs and nothing else; returns document id -> paragraph id.

    What is there already is not read again, unless all of it shall be. Raises SetError for one that cannot be read,
    and where the collection holds what is not of the set and was not made for one.
    """
    files = {hashlib.sha256(data).hexdigest(): (one, data) for one in paragraphs for data in [file_of(one)]}
    _clear(collection, [] if fresh else files, files, watch)
    held = _held(collection).filter(state__in=FINDABLE, generation__gt=0)
    known = set(held.values_list("sha256", flat=True))
    missing = [files[sha256] for sha256 in files if sha256 not in known]
    for one, data in watch(missing, "Reading") if missing else ():
        try:
            document, _ = accept([data], name_of(one), collection.owner, collection)
        except UploadRefused as exc:
            raise SetError(f"Paragraph {one.id} was not taken in. {exc}") from exc
        ingest(document)
    _await(collection)
    return {row.pk: files[row.sha256][0].id for row in _held(collection)}


def own_collection(name: str, user: User) -> Collection:
    """The person's collection of this name, made when there is none."""
    return Collection.objects.get_or_create(owner=user, name=name[:120], defaults={"index": default_index()})[0]


def file_of(paragraph: Paragraph) -> bytes:
    """A web page: its head gives the title, and the page's text is the paragraph alone. No two have the same bytes."""
    head = f'{escape(paragraph.id)}"><title>{escape(paragraph.title)}</title>'
    return HEAD + f"{head}</head><body><p>{escape(paragraph.text)}</p></body></html>".encode()


def name_of(paragraph: Paragraph) -> str:
    """Where there is no title the name takes its place, and an id may give away what the paragraph is about."""
    stem = quote(paragraph.id, safe=":,;+=()").replace(".", "%2E")
    if not paragraph.title.strip() or len(stem) > NAME_LETTERS:
        stem = hashlib.sha256(paragraph.id.encode()).hexdigest()[:16]
    return f"{stem}.html"


def _held(collection: Collection) -> DocumentQuerySet:
    return Document.objects.filter(collection=collection, deleted_at=None).current()


def _clear(collection: Collection, kept: Iterable[str], of_set: Iterable[str], watch: Watch) -> None:
    """Take away what shall not stay. A collection that was made for something else is left alone."""
    others = _held(collection).exclude(sha256__in=list(of_set))
    if any(not (collection.name.startswith(OURS) and _is_ours(row)) for row in others):
        holds = f"The collection “{collection}” holds documents that are not of the set"
        raise SetError(f"{holds}, and would be measured along with it: name another collection.")
    gone = list(_held(collection).exclude(sha256__in=list(kept)))
    for document in watch(gone, "Removing") if gone else ():
        delete(document)
        document.refresh_from_db()
        remove_traces(document)


def _is_ours(document: Document) -> bool:
    """Whether it was brought in to be measured: people's own files are never taken away."""
    try:
        with document.path.open("rb") as file:
            return file.read(len(HEAD)) == HEAD
    except OSError:
        return False


def _await(collection: Collection) -> None:
    """Until everything has an end: a worker may have taken a part of it, or a busy service lets some of it wait."""
    rows = _held(collection)
    while rows.under_way().exists():
        waiting = list(rows.waiting())
        for document in waiting:
            ingest(document)
        if not waiting:
            time.sleep(LOOK_S)
    failed = rows.exclude(state__in=FINDABLE).first()
    if failed is not None:
        why = (failed.error or {}).get("reason") or failed.get_state_display()
        raise SetError(f"“{failed}” in the collection “{collection}” could not be read. {why}")
