"""PDF: PDFium gives the text, with one character for each that it can point at; pypdf reads what PDFium cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.extraction.limits import OutOfTime, within
from documents.extraction.pages import (
    CUT,
    ExtractedDocument,
    ExtractedPage,
    ExtractionError,
    Order,
    damaged,
    good_title,
    needs_password,
)
from documents.extraction.pdf_headings import Heading, Typography, outline, place

if TYPE_CHECKING:
    from pypdf import PageObject

T = TypeVar("T")

SCANNED_LETTERS = 20  # a page with fewer, and an image over most of it, was scanned
SCANNED_COVER = 0.8
LETTERS_MOST = 200_000  # a page
FALLBACK_SECONDS = 20  # a page
BAD_PAGES_MOST = 20  # one after another, when nothing tells how many pages there are

# Replaced one for one: what a database or a reader chokes on, and PDFium's marks for what has no character.
_REPLACED = {code: " " for code in [*range(32), 0x7F] if chr(code) not in "\t\r\n"}
_REPLACED |= dict.fromkeys([*range(55296, 57344), 65534, 65535], "�")
_SPECIAL = re.compile("[\U00010000-\U0010ffff]")
# A character above U+FFFF is two of PDFium's; this invisible one stands for the second.
FILLER = "\u2060"


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    try:
        pdf = open_pdf(order.path, order.password)
    except pdfium.PdfiumError:
        yield from _read_without_pdfium(order)
        return
    claimed = len(pdf)
    document = ExtractedDocument(good_title(pdf.get_metadata_value("Title")), min(claimed, order.pages_max))
    yield document
    found = yield from _pages(pdf, order, document.page_count)
    if not found:
        raise damaged("No page of the file could be read; it seems to be damaged.")
    if found == order.pages_max < claimed:
        document.warnings.append(CUT.format(order.pages_max))


def open_pdf(path: Path, password: str = "") -> pdfium.PdfDocument:
    """Open with no password first. Raises ExtractionError when another is wanted, PdfiumError when nothing helps."""
    for attempt in dict.fromkeys([None, password or None]):
        try:
            return pdfium.PdfDocument(path, password=attempt)
        except pdfium.PdfiumError as exc:
            refused = exc
            if exc.err_code != raw.FPDF_ERR_PASSWORD:
                raise
    raise needs_password() from refused


def page_text(textpage: pdfium.PdfTextPage) -> str:
    """The page's text, one character for each of PDFium's: offset i is PDFium's index i."""
    count = min(textpage.count_chars(), LETTERS_MOST)
    text = textpage.get_text_range(0, count, errors="surrogatepass") if count else ""
    if len(text) != count or _SPECIAL.search(text):
        text = "".join(_by_index(textpage, count))
    if "\ufffe" in text:  # What stands where a hyphen stood, or a character that is not known.
        text = "".join(
            ("-" if raw.FPDFText_IsHyphen(textpage, index) == 1 else "\ufffd") if letter == "\ufffe" else letter
            for index, letter in enumerate(text)
        )
    return text.translate(_REPLACED)


def _by_index(textpage: pdfium.PdfTextPage, count: int) -> Iterator[str]:
    high = 0
    for index in range(count):
        code = raw.FPDFText_GetUnicode(textpage, index)
        following = raw.FPDFText_GetUnicode(textpage, index + 1) if 0xD800 <= code < 0xDC00 and index + 1 < count else 0
        if 0xDC00 <= following < 0xE000:
            high = code
            yield chr(0x10000 + ((code - 0xD800) << 10) + following - 0xDC00)
        elif high:
            high = 0
            yield FILLER
        else:
            yield chr(code) if 0 < code <= 0x10FFFF else "\ufffe"


