"""Run Lectern on this machine with one command: the services, the tables, the worker, the web, and the way down."""

import errno
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from project import accounts
from project.checks import LECTERN
from project.environment import switch
from project.local import Child, LocalError, Postgres, Redis, hold

READY_SECONDS = 120
STREAM_SECONDS = 25  # What an open answer is given to end; web and worker are asked to end at the same time.
WORKER_STOP_SECONDS = 10  # A document it has in hand goes on at the next start.
RESTARTS_A_MINUTE = 5


class Stop:
    """Ctrl-C, or a request to end: the first raises KeyboardInterrupt, a later one hurries what is still ending."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.is_hurried = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # As nohup leaves it.
            signal.signal(signal.SIGHUP, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.began is None:
            self.begin()
            raise KeyboardInterrupt
        if time.monotonic() - self.began > 1:  # One press can arrive twice, once through make.
            self.is_hurried = True

    def begin(self) -> None:
        self.began = self.began or time.monotonic()

    def hurried(self) -> bool:
        return self.is_hurried


class Command(BaseCommand):
    help = "Run Lectern on this machine: database, queue, worker and web server, until Ctrl-C."
    requires_system_checks = []

    def handle(self, *args, **options) -> None:
        stop = Stop()
        self.postgres = Postgres(settings.DATA_DIR) if settings.EMBEDDED_POSTGRES else None
        self.redis = Redis(settings.DATA_DIR) if settings.EMBEDDED_REDIS else None
        self.web: Child | None = None
        self.worker: Child | None = None
        try:
            self.start()
            self.watch()
        except KeyboardInterrupt:
            self.say("\nStopping. What is open may finish; Ctrl-C again hurries.")
        except LocalError as exc:
            raise CommandError(str(exc)) from exc
        finally:
            stop.begin()
            self.end(stop)

    def start(self) -> None:
        self.lock = hold(settings.DATA_DIR, settings.BASE_URL)  # Kept as long as this process lives.
        require_free_port(settings.PORT)
        self.check(tags=[LECTERN])
        settings.STATIC_ROOT.mkdir(exist_ok=True)
        for name, service in (("Database", self.postgres), ("Queue", self.redis)):
            if service:
                with self.progress(name):
                    service.start()
        with self.progress("Tables"):
            call_command("migrate", verbosity=0, interactive=False)
        if switch("LECTERN_SAMPLES", True):
            call_command("load_samples", stdout=self.stdout)  # Says itself what it does, if there is anything to do.
        link = accounts.signin_link(accounts.local_admin()) if settings.LOOPBACK_ONLY else f"{settings.BASE_URL}/"
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        with self.progress("Web and worker"):
            self.worker, self.web = start_worker(), start_web()
            self.await_ready()
        self.say(f"\n    Open {link}\n")

    def await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while (failing := failing_parts()) is None or failing:
            self.require_running()
            if time.monotonic() > deadline:
                reason = f"it is waiting for: {', '.join(failing)}" if failing else "it does not answer"
                raise LocalError(f"Lectern was not ready within {READY_SECONDS} s: {reason}. See {logs()}.")
            time.sleep(0.05)

    def watch(self) -> None:
        """Keep the worker alive; return never, and raise when anything else ends."""
        restarts: list[float] = []
        while True:
            self.require_running()
            if self.worker and not self.worker.is_running:
                restarts = [then for then in restarts if time.monotonic() - then < 60]
                if len(restarts) == RESTARTS_A_MINUTE:
                    raise LocalError(ended(self.worker))
                restarts.append(time.monotonic())
                self.say(f"The worker ended and is started again. See {self.worker.log}.")
                self.worker = start_worker()
            time.sleep(0.2)

    def require_running(self) -> None:
        services = [service.child for service in (self.postgres, self.redis) if service]
        for child in (*services, self.web):
            if child and not child.is_running:
                raise LocalError(ended(child))

    def end(self, stop: Stop) -> None:
        began = time.monotonic()
        for child in (self.web, self.worker):
            if child:
                child.ask_to_end()
        if self.web:
            self.web.await_end(STREAM_SECONDS + 2, stop.hurried)
        if self.worker:
            self.worker.await_end(began + WORKER_STOP_SECONDS - time.monotonic(), stop.hurried)
        for service in (self.redis, self.postgres):
            if service:
                service.stop()

    @contextmanager
    def progress(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self.say(f"{name} … ", ending="")
        try:
            yield
        except BaseException:
            self.say("")
            raise
        self.say(f"{time.monotonic() - began:.1f} s")

    def say(self, words: str, ending: str = "\n") -> None:
        with suppress(OSError):  # The terminal may be gone.
            self.stdout.write(words, ending=ending)
            self.stdout.flush()


def start_worker() -> Child:
    command = "celery --app=project worker --beat --concurrency=1 --loglevel=INFO --without-gossip --without-mingle"
    return python("The worker", command, "worker.log")


def start_web() -> Child:
    command = f"uvicorn project.asgi:application --host=127.0.0.1 --port={settings.PORT}"
    quiet = "--no-server-header --no-access-log --no-proxy-headers --ws=none --lifespan=off"
    return python("The web server", f"{command} {quiet} --timeout-graceful-shutdown={STREAM_SECONDS}", "web.log")


def python(name: str, module: str, log: str) -> Child:
    # The allocator would keep an arena for each thread, and most of what was freed in it: 80 MB once a model is loaded.
    env = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072", **os.environ}
    return Child(name, [sys.executable, "-m", *module.split()], logs() / log, env=env, cwd=settings.BASE_DIR)


def logs() -> Path:
    return settings.DATA_DIR / "log"


def ended(child: Child) -> str:
    code = child.process.returncode
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return f"{child.name} ended unasked, {how}. Its last words, from {child.log}:\n{child.last_words()}"


def require_free_port(port: int) -> None:
    """Both of localhost's addresses: a browser may try either first."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with suppress(OSError), socket.socket(family) as place:
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                place.bind((host, port))
            except PermissionError:
                raise LocalError(f"Port {port} is kept for root. Choose one above 1023 with PORT.") from None
            except OSError as exc:
                if exc.errno == errno.EADDRINUSE:
                    raise LocalError(f"Port {port} is taken by another program. Choose another with PORT.") from None


def failing_parts() -> list[str] | None:
    """What readiness lacks, by name; None while nobody answers."""
    host = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")
    line = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=5)
    try:
        line.request("GET", "/readyz", headers={"Host": host})
        answer = line.getresponse()
        words = answer.read()
        return [] if answer.status == 200 else list(json.loads(words)["failing"])
    except (OSError, http.client.HTTPException):
        return None
    except (ValueError, KeyError, TypeError):
        return ["an answer that is not readiness"]
    finally:
        line.close()
