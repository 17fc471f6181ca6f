"""Take a file in: checked, stored under our own id, hashed, and on its way to be read."""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from documents import passwords
from documents.changes import tell, tell_opened
from documents.extraction import ExtractionError, kind_of
from documents.models import CUT_OFF, UNDER_WAY, Attempt, Collection, Document, State, display_name
from documents.queue import send
from project.audit import audit
from project.local import has_no_room

log = logging.getLogger(__name__)

QUEUE_PATIENCE_S = 20  # after which it is worth sending again


class UploadRefused(Exception):
    """We do not take this file; `status` is for HTTP, the rest for a person."""

    def __init__(self, status: int, code: str, reason: str, advice: str, retry_after: int | None = None) -> None:
        super().__init__(f"{reason} {advice}")
        self.status, self.code, self.reason, self.advice, self.retry_after = status, code, reason, advice, retry_after


def accept(
    pieces: Iterable[bytes], name: str, user: User, collection: Collection, *, parent: Document | None = None
) -> tuple[Document, bool]:
    """Store an upload and send it to be read; the second value is False when we have these bytes already.

    A file that failed or was canceled is tried again when it comes again. A file of the same name with
    other bytes becomes the next version of it. With `parent` it is a file that was attached to that document.
    """
    if parent is None:  # A mail that was taken in is taken in with what is attached to it.
        _check_queue(user)
    document_id = uuid.uuid4()
    path = Document(id=document_id).path
    try:
        size, sha256 = _store(pieces, path)
        _check_quota(user, size)
        kind = kind_of(path, name)
        document = Document(
            id=document_id,
            collection=collection,
            owner=user,
            name=display_name(name),
            kind=kind,
            size=size,
            sha256=sha256,
            parent=parent,
        )
        return _record(document)
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
        _keep_name(path.parent)
    except OSError as exc:
        if not has_no_room(exc):
            raise
        raise UploadRefused(
            507, "disk_full", "There is no room left to store the file.", "Tell your administrator: the disk is full."
        ) from exc
    if size == 0:
        raise UploadRefused(400, "empty", "The file is empty.", "Look at it on your machine, then upload it again.")
    return size, sha256.hexdigest()


