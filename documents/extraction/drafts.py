"""Text of formats without pages: cleaned once, gathered in order with its tables, and split into pages."""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from documents.extraction.headers import header_rows as naming_rows
from documents.extraction.pages import CUT, ExtractedDocument, ExtractedPage, Order, Span, Table

SECTION_MOST = 3_000  # characters
SECTION_LEAST = 1_000  # a heading before this does not end a section
MAJOR = 2  # headings of this level and above begin sections
WITH_TABLE_MOST = 6_000  # a section with its last table whole
TABLE_MOST = 30_000  # a longer table is cut between its rows
PAGE_LETTERS, LETTERS_LEAST = 10_000, 1_000_000  # a page may have on average; what any file may have
BETWEEN = " | "  # parts the cells of a row
COLUMNS_EVEN = 256  # rows of a table with so many columns at most are made equally long
NAME_MOST = 200

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Marks upon marks: to put a long pile of them in order takes quadratic time. Rows of signs are left as they are too.
_PILE = re.compile(r"([^\w\s\x00-\x7f]{200,})")
_SEEN = re.compile("[^\\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
# Where a section may end, best first: after a blank line, a line, a sentence, a word.
_ENDS = [re.compile(pattern) for pattern in (r"\n[ \t]*\n+", r"\n", r"[.!?。！？]+[\"'”’)]*\s+|[。！？]", r"\s+")]
_NEWLINES = re.compile(r"\n*")

# What a reader puts into a text for the Writer, which takes it out again: halves of characters, since no file's own
# text holds any once it is decoded.
PICTURE = "\udf00"
_SEEN_AGAIN = "\udf01"
_REASONS = ("white on white", "smaller than 1 point", "outside the slide")
HIDDEN = {chr(0xDF10 + number): reason for number, reason in enumerate(_REASONS)}
_MARK = re.compile("([\udf00\udf01\udf10-\udf12])")


def clean(text: str) -> str:
    """The one gate for text that has no geometry: NFC, line ends as \\n, nothing a database or a page chokes on."""
    return cleaned(text)[0]


def cleaned(text: str) -> tuple[str, int]:
    """The same, and how many characters were taken out as unbearable."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, count = _UNWANTED.subn("", text)
    if not text.isascii():
        parts = _PILE.split(text)
        parts[::2] = [unicodedata.normalize("NFC", part) for part in parts[::2]]
        text = "".join(parts)
    return text, count


def unseen(text: str, why: str) -> str:
    """The text marked for the Writer as one that no reader sees; `why` is one of HIDDEN."""
    begin = next(mark for mark, reason in HIDDEN.items() if reason == why)
    return f"{begin}{text}{_SEEN_AGAIN}"


@dataclass
class Draft:
    """A document, or a page of one, while its text is gathered. All places are offsets into `text`, in order."""

    title: str = ""
    text: str = ""
    headings: list[tuple[int, int, str]] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)  # a new page begins here
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    hidden: list[tuple[int, int, str]] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    cleaned: list[tuple[int, int]] = field(default_factory=list)  # (offset, characters taken out)
    left_out: Counter[str] = field(default_factory=Counter)


class Writer:
    """Gathers lines and tables into a draft, cleaning each; blocks are kept apart by a blank line."""

    def __init__(self) -> None:
        self.headings: list[tuple[int, int, str]] = []
        self.tables: list[Table] = []
        self.left_out: Counter[str] = Counter()
        self._breaks: list[int] = []
        self._hidden: list[tuple[int, int, str]] = []
        self._pictures: list[int] = []
        self._cleaned: list[tuple[int, int]] = []
        self._pieces: list[str] = []
        self._length = 0
        self._gap = ""

    @property
    def length(self) -> int:
        return self._length

    def line(self, text: str, *, level: int = 0) -> None:
        """Add one line; a level makes it a heading."""
        text = text.strip("\r\n").rstrip()
        if _is_blank(text):
            self._write(text)
            return
        if level:
            text = " ".join(text.split())
            self.gap()
        self._write(self._gap)
        start = self._length
        title = self._write(text)
        if level:
            self.headings.append((start, level, title))
        self._gap = "\n\n" if level else "\n"

    def table(
        self,
        rows: Iterable[Sequence[str]],
        *,
        header_rows: int | None = None,
        name: str = "",
        numbers: Sequence[int] = (),
        first_column: int = 1,
    ) -> None:
        """Add a table, one line a row; rows and columns without a letter are left out.

        Without `header_rows` the cells tell what names the columns. `numbers` has the sheet's own number of each row;
        such a table keeps its empty columns, so that a cell can be named, but not in the text.
        """
        self.gap()
        texts = [[" ".join(cell.split()) for cell in row] for row in rows]
        columns = min(max(map(len, texts), default=0), COLUMNS_EVEN)
        full = {column for row in texts for column, cell in enumerate(row) if not _is_blank(cell)}
        kept = [index for index, row in enumerate(texts) if not all(map(_is_blank, row))]
        spans = []
        for index in kept:
            self._write(self._gap)
            self._gap = "\n"
            spans.append(self._row(texts[index] + [""] * (columns - len(texts[index])), full, keep=bool(numbers)))
        if spans:
            title = " ".join(clean(name).split())[:NAME_MOST]
            header_rows = naming_rows(texts) if header_rows is None else header_rows
            named = sum(1 for index in kept if index < header_rows)
            own = [numbers[index] for index in kept] if numbers else []
            self.tables.append(Table(spans, named, title, own, first_column))
        self.gap()

    def picture(self) -> None:
        self._write(PICTURE)

    def gap(self) -> None:
        """Keep what follows apart from what stands before."""
        self._gap = "\n\n" if self._length else ""

    def page_break(self) -> None:
        if self._length:
            self._write("\n")
            self._gap = ""
            self._breaks.append(self._length)

    def draft(self, title: str = "") -> Draft:
        self._write("\n" if self._length else "")
        return Draft(
            title=" ".join(clean(title).split()),
            text="".join(self._pieces),
            headings=self.headings,
            breaks=self._breaks,
            tables=self.tables,
            hidden=self._hidden,
            pictures=self._pictures,
            cleaned=self._cleaned,
            left_out=self.left_out,
        )

    def _row(self, cells: list[str], full: set[int], *, keep: bool) -> list[Span]:
        """Write one row. A column that is empty in all rows is not written, and is no column unless they are kept."""
        last = max(column for column, cell in enumerate(cells) if not _is_blank(cell))
        row: list[Span] = []
        is_first = True
        for column, cell in enumerate(cells):
            if column in full:
                self._write("" if is_first or column > last else BETWEEN)
                is_first = False
            elif not keep:
                continue
            start = self._length
            self._write(cell)
            row.append((start, self._length))
        return row

    def _write(self, text: str) -> str:
        """Write the text cleaned, and note what the marks in it say; returns what was written."""
        begin, pieces = len(self._pieces), _MARK.split(text)
        hidden_from, why = 0, ""
        for piece in pieces:
            if piece == PICTURE:
                self._pictures.append(self._length)
            elif piece == _SEEN_AGAIN:
                if why and hidden_from < self._length:
                    self._hidden.append((hidden_from, self._length, why))
                why = ""
            elif piece in HIDDEN:
                hidden_from, why = self._length, HIDDEN[piece]
            elif piece:
                written, taken_out = cleaned(piece)
                if taken_out:
                    self._cleaned.append((self._length, taken_out))
                self._pieces.append(written)
                self._length += len(written)
        return "".join(self._pieces[begin:])


def _is_blank(text: str) -> bool:
    return not text or not _MARK.sub("", text).strip()


def in_pages(draft: Draft, order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    """The draft as a document and its pages. Put together they are the text, unless it was cut at `order.pages_max`."""
    spans = list(split(draft)) if _SEEN.search(draft.text) else []
    document = ExtractedDocument(draft.title[:300], len(spans), list(draft.warnings), left_out=dict(draft.left_out))
    if len(spans) > order.pages_max:
        document.warnings.append(CUT.format(order.pages_max))
        document.page_count = order.pages_max
    yield document
    for start, end in spans[order.skip : order.pages_max]:
        yield one_page(draft, start, end)


def counted(pages: Iterable[ExtractedPage], order: Order, warnings: list[str]) -> Iterator[ExtractedPage]:
    """Those of the pages that are asked for; a warning is added when there is more than is allowed."""
    room = max(LETTERS_LEAST, order.pages_max * PAGE_LETTERS)
    for number, page in enumerate(pages, 1):
        if number > order.pages_max or room < 0:
            warnings.append(CUT.format(number - 1))
            return
        room -= len(page.text)
        if number > order.skip:
            yield page


def one_page(draft: Draft, start: int = 0, end: int = sys.maxsize, *, label: str = "") -> ExtractedPage:
    """A stretch of the draft as a page, with all that stands in it."""
    end = min(end, len(draft.text))
    beyond = sys.maxsize if end == len(draft.text) else end
    return ExtractedPage(
        draft.text[start:end],
        label=label,
        headings=[(at - start, level, title) for at, level, title in _within(draft.headings, start, end)],
        tables=[_part(table, start, end) for table in _touching(draft.tables, start, end, _table_span)],
        hidden=[
            (max(first, start) - start, min(after, end) - start, why)
            for first, after, why in _touching(draft.hidden, start, end, _hidden_span)
        ],
        images=bisect_left(draft.pictures, beyond) - bisect_left(draft.pictures, start),
        cleaned=sum(count for _, count in _within(draft.cleaned, start, beyond)),
    )


Placed = TypeVar("Placed")


def _within(placed: list[Placed], start: int, end: int) -> list[Placed]:
    """Of tuples that begin with an offset, those from `start` on and before `end`."""
    return placed[bisect_left(placed, start, key=_offset) : bisect_left(placed, end, key=_offset)]


def _offset(placed: Any) -> int:
    return placed[0]


def _touching(placed: list[Placed], start: int, end: int, span: Callable[[Placed], Span]) -> list[Placed]:
    """Of things that do not overlap, those of which a part lies between `start` and `end`."""
    first = bisect_right(placed, start, key=lambda each: span(each)[1])
    return placed[first : bisect_left(placed, end, key=lambda each: span(each)[0])]


def _table_span(table: Table) -> Span:
    return table.rows[0][0][0], table.rows[-1][-1][1]


def _hidden_span(hidden: tuple[int, int, str]) -> Span:
    return hidden[0], hidden[1]


def _row_offset(row: list[Span]) -> int:
    return row[0][0]


def _part(table: Table, start: int, end: int) -> Table:
    """The rows of a table that begin on a page. Its header stands on the page of its first row alone."""
    first = bisect_left(table.rows, start, key=_row_offset)
    last = bisect_left(table.rows, end, key=_row_offset)
    rows = [
        [(min(left, end) - start, min(right, end) - start) for left, right in row] for row in table.rows[first:last]
    ]
    header = max(0, min(table.header_rows, last) - first)
    return replace(table, rows=rows, header_rows=header, numbers=table.numbers[first:last])


def split(draft: Draft) -> Iterator[tuple[int, int]]:
    """Cut the text into sections of at most SECTION_MOST characters, at breaks, headings or the best end before.

    Every character is in exactly one section; blanks alone are none, but stay in front of what follows. A table stays
    whole and makes its section longer, up to TABLE_MOST; a longer one is cut between rows.
    """
    majors = [offset for offset, level, _ in draft.headings if level <= MAJOR]
    written = len(draft.text.rstrip())
    begin = start = 0
    while start < written:
        start = _section_end(draft, start, majors)
        if not draft.text[begin:start].isspace():
            yield begin, (len(draft.text) if start >= written else start)
            begin = start


def _section_end(draft: Draft, start: int, majors: list[int]) -> int:
    text, full = draft.text, start + SECTION_MOST
    limit = min(full, len(text), _first(draft.breaks, start + 1))
    major = _first(majors, start + SECTION_LEAST)
    if major < limit:
        return major
    if limit < full:
        return limit
    end = start + _best_end(text[start:full])
    crossed = _touching(draft.tables, end - 1, end + 1, _table_span)
    if not crossed or not (crossed[-1].rows[0][0][0] < end < crossed[-1].rows[-1][-1][1]):
        return end
    return _end_at_table(draft, crossed[-1], start)


def _end_at_table(draft: Draft, table: Table, start: int) -> int:
    """Where a section ends that would have ended inside a table: behind it, before it or, if it is long, at a row."""
    text, after = draft.text, _table_span(table)[1]
    first = _line_start(text, table.rows[0])
    if after - start <= WITH_TABLE_MOST or (after - first <= TABLE_MOST and first - start < SECTION_LEAST):
        newlines = _NEWLINES.match(text, after)
        return newlines.end() if newlines else after
    if first - start >= SECTION_LEAST:
        return min(first, _first([offset for offset, _, _ in draft.headings], start + SECTION_LEAST))
    row = max(1, bisect_right(table.rows, start + WITH_TABLE_MOST, key=_row_offset) - 1)
    while row < len(table.rows) and _line_start(text, table.rows[row]) <= start:
        row += 1
    end = _line_start(text, table.rows[row]) if row < len(table.rows) else after
    return min(end, start + TABLE_MOST)


def _line_start(text: str, row: list[Span]) -> int:
    return text.rfind("\n", 0, row[0][0]) + 1


def _first(offsets: list[int], least: int) -> int:
    at = bisect_left(offsets, least)
    return offsets[at] if at < len(offsets) else sys.maxsize


def _best_end(window: str) -> int:
    for pattern in _ENDS:
        ends = [match.end() for match in pattern.finditer(window, len(window) // 2)]
        if ends:
            return ends[-1]
    return len(window)
