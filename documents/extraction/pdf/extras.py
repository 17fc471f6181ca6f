"""What a PDF holds beside its printed text: filled-in forms, files inside it, a title, and a copy without password."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import signal
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
from lxml import etree
from pypdfium2 import raw

from documents.extraction.pages import Box, Order, good_title

ATTACHMENTS_MOST = 1_000
NAME_MOST = 200  # letters
SIZING_SECONDS = 5  # for all files inside one
PACKETS_MOST = 20
PACKET_MOST = 200_000  # bytes of metadata
WIDGETS_MOST = 2_000  # a page
OPTIONS_MOST = 5_000  # a field
VALUE_MOST = 20_000  # letters
GRAIN = 100  # units to a point, as PDFium gives places on the shown page in whole units
LABEL_FAR = 250.0  # points between a field and the words that name it
LABEL_ABOVE = 16.0  # points

Rect = tuple[float, float, float, float]  # left, bottom, right, top; in the page's own space

_TITLE = "//*[local-name()='title' and contains(namespace-uri(), '/dc/')]"
_UNSEEN = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW
_SECRET = 1 << 13  # a field for a password
_BUTTONS = (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON)
_CHOICES = (raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX)
# What a program calls a field when nobody gave it a name.
_MACHINE_MADE = re.compile(
    r"\W*(undefined|untitled|fill|text|field|text ?field|text ?box|check ?box|radio ?button|combo ?box|list ?box"
    r"|drop ?down( ?list)?|button|group|choice|topmost ?subform|form|page|[a-z]{0,2}\d.*)?[\s\d_#.\-]*",
    re.IGNORECASE,
)


def opened(pdf: pdfium.PdfDocument, order: Order) -> bool:
    """Save a copy without security as order.folder / "opened" when the file needed order.password; whether it did so.

    Every offset into the text is the same in the copy.
    """
    if not (order.folder and order.password) or raw.FPDF_GetSecurityHandlerRevision(pdf) < 0:
        return False
    try:
        pdfium.PdfDocument(order.path).close()
    except pdfium.PdfiumError:
        return _saved_open(pdf, order.folder / "opened")
    return False  # The empty password does.


def _saved_open(pdf: pdfium.PdfDocument, target: Path) -> bool:
    try:
        pdf.save(target, flags=raw.FPDF_REMOVE_SECURITY)
        with pdfium.PdfDocument(target) as copy:
            if len(copy) == len(pdf):
                return True
    except (pdfium.PdfiumError, OSError):
        pass
    target.unlink(missing_ok=True)  # A part of a file is worse than none.
    return False


def title(pdf: pdfium.PdfDocument) -> str:
    """The title somebody gave the document, by its old or its new kind of metadata; "" when there is no good one."""
    return good_title(pdf.get_metadata_value("Title")) or _described_title(pdf)


def _described_title(pdf: pdfium.PdfDocument) -> str:
    """The title in XMP. Pictures in the file may have one of their own: where titles differ, none is taken."""
    source = (
        pdf._input
    )  # PDFium has no way to metadata streams. They lie in the file as they are, so that one can look.
    if not isinstance(source, Path):
        return ""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        titles = {title for packet in _packets(data) if (title := good_title(_packet_title(packet)))}
    return titles.pop() if len(titles) == 1 else ""


def _packets(data: mmap.mmap) -> Iterator[bytes]:
    start = -1
    for _ in range(PACKETS_MOST):
        start = data.find(b"<x:xmpmeta", start + 1)
        if start < 0:
            return
        end = data.find(b"</x:xmpmeta>", start, start + PACKET_MOST)
        if end > 0:
            yield data[start:end] + b"</x:xmpmeta>"


def _packet_title(packet: bytes) -> str:
    if b"<!" in packet:  # A declaration of entities, or something else that has no place here.
        return ""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, encoding="utf-8")
    with suppress(etree.XMLSyntaxError, ValueError):
        root = etree.fromstring(packet, parser)
        if root is not None:
            return str(root.xpath(f"string({_TITLE}//*[local-name()='li'])") or root.xpath(f"string({_TITLE})"))
    return ""


def attachments(pdf: pdfium.PdfDocument) -> list[tuple[str, int]]:
    """The files inside the file: (name, bytes), 0 bytes where that cannot be told."""
    found = _files(pdf)
    return list(zip([_file_name(each) for each in found], _sizes(found), strict=True))


def attachments_at_last(pdf: pdfium.PdfDocument) -> Iterator[list[tuple[str, int]]]:
    """The same for a process that has told all else and may break off: without their sizes, and then with them."""
    if found := _files(pdf):
        names = [_file_name(each) for each in found]
        yield [(name, 0) for name in names]
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SIZING_SECONDS)
        sizes = [_size(each) for each in found]
        signal.alarm(0)
        yield list(zip(names, sizes, strict=True))


def _files(pdf: pdfium.PdfDocument) -> list[pdfium.PdfAttachment]:
    return [pdf.get_attachment(index) for index in range(min(pdf.count_attachments(), ATTACHMENTS_MOST))]


def _file_name(attachment: pdfium.PdfAttachment) -> str:
    with suppress(pdfium.PdfiumError, UnicodeDecodeError):
        return _one_line(attachment.get_name())[:NAME_MOST] or "unnamed"
    return "unnamed"


def _sizes(found: list[pdfium.PdfAttachment]) -> list[int]:
    """How large the files are, told by a process of its own: PDFium unpacks them for it, and breaks off at a bomb."""
    if not found:
        return []
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        try:
            _tell_sizes(found, sender)
        finally:
            os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as told:
        sizes = [size for (size,) in struct.iter_unpack("q", told.read())]
    os.waitpid(child, 0)
    return sizes + [0] * (len(found) - len(sizes))


def _tell_sizes(found: list[pdfium.PdfAttachment], sender: int) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SIZING_SECONDS)
    for attachment in found:
        os.write(sender, struct.pack("q", _size(attachment)))


def _size(attachment: pdfium.PdfAttachment) -> int:
    size = ctypes.c_ulong()
    raw.FPDFAttachment_GetFile(attachment, None, 0, size)
    return size.value


def form_lines(pdf: pdfium.PdfDocument, page: pdfium.PdfPage) -> list[tuple[str, Box]]:
    """What was filled into the page's form: ("Full name: Ada Lovelace", where it stands), in reading order.

    A box that is ticked says "yes"; what is empty, hidden or a password is left out, and so is a value that is printed
    on the page as well. What was typed onto a page that has no fields for it comes too, without a name.
    """
    if not raw.FPDFPage_GetAnnotCount(page):
        return []
    pdf.init_forms()
    fields = list(_fields(pdf, page))
    if not any(field.value for field in fields):
        return []
    textpage = page.get_textpage()
    try:
        printed = _Print(textpage, [field.rect for field in fields], page.get_rotation() == 0)
        # One field may show its value at several places of the page.
        lines = {(field.name or field.rect, line): field.rect for field in fields if (line := _line(field, printed))}
    finally:
        textpage.close()
    return _in_reading_order((line, shown(page, rect)) for (_, line), rect in lines.items())


@dataclass(frozen=True)
class _Field:
    name: str  # the full one, with dots
    label: str  # what a reader is told that it is
    kind: int
    value: str  # "" when nothing was filled in
    rect: Rect

    @property
    def is_button(self) -> bool:
        return self.kind in _BUTTONS


def _fields(pdf: pdfium.PdfDocument, page: pdfium.PdfPage) -> Iterator[_Field]:
    """The fields a reader of the page can see."""
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), WIDGETS_MOST)):
        with _annotation(page, index) as annotation:
            place = raw.FS_RECTF()
            if not annotation or not raw.FPDFAnnot_GetRect(annotation, place):
                continue
            if raw.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
                continue
            rect = place.left, place.bottom, place.right, place.top
            subtype = raw.FPDFAnnot_GetSubtype(annotation)
            if subtype == raw.FPDF_ANNOT_FREETEXT:
                text = _told(raw.FPDFAnnot_GetStringValue, annotation, b"Contents\0")
                yield _Field("", "", raw.FPDF_FORMFIELD_UNKNOWN, _one_line(text), rect)
            elif subtype == raw.FPDF_ANNOT_WIDGET and pdf.formenv:
                yield _field(pdf.formenv, annotation, rect)


def _field(form: object, annotation: object, rect: Rect) -> _Field:
    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    return _Field(
        _told(raw.FPDFAnnot_GetFormFieldName, form, annotation),
        _one_line(_told(raw.FPDFAnnot_GetFormFieldAlternateName, form, annotation)),
        kind,
        _one_line(_value(form, annotation, kind)),
        rect,
    )


@contextmanager
def _annotation(page: pdfium.PdfPage, index: int) -> Iterator[object]:
    annotation = raw.FPDFPage_GetAnnot(page, index)
    try:
        yield annotation
    finally:
        if annotation:
            raw.FPDFPage_CloseAnnot(annotation)


def _value(form: object, annotation: object, kind: int) -> str:
    if kind in _BUTTONS:
        state = _told(raw.FPDFAnnot_GetStringValue, annotation, b"AS\0")
        if state in ("", "Off"):
            return ""
        return "yes" if kind == raw.FPDF_FORMFIELD_CHECKBOX else state
    if kind in _CHOICES:
        options = range(min(raw.FPDFAnnot_GetOptionCount(form, annotation), OPTIONS_MOST))
        chosen = [index for index in options if raw.FPDFAnnot_IsOptionSelected(form, annotation, index)]
        if chosen:  # Else something else was typed.
            return ", ".join(_told(raw.FPDFAnnot_GetOptionLabel, form, annotation, index) for index in chosen)
    elif kind != raw.FPDF_FORMFIELD_TEXTFIELD or raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & _SECRET:
        return ""
    return _told(raw.FPDFAnnot_GetFormFieldValue, form, annotation)


def _told(ask: Callable[..., int], *what: object) -> str:
    """A text of PDFium's, which wants to be asked for its length first."""
    length = ask(*what, None, 0)
    if length <= 2:
        return ""
    buffer = ctypes.create_string_buffer(length + 1)
    ask(*what, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), length)
    return buffer.raw[: length - 2].decode("utf-16-le", "replace")[:VALUE_MOST]


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


