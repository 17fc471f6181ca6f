"""Take away what is no longer read: of a deleted document everything, of another one its old generations."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone

from documents.models import Document, Holding, IndexVersion
from documents.search import SearchError

log = logging.getLogger(__name__)


def remove_traces(document: Document) -> None:
    """Take a deleted document's file, text and chunks away; its row stays, so that citations can say it is gone."""
    document.pages.all().delete()
    for path in (document.path, document.opened_path):
        path.unlink(missing_ok=True)
    shutil.rmtree(document.pictures, ignore_errors=True)
    with _or_later(document):
        _out_of_indexes(document)
        Document.objects.filter(pk=document.pk).update(generation=0, cleaned_at=timezone.now())


def forget(document: Document) -> None:
    """Take a version that stepped back out of every index; its pages stay for the citations."""
    with _or_later(document):
        _out_of_indexes(document)


def tidy(document: Document) -> None:
    """Nothing but the generation that is read stays of a document that nobody works on."""
    with _or_later(document), transaction.atomic():
        row = Document.objects.select_for_update(of=("self",)).filter(pk=document.pk).first()
        if row is not None and not row.is_under_way:
            keep_only_live(row)


def keep_only_live(document: Document) -> None:
    """Nothing but the generation that is read stays."""
    index = document.collection.index_id
    for version in _versions(document):
        with _or_later(document):  # What is left there is found by nobody, and goes with the next building of it.
            version.backend.remove(
                document.pk, keep_generation=document.generation if version.index_id == index else None
            )
    document.holdings.exclude(generation=document.generation, index_version__index=index).delete()
    document.chunks.exclude(index_version__index=index).delete()
    document.pages.exclude(generation=document.generation).delete()  # Last: the sweep looks for them.


@contextmanager
def _or_later(document: Document) -> Iterator[None]:
    """What cannot be found any more may lie in an index that does not answer for a while: the sweep comes again."""
    try:
        yield
    except SearchError as exc:
        log.warning("document %s is taken out of the index later: %s", document.pk, exc)


def _out_of_indexes(document: Document) -> None:
    for version in _versions(document):
        version.backend.remove(document.pk)
    Holding.objects.filter(document=document).delete()  # Last: the sweep looks for them.


def _versions(document: Document) -> list[IndexVersion]:
    """Where it may be: in what its index has now, and wherever it was held before it was moved."""
    own = IndexVersion.objects.kept().filter(index=document.collection.index_id)
    return list(own.union(IndexVersion.objects.kept().filter(holdings__document=document)))
