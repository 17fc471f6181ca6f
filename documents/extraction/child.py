"""Read a file in a child process, so that no file can take more than its share or bring a worker down."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from documents.extraction.nursery import NurseryLost, Reader, reader
from documents.extraction.pages import (
    LONG_BYTES,
    READERS,
    ExtractedDocument,
    ExtractedFile,
    ExtractedPage,
    ExtractionError,
    Order,
    Table,
    damaged,
    turn,
)

logger = logging.getLogger(__name__)

RECORD_MOST = 64 * 2**20  # bytes
READ_MOST = 2**16  # bytes at once; for more, the system would be asked for memory at each reading
HEED_SECONDS = 0.2  # between two looks whether the reading is still wanted
RECOGNITION_SECONDS = 60  # a page; as long as its recognition may take
_ADVICE = "Split it into smaller files, or ask an administrator to raise the limit."

Found = ExtractedDocument | ExtractedPage | ExtractedFile


def extract(
    order: Order, kind: str, *, memory_bytes: int, seconds: float, heed: Callable[[], None] = lambda: None
) -> Iterator[Found]:
    """Yield the document, then its pages in order while they are read, then the document again, now complete.

    The first ExtractedDocument says what is known beforehand; the last has the pages counted and what was noticed of
    the whole file. Files found inside come between. `seconds` is what the reading may take, not counting the time its
    caller spends between pages; a page that had to be recognised brings some of its own. `heed` is called some times a
    second and at every page: what it raises ends the reading. The child dies with the generator and with this process.
    Raises ExtractionError.

    Where there are processors for it, a long file has two readers. When one of them is lost or fails, another goes on
    alone behind the pages that were yielded, and begins with the document again.
    """
    patience = _Patience(seconds, heed)
    order = replace(order, path=order.path.resolve())
    skip = order.skip
    for share in (0 if _processors() > 1 and not order.careful else None, None):
        try:
            for item in _found(replace(order, share=share, skip=skip), kind, memory_bytes, patience):
                skip += isinstance(item, ExtractedPage)
                yield item
            return
        except _BrokenOff as exc:
            logger.warning("reading goes on with another reader: %s", exc)
    raise _crashed()


class _BrokenOff(Exception):
    """A reading ended in a way that one reader alone may be spared."""


def _found(order: Order, kind: str, memory_bytes: int, patience: _Patience) -> Iterator[Found]:
    """What one reader finds; or two, when the first says that the pages are to be dealt out.

    The second of a file that looks long does not wait for that: where it is not wanted, it ends by itself.
    """
    with ExitStack() as readers:

        def items(order: Order, memory_bytes: int) -> Iterator[Found]:
            given = {"kind": kind, "memory_bytes": memory_bytes, "cpu_seconds": int(patience.seconds) + 1}
            try:
                written = json.dumps({"order": vars(order), **given}, default=str).encode()
                return _items(readers.enter_context(reader(kind, written)), patience)
            except NurseryLost as exc:
                raise _BrokenOff("its nursery was lost") from exc

        def others() -> Iterator[Found]:
            return items(replace(order, share=1, folder=None), memory_bytes // READERS)

        first = items(order, memory_bytes)
        second = others() if order.share == 0 and _looks_long(order.path, kind) else None
        for item in first:
            if isinstance(item, ExtractedDocument) and item.dealt:
                yield from _dealt(order, item, [first, second or others()])
                return
            yield item


def _looks_long(path: Path, kind: str) -> bool:
    return kind in LONG_BYTES and path.is_file() and path.stat().st_size >= LONG_BYTES[kind]


def _dealt(order: Order, document: ExtractedDocument, shares: list[Iterator[Found]]) -> Iterator[Found]:
    """The document, its pages in order from one reader or the other, and what the first finds behind them."""
    yield document
    try:
        other = next(shares[1], None)
        if not (isinstance(other, ExtractedDocument) and other.dealt and other.page_count == document.page_count):
            raise _BrokenOff("the second does not see the same file")
        count = document.page_count
        for number in range(order.skip, count):
            page = next(shares[turn(number)], None)
            if not isinstance(page, ExtractedPage):
                raise _BrokenOff(f"page {number + 1} is missing")
            yield page
        inside = _files_inside(shares[-1])
        for item in shares[0]:
            count += isinstance(item, ExtractedPage)
            if isinstance(item, ExtractedDocument):
                item = replace(item, page_count=count, attachments=inside)
            yield item
    except ExtractionError as exc:
        if exc.code == "time":
            raise
        raise _BrokenOff(str(exc)) from exc


def _files_inside(share: Iterator[Found]) -> list[tuple[str, int]]:
    """What the last reader tells behind its pages; it may break off at a file that unpacks to very much."""
    found: list[tuple[str, int]] = []
    with suppress(ExtractionError, _BrokenOff):
        for item in share:
            found = item.attachments if isinstance(item, ExtractedDocument) else found
    return found


def _items(process: Reader, patience: _Patience) -> Iterator[Found]:
    for line in _lines(process.answers, patience):
        record = _understood(line)
        if record is None:  # The end.
            process.let_go()
            return
        if isinstance(record, ExtractedPage) and (record.recognised or record.warning == "no recognition"):
            patience.seconds += RECOGNITION_SECONDS
        yield record
    raise _verdict(process)


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@dataclass
class _Patience:
    """How long a child may still be waited for, and who may break the waiting off."""

    seconds: float
    heed: Callable[[], None]

    def wait(self, selector: selectors.BaseSelector) -> bool:
        """Whether something came before the time was up."""
        while self.seconds > 0:
            self.heed()
            began = time.monotonic()
            ready = selector.select(min(HEED_SECONDS, self.seconds))
            self.seconds -= time.monotonic() - began
            if ready:
                return True
        return False


def _lines(answers: int, patience: _Patience) -> Iterator[bytes]:
    """A reader's lines as they come."""
    buffer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(answers, selectors.EVENT_READ)
        while True:
            if not patience.wait(selector):
                raise _too_slow()
            piece = os.read(answers, READ_MOST)
            if not piece:
                return
            *lines, rest = piece.split(b"\n")
            for line in lines:
                yield bytes(buffer) + line
                buffer.clear()
            buffer += rest
            if len(buffer) > RECORD_MOST:
                raise ExtractionError("too_large", "A page of the file is too large.", _ADVICE)


