"""Answer a question of a conversation: the same events as `answer()`, and everything is kept as it comes.

Whoever claims the answer writes it; whoever else asks for it follows what is kept. A stop from another page and a time
limit reach the model within a second. A database that is away for a moment costs no word: what is to be kept waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.utils import timezone

from chat.answering import answer
from chat.conversations.draft import Draft, finish, finish_early, keep
from chat.conversations.history import turns_before
from chat.conversations.resuming import SOURCES_GONE, begun_of
from chat.conversations.scoping import NOTHING_LEFT, Chosen, is_nowhere, scope_of
from chat.conversations.summaries import with_summary
from chat.events import Done, Event, Failed, Question, ReadBy
from chat.models import Conversation, Message, State
from documents.models import Collection, Document

log = logging.getLogger(__name__)

LOOK_S = 0.5  # How often a stop is looked for.
TICK_S = 0.08  # While nothing comes, this often whoever reads has a turn.
KEEP_S = 1.0  # How often what is written is kept.
PATIENCE_S = 60  # So long the end of an answer waits for a database that is away.
AWAY = (OperationalError, InterfaceError)
STOPPED = "Stopped. What was written is kept."
LEFT = "The page was closed while answering. What was written is kept."


async def converse(message: Message, draft: Draft) -> AsyncGenerator[Event | None]:
    """Write a claimed answer, filling `draft`. Yields None when nothing has come for a while."""
    last_kept = time.monotonic()
    try:
        events = _answered(message)
        async with aclosing(events), aclosing(_until_stopped(events, message)) as coming:
            async for event in coming:
                draft.take(event)
                if isinstance(event, Done):
                    await _patiently(finish, message, draft, event)
                elif isinstance(event, Failed):
                    if event.withdraws:
                        draft.clear()
                    await _end(message, draft, State.FAILED, event.sentence, event.code)
                elif time.monotonic() - last_kept > KEEP_S:
                    last_kept = time.monotonic()
                    with contextlib.suppress(*AWAY):
                        await sync_to_async(keep)(message, draft)
                yield event
    except _Stopped:
        await _end(message, draft, State.STOPPED, STOPPED)
    except (asyncio.CancelledError, GeneratorExit):
        await asyncio.shield(_end(message, draft, State.INTERRUPTED, LEFT))
        raise
    except AWAY:
        log.exception("answer_interrupted message=%s", message.pk)
        await _end(message, draft, State.INTERRUPTED, "The database did not answer. What was written is kept.")
    except Exception:
        log.exception("answer_failed message=%s", message.pk)
        await _end(message, draft, State.FAILED, "Something went wrong here while answering. It has been noted.")


async def _answered(message: Message) -> AsyncGenerator[Event]:
    """The events of the answer; summing up what was said before is part of it, and can be stopped as well."""
    question = await sync_to_async(question_of)(message)
    if is_nowhere(question):
        yield Failed("nothing_to_search", NOTHING_LEFT)
        return
    if message.content and not question.begun:
        yield Failed("sources_gone", SOURCES_GONE)
        return
    question = await with_summary(question, message)
    async with aclosing(answer(question)) as events:
        async for event in events:
            yield event


class _Stopped(Exception):
    """Somebody pressed stop."""


async def _until_stopped(events: AsyncGenerator[Event], message: Message) -> AsyncGenerator[Event | None]:
    """Pass events on; look for a stop while none comes, so that a silent model can be stopped too."""
    looked = time.monotonic()
    coming: asyncio.Task | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=TICK_S)
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                if await sync_to_async(_is_stopped)(message):
                    raise _Stopped
            if not done:
                yield None
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield event
    finally:
        if coming and not coming.done():
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming


def _is_stopped(message: Message) -> bool:
    """Note a sign of life and look for a stop, and for who reads elsewhere; a deleted conversation is a stop."""
    row = Message.objects.filter(pk=message.pk)
    try:
        found = row.update(seen_at=timezone.now()) and row.values("stop_requested", "read_at").first()
        if found:
            message.read_at = found["read_at"]
        return not found or found["stop_requested"]
    except AWAY:
        return False  # It goes on; when the database is back, everything is kept.
    finally:
        close_old_connections()


async def _end(message: Message, draft: Draft, state: State, sentence: str, code: str = "") -> None:
    await _patiently(finish_early, message, draft, state, sentence, code)


async def _patiently(work: Callable[..., None], *args: object) -> None:
    """Keep what must be kept, as soon as the database answers."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await sync_to_async(work)(*args)
        except AWAY:
            await sync_to_async(close_old_connections)()
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(LOOK_S)


def question_of(message: Message) -> Question:
    """The question of an answer, with what was said before it and where it may be looked for."""
    conversation = message.conversation
    asked = message.question
    turns, older = turns_before(conversation, asked.after_id) if asked.after_id else ([], 0)
    scope = scope_of(conversation)
    return Question(
        asked.content,
        conversation.owner,
        collections=scope.collection_ids,
        documents=scope.document_ids,
        looked_for=tuple(message.queries) if message.read_by == ReadBy.PERSON else (),
        history=turns,
        older_turns=older,
        deployment=conversation.deployment,
        grounding=message.grounding,
        is_fresh=asked.replies.exclude(pk=message.pk).exists(),
        begun=begun_of(message),
    )


def ask(
    conversation: Conversation,
    text: str,
    client_key: str,
    *,
    after: Message | None = None,
    replaces: Message | None = None,
) -> Message:
    """Put a question; the answer, still to be written. The same client key again gives the same answer back.

    It follows the answer `after` (the newest, without one), or takes the place of the question it `replaces`, which
    stays as an older version.
    """
    with transaction.atomic():
        if client_key:
            known = Message.objects.filter(reply_to__conversation=conversation, reply_to__client_key=client_key)
            if answered := known.order_by("created_at").last():
                return answered
        before = replaces.after_id if replaces else after.pk if after else _newest(conversation)
        question = conversation.messages.create(
            role=Message.Role.USER, content=text, client_key=client_key, after_id=before
        )
        return ask_again(question)


def _newest(conversation: Conversation) -> UUID | None:
    answers = conversation.messages.filter(role=Message.Role.ASSISTANT)
    return answers.order_by("created_at").values_list("pk", flat=True).last()


def ask_again(question: Message, grounding: str = "", query: str = "") -> Message:
    """Another answer to a question; `grounding` says who must search for it, `query` what for."""
    Conversation.objects.filter(pk=question.conversation_id).update(updated_at=timezone.now())
    return Message.objects.create(
        conversation_id=question.conversation_id,
        role=Message.Role.ASSISTANT,
        reply_to=question,
        state=State.QUEUED,
        grounding=grounding,
        queries=[query] if query else [],
        read_by=ReadBy.PERSON if query else ReadBy.NOBODY,
    )


def begin(owner, text: str, collections: Sequence[Collection], documents: Sequence[Document] = ()) -> Conversation:
    """A new conversation, named by its first question."""
    title = " ".join(text.split())
    conversation = Conversation.objects.create(owner=owner, title=title if len(title) <= 80 else f"{title[:79]}…")
    Chosen(collections, documents).keep(conversation)
    return conversation
