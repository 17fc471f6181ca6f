"""What is found for a question, as On Your Data tells of it: what was searched for, what was set aside and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from chat.on_your_data.strictness import LEAST, USUAL, nearness, stems
from documents import retrieval
from documents.retrieval import Passage
from documents.retrieval.reranking import NOTICE as NOT_RERANKED
from documents.search import SearchBusy, SearchError

TOP, QUERIES = 5, 3  # where a request says nothing
LOOKED_AT = 4  # times as many as are shown to the model
LOOKED_AT_LEAST = 20
QUESTION = re.compile(r"[^?？؟]*[?？؟]+")
RRF = 60
NOT_ALL = "Not all that should have been searched was."


@dataclass(frozen=True)
class Scored:
    """A passage with its scores as the search told them, and how near its meaning is where that is known."""

    passage: Passage
    score: float
    reranked: float | None = None  # 0 to 4, as Azure's semantic ranking
    cosine: float | None = None


@dataclass(frozen=True)
class Results:
    scored: list[Scored]
    notices: list[str] = field(default_factory=list)


Search = Callable[[str, int], Results]  # Words, and how many are wanted. Raises SearchError.


@dataclass(frozen=True)
class Wishes:
    """What a request says of the search, whatever is searched."""

    strictness: int = USUAL
    top: int = TOP
    max_queries: int = QUERIES
    may_be_partial: bool = False


@dataclass(frozen=True)
class Retrieved:
    """One passage that was found, for which queries, and why it was not offered to the model, if it was not."""

    scored: Scored
    queries: Sequence[str]
    reason: Literal["", "score", "rerank"] = ""


@dataclass
class Finder:
    """Searches once, and knows afterwards what it did: a Question's `find`."""

    search: Search
    wishes: Wishes
    queries: list[str] = field(default_factory=list)
    retrieved: list[Retrieved] = field(default_factory=list)
    fault: SearchError | None = None

    def __call__(self, text: str) -> retrieval.Found:
        self.queries = queries_of(text, self.wishes.max_queries)
        try:
            by_query, notices = self._searched()
        except SearchError as exc:
            self.fault = exc
            raise
        asked = stems(text)
        least, room = LEAST[self.wishes.strictness], self.wishes.top
        for scored, queries in together(by_query):
            passage = scored.passage
            told = f"{passage.document_title}\n{passage.section}\n{passage.header}\n{passage.text}"
            near = nearness(asked, told, scored.cosine)
            reason: Literal["", "score", "rerank"] = "score" if near < least else "" if room > 0 else "rerank"
            room -= not reason
            self.retrieved.append(Retrieved(scored, queries, reason))
        return retrieval.Found([each.scored.passage for each in self.retrieved if not each.reason], notices)

    def offered(self, passages: Sequence[Passage]) -> list[Retrieved]:
        """All that was found; what had no room beside the question counts as not offered."""
        return [
            replace(each, reason="rerank") if not each.reason and each.scored.passage not in passages else each
            for each in self.retrieved
        ]

    def _searched(self) -> tuple[dict[str, list[Scored]], list[str]]:
        """What each query finds. One that fails is a failure of all, unless a part of them will do."""
        found: dict[str, list[Scored]] = {}
        notices: list[str] = []
        last: SearchError | None = None
        for query in self.queries:
            try:
                results = self.search(query, max(LOOKED_AT_LEAST, LOOKED_AT * self.wishes.top))
            except SearchError as exc:
                if not self.wishes.may_be_partial:
                    raise
                last = exc
                notices.append(f"{NOT_ALL} {exc}")
                continue
            missing = [notice for notice in results.notices if notice != NOT_RERANKED]
            if missing and not self.wishes.may_be_partial:
                raise SearchBusy(f"{NOT_ALL} {missing[0]}")
            found[query] = results.scored
            notices += results.notices
        if last and not found:
            raise last
        return found, list(dict.fromkeys(notices))


def queries_of(text: str, most: int) -> list[str]:
    """What is searched for: the words as they stand, then each of several questions by itself.

    >>> queries_of("When is the rent due? Who pays for repairs?", 3)
    ['When is the rent due? Who pays for repairs?', 'When is the rent due?', 'Who pays for repairs?']
    >>> queries_of("When is the rent due?", 3)
    ['When is the rent due?']
    """
    whole = " ".join(text.split())
    each = [question.strip() for question in QUESTION.findall(whole)]
    return list(dict.fromkeys([whole, *each]))[:most] if len(each) > 1 else [whole]


def together(by_query: dict[str, list[Scored]]) -> list[tuple[Scored, list[str]]]:
    """All that the queries found, each once, with those that found it; best first by the ranks they gave it."""
    best: dict[object, Scored] = {}
    queries: dict[object, list[str]] = {}
    ranks: dict[object, float] = {}
    for query, found in by_query.items():
        for rank, scored in enumerate(found, 1):
            passage = scored.passage
            key = passage.document_id, passage.page_number, passage.chunk_id or passage.text
            best.setdefault(key, scored)
            queries.setdefault(key, []).append(query)
            ranks[key] = ranks.get(key, 0.0) + 1 / (RRF + rank)
    order = sorted(best, key=lambda key: -ranks[key])
    return [(best[key], queries[key]) for key in order]
