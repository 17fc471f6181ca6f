"""`make bench`: where the time goes, as ratios within one run, on services of its own.

Milliseconds depend on the machine and on what else it does; read the ratios, and compare two runs of one machine only.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench_api import bench_api
from tests.bench_door import bench_door
from tests.bench_page import bench_page
from tests.bench_search import bench_large_library

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = Path(tempfile.mkdtemp(prefix="lectern-bench-"))
PUBLIC = ROOT.parent / "shared" / "eval" / "files"
REPEATS = 40
READINGS = 3
QUESTIONS = [
    "What are the strategic goals?",
    "How is cybersecurity of the supply chain improved?",
    "Which performance measures are reported each year?",
    "When must supply be back after a burst main?",
    "How are staff recruited and kept?",
]


def main() -> None:
    with own_services():
        user = somebody()
        bench_reading()
        bench_ingestion(user)
        bench_search(user)
        bench_answer(user)
        bench_door()
    bench_large_library()
    bench_api()
    bench_page()


@contextmanager
def own_services() -> Iterator[None]:
    """A Django that is set up, over services that begin empty and are gone afterwards."""
    os.environ |= {"LECTERN_DATA": str(DATA_DIR), "DJANGO_SETTINGS_MODULE": "project.settings"}
    from project.local import Postgres, Redis

    services = Postgres(DATA_DIR), Redis(DATA_DIR)
    try:
        for service in services:
            service.start()
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        yield
    finally:
        for service in reversed(services):
            service.stop()
        shutil.rmtree(DATA_DIR, ignore_errors=True)


def somebody():
    from django.contrib.auth.models import User

    return User.objects.create_user("bench")


def files() -> list[Path]:
    """The public reports where they are, else the samples."""
    return sorted(PUBLIC.glob("agency/*.pdf")) or sorted((ROOT / "documents" / "samples").glob("*.pdf"))


def bench_reading() -> None:
    """From files to chunks, side by side with LangChain's loader and splitter; ours in its limited process."""
    from documents.chunking import split, table_spans
    from documents.extraction import ExtractedPage, Order, extract
    from project.tokens import count_tokens

    paths = files() + sorted(PUBLIC.glob("ntsb/*.pdf"))

    def read(path: Path) -> Iterator[ExtractedPage]:
        found = extract(Order(path, 5_000), "pdf", memory_bytes=2**30, seconds=600)
        return (page for page in found if isinstance(page, ExtractedPage))

    def cut(page: ExtractedPage) -> None:
        tables = table_spans([vars(table) for table in page.tables])
        split(page.text, page.headings, tokens=400, overlap=0.1, count=count_tokens, tables=tables)

    def ours() -> tuple[int, float]:
        """A page is cut while the next ones are read, as it comes."""
        pages, begun = 0, time.perf_counter()
        for path in paths:
            for page in read(path):
                cut(page)
                pages += 1
        return pages, time.perf_counter() - begun

    def in_steps() -> tuple[float, float]:
        """The same, one after the other: seconds of reading and of cutting."""
        begun = time.perf_counter()
        pages = [page for path in paths for page in read(path)]
        read_s = time.perf_counter() - begun
        for page in pages:
            cut(page)
        return read_s, time.perf_counter() - begun - read_s

    def theirs() -> tuple[int, float, float]:
        from langchain_community.document_loaders import PyPDFLoader
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        splitter = RecursiveCharacterTextSplitter(chunk_size=400, chunk_overlap=40, length_function=count_tokens)
        begun = time.perf_counter()
        loaded = [page for path in paths for page in PyPDFLoader(str(path)).load()]
        read_s = time.perf_counter() - begun
        begun = time.perf_counter()
        splitter.split_documents(loaded)
        return len(loaded), read_s, time.perf_counter() - begun

    count_tokens("loaded once")
    ours()  # The process that readers are forked from is started, and has read a page.
    print(f"reading    {len(paths)} PDFs, from the file to chunks; the median of {READINGS} runs each, in turn")
    runs = [(ours(), in_steps(), theirs()) for _ in range(READINGS)]
    pages = runs[0][0][0]
    whole, steps, peer = (
        statistics.median(run[0][1] for run in runs),
        [statistics.median(run[1][step] for run in runs) for step in (0, 1)],
        [statistics.median(run[2][step] for run in runs) for step in (1, 2)],
    )
    print(
        f"  {'Lectern':<18}{pages / whole:8.1f} pages/s  (extracting alone {pages / steps[0]:8.1f},",
        f"chunking alone {pages / steps[1]:8.1f})  {sum(peer) / whole:5.1f} times LangChain",
    )
    print(
        f"  {'LangChain, pypdf':<18}{runs[0][2][0] / sum(peer):8.1f} pages/s  (extracting alone",
        f"{runs[0][2][0] / peer[0]:8.1f}, chunking alone {runs[0][2][0] / peer[1]:8.1f})",
    )


