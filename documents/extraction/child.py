"""Read a file in a child process, so that no file can take more than its share or bring a worker down."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from documents.extraction.limits import ROOT, bare_environment
from documents.extraction.pages import (
    ExtractedDocument,
    ExtractedFile,
    ExtractedPage,
    ExtractionError,
    Order,
    Table,
    damaged,
)

logger = logging.getLogger(__name__)

RECORD_MOST = 64 * 2**20  # bytes
RECOGNITION_SECONDS = 60  # a page; as long as its recognition may take
_ADVICE = "Split it into smaller files, or ask an administrator to raise the limit."


Found = ExtractedDocument | ExtractedPage | ExtractedFile


def extract(
    order: Order, kind: str, *, memory_bytes: int, seconds: float, heed: Callable[[], None] = lambda: None
) -> Iterator[Found]:
    """Yield the document, then its pages in order while they are read, then the document again, now complete.

    The first ExtractedDocument says what is known beforehand; the last has the pages counted and what was noticed of
    the whole file. Files found inside come between. `seconds` is what the reading may take, not counting the time its
    caller spends between pages; a page that had to be recognised brings some of its own. `heed` is called every second
    and at every page: what it raises ends the reading. The child dies with the generator and with this process.
    Raises ExtractionError.
    """
    limits: dict[str, object] = {"memory_bytes": memory_bytes, "cpu_seconds": int(seconds) + 1, "parent": os.getpid()}
    wanted = asdict(replace(order, path=order.path.resolve()))
    with tempfile.TemporaryFile() as complaints, _started(complaints) as child:
        try:
            _send(child, {"order": wanted, "kind": kind} | limits)
            patience = _Patience(seconds, heed)
            for line in _lines(child, patience):
                record = _understood(line)
                if record is None:  # The end.
                    return
                if isinstance(record, ExtractedPage) and (record.recognised or record.warning == "no recognition"):
                    patience.seconds += RECOGNITION_SECONDS
                yield record
            raise _verdict(child, complaints)
        finally:
            _kill(child)


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
            ready = selector.select(min(1.0, self.seconds))
            self.seconds -= time.monotonic() - began
            if ready:
                return True
        return False


def _started(complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "documents.extraction"],
        cwd=ROOT,
        env=bare_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        start_new_session=True,
    )


def _send(child: subprocess.Popen[bytes], order: dict[str, object]) -> None:
    assert child.stdin
    try:
        child.stdin.write(json.dumps(order, default=str).encode())
        child.stdin.close()
    except BrokenPipeError:
        pass  # It died at once; what it left behind says why.


def _lines(child: subprocess.Popen[bytes], patience: _Patience) -> Iterator[bytes]:
    """The child's lines as they come."""
    assert child.stdout
    buffer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not patience.wait(selector):
                raise _too_slow()
            piece = os.read(child.stdout.fileno(), 1 << 18)
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


def _verdict(child: subprocess.Popen[bytes], complaints: IO[bytes]) -> ExtractionError:
    """Why the child ended without an end."""
    code = child.wait()
    complaints.seek(0)
    logger.warning("reading ended with code %s: %s", code, complaints.read()[-2000:].decode(errors="replace"))
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _too_slow()
    if code < 0:
        return ExtractionError(
            "crashed", "Reading the file broke off: it is damaged, or needs more memory than is allowed.", _ADVICE
        )
    return damaged()


def _too_slow() -> ExtractionError:
    return ExtractionError("time", "Reading the file took too long.", _ADVICE)


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # It may have ended and taken its group along.
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
