"""The nursery's process: forks a reader for each order, which reads one file and writes JSON lines, one a page."""

from __future__ import annotations

import gc
import json
import os
import resource
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from documents.extraction.limits import confine, die_with_parent
from documents.extraction.nursery import KIND_MOST
from documents.extraction.pages import READERS, ExtractedDocument, ExtractedFile, ExtractedPage, ExtractionError, Order

Found = ExtractedDocument | ExtractedPage | ExtractedFile
NAMES: dict[type, str] = {ExtractedDocument: "document", ExtractedPage: "page", ExtractedFile: "file"}
ANSWERS = 3  # a reader's file descriptor: a library that prints must not mix with the answers


class Nursery:
    """The living readers, each with its cord: shut by the other side it ends them, and their end is told on it."""

    def __init__(self, line: socket.socket) -> None:
        self.line, self.cords = line, dict[int, socket.socket]()
        self.bell, bell_end = socket.socketpair()  # rung by the system when a reader has ended
        bell_end.setblocking(False)
        self.bell_end = bell_end
        signal.set_wakeup_fd(bell_end.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self.selector = selectors.DefaultSelector()
        for source in (self.line, self.bell):
            self.selector.register(source, selectors.EVENT_READ)

    def tend(self) -> None:
        """Fork, cut off and bury until nobody is left to give an order."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.bell:
                    self.bell.recv(4096)
                    self.bury()
                elif key.fileobj is not self.line:
                    self.cut_off(key.data)
                elif not self.take_order():
                    for pid in self.cords:
                        end(pid)
                    return

    def take_order(self) -> bool:
        kind, ends, _, _ = socket.recv_fds(self.line, KIND_MOST, 4)
        if not kind:
            return False
        # A fault shows again in the reader, which can tell.
        with suppress(Exception):
            prepare(kind.decode().strip())
        gc.freeze()  # What is here already stays shared with the readers.
        nursery = os.getpid()
        try:
            pid = os.fork()
            if not pid:
                become_reader(nursery, *ends)
            self.cords[pid] = cord = socket.socket(fileno=os.dup(ends[-1]))
            self.selector.register(cord, selectors.EVENT_READ, pid)
        except OSError:
            traceback.print_exc()  # No process or file is to be had; the cord ends unsaid.
        finally:
            for end in ends:
                os.close(end)
        return True

    def cut_off(self, pid: int) -> None:
        if pid in self.cords:
            self.selector.unregister(self.cords[pid])
            end(pid)

    def bury(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                end(pid)  # What it has started goes too.
                with suppress(KeyError):
                    self.selector.unregister(self.cords[pid])
                with self.cords.pop(pid) as cord, suppress(OSError):
                    cord.send(str(os.waitstatus_to_exitcode(status)).encode())


@cache
def prepare(kind: str) -> None:
    """Import a kind's reader when it is first wanted, and let it set up what every file of the kind needs."""
    getattr(import_module(f"documents.extraction.{kind}"), "prepare", lambda: None)()


def end(pid: int) -> None:
    """Kill a reader, also one so young that it leads no group yet, and all of its group."""
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def become_reader(nursery: int, orders: int, answers: int, complaints: int, cord: int) -> None:
    """Read as ordered and end. Of what the nursery holds open, nothing stays."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for source, target in ((orders, 0), (complaints, 1), (complaints, 2), (answers, ANSWERS)):
            os.dup2(source, target, inheritable=target != ANSWERS)
        os.closerange(ANSWERS + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        die_with_parent(nursery)
        with open(0, encoding="utf-8", closefd=False) as given, open(ANSWERS, "w", encoding="utf-8") as told:
            main(given, told)
        code = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(code)


def main(orders: IO[str], answers: IO[str]) -> None:
    given = json.load(orders)
    memory_bytes = given["memory_bytes"]
    confine(memory_bytes, given["cpu_seconds"])

    def answer(name: str, fields: dict[str, object]) -> None:
        answers.write(json.dumps({name: fields}, default=_plain) + "\n")
        answers.flush()

    order = given_order(given["order"])
    try:
        for item in read(given["kind"], order):
            if isinstance(item, ExtractedDocument) and item.dealt and order.share == 0:
                confine(memory_bytes // READERS)  # The others, which come now, were given no more.
            answer(NAMES[type(item)], vars(item))
        answer("end", {})
    except ExtractionError as exc:
        answer("error", {"code": exc.code, "reason": exc.reason, "advice": exc.advice})
    except MemoryError:
        reason = "Reading the file needs more memory than is allowed."
        advice = "Split it into smaller files, or ask an administrator to raise the limit."
        answer("error", {"code": "memory", "reason": reason, "advice": advice})


def _plain(value: object) -> object:
    """A path, or what a page is made of; several times faster than asdict."""
    return str(value) if isinstance(value, Path) else vars(value)


def read(kind: str, order: Order) -> Iterator[Found]:
    """What the format's reader finds, each page with the time it took, and the document once more at the end."""
    reader = import_module(f"documents.extraction.{kind}")
    document, count, began = ExtractedDocument(), order.skip, time.perf_counter()
    for item in reader.read(order):
        if isinstance(item, ExtractedDocument):
            document = item
        elif isinstance(item, ExtractedPage):
            count += 1
            item.seconds = round(time.perf_counter() - began, 4)
        yield item
        began = time.perf_counter()
    yield replace(document, page_count=count)


def given_order(fields: dict[str, Any]) -> Order:
    folder, languages = fields["folder"], tuple(fields["languages"])
    paths = {"path": Path(fields["path"]), "folder": Path(folder) if folder else None}
    return Order(**{**fields, **paths, "languages": languages})


if __name__ == "__main__":
    Nursery(socket.socket(fileno=0)).tend()
