"""What every test may ask for: people, the real services, a real worker, a real server, a real browser.

The services are an embedded Postgres and Redis of this run's own, in a folder that goes when it ends. They start with
the first test that needs them, so tests of pure modules stay quick.
"""

import atexit
import os
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = Path(tempfile.mkdtemp(prefix="lectern-test-"))
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
CHROMIUM = shutil.which("chromium")


def forget_the_environment() -> None:
    """No test depends on, or spends, what the machine or a .env is set up with. Empty is the same as unset."""
    kept_in_file = (ROOT / ".env").read_text() if (ROOT / ".env").exists() else ""
    names = {*os.environ, *re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", kept_in_file, re.M)}
    ours = re.compile(r"(AZURE|OPENAI|DJANGO|LECTERN|CELERY|DATABASE|REDIS|EMAIL|DEFAULT_FROM)_|(PORT|TZ)$")
    os.environ.update({name: "" for name in names if ours.match(name)})


def read_settings_again() -> None:
    """pytest-django may have read them before this file was: with a developer's environment and data folder."""
    from django.conf import empty, settings

    sys.modules.pop("project.settings", None)
    settings._wrapped = empty


sys.path.insert(0, str(ROOT))
forget_the_environment()
(DATA_DIR / "static").mkdir()
os.environ["LECTERN_DATA"] = str(DATA_DIR)
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps a loop in the test's thread.
read_settings_again()


def pytest_configure() -> None:
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # A good one takes half a second.
    settings.UNREAD_SECONDS = 1


def pytest_xdist_setupnodes() -> None:
    """The processes that share the work read the settings when this file has named them a folder of their own."""
    os.environ.pop("DJANGO_SETTINGS_MODULE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser comes last: its interface leaves a running loop behind, in which no other can be started."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


# The services --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def services() -> Iterator[Path]:
    """A running Postgres and Redis; their data folder."""
    from project.local import Postgres, Redis

    running = Postgres(DATA_DIR), Redis(DATA_DIR)
    try:
        for service in running:
            service.start()
        _hurry()
        yield DATA_DIR
    finally:
        for service in reversed(running):
            service.stop()


def _hurry() -> None:
    """Have Postgres not wait for the disk: nobody wants these rows after a power cut."""
    import psycopg

    from project.local import database

    where = database(DATA_DIR)
    address = {"host": where["HOST"], "user": where["USER"], "password": where["PASSWORD"], "dbname": "postgres"}
    with psycopg.connect(**address, autocommit=True) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def django_db_setup(services: Path, django_db_setup: None) -> None:
    """The ordinary test database, in our own Postgres."""


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> None:
    """Delete what a test has committed, instead of Django's way: to make fifty empty tables anew takes a third of a
    second, and to fill the few that a migration fills another sixth.
    """
    from django.db import connection
    from django.test import TransactionTestCase

    kept = {"django_content_type", "auth_permission", "django_migrations"}

    def delete_rows(_: TransactionTestCase) -> None:
        tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - kept
        names = [connection.ops.quote_name(table) for table in sorted(tables)]
        with connection.cursor() as cursor:
            cursor.execute(r"SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^search_\d+_'")
            of_indexes = [name for (name,) in cursor.fetchall()]  # whose rows go
            cursor.execute(
                "BEGIN; SET LOCAL session_replication_role = replica;"  # No order among the tables, no triggers.
                f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE;"  # What still writes is waited for.
                f"{''.join(f'DELETE FROM {name};' for name in names)}"
                f"{''.join(f'DROP TABLE {name} CASCADE;' for name in of_indexes)} COMMIT"
            )

    TransactionTestCase._fixture_teardown = delete_rows


@pytest.fixture(autouse=True)
def _clean_cache(request: pytest.FixtureRequest) -> None:
    """Limits, links and the queue begin empty wherever a test may use them."""
    uses_services = {"db", "transactional_db", "services"} & set(request.fixturenames)
    if uses_services or request.node.get_closest_marker("django_db"):
        request.getfixturevalue("services")
        from project.limits import connection

        # A process that has declared its queues once believes that they stay declared.
        if spent := [key for key in connection().scan_iter() if not key.startswith(b"_kombu.binding.")]:
            connection().delete(*spent)


@pytest.fixture(scope="module")
def rows_for_all(django_db_setup: None, django_db_blocker) -> Iterator[None]:
    """What is written under it stays for all tests of the file; none of them may commit."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def worker(transactional_db: None, services: Path) -> Iterator[None]:
    """A real Celery worker on the test database. What a test commits and queues, it does."""
    from django.db import connection

    from project.celery import app
    from project.local import Child

    where = connection.settings_dict
    address = f"postgres://{where['USER']}:{where['PASSWORD']}@/{where['HOST']}/{where['NAME']}"
    command = [sys.executable, "-m", "celery", "-A", "project", "worker", "--concurrency=1", "--loglevel=INFO"]
    child = Child(
        "worker",
        [*command, "--without-gossip", "--without-mingle"],
        services / "log" / "worker.log",
        env=os.environ | {"DATABASE_URL": address},
        cwd=ROOT,
    )
    try:
        deadline = time.monotonic() + 60
        while not app.control.ping(timeout=0.3):
            assert child.is_running and time.monotonic() < deadline, child.last_words(30)
        yield
    finally:
        child.ask_to_end()
        child.await_end(10)


# A real server and a real browser ------------------------------------------------------------------------------------
@pytest.fixture
def asgi_server(transactional_db: None, serving) -> Iterator[str]:
    """The address of the whole application as it is served: streams are streams here."""
    from chat.conversations.writing import are_any_written

    server, address = serving
    yield address
    deadline = time.monotonic() + 5
    while (server.server_state.tasks or are_any_written()) and time.monotonic() < deadline:
        time.sleep(0.01)  # What is still answered holds rows.


@pytest.fixture(scope="session")
def serving() -> Iterator[tuple]:
    """One server for all tests: to start and to end one takes longer than most of them."""
    import uvicorn

    from project.asgi import application

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "The server did not start."
            time.sleep(0.02)
        yield server, f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(5)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    if CHROMIUM is None:
        pytest.skip("There is no chromium on this machine.")
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet = ["--disable-component-update", "--disable-sync"]
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": switches + quiet}


# People --------------------------------------------------------------------------------------------------------------
PASSWORD = "reading room 7"


def person(name: str, **more: bool):
    from django.contrib.auth.models import User

    return User.objects.create_user(name, f"{name}@example.org", PASSWORD, **more)


@pytest.fixture
def alice(db: None):
    """Owns things."""
    return person("alice")


@pytest.fixture
def bob(db: None):
    """Shares them."""
    return person("bob")


@pytest.fixture
def charlie(db: None):
    """Must see nothing."""
    return person("charlie")


@pytest.fixture
def staff(db: None):
    return person("staff", is_staff=True, is_superuser=True)
