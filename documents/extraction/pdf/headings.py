"""Where a PDF's headings stand in its text: by its outline, or else by how large its lines are set."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.extraction.pdf.handles import NUMBER, POINTER, address, plain, pointer

OUTLINE_MOST = 10_000  # entries
DEPTH_MOST = 8  # of them, one below the other
SAMPLE_PAGES = 20  # are looked at to learn how a document is set
TITLE_MOST = 120  # characters
LARGER = 1.15  # than the body
SHARE_MOST = 0.15  # of all characters; what is more common is no heading
PAGE_MOST = 12  # headings; a page with more is a table or a poster
LEVELS = 4

_LINE = re.compile(r"[^\r\n]+")
_WORD = re.compile(r"\w+")
_GAP = re.compile(r"\W{0,6}")
# Which of a target's numbers is its top, by the way it is to be shown.
_TOPS = {raw.PDFDEST_VIEW_XYZ: 1, raw.PDFDEST_VIEW_FITH: 0, raw.PDFDEST_VIEW_FITBH: 0, raw.PDFDEST_VIEW_FITR: 3}
_PAGE_NUMBER = re.compile(r"(page|seite|página|pagina|sida|side|strona)\s*\d", re.IGNORECASE)


class Heading(NamedTuple):
    """An entry of the outline; `top` is where it points on its page, in points from below, if it says so."""

    level: int
    title: str
    top: float | None


class Style(NamedTuple):
    size: float
    is_bold: bool


StyledLine = tuple[re.Match[str], Style]

_first_child = plain(raw.FPDFBookmark_GetFirstChild, POINTER)
_next_sibling = plain(raw.FPDFBookmark_GetNextSibling, POINTER)
_target = plain(raw.FPDFBookmark_GetDest, POINTER)
_target_page = plain(raw.FPDFDest_GetDestPageIndex, NUMBER)
_target_view = plain(raw.FPDFDest_GetView, ctypes.c_ulong)
_bookmark_title = plain(raw.FPDFBookmark_GetTitle, ctypes.c_ulong, POINTER, POINTER, ctypes.c_ulong)
_letter_matrix = plain(raw.FPDFText_GetMatrix, NUMBER)
_letter_size = plain(raw.FPDFText_GetFontSize, ctypes.c_double)
_letter_font = plain(raw.FPDFText_GetFontInfo, ctypes.c_ulong, POINTER, NUMBER, POINTER, ctypes.c_ulong, POINTER)
_letter_weight = plain(raw.FPDFText_GetFontWeight, NUMBER)

# Where PDFium puts what it is asked: to make these anew each time takes longer than to ask.
_matrix, _name, _flags = raw.FS_MATRIX(), ctypes.create_string_buffer(128), ctypes.c_int()
_matrix_place, _flags_place = ctypes.byref(_matrix), ctypes.byref(_flags)
_view, _view_size = (raw.FS_FLOAT * 4)(), ctypes.c_ulong()
_view_size_place = ctypes.byref(_view_size)


def outline(pdf: pdfium.PdfDocument, pages: Sequence[int]) -> dict[int, list[Heading]]:
    """The outline's entries by page, from 0: those of these pages, and at least one if there are any."""
    wanted = set(pages)
    entries: dict[int, list[Heading]] = defaultdict(list)
    document = pointer(address(pdf.raw))
    for bookmark, level in islice(_bookmarks(document), OUTLINE_MOST):
        target = pointer(_target(document, bookmark))
        page = _target_page(document, target)
        if page < 0 or (page not in wanted and entries):
            continue
        title = " ".join("".join(c for c in _title(bookmark) if c.isprintable()).split())
        if title:
            entries[page].append(Heading(level, title[:300], _top(target)))
    return dict(entries)


def _bookmarks(document: Any) -> Iterator[tuple[Any, int]]:
    """The outline's entries as they are read, each with its level from 1. One that comes again ends its level."""
    seen = set()

    def below(parent: Any, level: int) -> Iterator[tuple[Any, int]]:
        entry = _first_child(document, parent)
        while entry and entry not in seen:
            seen.add(entry)
            bookmark = pointer(entry)
            yield bookmark, level
            if level < DEPTH_MOST:
                yield from below(bookmark, level + 1)
            entry = _next_sibling(document, bookmark)

    return below(None, 1)


def _title(bookmark: Any) -> str:
    size = _bookmark_title(bookmark, None, 0)
    buffer = ctypes.create_string_buffer(size)
    _bookmark_title(bookmark, buffer, size)
    return buffer.raw[: size - 2].decode("utf-16-le", "surrogatepass")


def _top(target: Any) -> float | None:
    at = _TOPS.get(_target_view(target, _view_size_place, _view))
    return _view[at] or None if at is not None and _view_size.value > at else None


