"""How well the right paragraph is found, by words, by meaning and by both, on questions with known answers."""

import csv
import json
from dataclasses import dataclass
from math import log2
from pathlib import Path

import pytest

from documents.chunking import split
from documents.embeddings import embed_cached, embedder
from documents.indexes import default_index
from documents.ingestion import prefixed
from documents.languages import language_of
from documents.models import Chunk, Collection, Document, Page
from documents.search import Entry, Query
from documents.tokens import count_tokens

EVALUATION = Path(__file__).resolve().parent.parent.parent / "shared" / "eval"


@dataclass(frozen=True)
class Figures:
    """Averages over the questions; a paragraph counts from grade 1."""

    first: float  # R@1
    five: float  # share of the right paragraphs among the first five
    ten: float
    reciprocal: float  # MRR@10
    gain: float  # nDCG@10

    def __str__(self) -> str:
        return (
            f"R@1 {self.first:.3f}  R@5 {self.five:.3f}  R@10 {self.ten:.3f}  "
            f"MRR@10 {self.reciprocal:.3f}  nDCG@10 {self.gain:.3f}"
        )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def grades(folder: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open() as file:
        for query, paragraph, grade in list(csv.reader(file, delimiter="\t"))[1:]:
            if int(grade) > 0:
                found.setdefault(query, {})[paragraph] = int(grade)
    return found


def library(folder: Path, owner) -> tuple[Collection, dict[int, str]]:
    """Each paragraph of the set as a document of one page; and which paragraph each chunk is of."""
    collection = Collection.objects.create(name=str(folder.name), owner=owner, index=default_index())
    version = collection.index.live
    paragraphs: dict[int, str] = {}
    chunks: list[Chunk] = []
    for number, line in enumerate(lines(folder / "corpus.jsonl")):
        document = Document.objects.create(
            collection=collection,
            owner=owner,
            name=f"{number}.txt",
            title=line["title"][:300],
            kind="text",
            sha256=str(number),
            size=1,
            generation=1,
            language=language_of(line["text"]),
        )
        page = Page.objects.create(document=document, generation=1, number=1, text=line["text"])
        spans = split(page.text, [], tokens=version.chunk_tokens, overlap=version.chunk_overlap, count=count_tokens)
        for ordinal, span in enumerate(spans):
            chunk = Chunk.objects.create(
                document=document, page=page, generation=1, ordinal=ordinal, start=span.start, end=span.end
            )
            chunks.append(chunk)
            paragraphs[chunk.pk] = line["id"]
    texts = [prefixed(chunk.document, chunk) for chunk in chunks]
    version.backend.add(
        Entry(chunk.pk, chunk.document_id, 1, text, chunk.document.language, vector)
        for chunk, text, vector in zip(chunks, texts, embed_cached(version.embedding_model, texts).vectors, strict=True)
    )
    return collection, paragraphs


def questions(folder: Path, most: int) -> dict[str, str]:
    return {line["id"]: line["text"] for line in lines(folder / "queries.jsonl")[:most]}


def rankings(
    collection: Collection, paragraphs: dict[int, str], texts: dict[str, str], mode: str
) -> dict[str, list[str]]:
    """For each question the ten first paragraphs, best first."""
    version = collection.index.live
    vectors = embedder(version.embedding_model).embed(list(texts.values()))
    found = {}
    for (question, text), vector in zip(texts.items(), vectors, strict=True):
        hits = version.backend.search(Query(text, vector.tolist(), frozenset([collection.pk]), None, mode), 20)
        found[question] = list(dict.fromkeys(paragraphs[hit.chunk_id] for hit in hits))[:10]
    return found


def figures(found: dict[str, list[str]], right: dict[str, dict[str, int]]) -> Figures:
    rows = []
    for question, ranked in found.items():
        wanted = right[question]
        places = [place for place, paragraph in enumerate(ranked, start=1) if paragraph in wanted]
        gain = sum(wanted[ranked[place - 1]] / log2(place + 1) for place in places)
        ideal = sum(
            grade / log2(place + 1) for place, grade in enumerate(sorted(wanted.values(), reverse=True)[:10], start=1)
        )
        within = [sum(place <= limit for place in places) / len(wanted) for limit in (5, 10)]
        rows.append((float(places[:1] == [1]), *within, 1 / places[0] if places else 0.0, gain / ideal))
    return Figures(*(sum(column) / len(rows) for column in zip(*rows, strict=True)))


@pytest.mark.slow
@pytest.mark.skipif(not EVALUATION.is_dir(), reason="the evaluation sets lie outside this repository")
def test_the_right_paragraph_is_found_first_for_nine_questions_in_ten(alice):
    folder = EVALUATION / "squad6"
    collection, paragraphs = library(folder, alice)
    asked, right = questions(folder, 1_000), grades(folder)
    measured = {
        mode: figures(rankings(collection, paragraphs, asked, mode), right) for mode in ("keyword", "vector", "hybrid")
    }
    for mode, figure in measured.items():
        print(f"{mode:8} {figure}")
    assert measured["hybrid"].first >= 0.88 and measured["hybrid"].reciprocal >= 0.92
