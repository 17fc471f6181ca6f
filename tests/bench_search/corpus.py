"""A hundred thousand chunks to search: real texts and their real vectors, and varied copies of both.

Made once and kept. A document's chunks are near its own subject, as they are in a library, so that what a collection
holds is no even sample of the whole.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

EVALUATION = Path(__file__).resolve().parents[3] / "shared" / "eval"
CHUNKS, DOCUMENTS = 100_000, 2_000
WINDOW = 60  # real chunks that a document takes its own from
TURN = 0.45  # length of what is added to a vector of length one
SWAPPED = 0.08  # of the words
SENTENCE = re.compile(r"(?<=[.!?;])\s+")
VERSION = 2  # counted up when the making changes


@dataclass(frozen=True)
class Corpus:
    texts: list[str]
    vectors: np.ndarray  # float32, of unit length, one row a text
    documents: np.ndarray  # which document each text is of, in order
    questions: list[str]
    asked: np.ndarray  # the questions' vectors

    def first(self, number: int) -> tuple[list[str], np.ndarray]:
        return self.texts[:number], self.vectors[:number]


def corpus(folder: Path) -> Corpus:
    """The one kept in this folder, made now if it is not there."""
    kept = folder / f"corpus-{VERSION}-{CHUNKS}"
    if not (kept / "done").exists():
        kept.mkdir(parents=True, exist_ok=True)
        _make(kept)
        (kept / "done").touch()
    arrays = {name: np.load(kept / f"{name}.npy") for name in ("vectors", "documents", "asked")}
    texts, questions = (json.loads((kept / f"{name}.json").read_text()) for name in ("texts", "questions"))
    return Corpus(texts, arrays["vectors"].astype(np.float32), arrays["documents"], questions, arrays["asked"])


def _make(kept: Path) -> None:
    from documents.embeddings import LOCAL_MODEL, embedder

    real = _real_chunks()
    model, rng = embedder(LOCAL_MODEL), np.random.default_rng(20)
    questions = _questions()
    print(f"           making the corpus: {len(real)} real chunks to embed …", flush=True)
    vectors = model.embed(real)
    sizes = rng.lognormal(0, 1, DOCUMENTS)
    edges = np.round(np.cumsum(sizes) / sizes.sum() * CHUNKS).astype(int)
    documents = np.searchsorted(edges, np.arange(CHUNKS), side="right")
    starts = rng.integers(0, len(real) - WINDOW, DOCUMENTS)
    sources = starts[documents] + rng.integers(0, WINDOW, CHUNKS)
    (kept / "texts.json").write_text(json.dumps(_varied(real, sources, rng)))
    (kept / "questions.json").write_text(json.dumps(questions))
    np.save(kept / "vectors.npy", _turned(vectors, sources, rng).astype(np.float16))
    np.save(kept / "documents.npy", documents)
    np.save(kept / "asked.npy", model.embed(questions))


def _real_chunks() -> list[str]:
    """Abstracts, paragraphs and the public reports, these cut as Lectern cuts them but shorter, to have more."""
    from documents.chunking import split, table_spans
    from documents.extraction import ExtractedPage, Order, extract
    from project.tokens import count_tokens

    texts = []
    for name in ("cranfield", "squad6"):
        lines = map(json.loads, (EVALUATION / name / "corpus.jsonl").read_text().splitlines())
        texts += [f"{line['title']}\n{line['text']}" for line in lines if line["text"].strip()]
    for path in sorted((EVALUATION / "files").glob("*/*.pdf")):
        for page in extract(Order(path, 5_000), "pdf", memory_bytes=2**30, seconds=600):
            if isinstance(page, ExtractedPage):
                tables = table_spans([vars(table) for table in page.tables])
                spans = split(page.text, page.headings, tokens=150, overlap=0.1, count=count_tokens, tables=tables)
                texts += [page.text[span.start : span.end] for span in spans]
    return [text for text in texts if len(text) > 80]


def _questions() -> list[str]:
    """Real ones, of two kinds, evenly from all over their sets."""
    asked = []
    for name, step in (("squad6", 5), ("cranfield", 1)):
        lines = (EVALUATION / name / "queries.jsonl").read_text().splitlines()
        asked += [json.loads(line)["text"] for line in lines[::step]]
    return [text for pair in zip(asked[:210], asked[-210:], strict=True) for text in pair]


def _varied(real: list[str], sources: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Each text with sentences left out, one of another put in, and words swapped for others as often as they occur.

    One word in a hundred of those put in is a name that nobody has used before, as names and codes are in life.
    """
    sentences = [SENTENCE.split(text) for text in real]
    words = [word for text in real for word in text.split()]
    texts = []
    for source in sources:
        kept = [sentence for sentence in sentences[source] if rng.random() < 0.75]
        stranger = sentences[rng.integers(len(real))]
        kept.insert(int(rng.integers(len(kept) + 1)), stranger[rng.integers(len(stranger))])
        taken = " ".join(kept).split(" ")
        for place in np.flatnonzero(rng.random(len(taken)) < SWAPPED):
            rare = rng.random() < 0.05
            taken[place] = _name(rng) if rare else words[rng.integers(len(words))]
        texts.append(" ".join(taken))
    return texts


def _name(rng: np.random.Generator) -> str:
    pieces = "ka ri mo zen tal vor es un da lith qua bre"
    name = "".join(rng.choice(pieces.split(), 4))
    return f"{name.capitalize()}{rng.integers(100)}" if rng.random() < 0.5 else name.capitalize()


def _turned(vectors: np.ndarray, sources: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each copy leans towards another real vector and a little nowhere in particular."""
    turned = vectors[sources]
    towards = vectors[rng.integers(0, len(vectors), len(sources))]
    noise = rng.normal(size=turned.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    amount = rng.uniform(0.3, 1.0, (len(sources), 1)).astype(np.float32) * TURN
    turned = turned + amount * (towards + noise)
    return turned / np.linalg.norm(turned, axis=1, keepdims=True)
