"""An answer is written beside whoever reads it: readers come, go and come again, and the model is asked once.

In the process that writes it, readers see the draft grow; in any other they follow what is kept. An answer that nobody
reads any more is stopped after a while, which a page that is loaded again, or a connection that was lost, comes before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from contextvars import Context
from uuid import UUID

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.db import connections
from django.utils import timezone

from chat.conversations.conversing import converse
from chat.conversations.draft import Draft
from chat.events import Proved, Status
from chat.models import Message

log = logging.getLogger(__name__)

_here: dict[UUID, Writing] = {}  # What this process writes.


class Writing:
    """An answer that this process writes."""

    def __init__(self, message: Message) -> None:
        self.message, self.draft = message, Draft()
        self.stages: list[Status] = []
        self.verdicts = 0  # that were told so far
        self._readers, self._left_at = 0, time.monotonic()
        self._news = asyncio.Event()
        # In a context of its own: what belongs to the request that it begins in ends with that.
        self._task = asyncio.create_task(self._write(), context=Context())
        self._task.add_done_callback(self._over)

    async def _write(self) -> None:
        async with ThreadSensitiveContext():
            try:
                async with aclosing(converse(self.message, self.draft)) as events:
                    async for event in events:
                        if isinstance(event, Status):
                            self.stages.append(event)
                        self.verdicts += isinstance(event, Proved)
                        self._tell()
                        if self._is_left():
                            break
            finally:
                await sync_to_async(connections.close_all)()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _over(self, task: asyncio.Task[None]) -> None:
        _here.pop(self.message.pk, None)
        if not task.cancelled() and (fault := task.exception()):
            log.error("answer_not_kept message=%s", self.message.pk, exc_info=fault)
        self._tell()

    def _is_left(self) -> bool:
        """Whether nobody has read it for a while, in this process or in another."""
        if self._readers or time.monotonic() - self._left_at < settings.UNREAD_SECONDS:
            return False
        elsewhere = self.message.read_at
        return elsewhere is None or (timezone.now() - elsewhere).total_seconds() > settings.UNREAD_SECONDS

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def news(self) -> None:
        """Wait until something has happened, or a moment has passed."""
        if not self.is_over:
            await self._news.wait()

    async def written(self) -> None:
        """Wait until it has its end."""
        with self.read():
            await asyncio.wait({self._task})

    @contextmanager
    def read(self) -> Iterator[Writing]:
        """Be counted as a reader."""
        self._readers += 1
        try:
            yield self
        finally:
            self._readers, self._left_at = self._readers - 1, time.monotonic()


def begin_writing(message: Message) -> Writing:
    """Have an answer written that was claimed."""
    writing = _here[message.pk] = Writing(message)
    return writing


def written_here(pk: UUID) -> Writing | None:
    """The answer, while this process writes it."""
    return _here.get(pk)


def are_any_written() -> bool:
    return bool(_here)
