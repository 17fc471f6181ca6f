"""`message.context`: what the answer may cite, what was searched for, and everything that was found. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from chat.completions import citation
from chat.on_your_data.asking import Asked
from chat.on_your_data.finding import Retrieved
from documents.retrieval import Passage

CITED = ("content", "title", "url", "filepath", "chunk_id")


def context_of(asked: Asked, cited: Sequence[Passage], offered: Sequence[Passage]) -> dict[str, Any]:
    """The parts that the request includes. `[doc1]` is the first of `cited`, of which a refusal has none."""
    finder = asked.finder
    queries = finder.queries if finder else [asked.question.text]
    context = {
        "citations": [cited_as(passage) for passage in cited],
        "intent": json.dumps(queries, ensure_ascii=False),
        "all_retrieved_documents": [_retrieved(each) for each in finder.offered(offered)] if finder else [],
    }
    return {name: value for name, value in context.items() if name in asked.contexts}


def cited_as(passage: Passage) -> dict[str, Any]:
    """The five that were promised, each always there: programs read them without asking."""
    told = citation(passage)
    return {name: told[name] for name in CITED}


def _retrieved(found: Retrieved) -> dict[str, Any]:
    scored = found.scored
    told = {"search_queries": list(found.queries), "data_source_index": 0, "original_search_score": scored.score}
    anew = {} if scored.reranked is None else {"rerank_score": scored.reranked}
    reason = {"filter_reason": found.reason} if found.reason else {}
    return {**cited_as(scored.passage), **told, **anew, **reason}
