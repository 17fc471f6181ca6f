"""Why a passage was found, or was not: where it stands in each leg, what kept it out, and what would bring it in.

Everything is asked of the search itself. What is said to bring a passage in has been tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

from documents.models import Chunk, Document, IndexVersion, Person
from documents.retrieval import EVERYWHERE, Found, Passage, Place, Scope, find
from documents.retrieval.asking import asked_of
from documents.search import Leg, Standing
from project.tokens import count_tokens

SUBJECTS_MOST = 10  # that are explained when none is named: each is a search of its own
TRIED_MOST = 100  # passages, as far as is tried how many would have to be asked for: more nobody may ask for
HEADING_TOKENS = 60  # that a passage's own heading takes in a prompt, about


@dataclass(frozen=True)
class Subject:
    """What is asked about: a document, one of its pages, or a stretch of a page."""

    document: UUID
    page: int | None = None  # from 1
    start: int | None = None  # offsets into the page's text
    end: int | None = None


@dataclass(frozen=True)
class Explanation:
    """Of the best passage of the subject; offsets into its page's text."""

    # shown, joined, copy, top, reordered, depth, budget, scope, document_filter, not_live, not_searched or not_indexed
    reason: str
    sentence: str
    setting: dict[str, object] = field(default_factory=dict)  # the smallest change that brings it in; {}: there is none
    place: int | None = None  # among the passages found, from 1
    page: int | None = None
    start: int | None = None
    end: int | None = None
    keyword: Leg | None = None
    vector: Leg | None = None
    fused: Leg | None = None


def subjects_of(found: Found) -> list[Subject]:
    """What was found, the first few of it, as something to ask about."""
    return [
        Subject(passage.place.document_id, passage.page_number, passage.start, passage.end)
        for passage in found.passages[:SUBJECTS_MOST]
    ]


def explain(
    query: str,
    user: Person,
    subject: Subject,
    scope: Scope = EVERYWHERE,
    *,
    top: int = 10,
    found: Found | None = None,
) -> Explanation:
    """Why the subject is among the passages, or is not; `found` is what the same search brought, if it was made.

    Raises Document.DoesNotExist for what the person may not read, SearchError.
    """
    row = Document.objects.for_user(user).select_related("collection__index__live").get(pk=subject.document)
    if kept_out := _outside(row, scope):
        return kept_out
    chunks = _chunks(row, subject, _version_of(row, scope))
    searched = [chunk for chunk in chunks if chunk.is_searched]
    if not searched:
        what = "holds no text that is searched" if chunks else "holds no passage there"
        return Explanation("not_searched", f"“{row}” {what}.")
    return _Looked(query, user, row, searched, scope, top).explained(found)


def _outside(row: Document, scope: Scope) -> Explanation | None:
    """What keeps the whole document out of the search."""
    if row.superseded_at is not None:
        return Explanation("not_live", f"A newer version of “{row}” took its place; that one is searched.")
    if row.generation == 0:
        return Explanation("not_live", f"“{row}” cannot be found: {row.get_state_display().lower()}.")
    if scope.collections is not None and row.collection_id not in scope.collections:
        setting: dict[str, object] = {"collections": [*map(str, scope.collections), str(row.collection_id)]}
        return Explanation("scope", f"It lies in “{row.collection}”, which was not searched.", setting)
    if scope.documents is not None and row.pk not in scope.documents:
        setting = {"documents": [*map(str, scope.documents), str(row.pk)]}
        return Explanation("document_filter", "Only other documents were searched.", setting)
    return None


def _version_of(row: Document, scope: Scope) -> IndexVersion | None:
    """The version that is searched for it."""
    index = row.collection.index
    return scope.version if scope.version and scope.version.index_id == index.pk else index.live


def _chunks(row: Document, subject: Subject, version: IndexVersion | None) -> list[Chunk]:
    rows = row.chunks.filter(index_version=version, generation=row.generation).select_related("page")
    rows = rows.order_by("ordinal")
    if subject.page is not None:
        rows = rows.filter(page__number=subject.page)
    if subject.end is not None:
        rows = rows.filter(start__lt=subject.end)
    if subject.start is not None:
        rows = rows.filter(end__gt=subject.start)
    return list(rows)


