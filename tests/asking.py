"""Ask as the pages, the API and the command do: through `answer()`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

from asgiref.sync import async_to_sync

from chat.answering import answer
from chat.events import Cite, Done, Event, Failed, Question, Text

T = TypeVar("T")
QUESTION = "When is the rent due?"


def events_of(user, text: str = QUESTION, **more) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in answer(Question(text, user, **more))]

    return async_to_sync(collect)()


def end_of(user, text: str = QUESTION, **more) -> Done | Failed:
    last = events_of(user, text, **more)[-1]
    assert isinstance(last, Done | Failed)
    return last


def text_of(events: list[Event]) -> str:
    return "".join(
        event.text if isinstance(event, Text) else f"[{event.number}]"
        for event in events
        if isinstance(event, Text | Cite)
    )


def collected(pieces: AsyncGenerator[T]) -> list[T]:
    async def run() -> list[T]:
        return [piece async for piece in pieces]

    return async_to_sync(run)()
