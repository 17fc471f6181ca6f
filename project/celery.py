"""The queue's door: `celery -A project worker`."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import beat_embedded_init, celeryd_after_setup, worker_process_init, worker_ready

from project.local import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_after_setup.connect
def share_what_is_loaded(**_: object) -> None:
    """A collector that visits an object copies its page: it passes over what the worker shares with its processes."""
    gc.collect()
    gc.freeze()


@celeryd_after_setup.connect
def keep_what_is_logged(sender: str, **_: object) -> None:
    from project.worker_log import keep_lines  # Needs the settings, which need this module.

    keep_lines(sender)


@worker_process_init.connect
@beat_embedded_init.connect
def end_with_the_worker(**_: object) -> None:
    """A killed worker takes its processes along: what they had in hand is sent again, and must not run twice."""
    die_with_parent()


@worker_ready.connect
def show_that_somebody_works(sender: Any, **_: object) -> None:
    from project.workers import keep_showing  # Needs the settings, which need this module.

    keep_showing(str(sender.hostname))
