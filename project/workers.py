"""Whether anybody works: workers say so every few seconds, for the pages that tell people why nothing moves."""

from __future__ import annotations

import logging
import threading

import redis

from project.limits import connection

log = logging.getLogger(__name__)

KEY = "lectern:somebody-works"
EVERY_S, LASTS_S = 5, 20


def keep_showing() -> None:
    """Show that somebody works, as long as this process lives."""

    def show() -> None:
        pause = threading.Event()
        while True:
            try:
                connection().set(KEY, 1, ex=LASTS_S)
            except redis.RedisError as exc:
                log.warning("the queue does not answer: %s", exc)
            pause.wait(EVERY_S)

    threading.Thread(target=show, daemon=True).start()


def why_nobody_works() -> str:
    """A sentence for people: no worker has shown itself for 20 s, or the queue is gone; "" when all is well."""
    try:
        if connection().exists(KEY):
            return ""
    except redis.RedisError:
        return "The queue does not answer, so nothing is read until it is back."
    return "No worker is running, so nothing is read."
