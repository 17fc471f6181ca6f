"""Whether anybody works: workers and the scheduler show themselves, so that pages can tell why nothing moves."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any, cast

import redis

from project.limits import connection

log = logging.getLogger(__name__)

KEY = "lectern:workers"  # A sorted set: the names of workers by when they showed themselves last.
SCHEDULER = "lectern:scheduler"
EVERY_S, LASTS_S = 5, 20
REMEMBERED_S = 24 * 3600  # a worker that is silent; then it is taken for gone


@dataclass(frozen=True)
class Worker:
    """A process that reads and builds. `silent_s` are the seconds since it showed itself."""

    name: str
    silent_s: float

    @property
    def is_alive(self) -> bool:
        return self.silent_s <= LASTS_S


def keep_showing(name: str) -> None:
    """Show that this worker works, as long as this process lives."""

    def show() -> None:
        pause = threading.Event()
        while True:
            try:
                now = _now()
                connection().zadd(KEY, {name: now})
                connection().zremrangebyscore(KEY, 0, now - REMEMBERED_S)
            except redis.RedisError as exc:
                log.warning("the queue does not answer: %s", exc)
            pause.wait(EVERY_S)

    threading.Thread(target=show, daemon=True).start()


def show_scheduler() -> None:
    """The regular work has been sent just now."""
    connection().set(SCHEDULER, _now())


def scheduler_silent_s() -> float | None:
    """Seconds since the regular work was sent last; None if it never was. Raises redis.RedisError."""
    at = connection().get(SCHEDULER)
    return None if at is None else max(0.0, _now() - float(cast("bytes", at)))


def workers() -> list[Worker]:
    """Those that showed themselves within a day, by name. Raises redis.RedisError."""
    now = _now()
    seen = cast("list[tuple[bytes, float]]", connection().zrange(KEY, 0, -1, withscores=True))
    return sorted((Worker(name.decode(), max(0.0, now - at)) for name, at in seen), key=lambda worker: worker.name)


def why_nobody_works() -> str:
    """A sentence for people: no worker has shown itself for 20 s, or the queue is gone; "" when all is well."""
    try:
        if any(worker.is_alive for worker in workers()):
            return ""
    except redis.RedisError:
        return "The queue does not answer, so nothing is read until it is back."
    return "No worker is running, so nothing is read."


def _now() -> float:
    """By the clock of Redis, the one that all machines share."""
    seconds, micros = cast("tuple[Any, Any]", connection().time())
    return seconds + micros / 1e6
