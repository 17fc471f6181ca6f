"""Tables as text (csv): whatever parts the cells, each record becomes a line of a table."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator

from documents.extraction.drafts import cleaned, counted
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order
from documents.extraction.sheets import Row, in_ranges
from documents.extraction.text import decode

DELIMITERS = "\t;|,"  # where two do equally well, the first is meant
SAMPLE = 65_536  # characters
CELL_MOST = 131_072  # characters; a longer one is a quotation mark that was never closed
COLUMNS_MOST = 1_000
TOO_WIDE = f"The file has rows of more than {COLUMNS_MOST:,} cells; those after them were left out."
TOO_LONG = f"The file has cells of more than {CELL_MOST:,} letters; their ends were left out."
UNCLOSED = "A quotation mark in the file is never closed, so quotation marks were read as letters."


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    text, warnings = decode(order.path.read_bytes())
    text, taken_out = cleaned(text)
    first, delimiter = _declared(text)
    is_quoted = _is_quoted(text, delimiter or sniffed(text[:SAMPLE]))
    delimiter = delimiter or sniffed(text[:SAMPLE], is_quoted=is_quoted)
    if not is_quoted:
        warnings.append(UNCLOSED)
    yield ExtractedDocument(warnings=list(warnings))
    rows = _rows(text, first, delimiter, is_quoted, warnings)
    for page in counted(in_ranges(rows), order, warnings):
        page.cleaned, taken_out = taken_out, 0
        yield page
    yield ExtractedDocument(warnings=warnings)


def sniffed(sample: str, *, is_quoted: bool = True) -> str:
    """The sign that parts the cells: the one by which most records have equally many of them.

    >>> sniffed("Name;Price\\nTea;1,50\\nBread;2,20"), sniffed("one\\ntwo")
    (';', ',')
    """
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        counts = Counter(len(row) for row in _parsed(sample, 0, delimiter, is_quoted) if row)
        if not counts:
            continue
        (columns, rows), *_ = sorted(counts.items(), key=lambda item: (-item[1], -item[0]))
        score = rows / counts.total() + min(columns, 50) / 1_000 if columns > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _declared(text: str) -> tuple[int, str]:
    """Where the records begin, and what the first line says parts them: some programs write "sep=;" there."""
    line, _, _ = text[:10].partition("\n")
    return (len(line) + 1, line[4]) if len(line) == 5 and line.lower().startswith("sep=") else (0, "")


def _is_quoted(text: str, delimiter: str) -> bool:
    """Whether quotation marks hold cells together: not when one is never closed and swallows what follows it."""
    if '"' not in text:
        return True
    try:
        last = deque(_parsed(text, 0, delimiter, True), maxlen=1)
    except csv.Error:
        return False
    return text.count('"') % 2 == 0 or not any("\n" in cell.rstrip("\n") for row in last for cell in row)


def _rows(text: str, start: int, delimiter: str, is_quoted: bool, warnings: list[str]) -> Iterator[Row]:
    for number, cells in enumerate(_parsed(text, start, delimiter, is_quoted), 1):
        if len(cells) > COLUMNS_MOST and TOO_WIDE not in warnings:
            warnings.append(TOO_WIDE)
        cells = cells[:COLUMNS_MOST]
        if max(map(len, cells), default=0) > CELL_MOST and TOO_LONG not in warnings:
            warnings.append(TOO_LONG)
        cells = [" ".join(cell[:CELL_MOST].split()) for cell in cells]
        if any(cells):
            yield number, cells


def _parsed(text: str, start: int, delimiter: str, is_quoted: bool) -> Iterator[list[str]]:
    csv.field_size_limit(CELL_MOST if is_quoted and '"' in text else len(text) + 1)
    lines, skips = _lines(text, start), delimiter != "\t"
    if is_quoted:
        return csv.reader(lines, delimiter=delimiter, skipinitialspace=skips)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=skips, quoting=csv.QUOTE_NONE)


def _lines(text: str, start: int) -> Iterator[str]:
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end
