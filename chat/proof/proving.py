"""Every sentence of an answer is looked for in its passages, while the next one is written.

`proved` reads the events of an answer along, whoever writes it, and tells of each sentence as soon as it has ended what
became of it: never before its text, and never holding text back. The answer ends with the words of the sources that its
sentences rest on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from django.conf import settings

from chat.events import Cite, Done, Event, Failed, Found, Proved, Question, Ran, Text
from chat.grounding.sources import sources_of
from chat.proof.opinions import second_opinion, written_again
from chat.proof.written import Reader, Sentence, Written
from chat.verification import Evidence, Proof, Reason, Verdict, has_amount, locate, verify
from documents.retrieval import Passage

log = logging.getLogger(__name__)

LETTERS_MOST = 60_000  # Of an answer; no model that means well writes as much.
ENDLESS = "The answer grew longer than an answer may be and was stopped. What was written is kept."
# Sentences wait for each other: more threads that compute would be no faster, and keep the streams from their turn.
VERIFIERS = ThreadPoolExecutor(2, thread_name_prefix="verifier")
NO_SOURCE = "No sentence of this answer names its source. Check it before you rely on it."
Write = Callable[[Question], AsyncGenerator[Event]]


async def proved(question: Question, *, write: Write) -> AsyncGenerator[Event]:
    """The events of `write(question)`, each sentence's verdict among them."""
    if question.wants_json:  # One object, and no sentence of it stands by itself.
        async with aclosing(write(question)) as events:
            async for as_it_is in events:
                yield as_it_is
        return
    told: asyncio.Queue[Event | None] = asyncio.Queue()
    reading = asyncio.create_task(_Checking(question, told).read(write(question)))
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
    told: asyncio.Queue[Event | None]
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
        try:
            judge = partial(judged, is_computed=self.has_run, is_told=self.question.has_tools)
            return judge(sentence, self.passages, self.printed)
        except Exception:  # Whatever a text does to the checks: the answer goes on.
            log.exception("sentence_not_checked")
            return Proved(sentence.start, sentence.end, sentence.until, None, sentence.cited, sentence.cited)

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
def judged(
    sentence: Sentence,
    passages: Sequence[Passage],
    printed: str = "",
    *,
    is_computed: bool = False,
    is_told: bool = False,
) -> Proved:
    """What becomes of a sentence: against the passages it names, and failing those against the others.

    Where code has reckoned with more than the passages show, a figure that is not found is not held against anybody;
    nor, where a program's own tools may have told it, a sentence that names no passage.
    """
    evidence = [evidence_of(number, passage, printed) for number, passage in enumerate(passages, 1)]
    named = sentence.cited or sentence.inherited
    cited = [each for each in evidence if each.number in named]
    others = [each for each in evidence if each.number not in named]
    proof = verify(sentence.words, cited, others, sentence.lead) if sentence.is_stated else None
    is_elsewhere = (is_computed and has_amount(sentence.words)) or (is_told and not named)
    if proof and proof.verdict is not Verdict.SUPPORTED and is_elsewhere:
        proof = None
    cites = _cites(sentence, proof)
    return Proved(
        sentence.start,
        sentence.end,
        sentence.until,
        proof,
        cited=sentence.cited,
        cites=cites,
        spans=tuple(_spans(sentence, proof, cites, passages)),
        words=sentence.words,
    )


def evidence_of(number: int, passage: Passage, printed: str = "") -> Evidence:
    around = (passage.document_title, passage.section, passage.header, passage.computed, printed)
    return Evidence(number, passage.text, "\n".join(filter(None, around)))


def _cites(sentence: Sentence, proof: Proof | None) -> tuple[int, ...]:
    """Its own numbers, unless another passage carries it and none of those does."""
    carried = proof.numbers if proof and proof.verdict is Verdict.SUPPORTED else []
    if not carried or any(number in carried for number in sentence.cited or sentence.inherited):
        return sentence.cited
    return tuple(carried)


def _spans(
    sentence: Sentence, proof: Proof | None, cites: Sequence[int], passages: Sequence[Passage]
) -> list[tuple[int, int, int]]:
    """The words on the pages. A source that is named and that the proof did without is looked up by its words alone."""
    is_near = proof is not None and (proof.verdict is not Verdict.UNSUPPORTED or proof.reason is not Reason.NO_MATCH)
    found = list(proof.spans) if proof and is_near else []
    if proof is None or proof.verdict is Verdict.SUPPORTED:
        for number in cites:
            span = locate(sentence.words, passages[number - 1].text) if number not in [n for n, _, _ in found] else None
            found += [(number, *span)] if span else []
    spans: list[tuple[int, int, int]] = []
    for number, start, end in found:
        passage = passages[number - 1]
        on_page = passage.marks or [(passage.start + start, passage.start + end)]  # Cells that were computed from.
        spans += [span for span in ((number, *mark) for mark in on_page) if span not in spans]
    return spans
