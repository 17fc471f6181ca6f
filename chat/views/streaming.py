"""An answer as it is written: server-sent events for whoever watches it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpResponseBase, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from chat.conversing import Draft, converse
from chat.events import Proved, Source, Status
from chat.markdown import Chip
from chat.markdown import render as render_markdown
from chat.models import Message, State
from chat.pacing import Pace
from chat.proofs import doubts_of, marks_of, strip_of
from chat.turns import peek_id
from chat.views.pieces import list_html, readable_answer, turn_html
from chat.views.taking import take_on
from documents.models import page_url
from project.accounts import SignedInRequest
from project.translating import translated

SHOW_S = 0.08  # An answer is shown anew at most this often.
BREATH_S = 15  # A comment this often tells both ends that the other is there.
FOLLOW_S = 0.4


@require_GET
async def stream(request: SignedInRequest, pk: UUID) -> HttpResponseBase:
    """An answer as it is written. Whoever connects first has it written; anybody later follows what is kept."""
    user = await request.auser()
    message = await sync_to_async(readable_answer)(user, pk)
    is_ours = await sync_to_async(take_on)(user, message)
    events = _write(request, message) if is_ours else _follow(request, message)
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "private, no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


async def _write(request: SignedInRequest, message: Message) -> AsyncGenerator[str]:
    yield "retry: 2000\n\n"
    draft, pace, shown, breathed = Draft(), Pace(), 0.0, time.monotonic()
    is_fresh = False
    writing = converse(message, draft)
    try:
        async for event in writing:
            now = time.monotonic()
            if isinstance(event, Status):
                yield _event("status", {"stage": event.stage, "text": translated(event.text)})
            is_fresh = is_fresh or isinstance(event, Proved)
            if now - shown >= SHOW_S and (is_fresh or pace.is_behind(draft.content)):
                text = pace.step(draft.content)
                yield _event("answer", await sync_to_async(_draft_body, thread_sensitive=False)(message, draft, text))
                shown, is_fresh = now, False
            if now - breathed >= BREATH_S:
                yield ": still here\n\n"
                breathed = now
    finally:
        await writing.aclose()
    yield await sync_to_async(_end_event)(request, message)


async def _follow(request: SignedInRequest, message: Message) -> AsyncGenerator[str]:
    """What is kept of an answer that another connection has written, or is writing."""
    yield "retry: 2000\n\n"
    content, breathed = "", time.monotonic()
    while True:
        if not await sync_to_async(_still_running)(message):
            break
        if message.content != content:
            content = message.content
            yield _event("answer", {"html": render_markdown(content, {})})
        if time.monotonic() - breathed >= BREATH_S:
            yield ": still here\n\n"
            breathed = time.monotonic()
        await asyncio.sleep(FOLLOW_S)
    yield await sync_to_async(_end_event)(request, message)


def _still_running(message: Message) -> bool:
    """Read what is kept by now; an answer whose writer died gets its end here."""
    Message.end_interrupted()
    message.refresh_from_db(fields=["state", "content"])
    close_old_connections()  # A stream would keep its connection to its end.
    return message.is_running


def _draft_body(message: Message, draft: Draft, text: str) -> dict[str, str]:
    """The answer as far as it is shown, with what is found of its sentences; its numbers lead to their words."""
    prefix, numbers = str(message.pk), draft.every_number
    rows = [row for row in draft.proofs if row["end"] <= len(text)]
    chips = {numbers[n]: _chip(message, numbers[n], source) for n, source in enumerate(draft.sources, 1)}
    cited = {number: chips[number] for number in draft.numbers.values()}
    texts = {numbers[n]: (passage.start, passage.text) for n, passage in enumerate(draft.passages, 1)}
    told = {"strip": strip_of(rows), "doubts": doubts_of(rows, prefix, chips, texts), "prefix": prefix}
    return {
        "html": render_markdown(text, cited, marks_of(rows, prefix, chips)),
        "proof_html": render_to_string("chat/_proof.html", told),
    }


def _chip(message: Message, number: int, source: Source) -> Chip:
    passage = source.passage
    if passage.document_id is None:
        return Chip("", "", "", passage.document_title, source.marks)  # It can be opened when the answer is kept.
    place = (passage.document_id, passage.page_number, (passage.start, passage.end), source.marks)
    page = passage.page_label or passage.page_number
    label = gettext("%(title)s, page %(page)s") % {"title": passage.document_title, "page": page}
    return Chip(page_url(*place), page_url(*place, part=True), peek_id(message, number), label, source.marks)


def _end_event(request: SignedInRequest, message: Message) -> str:
    message.refresh_from_db()
    name = "done" if message.state in {State.DONE, State.REFUSED} else "error"
    body = {"html": turn_html(request, message), "list_html": list_html(request, message.conversation)}
    return _event(name, body)


def _event(name: str, body: dict[str, str]) -> str:
    return f"event: {name}\ndata: {json.dumps(body)}\n\n"
