"""What is painted on a PDF's page, and where its letters stand, asked of PDFium for many objects at once.

A page has hundreds of objects. Here pointers are made once, functions that are called often know no types to turn
arguments into, and the loops run in C, which is several times as fast as the same calls one by one.
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, repeat, starmap
from typing import Any, NamedTuple

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.extraction.pdf.handles import NUMBER, POINTER, address, plain, pointer

OBJECTS_MOST = 50_000  # a page; more are a drawing
DEPTH_MOST = 4  # forms inside forms
GROUND_LEAST = (6.0, 4.0)  # points; a smaller thing is a line, not a ground
ASKED_MOST = 100  # objects, before it is quicker to look at every letter
TEXT, PATH, IMAGE, SHADING, FORM = range(1, 6)  # PDFium's kinds of objects
NO_TEXT, INVISIBLE = -1, 3  # its render modes

_object = plain(raw.FPDFPage_GetObject, POINTER)
_form_object = plain(raw.FPDFFormObj_GetObject, POINTER, POINTER, ctypes.c_ulong)
_form_count = plain(raw.FPDFFormObj_CountObjects, NUMBER, POINTER)
_kind = plain(raw.FPDFPageObj_GetType, NUMBER)
_mode = plain(raw.FPDFTextObj_GetTextRenderMode, NUMBER)
_fill = plain(raw.FPDFPageObj_GetFillColor, NUMBER)
_bounds = plain(raw.FPDFPageObj_GetBounds, NUMBER)
_matrix = plain(raw.FPDFPageObj_GetMatrix, NUMBER)
_draw_mode = plain(raw.FPDFPath_GetDrawMode, NUMBER)
_segment_count = plain(raw.FPDFPath_CountSegments, NUMBER, POINTER)
_segment = plain(raw.FPDFPath_GetPathSegment, POINTER, POINTER, NUMBER)
_segment_kind = plain(raw.FPDFPathSegment_GetType, NUMBER, POINTER)
_segment_point = plain(raw.FPDFPathSegment_GetPoint, NUMBER, POINTER, POINTER, POINTER)
_segment_closes = plain(raw.FPDFPathSegment_GetClose, NUMBER, POINTER)
_font_size = plain(raw.FPDFTextObj_GetFontSize, NUMBER)
_object_text = plain(raw.FPDFTextObj_GetText, ctypes.c_ulong, POINTER, POINTER, POINTER, ctypes.c_ulong)
_owner = plain(raw.FPDFText_GetTextObject, POINTER)
_letter_box = plain(raw.FPDFText_GetLooseCharBox, NUMBER)

# Room for what is answered: four numbers for each object of a batch, and a pointer to each number.
BATCH, RECORD = 256, 16
_room = ctypes.create_string_buffer(BATCH * RECORD)
_answers = memoryview(_room).cast("B")
_places = [[ctypes.byref(_room, start + 4 * part) for start in range(0, BATCH * RECORD, RECORD)] for part in range(4)]


def _asked(function: Callable[..., Any], form: str, unanswered: bytes, given: Sequence[Any], *before: Any) -> list[Any]:
    """The four numbers of each that is given: the function's last arguments are where it puts them."""
    found: list[Any] = []
    pointers = _places[:1] if before else _places
    for start in range(0, len(given), BATCH):
        batch = given[start : start + BATCH]
        size = RECORD * len(batch)
        _answers[:size] = unanswered * len(batch)
        deque(map(function, *map(repeat, before), batch, *pointers), maxlen=0)
        found += struct.iter_unpack(form, _answers[:size])
    return found


class Area(NamedTuple):
    """In the page's own points, from below."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.top - self.bottom

    def touches(self, other: Area) -> bool:
        return self[0] <= other[2] and other[0] <= self[2] and self[1] <= other[3] and other[1] <= self[3]

    def shared(self, other: Area) -> float:
        """How much of this area lies in the other, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        whole = max(self.width, 0.01) * max(self.height, 0.01)
        return min(1.0, max(0.0, width) * max(0.0, height) / whole)

    def moved(self, matrix: Matrix) -> Area:
        a, b, c, d, e, f = matrix
        corners = [(x, y) for x in (self.left, self.right) for y in (self.bottom, self.top)]
        xs, ys = [a * x + c * y + e for x, y in corners], [b * x + d * y + f for x, y in corners]
        return Area(min(xs), min(ys), max(xs), max(ys))


