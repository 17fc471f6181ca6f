"""Take single passages out of the search, and let them in again.

What is taken out is known by its words and by what stands around them: read again, or cut for another index version,
the same words stay out. A newer version of the file is another document, and begins with everything in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from documents.anchoring import find, kept_from
from documents.changes import tell
from documents.ingestion.building import ask_for_turn
from documents.ingestion.exclusions import Span, excluded_spans, is_excluded
from documents.models import Chunk, Document, IndexVersion
from project.audit import audit


class ExclusionRefused(Exception):
    """It cannot be done at this moment; str(exc) says why and what to do."""


def exclude(chunk: Chunk, user: User) -> None:
    """From this call on no search finds the passage, in any version of its index. ExclusionRefused, SearchError."""
    with _held(chunk.document) as document:
        page = chunk.page
        kept = kept_from(page.text, (chunk.start, chunk.end), page=page.number, start=0)
        document.exclusions.create(
            page=kept.page, start=kept.start, words=kept.words, before=kept.before, after=kept.after, created_by=user
        )
        for version, chunks in _in_each_version(document):
            out = [each for each in chunks if each.is_searched and is_excluded(_span(each), [_span(chunk)])]
            out = [each for each in out if each.page_id == chunk.page_id]
            Chunk.objects.filter(pk__in=[each.pk for each in out]).update(is_searched=False)
            _count_again(document, version)
            version.backend.withdraw([each.pk for each in out])
        audit("passage.disable", document, page=page.number, start=chunk.start, end=chunk.end)


def include(chunk: Chunk) -> None:
    """Let the passage be found again: each version of the index takes it in within moments. ExclusionRefused."""
    with _held(chunk.document) as document:
        texts = {chunk.page.number: chunk.page.text}
        for row in document.exclusions.filter(page=chunk.page.number):
            place = find(row.kept, texts)
            if place and is_excluded(_span(chunk), [(place.start, place.end)]):
                row.delete()
        still_out = excluded_spans(document, document.generation)
        for version, chunks in _in_each_version(document):
            back = [each.pk for each in chunks if not each.is_searched and _may_be_found(each, still_out)]
            if not back:
                continue
            Chunk.objects.filter(pk__in=back).update(is_searched=True)
            _count_again(document, version)
            version.holdings.filter(document=document).update(finished_at=None)
            transaction.on_commit(partial(ask_for_turn, version))
        audit("passage.enable", document, page=chunk.page.number, start=chunk.start, end=chunk.end)


def _may_be_found(chunk: Chunk, still_out: Mapping[int, list[Span]]) -> bool:
    return bool(chunk.text.strip()) and not is_excluded(_span(chunk), still_out.get(chunk.page.number, ()))


@contextmanager
def _held(document: Document) -> Iterator[Document]:
    """The document's row, so that nobody reads it anew or moves it meanwhile."""
    with transaction.atomic():
        rows = Document.objects.select_related("collection__index").filter(pk=document.pk, deleted_at=None)
        row = rows.select_for_update(of=("self",)).first()
        if row is None:
            raise ExclusionRefused("The document is gone.")
        if row.is_under_way:
            raise ExclusionRefused("The document is being read at this moment. Wait until that is done.")
        yield row
        tell([row.pk])


def _in_each_version(document: Document) -> Iterator[tuple[IndexVersion, list[Chunk]]]:
    rows = document.chunks.filter(generation=document.generation).select_related("page")
    for version in IndexVersion.objects.kept().filter(index=document.collection.index_id):
        chunks = list(rows.filter(index_version=version))
        for chunk in chunks:
            chunk.page.document = document
        yield version, chunks


def _count_again(document: Document, version: IndexVersion) -> None:
    """What the version believes to hold. One that is on its way to it begins anew: what is there is written again."""
    searched = document.chunks.filter(index_version=version, generation=document.generation, is_searched=True).count()
    held = version.holdings.filter(document=document, generation=document.generation)
    held.exclude(finished_at=None).update(total=searched, done=searched)
    held.filter(finished_at=None).exclude(total=None).update(total=searched, done=0)


def _span(chunk: Chunk) -> Span:
    return chunk.start, chunk.end
