"""Every sentence of an answer is looked for in its passages, while the next one is written.

`proved` reads the events of an answer along, whoever writes it, and tells of each sentence as soon as it has ended what
became of it: never before its text, and never holding text back. The answer ends with the words of the sources that its
sentences rest on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from chat.events import Cite, Done, Event, Failed, Found, Proved, Question, Ran, Text
from chat.grounding.sources import sources_of
from chat.proof.opinions import second_opinion, written_again
from chat.proof.verifier import look_up
from chat.proof.written import Reader, Sentence, Written
from chat.verification import Claim, Evidence, Judged, Verdict
from documents.retrieval import Passage

log = logging.getLogger(__name__)

LETTERS_MOST = 60_000  # Of an answer; no model that means well writes as much.
ENDLESS = "The answer grew longer than an answer may be and was stopped. What was written is kept."
# Sentences wait for each other: more threads that compute would be no faster, and keep the streams from their turn.
VERIFIERS = ThreadPoolExecutor(2, thread_name_prefix="verifier")
NO_SOURCE = "No sentence of this answer names its source. Check it before you rely on it."
Write = Callable[[Question], AsyncGenerator[Event]]
Told = asyncio.Queue[Event | None]


async def proved(question: Question, *, write: Write) -> AsyncGenerator[Event]:
    """The events of `write(question)`, each sentence's verdict among them."""
    if question.wants_json:  # One object, and no sentence of it stands by itself.
        async with aclosing(write(question)) as events:
            async for as_it_is in events:
                yield as_it_is
        return
    async with aclosing(beside(lambda told: _Checking(question, told).read(write(question)))) as events:
        async for event in events:
            yield event


async def beside(
    read: Callable[[Told], Coroutine[Any, Any, None]], context: Context | None = None
) -> AsyncGenerator[Event]:
    """The events that a task tells while they are taken; it ends with whoever takes them."""
    told: Told = asyncio.Queue()
    reading = asyncio.create_task(read(told), context=context)
    reading.add_done_callback(lambda _: told.put_nowait(None))
    try:
        while (event := await told.get()) is not None:
            yield event
        await reading  # Raises what went wrong there.
    finally:
        reading.cancel()
        await asyncio.wait({reading})


