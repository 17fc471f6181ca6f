"""Text of a PDF's page that nobody sees who reads the page.

What could be hidden is found by what PDFium knows of each object: its colour, its size, its place. A text in the
colour of what it stands on is hidden; where that cannot be told from the objects, the page is drawn and looked at.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.extraction.pages import Span
from documents.extraction.pdf.objects import IMAGE, INVISIBLE, PATH, Area, Colour, Painted, joined
from documents.extraction.pdf.order import Flow

if TYPE_CHECKING:
    from PIL.Image import Image

OPAQUE = 250  # of 255
SMALLEST = 1.0  # point; what is set no larger cannot be read
LAYER_COVER = 0.5  # of the page: invisible text over images of this size is what was recognised on them
NEAR = 20  # steps of 255, in every colour: not told apart by an eye
GROUNDS_MOST = 400  # a page; where there are more, its drawing is asked
SHARE = 0.8  # of a text, which lies on or under something
DRAWN_SCALE = 2.0
DRAWN_MOST = 3_000  # pixels of the longer side
PAPER: Colour = (255, 255, 255, 255)
_CLEAR: Colour = (0, 0, 0, 0)
WHITE, SAME, SMALL, OUTSIDE, UNSEEN, COVERED = (
    "white on white",
    "the colour of its background",
    "smaller than 1 point",
    "outside the page",
    "invisible",
    "covered",
)


def hidden(
    page: pdfium.PdfPage, sheet: Area, painted: Painted, flow: Flow, images: float
) -> list[tuple[int, int, str]]:
    """The spans nobody sees and why, in the text as PDFium orders it. `images`: how much of the sheet images cover."""
    text, letters = flow.text, flow.letters
    reasons = {painted.handles[at]: reason for at, reason in _Looking(page, sheet, painted, images).found(flow)}
    by_reason: dict[str, list[Span]] = {}
    for handle, found in letters.of_objects([*reasons], text).items():
        by_reason.setdefault(reasons[handle], []).extend(found)
    spans = [(*span, reason) for reason, found in by_reason.items() for span in _over_blanks(joined(found), text)]
    return sorted(spans)


def _over_blanks(spans: list[Span], text: str) -> list[Span]:
    """Spans with nothing but blanks between them as one."""
    found: list[Span] = []
    for start, end in spans:
        if found and not text[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


class _Looking:
    """One page under inspection: what there is to doubt, and what its drawn pixels say of that."""

    def __init__(self, page: pdfium.PdfPage, sheet: Area, painted: Painted, images: float) -> None:
        self.page, self.sheet, self.painted = page, sheet, painted
        self.is_layer = images >= LAYER_COVER
        self.grounds = painted.grounds
        self._coverings = self.grounds[:GROUNDS_MOST]
        self._likes: dict[Colour, list[Area]] = {}
        paths = [at for at, _ in self.grounds if painted.kinds[at] == PATH]
        self.fills = dict(zip(paths, painted.colours(paths), strict=True))

    def found(self, flow: Flow) -> Iterator[tuple[int, str]]:
        """The texts nobody sees, by their places, and why."""
        painted = self.painted
        doubtful = self._doubtful_colours()
        suspects, colours = painted.texts, painted.text_colours
        if INVISIBLE not in painted.modes and flow.letters.are_all_in(self.sheet) and not _has_small_lines(flow):
            # Nearly always; then few are left to look at.
            cover = self.grounds[0][0] if self.grounds else -1  # What is painted before it may be covered.
            if suspects and (doubtful or suspects[0] < cover):
                wanted = [at < cover or colour in doubtful for at, colour in zip(suspects, colours, strict=True)]
                suspects, colours = list(compress(suspects, wanted)), list(compress(colours, wanted))
            else:
                return
        for at, area, colour in zip(suspects, painted.areas(suspects), colours, strict=True):
            if reason := self._reason(at, area, colour, colour in doubtful):
                yield at, reason

    def _reason(self, at: int, area: Area, colour: Colour, is_doubtful: bool) -> str:
        left, bottom, right, top = area
        if right <= left and top <= bottom:  # Blanks.
            return ""
        if not area.touches(self.sheet):
            return OUTSIDE
        if self.painted.modes[at] == INVISIBLE:
            return "" if self.is_layer else UNSEEN
        if top - bottom < SMALLEST and self.painted.size(at) <= SMALLEST:
            return SMALL
        return (self._lost(at, area, colour) if is_doubtful else "") or self._covered(at, area)

    def _doubtful_colours(self) -> set[Colour]:
        """Those of texts which something else on the page has too, be it the paper; and those one sees through."""
        papers, colours = {PAPER, *self.fills.values()}, set(self.painted.text_colours)
        return {own for own in colours if own[3] < NEAR or any(_is_near(own, paper) for paper in papers)}

    def _lost(self, at: int, area: Area, own: Colour) -> str:
        """Why a text of doubtful colour is not seen; "" when it is."""
        if own[3] < NEAR:
            return UNSEEN
        if not _is_near(own, PAPER) and not any(area.touches(alike) for alike in self._alike(own)):
            return ""
        if len(self.grounds) > GROUNDS_MOST:
            return SAME if self._looks_empty(area) else ""
        for ground, under in self.grounds:
            if ground > at or not area.touches(under):
                continue
            fill = self._fill(ground)
            if fill is _CLEAR:
                continue
            if fill is None or area.shared(under) < SHARE:
                return SAME if self._looks_empty(area) else ""
            return SAME if _is_near(own, fill) else ""
        return WHITE if _is_near(own, PAPER) else ""

    def _alike(self, colour: Colour) -> list[Area]:
        """The grounds of about this colour, and the pictures, whose colour is not known."""
        if colour not in self._likes:
            self._likes[colour] = [
                area
                for at, area in self.grounds
                if at not in self.fills or self.fills[at][3] <= OPAQUE or _is_near(colour, self.fills[at])
            ]
        return self._likes[colour]

    def _covered(self, at: int, area: Area) -> str:
        left, bottom, right, top = area
        for ground, over in self._coverings:
            if ground < at:
                break
            low_x, low_y, high_x, high_y = over
            if left > high_x or low_x > right or bottom > high_y or low_y > top:
                continue  # Nearly always, and there may be many; so the question is not asked of the area.
            if area.shared(over) >= SHARE and self._fill(ground) is not _CLEAR:
                return COVERED if self._looks_empty(area) else ""
        return ""

    def _fill(self, ground: int) -> Colour | None:
        """What colour it is; None when it is a picture or lets something through, _CLEAR when it is but an outline."""
        if ground not in self.fills:
            return None
        if not self.painted.is_drawn(ground)[0]:
            return _CLEAR
        colour = self.fills[ground]
        return colour if colour[3] > OPAQUE else None

    def _looks_empty(self, area: Area) -> bool:
        """Whether the page, as it is drawn, shows one colour there."""
        width, height = self._drawing.size
        corners = self._pixel(area.left, area.bottom), self._pixel(area.right, area.top)
        (left, right), (top, bottom) = (sorted(values) for values in zip(*corners, strict=True))
        left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
        if right <= left or bottom <= top:
            return False
        bands = self._drawing.crop((left, top, right, bottom)).split()
        return all(max(shades) - min(shades) < NEAR for shades in (band.tobytes() for band in bands))

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        across, down = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(self.page, 0, 0, *self._drawing.size, 0, x, y, across, down)
        return across.value, down.value

    @cached_property
    def _drawing(self) -> Image:
        scale = min(DRAWN_SCALE, DRAWN_MOST / max(*self.page.get_size(), 1.0))
        return self.page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")


def _has_small_lines(flow: Flow) -> bool:
    """Whether a line begins with a letter so small that its text may have been scaled down."""
    return any(0 < top - bottom <= SMALLEST for _, _, bottom, top in flow.lines)


def _is_near(one: Colour, other: Colour) -> bool:
    return abs(one[0] - other[0]) < NEAR and abs(one[1] - other[1]) < NEAR and abs(one[2] - other[2]) < NEAR


def pictures(painted: Painted, sheet: Area) -> tuple[int, float]:
    """How many pictures are on the page, and how much of it images cover, 0 to 1; strips of one scan count together.

    What is smaller than a quarter of an inch is an ornament; what covers the page is the page itself.
    """
    whole = sheet.width * sheet.height
    count, covered = 0, 0.0
    for at in painted.others:
        if painted.kinds[at] != IMAGE:
            continue
        area = Area(*painted.boxes[at])
        share = sheet.shared(area)
        covered += share
        if share < SHARE and min(area.width, area.height) >= 18 and share > 0:
            count += 1
    return count, min(1.0, covered) if whole > 0 else 0.0