def _keep_name(folder: Path) -> None:
    """A file's name is safe from a power cut only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_queue(user: User) -> None:
    """More is not taken in than can be worked off in good time: whoever sends it can wait better than a queue can."""
    mine = Count("pk", filter=Q(owner=user))
    waiting = Document.objects.under_way().aggregate(all=Count("pk"), mine=mine)
    if waiting["mine"] >= settings.QUEUE_MAX_EACH:
        reason = f"{waiting['mine']:,} of your files are waiting to be read, which is as many as may wait."
    elif waiting["all"] >= settings.QUEUE_MAX:
        reason = f"{waiting['all']:,} files are waiting to be read, which is as many as may wait."
    else:
        return
    raise UploadRefused(429, "queue_full", reason, "Send it again when some of them are done.", QUEUE_PATIENCE_S)


def _check_quota(user: User, size: int) -> None:
    used = Document.objects.filter(owner=user, deleted_at=None).aggregate(
        bytes=Sum("size"), files=Count("pk"), pages=Sum("page_count")
    )
    advice = "Delete documents you no longer need."
    if (used["bytes"] or 0) + size > settings.QUOTA_BYTES:
        limit = settings.QUOTA_BYTES // 1_000_000
        raise UploadRefused(413, "quota", f"Your {limit} MB are used up.", advice)
    if used["files"] >= settings.QUOTA_FILES:
        raise UploadRefused(413, "quota", f"You have {used['files']:,} documents, which is the limit.", advice)
    if (used["pages"] or 0) >= settings.QUOTA_PAGES:
        raise UploadRefused(413, "quota", f"Your documents have {used['pages']:,} pages, which is the limit.", advice)


def _record(document: Document) -> tuple[Document, bool]:
    """One row, whatever comes at the same moment: the database decides who was first."""
    try:
        with transaction.atomic():
            _number(document)
            document.save(force_insert=True)
            if document.parent is None:
                audit("document.upload", document, by=document.owner, collection=str(document.collection_id))
            transaction.on_commit(partial(send, "ingest"))
    except IntegrityError:
        same = document.collection.documents.current().filter(sha256=document.sha256, parent=document.parent_id)
        known = same.filter(deleted_at=None).first()
        if known is None:  # It was deleted, or moved, between the two statements.
            reason = "The same file was changed by somebody else at this moment."
            raise UploadRefused(409, "changed", reason, "Send it again.") from None
        if known.path.is_file() and (known.error or {}).get("code") != "file_lost":
            document.path.unlink(missing_ok=True)
        else:
            document.path.replace(known.path)  # What was lost is here again.
        if known.state in {State.FAILED, State.CANCELED} and document.parent is None:
            retry(known)
        return known, False
    return document, True


def hold_place(document: Document) -> None:
    """Hold the collection a document is in until the transaction ends, and with it the order of its versions.

    Where the document is may have changed since it was fetched. Raises Document.DoesNotExist.
    """
    while True:
        rows = Document.objects.filter(pk=document.pk)
        place = rows.values_list("collection_id", flat=True).get()
        Collection.objects.select_for_update(of=("self",), no_key=True).filter(pk=place).first()
        document.refresh_from_db(fields=["collection", "deleted_at"])
        if document.collection_id == place:
            return


def _number(document: Document) -> None:
    """Give it its version. One at a time in a collection: no two get one number, and nobody deletes it meanwhile.

    What is attached goes where its mail is by now, and is never a version of anything.
    """
    if document.parent is not None:
        hold_place(document.parent)
        if document.parent.deleted_at:
            raise UploadRefused(404, "not_found", "What it is attached to is gone.", "Upload that again.")
        document.collection = document.parent.collection
        return
    same = Collection.objects.select_for_update(of=("self",)).filter(pk=document.collection_id)
    if not same.exists():
        raise UploadRefused(404, "not_found", "This collection is gone.", "Choose another one.")
    document.replaces = document.versions().filter(deleted_at=None).order_by("-version").first()
    document.version = document.replaces.version + 1 if document.replaces else 1


def retry(document: Document) -> None:
    """Read the file again from the start, if nobody has it in hand; vectors that were paid for are still known."""
    with transaction.atomic():
        rows = Document.objects.filter(pk=document.pk, deleted_at=None, superseded_at=None).select_for_update()
        row = rows.exclude(state__in=UNDER_WAY).first() or rows.left().first()
        if row is not None:
            row.end_attempt(Attempt.Outcome.INTERRUPTED, CUT_OFF, at=row.lease_until)
            rows.update(
                state=State.QUEUED,
                attempt=0,
                error=None,
                lease_until=None,
                lease_token=None,
                not_before=None,
                waits_for="",
                done=0,
                total=0,
                finished_at=None,
            )
            transaction.on_commit(partial(send, "ingest"))
    document.refresh_from_db()


def cancel(document: Document) -> None:
    """Stop the work on a document; whoever works on it notices within seconds."""
    with transaction.atomic():
        row = Document.objects.under_way().select_for_update(of=("self",)).filter(pk=document.pk).first()
        if row is not None:
            row.end_attempt(Attempt.Outcome.CANCELED)
            Document.objects.filter(pk=row.pk).update(
                state=State.CANCELED,
                generation=Document.LIVE_BEFORE,
                lease_until=None,
                lease_token=None,
                waits_for="",
                finished_at=timezone.now(),
            )
            transaction.on_commit(partial(send, "clean_up", str(row.pk)))
    document.refresh_from_db()


def give_password(document: Document, password: str) -> None:
    """Read a file again with its password, which is used once and not kept. Raises UploadRefused."""
    try:
        passwords.keep(document.pk, password)
    except redis.RedisError as exc:
        raise UploadRefused(
            503, "queue_gone", "The queue does not answer.", "Give the password again in a minute.", QUEUE_PATIENCE_S
        ) from exc
    retry(document)


def trust(document: Document, user: User) -> None:
    """Let answers use what was found hidden in a document, or speaking to a model: an editor has looked at it."""
    _read_with(document, trusted_at=timezone.now(), trusted_by=user)


def distrust(document: Document) -> None:
    """Keep the findings out of answers again."""
    _read_with(document, trusted_at=None, trusted_by=None)


def _read_with(document: Document, **changes: object) -> None:
    """Read again by another rule: also what is being read at the moment by the old one."""
    with transaction.atomic():
        rows = Document.objects.filter(pk=document.pk)
        if rows.under_way().select_for_update(of=("self",)).first():
            document.end_attempt(Attempt.Outcome.CANCELED, "It is read again by another rule.")
        rows.update(
            state=State.CANCELED, generation=Document.LIVE_BEFORE, lease_until=None, lease_token=None, **changes
        )
        retry(document)


def move(document: Document, collection: Collection) -> None:
    """Put a document, with its versions and what was attached to it, into another collection. Raises UploadRefused.

    From that moment on the members of the other collection read it, and no longer those of this one.
    """
    if document.collection_id == collection.pk:
        return
    if collection.is_private and collection.owner_id != document.owner_id:
        reason = f"“{document.name}” belongs to {document.owner}."
        raise UploadRefused(409, "not_owner", reason, "Only its owner can move it into a private collection.")
    if document.parent_id:
        reason = f"“{document.name}” is attached to “{document.parent}”."  # type: ignore[str-bytes-safe]
        raise UploadRefused(409, "attached", reason, "Move that document; what is attached goes along.")
    moved = document.versions().filter(deleted_at=None)
    try:
        with transaction.atomic():
            both = Collection.objects.filter(pk__in=[collection.pk, document.collection_id])
            list(both.order_by("pk").select_for_update(of=("self",), no_key=True))
            if collection.documents.filter(name=document.name, parent=None, deleted_at=None).exists():
                raise _name_taken(document, collection)
            ids = with_attached(moved)
            Document.objects.filter(pk__in=ids).update(collection=collection, placed_at=timezone.now())
            tell_opened()
            audit("document.move", document, out_of=str(document.collection_id), into=str(collection.pk))
            if document.collection.index_id != collection.index_id:  # What was read stays; the other index is built on.
                for pk in ids:
                    transaction.on_commit(partial(send, "clean_up", str(pk)))
                if collection.index.live_id:
                    transaction.on_commit(partial(send, "build", str(collection.index.live_id)))
    except IntegrityError as exc:
        raise _name_taken(document, collection) from exc
    document.refresh_from_db()


def rename(document: Document, name: str) -> None:
    """Give a document, with its versions, another name. Raises UploadRefused.

    A file that is uploaded under that name becomes its next version from then on.
    """
    name = display_name(name)
    if document.name == name:
        return
    with transaction.atomic():
        hold_place(document)
        place = document.collection
        if place.documents.filter(name=name, parent=document.parent_id, deleted_at=None).exists():
            reason = f"“{place}” has a document named “{name}” already."
            raise UploadRefused(409, "taken", reason, "Choose another name, or delete that document first.")
        before = document.name
        document.versions().update(name=name)
        audit("document.rename", document, before=before, name=name)
    document.refresh_from_db(fields=["name"])


def _name_taken(document: Document, collection: Collection) -> UploadRefused:
    reason = f"“{collection}” has a document of this name or content already."
    return UploadRefused(409, "taken", f"“{document.name}” was not moved. {reason}", "Delete one of the two first.")


def delete(document: Document) -> None:
    """Gone from every list and every search with this call, with the earlier versions that it replaced and what was
    attached to them; files and text follow. A version that never replaced another goes alone."""
    with transaction.atomic():
        hold_place(document)
        replaced = document.versions().filter(
            version__lt=document.version, superseded_at__isnull=False, deleted_at=None
        )
        earlier = replaced if document.generation and document.parent_id is None else replaced.none()
        rows = Document.objects.filter(
            pk__in=with_attached(Document.objects.filter(Q(pk=document.pk) | Q(pk__in=earlier))), deleted_at=None
        )
        gone = [str(pk) for pk in rows.values_list("pk", flat=True)]
        for row in rows.under_way():
            row.end_attempt(Attempt.Outcome.CANCELED, "It was deleted.")
        rows.update(deleted_at=timezone.now(), lease_until=None, lease_token=None)
        audit("document.delete", document, documents=gone)
        tell(map(uuid.UUID, gone))
        for pk in gone:
            transaction.on_commit(partial(send, "clean_up", pk))


def with_attached(rows: QuerySet[Document]) -> set[uuid.UUID]:
    """The ids of these documents, and of all that was attached to them, or to that."""
    found: set[uuid.UUID] = set()
    level = set(rows.values_list("pk", flat=True))
    while level - found:
        found |= level
        level = set(Document.objects.filter(parent__in=level).values_list("pk", flat=True))
    return found
