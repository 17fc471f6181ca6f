"""Mail (eml): who wrote what to whom, and the files that came with it."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from pathlib import Path

from documents.extraction.drafts import Draft, Writer, in_pages
from documents.extraction.html import declared_charset, write_html
from documents.extraction.kinds import kind_of
from documents.extraction.pages import (
    ExtractedDocument,
    ExtractedFile,
    ExtractedPage,
    ExtractionError,
    Order,
    damaged,
)
from documents.extraction.text import decode

FILES_MOST = 200
FILES_BYTES_MOST = 200_000_000
DEPTH_MOST = 5
PARTS_MOST = 2_000
HEADER_MOST = 4_000  # letters
HEADER_TAKEN = 20_000  # letters, with the marks of mail programs
SHOWN = ("From", "To", "Cc", "Date")
NO_SUBJECT = "Mail without a subject"
ENCRYPTED = "The mail is encrypted, so only its headers could be read."
TOO_MANY = "The mail has more parts than are read; the last ones were left out."
TOO_DEEP = "The mail holds mails in mails, more than {} deep; the innermost were left out."
ALTERNATIVES = {"text/plain": 0, "text/html": 1}

# What mail programs write, and what Python calls it.
_CHARSETS = {
    "iso-8859-1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "windows-874": "cp874",
    "iso-8859-8-i": "cp1255",
    "unicode-1-1-utf-7": "utf-7",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
}
_SOFT_END = re.compile(r"(?<! --) \n(?!>|\s|-- \n)")


class _Brief(Compat32):
    """Takes no more of a header than anybody writes: Python looks for its parameters again and again."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:HEADER_TAKEN]


def read(order: Order) -> Iterator[ExtractedDocument | ExtractedPage | ExtractedFile]:
    try:
        message = email.message_from_bytes(order.path.read_bytes(), policy=_Brief())
    except RecursionError as exc:
        raise damaged("The mail holds parts in parts without end; it was not read.") from exc
    mail = _Mail(order.folder)
    mail.message(message, depth=0)
    draft = mail.writer.draft(_header(message, "Subject"))
    draft.warnings = mail.warnings
    first, *pages = in_pages(draft, order)
    assert isinstance(first, ExtractedDocument)
    first.attachments = mail.unread
    yield first
    yield from mail.files
    yield from pages


class _Mail:
    """Writes a message down with all that is in it, and puts its files where they can be read."""

    def __init__(self, folder: Path | None) -> None:
        self.writer = Writer()
        self.folder = folder
        self.files: list[ExtractedFile] = []
        self.unread: list[tuple[str, int]] = []
        self.warnings: list[str] = []
        self.parts = self.bytes = 0

    def message(self, message: Message, depth: int) -> None:
        """The headers, the text and, behind them, the names of the files."""
        if depth > DEPTH_MOST:
            self.warn(TOO_DEEP.format(DEPTH_MOST))
            return
        self.writer.gap()
        self.writer.line(_header(message, "Subject") or NO_SUBJECT, level=min(depth + 1, 6))
        for name in SHOWN:
            value = _header(message, name)
            self.writer.line(f"{name}: {value}" if value else "")
        self.writer.gap()
        self.part(message, depth)

    def part(self, part: Message, depth: int) -> None:
        self.parts += 1
        if self.parts > PARTS_MOST:
            self.warn(TOO_MANY)
            return
        kind = part.get_content_type()
        if kind == "message/rfc822":
            for inner in _children(part):
                self.message(inner, depth + 1)
        elif kind in ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"):
            self.warn(ENCRYPTED)
        elif kind == "multipart/alternative":
            self.alternatives(_children(part), depth)
        elif part.is_multipart():
            for inner in _children(part):
                self.part(inner, depth)
        elif _is_text(part):
            self.text(part)
        elif kind.startswith("image/") and _is_inline(part):
            self.writer.picture()
        else:
            self.file(part)

    def alternatives(self, parts: list[Message], depth: int) -> None:
        """The same words more than once: the plain ones, unless the others say more."""
        drafts = {part.get_content_type(): (part, _draft(part)) for part in parts if _is_text(part)}
        plain, rich = drafts.get("text/plain"), drafts.get("text/html")
        if plain and rich:
            says_more = rich[1].tables or len(plain[1].text) * 2 < len(rich[1].text)
            self.text((rich if says_more else plain)[0])
        elif plain or rich:
            self.text((plain or rich)[0])  # type: ignore[index]
        for part in parts:
            if not _is_text(part) and part.get_content_type() != "text/calendar":
                self.part(part, depth)

    def text(self, part: Message) -> None:
        text, warnings = _decoded(part)
        for warning in warnings:
            self.warn(warning)
        self.writer.gap()
        _write(self.writer, part, text)
        self.writer.gap()

    def file(self, part: Message) -> None:
        data = _payload(part)
        name = _file_name(part)
        self.writer.gap()
        self.writer.line(f"Attachment: {name}, {_size(len(data))}")
        self.writer.gap()
        self.bytes += len(data)
        if self.folder is None or len(self.files) >= FILES_MOST or self.bytes > FILES_BYTES_MOST:
            self.unread.append((name, len(data)))
            return
        path = self.folder / f"attachment-{len(self.files) + 1}"
        path.write_bytes(data)
        try:
            kind_of(path, name)
        except ExtractionError:
            path.unlink()
            self.unread.append((name, len(data)))
        else:
            self.files.append(ExtractedFile(name, path))

    def warn(self, warning: str) -> None:
        self.warnings += [] if warning in self.warnings else [warning]


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _is_text(part: Message) -> bool:
    is_file = part.get_content_disposition() == "attachment" or bool(part.get_filename())
    return part.get_content_type() in ALTERNATIVES and not is_file


