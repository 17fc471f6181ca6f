"""A whole Lectern of its own, in processes that can be killed: database, queue, web and worker, driven over HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import httpx2
import psycopg

ROOT = Path(__file__).resolve().parent.parent
ENDS = {"ready", "warning", "failed", "canceled"}
WORKER = "celery --app=project worker --beat --concurrency=1 --loglevel=INFO --without-gossip --without-mingle"
WEB = "uvicorn project.asgi:application --host=127.0.0.1 --port={} --lifespan=off --no-access-log"


class Stack:
    """Start with `with Stack() as lectern:`. `environment` is added to that of its processes."""

    def __init__(self, **environment: str) -> None:
        from project.local import Child, Postgres, Redis

        self.data_dir = Path(tempfile.mkdtemp(prefix="lectern-stack-"))
        (self.data_dir / "static").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LECTERN_", "DJANGO_"))}
        quick = {"LECTERN_LEASE_SECONDS": "5", "LECTERN_SAMPLES": "no", "PORT": str(self.port), "MALLOC_ARENA_MAX": "2"}
        self.env = kept | quick | environment | {"LECTERN_DATA": str(self.data_dir)}
        self.postgres, self.redis = Postgres(self.data_dir), Redis(self.data_dir)
        self.web: Child | None = None
        self.workers: list[Child] = []

    def __enter__(self) -> Stack:
        self.postgres.start()
        self.redis.start()
        self.manage("migrate")
        self.manage("shell", "-c", "from project.accounts import local_admin; local_admin()")
        self.key = self.manage("create_api_key", "admin").splitlines()[-1].strip()
        self.start_web()
        self.start_worker()
        return self

    def __exit__(self, *exc: object) -> None:
        for child in (*self.workers, self.web):
            if child:
                child.await_end(0)
        self.redis.stop()
        self.postgres.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    # Its processes ---------------------------------------------------------------------------------------------------
    def manage(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode in codes, (words, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def start(self, name: str, command: str):
        from project.local import Child

        words = [sys.executable, "-m", *command.split()]
        return Child(name, words, self.data_dir / "log" / f"{name}.log", env=self.env, cwd=ROOT)

    def start_web(self) -> None:
        self.web = self.start("web", WEB.format(self.port))
        wait_for(lambda: self.is_up("/healthz"), 60)

    def start_worker(self) -> None:
        """Beside those that run already."""
        beat = f" --schedule={self.data_dir}/beat-{len(self.workers)} --hostname=worker{len(self.workers)}@%h"
        self.workers.append(self.start("worker", WORKER + beat))

    def kill_worker(self) -> None:
        """All processes of every worker, at once and without a word."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
        self.workers.clear()

    def kill_web(self) -> None:
        assert self.web
        self.web.process.kill()
        self.web.process.wait()

    def is_up(self, path: str) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}{path}", timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False

    # Its door --------------------------------------------------------------------------------------------------------
    def call(self, method: str, path: str, **more) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {more.pop('key', self.key)}"}
        return httpx2.request(method, f"http://127.0.0.1:{self.port}/api{path}", headers=headers, timeout=60, **more)

    def upload(self, content: bytes, name: str, *, key: str = "") -> str:
        answer = self.call("POST", "/documents", files={"file": (name, content)}, key=key or self.key)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["id"]

    def document(self, pk: str) -> dict:
        return self.call("GET", f"/documents/{pk}").json()

    def found(self, query: str) -> list[dict]:
        return self.call("POST", "/search", json={"query": query, "mode": "keyword"}).json()["results"]

    def key_of(self, name: str) -> str:
        """The key of a person who is made for it."""
        self.manage(
            "shell", "-c", f"from django.contrib.auth.models import User; User.objects.get_or_create(username='{name}')"
        )
        return self.manage("create_api_key", name).splitlines()[-1].strip()

    # What became of it -----------------------------------------------------------------------------------------------
    def until(self, pk: str, true: Callable[[dict], bool], limit_s: float = 120) -> dict:
        """The document as soon as it is so. Nothing is done meanwhile but looking."""
        deadline = time.monotonic() + limit_s
        while not true(document := self.document(pk)):
            assert time.monotonic() < deadline, (brief(document), self.last_words())
            time.sleep(0.05)
        return document

    def ended(self, pk: str, limit_s: float = 120) -> dict:
        """The document once it has an end; the sweep is sent more often than beat sends it, so that tests are quick."""
        swept = 0.0
        deadline = time.monotonic() + limit_s
        while (document := self.document(pk))["state"] not in ENDS:
            assert time.monotonic() < deadline, (brief(document), self.last_words())
            if time.monotonic() - swept > 2:
                self.send("sweep")
                swept = time.monotonic()
            time.sleep(0.1)
        return document

    def send(self, task: str, *args: str) -> None:
        with self.queue() as app:
            app.send_task(f"documents.tasks.{task}", args=args, retry=False)

    def is_idle(self) -> bool:
        """Nothing is queued, handed out or worked on."""
        with self.queue() as app, app.connection_for_read() as connection:
            asked = app.control.inspect(timeout=0.5, connection=connection)
            told = [asked.active(), asked.reserved()]
            queued = connection.default_channel.client.llen(app.conf.task_default_queue)
            return not queued and all(worker and not any(worker.values()) for worker in told)

    def queue(self):
        from celery import Celery

        from project.local import redis_url

        return Celery(broker=redis_url(self.data_dir).replace("unix://", "redis+socket://"))

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        from project.local import database

        where = {key.lower(): value for key, value in database(self.data_dir).items()}
        with psycopg.connect(dbname=where.pop("name"), **where) as connection:
            yield connection

    def is_consistent(self) -> None:
        """What the command says after a fault: everything agrees."""
        found = json.loads(self.manage("check_consistency", "--json", codes=(0, 1)))["faults"]
        assert found == []

    def chunks(self, pk: str) -> list[tuple]:
        """Page, start and end of each chunk of what is read; as the index has them, and no other."""
        with self.database() as database:
            rows = database.execute(
                "SELECT page.number, chunk.start, chunk.end FROM documents_chunk AS chunk "
                "JOIN documents_page AS page ON page.id = chunk.page_id "
                "JOIN documents_document AS document ON document.id = chunk.document_id "
                "WHERE document.id = %s AND chunk.generation = document.generation ORDER BY chunk.ordinal",
                [UUID(pk)],
            ).fetchall()
            held = database.execute(
                "SELECT count(*) FROM search_1_chunk JOIN search_1_document USING (slot) WHERE document_id = %s",
                [UUID(pk)],
            ).fetchone()[0]
        assert held == len(rows)
        return rows

    def last_words(self) -> str:
        log = self.data_dir / "log" / "worker.log"
        return re.sub(r"\n+", "\n", log.read_text()[-3000:]) if log.exists() else ""


def brief(document: dict) -> dict:
    return {name: value for name, value in document.items() if name != "page_receipts"}


def wait_for(true: Callable[[], object], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