class _Looked:
    """A question asked once, and what became of some chunks of one document in it."""

    def __init__(
        self, query: str, user: Person, row: Document, chunks: Sequence[Chunk], scope: Scope, top: int
    ) -> None:
        self.query, self.user, self.row, self.scope, self.top = query, user, row, scope, top
        self.chunks = {chunk.pk: chunk for chunk in chunks}

    def explained(self, found: Found | None) -> Explanation:
        standings = self.standings()
        if not standings:
            version = _version_of(self.row, self.scope)
            return Explanation("not_indexed", f"“{self.row}” is still on its way into the index version {version}.")
        found = found or find(self.query, self.user, self.scope, top=self.top)
        chunk_id = min(standings, key=lambda pk: _order(standings[pk], pk))
        chunk = self.chunks[chunk_id]
        reason, sentence, setting, place = self._reason(standings[chunk_id], chunk, found)
        standing = standings[chunk_id]
        return Explanation(
            reason,
            sentence,
            setting,
            place,
            chunk.page.number,
            chunk.start,
            chunk.end,
            standing.keyword,
            standing.vector,
            standing.fused,
        )

    def standings(self) -> dict[int, Standing]:
        asked = asked_of(self.query, self.user, self.scope, [])
        version = _version_of(self.row, self.scope)
        query = next((query for other, query in asked.items() if other == version), None)
        return version.backend.explain(query, list(self.chunks)) if version and query else {}

    def _reason(self, standing: Standing, chunk: Chunk, found: Found) -> tuple[str, str, dict[str, object], int | None]:
        place = _place_of(chunk, self.row, found.passages)
        if place is not None:
            return self._shown(chunk, found.passages, place)
        if standing.keyword is None and standing.vector is None:
            return "depth", "It shares no word with the question, and there is no vector to compare.", {}, None
        for number, passage in enumerate(found.passages, 1):
            if any(_covers(copy, chunk, self.row) for copy in passage.duplicates):
                says = f"It says the same as passage {number}, from “{passage.document_name}”."
                return "copy", says, self._tried(chunk), None
        setting = self._tried(chunk)
        needs = f"; {setting['top']:,} passages would have to be asked for" if setting else ""
        if standing.fused is None:
            best = min(leg.rank for leg in (standing.keyword, standing.vector) if leg)
            return "depth", f"No leg puts it among its best: its best rank is {best:,}{needs}.", setting, None
        return (
            "top",
            f"It came as number {standing.fused.rank:,}, and {self.top:,} were asked for{needs}.",
            setting,
            None,
        )

    def _shown(
        self, chunk: Chunk, passages: Sequence[Passage], place: int
    ) -> tuple[str, str, dict[str, object], int | None]:
        passage = passages[place - 1]
        tokens = sum(count_tokens(each.text) + HEADING_TOKENS for each in passages[:place])
        room = settings.CHAT_CONTEXT_TOKENS - settings.CHAT_ANSWER_TOKENS
        if tokens > room:
            needed = tokens + settings.CHAT_ANSWER_TOKENS
            takes = f"with those before it, it takes {tokens:,} tokens, and a prompt has room for {room:,}"
            says = f"It was found as passage {place}, but {takes}."
            return "budget", says, {"LECTERN_CONTEXT_TOKENS": needed}, place
        if (passage.start, passage.end) != (chunk.start, chunk.end):
            return "joined", f"It was found as passage {place}, joined with its neighbours.", {}, place
        return "shown", f"It was found as passage {place}.", {}, place

    def _tried(self, chunk: Chunk) -> dict[str, object]:
        """How many passages have to be asked for: by asking for the most there can be, and then for just so many."""
        place = self._place_in(TRIED_MOST, chunk) if self.top < TRIED_MOST else None
        if place is None:
            return {}
        return {"top": place if self._place_in(place, chunk) is not None else TRIED_MOST}

    def _place_in(self, top: int, chunk: Chunk) -> int | None:
        found = find(self.query, self.user, self.scope, top=top)
        return _place_of(chunk, self.row, found.passages)


def _order(standing: Standing, chunk_id: int) -> tuple[float, float, int]:
    ranks = [leg.rank for leg in (standing.keyword, standing.vector) if leg]
    return (standing.fused.rank if standing.fused else float("inf"), min(ranks, default=float("inf")), chunk_id)


def _place_of(chunk: Chunk, row: Document, passages: Sequence[Passage]) -> int | None:
    return next((number for number, passage in enumerate(passages, 1) if _covers(passage.place, chunk, row)), None)


def _covers(place: Place, chunk: Chunk, row: Document) -> bool:
    same_page = (place.document_id, place.page_number) == (row.pk, chunk.page.number)
    return same_page and place.start <= chunk.start and chunk.end <= place.end


def standings(query: str, user: Person, document: Document) -> dict[int, Standing]:
    """Where each chunk of a document stands for a question, among all that the person may read. Raises SearchError."""
    chunks = list(document.chunks_live().filter(is_searched=True))
    return _Looked(query, user, document, chunks, EVERYWHERE, 0).standings() if chunks else {}
