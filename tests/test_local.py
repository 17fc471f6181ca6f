"""The embedded services: private, found by every process, gone with their parent, and back after a kill."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from project import local
from project.local import children, faults, places

ROOT = Path(__file__).resolve().parent.parent
RUN = """
import sys, time
from pathlib import Path
from project import local
folder = Path(sys.argv[1])
lock = local.hold(folder, "http://localhost:8000")
local.Postgres(folder).start(), local.Redis(folder).start()
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty data folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="lectern-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def running() -> Iterator[Path]:
    """The data folder of services that run."""
    folder = Path(tempfile.mkdtemp(prefix="lectern-"))
    services = local.Postgres(folder), local.Redis(folder)
    try:
        for service in services:
            service.start()
        yield folder
    finally:
        for service in services:
            service.stop()
        shutil.rmtree(folder)


def connect(folder: Path, **other: str) -> psycopg.Connection:
    where = local.database(folder)
    words = {"host": where["HOST"], "user": where["USER"], "password": where["PASSWORD"], "dbname": where["NAME"]}
    return psycopg.connect(**(words | other), autocommit=True)


def started_apart(folder: Path) -> subprocess.Popen:
    """The services as children of a process of their own."""
    process = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    return process


def runs(process: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def at_work(folder: Path) -> set[int]:
    names = {"postgres", "redis-server", "valkey-server"}
    return children._at_work_in(folder / "postgres", names) | children._at_work_in(folder / "redis", names)


def test_the_database_answers_with_the_password_we_keep(running: Path):
    with connect(running) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_database_refuses_another_password(running: Path):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(running, password="guessed")


def test_the_database_listens_on_no_network(running: Path):
    with connect(running) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_what_is_committed_reaches_the_disk(running: Path):
    with connect(running) as connection:
        names = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums")
        assert {connection.execute(f"SHOW {name}").fetchone() for name in names} == {("on",)}


def test_the_database_has_vectors(running: Path):
    with connect(running) as connection:
        available = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone()
        assert available == (1,)


def test_redis_answers_on_its_socket(running: Path):
    assert redis.from_url(local.redis_url(running)).ping()


def test_the_sockets_are_closed_to_others(running: Path):
    for service in ("postgres", "redis"):
        assert (running / "run" / service).stat().st_mode & 0o077 == 0


def test_the_password_is_closed_to_others(running: Path):
    assert (running / "postgres_password").stat().st_mode & 0o077 == 0


def test_no_folder_above_the_database_changes_hands_or_rights(folder: Path):
    home = folder / "home"
    home.mkdir(mode=0o700)
    above = [home, *home.parents, *Path(sys.prefix).parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in above]
    postgres = local.Postgres(home / "data")
    with local.hold(home / "data", ""):
        postgres.start()
        postgres.stop()
    assert [(path.stat().st_mode, path.stat().st_uid) for path in above] == before


def test_the_database_does_not_run_as_root(running: Path):
    (process,) = {int((running / "postgres" / "postmaster.pid").read_text().split()[0])}
    assert Path(f"/proc/{process}").stat().st_uid != 0


@pytest.mark.parametrize("name", ["long" * 25, "with a space", "what?"])
def test_a_folder_no_socket_can_be_named_in_has_its_sockets_elsewhere(folder: Path, name: str):
    socket_path = local.redis_url(folder / name).removeprefix("unix://")
    assert socket_path.startswith(f"{places.TEMPORARY}/lectern-") and len(socket_path) <= places.SOCKET_PATH_BYTES


def test_services_of_a_long_path_can_be_reached(folder: Path):
    data_dir = folder / ("long" * 25)
    service = local.Redis(data_dir)
    try:
        service.start()
        assert redis.from_url(local.redis_url(data_dir)).ping()
    finally:
        service.stop()
        shutil.rmtree(Path(local.redis_url(data_dir).removeprefix("unix://")).parent)


def test_a_socket_folder_that_others_may_enter_is_not_trusted(folder: Path):
    data_dir = folder / ("long" * 25)
    elsewhere = Path(local.redis_url(data_dir).removeprefix("unix://")).parent
    elsewhere.mkdir(mode=0o755)
    try:
        with pytest.raises(local.LocalError, match="not a private folder"):
            local.redis_url(data_dir)
    finally:
        elsewhere.rmdir()


def test_whoever_comes_second_is_told_who_has_the_folder(folder: Path):
    with (
        local.hold(folder, "http://localhost:8000"),
        pytest.raises(local.LocalError, match=rf"http://localhost:8000 \(process {os.getpid()}\)"),
    ):
        local.hold(folder, "http://localhost:8001")


def test_a_folder_that_was_let_go_can_be_taken(folder: Path):
    local.hold(folder, "http://localhost:8000").close()
    local.hold(folder, "http://localhost:8001").close()


def test_a_folder_that_cannot_be_made_is_named(folder: Path):
    (folder / "file").touch()
    with pytest.raises(local.LocalError, match=r"data folder .*/file/data cannot be written"):
        local.hold(folder / "file" / "data", "")


def test_an_interrupted_first_start_is_begun_again(folder: Path):
    (folder / "postgres.new").mkdir()
    (folder / "postgres.new" / "PG_VERSION").write_text("18")
    postgres = local.Postgres(folder)
    try:
        postgres.start()
        assert connect(folder).execute("SELECT 1").fetchone() == (1,)
    finally:
        postgres.stop()


def test_nothing_is_left_two_seconds_after_the_parent_was_killed(folder: Path):
    parent = started_apart(folder)
    assert at_work(folder)
    parent.kill()
    time.sleep(2)
    assert at_work(folder) == set()


def test_what_was_committed_is_there_after_everything_was_killed(folder: Path):
    parent = started_apart(folder)
    with connect(folder) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        for process in at_work(folder) | {parent.pid}:
            with contextlib.suppress(ProcessLookupError):  # It may have gone with the one before.
                os.kill(process, signal.SIGKILL)
    again = started_apart(folder)
    try:
        assert connect(folder).execute("SELECT number FROM kept").fetchone() == (7,)
    finally:
        again.kill()
        children.end_orphans(folder / "postgres", {"postgres"})
        children.end_orphans(folder / "redis", {"redis-server", "valkey-server"})


def test_a_number_taken_over_by_a_stranger_does_not_stop_the_database(folder: Path):
    postgres = local.Postgres(folder)
    postgres.start()
    owner = (folder / "postgres").stat()
    postgres.stop()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid) as stranger:
        (folder / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{folder}/postgres\n")
        try:
            postgres.start()
            assert connect(folder).execute("SELECT 1").fetchone() == (1,)
        finally:
            postgres.stop()
            stranger.kill()


def test_a_full_disk_is_called_by_its_name(folder: Path):
    words = 'could not write to file "base/1/1259": No space left on device'
    assert faults.why_it_failed(folder, "The database could not be made", words).startswith("The disk is full")


def test_a_child_ends_with_everything_it_started(folder: Path):
    child = local.Child("shell", ["sh", "-c", "sleep 60 & echo $!; wait"], folder / "log")
    while not (said := child.last_words()):
        time.sleep(0.01)
    child.ask_to_end()
    child.await_end(5)
    deadline = time.monotonic() + 2
    while runs(int(said)):
        assert time.monotonic() < deadline
