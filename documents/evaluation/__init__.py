"""Ask a set of questions through the search that people use, store how well it did, and compare with the last time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User

from documents.evaluation.corpus import OURS, Watch, bring_in, own_collection
from documents.evaluation.figures import Comparison, Figures, Outcome, Question, compare, measure
from documents.evaluation.sets import QuestionSet, SetError, on_a_line, page_key, read_questions, read_set
from documents.models import Collection, Document, EvaluationRun, IndexVersion
from documents.retrieval import Passage, retrieve
from documents.search import Mode

__all__ = [
    "MODES",
    "Comparison",
    "Figures",
    "Outcome",
    "Place",
    "Question",
    "QuestionSet",
    "Report",
    "SetError",
    "compare",
    "evaluate",
    "measure",
    "on_a_line",
    "outcomes",
    "page_key",
    "place_of",
    "read_questions",
    "read_set",
]

MODES: tuple[Mode, ...] = ("keyword", "vector", "hybrid")
Find = Callable[..., list[Passage]]  # as `retrieve` is called
PASSAGES_EACH = 3  # looked at for each place, since several may be of one document or page


@dataclass(frozen=True)
class Report:
    """A run, what it is compared with, and what a reader of its figures should know."""

    run: EvaluationRun
    documents: int
    figures: dict[Mode, Figures]
    previous: EvaluationRun | None
    comparisons: dict[Mode, Comparison]
    notes: list[str] = field(default_factory=list)  # plain sentences

    @property
    def fell(self) -> bool:
        return any(comparison.fell for comparison in self.comparisons.values())


@dataclass(frozen=True)
class Place:
    """Where a set is asked: what is searched, and the key of a passage that is found there."""

    collections: list[Collection]
    key: Callable[[Passage], str]
    documents: int
    notes: list[str]

    @property
    def versions(self) -> list[IndexVersion]:
        return list({one.index.live_id: one.index.live for one in self.collections if one.index.live}.values())


@dataclass(frozen=True)
class _Searching:
    """Questions into keys. Those that were looked up without their vector are noted."""

    place: Place
    user: User
    passages: int
    find: Find
    by_words: set[str] = field(default_factory=set)

    def keys(self, mode: Mode, text: str) -> list[str]:
        collections: list[UUID] = [one.pk for one in self.place.collections]
        found = self.find(text, self.user, top=self.passages, mode=mode, collections=collections)
        if mode != "keyword" and found and all(passage.vector is None for passage in found):
            self.by_words.add(text)
        return [self.place.key(passage) for passage in found]


def evaluate(
    asked: QuestionSet,
    user: User,
    *,
    modes: Sequence[Mode] = MODES,
    top: int = 10,
    limit: int | None = None,
    collection: str = "",
    fresh: bool = False,
    watch: Watch = lambda items, what: items,
    find: Find = retrieve,
) -> Report:
    """Ask the questions, or the first `limit` of them, as this person. The run is not stored yet: `report.run.save()`.

    A set with paragraphs of its own has them brought into a collection first, and is asked of that alone; a set of
    pages is asked of all that the person may read, or of the collection that is named. To hold two searches side by
    side, `find` takes the place of `retrieve`. Raises SetError, SearchError.
    """
    place = place_of(asked, user, collection=collection, fresh=fresh, watch=watch)
    searching, notes = _Searching(place, user, top * PASSAGES_EACH, find), list(place.notes)
    if not any(version.embedding_model for version in place.versions):
        modes = ("keyword",)
        notes.append("There is no embedding model, so the search by words alone was measured.")
    questions = asked.questions[:limit]
    searching.keys(modes[0], questions[0].text)  # Loads what is loaded once.
    figures = {mode: measure(watch(questions, mode), partial(searching.keys, mode), top=top) for mode in modes}
    if by_words := len(searching.by_words):
        notes.append(f"The embedding model did not answer; questions looked up by words alone: {by_words:,}.")
    run = _run(asked, user, place.versions, figures, top, limit)
    previous = run.previous()
    return Report(run, place.documents, figures, previous, _comparisons(previous, figures), notes)


def outcomes(run: EvaluationRun, mode: Mode) -> list[Outcome]:
    """What became of each question in a stored run."""
    return [
        Outcome(Question(row["id"], row["text"], row["right"]), **row["modes"][mode])
        for row in run.results
        if mode in row["modes"]
    ]


def place_of(
    asked: QuestionSet,
    user: User,
    *,
    collection: str = "",
    fresh: bool = False,
    watch: Watch = lambda items, what: items,
) -> Place:
    """Where a set is asked, with its own paragraphs brought in. Raises SetError."""
    return _own_place(asked, user, collection, fresh, watch) if asked.paragraphs else _library(asked, user, collection)


def _own_place(asked: QuestionSet, user: User, name: str, fresh: bool, watch: Watch) -> Place:
    collection = own_collection(name or OURS + asked.name, user)
    ids = bring_in(asked.paragraphs or [], collection, fresh=fresh, watch=watch)
    # What somebody changes in the collection meanwhile is found, and wrong.
    return Place([collection], lambda passage: ids.get(passage.place.document_id, ""), len(ids), [])


def _library(asked: QuestionSet, user: User, name: str) -> Place:
    readable = Collection.objects.for_user(user).select_related("index__live")
    # What was brought in to be measured is in nobody's way, unless it is meant.
    readable = readable.filter(name=name) if name else readable.exclude(name__startswith=OURS)
    if not readable:
        what = f"no collection “{name}” that {user} may read" if name else f"nothing that {user} may read"
        raise SetError(f"There is {what}.")
    there = Document.objects.for_user(user).current().filter(collection__in=readable, generation__gt=0)
    found = set(there.filter(name__in=asked.files).values_list("name", flat=True))
    missing = [file for file in asked.files if file not in found]
    count = f"{len(missing):,} document{' is' if len(missing) == 1 else 's are'}"
    notes = [f"{count} not in the library, and count as not found: {', '.join(missing)}."] if missing else []
    return Place(
        list(readable), lambda passage: page_key(passage.document_name, passage.page_number), len(found), notes
    )


def _run(
    asked: QuestionSet,
    user: User,
    versions: list[IndexVersion],
    figures: dict[Mode, Figures],
    top: int,
    limit: int | None,
) -> EvaluationRun:
    rows: dict[str, dict[str, Any]] = {}
    for mode, measured in figures.items():
        for outcome in measured.outcomes:
            question = outcome.question
            row = rows.setdefault(
                question.id, {"id": question.id, "text": question.text, "right": dict(question.right), "modes": {}}
            )
            row["modes"][mode] = {
                "rank": outcome.rank,
                "values": dict(outcome.values),
                "seconds": round(outcome.seconds, 4),
            }
    return EvaluationRun(
        set_name=asked.name[:200],
        user=user,
        top=top,
        limit=limit,
        question_count=len(rows),
        index_version=versions[0] if len(versions) == 1 else None,
        conditions=_conditions(versions),
        figures={mode: _figures(measured) for mode, measured in figures.items()},
        results=list(rows.values()),
    )


def _figures(measured: Figures) -> dict[str, Any]:
    means = {name: asdict(mean) for name, mean in measured.means.items()}
    return {**means, "p50_ms": round(measured.p50_ms, 2), "p95_ms": round(measured.p95_ms, 2)}


def _conditions(versions: list[IndexVersion]) -> dict[str, Any]:
    """What the figures depend on beside the documents."""
    fields = ("backend_name", "embedding_model", "dimensions", "chunk_tokens", "chunk_overlap")
    indexes = [{"index": str(version), **{name: getattr(version, name) for name in fields}} for version in versions]
    return {"fusion": settings.FUSION, "alpha": settings.FUSION_ALPHA, "indexes": indexes}


def _comparisons(previous: EvaluationRun | None, figures: dict[Mode, Figures]) -> dict[Mode, Comparison]:
    if previous is None:
        return {}
    found = {mode: compare(outcomes(previous, mode), measured.outcomes) for mode, measured in figures.items()}
    return {mode: comparison for mode, comparison in found.items() if comparison}
