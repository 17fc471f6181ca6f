"""Hybrid search by Azure AI Search, the one importer of its package: each index version has an index there.

What the service shows lags seconds behind what it was told, so whatever it finds is held against the rows before it
leaves `search`. It fuses by rank; from the scores of its legs we fuse by score, as pgvector.py does.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from azure.search.documents import SearchClient
from azure.search.documents.indexes import SearchIndexClient
from azure.search.documents.models import IndexDocumentsBatch, VectorizedQuery
from django.conf import settings
from django.db.models import F, QuerySet

from documents.models import Chunk, Document, IndexVersion
from documents.search import Entry, Hit, Query, SearchBusy, SearchUnavailable, Standing
from documents.search.azure.bounded import transport
from documents.search.azure.calls import PAUSE_S, batches, call, credential, is_repeated, reads
from documents.search.azure.definition import ANALYZERS, SEMANTIC, TEXT, VECTOR, alias_of, definition, text_fields
from documents.search.azure.found import Found, in_order
from documents.search.azure.syntax import any_of, plain, runs, sendable, within, without
from documents.search.fusion import convex, ranked, reciprocal

log = logging.getLogger(__name__)

DEPTH = 50  # how many of each leg's best take part in the fusion
DEEPEST = 1_000  # rows the service gives in one answer
ROUNDS = 8  # of asking again when what was found is no longer to be seen
IDS_AT_ONCE = 2_000  # collections or documents named in one filter
RERANK_MS = 3_000


@dataclass(frozen=True)
class Asked:
    """A query as the service is asked it: `where` are filters that together reach whatever it may see."""

    query: Query
    text: str  # "": words are not looked up
    vector: list[float] | None
    alpha: float
    where: list[str]
    ends: float  # by the monotonic clock

    @property
    def is_hybrid(self) -> bool:
        return bool(self.text and self.vector)


class AzureSearchBackend:
    """One index version's chunks, in the index <prefix>-version-<pk>, which no renaming can lose."""

    grammars = frozenset(ANALYZERS)
    # The longest that a call, with its repeats, may take: one that a page stands still for, a search, a write.
    page_s, search_s, write_s = 2.0, 10.0, 45.0

    def __init__(self, version: IndexVersion) -> None:
        self.version = version
        self.name = _ours(f"version-{version.pk:d}")
        self.texts = text_fields(version.languages)

    @property
    def _chunks(self) -> SearchClient:
        return _chunk_client(os.getpid(), settings.AZURE_SEARCH_ENDPOINT, settings.AZURE_SEARCH_KEY, self.name)

    # The index -------------------------------------------------------------------------------------------------------
    def create(self) -> None:
        made = definition(self.name, self.version.dimensions, self.texts)
        self._manage("create_or_update_index", made)

    @reads
    def drop(self) -> None:
        """The service does not let go of an index while a name leads to it, though it be a name of earlier days."""
        for alias in self._leading_here():
            self._manage("delete_alias", alias)
        self._manage("delete_index", self.name)

    @reads
    def publish(self) -> None:
        """Somebody waits for it, and the sweep tells the service again."""
        leading = {"name": self.alias, "indexes": [self.name]}
        try:
            self._manage("create_or_update_alias", leading, seconds=self.page_s)
        except SearchUnavailable as exc:
            if exc.code in ("search_key", "search_full"):
                raise
            # Not every service has them, and Lectern searches without.
            log.warning("the name %s does not lead to %s: %s", self.alias, self.name, exc)

    @property
    def alias(self) -> str:
        """The index's name as the service takes it; its number where that is another's, or might be."""
        index = self.version.index
        older = type(index).objects.filter(pk__lt=index.pk).values_list("name", flat=True)
        name = alias_of(index.name)
        is_own = name and name not in map(alias_of, older)
        return _ours(name if is_own else f"index-{index.pk:d}")

    def _leading_here(self) -> list[str]:
        """Aliases of ours, also what its index was called before it was renamed. Not every service has any."""
        with suppress(SearchUnavailable):
            aliases = self._manage("list_aliases", read=list)
            return [one.name for one in aliases if one.indexes == [self.name] and one.name.startswith(_ours(""))]
        return []

    @classmethod
    def stored(cls) -> set[int]:
        if not settings.AZURE_SEARCH_ENDPOINT:
            return set()
        found = (re.fullmatch(_ours(r"version-([1-9]\d{0,17})"), name) for name in cls._names())
        return {int(name[1]) for name in found if name}

    @classmethod
    @reads
    def _names(cls) -> list[str]:
        return call(
            lambda **limits: list(_indexes().list_index_names(**limits)), index=_ours("…"), seconds=cls.search_s
        )

    def _manage(
        self, verb: str, *args: Any, read: Callable[[Any], Any] = lambda answer: answer, seconds: float | None = None
    ) -> Any:
        return call(
            lambda **limits: read(getattr(_indexes(), verb)(*args, **limits)),
            index=self.name,
            seconds=seconds or self.write_s,
        )

    # What it holds ---------------------------------------------------------------------------------------------------
    @reads
    def add(self, entries: Iterable[Entry]) -> None:
        self._write("upload", (self._entry(entry) for entry in entries))

    @reads
    def move(self, document_id: UUID, collection_id: UUID) -> None:
        keys = self._keys(f"document_id eq '{document_id}'", self._rows(document_id))
        self._write("merge", ({"id": key, "collection_id": str(collection_id)} for key in keys))

    @reads
    def remove(self, document_id: UUID, *, keep_generation: int | None = None) -> None:
        where, rows = f"document_id eq '{document_id}'", self._rows(document_id)
        if keep_generation is not None:
            where, rows = f"{where} and generation ne {keep_generation:d}", rows.exclude(generation=keep_generation)
        try:
            self._write("delete", ({"id": key} for key in self._keys(where, rows)))
        except SearchUnavailable as exc:
            if exc.code != "search_index_missing":  # With the index everything is gone that was in it.
                raise

    @reads
    def withdraw(self, chunk_ids: Collection[int]) -> None:
        self._write("delete", ({"id": str(chunk)} for chunk in chunk_ids))

    @reads
    def count(self, document_id: UUID, generation: int) -> int:
        where = f"document_id eq '{document_id}' and generation eq {generation:d}"
        asked: dict[str, Any] = {"search_text": "*", "filter": where, "top": 0, "include_total_count": True}
        return call(
            lambda **limits: self._chunks.search(**asked, **limits).get_count(), index=self.name, seconds=self.search_s
        )

    @reads
    def size(self) -> int:
        told = call(
            lambda **limits: _indexes().get_index_statistics(self.name, **limits),
            index=self.name,
            seconds=self.page_s,
        )
        return told.storage_size

    @reads
    def held(self) -> list[tuple[UUID, int, int]]:
        counts: dict[tuple[str, int], int] = {}
        for row in self._all("", ["document_id", "generation"]):
            place = (row["document_id"], row["generation"])
            counts[place] = counts.get(place, 0) + 1
        return [(UUID(document), generation, count) for (document, generation), count in counts.items()]

    def _entry(self, entry: Entry) -> dict[str, Any]:
        own = f"{TEXT}_{entry.language}"
        return {
            "id": str(entry.chunk_id),
            "chunk_id": entry.chunk_id,
            "document_id": str(entry.document_id),
            "collection_id": str(entry.collection_id),
            "generation": entry.generation,
            own if own in self.texts else TEXT: sendable(entry.text),
        } | ({} if entry.vector is None else {VECTOR: [float(number) for number in entry.vector]})

    def _rows(self, document_id: UUID) -> QuerySet[Chunk]:
        return Chunk.objects.filter(document_id=document_id, index_version=self.version)

    def _keys(self, where: str, rows: QuerySet[Chunk]) -> list[str]:
        """Of the entries the service shows, and of those the rows know of, which it may not show yet."""
        shown = {row["chunk_id"] for row in self._all(where, [])}
        return [str(chunk) for chunk in sorted(shown | set(rows.values_list("pk", flat=True)))]

    def _all(self, where: str, fields: list[str]) -> Iterator[Mapping[str, Any]]:
        """Every entry, by ranges of the chunks' numbers: what can be skipped ends at 100,000."""
        last = 0
        while True:
            beyond = f"chunk_id gt {last:d}" + (f" and {where}" if where else "")
            asked = {"search_text": "*", "filter": beyond, "order_by": ["chunk_id asc"], "top": DEEPEST}
            rows = self._answer(asked | {"select": ["chunk_id", *fields]}, self.write_s)
            yield from rows
            if len(rows) < DEEPEST:
                return
            last = rows[-1]["chunk_id"]

    def _write(self, verb: str, entries: Iterable[dict[str, Any]]) -> None:
        for batch in batches(entries):
            self._write_batch(verb, {entry["id"]: entry for entry in batch})

    def _write_batch(self, verb: str, waiting: dict[str, dict[str, Any]]) -> None:
        """The refusal of a single entry comes within an answer of success: what may yet be taken is sent again."""
        ends, pause = time.monotonic() + self.write_s, PAUSE_S
        while True:
            batch = IndexDocumentsBatch()
            getattr(batch, f"add_{verb}_actions")(list(waiting.values()))
            left = ends - time.monotonic()
            for result in call(self._chunks.index_documents, batch, index=self.name, seconds=left):
                is_gone = result.status_code == 404 and verb != "upload"
                if result.succeeded or is_gone:
                    waiting.pop(result.key, None)
                elif not is_repeated(result.status_code):
                    log.warning("%s refused chunk %s with status %s", self.name, result.key, result.status_code)
                    raise SearchUnavailable(f"The search service refused a passage (status {result.status_code}).")
            if not waiting:
                return
            if time.monotonic() + pause > ends:
                raise SearchBusy(f"The search service has not taken {len(waiting):,} passages yet.")
            time.sleep(pause)
            pause *= 2

    # Searching -------------------------------------------------------------------------------------------------------
    @reads
    def search(self, query: Query, top: int) -> list[Hit]:
        """A question without a vector is looked up by its words alone, whatever the mode.

        Where the service ranks by meaning anew, what it ranked comes first; `score` is the fusion's all the same.
        """
        asked = self._asked(query)
        if top < 1 or not asked.where or not (asked.text or asked.vector):
            return []
        depth = min(max(DEPTH, top), DEEPEST // 2)
        found = self._found(asked, depth, top)
        keyword, vector = ranked(found.words, depth), ranked(found.cosines, depth)
        scores = self._fuse(asked, found, depth) if found.words or found.cosines else found.fused
        hits = [
            Hit(
                chunk,
                min(1.0, max(0.0, score)),
                keyword=keyword.get(chunk),
                vector=vector.get(chunk),
                reranked=found.reranked.get(chunk),
                caption=found.captions.get(chunk, ""),
            )
            for chunk, score in scores.items()
        ]
        return in_order(hits)[:top]

    @reads
    def explain(self, query: Query, chunk_ids: Collection[int]) -> dict[int, Standing]:
        """By the best thousand of each leg, compared one by one: further down the service names no ranks."""
        asked = self._asked(query)
        seen = self._readable(chunk_ids, query) if asked.where else {}
        found = Found()
        for leg in (replace(asked, vector=None), replace(asked, text="")):
            if seen and (leg.text or leg.vector):
                part = self._put_forward(leg, leg.where, DEEPEST, exhaustive=True)
                part.keep(self._readable(part.documents, query))
                found.words |= part.words
                found.cosines |= part.cosines
        keyword, vector = ranked(found.words), ranked(found.cosines)
        fused = ranked(self._fuse(asked, found, DEPTH))
        return {chunk: Standing(keyword.get(chunk), vector.get(chunk), fused.get(chunk)) for chunk in seen}

    def _asked(self, query: Query) -> Asked:
        by_meaning = query.vector is not None and query.mode != "keyword"
        by_words = query.mode != "vector" or not by_meaning
        alpha = settings.FUSION_ALPHA if query.alpha is None else query.alpha
        return Asked(
            query,
            plain(query.text, len(self.texts)) if by_words else "",
            [float(number) for number in query.vector or ()] if by_meaning else None,
            alpha if by_words and by_meaning else float(by_meaning),
            _where(query),
            time.monotonic() + self.search_s,
        )

    def _found(self, asked: Asked, depth: int, top: int) -> Found:
        """What the rows let through. Asked again, past what they did not and for more, while a leg is short of it."""
        documents: set[UUID] = set()
        chunks: set[int] = set()
        enough, most = max(top, depth // 2), depth
        for _ in range(ROUNDS):
            found = self._put_forward(asked, [without(where, documents, chunks) for where in asked.where], most)
            seen = self._readable(found.documents, asked.query)
            gone = {chunk: document for chunk, document in found.documents.items() if chunk not in seen}
            found.keep(seen)
            if not gone or min(map(len, found.legs(asked.text, asked.vector))) >= enough:
                break
            live = _live().filter(pk__in=gone.values(), collection_id__in=asked.query.collections)
            documents |= set(gone.values()) - set(live.values_list("pk", flat=True))
            chunks |= {chunk for chunk, document in gone.items() if document not in documents}
            most = DEEPEST // 2
        return found

    def _readable(self, chunks: Collection[int], query: Query) -> dict[int, UUID]:
        """Those of the chunks that the query may see as the rows stand now, each with its document."""
        rows = Chunk.objects.filter(
            pk__in=chunks,
            index_version=self.version,
            is_searched=True,
            generation=F("document__generation"),
            document__deleted_at=None,
            document__superseded_at=None,
        ).values_list("pk", "document_id", "document__collection_id")
        return {
            chunk: document
            for chunk, document, collection in rows
            if collection in query.collections and (query.documents is None or document in query.documents)
        }

    def _put_forward(self, asked: Asked, wheres: Iterable[str], depth: int, *, exhaustive: bool = False) -> Found:
        """The best of each leg, with the scores of both as far as the service tells them."""
        found = Found()
        for where in wheres:
            request = self._request(asked, where, depth, exhaustive)
            for row in self._answer(request, asked.ends - time.monotonic()):
                found.take(row, by_words=bool(asked.text), by_meaning=bool(asked.vector))
        return found

    def _request(self, asked: Asked, where: str, depth: int, exhaustive: bool) -> dict[str, Any]:
        request: dict[str, Any] = {"filter": where, "select": ["chunk_id", "document_id"], "top": depth}
        if asked.text:
            words = {"search_text": asked.text, "search_fields": list(self.texts)}
            request |= words | {"search_mode": "any", "query_type": "simple"}
        if asked.vector:
            request["vector_queries"] = [_nearest(asked.vector, depth, exhaustive)]
        if asked.is_hybrid:  # The best of either leg are among the first of twice as many, however they are fused.
            request |= {"debug": "vector", "top": 2 * depth}
        if asked.text and settings.AZURE_SEARCH_SEMANTIC and not exhaustive:
            request |= {
                "query_type": "semantic",
                "semantic_configuration_name": SEMANTIC,
                "semantic_error_mode": "partial",
                "semantic_max_wait_in_milliseconds": RERANK_MS,
                "query_caption": "extractive",
                "query_caption_highlight_enabled": False,
            }
        return request

    def _fuse(self, asked: Asked, found: Found, depth: int) -> dict[int, float]:
        keyword, vector = ranked(found.words, depth), ranked(found.cosines, depth)
        if settings.FUSION == "rrf":
            return reciprocal(keyword, vector)
        cosines = found.cosines | self._cosines(asked, keyword.keys() - found.cosines.keys())
        return convex(keyword, vector, found.words, cosines, asked.alpha)

    def _cosines(self, asked: Asked, chunks: Collection[int]) -> dict[int, float]:
        """Of chunks that only their words put forward."""
        if not asked.vector or not chunks:
            return {}
        leg = replace(asked, text="")
        return self._put_forward(leg, [any_of("id", chunks)], len(chunks), exhaustive=True).cosines

    def _answer(self, request: Mapping[str, Any], seconds: float) -> list[Mapping[str, Any]]:
        """The rows of one search: a fetch is whole before it is read, so that a repeat begins anew."""
        return call(lambda **limits: list(self._chunks.search(**request, **limits)), index=self.name, seconds=seconds)


def _ours(name: str) -> str:
    """What is ours at a service that others may use too begins so."""
    return f"{settings.AZURE_SEARCH_PREFIX}-{name}"


def _indexes() -> SearchIndexClient:
    return _index_client(os.getpid(), settings.AZURE_SEARCH_ENDPOINT, settings.AZURE_SEARCH_KEY)


@lru_cache(maxsize=8)
def _index_client(process: int, endpoint: str, key: str) -> SearchIndexClient:
    """One a process: its connections are for its threads to share, never for a forked worker."""
    return SearchIndexClient(endpoint, credential(), transport=transport())


@lru_cache(maxsize=64)
def _chunk_client(process: int, endpoint: str, key: str, name: str) -> SearchClient:
    return SearchClient(endpoint, name, credential(), transport=transport())


def _live() -> QuerySet[Document]:
    return Document.objects.filter(deleted_at=None, superseded_at=None, generation__gt=0)


def _where(query: Query) -> list[str]:
    """As many filters as their length makes necessary; documents that are named are looked up in the rows first."""
    if query.documents is not None:
        live = _live().filter(pk__in=query.documents).order_by("collection_id", "pk")
        rows = [row for row in live.values_list("pk", "collection_id") if row[1] in query.collections]
        return [within({place for _, place in part}, [pk for pk, _ in part]) for part in runs(rows, IDS_AT_ONCE)]
    places = query.collections
    if len(places) > IDS_AT_ONCE:
        places = places & set(_live().filter(collection_id__in=places).values_list("collection_id", flat=True))
    return [within(part) for part in runs(sorted(places), IDS_AT_ONCE)]


def _nearest(vector: Sequence[float], k: int, exhaustive: bool) -> VectorizedQuery:
    nearest = VectorizedQuery(vector=list(vector), k_nearest_neighbors=k, fields=VECTOR)
    if exhaustive:
        nearest.exhaustive = True
    return nearest
