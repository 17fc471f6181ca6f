"""Plain text: the bytes decoded, and nothing else changed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from documents.extraction.drafts import Draft, cleaned, in_pages
from documents.extraction.encoding import SAMPLE_BYTES, guess, wide_encoding
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order

DAMAGED = "Some letters of the file are damaged."
NO_LETTERS = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}
DAMAGED_LEAST = 20  # whole letters for each damaged one, for a text to be UTF-8 none the less
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\f\r\x1b")
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
    breaks, length, parts, removed = [], 0, [], []
    for part in text.split("\f"):
        part, taken_out = cleaned(part)
        parts.append(part)
        removed.append((length, taken_out))
        length += len(part) + 1
        breaks.append(length)
    return Draft(text="\n".join(parts), breaks=breaks[:-1], warnings=warnings, cleaned=removed)


def decode(data: bytes, declared: str = "") -> tuple[str, list[str]]:
    """The text, and a warning when its encoding had to be guessed and the guess is a doubtful one.

    In this order: byte order mark, what the file declares, UTF-16 without a mark, UTF-8, the likeliest by its letters.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data.removeprefix(codecs.BOM_UTF8), encoding)
    if declared and (text := _as_declared(data, declared)):
        return text, []
    if _has_controls(data) and (wide := wide_encoding(data)):
        return _marked(data, wide)
    try:
        text = data.decode("utf-8")
        if b"\x1b$" not in data or not text.isascii():
            return text, []
    except UnicodeDecodeError:
        if text := _halves_replaced(data):
            return text, [DAMAGED]
        text = data.decode("utf-8", "replace")
        if text.count("\ufffd") * DAMAGED_LEAST < sum(1 for letter in text[:100_000] if letter > "\x7f"):
            return text, [DAMAGED]
    return _guessed(data)


def _halves_replaced(data: bytes) -> str:
    """UTF-8 in which some program wrote halves of characters as if they were whole ones; "" for anything else."""
    try:
        return data.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except UnicodeDecodeError:
        return ""


def _as_declared(data: bytes, declared: str) -> str:
    """The text as the file says it is to be read; "" when that is wrong, or says nothing to us.

    Bytes beyond ASCII that are faultless UTF-8 are that, whatever is said of them.
    """
    if not data.isascii():
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    try:
        name = codecs.lookup(declared).name
        return "" if name in NO_LETTERS else data.decode(name)
    except (UnicodeError, LookupError, AssertionError):
        return ""


def _has_controls(data: bytes) -> bool:
    """Whether there are bytes that a text of single bytes does not have."""
    sample = data[:SAMPLE_BYTES]
    return len(sample.translate(None, _CONTROLS)) * 50 < len(sample) * 49


def _marked(data: bytes, encoding: str) -> tuple[str, list[str]]:
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError:
        return data.decode(encoding, "replace"), [DAMAGED]


def _guessed(data: bytes) -> tuple[str, list[str]]:
    encoding, is_sure = guess(data)
    text = data.decode(encoding, "replace")
    if is_sure and "\ufffd" not in text:
        return text, []
    return text, [f"The file does not say how its letters are encoded; {encoding} was guessed. Some may be wrong."]