def bench_ingestion(user) -> None:
    from documents.indexes import private_collection
    from documents.ingestion import ingest
    from documents.intake import accept
    from documents.models import Document

    seconds: Counter[str] = Counter()
    begun = time.monotonic()
    for path in files():
        document, _ = accept([path.read_bytes()], path.name, user, private_collection(user))
        ingest(document)
        document.refresh_from_db()
        seconds.update(document.seconds)
    took = time.monotonic() - begun
    pages, chunks = (sum(Document.objects.values_list(field, flat=True)) for field in ("page_count", "chunk_count"))
    print(
        f"ingestion  {len(files())} files, {pages} pages, {chunks} chunks:",
        f"{pages / took:.1f} pages/s, {chunks / took:.1f} chunks/s",
    )
    for stage, spent in seconds.items():
        print(f"  {stage:<11}{spent / took:5.0%}  {pages / spent if spent else 0:9.1f} pages/s")


def milliseconds(work: Callable[[str], object]) -> list[float]:
    """The times of every question, several times over, after one round that does not count."""
    times = []
    for turn in range(REPEATS // len(QUESTIONS) + 1):
        for question in QUESTIONS:
            begun = time.perf_counter()
            work(question)
            if turn:
                times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)


def told(name: str, times: list[float], base: float) -> None:
    p50, p95 = statistics.median(times), times[int(0.95 * len(times))]
    print(f"  {name:<24}p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {p50 / base:5.2f} of hybrid")


def bench_search(user) -> None:
    from documents.embeddings import embed_query, local_model_name
    from documents.models import Chunk
    from documents.retrieval import retrieve

    print(f"search     over {Chunk.objects.count()} chunks, {len(QUESTIONS)} questions")
    runs = {
        mode: milliseconds(lambda question, mode=mode: retrieve(question, user, mode=mode))
        for mode in ("hybrid", "keyword", "vector")
    }
    base = statistics.median(runs["hybrid"])
    for mode, times in runs.items():
        told(mode, times, base)
    if local_model_name():
        told("the question's vector", milliseconds(lambda question: embed_query(local_model_name(), question)), base)


def bench_answer(user) -> None:
    from chat.answering import answer
    from chat.events import Question, Text

    async def until(question: str, *kinds: type) -> None:
        events = answer(Question(question, user))
        async for event in events:
            if isinstance(event, kinds):
                break
        await events.aclose()

    print("answer     extractive, from the question to")
    first = milliseconds(lambda question: asyncio.run(until(question, object)))
    words = milliseconds(lambda question: asyncio.run(until(question, Text)))
    base = statistics.median(words)
    for name, times in (("its first event", first), ("its first words or end", words)):
        p50, p95 = statistics.median(times), times[int(0.95 * len(times))]
        print(f"  {name:<24}p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {p50 / base:5.2f} of first words")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
