"""Take a file in: checked, stored under our own id, hashed, and on its way to be read."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import uuid
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone

from documents.extraction import ExtractionError, kind_of
from documents.models import UNDER_WAY, Collection, Document, State, display_name
from documents.tasks import clean_up, ingest_document, send

log = logging.getLogger(__name__)


class UploadRefused(Exception):
    """We do not take this file; `status` is for HTTP, the rest for a person."""

    def __init__(self, status: int, code: str, reason: str, advice: str) -> None:
        super().__init__(f"{reason} {advice}")
        self.status, self.code, self.reason, self.advice = status, code, reason, advice


def accept(pieces: Iterable[bytes], name: str, user: User, collection: Collection) -> tuple[Document, bool]:
    """Store an upload and send it to be read; the second value is False when we have these bytes already.

    A file that failed or was canceled is tried again when it comes again. A file of the same name with
    other bytes becomes the next version of it.
    """
    document_id = uuid.uuid4()
    path = Document(id=document_id).path
    try:
        size, sha256 = _store(pieces, path)
        _check_quota(user, size)
        kind = kind_of(path, name)
        return _record(document_id, path, display_name(name), kind, size, sha256, user, collection)
    except ExtractionError as exc:
        path.unlink(missing_ok=True)
        log.info("upload_rejected user=%s code=%s", user.pk, exc.code)
        raise UploadRefused(415, exc.code, exc.reason, exc.advice) from exc
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _store(pieces: Iterable[bytes], path: Path) -> tuple[int, str]:
    """Write the bytes to where they stay, safe from a power cut; returns their number and hash."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sha256, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as target:
            for piece in pieces:
                size += len(piece)
                if size > settings.UPLOAD_MAX_BYTES:
                    limit = settings.UPLOAD_MAX_BYTES // 1_000_000
                    raise UploadRefused(
                        413, "too_large", f"The file is larger than {limit} MB.", "Split it into parts."
                    )
                sha256.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
    except OSError as exc:
        if exc.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise UploadRefused(
            507, "disk_full", "There is no room left to store the file.", "Tell your administrator: the disk is full."
        ) from exc
    if size == 0:
        raise UploadRefused(400, "empty", "The file is empty.", "Look at it on your machine, then upload it again.")
    return size, sha256.hexdigest()


def _check_quota(user: User, size: int) -> None:
    used = Document.objects.filter(owner=user, deleted_at=None).aggregate(bytes=Sum("size"))["bytes"] or 0
    if used + size > settings.QUOTA_BYTES:
        limit = settings.QUOTA_BYTES // 1_000_000
        raise UploadRefused(413, "quota", f"Your {limit} MB are used up.", "Delete documents you no longer need.")


def _record(
    document_id: uuid.UUID,
    path: Path,
    name: str,
    kind: str,
    size: int,
    sha256: str,
    user: User,
    collection: Collection,
) -> tuple[Document, bool]:
    """One row, whatever comes at the same moment: the database decides who was first."""
    document = Document(
        id=document_id,
        collection=collection,
        owner=user,
        name=name,
        kind=kind,
        size=size,
        sha256=sha256,
    )
    try:
        with transaction.atomic():
            _number(document)
            document.save(force_insert=True)
            transaction.on_commit(partial(send, ingest_document, str(document.pk)))
    except IntegrityError:
        known = collection.documents.current().filter(sha256=sha256, deleted_at=None).first()
        if known is None:
            raise
        path.unlink(missing_ok=True)
        if known.state in {State.FAILED, State.CANCELED}:
            retry(known)
        return known, False
    return document, True


def _number(document: Document) -> None:
    """Give it its version. One at a time in a collection: no two get one number, and nobody deletes it meanwhile."""
    same = Collection.objects.select_for_update(of=("self",)).filter(pk=document.collection_id)
    if not same.exists():
        raise UploadRefused(404, "not_found", "This collection is gone.", "Choose another one.")
    rows = Document.objects.filter(collection=document.collection_id, name=document.name, deleted_at=None)
    document.replaces = rows.order_by("-version").first()
    document.version = document.replaces.version + 1 if document.replaces else 1


def retry(document: Document) -> None:
    """Read the file again from the start; vectors that were paid for are still known."""
    ended = Document.objects.filter(pk=document.pk, deleted_at=None, superseded_at=None).exclude(state__in=UNDER_WAY)
    if ended.update(state=State.QUEUED, attempt=0, error=None, lease_until=None, not_before=None, done=0, total=0):
        transaction.on_commit(partial(send, ingest_document, str(document.pk)))
    document.refresh_from_db()


def cancel(document: Document) -> None:
    """Stop the work on a document; whoever works on it notices at its next step."""
    Document.objects.under_way().filter(pk=document.pk).update(state=State.CANCELED, lease_until=None, lease_token=None)
    document.refresh_from_db()


def delete(document: Document) -> None:
    """Gone from every list and every search with this call, earlier versions too; files and text follow."""
    versions = Document.objects.filter(
        collection=document.collection, name=document.name, version__lte=document.version, deleted_at=None
    )
    gone = [str(pk) for pk in versions.values_list("pk", flat=True)]
    versions.update(deleted_at=timezone.now(), lease_until=None, lease_token=None)
    for pk in gone:
        transaction.on_commit(partial(send, clean_up, pk))
