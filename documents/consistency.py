"""What must agree, and whether it does: rows, files, checksums, pages, chunks, the index, and who works on what.

`faults()` names each thing that is not as it should be, with the way to mend it. Nothing in it is normal: after any
crash the next step of the ordinary work puts things right, so a fault that stays is one of ours, or of a disk.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.module_loading import import_string

from documents.ingestion import remove_traces, tidy
from documents.ingestion.building import missing
from documents.intake import retry
from documents.models import (
    FINDABLE,
    LEFT_AFTER,
    UNDER_WAY,
    Attempt,
    Chunk,
    Document,
    Holding,
    IndexVersion,
    Page,
    State,
)
from documents.queue import send
from documents.search import SearchError
from project.background import Told

FRESH_S = 3_600  # A file younger than this may still be on its way in.
LOST = {
    "code": "file_lost",
    "reason": "The stored file is missing or damaged; what was read from it can still be found.",
    "advice": "Upload it again.",
}


@dataclass(frozen=True)
class Fault:
    """One thing that does not agree. `repair` may be called once, and may raise SearchError; None: it is not for us."""

    kind: str
    what: str
    repair: Callable[[], object] | None


Look = Callable[[], Iterator[Fault]]


def faults(*, checksums: bool = True, told: Told = lambda done, total: None) -> Iterator[Fault]:
    """Everything that does not agree. Reads every stored file unless `checksums` is off, and tells how far it is."""
    yield from _files_of_rows(checksums, told)
    versions = IndexVersion.objects.exclude(state=IndexVersion.State.CANCELED).values_list("pk", flat=True)
    each = [partial(_version, pk) for pk in versions]
    looks: list[Look] = [_rows_of_files, _pages_and_chunks, *each, _without_row, _leases, _attempts]
    for look in looks:
        yield from _seen_twice(look)


def faults_of(version: IndexVersion) -> list[Fault]:
    """What does not agree between a version and its rows, by what the backend says that it holds."""
    return _seen_twice(partial(_version, version.pk))


def _seen_twice(look: Look) -> list[Fault]:
    """What is still so at a second look: the work goes on while rows, files and indexes are compared."""
    found = list(look())
    if not any(fault.repair for fault in found):
        return found
    again = {(fault.kind, fault.what) for fault in look()}
    return [fault for fault in found if (fault.kind, fault.what) in again]


def mend(fault: Fault) -> str:
    """How it ended, in words; one that cannot be mended does not keep the others from it."""
    if fault.repair is None:
        return ""
    try:
        fault.repair()
    except SearchError as exc:
        return f"not mended: {exc}"
    return "mended"


def _files_of_rows(checksums: bool, told: Told) -> Iterator[Fault]:
    kept = Document.objects.filter(deleted_at=None).exclude(error__code=LOST["code"])
    total = kept.count()
    for number, document in enumerate(kept.iterator(), 1):
        told(number, total)
        if (fault := _file_of(document, checksums)) and kept.filter(pk=document.pk).exists():
            yield fault
    deleted_since = timezone.now() - LEFT_AFTER
    for document in Document.objects.filter(cleaned_at=None, deleted_at__lt=deleted_since):
        yield Fault("deleted but not cleaned", f"{document.pk} “{document}”", partial(remove_traces, document))


def _file_of(document: Document, checksums: bool) -> Fault | None:
    mend = partial(_tell_lost, document)
    try:
        if document.path.stat().st_size != document.size or (checksums and _sha256(document.path) != document.sha256):
            return Fault("wrong checksum", f"{document.pk} “{document}”", mend)
    except FileNotFoundError:
        return Fault("row without file", f"{document.pk} “{document}”", mend)
    if document.opened and not document.opened_path.is_file():
        return Fault("row without file", f"{document.pk} “{document}”, its opened copy", partial(_close, document))
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tell_lost(document: Document) -> None:
    """Its text stays, and so do the answers that cite it; whoever may, sends the file again."""
    Document.objects.filter(pk=document.pk).update(state=State.FAILED, error=LOST, lease_until=None, lease_token=None)


def _close(document: Document) -> None:
    Document.objects.filter(pk=document.pk).update(opened=False)


def _rows_of_files() -> Iterator[Fault]:
    known = {str(pk) for pk in Document.objects.filter(cleaned_at=None).values_list("pk", flat=True)}
    opened = {str(pk) for pk in Document.objects.filter(cleaned_at=None, opened=True).values_list("pk", flat=True)}
    for path in sorted(settings.MEDIA_ROOT.glob("*/*")):
        is_known = path.name in known or (path.suffix == ".opened" and path.stem in opened)
        if not is_known and time.time() - path.stat().st_mtime > FRESH_S:
            yield Fault("file without row", path.name, partial(path.unlink, missing_ok=True))
    for folder in sorted((settings.DATA_DIR / "cache" / "pages").glob("*")):
        if folder.name not in known:
            yield Fault("pictures without row", folder.name, partial(shutil.rmtree, folder, ignore_errors=True))


def _pages_and_chunks() -> Iterator[Fault]:
    at_work = Q(document__state__in=UNDER_WAY)
    old = Page.objects.exclude(generation=F("document__generation")).exclude(at_work)
    old = old.exclude(document__finished_at__gt=timezone.now() - LEFT_AFTER)
    for document in Document.objects.filter(pk__in=old.values("document"), deleted_at=None):
        yield Fault("pages nobody reads", f"{document.pk} “{document}”", partial(tidy, document))
    live = Document.objects.filter(deleted_at=None, generation__gt=0).exclude(state__in=UNDER_WAY)
    searched = Q(index_version=OuterRef("collection__index__live"))
    for document in live.annotate(pages_held=_held(Page), chunks_held=_held(Chunk, searched)):
        searched_of_it = document.chunks_held if document.superseded_at is None else document.chunk_count
        held = (document.pages_held, searched_of_it)
        if held != (document.page_count, document.chunk_count) and document.state in FINDABLE:
            what = f"{document.pk} “{document}”: {held[0]} of {document.page_count} pages, {held[1]} of "
            yield Fault("missing or doubled chunks", f"{what}{document.chunk_count} chunks", partial(retry, document))


def _held(model: type[Page] | type[Chunk], more: Q | None = None) -> Coalesce:
    """How many rows a document has of the generation that is read."""
    own = model.objects.filter(more or Q(), document=OuterRef("pk"), generation=OuterRef("generation")).order_by()
    return Coalesce(Subquery(own.values("document").annotate(n=Count("pk")).values("n")), 0)


def _version(pk: int) -> Iterator[Fault]:
    """It holds what its rows say, and if it is the one that is searched, every document."""
    version = IndexVersion.objects.select_related("index").filter(pk=pk).first()
    if version is None or version.state == IndexVersion.State.CANCELED:
        return
    try:
        held = {(document, generation): count for document, generation, count in version.backend.held()}
    except SearchError as exc:
        if IndexVersion.objects.filter(pk=pk).exclude(state=IndexVersion.State.CANCELED).exists():
            yield Fault("index does not answer", f"{version}: {exc}", None)
        return
    yield from _documents_of(version, held)
    if version.state == IndexVersion.State.FAILED:
        return
    yield from _holdings_of(version, held)
    if version.is_live:
        for document in missing(version).exclude(state__in=UNDER_WAY):
            mend = partial(send, "build", str(version.pk))
            yield Fault("missing in the index", f"{document.pk} “{document}” is not in {version}", mend)


def _without_row() -> Iterator[Fault]:
    """What is left of index versions that are gone: tables, or an index at a service whose name begins with ours."""
    for name, path in settings.SEARCH_BACKENDS.items():
        backend = import_string(path)
        try:
            stored = backend.stored()
        except SearchError as exc:
            yield Fault("index does not answer", f"{name}: {exc}", None)
            continue
        for pk in sorted(stored - set(IndexVersion.objects.values_list("pk", flat=True))):
            yield Fault("index without row", f"{name}, version {pk}", backend(IndexVersion(pk=pk)).drop)


def _holdings_of(version: IndexVersion, held: dict[tuple[UUID, int], int]) -> Iterator[Fault]:
    own = Chunk.objects.filter(index_version=version, is_searched=True, generation=OuterRef("generation")).order_by()
    counted = own.filter(document=OuterRef("document")).values("document").annotate(n=Count("pk")).values("n")
    rows = version.holdings.exclude(finished_at=None).filter(document__deleted_at=None, document__superseded_at=None)
    rows = rows.filter(document__generation=F("generation")).exclude(document__state__in=UNDER_WAY)
    for row in rows.select_related("document").annotate(searched=Coalesce(Subquery(counted), 0)):
        found = held.get((row.document_id, row.generation), 0)
        if found != row.searched:
            what = f"{row.document_id} “{row.document}”: {version} holds {found} of {row.searched} chunks"
            yield Fault("missing in the index", what, partial(_bring_again, row))


def _bring_again(row: Holding) -> None:
    row.delete()
    send("build", str(row.index_version_id))


def _documents_of(version: IndexVersion, held: dict[tuple[UUID, int], int]) -> Iterator[Fault]:
    rows = Document.objects.select_related("collection").in_bulk([pk for pk, _ in held])
    for (document_id, generation), count in held.items():
        document = rows.get(document_id)
        if document and _is_tidied_now(document):
            continue
        if document is None or document.deleted_at or document.superseded_at:
            mend = partial(version.backend.remove, document_id)
        elif document.is_under_way or (generation, version.index_id) == (
            document.generation,
            document.collection.index_id,
        ):
            continue
        else:
            mend = partial(tidy, document)
        yield Fault("chunks without document", f"{document_id}, generation {generation}: {count} chunks", mend)


def _is_tidied_now(document: Document) -> bool:
    """Whether its old entries are still a worker's business, or the sweep's."""
    if document.cleaned_at:
        return False
    since = timezone.now() - LEFT_AFTER
    return any(at and at > since for at in (document.deleted_at, document.superseded_at, document.finished_at))


def _leases() -> Iterator[Fault]:
    for document in Document.objects.left():
        # Without the lease it stands in line again; the sweep does the rest.
        mend = partial(Document.objects.filter(pk=document.pk).update, lease_until=None, lease_token=None)
        yield Fault("stale lease", f"{document.pk} “{document}”", mend)
    held = Document.objects.exclude(state__in=UNDER_WAY).exclude(lease_until=None)
    for document in held:
        mend = partial(Document.objects.filter(pk=document.pk).update, lease_until=None, lease_token=None)
        yield Fault("lease without work", f"{document.pk} “{document}”", mend)


def _attempts() -> Iterator[Fault]:
    """An attempt that is open while nothing is under way."""
    for attempt in Attempt.objects.filter(outcome="").exclude(document__state__in=UNDER_WAY):
        mend = partial(
            Attempt.objects.filter(pk=attempt.pk).update,
            outcome=Attempt.Outcome.INTERRUPTED,
            ended_at=timezone.now(),
        )
        yield Fault("attempt without end", str(attempt), mend)
