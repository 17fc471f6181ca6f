"""Index versions: build one beside the one that is searched, swap them, go back, and take away what nobody needs.

A swap is one write: `Index.live`. Questions read it once and search what it names; the version before stays, and is
kept up to date, for as long as somebody may want to go back.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Case, Count, F, FilteredRelation, FloatField, Max, Min, Q, QuerySet, Sum, When
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.module_loading import import_string

from documents.embeddings import LOCAL_DIMENSIONS, LOCAL_MODEL, EmbeddingError, embed_query, embedder, model_name
from documents.indexes import DIMENSIONS_MOST, NOT_TOLD, live_version, publish
from documents.ingestion.building import ask_for_turn, due, findable, missing
from documents.models import Chunk, Holding, Index, IndexVersion
from documents.models import Collection as Collections
from documents.queue import send
from documents.search import SearchError

log = logging.getLogger(__name__)

CHANGEABLE = ("backend_name", "embedding_model", "chunk_tokens", "chunk_overlap", "languages")
KEPT_AFTER_SWAP = timedelta(days=7)
STILL_ASKED = timedelta(minutes=1)  # after a swap: questions that began before it may still be on their way
CHUNKS_AT_ONCE = 10_000
TOLD_AGAIN_S = 300  # A service that does not answer takes a worker's time.
PREFIX_TOKENS = 12  # title and section in front of a chunk, on average


class VersionRefused(Exception):
    """This cannot be done with the index as it stands; str(exc) says why and what to do."""


@dataclass(frozen=True)
class Progress:
    """How far a version is."""

    documents: int
    documents_done: int
    share: float  # 0..1, each document weighed by its chunks in the version that is searched
    chunks_a_second: float
    seconds_left: float | None  # None: not known yet


@dataclass(frozen=True)
class Estimate:
    """What building a version takes at most; chunks that were embedded before with this model cost nothing."""

    documents: int
    tokens: int
    cost: float | None  # None: the price is not known, or there is nothing to pay
    seconds: float | None = None  # by what the last version of this model took; None: none was built yet


def create(name: str, collections: Collection[UUID] = (), **facts: object) -> Index:
    """A new index with a first version of these facts, and these collections put into it: all of it or nothing.

    Their documents are found in it as they are brought in. Raises VersionRefused, EmbeddingError, SearchError.
    """
    wanted: dict[str, object] = {
        "backend_name": settings.SEARCH_BACKEND,
        "embedding_model": model_name(),
        "chunk_tokens": settings.CHUNK_TOKENS,
        "chunk_overlap": settings.CHUNK_OVERLAP,
        "languages": [],
    } | facts
    _check(wanted)
    dimensions = _dimensions(str(wanted["embedding_model"]))
    try:
        with transaction.atomic():
            index = Index.objects.create(name=name)
            version = IndexVersion.objects.create(index=index, number=1, dimensions=dimensions, **wanted)
            version.backend.create()
            index.live, index.unpublished = version, NOT_TOLD
            index.save(update_fields=["live", "unpublished"])
            Collections.objects.filter(pk__in=collections).update(index=index)
    except IntegrityError as exc:
        raise VersionRefused(f"There is an index “{name}” already: choose another name.") from exc
    publish(version)
    ask_for_turn(version)
    return index


def rebuild(index: Index, **changes: object) -> IndexVersion:
    """Begin a version that differs from the live one by these changes. Raises VersionRefused, EmbeddingError.

    It may change: backend_name, embedding_model, chunk_tokens, chunk_overlap, languages. Without a change everything is
    built anew as it is.
    """
    live = index.live_version
    facts = {field: getattr(live, field) for field in CHANGEABLE} | changes
    _check(facts)
    model = str(facts["embedding_model"])
    number = (index.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    dimensions = live.dimensions if model == live.embedding_model else _dimensions(model)
    try:
        with transaction.atomic():
            version = IndexVersion.objects.create(
                index=index, number=number, dimensions=dimensions, state=IndexVersion.State.BUILDING, **facts
            )
    except IntegrityError as exc:
        raise VersionRefused(f"A version of “{index}” is being built already: cancel it, or wait for it.") from exc
    try:
        version.backend.create()
    except SearchError:  # The row stays until it is known that nothing was made, or until that is taken away.
        cancel(version)
        raise
    ask_for_turn(version)
    return version


def _check(facts: dict[str, object]) -> None:
    if facts["backend_name"] not in settings.SEARCH_BACKENDS:
        known = ", ".join(settings.SEARCH_BACKENDS)
        raise VersionRefused(f"There is no backend “{facts['backend_name']}”; there are: {known}.")
    tokens, overlap = int(str(facts["chunk_tokens"])), float(str(facts["chunk_overlap"]))
    if not 50 <= tokens <= 4_000:
        raise VersionRefused(f"Chunks of {tokens:,} tokens cannot be made: choose 50 to 4,000.")
    if not 0 <= overlap <= 0.5:
        raise VersionRefused(f"An overlap of {overlap:g} cannot be made: choose 0 to 0.5.")
    languages = facts["languages"]
    grammars = import_string(settings.SEARCH_BACKENDS[str(facts["backend_name"])]).grammars
    if unknown := set(languages if isinstance(languages, list) else [languages]) - grammars:
        known = ", ".join(sorted(grammars))
        raise VersionRefused(f"There is no grammar for “{min(map(str, unknown))}”; there are: {known}.")


def _dimensions(model: str) -> int:
    if model in ("", LOCAL_MODEL):
        return LOCAL_DIMENSIONS
    length = embedder(model).dimensions or len(embed_query(model, "length"))
    if length > DIMENSIONS_MOST:
        raise VersionRefused(f"Vectors of {length:,} numbers are too long; an index holds {DIMENSIONS_MOST:,} at most.")
    return length


def estimate(index: Index, model: str) -> Estimate:
    """What the service would count for embedding everything in this index anew."""
    return _reckoned(Chunk.objects.filter(index_version=index.live_id, is_searched=True), model)


def estimate_for(collections: Collection[UUID], model: str) -> Estimate:
    """What it would count for these collections, as they lie in their indexes now."""
    chunks = Chunk.objects.filter(index_version=F("document__collection__index__live"), is_searched=True)
    return _reckoned(chunks.filter(document__collection__in=collections, document__deleted_at=None), model)


def _reckoned(chunks: QuerySet[Chunk], model: str) -> Estimate:
    facts = chunks.aggregate(tokens=Sum("tokens"), number=Count("pk"), documents=Count("document", distinct=True))
    tokens = (facts["tokens"] or 0) + PREFIX_TOKENS * facts["number"]
    is_paid = model not in ("", LOCAL_MODEL) and settings.EMBEDDING_PRICE > 0
    cost = tokens * settings.EMBEDDING_PRICE / 1_000_000 if is_paid else None
    pace = _pace(model)
    return Estimate(facts["documents"], tokens, cost, facts["number"] / pace if pace else None)


def _pace(model: str) -> float:
    """Chunks a second of the last version that was built with this model; 0: there is none to go by."""
    built = IndexVersion.objects.filter(embedding_model=model, state=IndexVersion.State.READY, seconds__gt=1)
    last = built.order_by("-pk").annotate(done=Sum("holdings__done", default=0)).first()
    return last.done / last.seconds if last else 0.0


def progress(version: IndexVersion) -> Progress:
    """How far a version is, how fast it goes, and how long it will take."""
    held = FilteredRelation("holdings", condition=Q(holdings__index_version=version.pk))
    is_there = Q(held__generation=F("generation"))
    is_whole = is_there & Q(held__finished_at__isnull=False)
    weight = Greatest(F("chunk_count"), 1) * 1.0
    so_far = weight * F("held__done") / Greatest(F("held__total"), 1)
    reached = Case(When(is_whole, then=weight), When(is_there & Q(held__total__gt=0), then=so_far), default=0.0)
    facts = (
        findable(version)
        .annotate(held=held)
        .aggregate(
            documents=Count("pk"),
            done=Count("pk", filter=is_whole & Q(held__collection=F("collection"))),
            weight=Sum(weight, default=0.0),
            reached=Sum(reached, default=0.0, output_field=FloatField()),
        )
    )
    is_done = facts["documents"] == facts["done"]
    share = 1.0 if is_done else facts["reached"] / facts["weight"]
    chunks = version.holdings.aggregate(done=Sum("done", default=0))["done"]
    return Progress(
        documents=facts["documents"],
        documents_done=facts["done"],
        share=share,
        chunks_a_second=chunks / version.seconds if version.seconds else 0.0,
        seconds_left=version.seconds * (1 - share) / share if share and version.seconds else None,
    )


def cancel(version: IndexVersion) -> None:
    """Stop building a version and take away what there is of it. Raises VersionRefused for one that is in use."""
    begun = (IndexVersion.State.BUILDING, IndexVersion.State.PAUSED, IndexVersion.State.FAILED)
    stopped = IndexVersion.objects.filter(pk=version.pk, state__in=begun).exclude(index__live=F("pk"))
    if not stopped.update(state=IndexVersion.State.CANCELED, lease_until=None, lease_token=None, error=""):
        raise VersionRefused(f"Version {version.number} of “{version.index}” is not being built.")
    send("take_away", str(version.pk))


def pause(version: IndexVersion) -> None:
    """Stop building at the next step, and keep what there is of it until somebody resumes. Raises VersionRefused."""
    with transaction.atomic():
        building = IndexVersion.objects.filter(pk=version.pk, state=IndexVersion.State.BUILDING)
        freed: dict[str, Any] = {"lease_until": None, "lease_token": None, "queued_until": None, "not_before": None}
        if not building.update(state=IndexVersion.State.PAUSED, error="", **freed):
            raise VersionRefused(f"Version {version.number} of “{version.index}” is not being built.")
        version.holdings.filter(finished_at=None, error="").update(attempt=0)  # To be stopped is no failure.


def resume(version: IndexVersion) -> None:
    """Go on with a version that failed or was paused, from where it stopped, or try documents again that it lacks.

    Raises VersionRefused.
    """
    stopped = IndexVersion.objects.filter(
        pk=version.pk, state__in=(IndexVersion.State.FAILED, IndexVersion.State.PAUSED)
    )
    try:
        with transaction.atomic():
            tried_again = version.holdings.exclude(error="").update(**Holding.UNTROUBLED)
            resumed = stopped.update(state=IndexVersion.State.BUILDING, error="")
            IndexVersion.objects.filter(pk=version.pk).update(not_before=None)
    except IntegrityError as exc:
        raise VersionRefused(f"Another version of “{version.index}” is being built: cancel it first.") from exc
    if not resumed and not tried_again:
        raise VersionRefused(f"Version {version.number} of “{version.index}” did not fail, and nothing in it did.")
    ask_for_turn(version)


def swap(version: IndexVersion) -> None:
    """From now on this version is searched. Raises VersionRefused while it lacks a document."""
    with transaction.atomic():
        _swap(version, must_be_whole=True)
    _published(version)


def roll_back(index: Index) -> tuple[IndexVersion, int]:
    """Search the version before again; returned with how many documents it lacks for a moment. VersionRefused."""
    before = index.versions.filter(state=IndexVersion.State.READY).exclude(retired_at=None)
    version = before.order_by("-retired_at").first()
    if version is None:
        raise VersionRefused(f"There is no version of “{index}” to go back to.")
    with transaction.atomic():
        _swap(version, must_be_whole=False)
    _published(version)
    ask_for_turn(version)
    return version, missing(version).count()


def _swap(version: IndexVersion, *, must_be_whole: bool) -> None:
    """The index's row is held: a document that goes live at this moment does so before, or in this version."""
    index = Index.objects.select_for_update(of=("self",)).get(pk=version.index_id)
    version.refresh_from_db()
    if index.live_id == version.pk:
        raise VersionRefused(f"Version {version.number} of “{index}” is searched already.")
    if version.state != IndexVersion.State.READY:
        raise VersionRefused(
            f"Version {version.number} of “{index}” is not ready: {version.get_state_display().lower()}."
        )
    if must_be_whole and (lacking := missing(version).count()):
        ask_for_turn(version)
        raise VersionRefused(f"Version {version.number} of “{index}” lacks {lacking:,} documents: wait a moment.")
    if index.live:
        IndexVersion.objects.filter(pk=index.live.pk).update(retired_at=timezone.now())
    if not IndexVersion.objects.filter(pk=version.pk, state=IndexVersion.State.READY).update(retired_at=None):
        raise VersionRefused(f"Version {version.number} of “{index}” was taken away a moment ago.")
    Index.objects.filter(pk=index.pk).update(live=version, unpublished=NOT_TOLD)


