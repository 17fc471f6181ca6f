"""The way into the queue: a hint that there is something to do. What is to be done stands in Postgres."""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError

from project.celery import app

log = logging.getLogger(__name__)


def send(task: str, *args: str) -> None:
    """Call a task of documents.tasks by its name. When the broker is gone the request still succeeds: the sweep sends
    it again."""
    try:
        app.send_task(f"documents.tasks.{task}", args=args, retry=False)
    except OperationalError as exc:
        log.warning("the queue does not answer, the sweep will send %s%s again: %s", task, args, exc)
