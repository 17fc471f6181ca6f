"""Search over a hundred thousand chunks: recall beside every latency, and others' ways of searching beside ours.

Runs by itself too: `python -m tests.bench_search`. The corpus, and the database it was loaded into, are kept in the
folder that LECTERN_BENCH_DATA names, so that only the first run is long. What is compared takes turns, ten
questions at a time: whatever else the machine does then falls on all alike.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.bench_search.corpus import Corpus, corpus

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(os.environ.get("LECTERN_BENCH_DATA") or Path(tempfile.gettempdir()) / "lectern-bench-data")
SHARES = (0.5, 0.1, 0.01)  # of the chunks: what a filter lets through
FEWER = 20_000  # chunks for the frameworks' own searches
TOP = 10
TURN = 10  # questions
Search = Callable[[str, np.ndarray], list[int]]  # a question and its vector -> chunks, best first


def bench_large_library() -> None:
    """In a process of its own, since its database is another."""
    subprocess.run([sys.executable, "-m", "tests.bench_search"], cwd=ROOT, check=True)


@dataclass
class Way:
    """A way of searching, and what was seen of it."""

    search: Search
    truth: Search | None = None  # what its recall is measured against
    times: list[float] = field(default_factory=list)  # ms
    recalls: list[float] = field(default_factory=list)
    fewest: int = TOP

    def run(self, question: str, vector: np.ndarray, right: list[int] | None) -> list[int]:
        begun = time.perf_counter()
        found = self.search(question, vector)
        self.times.append((time.perf_counter() - begun) * 1000)
        self.fewest = min(self.fewest, len(found))
        if right is not None:
            self.recalls.append(len(set(found) & set(right)) / len(right))
        return found

    @property
    def p50(self) -> float:
        return statistics.median(self.times)

    @property
    def p95(self) -> float:
        return sorted(self.times)[int(0.95 * len(self.times))]


def compare(ways: dict[str, Way], asked: list[tuple[str, np.ndarray]], base: str) -> None:
    """Ask every way some questions in turn, after some that do not count, and tell how each fared against the base.

    What is right is found out beforehand: reading all there is would push out of memory what the others read.
    """
    truths = {
        truth: [truth(*question) for question in asked] for truth in {way.truth for way in ways.values()} if truth
    }
    for way in ways.values():
        for question in asked[:TURN]:
            way.search(*question)
    for start in range(0, len(asked), TURN):
        for way in ways.values():
            for place in range(start, min(start + TURN, len(asked))):
                way.run(*asked[place], truths[way.truth][place] if way.truth else None)
    first = ways[base]
    for name, way in ways.items():
        recall = f"recall@{TOP} {statistics.mean(way.recalls):.3f}" if way.recalls else " " * 15
        print(
            f"  {name:<38}{recall}  p50 {way.p50:7.1f} ms {way.p50 / first.p50:6.2f}",
            f" p95 {way.p95:7.1f} ms {way.p95 / first.p95:6.2f}  fewest found {way.fewest}",
            flush=True,
        )


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ |= {"LECTERN_DATA": str(FOLDER), "DJANGO_SETTINGS_MODULE": "project.settings"}
    from project.local import Postgres

    service = Postgres(FOLDER)
    service.start()
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        measure()
    finally:
        service.stop()


def measure() -> None:
    held = corpus(FOLDER)
    asked = list(zip(held.questions, held.asked, strict=True))
    asked = [pair for number, pair in enumerate(asked) if number % 4 >= 2]  # The others are there to tune on.
    asked = asked[: int(os.environ.get("LECTERN_BENCH_QUESTIONS", "200"))]
    library = Library(held, len(held.texts))
    library.load()
    told(f"search     over {library.chunks} chunks, {library.backend.size() / 1e6:.0f} MB, {len(asked)} questions")
    bench_all(library, asked)
    told("           filtered")
    bench_filtered(library, asked)
    fewer = Library(held, FEWER, number=2)
    fewer.load()
    told(f"search     over {fewer.chunks} chunks, {fewer.backend.size() / 1e6:.0f} MB")
    bench_peers(fewer, asked)


def told(line: str) -> None:
    print(f"{line}; load average {os.getloadavg()[0]:.1f}", flush=True)


def bench_all(library: Library, asked: list[tuple[str, np.ndarray]]) -> None:
    exact = library.exact()
    ways = {
        "hybrid": Way(library.search(), exact),
        "hybrid, all exact": Way(exact, exact),
        "hybrid, the usual recipe": Way(library.recipe(), exact),
        "keyword": Way(library.search("keyword"), library.exact("keyword")),
        "vector": Way(library.search("vector"), library.exact("vector")),
        "hybrid, two words quoted": Way(quoting(library.search()), quoting(exact)),
    }
    compare(ways, asked, "hybrid")
    assert statistics.mean(ways["hybrid, all exact"].recalls) == 1


def bench_filtered(library: Library, asked: list[tuple[str, np.ndarray]]) -> None:
    ways = {"hybrid": Way(library.search())}
    for share in SHARES:
        only = library.shares[share]
        ways[f"hybrid, {share:.0%} let through"] = Way(library.search(only=only), library.exact(only=only))
    compare(ways, asked, "hybrid")


def bench_peers(library: Library, asked: list[tuple[str, np.ndarray]]) -> None:
    from tests.bench_search.peers import Stored, langchain, llama_index, worded

    ways = {"hybrid": Way(library.read(), library.exact())}
    stored = Stored(*library.held.first(library.chunks), library.collections(), [*map(str, library.everything)])
    for name, (search, seconds, size) in {
        "LangChain's hybrid": langchain(FOLDER, stored),
        "LlamaIndex's hybrid": llama_index(stored),
    }.items():
        print(f"           {name}: indexed in {seconds:.0f} s, {size / 1e6:.0f} MB", flush=True)
        ways[name] = Way(search, library.exact())
    compare(ways, asked, "hybrid")
    print(f"  LangChain's wants every word: by words it finds anything for {worded(asked)} of {len(asked)} questions")


def quoting(search: Search) -> Search:
    """The same question with its last two words in quotation marks."""

    def quoted(question: str, vector: np.ndarray) -> list[int]:
        *words, last, end = question.rstrip(" ?.").split()
        return search(f'{" ".join(words)} "{last} {end}"', vector)

    return quoted


class Library:
    """The corpus, or the first chunks of it, in the real tables of an index version."""

    def __init__(self, held: Corpus, chunks: int, number: int = 1) -> None:
        from documents.indexes import default_index
        from documents.models import IndexVersion

        live = default_index().live_version
        kept = {"embedding_model": live.embedding_model, "dimensions": live.dimensions}
        self.version, _ = IndexVersion.objects.get_or_create(index=live.index, number=number, defaults=kept)
        self.backend = self.version.backend
        self.held, self.chunks = held, chunks
        self.shares: dict[float, frozenset] = {}

    def load(self) -> None:
        """Once; anew when the tables are made otherwise."""
        from documents.search.pgvector.tables import ADD_WORDS, CREATE

        made = hashlib.sha256(f"{CREATE}{ADD_WORDS}{self.chunks}".encode()).hexdigest()
        loaded = FOLDER / f"loaded-{self.version.number}"
        if not loaded.exists() or loaded.read_text() != made:
            loaded.unlink(missing_ok=True)
            self.backend.drop()
            self._add(self._documents())
            self._build()
            if self.chunks == len(self.held.texts):
                self._load_recipe()
            loaded.write_text(made)
        self._share_out()

    def _documents(self) -> list:
        """A row for each document of the corpus, made when the first library is loaded."""
        from django.contrib.auth.models import User

        from documents.models import Collection, Document

        owner, _ = User.objects.get_or_create(username="bench")
        rest, _ = Collection.objects.get_or_create(name="rest", owner=owner, index=self.version.index)
        if not Document.objects.exists():
            common = {"owner": owner, "collection": rest, "kind": "text", "size": 1, "generation": 1, "language": "en"}
            places = range(self.held.documents.max() + 1)
            Document.objects.bulk_create(
                [Document(name=f"{place:04}", sha256=f"{place:064}", **common) for place in places]
            )
        return list(Document.objects.order_by("name"))

    def _add(self, documents: list) -> None:
        """Through the door that every chunk comes in by, but with the indexes left for later."""
        from django.db import connection

        from documents.search import Entry

        self.backend.create()
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX {vector}_nearest, {word}_heaviest, {word}_chunk".format(**self.backend.tables))
        begun, held = time.monotonic(), self.held
        self.backend.add(
            Entry(place + 1, row.pk, row.collection_id, 1, held.texts[place], "en", held.vectors[place])
            for place, row in ((place, documents[held.documents[place]]) for place in range(self.chunks))
        )
        print(f"           {self.chunks} chunks loaded, {self.chunks / (time.monotonic() - begun):.0f} a second")

    def _build(self) -> None:
        """create() makes the indexes that are missing."""
        from django.db import connection

        begun = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("SET maintenance_work_mem = '1GB'")
            self.backend.create()
            for table in self.backend.tables.values():
                cursor.execute(f"VACUUM ANALYZE {table}")
        print(f"           indexes built in {time.monotonic() - begun:.0f} s", flush=True)

    def _share_out(self) -> None:
        """Collections that hold a half, a tenth, a hundredth of the chunks at most, and the rest, drawn blindly."""
        from django.db import connection

        from documents.models import Collection, Document

        documents, sizes = self._documents(), np.bincount(self.held.documents)
        made = {"owner": documents[0].owner, "index": self.version.index}
        left = list(np.random.default_rng(3).permutation(len(sizes)))
        for share in SHARES:
            collection, _ = Collection.objects.get_or_create(name=f"{share:.0%}", **made)
            self.shares[share] = frozenset([collection.pk])
            room = share * len(self.held.documents)
            for place in list(left):
                if sizes[place] <= room:
                    room -= sizes[place]
                    documents[place].collection = collection
                    left.remove(place)
        Document.objects.bulk_update(documents, ["collection"], batch_size=500)
        self.everything = frozenset(Collection.objects.filter(**made).values_list("pk", flat=True))
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE documents_document")

    def search(self, mode="hybrid", only: frozenset | None = None, backend=None) -> Search:
        from documents.search import Query

        searched = backend or self.backend

        def ours(question: str, vector: np.ndarray) -> list[int]:
            query = Query(question, vector, only or self.everything, None, mode)
            return [hit.chunk_id for hit in searched.search(query, TOP)]

        return ours

    def read(self) -> Search:
        """The search, and the texts of what it found, as others' bring them."""
        from django.db import connection

        search = self.search()

        def found_and_read(question: str, vector: np.ndarray) -> list[int]:
            found = search(question, vector)
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM {text} WHERE chunk_id = ANY(%s)".format(**self.backend.tables), [found])
                texts = dict(cursor.fetchall())
            return [chunk_id for chunk_id in found if texts[chunk_id]]

        return found_and_read

    def collections(self) -> list[str]:
        """The collection of each chunk."""
        rows = [str(row.collection_id) for row in self._documents()]
        return [rows[place] for place in self.held.documents[: self.chunks]]

    def exact(self, mode="hybrid", only: frozenset | None = None) -> Search:
        backend = self.version.backend
        backend.exact_up_to = float("inf")
        return self.search(mode, only, backend)

    def _load_recipe(self) -> None:
        """One wide table, a graph of the default build, and a GIN index over the words: what most articles advise."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS recipe")
            cursor.execute(
                "CREATE TABLE recipe AS SELECT chunk_id, text, embedding::vector(384) AS embedding,"
                " to_tsvector('english', text) AS words FROM {text} JOIN {vector} USING (chunk_id)".format(
                    **self.backend.tables
                )
            )
            cursor.execute("CREATE INDEX ON recipe USING hnsw (embedding vector_cosine_ops)")
            cursor.execute("CREATE INDEX ON recipe USING gin (words)")
            cursor.execute("VACUUM ANALYZE recipe")

    def recipe(self) -> Search:
        from django.db import connection

        def usual(question: str, vector: np.ndarray) -> list[int]:
            literal = f"[{','.join(map(str, vector.tolist()))}]"
            with connection.cursor() as cursor:
                cursor.execute(RECIPE, {"question": question, "vector": literal, "top": TOP})
                return [row[0] for row in cursor.fetchall()]

        return usual


RECIPE = """
WITH asked AS (
    SELECT replace(plainto_tsquery('english', %(question)s)::text, '&', '|')::tsquery AS query
), by_meaning AS (
    SELECT chunk_id, row_number() OVER (ORDER BY embedding <=> %(vector)s::vector) AS rank
    FROM recipe ORDER BY embedding <=> %(vector)s::vector LIMIT 50
), by_words AS (
    SELECT chunk_id, row_number() OVER (ORDER BY ts_rank_cd(words, query) DESC) AS rank
    FROM recipe, asked WHERE words @@ query ORDER BY ts_rank_cd(words, query) DESC LIMIT 50
)
SELECT chunk_id FROM by_meaning FULL JOIN by_words USING (chunk_id)
ORDER BY coalesce(1.0 / (60 + by_meaning.rank), 0) + coalesce(1.0 / (60 + by_words.rank), 0) DESC LIMIT %(top)s
"""
