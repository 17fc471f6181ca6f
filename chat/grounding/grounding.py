"""Where an answer's passages come from: our own search (`hybrid`), or the model's service, which searches by itself an
index that is not ours (`data_sources`).

With `data_sources` nothing is searched here. The operator's index goes along with the question, the service tells what
it found before it answers, and its [doc1] are the numbers of those passages.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from chat.events import Cite, Done, Event, Failed, Found, Question, Source, Status, Text
from chat.grounding.citations import MARKER, split_markers
from chat.grounding.data_sources import DataSource, source_of
from chat.grounding.refusal import Opening
from chat.grounding.sources import nearest
from chat.moderation import heeded
from chat.prompts import NOT_FOUND, TOO_LONG, Turn, is_too_long, messages_of
from documents.retrieval import Passage
from project.deployments import Deployment, DeploymentsError, UnknownDeployment, chosen
from project.parameters import Wanted
from project.provider import ProviderError
from project.provider.calls import Call, stream
from project.provider.pieces import Cut, Notice, Retrieved, ServiceCitation, Tokens, bearable
from project.tokens import count_tokens

ANSWER_SECONDS = 120
OTHERS_MOST = 50  # Passages kept that were found and not offered.
TEXT_MOST = 50_000  # Letters kept of a passage.
CONTEXTS = ["citations", "intent", "all_retrieved_documents"]
REFUSALS = (
    NOT_FOUND,
    "The requested information is not found in the retrieved data",
    "The requested information is not available in the retrieved data",
)
SET_ASIDE = {"score": "below the strictness", "rerank": "beyond the number of passages"}

RETIRED = "data_sources_retired"
RETIRED_SENTENCE = (
    "This model has Azure OpenAI search for it, and Microsoft retired that service (On Your Data) on 14 October 2026. "
    "Ask again with Lectern's own search, over the documents in your library."
)
NO_TOKENS = Tokens(0, 0)
CUT = "The answer was cut off at its limit of tokens. Ask for a part of it."


def elsewhere(question: Question, warnings: Sequence[str] = ()) -> AsyncGenerator[Event] | None:
    """The events of an answer whose passages the service finds; None where our own search is to find them.

    That it is too for a question narrowed to collections or documents of ours, which the service does not have.
    `warnings` are sentences that its end must tell.
    """
    try:
        deployment = chosen(question.deployment)
    except (UnknownDeployment, DeploymentsError):
        return None  # Whoever asks a model says so.
    is_ours = question.grounding == "hybrid" or question.collections is not None or question.documents is not None
    if deployment is None or deployment.grounding != "data_sources" or is_ours:
        return None
    return _by_service(question, deployment, warnings)


async def _by_service(question: Question, deployment: Deployment, warnings: Sequence[str]) -> AsyncGenerator[Event]:
    began = time.monotonic()
    try:
        source = source_of(deployment)
    except DeploymentsError as exc:
        yield Failed("misconfigured", f"{exc} An administrator must look at the settings.")
        return
    call = call_of(question, deployment, source)
    if is_too_long(call.wanted.messages, settings.CHAT_CONTEXT_TOKENS, settings.CHAT_ANSWER_TOKENS, count_tokens):
        yield Failed("context_length_exceeded", TOO_LONG)
        return
    yield Status("searching", f"The model's service is searching {source.place}")
    draft = _Draft(question, deployment, source, notices=[*warnings])
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            aclosing(split_markers(heeded(stream(call), question))) as pieces,
        ):
            async for piece in pieces:
                for event in draft.take(piece):
                    yield event
    except ProviderError as exc:
        # A service without On Your Data says so, or knows no such address any more.
        is_retired = exc.code in {RETIRED, "wrong_address"}
        yield Failed(RETIRED, RETIRED_SENTENCE) if is_retired else Failed(exc.code, str(exc))
        return
    except TimeoutError:
        yield Failed("timeout", f"The answer took longer than {ANSWER_SECONDS} s. What was written is kept.")
        return
    for event in draft.write(draft.opening.rest()):
        yield event
    yield draft.done(time.monotonic() - began)


def call_of(question: Question, deployment: Deployment, source: DataSource) -> Call:
    """The rules for an answer from passages are the service's own; only what the asking program says comes before.

    No other deployment answers in its place: the key of the index is for this service alone.
    """
    messages = messages_of(
        "",
        question.text,
        history=[Turn(turn.question, MARKER.sub("", turn.answer)) for turn in question.history],
        instructions=question.instructions,
        room=settings.CHAT_CONTEXT_TOKENS // 4,
        count=count_tokens,
    )
    return Call(
        deployment=replace(deployment, fallback=""),
        wanted=Wanted(
            [message for message in messages if message["content"]],
            max_output_tokens=settings.CHAT_ANSWER_TOKENS,
            stream=True,
        ),
        payer=question.payer,
        is_urgent=question.purpose == "answer",
        data_sources=[_wire(source, deployment)],
    )


def _wire(source: DataSource, deployment: Deployment) -> dict[str, Any]:
    """With all that can be told of the search, where the version of the service knows how to ask for it."""
    body = source.wire()
    if deployment.connection.dialect.is_late:
        body["parameters"].setdefault("include_contexts", CONTEXTS)
    return body


@dataclass
class _Draft:
    """What has come of an answer so far."""

    question: Question
    deployment: Deployment
    source: DataSource
    opening: Opening = field(default_factory=lambda: Opening(REFUSALS))
    found: Retrieved | None = None
    offered: list[Passage] = field(default_factory=list)
    pieces: list[str | int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    tokens: Tokens = NO_TOKENS
    is_cut: bool = False

    def take(self, piece: object) -> Iterator[Event]:
        """What a piece of the model's means for whoever reads the answer."""
        match piece:
            case str():
                yield from self.write(self.opening.feed(piece))
            case int():
                yield from self._cite(piece)
            case Retrieved() if self.found is None:  # The numbers of an answer cannot change while it is written.
                self.found = piece
                self.offered = [passage_of(each) for each in piece.citations]
                yield Found(tuple(self.offered))
                yield Status("answering", f"Read {len(self.offered)} passages")
            case Tokens():
                self.tokens = piece
            case Cut():
                self.is_cut = True
            case Notice(sentence):
                self.notices.append(sentence)

    def write(self, text: str) -> Iterator[Event]:
        if text:
            self.pieces.append(text)
            yield Text(text)

    def _cite(self, number: int) -> Iterator[Event]:
        yield from self.write(self.opening.rest())
        if not self.opening.is_refusal and 1 <= number <= len(self.offered):  # One never offered is dropped.
            self.pieces.append(number)
            yield Cite(number)

    def done(self, took_s: float) -> Done:
        is_empty = not "".join(piece for piece in self.pieces if isinstance(piece, str)).strip()
        is_refused = self.opening.is_refusal or is_empty
        passages = [*self.offered, *self._others()]
        return Done(
            is_refused=is_refused,
            sources=nearest(self.question.text, passages) if is_refused else [Source(passage) for passage in passages],
            notice=" ".join(filter(None, [self._notice(is_refused), *self.notices]))[:300],
            how=self._how(took_s),
            model=self.deployment.name,
            tokens=self.tokens,
            is_cut=self.is_cut,
            is_degraded=bool(self.notices),
        )

    def _others(self) -> list[Passage]:
        """What was found and not offered; a service lists what it offered there once more."""
        shown = {(each.document_name, each.outer_chunk, each.text) for each in self.offered}
        others = [passage_of(each) for each in (self.found.others if self.found else ())]
        return [each for each in others if (each.document_name, each.outer_chunk, each.text) not in shown][:OTHERS_MOST]

    def _notice(self, is_refused: bool) -> str:
        if is_refused:
            return f"The model's service searched {self.source.place}; your library was not searched."
        return CUT if self.is_cut else ""

    def _how(self, took_s: float) -> list[tuple[str, str]]:
        """How this answer was made, in the reader's words."""
        rows = [("Searched by", f"the model's service, in {self.source.place}")]
        queries = dict.fromkeys(self.found.queries) if self.found else ()
        if queries:
            rows.append(("Searched for", "; ".join(queries)[:500]))
        rows.append(("Found", f"{len(self.offered)} passages for the model"))
        if aside := self._set_aside():
            rows.append(("Set aside", aside))
        counted = f", {self.tokens.input:,} + {self.tokens.output:,} tokens" if self.tokens.output else ""
        return [*rows, ("Answered by", f"{self.deployment.name}, {took_s:.1f} s{counted}")]

    def _set_aside(self) -> str:
        """ "2 below the strictness, 1 beyond the number of passages" """
        found = self.found.others if self.found else ()
        why = Counter(SET_ASIDE.get(str(each.raw.get("filter_reason")), "") for each in found)
        return ", ".join(f"{number} {reason}" for reason, number in why.items() if reason)


def passage_of(found: ServiceCitation) -> Passage:
    passage = Passage.outside(
        title=bearable(found.title).strip(),
        name=bearable(found.file)[:500],
        text=bearable(found.text)[:TEXT_MOST],
        score=min(max(found.score or 0.0, 0.0), 1.0),
        url=bearable(found.url)[:2000],
        chunk=bearable(found.chunk_id)[:200],
    )
    return replace(passage, document_title=passage.document_title[:300])
