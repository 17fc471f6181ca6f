"""Decide what a file is by what it holds. Reads little of it, and unpacks nothing but one small table of contents."""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from documents.extraction.encoding import wide_encoding
from documents.extraction.pages import ExtractionError, damaged, needs_password

ADVICE = (
    "PDF, Word (docx), PowerPoint (pptx), Excel (xlsx), OpenDocument text (odt), rich text (rtf), mail (eml), "
    "HTML, Markdown, CSV and plain text can be read."
)
SAMPLE = 16_384  # bytes, from the beginning, the middle and the end
ENTRIES_MOST = 5_000
DIRECTORY_MOST = 2_000_000  # bytes
UNPACKED_MOST = 400_000_000  # bytes
RATIO_MOST = 150  # unpacked to packed, of a file large enough to matter
# What a broken archive can raise, whichever way it is packed.
DAMAGE = (
    *(zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError),
    *(struct.error, zlib.error, lzma.LZMAError),
)
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CONTROLS_MOST = 0.05  # of a text's characters

# What a file begins with, and how we call it then.
SIGNATURES: list[tuple[bytes, str]] = [
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\x89PNG", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"II*\x00", "an image (TIFF)"),
    (b"MM\x00*", "an image (TIFF)"),
    (b"\x1f\x8b", "an archive (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
    (b"Rar!", "an archive (rar)"),
    (b"BZh", "an archive (bzip2)"),
    (b"\xfd7zXZ\x00", "an archive (xz)"),
    (b"\x28\xb5\x2f\xfd", "an archive (zstd)"),
    (b"SQLite format 3", "a database (SQLite)"),
    (b"%!PS", "a PostScript file"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound file"),
    (b"RIFF", "a media file"),
    (b"\x1aE\xdf\xa3", "a video"),
]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
MARKDOWN_ENDINGS = {".md", ".markdown", ".mdown", ".mkd", ".mkdn"}
HTML_ENDINGS = {".html", ".htm", ".xhtml", ".shtml"}
CSV_ENDINGS = {".csv", ".tsv", ".tab"}
MAIL_ENDINGS = {".eml", ".mht", ".mhtml"}
RTF = b"{\\rtf"

_HTML = re.compile(
    rb"\s*(<\?xml[^>]*>\s*)?(<!--(?:[^-]|-(?!->))*-->\s*)*<(!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(rb"<(!--|/?[a-z][a-z0-9]*[\s/>])", re.IGNORECASE)
# A mail begins with lines of headers; these three no other text begins with.
_HEADERS = re.compile(rb"(?:From [^\r\n]+\r?\n)?(?:[!-9;-~]{1,80}:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|$)){2,}")
_OF_MAIL = re.compile(rb"^(?:received|return-path|mime-version|message-id|delivered-to):", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(rb"^(?:from|date|subject|to|content-type):", re.IGNORECASE | re.MULTILINE)
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\f\r\x1b")
# What a zip's table of contents says of the formats made of one.
_READ = [
    ("wordprocessingml.document.main+xml", "docx"),
    ("presentationml.presentation.main+xml", "pptx"),
    ("presentationml.slideshow.main+xml", "pptx"),
    ("spreadsheetml.sheet.main+xml", "xlsx"),
]
_PACKED = [
    ("wordprocessingml.template", "a Word template"),
    ("ms-word", "a Word file with macros"),
    ("ms-excel.sheet.binary", "a spreadsheet of the binary kind (xlsb)"),
    ("ms-excel", "a spreadsheet with macros"),
    ("spreadsheetml", "a spreadsheet template"),
    ("ms-powerpoint", "a presentation with macros"),
    ("presentationml", "a presentation template"),
]
_OPEN_DOCUMENTS = {
    "application/vnd.oasis.opendocument.presentation": "an OpenDocument presentation (odp)",
    "application/vnd.oasis.opendocument.spreadsheet": "an OpenDocument spreadsheet (ods)",
    "application/epub+zip": "an e-book (epub)",
}


def kind_of(path: Path, name: str) -> str:
    """The name of the reader for it, such as pdf, docx or text; ExtractionError for what cannot be read.

    The name decides only what content cannot: markdown, csv, mail or text, and whether a fragment with tags is HTML.
    """
    with path.open("rb") as file:
        sample, head = _samples(file)
        if not sample.strip():
            raise ExtractionError("empty", "The file is empty.", ADVICE)
        if head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and b"%%EOF" in sample):
            return "pdf"
        if head.startswith(b"PK"):
            return _packed_kind(file)
        if head.startswith(RTF):
            return "rtf"
        if head.startswith(OLE):
            raise _office_error(file)
    for signature, what in SIGNATURES:
        if head.startswith(signature):
            raise unsupported(what)
    if head[4:8] == b"ftyp":
        raise unsupported("a video or a picture")
    return _text_kind(head, sample, Path(name).suffix.lower())


def unsupported(what: str) -> ExtractionError:
    return ExtractionError("unsupported", f"The file seems to be {what}, which cannot be read.", ADVICE)


def check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse by the directory alone what would be too much when unpacked, or is encrypted."""
    entries = archive.infolist()
    unpacked, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    bomb = unpacked > 20_000_000 and unpacked > RATIO_MOST * packed
    if len(entries) > ENTRIES_MOST or unpacked > UNPACKED_MOST or bomb:
        raise _too_large()
    if any(entry.flag_bits & 1 for entry in entries):
        raise needs_password()
    if any(entry.compress_type not in PACKINGS for entry in entries):  # Others may want gigabytes for a few bytes.
        raise damaged("The file is packed as no office program packs; it was not read.")


def _too_large() -> ExtractionError:
    reason = "Unpacked, the file would be far too large."
    return ExtractionError("too_large", reason, "Split it into smaller files and upload those.")


def _directory_bytes(file: IO[bytes]) -> int:
    """How large an archive's directory is, which `zipfile` would read whole before anybody could count its entries."""
    found = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # Its own way to the end: no other finds the same.
    if not found:
        raise zipfile.BadZipFile
    return found[zipfile._ECD_SIZE]  # type: ignore[attr-defined]


def _samples(file: IO[bytes]) -> tuple[bytes, bytes]:
    head = file.read(SAMPLE)
    size = file.seek(0, 2)
    pieces = [head]
    for place in (size // 2, size - SAMPLE):
        if place >= SAMPLE:
            file.seek(place & ~1)  # Even, so that two-byte letters stay whole.
            pieces.append(file.read(SAMPLE))
    return b"".join(pieces), head


def _packed_kind(file: IO[bytes]) -> str:
    try:
        if _directory_bytes(file) > DIRECTORY_MOST:
            raise _too_large()
        with zipfile.ZipFile(file) as archive:
            check_archive(archive)
            names = set(archive.namelist())
            if "[Content_Types].xml" in names:
                with archive.open("[Content_Types].xml") as types:
                    return _office_kind(types.read(1_000_000).decode("utf-8", "replace"))
            if "mimetype" in names:
                with archive.open("mimetype") as types:
                    return _open_document_kind(archive, types.read(100).decode("ascii", "replace").strip())
    except (*DAMAGE, KeyError) as exc:
        raise damaged("The file is packed like a Word file or an archive, but it is damaged.") from exc
    raise unsupported("an archive (zip)")


def _office_kind(types: str) -> str:
    for mark, kind in _READ:
        if mark in types:
            return kind
    raise unsupported(next((what for mark, what in _PACKED if mark in types), "an archive (zip)"))


def _open_document_kind(archive: zipfile.ZipFile, what: str) -> str:
    if what != "application/vnd.oasis.opendocument.text":
        raise unsupported(_OPEN_DOCUMENTS.get(what, "an OpenDocument file"))
    with archive.open("META-INF/manifest.xml") as manifest:
        if b"encryption-data" in manifest.read(1_000_000):
            raise needs_password()
    return "odt"


def _office_error(file: IO[bytes]) -> ExtractionError:
    """An Office file that wants a password is wrapped in the container of the old Office formats."""
    file.seek(0)
    if "EncryptedPackage".encode("utf-16-le") in file.read(2_000_000):
        return needs_password()
    return unsupported("an Office file of the old kind (doc, xls, ppt)")


def _text_kind(head: bytes, sample: bytes, ending: str) -> str:
    if not head.startswith(BYTE_ORDER_MARKS):
        controls = len(sample) - len(sample.translate(None, _CONTROLS))
        if controls > max(1, CONTROLS_MOST * len(sample)) and not wide_encoding(sample):
            raise unsupported("a binary file")
    plain = sample.replace(b"\x00", b"").removeprefix(BYTE_ORDER_MARKS[0]).lstrip(b"\xff\xfe")
    if _HTML.match(plain) or (ending in HTML_ENDINGS and _TAG.search(plain)):
        return "html"
    if _is_mail(plain, ending):
        return "eml"
    if ending in CSV_ENDINGS:
        return "csv"
    return "markdown" if ending in MARKDOWN_ENDINGS else "text"


def _is_mail(text: bytes, ending: str) -> bool:
    headers = _HEADERS.match(text[:SAMPLE])
    if not headers or not _FROM.search(headers[0]):
        return False
    return ending in MAIL_ENDINGS or len(set(map(bytes.lower, _OF_MAIL.findall(headers[0])))) >= 2