Sides = tuple[float, float, float, float]  # an Area's, where there are too many to make each an Area
Colour = tuple[int, int, int, int]  # red, green, blue, opacity
Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1, 0, 0, 1, 0, 0)
_BLACK = struct.pack("4I", 0, 0, 0, 255)


class Painted:
    """The objects of a page in the order they are painted, forms taken apart; an object is known by its place."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        handle, count = address(page.raw), min(raw.FPDFPage_CountObjects(page.raw), OBJECTS_MOST)
        self.handles: list[int] = list(map(_object, repeat(pointer(handle), count), range(count)))
        self._pointers = list(map(pointer, self.handles))
        self.modes: list[int] = list(map(_mode, self._pointers))  # render modes of text; NO_TEXT for all else
        self.matrices: dict[int, Matrix] = {}  # of the forms that objects stand in
        if FORM in self.kinds.values():
            found = list(islice(_apart(self.handles, _SAME, 0), OBJECTS_MOST))
            self.handles = [handle for handle, _ in found]
            self._pointers = list(map(pointer, self.handles))
            self.modes = list(map(_mode, self._pointers))
            self.matrices = {at: matrix for at, (_, matrix) in enumerate(found) if matrix is not _SAME}
            for name in ("others", "kinds"):
                self.__dict__.pop(name, None)

    @cached_property
    def others(self) -> list[int]:
        """What is no text."""
        return [at for at, mode in enumerate(self.modes) if mode == NO_TEXT]

    @cached_property
    def kinds(self) -> dict[int, int]:
        """What each of the others is."""
        return dict(zip(self.others, map(_kind, [self._pointers[at] for at in self.others]), strict=True))

    @cached_property
    def texts(self) -> list[int]:
        return (
            [at for at, mode in enumerate(self.modes) if mode != NO_TEXT] if self.others else [*range(len(self.modes))]
        )

    @cached_property
    def text_colours(self) -> list[Colour]:
        return self.colours(self.texts)

    @cached_property
    def boxes(self) -> dict[int, Sides]:
        """Where the others are."""
        return dict(zip(self.others, self.sides(self.others), strict=True))

    @cached_property
    def grounds(self) -> list[tuple[int, Area]]:
        """What is large enough for a text to stand on, or to lie under; the last painted first."""
        width, height = GROUND_LEAST
        return [
            (at, Area(left, bottom, right, top))
            for at, (left, bottom, right, top) in reversed(self.boxes.items())
            if right - left > width and top - bottom > height
        ]

    def areas(self, places: Sequence[int]) -> list[Area]:
        return list(starmap(Area, self.sides(places)))

    def sides(self, places: Sequence[int]) -> list[Sides]:
        sides: list[Sides] = _asked(_bounds, "4f", bytes(RECORD), [self._pointers[at] for at in places])
        if self.matrices:
            matrices = (self.matrices.get(at, _SAME) for at in places)
            return [Area(*each).moved(matrix) for each, matrix in zip(sides, matrices, strict=True)]
        return sides

    def colours(self, places: Sequence[int]) -> list[Colour]:
        """What they are filled with."""
        return _asked(_fill, "4I", _BLACK, [self._pointers[at] for at in places])

    def is_drawn(self, at: int) -> tuple[bool, bool]:
        """Whether a path is filled, and whether its outline is drawn."""
        _answers[:8] = bytes(8)
        _draw_mode(self._pointers[at], _places[0][0], _places[1][0])
        filled, outlined = struct.unpack_from("2i", _answers)
        return filled != 0, outlined != 0

    def lines(self, at: int, most: int = 400) -> list[tuple[float, float, float, float]]:
        """A path's straight lines as x, y to x, y; [] when it has more than `most` or anything bent."""
        handle = self.handles[at]
        count = _segment_count(handle)
        if not 1 < count <= most:
            return []
        point = (ctypes.c_float * 2)()
        start = ctypes.addressof(point)
        a, b, c, d, e, f = _product(_matrix_of(handle), self.matrices.get(at, _SAME))
        found, first, last = [], (0.0, 0.0), (0.0, 0.0)
        for number in range(count):
            segment = _segment(handle, number)
            _segment_point(segment, start, start + 4)
            x, y = point[:]
            here = (a * x + c * y + e, b * x + d * y + f)
            kind = _segment_kind(segment)
            if kind == raw.FPDF_SEGMENT_BEZIERTO:
                return []
            if kind == raw.FPDF_SEGMENT_MOVETO:
                first = here
            else:
                found.append((*last, *here))
            last = here
            if _segment_closes(segment):
                found.append((*last, *first))
                last = first
        return found

    def size(self, at: int) -> float:
        """How large a text is set, in points."""
        _answers[:4] = bytes(4)
        _font_size(self._pointers[at], _places[0][0])
        (size,) = struct.unpack_from("f", _answers)
        _, _, c, d, _, _ = _product(_matrix_of(self.handles[at]), self.matrices.get(at, _SAME))
        return abs(size) * math.hypot(c, d)