def _understood(line: bytes) -> Found | None:
    try:
        ((name, fields),) = json.loads(line).items()
        match name:
            case "document":
                fields["attachments"] = [(each, size) for each, size in fields["attachments"]]
                return ExtractedDocument(**fields)
            case "page":
                return _page(fields)
            case "file":
                return ExtractedFile(fields["name"], Path(fields["path"]))
            case "error":
                raise ExtractionError(**fields)
            case "end":
                return None
    except (ValueError, TypeError, AttributeError, KeyError) as exc:
        raise damaged() from exc
    raise damaged()


def _page(fields: dict[str, Any]) -> ExtractedPage:
    """JSON knows lists alone, so what was a tuple becomes one again."""
    for name in ("headings", "runs", "boxes", "hidden"):
        fields[name] = [tuple(row) for row in fields[name]]
    tables = [
        Table(**{**table, "rows": [[(start, end) for start, end in row] for row in table["rows"]]})
        for table in fields.pop("tables")
    ]
    return ExtractedPage(**fields, tables=tables)


def _verdict(process: Reader) -> Exception:
    """Why a reader ended without an end."""
    try:
        code = process.code()
    except NurseryLost:
        return _BrokenOff("its nursery was lost")
    process.complaints.seek(0)
    logger.warning("reading ended with code %s: %s", code, process.complaints.read()[-2000:].decode(errors="replace"))
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _too_slow()
    return _crashed() if code < 0 else damaged()


def _too_slow() -> ExtractionError:
    return ExtractionError("time", "Reading the file took too long.", _ADVICE)


def _crashed() -> ExtractionError:
    reason = "Reading the file broke off: it is damaged, or needs more memory than is allowed."
    return ExtractionError("crashed", reason, _ADVICE)
