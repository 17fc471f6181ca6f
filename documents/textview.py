"""A page's text as it is shown: headings, tables and running text, with the words that are lit. Pure.

The text is the truth. Every letter of it is shown once and in its order; what structure is known is drawn round it, and
structure that does not agree with the text is left out. What Markdown writes to mark that structure is not shown.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

Span = tuple[int, int]

# What parts the cells and rows of a table in its text; in Markdown a line of dashes too, which is no row to a reader.
GAP = re.compile(r"[\s|]*(?:\n(?=[^\n]*\|)[ \t|:-]+\n[\s|]*)?")
BEFORE_ROW, AFTER_ROW = re.compile(r"[ \t]*\|[ \t]*"), re.compile(r"[ \t|]*")  # bars at the borders of its lines
BLANK_LINES = re.compile(r"(?:[^\S\r\n]*(?:\r\n|\r|\n))+")
PARAGRAPHS = re.compile(r"\n\s*\n")
RAN_OUT = re.compile(r"^(?!#|[ \t]*\|)([^\n|]*[^\n|\s])[ \t]*\n(?=\0?[^\n#|\s\0])", re.M)  # a line of text
HASHES = re.compile(r"(?:^|(?<=\0))#{1,6}[ \t]+(?=\S)", re.M)  # before a heading of Markdown
DASHES = re.compile(r"^[ \t]*\|[ \t:|-]*-{3,}[ \t:|-]*(?:\n|\Z)", re.M)  # under the header of one of its tables
BARS = re.compile(r"^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*$", re.M)  # at the borders of its rows
LINE_END = re.compile(r"\r\n|\r|\n")
HEADING_LINES_MOST = 4
BESIDE_TITLE = 12  # letters that may stand beside a title in its line, such as its number
LEVELS_MOST = 5


@dataclass(frozen=True)
class Piece:
    """A stretch of the text that is drawn in one way."""

    text: str
    marks: tuple[int, ...] = ()  # the numbers of the marks it is lit for: one may lie in another
    withheld: str = ""  # why answers may not use it

    @property
    def mark(self) -> int | None:
        return self.marks[0] if self.marks else None


@dataclass(frozen=True)
class Stretch:
    """Pieces that lie in the passage, or outside of it. The margin's line runs from its first to its last."""

    pieces: list[Piece]
    in_passage: bool = False
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class Cell:
    stretches: list[Stretch]
    is_header: bool = False  # An empty one heads nothing.

    @property
    def is_lit(self) -> bool:
        return any(piece.mark is not None for stretch in self.stretches for piece in stretch.pieces)


@dataclass(frozen=True)
class Row:
    cells: list[Cell]
    number: int | None = None  # of a sheet


@dataclass(frozen=True)
class Block:
    """A heading (level 1 to 5, by how many it lies under on this page), a table (rows), or running text."""

    stretches: list[Stretch] = field(default_factory=list)
    level: int = 0
    rows: list[Row] = field(default_factory=list)
    header_rows: int = 0
    columns: list[str] = field(default_factory=list)  # the letters over a sheet's columns
    name: str = ""


def blocks(
    text: str,
    *,
    headings: Sequence[Sequence] = (),
    tables: Sequence[dict] = (),
    marks: Sequence[Span] = (),
    passage: Span | None = None,
    findings: Sequence[Sequence] = (),
) -> list[Block]:
    """What a page shows, top to bottom. Headings, tables and findings come as documents.models.Page keeps them.

    >>> [(block.level, len(block.rows)) for block in blocks("Rent\\nItem | Due\\nHeat | May", headings=[[0, 1, "Rent"]],
    ...     tables=[{"rows": [[[5, 9], [12, 15]], [[16, 20], [23, 26]]]}])]
    [(1, 0), (0, 2)]
    """
    drawing = _Drawing(text, marks, passage, findings)
    found: list[_Heading | _Table] = [*_tables(text, tables), *_headings(text, headings)]
    shown, at = [], 0
    levels: list[int] = []  # of the headings that the one at hand lies under
    for part in sorted(found, key=lambda part: part.start):
        if part.start < at:
            continue  # It overlaps what is drawn already: its letters stand there.
        shown += _running(drawing, at, part.start)
        if isinstance(part, _Heading):
            levels = [*(level for level in levels if level < part.level), part.level]
            shown.append(_heading(drawing, part, len(levels)))
        else:
            shown.append(_table(drawing, part))
        at = part.end
    return shown + _running(drawing, at, len(text))


def column_name(number: int) -> str:
    """
    >>> column_name(1), column_name(26), column_name(27), column_name(16384)
    ('A', 'Z', 'AA', 'XFD')
    """
    name = ""
    while number > 0:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def quoted(text: str) -> str:
    """A stretch of a page as words in a quotation: without what Markdown marks headings and tables by.

    Headings, rows and paragraphs keep a line of their own; where a line only ran out of room, the text runs on. It may
    be parted by NULs, which stay.

    >>> quoted("## Leave\\nTwo days\\neach.\\n\\n| Reason | Days |\\n|---|---|\\n| Moving | 1 |")
    'Leave\\nTwo days each.\\nReason | Days\\nMoving | 1'
    """
    text = PARAGRAPHS.sub("\n", RAN_OUT.sub(r"\1 ", text))
    return HASHES.sub("", BARS.sub("", DASHES.sub("", text)))


