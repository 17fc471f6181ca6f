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
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from chat.conversations.draft import Draft
from chat.conversations.turns import peek_id, turn_of
from chat.conversations.writing import Writing, begin_writing, written_here
from chat.events import Source
from chat.markdown import Chip
from chat.markdown import render as render_markdown
from chat.models import Message, State
from chat.pacing import Pace
from chat.proof.proofs import doubts_of, marks_of, strip_of
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
    """An answer as it is written. Whoever connects first has it written; anybody later reads along, or what is kept."""
    user = await request.auser()
    message = await sync_to_async(readable_answer)(user, pk)
    writing = written_here(pk)
    is_first = writing is None and await sync_to_async(take_on)(user, message)
    if is_first:
        writing = begin_writing(message)
    events = _read(request, writing, is_first=is_first) if writing else _follow(request, message)
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "private, no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


async def _read(request: SignedInRequest, writing: Writing, *, is_first: bool) -> AsyncGenerator[str]:
    """What this process writes. Who comes later is shown at once what is there."""
    await sync_to_async(close_old_connections)()  # A stream would keep its connection to its end.
    yield "retry: 2000\n\n"
    message, draft = writing.message, writing.draft
    pace, shown, breathed = Pace(0 if is_first else len(draft.content)), 0.0, time.monotonic()
    told, verdicts = 0, -1
    with writing.read():
        while not writing.is_over:
            now = time.monotonic()
            for stage in writing.stages[told:]:
                yield _event("status", {"stage": stage.stage, "text": translated(stage.text)})
            told = len(writing.stages)
            is_fresh = verdicts != writing.verdicts and bool(draft.content)
            if now - shown >= SHOW_S and (is_fresh or pace.is_behind(draft.content)):
                verdicts, text = writing.verdicts, pace.step(draft.content)
                yield _event("answer", await sync_to_async(_draft_body, thread_sensitive=False)(message, draft, text))
                shown = now
            if now - breathed >= BREATH_S:
                yield ": still here\n\n"
                breathed = now
            await writing.news()
    yield await sync_to_async(_end_event)(request, message)


async def _follow(request: SignedInRequest, message: Message) -> AsyncGenerator[str]:
    """What is kept of an answer that another process is writing, or that has ended."""
    yield "retry: 2000\n\n"
    shown: tuple[str, list] = ("", [])
    breathed = time.monotonic()
    while await sync_to_async(_still_running)(message):
        if shown != (shown := (message.content, message.proofs)):
            yield _event("answer", await sync_to_async(_kept_body)(message))
        if time.monotonic() - breathed >= BREATH_S:
            yield ": still here\n\n"
            breathed = time.monotonic()
        await asyncio.sleep(FOLLOW_S)
    yield await sync_to_async(_end_event)(request, message)


def _still_running(message: Message) -> bool:
    """Read what is kept by now, and leave a sign that it is read; an answer whose writer died gets its end here."""
    Message.end_interrupted()
    Message.objects.filter(pk=message.pk).update(read_at=timezone.now())
    message.refresh_from_db(fields=["state", "content", "proofs"])
    close_old_connections()
    return message.is_running


def _kept_body(message: Message) -> dict[str, str]:
    """The answer as far as it is kept, as the page shows it when it is loaded."""
    try:
        turn = turn_of(message, message.conversation.owner)
        told = {"strip": turn.strip, "doubts": turn.doubts, "prefix": str(message.pk)}
        return {"html": turn.html, "proof_html": render_to_string("chat/_proof.html", told)}
    finally:
        close_old_connections()


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
