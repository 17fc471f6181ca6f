"""Our rows as OpenAI's objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from documents.models import UNDER_WAY, Collection, Document, FileBatch, IndexVersion, StoreFile, status_of
from documents.models.documents import FINDABLE, Person, State
from documents.openai_api.ids import BATCH, FILE, STORE, public

FILE_STATUS = {"in_progress": "uploaded", "completed": "processed", "cancelled": "error", "failed": "error"}
FAULTS = {"unsupported": "unsupported_file"}
OURS = {"crashed", "time", "memory", "file_lost"}  # What is no fault of the file.
OVERLAP_MOST = 0.5


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def file_object(document: Document) -> dict[str, Any]:
    why = {"status_details": document.error["reason"]} if document.error else {}
    return why | {
        "id": public(FILE, document.pk),
        "object": "file",
        "bytes": document.size,
        "created_at": seconds(document.created_at),
        "filename": document.name,
        "purpose": document.purpose or "assistants",
        "status": FILE_STATUS[status_of(document.state)],
    }


def store_object(collection: Collection) -> dict[str, Any]:
    told = _counts(collection.documents.filter(deleted_at=None, superseded_at=None, parent=None), "state")
    sums = collection.documents.filter(deleted_at=None).aggregate(bytes=Sum("size"), last=Max("created_at"))
    return {
        "id": public(STORE, collection.pk),
        "object": "vector_store",
        "created_at": seconds(collection.created_at),
        "name": collection.name,
        "usage_bytes": sums["bytes"] or 0,
        "file_counts": told,
        "status": "in_progress" if told["in_progress"] else "completed",
        "expires_at": None,
        "last_active_at": seconds(sums["last"] or collection.created_at),
        "metadata": collection.metadata,
    }


def store_file_object(row: StoreFile, user: Person) -> dict[str, Any]:
    document = row.document
    return {
        "id": public(FILE, row.shown_id(user)),
        "object": "vector_store.file",
        "usage_bytes": document.size if document else 0,
        "created_at": seconds(row.created_at),
        "vector_store_id": public(STORE, row.collection_id),
        "status": row.status,
        "last_error": _last_error(row),
        "chunking_strategy": _chunking(row.collection.index.live),
        "attributes": row.attributes,
    }


def batch_object(batch: FileBatch) -> dict[str, Any]:
    rows = batch.files.live()
    told = _counts(rows.exclude(document=None), "document__state")
    refused = rows.filter(document=None).count()
    told |= {"failed": told["failed"] + refused, "total": told["total"] + refused}
    status = "cancelled" if batch.cancelled_at else "in_progress" if told["in_progress"] else "completed"
    return {
        "id": public(BATCH, batch.pk),
        "object": "vector_store.files_batch",
        "created_at": seconds(batch.created_at),
        "vector_store_id": public(STORE, batch.collection_id),
        "status": status,
        "file_counts": told,
    }


def deleted(public_id: str, what: str) -> dict[str, Any]:
    return {"id": public_id, "object": what, "deleted": True}


def attributes_by_document(documents: Iterable[Any], user: Person) -> dict[Any, StoreFile]:
    """The rows of what was found, by document; of several for one the person's own."""
    rows = StoreFile.objects.for_user(user).filter(document__in=list(documents)).select_related("file")
    return {row.document_id: row for row in sorted(rows, key=lambda row: row.file.owner_id == user.pk)}


def _counts(rows: QuerySet[Any], state: str) -> dict[str, int]:
    def of(*states: State) -> Count:
        return Count("pk", filter=Q(**{f"{state}__in": states}))

    told: dict[str, int] = rows.order_by().aggregate(
        in_progress=of(*UNDER_WAY),
        completed=of(*FINDABLE),
        failed=of(State.FAILED),
        cancelled=of(State.CANCELED),
        total=Count(F("pk")),
    )
    return told


def _last_error(row: StoreFile) -> dict[str, str] | None:
    if row.document is None:
        return {"code": "server_error", "message": row.error}
    error = row.document.error
    if row.status != "failed" or not error:
        return None
    code = "server_error" if error["code"] in OURS else FAULTS.get(error["code"], "invalid_file")
    return {"code": code, "message": f"{error['reason']} {error.get('advice', '')}".strip()}


def _chunking(version: IndexVersion | None) -> dict[str, Any]:
    """How the index cuts, whatever was asked for."""
    if version is None:
        return {"type": "other"}
    overlap = min(version.chunk_overlap, OVERLAP_MOST) * version.chunk_tokens
    return {
        "type": "static",
        "static": {"max_chunk_size_tokens": version.chunk_tokens, "chunk_overlap_tokens": round(overlap)},
    }