def place(entries: list[Heading], textpage: pdfium.PdfTextPage, text: str) -> list[tuple[int, int, str]]:
    """Find each title in the page's text: where its words stand, else at the place the outline points to."""
    found, after = [], 0
    lowered = text.lower() if entries else ""
    if len(lowered) != len(text):  # Few letters are as many in small.
        lowered = text
    for entry in entries:
        offsets = list(_occurrences(entry.title, lowered))
        whole = [offset for offset in offsets if not offset or text[offset - 1] in "\r\n"]
        offset = _nearest(whole or offsets, entry.top, after, textpage)
        if offset is None:
            offset = _line_below(entry.top, textpage, text) if entry.top is not None else after
        found.append((offset, entry.level, entry.title))
        after = max(after, offset)
    return sorted(found, key=lambda heading: heading[0])


def _occurrences(title: str, lowered: str) -> Iterator[int]:
    """Where the title's letters stand, with any blanks, line ends or marks between them: those may differ."""
    first, *others = _WORD.findall(title.lower()) or [""]
    start = lowered.find(first) if first else -1
    while start >= 0:
        end = start + len(first)
        for word in others:
            gap = _GAP.match(lowered, end)
            end = gap.end() if gap else end
            if not lowered.startswith(word, end):
                break
            end += len(word)
        else:
            if not _WORD.match(lowered, end):
                yield start
        start = lowered.find(first, start + 1)


def _nearest(offsets: list[int], top: float | None, after: int, textpage: pdfium.PdfTextPage) -> int | None:
    if not offsets:
        return None
    if top is None:
        return next((offset for offset in offsets if offset > after), offsets[0])
    return min(offsets[:50], key=lambda offset: abs(textpage.get_charbox(offset)[3] - top))


def _line_below(top: float, textpage: pdfium.PdfTextPage, text: str) -> int:
    for line in _LINE.finditer(text):
        if line[0].strip() and textpage.get_charbox(_first_letter(line))[3] <= top + 2:
            return line.start()
    return 0


def _first_letter(line: re.Match[str]) -> int:
    return line.start() + len(line[0]) - len(line[0].lstrip())


@dataclass
class Typography:
    """How a document is set: which styles are headings, at which level, and which lines are on every page."""

    body: Style
    levels: dict[Style, int]
    running: set[str]

    @classmethod
    def of(cls, samples: Iterable[tuple[str, Sequence[StyledLine]]]) -> Typography:
        """Learn it from the texts of some pages and their styled lines."""
        letters: Counter[Style] = Counter()
        lines: Counter[Style] = Counter()
        repeated: Counter[str] = Counter()
        pages = 0
        for text, styled in samples:
            pages += 1
            repeated.update({_without_numbers(line[0]) for line in _LINE.finditer(text)})
            for line, style in styled:
                letters[style] += len(line[0])
                lines[style] += 1
        running = {line for line, times in repeated.items() if times >= 3 and times > 0.3 * pages}
        body = max(letters, key=letters.__getitem__, default=Style(0, False))
        return cls(body, _levels(body, letters, lines), running)

    def headings(self, styled: Iterable[StyledLine]) -> list[tuple[int, int, str]]:
        found: list[tuple[int, int, str]] = []
        for line, style in styled if self.levels else ():
            title = " ".join(line[0].split())
            level = self.levels.get(style)
            is_field = ":" in title and style.size < LARGER * self.body.size  # "Name: value", the name in bold
            if level and _is_title(title) and not is_field and _without_numbers(title) not in self.running:
                found.append((line.start(), level, title))
        return found if len(found) <= PAGE_MOST else []


def _levels(body: Style, letters: Counter[Style], lines: Counter[Style]) -> dict[Style, int]:
    total = letters.total()
    styles = [
        style
        for style in letters
        if letters[style] <= SHARE_MOST * total
        and letters[style] <= lines[style] * TITLE_MOST / 2
        and (style.size >= LARGER * body.size or (style.is_bold and not body.is_bold and style.size >= body.size))
    ]
    ranked = sorted(styles, reverse=True)
    return {style: min(rank, LEVELS) for rank, style in enumerate(ranked, 1)}


def _is_title(line: str) -> bool:
    is_worded = any(letter.isalpha() for letter in line) and not _PAGE_NUMBER.match(line)
    return 2 < len(line) <= TITLE_MOST and line[-1] not in ".,;:" and is_worded


def _without_numbers(line: str) -> str:
    return re.sub(r"\d+", "0", " ".join(line.split()))


def styled_lines(textpage: pdfium.PdfTextPage, text: str) -> Iterator[StyledLine]:
    """Lines that are set in one style from the first letter to the last."""
    handle = pointer(address(textpage.raw))
    for line in _LINE.finditer(text):
        written = line[0]
        if bare := written.strip():
            first = line.start() + len(written) - len(written.lstrip())
            style = _style(handle, first)
            if style == _style(handle, first + len(bare) - 1):
                yield line, style


def _style(handle: Any, index: int) -> Style:
    scale = math.hypot(_matrix.c, _matrix.d) if _letter_matrix(handle, index, _matrix_place) else 0
    size = _letter_size(handle, index) * (scale or 1)
    _name.value = b""  # Where a name is too long, none is written.
    _letter_font(handle, index, _name, len(_name), _flags_place)
    return Style(round(size, 1), _letter_weight(handle, index) >= 600 or _is_heavy(_name.value))


@lru_cache(1_000)
def _is_heavy(font: bytes) -> bool:
    return re.search(rb"bold|black|heavy", font, re.IGNORECASE) is not None