def _pages(pdf: pdfium.PdfDocument, order: Order, count: int) -> Generator[ExtractedPage, None, int]:
    """Yield the pages and return how many there really were."""
    entries = outline(pdf)
    typography = None if entries else Typography.of(pdf)
    fallback = None
    bad = 0  # one after another
    for number in range(order.skip, count):
        try:
            page = _page(pdf, number, entries.get(number, []), typography)
            bad = 0
        except pdfium.PdfiumError:
            fallback = fallback or Fallback(order.path, order.password)
            bad += 1
            if bad > BAD_PAGES_MOST if fallback.count is None else number >= fallback.count:
                return number  # The file claims more pages than it has.
            page = fallback.page(number)
        yield page
    return count


def _page(pdf: pdfium.PdfDocument, number: int, entries: list[Heading], typography: Typography | None) -> ExtractedPage:
    page = pdf[number]
    try:
        textpage = page.get_textpage()
        try:
            text = page_text(textpage)
            headings = typography.headings(textpage, text) if typography else place(entries, textpage, text)
            warning = "cut" if textpage.count_chars() > LETTERS_MOST else ""
        finally:
            textpage.close()
        if len("".join(text.split())) < SCANNED_LETTERS and _cover(page) >= SCANNED_COVER:
            warning = "no text layer"
        return ExtractedPage(text, (pdf.get_page_label(number) or "").translate(_REPLACED)[:40], headings, warning)
    finally:
        page.close()


def _cover(page: pdfium.PdfPage) -> float:
    """How much of the page its images cover, 0 to 1; strips of one scan count together."""
    left, bottom, right, top = page.get_bbox()
    covered = 0.0
    for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        box = image.get_bounds()
        width, height = min(right, box[2]) - max(left, box[0]), min(top, box[3]) - max(bottom, box[1])
        covered += max(0.0, width) * max(0.0, height)
    area = (right - left) * (top - bottom)
    return covered / area if area > 0 else 0.0


def _read_without_pdfium(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    fallback = Fallback(order.path, order.password)
    if not fallback.count:
        raise damaged()
    warnings = [CUT.format(order.pages_max)] if fallback.count > order.pages_max else []
    pages = [fallback.page(number) for number in range(min(fallback.count, order.pages_max))]
    if not any(page.text.strip() for page in pages):
        raise damaged()
    yield ExtractedDocument("", len(pages), warnings)
    yield from pages[order.skip :]


class Fallback:
    """pypdf: slower, forgiving, and without a way back to the place on the page."""

    def __init__(self, path: Path, password: str) -> None:
        leaves = _attempt(lambda: _leaves(path, password))
        self.leaves: list[PageObject] = leaves or []
        self.count = None if leaves is None else len(leaves)  # None: cannot be told

    def page(self, number: int) -> ExtractedPage:
        text = _attempt(self.leaves[number].extract_text) if number < len(self.leaves) else None
        if not text or not text.strip():
            return ExtractedPage("", warning="could not be read")
        return ExtractedPage(text[:LETTERS_MOST].translate(_REPLACED), warning="no layout")


def _attempt(work: Callable[[], T]) -> T | None:
    """None when pypdf gives up or takes too long: a broken file makes it raise whatever Python can."""
    try:
        with within(FALLBACK_SECONDS):
            return work()
    except (MemoryError, ExtractionError):
        raise
    except (Exception, OutOfTime):  # noqa: BLE001
        return None


def _leaves(path: Path, password: str) -> list[PageObject]:
    """The pages that are really in the file, whatever it says of their number; no branch is followed twice."""
    from pypdf import PageObject, PdfReader  # Takes longer to import than most files to read.

    reader = PdfReader(path)
    if reader.is_encrypted and not (reader.decrypt("") or reader.decrypt(password)):
        raise needs_password()
    seen, leaves = set(), []
    stack: list[Any] = [reader.root_object["/Pages"]]
    while stack:
        node = stack.pop().get_object()
        if "/Kids" not in node:
            leaves.append(PageObject(reader))
            leaves[-1].update(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.extend(reversed(node["/Kids"]))
    return leaves
