"""PDF: PDFium gives the text, with one character for each that it can point at; pypdf reads what PDFium cannot."""

from __future__ import annotations

import ctypes
import mmap
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pypdfium2 as pdfium
from pypdfium2 import raw

from documents.extraction.limits import OutOfTime, within
from documents.extraction.pages import (
    CUT,
    READERS,
    Box,
    ExtractedDocument,
    ExtractedPage,
    ExtractionError,
    Order,
    Table,
    damaged,
    needs_password,
)
from documents.extraction.pdf import extras
from documents.extraction.pdf.columns import may_have_columns, part_columns
from documents.extraction.pdf.handles import OpenPage, OpenText
from documents.extraction.pdf.headings import SAMPLE_PAGES, StyledLine, Typography, outline, place, styled_lines
from documents.extraction.pdf.hidden import hidden, pictures
from documents.extraction.pdf.objects import Area, Letters, Painted
from documents.extraction.pdf.order import Flow
from documents.extraction.pdf.rtl import RIGHT_TO_LEFT, turn_lines
from documents.extraction.pdf.tables import grids, tables

if TYPE_CHECKING:
    from pypdf import PageObject

T = TypeVar("T")

SCANNED_LETTERS = 20  # a page with fewer, and an image over most of it, was scanned
SCANNED_COVER = 0.8
LETTERS_MOST = 200_000  # a page
FALLBACK_SECONDS = 20  # a page
BAD_PAGES_MOST = 20  # one after another, when nothing tells how many pages there are

UNCLAIMED = "The file says that it has {:,} pages and has {:,}; those behind were read without their layout."
UNSURE = 60  # confidence of text recognition, of 100

# Replaced one for one: what a database or a reader chokes on, and PDFium's marks for what has no character.
_REPLACED = {code: " " for code in [*range(32), 0x7F] if chr(code) not in "\t\r\n"}
_REPLACED |= dict.fromkeys([*range(55296, 57344), 65534, 65535], "\ufffd")
_UNBEARABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile("[\U00010000-\U0010ffff]")
# The bytes in UTF-8 of all of these, and the first one of what is near the end of the first 65,536 characters.
_EXTRAORDINARY = bytes([*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, *range(0xEF, 0x100)])
# A character above U+FFFF is two of PDFium's; this invisible one stands for the second.
FILLER = "\u2060"
# A page's entry in the file, and a stream that may hold such entries in a packed form.
_LEAF = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PACKED = re.compile(rb"/Type\s*/ObjStm\b.{0,400}?stream\r?\n", re.DOTALL)
PACKED_READ, PACKED_MOST = 2**20, 64 * 2**20  # bytes of one, and unpacked of all


def prepare() -> None:
    """Read a page of our own, so that what PDFium and ctypes set up at the first one, such as fonts, is there."""
    with pdfium.PdfDocument.new() as pdf:
        page = pdf.new_page(595, 842)
        for font, words in ((b"Helvetica", "Rent\0"), (b"Times-Bold", "is due\0")):
            written = raw.FPDFPageObj_NewTextObj(pdf, font, 12)
            letters = ctypes.create_string_buffer(words.encode("utf-16-le"))
            raw.FPDFText_SetText(written, ctypes.cast(letters, ctypes.POINTER(raw.FPDF_WCHAR)))
            raw.FPDFPageObj_Transform(written, 1, 0, 0, 1, 50, 500)
            raw.FPDFPage_InsertObject(page, written)
        page.gen_content()
        page.close()
        _Reader(pdf, Order(Path(), 1), 1).page(0)


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage]:
    try:
        pdf = open_pdf(order.path, order.password)
    except pdfium.PdfiumError:
        yield from _read_without_pdfium(order)
        return
    if pdf.get_formtype() != raw.FORMTYPE_NONE:
        pdf.init_forms()  # Before any page is loaded.
    claimed = len(pdf)
    document = ExtractedDocument(page_count=min(claimed, order.pages_max))
    document.dealt = order.is_dealt(document.page_count)
    if not order.share:
        document.title = extras.title(pdf)
        document.opened = extras.opened(pdf, order)
    yield document
    if order.share and not document.dealt:
        return  # It is the first reader's alone.
    found = yield from _pages(pdf, order, document.page_count)
    if not found:
        raise damaged("No page of the file could be read; it seems to be damaged.")
    if not document.dealt:  # Last, as a process is forked for it, after which much of this one's memory is copied.
        document.attachments = extras.attachments(pdf)
    elif order.share == READERS - 1:
        for document.attachments in extras.attachments_at_last(pdf):
            yield document
    if found == claimed < order.pages_max and not order.share:
        found += yield from _unclaimed(order, claimed)
        if found > claimed:
            document.warnings.append(UNCLAIMED.format(claimed, found))
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


