"""A PDF's page as an image, and a span of its text as rectangles on it. Knows no Django.

PDFium must never be called from two threads, and may hang or fall over on a hostile file. So it lives in a child
process of its own, one for this process and all its threads, which takes one order at a time. It is started when it
is first needed, killed and started anew when an order takes too long, and ends when its standard input does.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from documents.extraction.limits import ROOT, bare_environment

SECONDS = 10.0  # an order may take
PATIENCE = 8.0  # an order may wait for its turn
HOPELESS_MOST = 1_000  # orders remembered, so that a page which takes too long is not drawn over and over


class Rect(NamedTuple):
    """In points, from the top left of the page as it is shown."""

    left: float
    top: float
    width: float
    height: float


class RenderingError(Exception):
    """The page cannot be shown; str(exc) is for a person."""


class RenderingBusy(RenderingError):
    """Others are being drawn: worth trying again in a moment."""


def page_image(path: Path, page_number: int, *, scale: float = 1.5) -> bytes:
    """The page as a JPEG, `scale` pixels a point; less when it would be longer than about 4,000 pixels."""
    return _child.ask({"do": "image", "path": str(path.resolve()), "page_number": page_number, "scale": scale})


def page_size(path: Path, page_number: int) -> tuple[float, float]:
    """Width and height in points, of the page as it is shown: turned and cropped."""
    order = {"do": "size", "path": str(path.resolve()), "page_number": page_number}
    width, height = json.loads(_child.ask(order))
    return width, height


def rectangles(
    path: Path,
    page_number: int,
    spans: Sequence[tuple[int, int]],
    *,
    runs: Sequence[Sequence[int]] = (),
    boxes: Sequence[Sequence[float]] = (),
) -> list[list[Rect]]:
    """For each span of the page's text the boxes round its words, one a line where the words stand together.

    `runs` and `boxes` are those of the page as it was read; without them the text is in PDFium's order, and what
    PDFium does not give as text has no place.
    """
    places = {"spans": list(spans), "runs": list(runs), "boxes": list(boxes)}
    order = {"do": "rectangles", "path": str(path.resolve()), "page_number": page_number, **places}
    return [[Rect(*box) for box in found] for found in json.loads(_child.ask(order))]


class _Child:
    """The process that holds PDFium. An order is a line of JSON; the answer is a line with its length, and bytes."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._hopeless: dict[tuple[object, object], str] = {}

    def ask(self, order: dict[str, object]) -> bytes:
        page = order["path"], order["page_number"]
        if page in self._hopeless:
            raise RenderingError(self._hopeless[page])
        try:
            return self._ask(order)
        except TimeoutError as exc:
            if len(self._hopeless) >= HOPELESS_MOST:
                self._hopeless.clear()
            self._hopeless[page] = "The page cannot be shown: drawing it took too long."
            raise RenderingError(self._hopeless[page]) from exc

    def _ask(self, order: dict[str, object]) -> bytes:
        if not self._turn.acquire(timeout=PATIENCE):
            raise RenderingBusy("Many pages are being drawn at the moment. Try again in a little while.")
        try:
            header, body = self._answered(order)
        finally:
            self._turn.release()
        if error := header.get("error"):
            raise RenderingError(error)
        return body

    def _answered(self, order: dict[str, object]) -> tuple[dict, bytes]:
        """The answer; tried again with a new process when the old one turns out to be dead."""
        for is_last in (False, True):
            try:
                return self._answer(order)
            except TimeoutError:
                self.stop()
                raise
            except (OSError, EOFError, ValueError, KeyError) as exc:
                self.stop()
                if is_last:
                    raise RenderingError("The page cannot be shown: drawing it broke off.") from exc
        raise AssertionError

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def forget(self) -> None:
        """After a fork: the process, and a turn that may be taken, belong to the parent."""
        self._turn, self._process = threading.Lock(), None

    def _answer(self, order: dict[str, object]) -> tuple[dict, bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = _started()
        process = self._process
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + SECONDS
        received = bytearray()
        while b"\n" not in received:
            received += _read(process.stdout.fileno(), deadline)
        line, _, body = bytes(received).partition(b"\n")
        header = json.loads(line)
        pieces, missing = [body], header["length"] - len(body)
        while missing > 0:
            pieces.append(_read(process.stdout.fileno(), deadline))
            missing -= len(pieces[-1])
        return header, b"".join(pieces)


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "documents.rendering"],
        cwd=ROOT,
        env=bare_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _read(source: int, deadline: float) -> bytes:
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
    piece = os.read(source, 1 << 20)
    if not piece:
        raise EOFError
    return piece


_child = _Child()
atexit.register(_child.stop)
os.register_at_fork(after_in_child=_child.forget)
