"""One call to a deployment: in its quota, past its circuit, tried again while that costs nothing, and paid once."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, fields, replace
from typing import Any

import openai
from asgiref.sync import sync_to_async
from django.db import close_old_connections

from project import spending
from project.circuit import Circuit, CircuitOpen
from project.deployments import Deployment, deployments
from project.parameters import CannotAsk, Wanted, chat_request, responses_request, with_more_room
from project.provider.chat import pieces as chat_pieces
from project.provider.connections import async_client, forget_identity
from project.provider.errors import (
    FOREIGN,
    ProviderBusy,
    ProviderError,
    ProviderMisconfigured,
    ours,
    rule_for,
    seconds_told,
)
from project.provider.pieces import Cut, Notice, Piece, Tokens, ToolCall
from project.provider.responses import pieces as responses_pieces
from project.quota import Quota, QuotaFull, Reservation
from project.spending import Payer
from project.tokens import count_tokens

log = logging.getLogger(__name__)

TRIES_MOST = 5
PAUSE_S, PAUSE_MOST_S = 0.5, 20.0
ANSWER_TOKENS = 1_000  # reserved for an answer that has no cap
MORE_ROOM = "The model thought until its tokens were used up. It was asked once more, with more of them."
STILL_EMPTY = "The model thought until its tokens were used up, and wrote nothing. Ask something narrower."
Way = Callable[[openai.AsyncOpenAI, "Call", dict[str, Any]], AsyncGenerator[Piece]]


@dataclass(frozen=True)
class Call:
    """What is asked of which deployment, for whom, and how long the caller has patience."""

    deployment: Deployment
    wanted: Wanted
    payer: Payer
    patience_s: float = 60.0  # for waiting in line and for tries before the first byte
    is_urgent: bool = True  # A person waits. Ingestion and batches stand behind.
    data_sources: Sequence[Mapping[str, Any]] = field(default=(), repr=False)  # Azure searches itself; they hold keys
    hosted_tools: Sequence[Mapping[str, Any]] = ()  # file_search, code_interpreter: Responses alone


async def stream(call: Call) -> AsyncGenerator[Piece]:
    """Yield the answer's pieces as they come, and last the Tokens it cost. Closing it stops the model.

    When the deployment is out of order, full or unknown before it has said anything, its fallback answers and a Notice
    says so. Whatever a service bills is written down once, also of a call that broke off or was left. Raises
    ProviderError.
    """
    line = list(_line(call.deployment))
    for at, deployment in enumerate(line):
        has_begun = False
        try:
            async with aclosing(_answered(replace(call, deployment=deployment))) as pieces:
                async for piece in pieces:
                    has_begun = has_begun or not isinstance(piece, Notice)
                    yield piece
            return
        except ProviderError as exc:
            if has_begun or not exc.falls_back or at + 1 == len(line):
                raise
            yield Notice(f"“{deployment.name}” could not be asked, so “{line[at + 1].name}” answers. {exc}")


def _line(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment, its fallback, that one's fallback; each once."""
    known, seen = deployments(), {deployment.name}
    yield deployment
    while deployment.fallback and deployment.fallback not in seen:
        deployment = known[deployment.fallback]
        seen.add(deployment.name)
        yield deployment