def page_text(textpage: pdfium.PdfTextPage) -> tuple[str, int]:
    """The page's text, one character for each of PDFium's, and how many were replaced: offset i is PDFium's index i."""
    count = min(textpage.count_chars(), LETTERS_MOST)
    text = textpage.get_text_range(0, count, errors="surrogatepass") if count else ""
    if len(text) == count and _is_ordinary(text):
        return text, 0
    if len(text) != count or _SPECIAL.search(text):
        text = "".join(_by_index(textpage, count))
    if "\ufffe" in text:  # What stands where a hyphen stood, or a character that is not known.
        letters = list(text)
        for match in re.finditer("\ufffe", text):
            if raw.FPDFText_IsHyphen(textpage, match.start()) == 1:
                letters[match.start()] = "-"
        text = "".join(letters)
    replaced = len(_UNBEARABLE.findall(text))
    return (text.translate(_REPLACED) if replaced else text), replaced


def _is_ordinary(text: str) -> bool:
    """Whether nothing in it could be special or unbearable, as its bytes tell in a tenth of the time of a search."""
    try:
        letters = text.encode()
    except UnicodeEncodeError:
        return False
    return len(letters.translate(None, _EXTRAORDINARY)) == len(letters)


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
    reader = _Reader(pdf, order, count)
    fallback = None
    bad = 0  # one after another
    for number in order.own(count):
        try:
            page = reader.page(number)
            bad = 0
        except pdfium.PdfiumError:
            if order.is_dealt(count):
                return number  # What to make of it, one reader that goes on alone can tell.
            fallback = fallback or Fallback(order.path, order.password)
            bad += 1
            if bad > BAD_PAGES_MOST if fallback.count is None else number >= fallback.count:
                return number  # The file claims more pages than it has.
            page = fallback.page(number)
        yield page
    return count


class _Reader:
    """A document's pages, read one by one."""

    def __init__(self, pdf: pdfium.PdfDocument, order: Order, count: int) -> None:
        self.pdf, self.languages, self.own = pdf, order.languages, order.own(count)
        self.has_form = pdf.get_formtype() != raw.FORMTYPE_NONE
        self.outline = outline(pdf, self.own)
        self.open: dict[int, tuple[OpenPage, OpenText]] = {}  # looked at already
        self.styled: dict[int, list[StyledLine]] = {}  # of those
        self.typography = None if self.outline or order.careful else Typography.of(self._samples())

    def page(self, number: int) -> ExtractedPage:
        page, textpage = self.open.pop(number) if number in self.open else self._opened(number)
        try:
            found = self._read(page, textpage, number)
            if found.warning == "no text layer":
                _recognise(page, found, self.languages)
            if self.has_form:
                _add_lines(found, extras.form_lines(self.pdf, page))
            return found
        finally:
            textpage.close()
            page.close()

    def _opened(self, number: int) -> tuple[OpenPage, OpenText]:
        page = OpenPage(self.pdf, number)
        try:
            return page, OpenText(page)
        except pdfium.PdfiumError:
            page.close()
            raise

    def _samples(self) -> Iterator[tuple[str, list[StyledLine]]]:
        """The first pages; those that are to be read anyway stay open."""
        for number in range(min(len(self.pdf), SAMPLE_PAGES)):
            with suppress(pdfium.PdfiumError):
                page, textpage = self._opened(number)
                text, _ = page_text(textpage)
                styled = list(styled_lines(textpage, text))
                yield text, styled
                if number in self.own:
                    self.open[number], self.styled[number] = (page, textpage), styled
                else:
                    textpage.close()
                    page.close()

    def _read(self, page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, number: int) -> ExtractedPage:
        text, cleaned = page_text(textpage)
        painted, letters, sheet = Painted(page), Letters(textpage), Area(*page.get_bbox())
        images, cover = pictures(painted, sheet)
        flow = Flow(text, letters)
        unseen = hidden(page, sheet, painted, flow, cover)
        headings = self._headings(textpage, text, number)
        found = ExtractedPage("", tables=_put_in_order(flow, painted), images=images, cleaned=cleaned)
        found.text, found.runs, found.hidden = flow.text, flow.runs, flow.moved(unseen)
        found.headings = [(flow.place(offset), level, title) for offset, level, title in headings]
        found.label = (self.pdf.get_page_label(number) or "").translate(_REPLACED)[:40]
        if textpage.count_chars() > LETTERS_MOST:
            found.warning = "cut"
        if cover >= SCANNED_COVER and len("".join(text.split())) < SCANNED_LETTERS:
            found.warning, found.images = "no text layer", 0
        return found

    def _headings(self, textpage: pdfium.PdfTextPage, text: str, number: int) -> list[tuple[int, int, str]]:
        if self.typography:
            styled = self.styled.pop(number, None)
            return self.typography.headings(styled_lines(textpage, text) if styled is None else styled)
        return place(self.outline.get(number, []), textpage, text)