async def settled(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """The events for a program that reads along: what it was sent cannot be taken back.

    Where sentences may be left out or written again, text and source numbers come when they will not change any more.
    """
    written, sent = Written(), ""
    async with aclosing(events):
        async for event in events:
            written.take(event)
            if settings.UNSUPPORTED == "mark":
                yield event
            elif not isinstance(event, Text | Cite):
                upto = None if isinstance(event, Done | Failed) else written.settled
                drawn = written.draw(lambda before, number: f"{before}\0{number}\0", upto)[0]
                for at, part in enumerate(drawn.removeprefix(sent).split("\0")):
                    if part:
                        yield Cite(int(part)) if at % 2 else Text(part)
                sent = drawn
                yield event


@dataclass
class _Checking:
    """Reads an answer along; a second task, in a thread of its own, looks its sentences up one after the other."""

    question: Question
    told: Told
    reader: Reader = field(default_factory=Reader)
    passages: Sequence[Passage] = ()
    printed: str = ""  # by code that was run for the answer
    has_run: bool = False
    sentences: asyncio.Queue[Sentence] = field(default_factory=asyncio.Queue)
    found: dict[int, Proved] = field(default_factory=dict)
    took_s: float = 0.0

    async def read(self, events: AsyncGenerator[Event]) -> None:
        checking = asyncio.create_task(self._check())
        try:
            async with aclosing(events):
                async for event in events:
                    await self._take(event)
                    if len(self.reader.text) > LETTERS_MOST:
                        self.told.put_nowait(Failed("endless", ENDLESS))
                        return
        finally:
            checking.cancel()

    async def _take(self, event: Event) -> None:
        if isinstance(event, Found):
            self.passages = event.passages
        elif isinstance(event, Ran):
            self.has_run, self.printed = True, f"{self.printed}\n{event.output}"
        elif isinstance(event, Text | Cite):
            for sentence in self.reader.take(event):
                self.sentences.put_nowait(sentence)
        elif isinstance(event, Failed) and not event.withdraws:
            await self.sentences.join()
        elif isinstance(event, Done) and not event.is_refused:
            event = await self._end(event)
        self.told.put_nowait(event)

    async def _check(self) -> None:
        while True:
            sentence = await self.sentences.get()
            began = time.perf_counter()
            self._tell(await asyncio.get_running_loop().run_in_executor(VERIFIERS, self._judged, sentence))
            self.took_s += time.perf_counter() - began
            self.sentences.task_done()

    def _tell(self, judged: Proved, *, is_last: bool = False) -> None:
        if judged.proof and judged.proof.verdict is Verdict.UNSUPPORTED and judged.instead is None:
            if self.way == "hide":
                judged = replace(judged, instead="")
            judged = replace(judged, is_pending=self.way == "rewrite" and not is_last)
        self.found[judged.start] = judged
        self.told.put_nowait(judged)

    def _judged(self, sentence: Sentence) -> Proved:
        claim = Claim(
            sentence.words,
            sentence.lead,
            sentence.cited,
            sentence.inherited,
            is_stated=sentence.is_stated,
            is_computed=self.has_run,
            is_told=self.question.has_tools,
        )
        passages = self.passages
        try:
            found = look_up(claim, [evidence_of(number, each, self.printed) for number, each in enumerate(passages, 1)])
        except Exception:  # Whatever a text does to the checks: the answer goes on.
            log.exception("sentence_not_checked")
            found = Judged(None, sentence.cited)
        return Proved(
            sentence.start,
            sentence.end,
            sentence.until,
            found.proof,
            cited=sentence.cited,
            cites=found.cites,
            spans=tuple(dict.fromkeys(_on_pages(found.spans, passages))),
            words=sentence.words,
        )

    async def _end(self, done: Done) -> Done:
        for sentence in self.reader.rest():
            self.sentences.put_nowait(sentence)
        await self.sentences.join()
        await self._reconsider()
        found = list(self.found.values())
        is_cited = any(each.cites for each in found) or bool(self.reader.numbers)
        return replace(
            done,
            sources=sources_of(found, [source.passage for source in done.sources]),
            notice=done.notice if is_cited or done.is_cut else f"{NO_SOURCE} {done.notice}".strip(),
            how=[*done.how, *self._how(found)],
        )

    async def _reconsider(self) -> None:
        """What the settings have a model say once the answer is written."""
        if settings.SECOND_OPINION and (doubted := self._with(Verdict.PARTLY)):
            for each, verdict in await second_opinion(self.question, doubted, self.passages):
                assert each.proof
                reason = None if verdict is Verdict.SUPPORTED else each.proof.reason
                self._tell(replace(each, proof=replace(each.proof, verdict=verdict, reason=reason), by_model=True))
        if self.way == "rewrite" and (wrong := self._with(Verdict.UNSUPPORTED)):
            for each in wrong:
                self._tell(each, is_last=True)  # It stays, unless what comes is better.
            for each, words, cited in await written_again(self.question, wrong, self.passages):
                if better := await asyncio.to_thread(self._better, each, words, cited):
                    self._tell(better, is_last=True)

    @property
    def way(self) -> str:
        """What becomes of sentences that nothing bears out. Who asks for more than the passages say gets it."""
        is_more = self.question.is_open or self.question.has_tools
        return "mark" if is_more else settings.UNSUPPORTED

    def _with(self, verdict: Verdict) -> list[Proved]:
        return [each for each in self.found.values() if each.proof and each.proof.verdict is verdict]

    def _better(self, wrong: Proved, words: str, cited: tuple[int, ...]) -> Proved | None:
        """The sentence as it was written again; None where that is not borne out any better."""
        if not words:
            return replace(wrong, instead="")
        again = Sentence(wrong.start, wrong.end, wrong.until, words, cited=cited or wrong.cited)
        found = self._judged(again)
        if found.proof is None or found.proof.verdict is Verdict.UNSUPPORTED:
            return None
        return replace(found, cited=wrong.cited, words=wrong.words, instead=words)

    def _how(self, found: Sequence[Proved]) -> list[tuple[str, str]]:
        number = sum(each.proof is not None for each in found)
        if not number:
            return []
        many = "1 sentence" if number == 1 else f"{number} sentences"
        rows = [("Checked", f"{many} against their passages, by rules, {self.took_s * 1000:.0f} ms")]
        if opinions := sum(each.by_model for each in found):
            rows.append(("Second opinion", f"the model was asked about {opinions} of them"))
        if corrected := sum(each.is_corrected for each in found):
            rows.append(("Put right", f"the source number of {corrected} of them"))
        if added := sum(not each.cited and bool(each.cites) for each in found):
            rows.append(("Added", f"the source number of {added} that named none"))
        return rows


# One sentence --------------------------------------------------------------------------------------------------------
def evidence_of(number: int, passage: Passage, printed: str = "") -> Evidence:
    around = (passage.document_title, passage.section, passage.header, passage.computed, printed)
    return Evidence(number, passage.text, "\n".join(filter(None, around)))


def _on_pages(spans: Sequence[tuple[int, int, int]], passages: Sequence[Passage]) -> Iterator[tuple[int, int, int]]:
    """Words of passages as words of their pages; of what was computed from cells, the cells."""
    for number, start, end in spans:
        passage = passages[number - 1]
        for mark in passage.marks or [(passage.start + start, passage.start + end)]:
            yield number, *mark
