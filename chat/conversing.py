"""Answer a question of a conversation: the same events as `answer()`, and everything is kept as it comes.

Whoever claims the answer writes it; whoever else asks for it follows what is kept. A reader who goes away, a stop
from another page and a time limit all reach the model within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections, transaction
from django.utils import timezone

from chat.answering import answer
from chat.events import Done, Event, Failed, Found, Queries, Question, Ran, ReadBy, Source
from chat.history import turns_before
from chat.models import Citation, Conversation, Gap, Message, State
from chat.proofs import kept_proofs
from chat.scoping import NOTHING_LEFT, Chosen, is_nowhere, scope_of
from chat.sources import sources_of
from chat.summaries import with_summary
from chat.written import Placed, Written
from documents.models import Collection, Document
from documents.retrieval import Passage
from project.tokens import count_tokens

log = logging.getLogger(__name__)

LOOK_S = 0.5  # How often a stop is looked for.
TICK_S = 0.08  # While nothing comes, this often whoever reads has a turn.
KEEP_S = 1.0  # How often what is written is kept.


Drawn = tuple[str, list[Placed], dict[int, int]]


class Draft:
    """The answer as it grows. Sources are numbered in the order in which they are first cited."""

    def __init__(self) -> None:
        self.written = Written()
        self.passages: list[Passage] = []
        self.runs: list[dict[str, str]] = []
        self._whole: Drawn | None = None
        self.queries = Queries(())

    def take(self, event: Event | None) -> None:
        self._whole = None
        if isinstance(event, Queries):
            self.queries = event
        elif isinstance(event, Found):
            self.passages = list(event.passages)
        elif isinstance(event, Ran):
            self.runs.append({"code": event.code, "output": event.output})
        elif event is not None:
            self.written.take(event)

    def clear(self) -> None:
        """Take back what was written: it may not be shown."""
        self.written, self.passages, self._whole = Written(), [], None

    def draw(self, upto: int | None = None) -> Drawn:
        """The text, where its sentences stand, and its sources: as offered -> as shown."""
        if upto is None and self._whole:
            return self._whole
        numbers: dict[int, int] = {}

        def marker(before: str, offered: int) -> str:
            return f"{before.rstrip(' ')}[{numbers.setdefault(offered, len(numbers) + 1)}]"

        drawn = (*self.written.draw(marker, upto), numbers)
        self._whole = drawn if upto is None else self._whole
        return drawn

    @property
    def content(self) -> str:
        return self.draw()[0]

    @property
    def settled(self) -> str:
        """What will not change any more."""
        return self.draw(self.written.settled)[0]

    @property
    def numbers(self) -> dict[int, int]:
        """Sources, as offered -> as shown."""
        return self.draw()[2]

    @property
    def every_number(self) -> dict[int, int]:
        """The same, with the passages behind them that are not cited."""
        numbers = dict(self.numbers)
        for offered in range(1, len(self.passages) + 1):
            numbers.setdefault(offered, len(numbers) + 1)
        return numbers

    @property
    def proofs(self) -> list[dict[str, Any]]:
        """What became of the sentences, as it is kept."""
        return kept_proofs(self.draw()[1], self.every_number)

    @property
    def sources(self) -> list[Source]:
        return sources_of((each.proved for each in self.draw()[1]), self.passages)

    def cited(self) -> dict[int, Passage]:
        """Passages cited so far by the numbers shown."""
        return {shown: self.passages[offered - 1] for offered, shown in self.numbers.items()}


async def converse(message: Message, draft: Draft) -> AsyncGenerator[Event | None]:
    """Write a claimed answer, filling `draft`. Yields None when nothing has come for a while."""
    last_kept = time.monotonic()
    try:
        events = _answered(message)
        async with aclosing(events), aclosing(_until_stopped(events, message)) as coming:
            async for event in coming:
                draft.take(event)
                if isinstance(event, Done):
                    await sync_to_async(_finish)(message, draft, event)
                elif isinstance(event, Failed):
                    if event.withdraws:
                        draft.clear()
                    await _end(message, draft, State.FAILED, event.sentence, event.code)
                elif time.monotonic() - last_kept > KEEP_S:
                    last_kept = time.monotonic()
                    await sync_to_async(_keep)(message, draft)
                yield event
    except _Stopped:
        await _end(message, draft, State.STOPPED, "Stopped. What was written is kept.")
    except (asyncio.CancelledError, GeneratorExit):
        sentence = "The page was closed while answering. What was written is kept."
        await asyncio.shield(_end(message, draft, State.INTERRUPTED, sentence))
        raise
    except Exception:
        log.exception("answer_failed message=%s", message.pk)
        await _end(message, draft, State.FAILED, "Something went wrong here while answering. It has been noted.")


async def _answered(message: Message) -> AsyncGenerator[Event]:
    """The events of the answer; summing up what was said before is part of it, and can be stopped as well."""
    question = await sync_to_async(question_of)(message)
    if is_nowhere(question):
        yield Failed("nothing_to_search", NOTHING_LEFT)
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
    """Note a sign of life and look for a stop; a deleted conversation is one. The connection goes back each time."""
    row = Message.objects.filter(pk=message.pk)
    stopped = not row.update(seen_at=timezone.now()) or row.filter(stop_requested=True).exists()
    close_old_connections()
    return stopped


def _keep(message: Message, draft: Draft) -> None:
    running = Message.objects.filter(pk=message.pk, state=State.STREAMING)
    running.update(content=draft.content, seen_at=timezone.now())
    close_old_connections()


async def _end(message: Message, draft: Draft, state: State, sentence: str, code: str = "") -> None:
    await sync_to_async(_finish_early)(message, draft, state, sentence, code)


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
    )


def _finish(message: Message, draft: Draft, done: Done) -> None:
    with transaction.atomic():
        if not Message.objects.filter(pk=message.pk).exists():
            return  # The conversation was deleted while it was answered.
        _cite(message, draft, done.sources, done.made.sent if done.made else None)
        message.end(
            State.REFUSED if done.is_refused else State.DONE,
            content=draft.content,
            proofs=draft.proofs,
            notice=done.notice[:300],
            how=done.how,
            made=_made(message, done),
            runs=draft.runs,
            queries=list(draft.queries.texts),
            read_by=draft.queries.by,
            template=done.wording.template_id,
        )
        Gap.note(message, is_refused=done.is_refused)


def _made(message: Message, done: Done) -> dict[str, float]:
    """What it took, and how far the search was narrowed; nothing of what was not made here."""
    if done.made is None:
        return {}
    conversation = message.conversation
    narrowed = {"collections": conversation.collections.count(), "documents": conversation.documents.count()}
    return asdict(done.made) | narrowed


def _finish_early(message: Message, draft: Draft, state: State, sentence: str, code: str) -> None:
    with transaction.atomic():
        if not Message.objects.filter(pk=message.pk).exists():
            return
        _cite(message, draft, draft.sources)
        told: dict[str, object] = {"error": sentence[:300], "failure": code[:40], "runs": draft.runs}
        if draft.queries.texts:
            told |= {"queries": list(draft.queries.texts), "read_by": draft.queries.by}
        message.end(state, content=draft.content, proofs=draft.proofs, **told)


def _cite(message: Message, draft: Draft, sources: Sequence[Source], sent: int | None = None) -> None:
    """Keep every passage that was found: the cited first, by the numbers shown, then the others.

    Of the sources the first `sent` were shown to whoever answered; None: all of them.
    """
    shown, numbers = draft.numbers, draft.every_number
    for offered in range(1, len(sources) + 1):
        numbers.setdefault(offered, len(numbers) + 1)  # Found, and not offered.
    found = {source.passage.document_id for source in sources if source.passage.document_id}
    there = set(Document.objects.filter(pk__in=found).values_list("pk", flat=True))  # One may have gone meanwhile.
    message.citations.all().delete()
    Citation.objects.bulk_create(
        _citation(
            message,
            numbers[offered],
            replace(source, is_cited=offered in shown),
            is_sent=sent is None or offered <= sent,
        )
        for offered, source in enumerate(sources, 1)
        if source.passage.is_external or source.passage.document_id in there
    )


def _citation(message: Message, number: int, source: Source, *, is_sent: bool) -> Citation:
    passage = source.passage
    return Citation(
        message=message,
        number=number,
        is_cited=source.is_cited,
        is_sent=is_sent,
        tokens=count_tokens(passage.text),
        document_id=passage.document_id,
        is_external=passage.is_external,
        outside=passage.url,
        title=passage.document_title[:300],
        page_number=passage.page_number,
        page_label=passage.page_label,
        section=passage.section,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        marks=[list(mark) for mark in source.marks],
        keyword_rank=passage.keyword.rank if passage.keyword else None,
        vector_rank=passage.vector.rank if passage.vector else None,
        score=passage.score,
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
