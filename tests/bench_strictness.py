"""What each `strictness` lets through: passages and answers of questions that squad6 answers, and that it does not.

`python -m tests.bench_strictness`. No language model is set up; docs/on-your-data.md has what came of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.bench import PUBLIC, own_services, somebody

SQUAD = PUBLIC.parent / "squad6"
EACH = 60  # questions of either kind
QUERY_TYPES = {"simple": {}, "vector_simple_hybrid": {"embedding_dependency": {"type": "integrated"}}}


def main() -> None:
    with own_services():
        user = somebody()
        fill(user)
        for query_type, more in QUERY_TYPES.items():
            for name in ("queries", "unanswerable"):
                report(query_type, name, measured(user, query_type, more, questions(SQUAD / f"{name}.jsonl")))


def fill(user) -> None:
    """Six articles, a document each."""
    from tests.library import add

    articles = defaultdict(list)
    for row in rows(SQUAD / "corpus.jsonl"):
        articles[row["title"]].append(row["text"])
    for title, texts in articles.items():
        add(user, "\n\n".join([f"# {title}", *texts]).encode(), f"{title}.md")


def rows(path: Path) -> Iterator[dict]:
    yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def questions(path: Path) -> list[str]:
    texts = [row["text"] for row in rows(path)]
    return texts[:: len(texts) // EACH][:EACH]


def measured(user, query_type: str, more: dict, asked: list[str]) -> dict[int, tuple[float, float]]:
    """For each level, how many passages are shown to a question, and which share of the questions is answered."""
    from chat.grounding.data_sources import data_source
    from chat.llm import Extractive
    from chat.on_your_data.finding import Finder, Wishes
    from chat.on_your_data.sources import place_of
    from chat.on_your_data.strictness import LEAST
    from documents.embeddings import LOCAL_MODEL, embedder

    place = {"endpoint": "https://old.example.org", "index_name": user.collections.get().name}
    signed = {"authentication": {"type": "api_key", "key": "x"}, "query_type": query_type}
    source = data_source([{"type": "azure_search", "parameters": {**place, **signed, **more}}])
    search, model = place_of(source, user).search, Extractive(embedder(LOCAL_MODEL).embed)
    shown, answered = dict.fromkeys(LEAST, 0), dict.fromkeys(LEAST, 0)
    for question in asked:
        found, chosen = {}, {}
        for level in LEAST:
            finder = Finder(lambda words, top: found.setdefault(words, search(words, top)), Wishes(strictness=level))  # noqa: B023
            passages = finder(question).passages
            key = tuple(passage.chunk_id for passage in passages)
            if key not in chosen:
                chosen[key] = bool(model.choose(question, passages))
            shown[level] += len(passages)
            answered[level] += chosen[key]
    return {level: (shown[level] / len(asked), answered[level] / len(asked)) for level in LEAST}


def report(query_type: str, name: str, found: dict[int, tuple[float, float]]) -> None:
    print(f"\n{query_type}, {name}: passages shown to a question (of 5), share of the questions that are answered")
    for level, (shown, answered) in found.items():
        print(f"  strictness {level}   {shown:4.2f}   {answered:5.0%}", flush=True)
    for (_, one), (_, other) in pairwise(found.items()):
        assert one[0] >= other[0], "A stricter level shows more."


if __name__ == "__main__":
    main()