@dataclass
class _Print:
    """The page's printed words, looked at round its fields."""

    textpage: pdfium.PdfTextPage
    fields: list[Rect]
    is_upright: bool

    def inside(self, rect: Rect) -> str:
        return _one_line(self.textpage.get_text_bounded(*rect))

    def beside(self, field: _Field) -> str:
        """The words that name the field: on its left, else above; those of a box to tick stand on its right."""
        if not self.is_upright:
            return ""
        left, bottom, right, top = field.rect
        inside = [other for other in self.fields if other[1] < top and other[3] > bottom]
        border = max([other[2] for other in inside if other[2] <= left], default=left - LABEL_FAR)
        before = self.inside((max(border, left - LABEL_FAR), bottom, left, top))
        border = min([other[0] for other in inside if other[0] >= right], default=right + LABEL_FAR)
        behind = self.inside((right, bottom, min(border, right + LABEL_FAR), top))
        if field.is_button:
            return behind or before
        return before or self.inside((left, top, right, top + LABEL_ABOVE))


def _line(field: _Field, printed: _Print) -> str:
    """The field as a line of text; "" when there is nothing to say."""
    if not field.value or (not field.is_button and field.value in printed.inside(field.rect)):
        return ""
    if field.kind == raw.FPDF_FORMFIELD_UNKNOWN:
        return field.value
    name = re.sub(r"\[\d+\]", "", field.name.rpartition(".")[2])
    name = _one_line(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " "))
    label, value = field.label or ("" if _MACHINE_MADE.fullmatch(name) else name), field.value
    if field.kind == raw.FPDF_FORMFIELD_RADIOBUTTON and _MACHINE_MADE.fullmatch(value):
        value = printed.beside(field) or value  # "Weekly" stands beside the button that is known as 2.
    elif not label:
        label = printed.beside(field)
    label = label[:NAME_MOST].rstrip(" :")
    return f"{label}: {value}" if label else value


def _in_reading_order(lines: Iterable[tuple[str, Box]]) -> list[tuple[str, Box]]:
    """Row by row from the top, each from the left."""
    ordered: list[tuple[str, Box]] = []
    row: list[tuple[str, Box]] = []
    for line in sorted(lines, key=lambda each: each[1][1]):
        if row and line[1][1] > row[0][1][1] + row[0][1][3] / 2:
            ordered += sorted(row, key=lambda each: each[1][0])
            row = []
        row.append(line)
    return ordered + sorted(row, key=lambda each: each[1][0])


def shown(page: pdfium.PdfPage, rect: Rect) -> Box:
    """A place in the page's own space as a box on the page as it is shown: turned, cropped, from the top left."""
    left, bottom, right, top = rect
    width, height = (round(side * GRAIN) for side in page.get_size())
    corners = []
    for place in ((left, bottom), (right, top)):
        x, y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, *place, x, y)
        corners.append((x.value / GRAIN, y.value / GRAIN))
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), round(abs(x2 - x1), 2), round(abs(y2 - y1), 2)
