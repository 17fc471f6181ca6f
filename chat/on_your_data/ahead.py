"""Reading an answer from within a view, and on behind the view's end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import Context

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections

from chat.events import Event
from chat.proof.proving import Told, beside


def outliving(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """The events, read in a task with a thread of its own.

    What a view starts does its work with the database in the thread that waits for the view. Once the view has
    returned its stream, that thread takes nothing more, and whatever the view began would break off there.
    """
    return beside(lambda told: _read(events, told), Context())


async def _read(events: AsyncGenerator[Event], told: Told) -> None:
    async with ThreadSensitiveContext():
        try:
            async with aclosing(events):
                async for event in events:
                    told.put_nowait(event)
        finally:
            await sync_to_async(connections.close_all)()