COUNTS = """
UPDATE documents_document AS document SET chunk_count = held.chunk_count
FROM documents_holding AS held
WHERE held.index_version_id = %s AND held.document_id = document.id AND held.generation = document.generation
    AND document.chunk_count <> held.chunk_count
"""


def _count_again(version: IndexVersion) -> None:
    """How many chunks each document has in the version that is searched, as people see it; the sweep does it too."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(COUNTS, [version.pk])
    except OperationalError as exc:
        log.warning("the documents' chunks are counted again later: %s", exc)


def _published(version: IndexVersion) -> None:
    _count_again(version)
    publish(version)


def drop(version: IndexVersion) -> None:
    """Take a version away for good. Raises VersionRefused for the one that is searched, or was a moment ago."""
    with transaction.atomic():
        index = Index.objects.select_for_update(of=("self",)).get(pk=version.index_id)
        version.refresh_from_db()
        if index.live_id == version.pk:
            raise VersionRefused(f"Version {version.number} of “{index}” is the one that is searched: swap first.")
        if version.retired_at and version.retired_at > timezone.now() - STILL_ASKED:
            raise VersionRefused(f"Version {version.number} of “{index}” was searched a moment ago: wait a minute.")
        IndexVersion.objects.filter(pk=version.pk).update(
            state=IndexVersion.State.CANCELED, lease_until=None, lease_token=None
        )
    send("take_away", str(version.pk))


def take_away(version: IndexVersion) -> None:
    """Remove all there is of a cancelled version, and the version with it. Raises SearchError."""
    with transaction.atomic():
        index = Index.objects.select_for_update(of=("self",)).get(pk=version.index_id)
        canceled = index.versions.filter(pk=version.pk, state=IndexVersion.State.CANCELED)
        if index.live_id == version.pk:  # Somebody went back to it at the last moment.
            canceled.update(state=IndexVersion.State.READY, retired_at=None)
            return
        if not canceled.exists():
            return
    version.backend.drop()
    while first := version.chunks.aggregate(first=Min("pk"))["first"]:
        version.chunks.filter(pk__lt=first + CHUNKS_AT_ONCE)._raw_delete(version._state.db)
    version.delete()


def sweep() -> None:
    """Ask for what is left to do: versions that lack documents, and those that nobody needs any more."""
    now = timezone.now()
    for index in Index.objects.filter(live=None, collections__isnull=False).distinct():
        try:
            live_version(index)
        except (EmbeddingError, SearchError) as exc:
            log.warning("the index “%s” gets its first version later: %s", index, exc)
    for version in IndexVersion.objects.filter(pk=F("index__live")):
        _count_again(version)
    for index in Index.objects.exclude(live=None).exclude(unpublished="").select_related("live"):
        if cache.add(f"told-again:{index.pk}", 1, TOLD_AGAIN_S):
            publish(index.live_version)
    for version in IndexVersion.objects.kept():
        is_held = version.lease_until is not None and version.lease_until > now
        waits = version.not_before is not None and version.not_before > now
        if not is_held and not waits and (version.state == IndexVersion.State.BUILDING or due(version).exists()):
            ask_for_turn(version)
    over = IndexVersion.objects.filter(retired_at__lt=now - KEPT_AFTER_SWAP).exclude(pk=F("index__live"))
    over.kept().update(state=IndexVersion.State.CANCELED, lease_until=None, lease_token=None)
    for version in IndexVersion.objects.filter(state=IndexVersion.State.CANCELED):
        send("take_away", str(version.pk))
