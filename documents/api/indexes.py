"""Indexes for the programs of those who run Lectern: built beside the one that is searched, swapped, gone back to."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from documents.embeddings import EmbeddingError
from documents.embeddings.local import local_model_name
from documents.embeddings.remote import remote_model_name
from documents.indexes import default_index, live_version, versions
from documents.models import Collection, Index, IndexVersion
from documents.search import SearchError
from project.api import REFUSED, ApiError, Refusal, running, the
from project.audit import audit

router = Router(tags=["indexes"])


class ProgressOut(Schema):
    documents: int
    documents_done: int
    share: float = Field(description="0 to 1.")
    chunks_a_second: float
    seconds_left: float | None


class VersionOut(Schema):
    number: int
    is_live: bool
    state: Literal["building", "paused", "ready", "failed", "canceled"]
    error: str = Field(description="Why it failed, or what it waits for.")
    backend: str
    embedding_model: str = Field(description="Empty: search by words alone.")
    dimensions: int
    chunk_tokens: int
    chunk_overlap: float
    languages: list[str]
    progress: ProgressOut | None
    embedded: int
    tokens: int
    created_at: str
    retired_at: str | None


class IndexOut(Schema):
    id: int
    name: str
    versions: list[VersionOut]


class RebuildIn(Schema):
    """What the new version has otherwise than the one that is searched; left out: the same."""

    backend: str | None = Field(None, max_length=40, examples=["pgvector"])
    model: Literal["local", "service", "none"] | None = Field(None, description="Who embeds; none: words alone.")
    chunk_tokens: int | None = Field(None, ge=50, le=4_000)
    chunk_overlap: float | None = Field(None, ge=0, le=0.5)
    languages: list[str] | None = Field(None, max_length=100)


class IndexIn(RebuildIn):
    """What the first version has otherwise than the settings of the day say."""

    name: str = Field(min_length=1, max_length=80, examples=["main"])
    collections: list[UUID] = Field([], max_length=1_000, description="Those that move into it; no private ones.")


class RolledBack(Schema):
    version: VersionOut
    lacking: int = Field(description="Documents that follow in a moment.")


@contextmanager
def told_when_refused():
    try:
        yield
    except versions.VersionRefused as exc:
        raise ApiError(409, "refused", str(exc)) from exc
    except (EmbeddingError, SearchError) as exc:
        raise ApiError(503, "unavailable", str(exc), "Try again in a minute.", retry_after=60) from exc
    except (Index.DoesNotExist, IndexVersion.DoesNotExist) as exc:
        raise ApiError(404, "not_found", "It was taken away a moment ago.") from exc


def _version(version: IndexVersion) -> VersionOut:
    is_kept = version.state in (IndexVersion.State.READY, IndexVersion.State.BUILDING)
    return VersionOut(
        number=version.number,
        is_live=version.is_live,
        state=version.state,  # type: ignore[arg-type]
        error=version.error,
        backend=version.backend_name,
        embedding_model=version.embedding_model,
        dimensions=version.dimensions,
        chunk_tokens=version.chunk_tokens,
        chunk_overlap=version.chunk_overlap,
        languages=version.languages,
        progress=ProgressOut(**asdict(versions.progress(version))) if is_kept else None,
        embedded=version.embedded,
        tokens=version.tokens,
        created_at=version.created_at.isoformat(),
        retired_at=version.retired_at.isoformat() if version.retired_at else None,
    )


def _index(index: Index) -> IndexOut:
    rows = index.versions.select_related("index").order_by("number")
    return IndexOut(id=index.pk, name=index.name, versions=[_version(version) for version in rows])


def _find(pk: int) -> Index:
    return the(Index.objects.all(), "There is no such index.", pk=pk)


def _find_version(pk: int, number: int) -> IndexVersion:
    return the(_find(pk).versions.select_related("index"), "The index has no such version.", number=number)


@router.get("/indexes", response={200: list[IndexOut], REFUSED: Refusal}, auth=running, summary="List indexes")
def indexes(request: HttpRequest):
    """Every index with its versions, and how far each is."""
    default_index()
    return [_index(index) for index in Index.objects.order_by("pk")]


@router.post("/indexes", response={201: IndexOut, REFUSED: Refusal}, auth=running, summary="Make an index")
def create(request: HttpRequest, payload: IndexIn):
    """With its first version, and what is put into it; until that is read into it, its documents are not found."""
    name = payload.name.strip()
    if not name.isprintable() or not name:
        raise ApiError(422, "invalid_request_error", "Choose a name of letters that can be shown.", param="name")
    with told_when_refused():
        index = Index.objects.filter(name=name).first()
        if index is not None and index.live_id:
            raise ApiError(409, "taken", f"There is an index “{index}” already.")
        facts, chosen = _changes(payload), _shared(payload.collections)
        if index is None:
            index = versions.create(name, chosen, **facts)
        else:
            live_version(index)
    audit("index.create", index, collections=len(chosen), **facts)
    return Status(201, _index(index))


def _shared(ids: list[UUID]) -> list[UUID]:
    found = list(Collection.objects.filter(pk__in=ids, is_private=False).values_list("pk", flat=True))
    if len(found) < len(set(ids)):
        reason = "One of the collections is not there, or is a private one."
        raise ApiError(422, "invalid_request_error", reason, param="collections")
    return found


@router.get("/indexes/{int:pk}", response={200: IndexOut, REFUSED: Refusal}, auth=running, summary="An index")
def index(request: HttpRequest, pk: int):
    """An index with its versions, and how far each is."""
    return _index(_find(pk))


@router.post(
    "/indexes/{int:pk}/rebuild", response={202: VersionOut, REFUSED: Refusal}, auth=running, summary="Build a version"
)
def rebuild(request: HttpRequest, pk: int, payload: RebuildIn):
    """Begin a version beside the one that is searched; until it is swapped in, nothing changes."""
    index = _find(pk)
    if index.live is None:
        raise ApiError(409, "refused", f"“{index}” has no version yet.")
    with told_when_refused():
        version = versions.rebuild(index, **_changes(payload))
    audit("index.rebuild", index, version=version.number)
    return Status(202, _version(version))


def _changes(payload: RebuildIn) -> dict[str, Any]:
    models = {"local": local_model_name(), "service": remote_model_name(), "none": ""}
    changes: dict[str, Any] = {
        "backend_name": payload.backend,
        "chunk_tokens": payload.chunk_tokens,
        "chunk_overlap": payload.chunk_overlap,
        "languages": payload.languages,
    }
    if payload.backend is not None and payload.backend not in settings.SEARCH_BACKENDS:
        known = ", ".join(settings.SEARCH_BACKENDS)
        raise ApiError(422, "invalid_request_error", f"There is no such backend; there are: {known}.", param="backend")
    if payload.model is not None:
        if payload.model != "none" and not models[payload.model]:
            raise ApiError(409, "refused", f"There is no {payload.model} embedding model.")
        changes["embedding_model"] = models[payload.model]
    return {field: value for field, value in changes.items() if value is not None}


@router.post(
    "/indexes/{int:pk}/rollback", response={200: RolledBack, REFUSED: Refusal}, auth=running, summary="Go back"
)
def roll_back(request: HttpRequest, pk: int):
    """Search the version before again."""
    index = _find(pk)
    with told_when_refused():
        version, lacking = versions.roll_back(index)
    audit("index.rollback", index, version=version.number)
    version.index.refresh_from_db()
    return RolledBack(version=_version(version), lacking=lacking)


ACTS = {
    "swap": versions.swap,
    "pause": versions.pause,
    "resume": versions.resume,
    "cancel": versions.cancel,
    "drop": versions.drop,
}


@router.post(
    "/indexes/{int:pk}/versions/{int:number}/{act}",
    response={200: IndexOut, REFUSED: Refusal},
    auth=running,
    summary="Swap, pause, resume, cancel or drop a version",
)
def act_on(request: HttpRequest, pk: int, number: int, act: Literal["swap", "pause", "resume", "cancel", "drop"]):
    """`swap`: search it from now on. `pause`: stop building it for now. `resume`: go on with one that was paused or
    failed. `cancel`: stop building it. `drop`: take it away for good."""
    version = _find_version(pk, number)
    with told_when_refused():
        ACTS[act](version)
    audit(f"index.{act}", version.index, version=number)
    return _index(_find(pk))
