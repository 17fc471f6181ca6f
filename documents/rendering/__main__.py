"""The child process that draws: takes orders on standard input until it ends, one line and one answer each."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.extraction.limits import confine
from documents.extraction.pdf.extras import shown
from documents.rendering import SECONDS, Rect

MEMORY_BYTES = 2 * 2**30
PIXELS_MOST = 4_000  # of an image's longer side
QUALITY = 85
SAME_LINE = 0.5  # of the lower box's height must stand beside the other's
GAP_MOST = 1.2  # heights between two boxes that are still drawn as one

Box = tuple[float, float, float, float]  # left, top, right, bottom; from the top left


class RefusedError(Exception):
    """A sentence for a person: why there is nothing to draw."""


def answer(order: dict) -> bytes:
    with _opened(order["path"]) as pdf:
        number = order["page_number"]
        if not 1 <= number <= len(pdf):
            raise RefusedError(f"The file has no page {number}.")
        page = pdf[number - 1]
        match order["do"]:
            case "image":
                return image(page, order["scale"])
            case "size":
                return json.dumps(page.get_size()).encode()
            case _:
                return json.dumps(rectangles(page, order["spans"], order["runs"], order["boxes"])).encode()


def _opened(path: str) -> pdfium.PdfDocument:
    if not Path(path).is_file():
        raise RefusedError("The file is not there any more.")
    try:
        pdf = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as exc:
        if exc.err_code == raw.FPDF_ERR_PASSWORD:
            raise RefusedError("The file asks for a password, so its pages cannot be shown.") from exc
        raise
    if pdf.get_formtype() != raw.FORMTYPE_NONE:
        pdf.init_forms()  # Before any page is loaded; what was filled in is drawn too.
    return pdf


def image(page: pdfium.PdfPage, scale: float) -> bytes:
    longer = max(*page.get_size(), 1.0)
    bitmap = page.render(scale=min(scale, PIXELS_MOST / longer))
    out = io.BytesIO()
    bitmap.to_pil().convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def rectangles(
    page: pdfium.PdfPage,
    spans: Iterable[tuple[int, int]],
    runs: Sequence[tuple[int, int, int, int]],
    boxes: Sequence[tuple[int, int, float, float, float, float]],
) -> list[list[Rect]]:
    textpage = page.get_textpage()
    count = textpage.count_chars()
    # What has boxes stands behind PDFium's own text, so from the first of them on nothing else has a place.
    own = min((start for start, *_ in boxes), default=sys.maxsize)
    found = []
    for start, end in spans:
        places = [
            _corners(shown(page, textpage.get_rect(index)))
            for first, length in ranges(max(0, start), min(end, own), count, runs)
            for index in range(textpage.count_rects(first, length))
        ]
        places += [_corners(place) for first, after, *place in boxes if first < end and after > start]
        found.append(by_line(places))
    textpage.close()
    return found


def ranges(start: int, end: int, count: int, runs: Sequence[tuple[int, int, int, int]]) -> Iterator[tuple[int, int]]:
    """PDFium's characters (index, number), of `count`, that stand for this span of a text put together from runs.

    >>> list(ranges(2, 9, 100, [(0, 40, 4, 1), (4, 20, 4, -1)]))
    [(42, 2), (17, 4)]
    """
    for first, index, length, step in runs or [(0, 0, count, 1)]:
        letters = range(index, index + length * step, step)[max(0, start - first) : max(0, end - first)]
        together = [letters] if abs(step) == 1 else [range(letter, letter + 1) for letter in letters]
        for stretch in filter(None, together):
            least, most = max(0, min(stretch)), min(count - 1, max(stretch))
            if least <= most:
                yield least, most - least + 1


def _corners(place: Sequence[float]) -> Box:
    left, top, width, height = place
    return left, top, left + width, top + height


def by_line(boxes: Iterable[Box]) -> list[Rect]:
    """Join boxes that follow each other on a line with no more than a blank between them."""
    lines: list[Box] = []
    for box in boxes:
        if lines and _belong_together(lines[-1], box):
            left, top, right, bottom = lines[-1]
            lines[-1] = min(left, box[0]), min(top, box[1]), max(right, box[2]), max(bottom, box[3])
        else:
            lines.append(box)
    return [
        Rect(round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2))
        for left, top, right, bottom in lines
        if right > left and bottom > top
    ]


def _belong_together(one: Box, other: Box) -> bool:
    beside = min(one[3], other[3]) - max(one[1], other[1])
    heights = one[3] - one[1], other[3] - other[1]
    gap = max(one[0], other[0]) - min(one[2], other[2])
    return beside >= SAME_LINE * min(heights) and gap <= GAP_MOST * max(heights)


def serve() -> None:
    confine(MEMORY_BYTES)
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # A library that prints must not mix with the answers.
    for line in sys.stdin:
        header: dict[str, object] = {}
        body = b""
        # Unlike Python code, PDFium cannot be interrupted: an order that hangs ends the process, asked for or not.
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            body = answer(json.loads(line))
        except RefusedError as exc:
            header["error"] = str(exc)
        except (pdfium.PdfiumError, MemoryError, OSError, ValueError):
            header["error"] = "The page cannot be shown; the file seems to be damaged."
        signal.setitimer(signal.ITIMER_REAL, 0)
        channel.write(json.dumps(header | {"length": len(body)}).encode() + b"\n" + body)
        channel.flush()


if __name__ == "__main__":
    serve()
