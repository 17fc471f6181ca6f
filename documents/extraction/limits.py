"""What a child process that reads other people's files may use, and how long a piece of work in it may take."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # Opened once, not by each process that is forked.


class OutOfTime(BaseException):
    """Not an Exception, so that a library that forgives every fault does not forgive this one."""


def bare_environment() -> dict[str, str]:
    """The environment of a child: what Python needs to start, and none of our secrets."""
    names = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "TESSDATA_PREFIX")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    # One thread for numpy, which a table's reader may import: more take address space, and none outlives a fork.
    return {**kept, "PYTHONUTF8": "1", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}


def confine(memory_bytes: int, cpu_seconds: int = 0) -> None:
    """Limit this process for good, as far as the system can: memory, processor time (0: unlimited), no core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if cpu_seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    if sys.platform == "linux":  # Elsewhere the address space cannot be limited.
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def die_with_parent(parent: int) -> None:
    """Be killed when the parent's thread that started us ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It died before we could ask.
        os._exit(1)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise OutOfTime inside a block of pure Python that takes longer. Main thread only."""

    def ring(number: int, frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
