"""Lectern's own tools for a model: search, open a page, list documents and tables, compute over a table.

They only ever read, and no more than the asker may read in the places the question is put to; what lies elsewhere is
"not found", like what is not there at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated
from uuid import UUID

from django.db.models import Q
from pydantic import AfterValidator, Field, StringConstraints

from chat.events import Question
from chat.grounding.sources import passage_of
from chat.tools.schemas import Arguments
from chat.tools.toolbox import Outcome, Toolbox, ToolError
from documents import retrieval
from documents.models import FINDABLE, Chunk, Document, DocumentQuerySet, Page
from documents.retrieval import Passage, Scope
from documents.search import SearchError
from documents.tables import (
    CannotCompute,
    Cell,
    Joined,
    Line,
    Plan,
    Result,
    TableTooLong,
    WholeTable,
    tables_of,
)
from documents.tables import (
    compute as reckoned,
)

FOUND_MOST = 6  # passages of one search
PART = 6_000  # letters of a page in one piece
LISTED = 30  # documents in one piece of the list
COLUMNS_TOLD = 60
CELLS_NAMED = 8
PAGES_CITED = (6, 2)  # for the only line of a result, and for each of several
CITED_MOST = 24  # passages of one computation
MARKS_MOST = 200  # cells of one passage, which stand in the address of its page


def _bearable(text: str) -> str:
    """What no database takes becomes a blank."""
    return text.replace("\x00", " ")


Words = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_bearable)]
DocumentName = Annotated[Words, Field(description="The document's name, title or id, as the list has it.")]
PageNumber = Annotated[int, Field(ge=1, le=1_000_000)]


@dataclass
class Desk:
    """Who asks, where may be looked, and the passages that have a number so far, from 1."""

    question: Question
    passages: list[Passage] = field(default_factory=list)

    def readable(self) -> DocumentQuerySet:
        rows = Document.objects.for_user(self.question.user).current()
        if self.question.collections is not None:
            rows = rows.filter(collection__in=list(self.question.collections))
        if self.question.documents is not None:
            rows = rows.filter(pk__in=list(self.question.documents))
        return rows

    def document(self, name: str) -> Document:
        """The one readable document of this name, title or id. Raises ToolError."""
        asked = " ".join(name.split())
        by_id = Q(pk=_uuid(asked)) if _uuid(asked) else Q(name__iexact=asked) | Q(title__iexact=asked)
        found = list(self.readable().filter(by_id).select_related("collection__index")[:6])
        if not found:
            raise ToolError(f"There is no document “{asked[:80]}”. list_documents tells which there are.")
        if len(found) > 1:
            told = ", ".join(f"{document.pk} (in {document.collection})" for document in found)
            raise ToolError(f"Several documents are called “{asked[:80]}”. Ask by id: {told}.")
        if not found[0].generation:
            raise ToolError(f"“{asked[:80]}” has not been read yet: {found[0].get_state_display()}.")
        return found[0]

    def number(self, passage: Passage) -> int:
        """The number of a passage; one that lies in a passage that has a number is that one."""
        for number, known in enumerate(self.passages, 1):
            if known.document_id == passage.document_id and known.page_number == passage.page_number:
                is_within = known.start <= passage.start and passage.end <= known.end and not passage.marks
                if is_within:
                    return number
                if (known.start, known.end, known.marks) == (passage.start, passage.end, passage.marks):
                    told = dict.fromkeys([known.computed, passage.computed])  # Twice from the same cells.
                    self.passages[number - 1] = replace(known, computed="\n".join(told))
                    return number
        self.passages.append(passage)
        return len(self.passages)


toolbox: Toolbox[Desk] = Toolbox()


# Looking -------------------------------------------------------------------------------------------------------------
class SearchFor(Arguments):
    query: Annotated[Words, Field(description="What is looked for, in the words of the documents.")]
    document: DocumentName | None = Field(None, description="Only in this document.")


@toolbox.tool
def search(desk: Desk, wanted: SearchFor) -> Outcome:
    """Find passages by words and by meaning. Use other words than before, or ask for one thing at a time."""
    question = desk.question
    documents = [desk.document(wanted.document).pk] if wanted.document else question.documents
    try:
        scope = Scope(collections=question.collections, documents=documents)
        found = retrieval.find(wanted.query, question.user, scope, top=FOUND_MOST)
    except SearchError as exc:
        raise ToolError(str(exc)) from exc
    shown = [(number := desk.number(passage), desk.passages[number - 1]) for passage in found.passages]
    shown = list(dict(shown).items())
    many = f"{len(shown)} passages" if shown else "Nothing found. Try other words"
    return Outcome(" ".join([f"{many}.", *found.notices]), f"Searched for “{wanted.query}”", shown)


class Opened(Arguments):
    document: DocumentName
    page: Annotated[PageNumber, Field(description="Its number, from 1.")]
    part: Annotated[PageNumber, Field(description="Of a long page; 1 is its beginning.")] = 1


@toolbox.tool
def open_page(desk: Desk, wanted: Opened) -> Outcome:
    """Read a page of a document, to see what stands around a passage. Long pages come in parts."""
    document = desk.document(wanted.document)
    page = document.pages_live().filter(number=wanted.page).first()
    if page is None:
        raise ToolError(f"“{document.display_title}” has pages 1 to {document.page_count}.")
    page.document = document
    parts = _parts(page.text)
    if not parts:
        raise ToolError(f"Page {page.number} has no text.")
    if wanted.part > len(parts):
        raise ToolError(f"Page {page.number} has parts 1 to {len(parts)}.")
    start, end = parts[wanted.part - 1]
    number = desk.number(_passage(document, page, start, end))
    around = [f"page {near}" for near in (page.number - 1, page.number + 1) if 1 <= near <= document.page_count]
    told = f"Page {page.number} of {document.page_count}, part {wanted.part} of {len(parts)}."
    told += f" Beside it: {' and '.join(around)}." if around else ""
    shown = _passage(document, page, start, end)
    return Outcome(told, f"Opened page {page.label or page.number} of {document.display_title}", [(number, shown)])


class Listed(Arguments):
    name: Words | None = Field(None, description="Only documents whose name or title has these letters in it.")
    page: Annotated[PageNumber, Field(description=f"Of the list, {LISTED} documents each.")] = 1


@toolbox.tool
def list_documents(desk: Desk, wanted: Listed) -> Outcome:
    """List the documents that can be asked about: title, file name, id, pages, tables, state; the newest first."""
    rows = desk.readable()
    if wanted.name:
        rows = rows.filter(Q(name__icontains=wanted.name) | Q(title__icontains=wanted.name))
    total, begin = rows.count(), (wanted.page - 1) * LISTED
    lines = [_listed(document) for document in rows.order_by("-created_at", "pk")[begin : begin + LISTED]]
    pages = max(1, -(-total // LISTED))
    heading = f"{total} documents, page {wanted.page} of {pages} of the list:"
    return Outcome("\n".join([heading, *lines]), "Looked through the list of documents")


def _listed(document: Document) -> str:
    tables = document.receipt.get("tables") or 0
    state = "ready" if document.state in FINDABLE else document.get_state_display()
    told = [document.name, f"{document.page_count} pages", *([f"{tables} tables"] if tables else []), state]
    return f"- {document.display_title} ({', '.join(told)}; id {document.pk})"


# Reckoning -----------------------------------------------------------------------------------------------------------
class OfDocument(Arguments):
    document: DocumentName


@toolbox.tool
def list_tables(desk: Desk, wanted: OfDocument) -> Outcome:
    """List the tables of a document with their columns, to know what can be computed."""
    document = desk.document(wanted.document)
    tables = _tables(document)
    return Outcome(_told(tables), f"Looked at the tables of {document.display_title}")


class Join(Arguments):
    """Another table, whose row with the same key is read beside each row."""

    document: DocumentName | None = Field(None, description="null: the same document.")
    table: Words
    key: Annotated[Words, Field(description="The column of the first table that holds the key.")]
    other_key: Annotated[Words, Field(description="The column of the other table that holds it, each value once.")]


class Compute(Plan):
    document: DocumentName
    table: Words | None = Field(None, description="Its name, as list_tables has it; null where there is only one.")
    join: Join | None = Field(None, description="Its columns can then be used as well.")


@toolbox.tool
def compute(desk: Desk, wanted: Compute) -> Outcome:
    """Compute over a table of a document, exactly, and show the cells the result rests on: sum, mean, min, max, count,
    count distinct, or the rows themselves; with conditions, groups, order, and another table joined by a key."""
    document = desk.document(wanted.document)
    documents = {document.pk: document}
    table, joined = _table(document, wanted.table), None
    if wanted.join:
        other = desk.document(wanted.join.document) if wanted.join.document else document
        documents[other.pk] = other
        joined = Joined(_table(other, wanted.join.table), wanted.join.key, wanted.join.other_key)
    try:
        result = reckoned(table, wanted, joined)
    except CannotCompute as exc:
        raise ToolError(str(exc)) from exc
    return Outcome(_report(result, _cited(desk, result, documents)), _computed(result))


def _tables(document: Document) -> list[WholeTable]:
    try:
        tables = tables_of(document)
    except TableTooLong as exc:
        raise ToolError(str(exc)) from exc
    if not tables:
        raise ToolError(f"“{document.display_title}” has no tables.")
    return tables


def _table(document: Document, name: str | None) -> WholeTable:
    tables = _tables(document)
    if name is None and len(tables) == 1:
        return tables[0]
    asked = " ".join((name or "").split()).casefold()
    found = [table for table in tables if table.name.casefold() == asked]
    if not found:
        raise ToolError(f"Name one of its tables. {_told(tables)}")
    return found[0]


def _told(tables: Sequence[WholeTable]) -> str:
    lines = [
        f"- “{table.name}”, {len(table.rows)} rows, columns: {', '.join(table.columns[:COLUMNS_TOLD])}"
        for table in tables[:LISTED]
    ]
    more = [f"and {len(tables) - LISTED} more"] if len(tables) > LISTED else []
    return "\n".join([f"{len(tables)} tables:" if len(tables) > 1 else "One table:", *lines, *more])


def _computed(result: Result) -> str:
    first = f" = {result.lines[0].text.partition(chr(10))[0]}" if len(result.lines) == 1 else ""
    return f"Computed {result.formula}{first if result.lines and result.lines[0].value is not None else ''}"


def _report(result: Result, cited: Sequence[Sequence[int]]) -> str:
    lines = [
        f"{f'{line.label}: ' if line.label else ''}{line.text} {_rests_on(line)}{''.join(f'[{n}]' for n in numbers)}"
        for line, numbers in zip(result.lines, cited, strict=True)
    ]
    return "\n".join([result.formula, *(lines or ["no rows"]), *result.notes])


def _rests_on(line: Line) -> str:
    if line.value is None or not line.cells:
        return ""
    names = ", ".join(cell.name for cell in line.cells[:CELLS_NAMED])
    more = f" and {len(line.cells) - CELLS_NAMED} more" if len(line.cells) > CELLS_NAMED else ""
    return f"(from {names}{more}) "


def _cited(desk: Desk, result: Result, documents: dict[UUID, Document]) -> list[list[int]]:
    """The numbers of the passages that each line of a result rests on: on each page the rows, with the cells lit."""
    most = PAGES_CITED[0] if len(result.lines) == 1 else PAGES_CITED[1]
    pages: dict[tuple[UUID, int], tuple[Page, int]] = {}
    known, cited = len(desk.passages), []
    for line in result.lines:
        room = known + CITED_MOST - len(desk.passages)
        stretches = list(_stretches(line.cells).items())[: min(most, room)]
        numbers = []
        for (document_id, page_number), cells in stretches:
            document = documents[document_id]
            if (document_id, page_number) not in pages:
                pages[document_id, page_number] = _page(document, page_number)
            page, chunk_id = pages[document_id, page_number]
            start, end = _rows_of(page.text, cells)
            marks = tuple((cell.start, cell.end) for cell in cells[:MARKS_MOST])
            said = f"{result.formula}\n{line.label} {line.text}"
            numbers.append(desk.number(_passage(document, page, start, end, marks, chunk_id, said)))
        cited.append(numbers)
    return cited


def _stretches(cells: Iterable[Cell]) -> dict[tuple[UUID, int], list[Cell]]:
    """Cells by their pages, each once."""
    found: dict[tuple[UUID, int], list[Cell]] = {}
    for cell in dict.fromkeys(cells):
        if cell.document_id and cell.start < cell.end:
            found.setdefault((cell.document_id, cell.page_number), []).append(cell)
    return found


# Passages ------------------------------------------------------------------------------------------------------------
def _page(document: Document, number: int) -> tuple[Page, int]:
    """A page, and a chunk of it."""
    page = document.pages_live().get(number=number)
    page.document = document
    return page, _chunk_at(document, page, 0)


def _chunk_at(document: Document, page: Page, start: int) -> int:
    """The chunk that begins a stretch; 0 where the index holds none."""
    chunks: Iterable[Chunk] = document.chunks_live().filter(page=page, end__gt=start).order_by("ordinal")[:1]
    return next((chunk.pk for chunk in chunks), 0)


def _passage(
    document: Document,
    page: Page,
    start: int,
    end: int,
    marks: tuple[tuple[int, int], ...] = (),
    chunk_id: int | None = None,
    computed: str = "",
) -> Passage:
    page.document = document
    found = _chunk_at(document, page, start) if chunk_id is None else chunk_id
    return passage_of(page, start, end, chunk_id=found, marks=marks, computed=computed)


def _parts(text: str) -> list[tuple[int, int]]:
    """A page in parts of about PART letters that end at a line or a word; blanks alone are none."""
    found, start = [], 0
    while start < len(text):
        end = min(start + PART, len(text))
        if end < len(text):
            end = max(text.rfind("\n", start + PART // 2, end), text.rfind(" ", start + PART * 9 // 10, end)) + 1 or end
        if not text[start:end].isspace():
            found.append((start, end))
        start = end
    return found


def _rows_of(text: str, cells: Sequence[Cell]) -> tuple[int, int]:
    """The lines from the first of the cells to the last."""
    first, last = min(cell.start for cell in cells), max(cell.end for cell in cells)
    after = text.find("\n", last)
    return text.rfind("\n", 0, first) + 1, len(text) if after < 0 else after


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
