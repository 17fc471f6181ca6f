"""Take away what is no longer read: of a deleted document everything, of another one its old generations."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from documents.models import Document, IndexVersion
from documents.search import SearchError

log = logging.getLogger(__name__)


def remove_traces(document: Document) -> None:
    """Take a deleted document's file, text and chunks away; its row stays, so that citations can say it is gone."""
    for path in (document.path, document.opened_path):
        path.unlink(missing_ok=True)
    shutil.rmtree(document.pictures, ignore_errors=True)
    with _or_later(document):
        _out_of_indexes(document)
        document.pages.all().delete()  # Last: a remote index may not show yet what its chunks' rows know of.
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
    """Nothing but the generation that is read stays. Where an index does not let go, the rows that tell of it stay."""
    with _or_later(document):
        _out_of_indexes(document, keep_live=True)
        document.chunks.exclude(index_version__index=document.collection.index_id).delete()
        document.pages.exclude(generation=document.generation).delete()  # Last: the sweep looks for them.


@contextmanager
def _or_later(document: Document) -> Iterator[None]:
    """What cannot be found any more may lie in an index that does not answer for a while: the sweep comes again."""
    try:
        yield
    except SearchError as exc:
        log.warning("document %s is taken out of the index later: %s", document.pk, exc)


def _out_of_indexes(document: Document, *, keep_live: bool = False) -> None:
    """Out of each that answers, with the holding that told of it; raises what the last of the others said."""
    refusal = None
    for version in _versions(document):
        is_own = version.index_id == document.collection.index_id
        kept = document.generation if keep_live and is_own else None
        try:
            version.backend.remove(document.pk, keep_generation=kept)
        except SearchError as exc:
            refusal = exc
            continue
        held = version.holdings.filter(document=document)
        (held if kept is None else held.exclude(generation=kept)).delete()
    if refusal:
        raise refusal


def _versions(document: Document) -> list[IndexVersion]:
    """Where it may be: in what its index has now, and wherever rows tell of it, as in a version that failed."""
    own = IndexVersion.objects.kept().filter(index=document.collection.index_id)
    is_held, is_cut = (
        Exists(rows.filter(index_version=OuterRef("pk"))) for rows in (document.holdings, document.chunks)
    )
    others = IndexVersion.objects.exclude(state=IndexVersion.State.CANCELED).filter(is_held | is_cut)
    return list(own.union(others))