class Letters:
    """Where the letters of a page stand, by PDFium's index of them."""

    def __init__(self, textpage: pdfium.PdfTextPage) -> None:
        self._handle = pointer(address(textpage.raw))
        self._textpage = textpage
        self._buffer = ctypes.create_string_buffer(1_024)

    def are_all_in(self, area: Area) -> bool:
        within = raw.FPDFText_GetBoundedText(self._textpage, area.left, area.top, area.right, area.bottom, None, 0)
        return within >= self._textpage.count_chars()

    def areas(self, indices: Sequence[int]) -> list[Area]:
        """Their boxes, as high as their font."""
        return [Area(left, bottom, right, top) for left, top, right, bottom in self.boxes(indices)]

    def boxes(self, indices: Sequence[int]) -> list[Sides]:
        """The same as PDFium has them: left, top, right, bottom."""
        return _asked(_letter_box, "4f", bytes(RECORD), indices, self._handle)

    def of_objects(self, handles: Sequence[int], text: str) -> dict[int, list[tuple[int, int]]]:
        """The spans of these objects' letters in the page's text as PDFium has it."""
        if len(handles) > ASKED_MOST:
            return self._scattered(handles, text)
        found = {handle: self._whole(handle, text) for handle in handles}
        missing = [handle for handle, spans in found.items() if not spans]
        return found | (self._scattered(missing, text) if missing else {})

    def _whole(self, handle: int, text: str) -> list[tuple[int, int]]:
        """The one span of an object whose letters stand together, as nearly all do."""
        piece = self._text_of(handle)
        start = text.find(piece) if piece else -1
        for _ in range(ASKED_MOST):
            end = start + len(piece)
            if start < 0:
                break
            if _owner(self._handle, start) == handle and _owner(self._handle, end - 1) == handle:
                return [(start, end)]
            start = text.find(piece, start + 1)
        return []

    def _text_of(self, handle: int) -> str:
        size = _object_text(handle, self._handle, ctypes.addressof(self._buffer), len(self._buffer))
        if size > len(self._buffer):
            self._buffer = ctypes.create_string_buffer(size)
            return self._text_of(handle)
        return self._buffer.raw[:size].decode("utf-16-le", "surrogatepass").split("\0")[0].strip()

    def _scattered(self, handles: Sequence[int], text: str) -> dict[int, list[tuple[int, int]]]:
        found: dict[int, list[tuple[int, int]]] = {handle: [] for handle in handles}
        for index, owner in enumerate(map(_owner, repeat(self._handle), range(len(text)))):
            if owner in found:
                found[owner].append((index, index + 1))
        return {handle: joined(spans) for handle, spans in found.items()}


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, those that touch as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _apart(handles: Iterable[int], matrix: Matrix, depth: int) -> Iterator[tuple[int, Matrix]]:
    """The objects, those of a form in its place, each with what moves it to where it is shown."""
    for handle in handles:
        if _kind(pointer(handle)) != FORM:
            yield handle, matrix
        elif depth < DEPTH_MOST:
            inner = (_form_object(handle, number) for number in range(min(max(0, _form_count(handle)), OBJECTS_MOST)))
            yield from _apart(filter(None, inner), _product(_matrix_of(handle), matrix), depth + 1)


def _matrix_of(handle: int) -> Matrix:
    return struct.unpack_from("6f", _answers) if _matrix(pointer(handle), _places[0][0]) else _SAME


def _product(first: Matrix, second: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    g, h, i, j, k, m = second
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)