def _put_in_order(flow: Flow, painted: Painted) -> list[Table]:
    """Move what does not stand where it is read; each step costs something only where a page gives a reason."""
    if RIGHT_TO_LEFT.search(flow.text):
        turn_lines(flow)
    found = grids(painted)
    ruled = tables(found, painted, flow) if found else []
    if may_have_columns(painted, [grid.area for grid in found]):
        part_columns(flow, [(table.rows[0][0][0], table.rows[-1][-1][1]) for table in ruled])
    return ruled


def _recognise(page: pdfium.PdfPage, found: ExtractedPage, languages: tuple[str, ...]) -> None:
    """Fill in what can be read on the image of a scanned page."""
    from documents.extraction import ocr  # Few files have such pages.

    recognised = ocr.recognise(page, languages)
    if recognised is None:
        return
    if not recognised.text.strip():
        found.warning = "no recognition"
        return
    found.warning = "unsure" if recognised.confidence < UNSURE else ""
    found.recognised, found.confidence = recognised.languages, recognised.confidence
    start = _gap(found)
    found.text += recognised.text
    found.boxes += [(start + box[0], start + box[1], *box[2:]) for box in recognised.boxes]


def _add_lines(found: ExtractedPage, lines: list[tuple[str, Box]]) -> None:
    """Lines of a form, behind the text."""
    for number, (line, box) in enumerate(lines):
        start = _gap(found, "\n" if number else "\n\n")
        line = line.translate(_REPLACED)
        found.text += line
        found.boxes.append((start, len(found.text), *box))


def _gap(found: ExtractedPage, blank: str = "\n\n") -> int:
    """Keep what follows apart from the text there is; where it begins."""
    if found.text.strip():
        found.text += blank
    return len(found.text)


def _unclaimed(order: Order, claimed: int) -> Generator[ExtractedPage, None, int]:
    """Pages that are in the file beyond the number it claims; returns how many."""
    if not _attempt(lambda: _may_have_more(order.path, claimed)):
        return 0
    fallback = Fallback(order.path, order.password)
    more = range(max(claimed, order.skip), min(fallback.count or 0, order.pages_max))
    for number in more:
        yield fallback.page(number)
    return max(0, min(fallback.count or 0, order.pages_max) - claimed)


def _may_have_more(path: Path, claimed: int) -> bool:
    """Whether the file speaks of more pages than it counts; older versions of a page are among them."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        found = sum(1 for _ in _LEAF.finditer(data))
        unpacked = 0
        for packed in _PACKED.finditer(data):
            if found > claimed or unpacked > PACKED_MOST:
                break
            with suppress(zlib.error):
                rest = view[packed.end() : packed.end() + PACKED_READ]  # No copy: there may be very many of them.
                inner = zlib.decompressobj().decompress(rest, PACKED_MOST)
                unpacked += len(inner)
                found += sum(1 for _ in _LEAF.finditer(inner))
    return found > claimed


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
