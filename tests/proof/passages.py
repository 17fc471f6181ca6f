"""Real documents as passages: read with our own extraction, cut by our own chunking, kept for the next run."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from dataclasses import asdict, astuple, dataclass
from functools import cache
from pathlib import Path

from chat.verification import Evidence
from documents.chunking import split, table_spans
from documents.extraction import ExtractedPage, Order, extract, kind_of

EVAL = Path(__file__).resolve().parents[3] / "shared" / "eval"  # It lies beside the project.
CACHE = Path(tempfile.gettempdir()) / "lectern-proof"
TOKENS = 400
PIECE = re.compile(r"\w{1,8}|[^\w\s]")
# By document, so that nothing of one is seen while the other half is tuned on.
HELD_OUT = frozenset(
    (
        "DOC2022.pdf DOT2022.pdf GSA2022.pdf 20071231X02009.pdf 20080102X00005.pdf 20080108X00029.pdf "
        "20080109X00035.pdf 20080111X00041.pdf Force Immune_system Packet_switching norwich-city.txt "
        "2023-half-year-analyses-by-segment.xlsx sample-presentation.pptx"
    ).split()
)
# Too little prose to plant anything in, or the same words as another.
LEFT_OUT = frozenset("docx-tables.docx eng_spa_mult.docx fake-email-attachment.eml ideas-page.html README.md".split())


@dataclass(frozen=True)
class Passage:
    """A chunk of about 400 tokens. `around` is what is read with it: the title, the headings, a table's header."""

    document: str
    page: int
    start: int
    text: str
    around: str

    @property
    def half(self) -> str:
        return "held-out" if self.document in HELD_OUT else "tuning"

    def evidence(self, number: int) -> Evidence:
        return Evidence(number, self.text, self.around)


class NoMaterialError(Exception):
    """The documents are not there; str(exc) says what is missing."""


@cache
def passages() -> tuple[Passage, ...]:
    """Every passage of every document, in an order that never changes. Raises NoMaterialError."""
    if not (EVAL / "files").is_dir() or not (EVAL / "squad6" / "corpus.jsonl").is_file():
        raise NoMaterialError(f"The documents to measure with are not there: {EVAL} lacks files/ or squad6/.")
    found = [*_of_files(), *_of_articles()]
    return tuple(sorted(found, key=lambda passage: (passage.document, passage.page, passage.start)))


def _of_files() -> list[Passage]:
    paths = sorted(path for path in EVAL.glob("files/*/*") if path.is_file() and path.name not in LEFT_OUT)
    return [passage for path in paths for passage in _of_file(path)]


def _of_file(path: Path) -> list[Passage]:
    key = hashlib.sha256(path.read_bytes() + _way().encode()).hexdigest()[:24]
    kept = CACHE / f"{key}.json"
    if kept.is_file():
        return [Passage(*row) for row in json.loads(kept.read_text())]
    title, pages = path.stem, []
    for item in extract(Order(path, 500), kind_of(path, path.name), memory_bytes=2**30, seconds=300):
        if isinstance(item, ExtractedPage):
            pages.append(item)
        else:
            title = getattr(item, "title", "") or title
    found, above = [], []
    for number, page in enumerate(pages, 1):
        headings = [(0, level, text) for _, level, text in above] + list(page.headings)
        found += _of_page(path.name, title, number, page, headings)
        above = _in_force(headings)
    CACHE.mkdir(exist_ok=True)
    kept.write_text(json.dumps([astuple(passage) for passage in found]))
    return found


def _of_page(document: str, title: str, number: int, page: ExtractedPage, headings: list) -> list[Passage]:
    tables = table_spans(asdict(table) for table in page.tables)
    spans = split(page.text, headings, tokens=TOKENS, overlap=0.1, count=_count, tables=tables)
    found = []
    for span in spans:
        header = page.text[span.header_start : span.header_end]
        around = "\n".join(filter(None, (title, span.section, header)))
        found.append(Passage(document, number, span.start, page.text[span.start : span.end], around))
    return found


def _in_force(headings: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    held: list[tuple[int, int, str]] = []
    for heading in sorted(headings, key=lambda heading: heading[0]):
        held = [outer for outer in held if outer[1] < heading[1]] + [heading]
    return held


def _of_articles() -> list[Passage]:
    rows = [json.loads(line) for line in (EVAL / "squad6" / "corpus.jsonl").open(encoding="utf-8")]
    found = []
    for row in rows:
        article, _, number = row["id"].partition("::")
        found += _of_page(article, row["title"].replace("_", " "), int(number) + 1, ExtractedPage(row["text"]), [])
    return found


def _count(text: str) -> int:
    return len(PIECE.findall(text))


def _way() -> str:
    """Changes when the cutting or the reading does, so that no stale text is measured."""
    import documents.chunking as cutting
    import documents.extraction as reading

    sources = [path for module in (cutting, reading) for path in Path(module.__file__ or "").parent.rglob("*.py")]
    stamps = (
        f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted([*sources, Path(__file__)])
    )
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()