class _Drawing:
    """The text cut at every border of a mark, the passage or a finding."""

    def __init__(self, text: str, marks: Sequence[Span], passage: Span | None, findings: Sequence[Sequence]) -> None:
        self.text, self.marks, self.passage = text, marks, passage
        self.findings = sorted((start, end, reason) for start, end, _, reason in findings)
        spans = [*marks, *([passage] if passage else []), *((start, end) for start, end, _ in self.findings)]
        self.cuts = sorted({place for span in spans for place in span})
        inside = _trimmed(text, *passage) if passage else (0, 0)
        hashes = HASHES.match(text, inside[0])
        self.first, self.last = hashes.end() if hashes else inside[0], inside[1] - 1

    def stretches(self, start: int, end: int) -> list[Stretch]:
        """The letters from start to end, as they are drawn."""
        inner = self.cuts[bisect_right(self.cuts, start) : bisect_right(self.cuts, end)]
        borders = [start, *(cut for cut in inner if cut < end), end]
        found = [pair for pair in pairwise(borders) if pair[0] < pair[1]]
        return [self._stretch(list(group), lies) for lies, group in groupby(found, self._lies_in_passage)]

    def _lies_in_passage(self, span: Span) -> bool:
        return self.passage is not None and self.passage[0] <= span[0] and span[1] <= self.passage[1]

    def _stretch(self, spans: list[Span], in_passage: bool) -> Stretch:
        start, end = spans[0][0], spans[-1][1]
        return Stretch(
            [self._piece(*span) for span in spans],
            in_passage,
            in_passage and start <= self.first < end,
            in_passage and start <= self.last < end,
        )

    def _piece(self, start: int, end: int) -> Piece:
        marks = tuple(n for n, (first, last) in enumerate(self.marks) if first <= start and end <= last)
        why = next((why for first, last, why in self.findings if first <= start and end <= last), "")
        return Piece(self.text[start:end], marks, why)


@dataclass(frozen=True)
class _Heading:
    start: int
    end: int
    level: int


@dataclass(frozen=True)
class _Table:
    start: int
    end: int
    rows: list[list[Span]]  # every letter of the table lies in one of them, but for what parts them
    table: dict


def _running(drawing: _Drawing, start: int, end: int) -> list[Block]:
    """The text between two parts, without the empty lines at its borders; nothing when it is blank."""
    if lines := BLANK_LINES.match(drawing.text, start, end):
        start = lines.end()
    end = start + len(drawing.text[start:end].rstrip())
    return [Block(drawing.stretches(start, end))] if start < end else []


def _heading(drawing: _Drawing, heading: _Heading, depth: int) -> Block:
    start, end = _trimmed(drawing.text, heading.start, heading.end)
    if hashes := HASHES.match(drawing.text, start):
        start = hashes.end()
    return Block(drawing.stretches(start, end), level=min(depth, LEVELS_MOST))


def _table(drawing: _Drawing, found: _Table) -> Block:
    header_rows = min(found.table.get("header_rows", 0), len(found.rows))
    numbers = found.table.get("numbers") or []
    first = found.table.get("first_column") or 1
    rows = [
        Row(
            [
                Cell(drawing.stretches(*span), index < header_rows and bool(drawing.text[slice(*span)].strip()))
                for span in row
            ],
            numbers[index] if index < len(numbers) else None,
        )
        for index, row in enumerate(found.rows)
    ]
    width = max(len(row.cells) for row in rows)
    columns = [column_name(first + offset) for offset in range(width)] if numbers else []
    return Block(rows=rows, header_rows=header_rows, columns=columns, name=found.table.get("name", ""))


def _tables(text: str, tables: Sequence[dict]) -> Iterator[_Table]:
    for table in tables:
        rows = [[(start, end) for start, end in row] for row in table["rows"] if row]
        filled = [span for row in rows for span in row if span[0] < span[1]]
        agrees = all(0 <= start < end <= len(text) for start, end in filled)
        if not filled or not agrees or any(last > first for (_, last), (first, _) in pairwise(filled)):
            continue  # Its cells are not in the order of the text.
        start, end = filled[0][0], filled[-1][1]
        if BEFORE_ROW.fullmatch(text, line := _line_start(text, start), start):
            start = line
        after = AFTER_ROW.match(text, end)
        yield _Table(start, after.end() if after else end, _without_gaps(text, rows, filled), table)


def _without_gaps(text: str, rows: list[list[Span]], filled: list[Span]) -> list[list[Span]]:
    """Letters that stand between two cells go to the first of them: none may be lost."""
    longer = {
        span: (span[0], following[0])
        for span, following in pairwise(filled)
        if not GAP.fullmatch(text, span[1], following[0])
    }
    return [[longer.get(span, span) if span[0] < span[1] else (span[0], span[0]) for span in row] for row in rows]


def _headings(text: str, headings: Sequence[Sequence]) -> Iterator[_Heading]:
    """Headings whose title stands in the line they point to, or goes on over the next few."""
    for offset, level, title in headings:
        wanted = _plain(title)
        start = end = _line_start(text, min(offset, len(text)))
        for _ in range(HEADING_LINES_MOST):
            end = _line_end(text, end)
            stands = _plain(text[start:end])
            if wanted and wanted in stands and len(stands) <= len(wanted) + BESIDE_TITLE:
                yield _Heading(start, end, level)
                break
            if end == len(text) or not wanted.startswith(stands):
                break
            end = LINE_END.match(text, end).end()  # type: ignore[union-attr]


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _line_end(text: str, offset: int) -> int:
    end = LINE_END.search(text, offset)
    return end.start() if end else len(text)


def _plain(text: str) -> str:
    """Letters and figures alone, so that marks of a format and breaks of a line make no difference."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _trimmed(text: str, start: int, end: int) -> Span:
    stretch = text[start:end]
    return start + len(stretch) - len(stretch.lstrip()), start + len(stretch.rstrip())
