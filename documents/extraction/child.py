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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from documents.extraction.limits import ROOT, bare_environment
from documents.extraction.pages import ExtractedDocument, ExtractedPage, ExtractionError, damaged

logger = logging.getLogger(__name__)

RECORD_MOST = 64 * 2**20  # bytes
_ADVICE = "Split it into smaller files, or ask an administrator to raise the limit."


def extract(
    path: Path, kind: str, *, memory_bytes: int, seconds: float, pages_max: int, password: str = ""
) -> Iterator[ExtractedDocument | ExtractedPage]:
    """Yield the document, then its pages in order while they are read, then the document again, now complete.

    The first ExtractedDocument says what is known beforehand; the last has the pages counted and all warnings.
    `seconds` is what the reading may take, not counting the time its caller spends between pages. The child dies
    with the generator and with this process. Raises ExtractionError.
    """
    order = {"path": str(path.resolve()), "kind": kind, "pages_max": pages_max, "password": password}
    limits = {"memory_bytes": memory_bytes, "cpu_seconds": int(seconds) + 1, "parent": os.getpid()}
    with tempfile.TemporaryFile() as complaints, _started(complaints) as child:
        try:
            _send(child, order | limits)
            for line in _lines(child, seconds):
                record = _understood(line)
                if record is None:  # The end.
                    return
                yield record
            raise _verdict(child, complaints)
        finally:
            _kill(child)


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
        child.stdin.write(json.dumps(order).encode())
        child.stdin.close()
    except BrokenPipeError:
        pass  # It died at once; what it left behind says why.


def _lines(child: subprocess.Popen[bytes], seconds: float) -> Iterator[bytes]:
    """The child's lines as they come, waiting no longer than `seconds` in all."""
    assert child.stdout
    buffer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            began = time.monotonic()
            ready = selector.select(max(0, seconds))
            seconds -= time.monotonic() - began
            if not ready:
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


def _understood(line: bytes) -> ExtractedDocument | ExtractedPage | None:
    try:
        ((name, fields),) = json.loads(line).items()
        match name:
            case "document":
                return ExtractedDocument(**fields)
            case "page":
                headings = [(offset, level, title) for offset, level, title in fields.pop("headings")]
                return ExtractedPage(**fields, headings=headings)
            case "error":
                raise ExtractionError(**fields)
            case "end":
                return None
    except (ValueError, TypeError, AttributeError, KeyError) as exc:
        raise damaged() from exc
    raise damaged()


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
