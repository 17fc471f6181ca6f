"""Who looks sentences up: the thread that asks, and where many answers are written at once, a process of its own.

One thread of a process computes at a time, so sentences looked up by threads keep the streams of all answers waiting.
The process (`python -m chat.verification`) is started when two sentences are first looked up together; there is one for
this process and all its threads. Until it is ready, and when it has died, the threads do it themselves. It has none of
our memory and a bare environment, and ends when its standard input does, which is a socket whose other end is here
alone: nothing is left behind, even when this process is killed.
"""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from chat.verification import Claim, Evidence, Judged, judge
from documents.extraction.limits import ROOT, bare_environment

log = logging.getLogger(__name__)

SECONDS = 30.0  # a sentence may take there; then the process is ended, and the sentence stays unchecked
ANEW_S = 60.0  # from one start of the process to the next, should it die


class Verifier:
    _alone: threading.Lock  # had by the first of those who look up at a time
    _turn: threading.Lock
    _process: subprocess.Popen[bytes] | None
    _line: Connection | None = None
    _is_ready: bool
    _may_start_at: float

    def __init__(self) -> None:
        self.forget()

    @property
    def process(self) -> int | None:
        """The number of the process, once it has answered."""
        return self._process.pid if self._process and self._is_ready else None

    def judge(self, claim: Claim, evidence: Sequence[Evidence]) -> Judged:
        """What becomes of a sentence. Raises TimeoutError where that takes too long."""
        is_alone = self._alone.acquire(blocking=False)
        try:
            with self._turn:
                found = self._asked(claim, evidence, may_start=not is_alone)
            return found or judge(claim, evidence)
        finally:
            if is_alone:
                self._alone.release()

    def _start(self) -> None:
        if self._process is not None or time.monotonic() < self._may_start_at:
            return
        self._may_start_at = time.monotonic() + ANEW_S
        self._line, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chat.verification"],
                cwd=ROOT,
                env=bare_environment(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _asked(self, claim: Claim, evidence: Sequence[Evidence], *, may_start: bool) -> Judged | None:
        """What the process says; None where it cannot be asked."""
        try:
            if may_start:
                self._start()
            if self._line is None or not self._has_begun(self._line):
                return None
            self._line.send((claim, evidence))
            if self._line.poll(SECONDS):
                return self._line.recv()
        except (EOFError, OSError) as exc:
            log.warning("verifier_lost %r", exc)
            self._stop()
            return None
        self._stop()
        raise TimeoutError(f"a sentence took longer than {SECONDS:.0f} s")

    def _has_begun(self, line: Connection) -> bool:
        """Whether it has imported all that it needs; nobody waits for that."""
        if not self._is_ready and line.poll():
            line.recv()
            self._is_ready = True
        return self._is_ready

    def stop(self) -> None:
        with self._turn:
            self._stop()

    def _stop(self) -> None:
        process, line = self._process, self._line
        self._process, self._line, self._is_ready = None, None, False
        if line is not None:
            line.close()
        if process is not None:
            process.kill()
            process.wait()

    def forget(self) -> None:
        """Begin anew. After a fork the process, and turns that may be taken, belong to the parent."""
        if self._line is not None:
            self._line.close()
        self._alone, self._turn = threading.Lock(), threading.Lock()
        self._process = self._line = None
        self._is_ready, self._may_start_at = False, 0.0


_here = Verifier()
look_up = _here.judge
atexit.register(_here.stop)
os.register_at_fork(after_in_child=_here.forget)
