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
    """The living readers, each with its cord: shut by the other side it ends them, and their end is told on it.

    Beside them one more waits for the next order, made while there is nothing else to do.
    """

    def __init__(self, line: socket.socket) -> None:
        self.line, self.cords = line, dict[int, socket.socket]()
        self.spare: Spare | None = None
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
        is_short = False  # of a reader that waits
        while True:
            ready = self.selector.select(0 if is_short else None)
            if is_short and not ready:
                is_short = False
                with suppress(OSError):
                    self.spare = Spare()
            for key, _ in ready:
                if key.fileobj is self.bell:
                    self.bell.recv(4096)
                    self.bury()
                elif key.fileobj is not self.line:
                    self.cut_off(key.data)
                elif self.take_order():
                    is_short = self.spare is None
                else:
                    for pid in [*self.cords, *([self.spare.pid] if self.spare else [])]:
                        end(pid)
                    return

    def take_order(self) -> bool:
        kind, ends, _, _ = socket.recv_fds(self.line, KIND_MOST, 4)
        if not kind:
            return False
        try:
            pid = self.reader(kind.decode().strip()).begin(ends)
            self.cords[pid] = cord = socket.socket(fileno=os.dup(ends[-1]))
            self.selector.register(cord, selectors.EVENT_READ, pid)
        except OSError:
            traceback.print_exc()  # No process or file is to be had; the cord ends unsaid.
        finally:
            for end in ends:
                os.close(end)
        return True

    def reader(self, kind: str) -> Spare:
        """The one that waits, or a new one where there is none, or none that has what this kind needs."""
        spare, self.spare = self.spare, None
        if kind not in prepared:
            # A fault shows again in the reader, which can tell.
            with suppress(Exception):
                prepare(kind)
            if spare:
                end(spare.pid)
                spare = None
        return spare or Spare()

    def cut_off(self, pid: int) -> None:
        if pid in self.cords:
            self.selector.unregister(self.cords[pid])
            end(pid)

    def bury(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                end(pid)  # What it has started goes too.
                if self.spare and self.spare.pid == pid:
                    self.spare = None
                if pid not in self.cords:
                    continue
                with suppress(KeyError):
                    self.selector.unregister(self.cords[pid])
                with self.cords.pop(pid) as cord, suppress(OSError):
                    cord.send(str(os.waitstatus_to_exitcode(status)).encode())


class Spare:
    """A reader that waits for what it is to read."""

    def __init__(self) -> None:
        gc.freeze()  # What is here already stays shared with the readers.
        nursery = os.getpid()
        self.line, line = socket.socketpair()
        with line:
            self.pid = os.fork()
            if not self.pid:
                become_reader(nursery, line.fileno())

    def begin(self, ends: list[int]) -> int:
        """Give it its ends; which process it is."""
        with self.line:
            try:
                socket.send_fds(self.line, [b" "], ends)
            except ConnectionError:  # It was killed while it waited.
                return Spare().begin(ends)
        return self.pid


prepared: set[str] = set()


def prepare(kind: str) -> None:
    """Import a kind's reader when it is first wanted, and let it set up what every file of the kind needs."""
    prepared.add(kind)
    getattr(import_module(f"documents.extraction.{kind}"), "prepare", lambda: None)()


def end(pid: int) -> None:
    """Kill a reader, also one so young that it leads no group yet, and all of its group."""
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def become_reader(nursery: int, line: int) -> None:
    """Wait for an order, read as ordered, and end. Of what the nursery holds open, nothing stays."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for source, target in ((1, 0), (line, ANSWERS)):  # The nursery's standard output is nowhere.
            os.dup2(source, target, inheritable=False)
        close_all_behind(ANSWERS)
        die_with_parent(nursery)
        with socket.socket(fileno=ANSWERS) as waiting:
            _, ends, _, _ = socket.recv_fds(waiting, 1, 4)
        if not ends:
            return  # The nursery has ended.
        orders, answers, complaints, _ = ends
        for source, target in ((orders, 0), (complaints, 1), (complaints, 2), (answers, ANSWERS)):
            os.dup2(source, target, inheritable=target != ANSWERS)
        close_all_behind(ANSWERS)
        with open(0, encoding="utf-8", closefd=False) as given, open(ANSWERS, "w", encoding="utf-8") as told:
            main(given, told)
        code = 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(code)


def close_all_behind(last: int) -> None:
    os.closerange(last + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


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
