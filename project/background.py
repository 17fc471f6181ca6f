"""Work that somebody asks for and a worker does: one of a kind at a time, watched, stopped, always with an end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy
from kombu.exceptions import OperationalError

from project.audit import audit
from project.celery import app

log = logging.getLogger(__name__)

SILENT = timedelta(minutes=15)  # that work under way may say nothing; then its worker is taken for gone
EVERY_S = 1.0  # between two notes of the progress
BUSY = "Another one is under way. Wait until it has ended."
FAULT = "A fault of Lectern's own; it is noted in the log."
NO_QUEUE = "The queue does not answer. Try again when it is back."

Told = Callable[[int, int], None]  # how much of how much is done


class StoppedError(Exception):
    """Somebody cancelled the work; whoever does it puts away what it made."""


class Background(models.Model):
    """How such work stands. A subclass names its task, and the action that the audit knows it by."""

    class State(models.TextChoices):
        WAITING = "waiting", gettext_lazy("Waiting")
        RUNNING = "running", gettext_lazy("Running")
        DONE = "done", gettext_lazy("Done")
        FAILED = "failed", gettext_lazy("Failed")
        CANCELED = "canceled", gettext_lazy("Cancelled")

    OPEN = (State.WAITING, State.RUNNING)
    task: ClassVar[str]
    action: ClassVar[str]

    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    is_stopping = models.BooleanField(default=False, help_text="Cancelled; its worker has not noticed yet.")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, help_text="A sentence: why it failed.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(default=timezone.now, help_text="The last sign of life.")
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        abstract = True
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}: {self.state}"

    @property
    def is_under_way(self) -> bool:
        return self.state in self.OPEN

    @classmethod
    def ask(cls, user: User, **facts: Any) -> Self:
        """Have a worker do it; the one that waits or runs already, if there is one."""
        cls.give_up()
        with transaction.atomic():
            if under_way := cls.objects.filter(state__in=cls.OPEN).first():
                return under_way
            row = cls.objects.create(asked_by=user, **facts)
            audit(row.action, row, **facts)
            transaction.on_commit(row._send)
        return row

    def _send(self) -> None:
        try:
            app.send_task(self.task, args=[self.pk], retry=False)
        except OperationalError as exc:
            log.warning("the queue does not answer, %s %s is not done: %s", self.task, self.pk, exc)
            self._end(self.State.FAILED, error=NO_QUEUE)

    def cancel(self) -> bool:
        """Stop it, at once if nobody has begun, else at its worker's next step. False: it has ended already."""
        rows = type(self).objects.filter(pk=self.pk)
        waiting = rows.filter(state=self.State.WAITING)
        stopped = waiting.update(state=self.State.CANCELED, finished_at=timezone.now())
        stopped = stopped or rows.filter(state=self.State.RUNNING, is_stopping=False).update(is_stopping=True)
        if stopped:
            audit(f"{self.action}.cancel", self)
        return bool(stopped)

    def run(
        self,
        work: Callable[[Told], Mapping[str, Any]],
        expected: tuple[type[Exception], ...] = (),
        told: Told = lambda done, total: None,
    ) -> None:
        """Do the work, and keep the facts that it returns, or why there are none; what is expected says so itself."""
        self.give_up()
        try:
            with transaction.atomic():
                waiting = type(self).objects.filter(pk=self.pk, state=self.State.WAITING)
                if not waiting.update(state=self.State.RUNNING, seen_at=timezone.now()):
                    return
        except IntegrityError:
            self._end(self.State.FAILED, error=BUSY)
            return
        try:
            self._end(self.State.DONE, **work(self._noting(told)))
        except StoppedError:
            self._end(self.State.CANCELED)
        except expected as exc:
            self._end(self.State.FAILED, error=str(exc)[:500])
        except Exception:
            log.exception("%s failed", self.task)
            self._end(self.State.FAILED, error=FAULT)
        finally:  # Also when the process is asked to end.
            self._end(self.State.FAILED, error="It was stopped. Try again.")

    def _noting(self, told: Told) -> Told:
        """Tells on, writes it down now and then, and raises StoppedError once somebody cancelled the work."""
        noted = time.monotonic()

        def note(done: int, total: int) -> None:
            nonlocal noted
            told(done, total)
            if time.monotonic() - noted < EVERY_S:
                return
            noted = time.monotonic()
            going_on = type(self).objects.filter(pk=self.pk, state=self.State.RUNNING, is_stopping=False)
            if not going_on.update(done=done, total=total, seen_at=timezone.now()):
                raise StoppedError

        return note

    def _end(self, state: str, **facts: Any) -> None:
        """One that has an end keeps it."""
        rows = type(self).objects.filter(pk=self.pk, state__in=self.OPEN)
        rows.update(state=state, finished_at=timezone.now(), **facts)
        self.refresh_from_db()

    @classmethod
    def give_up(cls) -> None:
        """Give an end to those whose worker is gone, or whose message was lost."""
        silent = cls.objects.filter(state__in=cls.OPEN, seen_at__lt=timezone.now() - SILENT)
        error = "Whoever made it ended in the middle. Try again."
        silent.update(state=cls.State.FAILED, finished_at=timezone.now(), error=error)
