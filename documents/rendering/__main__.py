"""The child process that draws: takes orders on standard input until it ends, one line and one answer each."""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.extraction.limits import confine
from documents.rendering import SECONDS, Rect

MEMORY_BYTES = 2 * 2**30
PIXELS_MOST = 4_000  # of an image's longer side
QUALITY = 85
GRAIN = 100  # units to a point, as PDFium gives places on the shown page in whole units
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
                return json.dumps(rectangles(page, order["spans"])).encode()


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


def rectangles(page: pdfium.PdfPage, spans: Iterable[tuple[int, int]]) -> list[list[Rect]]:
    textpage = page.get_textpage()
    count = textpage.count_chars()
    found = []
    for first, after in spans:
        start, end = max(0, first), min(after, count)
        boxes = textpage.count_rects(start, end - start) if start < end else 0
        found.append(by_line(_shown(page, textpage.get_rect(index)) for index in range(boxes)))
    textpage.close()
    return found


def _shown(page: pdfium.PdfPage, rect: Box) -> Box:
    """A box of the page's own space, on the page as it is shown: turned, cropped, from the top."""
    left, bottom, right, top = rect
    width, height = (round(side * GRAIN) for side in page.get_size())
    corners = []
    for place in ((left, bottom), (right, top)):
        x, y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, *place, x, y)
        corners.append((x.value / GRAIN, y.value / GRAIN))
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


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
