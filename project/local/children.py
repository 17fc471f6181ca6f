"""Private processes: started in sessions of their own, ended when we end, and found again after a kill."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from project.local.faults import LocalError, why_it_failed

LOG_BYTES = 10_000_000
PR_SET_PDEATHSIG = 1


def die_with_parent(how: signal.Signals = signal.SIGKILL, parent: int | None = None) -> None:
    """Have the kernel send this process a signal when its parent ends. Given the parent, it may have ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(how))
    if parent is not None and os.getppid() != parent:
        os._exit(1)


class Child:
    """A private process in a session of its own: Ctrl-C does not reach it, and it ends when we end."""

    def __init__(
        self,
        name: str,
        command: Iterable[str | Path],
        log: Path,
        *,
        death_signal: signal.Signals = signal.SIGKILL,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.old"))
        with log.open("ab") as out:
            self._log_start = out.tell()
            self.process = subprocess.Popen(  # noqa: S603
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=partial(die_with_parent, death_signal, os.getpid()),  # noqa: PLW1509
                env=env,
                cwd=cwd,
            )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def ask_to_end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.is_running:
            self.process.send_signal(how)

    def await_end(self, limit_s: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """Insist after the limit, or when hurried. Afterwards nothing of its group is left."""
        deadline = time.monotonic() + limit_s
        while self.is_running and time.monotonic() < deadline and not hurried():
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self, lines: int = 8) -> str:
        """The end of what it wrote in this run."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 20_000))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


def still_starting(child: Child | None, deadline: float, data_dir: Path) -> None:
    assert child is not None
    if child.is_running and time.monotonic() < deadline:
        time.sleep(0.03)
        return
    state = "did not answer in time" if child.is_running else "ended while it started"
    child.ask_to_end(signal.SIGTERM)
    child.await_end(5)
    raise LocalError(why_it_failed(data_dir, f"{child.name} {state}", child.last_words()))


def bare_environment() -> dict[str, str]:
    """No PGDATA, no PGOPTIONS, no secret of ours: the services need none of it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def package_folder(name: str) -> Path | None:
    """Where a package's files lie. It is not imported: only its binaries are wanted."""
    found = find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def end_orphans(folder: Path, names: set[str]) -> None:
    """Wait for the services of a killed run that are still at work in a folder which is ours by now, and insist."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        told: set[int] = set()
        deadline = time.monotonic() + 5
        while (left := _at_work_in(folder, names)) and time.monotonic() < deadline:
            for process in left - told:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, how)
            told |= left
            time.sleep(0.05)
        if not left:
            return
    raise LocalError(f"Process {min(left)} still works in {folder} and cannot be ended. End it and start again.")


def _at_work_in(folder: Path, names: set[str]) -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "comm").read_text().strip() not in names:
                continue
            try:
                is_here = (process / "cwd").readlink() == folder
            except PermissionError:  # Another user's, and we may not trace it: its command line is open to all.
                is_here = os.fsencode(folder) in (process / "cmdline").read_bytes().split(b"\0")
            if is_here:
                found.add(int(process.name))
    return found
