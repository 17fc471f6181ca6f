"""What happens to documents, for programs that follow along: asked for again and again, or as a stream."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import close_old_connections
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from ninja import Field, Query, Router

from documents.models import DocumentEvent
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Refusal, SignedCall, Told, asking, reading
from project.models import ApiKey

router = Router(tags=["events"])

LOOK_S = 1.0
HEARTBEAT_S = 15.0
STREAM_S = 600  # after which the client comes again with the last id it saw, and is let in anew
AT_ONCE = 200


class EventOut(Told):
    id: str = Field(description="Goes into `after`, or is sent as Last-Event-ID.", examples=["7421-93"])
    at: str
    kind: str = Field(description="A state of the document (queued, extracting … ready), or moved, or deleted.")
    document_id: UUID
    collection_id: UUID
    name: str


class EventsOut(Told):
    events: list[EventOut]
    next: str = Field(description="Send it as `after` to go on here.")


def _out(event: DocumentEvent) -> EventOut:
    return EventOut(
        id=event.cursor,
        at=event.at.isoformat(),
        kind=event.kind,
        document_id=event.document_id,
        collection_id=event.collection_id,
        name=event.name,
    )


def _place(cursor: str) -> tuple[int, int]:
    """Where to go on; "" is the beginning of what is kept."""
    if not cursor:
        return 0, 0
    if not re.fullmatch(r"\d{1,18}-\d{1,18}", cursor, re.ASCII):
        raise ApiError(422, "invalid_request_error", "This is no event's id.", "Leave it out to begin.", "after")
    transaction, number = cursor.split("-")
    return int(transaction), int(number)


@router.get("/events", response={200: EventsOut, REFUSED: Refusal}, auth=reading, summary="What happened")
def events(request: SignedInRequest, after: str = Query("", max_length=40), limit: int = Query(100, ge=1, le=1000)):
    """What happened to documents the caller may read since the event `after`; events are kept for two weeks."""
    found = list(DocumentEvent.objects.for_user(request.user).after(*_place(after))[:limit])
    return EventsOut(events=[_out(event) for event in found], next=found[-1].cursor if found else after)


@router.get(
    "/events/stream",
    response={200: str, REFUSED: Refusal},
    auth=asking,
    summary="What happens, as it happens",
    openapi_extra={
        "responses": {
            200: {
                "description": "Server-sent events: `id`, `event: document`, and an event as above in `data`.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        }
    },
)
async def stream(request: SignedCall, after: str = Query("", max_length=40)):
    """The same as a stream of server-sent events. It ends after ten minutes, or when the key is revoked; a client that
    comes again with Last-Event-ID misses nothing. Without an id it begins with what is kept."""
    place = _place(request.headers.get("Last-Event-ID", "").strip()[:40] or after)
    response = StreamingHttpResponse(_events(request, place), content_type="text/event-stream")
    response["Cache-Control"] = "private, no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(request: SignedCall, place: tuple[int, int]) -> AsyncGenerator[str]:
    ends = time.monotonic() + STREAM_S
    quiet_since = time.monotonic()
    yield "retry: 2000\n\n"
    while time.monotonic() < ends:
        found = await sync_to_async(_look)(request, place)
        if found is None:
            return
        for event in found:
            place = (event.transaction, event.pk)
            yield f"id: {event.cursor}\nevent: document\ndata: {_out(event).model_dump_json()}\n\n"
        if found or time.monotonic() - quiet_since > HEARTBEAT_S:
            quiet_since = time.monotonic()
            if not found:
                yield ": still here\n\n"
        if len(found) < AT_ONCE:
            await asyncio.sleep(LOOK_S)


def _active(user_id: int) -> QuerySet[User]:
    """The person behind a token of another issuer, which no key stands for."""
    return User.objects.filter(pk=user_id, is_active=True)


def _look(request: SignedCall, place: tuple[int, int]) -> list[DocumentEvent] | None:
    """What is new; None once the key opens nothing any more. The connection goes back at once."""
    try:
        key = request.auth
        is_open = ApiKey.objects.live().filter(pk=key.pk) if key.pk else _active(key.user_id)
        if not is_open.exists():
            return None
        return list(DocumentEvent.objects.for_user(request.user).after(*place)[:AT_ONCE])
    finally:
        close_old_connections()
