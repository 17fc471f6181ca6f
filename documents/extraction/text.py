"""Plain text: the bytes decoded, and nothing else changed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from documents.extraction.drafts import Draft, clean, in_pages
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order

DETECTOR_BYTES = 200_000
_MARKS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    text, warnings = decode(order.path.read_bytes())
    yield from in_pages(plain_draft(text, warnings), order)


def plain_draft(text: str, warnings: list[str]) -> Draft:
    """The text as it is; a form feed begins a page."""
    breaks, length, parts = [], 0, []
    for part in map(clean, text.split("\f")):
        parts.append(part)
        length += len(part) + 1
        breaks.append(length)
    return Draft(text="\n".join(parts), breaks=breaks[:-1], warnings=warnings)


def decode(data: bytes, declared: str = "") -> tuple[str, list[str]]:
    """The text, and a warning when its encoding had to be guessed.

    In this order: byte order mark, what the file declares, UTF-8, a detector.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data.removeprefix(codecs.BOM_UTF8), encoding)
    for encoding in filter(None, (declared, "utf-8")):
        try:
            return data.decode(encoding), []
        except (UnicodeError, LookupError):
            continue
    return _guessed(data)


def _marked(data: bytes, encoding: str) -> tuple[str, list[str]]:
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError:
        return data.decode(encoding, "replace"), ["Some letters of the file are damaged."]


def _guessed(data: bytes) -> tuple[str, list[str]]:
    from charset_normalizer import from_bytes  # Slow to import, and seldom needed.

    best = from_bytes(_around_foreign(data)).best()
    sure = best is not None and best.chaos < 0.1 and best.coherence >= 0.2
    encoding = best.encoding if best is not None and sure else "cp1252"
    text = data.decode(encoding, "replace")
    if sure and "\ufffd" not in text:
        return text, []
    return text, [f"The file does not say how its letters are encoded; {encoding} was guessed. Some may be wrong."]


def _around_foreign(data: bytes) -> bytes:
    """A part of the file that has letters outside ASCII, for a detector that would be slow with all of it."""
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, (first.start() if first else 0) - DETECTOR_BYTES // 2)
    return data[start : start + DETECTOR_BYTES]
