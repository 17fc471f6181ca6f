"""The last lines of every worker's log, kept in Redis for a day: the console shows them wherever the workers run."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from functools import cache
from typing import cast

import redis
from django.conf import settings

from project.limits import connection
from project.workers import workers

LINES_MOST, LETTERS_MOST, KEPT_S = 2_000, 400, 24 * 3600
QUIET_S = 30  # that nothing is tried after Redis did not answer: no line waits for it
HIDDEN = "***"
SECRET_NAME = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|CREDENTIAL|DATABASE_URL|REDIS_URL", re.I)
SECRET_LEAST = 6  # letters; a shorter value is a word like any other
# A key of ours or of a service, what follows the name of one, and what stands before the host of an address.
SHAPES = re.compile(
    r"\b(?:lk_|sk-|sk_)[\w-]{8,}"
    r"|(?i:\b(?:bearer|api-key|apikey|authorization|password|secret|token)\b[\"']?\s*[:= ]\s*[\"']?(?:bearer\s+)?)"
    r"[^\s\"',;]{6,}"
    r"|(?<=://)[^\s/@]+(?=@)"
)


class LastLines(logging.Handler):
    """Keeps what a worker logs, its secrets masked, beside the log itself."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self.key, self.quiet_until = _key(worker), 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if time.monotonic() < self.quiet_until:
            return
        try:
            lines = [shown(line) for line in self.format(record).splitlines() if line.strip()]
            with connection().pipeline() as pipe:
                pipe.rpush(self.key, *lines)
                pipe.ltrim(self.key, -LINES_MOST, -1)
                pipe.expire(self.key, KEPT_S)
                pipe.execute()
        except (redis.RedisError, ValueError, TypeError):  # A log goes on, whatever becomes of the copy.
            self.quiet_until = time.monotonic() + QUIET_S


def keep_lines(worker: str) -> None:
    """From now on, in this process and those that it starts."""
    root = logging.getLogger()
    handler = LastLines(worker)
    if root.handlers:
        handler.setFormatter(root.handlers[0].formatter)
    root.addHandler(handler)


def last_lines(worker: str, most: int = LINES_MOST) -> list[str]:
    """The oldest first. Raises redis.RedisError."""
    found = cast("list[bytes]", connection().lrange(_key(worker), -most, -1))
    return [line.decode("utf-8", "replace") for line in found]


def lines_naming(name: str, most: int) -> list[str]:
    """The last lines of all workers that name it, worker by worker. Raises redis.RedisError."""
    named = [line for worker in workers() for line in last_lines(worker.name) if name in line]
    return named[-most:]


def shown(line: str) -> str:
    """A line without its secrets, as a page may show it.

    >>> shown("calling https://me:pass@db.internal with api-key: 1234567 and lk_abcdefgh1")
    'calling https://***@db.internal with *** and ***'
    """
    for secret in _secrets():
        line = line.replace(secret, HIDDEN)
    line = SHAPES.sub(HIDDEN, line)
    return "".join(letter for letter in line if letter.isprintable())[:LETTERS_MOST]


@cache
def _secrets() -> tuple[str, ...]:
    """The values of this process that are named like secrets, the longest first."""
    return tuple(sorted(set(_found()), key=len, reverse=True))


def _found() -> Iterator[str]:
    values = {**os.environ, **{name: getattr(settings, name) for name in dir(settings)}}
    for name, value in values.items():
        if SECRET_NAME.search(name) and isinstance(value, str) and len(value) >= SECRET_LEAST and " " not in value:
            yield value
    yield from filter(None, [settings.DATABASES["default"].get("PASSWORD")])


def _key(worker: str) -> str:
    return f"lectern:log:{worker}"