async def _answered(call: Call) -> AsyncGenerator[Piece]:
    """One deployment's answer. A model whose thoughts took all the room is asked once more, with more room."""
    request, notices = _request(call)
    for sentence in notices:
        yield Notice(sentence)
    base, spent = call.deployment.base, Tokens(0, 0)
    for is_last in (False, True):
        has_said, is_cut = False, False
        async with aclosing(_tried(call, request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Tokens):
                    spent = _sum(spent, piece)
                elif isinstance(piece, Cut):
                    is_cut = True
                else:
                    has_said = has_said or (
                        bool(piece.strip()) if isinstance(piece, str) else isinstance(piece, ToolCall)
                    )
                    yield piece
        wider = None if has_said or not is_cut else with_more_room(request, most=base.output_tokens_most)
        if wider is None or is_last or base.family != "reasoning":
            break
        request = wider
        yield Notice(MORE_ROOM)
    if is_cut and not has_said:
        yield Notice(STILL_EMPTY)
    if is_cut:
        yield Cut()
    if spent.input or spent.output:
        yield spent


def _says_something(piece: Piece) -> bool:
    return bool(piece.strip()) if isinstance(piece, str) else isinstance(piece, ToolCall)


def _request(call: Call) -> tuple[dict[str, Any], list[str]]:
    """The arguments this model takes at this service. A wish of the call goes before one of the deployment's."""
    deployment = call.deployment
    unsaid = {each.name for each in fields(Wanted) if getattr(call.wanted, each.name) is None}
    wanted = replace(call.wanted, **{key: wish for key, wish in deployment.generation.items() if key in unsaid})
    shape = responses_request if deployment.api == "responses" else chat_request
    try:
        return shape(deployment.base, deployment.connection.dialect, wanted)
    except CannotAsk as exc:
        raise ProviderMisconfigured(str(exc), "cannot_ask", falls_back=True) from exc


def _sum(one: Tokens, other: Tokens) -> Tokens:
    return Tokens(
        one.input + other.input,
        one.output + other.output,
        one.cached + other.cached,
        one.reasoning + other.reasoning,
        one.is_estimate or other.is_estimate,
    )


async def _tried(call: Call, request: dict[str, Any]) -> AsyncGenerator[Piece]:
    """As many attempts as the caller has patience for, as long as nothing has come and nothing can have been billed."""
    ends = time.monotonic() + call.patience_s
    for tries in range(1, TRIES_MOST + 1):
        attempt = _Attempt(call, request)
        try:
            async with aclosing(attempt.pieces(ends - time.monotonic())) as pieces:
                async for piece in pieces:
                    yield piece
            return
        except FOREIGN as exc:
            pause = None if attempt.has_begun else _pause(exc, tries, attempt)
            if pause is None or tries == TRIES_MOST or time.monotonic() + pause > ends:
                raise ours(exc, call.deployment.name) from exc
        await asyncio.sleep(pause)


def _pause(error: Exception, tries: int, attempt: _Attempt) -> float | None:
    """Seconds until the next try: as long as the service said, and a little at random; None when there is none."""
    if isinstance(error, openai.AuthenticationError) and attempt.is_signed_in_by_identity and tries == 1:
        forget_identity()
        return 0.0
    if not rule_for(error).is_retried:
        return None
    told = seconds_told(error)
    grown = min(PAUSE_S * 2 ** (tries - 1), PAUSE_MOST_S)
    return (grown if told is None else told) + random.uniform(0, grown / 2)  # noqa: S311 - it hides nothing


@dataclass
class _Attempt:
    """One request on the wire."""

    call: Call
    request: dict[str, Any]
    has_begun: bool = False  # Something came, so the service bills it.
    tokens: Tokens | None = None
    text: list[str] = field(default_factory=list)

    @property
    def is_signed_in_by_identity(self) -> bool:
        connection = self.call.deployment.connection
        return connection.kind == "azure" and not connection.key

    async def pieces(self, patience_s: float) -> AsyncGenerator[Piece]:
        deployment = self.call.deployment
        circuit = Circuit(deployment.name)
        try:
            turn = await asyncio.to_thread(circuit.before)
            reservation = await self._reserve(patience_s)
        except (CircuitOpen, QuotaFull) as exc:
            code = "circuit_open" if isinstance(exc, CircuitOpen) else "own_quota"
            raise ProviderBusy(str(exc), exc.retry_after, code, falls_back=True) from exc
        is_whole = False
        try:
            async with aclosing(_way(deployment)(async_client(deployment.connection), self.call, self.request)) as come:
                async for piece in come:
                    self._note(piece)
                    yield piece
            is_whole = True
        except FOREIGN as exc:
            await asyncio.to_thread(circuit.failed if rule_for(exc).is_outage else circuit.succeeded, turn)
            raise
        except ProviderError:
            self.has_begun = True
            raise
        finally:
            await asyncio.shield(self._settle(circuit, turn, reservation, is_whole))

    async def _reserve(self, patience_s: float) -> Reservation:
        deployment = self.call.deployment
        quota = Quota(deployment.name, deployment.requests_a_minute, deployment.tokens_a_minute)
        cap = self.call.wanted.max_output_tokens or ANSWER_TOKENS
        return await quota.areserve(self._sent() + cap, patience_s=patience_s, urgent=self.call.is_urgent)

    def _note(self, piece: Piece) -> None:
        self.has_begun = True
        if isinstance(piece, Tokens):
            self.tokens = piece
        elif isinstance(piece, str):
            self.text.append(piece)
        elif isinstance(piece, ToolCall):
            self.text.append(f"{piece.name}{piece.arguments}")

    async def _settle(self, circuit: Circuit, turn: int, reservation: Reservation, is_whole: bool) -> None:
        """Whatever was billed is written down, by the service's own count or, where it did not tell, by ours."""
        if not self.has_begun:
            await asyncio.to_thread(reservation.release)
            return
        if is_whole:
            await asyncio.to_thread(circuit.succeeded, turn)
        tokens = self.tokens or Tokens(self._sent(), self._count("".join(self.text)), is_estimate=True)
        await asyncio.to_thread(reservation.settle, tokens.input + tokens.output)
        await sync_to_async(self._write_down)(tokens)

    def _write_down(self, tokens: Tokens) -> None:
        spending.note(self.call.deployment, self.call.payer, tokens)
        close_old_connections()

    def _sent(self) -> int:
        """As OpenAI tells how to count: three tokens for each message, and three that open the answer."""
        messages = self.call.wanted.messages
        return 3 + sum(3 + self._count(each["role"]) + self._count(_text(each)) for each in messages)

    def _count(self, text: str) -> int:
        return count_tokens(text, self.call.deployment.base.name)


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(str(part.get("text", "")) for part in content)


def _way(deployment: Deployment) -> Way:
    return responses_pieces if deployment.api == "responses" else chat_pieces
