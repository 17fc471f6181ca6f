"""Readers in a few milliseconds: forked, one for each order, from a process that has imported what reading needs.

There is one nursery for this process and all its threads (`python -m documents.extraction`; its own side is in
`__main__`). It is started when a reader is first wanted, with none of our memory and a bare environment, and anew when
it is found dead. It ends when its standard input does, which is a socket whose other end is here alone, and its readers
end with it: nothing is left behind, even when this process is killed.

With an order go four ends: the pipe the order is written to, the pipe of the answers, a file for complaints, and the
cord. The nursery cuts a reader off when its cord is shut, and says on it how the reader ended.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import IO

from documents.extraction.limits import ROOT, bare_environment

KIND_MOST = 16  # bytes: every message is as long, so that none can be cut or run into the next
ANSWERS_AHEAD = 2**18  # bytes a reader may write before somebody takes them, where the system can be asked for it
HEAP_AHEAD = 2**22  # bytes glibc keeps for a reader's next page, where it would give them back after each
SECONDS = 30.0  # the nursery may take for its part; then it is ended itself


class NurseryLost(Exception):
    """The nursery ended, and with it a reader that may have done nothing wrong."""


class Reader:
    """A process that reads one file. It ends with the block that it is the context of."""

    def __init__(
        self,
        nursery: subprocess.Popen[bytes],
        ends: ExitStack,
        cord: socket.socket,
        answers: IO[bytes],
        complaints: IO[bytes],
    ) -> None:
        self.answers, self.complaints = answers.fileno(), complaints
        self._nursery, self._ends, self._cord = nursery, ends, cord
        self._said: bytes | None = None

    def code(self) -> int:
        """Wait for its end: the exit code, or less than 0, the signal that ended it. Raises NurseryLost."""
        if self._said is None:
            self._said = self._last_word()
        if not self._said:
            raise NurseryLost
        return int(self._said)

    def let_go(self) -> None:
        """It has told all there is: it ends by itself, and nobody needs to wait for that."""
        self._said = b"0"

    def _last_word(self) -> bytes:
        said = b""
        try:
            said = b"".join(iter(lambda: self._cord.recv(16), b""))
        except TimeoutError:
            self._nursery.kill()
        except ConnectionError:
            pass
        if not said:
            _await_end(self._nursery)
        return said

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ends, suppress(OSError, NurseryLost):
            self._cord.shutdown(socket.SHUT_WR)
            self.code()


class _Nursery:
    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def reader(self, kind: str, order: bytes) -> Reader:
        """A reader for files of a kind, that was given the order. Raises NurseryLost."""
        with ExitStack() as ours, ExitStack() as theirs:
            answers, answers_end = _pipe(ours, theirs)
            _widen(answers)
            order_end, orders = _pipe(theirs, ours)
            complaints = ours.enter_context(tempfile.TemporaryFile())
            cord, cord_end = socket.socketpair()
            ours.enter_context(cord).settimeout(SECONDS)
            theirs.enter_context(cord_end)
            process = self._send(kind, [end.fileno() for end in (order_end, answers_end, complaints, cord_end)])
            theirs.close()
            with suppress(BrokenPipeError), orders:  # It died at once; how it ended says why.
                orders.write(order)
            return Reader(process, ours.pop_all(), cord, answers, complaints)

    def _send(self, kind: str, ends: list[int]) -> subprocess.Popen[bytes]:
        with self._turn:
            if self._process is None or self._line is None or self._process.poll() is not None:
                self._stop()
                self._process, self._line = _started()
            process, line = self._process, self._line
            try:
                socket.send_fds(line, [kind.encode().ljust(KIND_MOST)], ends)
            except ConnectionError as exc:
                _await_end(process)
                raise NurseryLost from exc
            return process

    def stop(self) -> None:
        with self._turn:
            self._stop()

    def _stop(self) -> None:
        process, line, self._process, self._line = self._process, self._line, None, None
        if line is not None:
            line.close()
        if process is not None:
            process.kill()
            process.wait()

    def forget(self) -> None:
        """After a fork: the nursery, and a turn that may be taken, belong to the parent."""
        if self._line is not None:
            self._line.close()
        self._turn, self._process, self._line = threading.Lock(), None, None


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Its sockets go before itself; who asks for the next reader shall find it gone."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)


def _started() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "documents.extraction"],
            cwd=ROOT,
            env={**bare_environment(), "MALLOC_TOP_PAD_": str(HEAP_AHEAD)},
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return process, ours


def _pipe(readers: ExitStack, writers: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Both ends of a pipe, each closed with those who use it."""
    source, target = os.pipe()
    return (
        readers.enter_context(os.fdopen(source, "rb", buffering=0)),
        writers.enter_context(os.fdopen(target, "wb", buffering=0)),
    )


def _widen(pipe: IO[bytes]) -> None:
    """A reader that is ahead of who takes its pages goes on reading meanwhile."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # All pipes of a user together may be too wide already.
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, ANSWERS_AHEAD)


_nursery = _Nursery()
reader = _nursery.reader
atexit.register(_nursery.stop)
os.register_at_fork(after_in_child=_nursery.forget)