def _is_inline(part: Message) -> bool:
    return part.get_content_disposition() == "inline" or (
        part.get_content_disposition() is None and part.get("Content-ID") is not None
    )


def _draft(part: Message) -> Draft:
    writer = Writer()
    _write(writer, part, _decoded(part)[0])
    return writer.draft()


def _write(writer: Writer, part: Message, text: str) -> None:
    if part.get_content_type() == "text/html":
        write_html(text, writer)
        return
    if str(part.get_param("format", "")).lower() == "flowed":
        text = _SOFT_END.sub(
            " " if str(part.get_param("delsp", "")).lower() != "yes" else "", text.replace("\r\n", "\n")
        )
    for line in text.splitlines():
        if line.strip():
            writer.line(line)
        else:
            writer.gap()


def _decoded(part: Message) -> tuple[str, list[str]]:
    data = _payload(part)
    charset = str(part.get_content_charset() or "").strip("\"' ")
    if part.get_content_type() == "text/html" and not charset:
        charset = declared_charset(data)
    return decode(data, _CHARSETS.get(charset, charset))


def _payload(part: Message) -> bytes:
    """The part's bytes, whatever they were wrapped in for the way."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return b""
    return payload if isinstance(payload, bytes) else b""


def _header(message: Message, name: str) -> str:
    """A header as people read it; several of one name are one."""
    values = [value for key, value in message.raw_items() if key.lower() == name.lower()]
    return " ".join(", ".join(_readable(str(value)[:HEADER_MOST]) for value in values).split())


def _readable(value: str) -> str:
    """Encoded words as their letters, and letters that were sent as they are by their likeliest encoding."""
    raw = value.encode("utf-8", "surrogateescape")
    value = decode(raw)[0]
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    words = []
    for piece, charset in pieces:
        if isinstance(piece, bytes):
            charset = (charset or "").lower()
            words.append(decode(piece, _CHARSETS.get(charset, charset))[0])
        else:
            words.append(piece)
    return "".join(words)


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename() or part.get_param("name") or ""
    except (ValueError, LookupError):
        name = ""
    name = " ".join(_readable(str(name)).replace("\\", "/").rsplit("/", 1)[-1].split())[:200]
    return name or f"unnamed {part.get_content_type()}"


def _size(size: int) -> str:
    return f"{size} bytes" if size < 1_000 else f"{size / 1_000:,.0f} kB" if size < 1e6 else f"{size / 1e6:,.1f} MB"
