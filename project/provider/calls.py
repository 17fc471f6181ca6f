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
from django.db import DatabaseError, close_old_connections

from project import spending
from project.catalogue import Model
from project.circuit import Circuit, CircuitOpen
from project.deployments import Deployment, DeploymentsError, deployments
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
from project.provider.estimates import room_tokens, sent_tokens
from project.provider.pieces import Begun, Cut, Notice, Piece, Tokens, ToolCall, with_bearable_words
from project.provider.responses import pieces as responses_pieces
from project.quota import Quota, QuotaFull, Reservation
from project.spending import Payer
from project.tokens import count_tokens

log = logging.getLogger(__name__)

TRIES_MOST = 3
PAUSE_S, PAUSE_MOST_S = 0.5, 20.0
LEAST_S = 1.0  # that a service has for taking a call, however late it comes
MORE_ROOM = "The model thought until its tokens were used up. It was asked once more, with more of them."
STILL_EMPTY = "The model thought until its tokens were used up, and wrote nothing. Ask something narrower."
Way = Callable[[openai.AsyncOpenAI, "Call", dict[str, Any]], AsyncGenerator[Any]]  # Begun, then pieces


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
    ends = time.monotonic() + call.patience_s
    line = list(_line(call))
    for at, deployment in enumerate(line):
        has_begun = False
        # Nobody who waits stands in line here while another deployment may have room.
        is_passing = call.is_urgent and at + 1 < len(line)
        try:
            async with aclosing(_answered(replace(call, deployment=deployment), ends, is_passing)) as pieces:
                async for piece in pieces:
                    has_begun = has_begun or not isinstance(piece, Notice)
                    yield piece
            return
        except ProviderError as exc:
            if has_begun or not exc.falls_back or at + 1 == len(line):
                raise
            yield Notice(f"“{deployment.name}” could not be asked, so “{line[at + 1].name}” answers. {exc}")


def _line(call: Call) -> Iterator[Deployment]:
    """The deployment, its fallback, that one's fallback; each once, and none that is gone or cannot stand in."""
    yield call.deployment
    left = _known()
    left.pop(call.deployment.name, None)
    deployment = left.pop(call.deployment.fallback, None)
    while deployment:
        if _can_stand_in(call, deployment):
            yield deployment
        deployment = left.pop(deployment.fallback, None)


def _known() -> dict[str, Deployment]:
    """None where the operator's file was broken since the deployment was chosen: it can still be asked itself."""
    try:
        return deployments()
    except DeploymentsError:
        log.exception("deployments_unreadable")
        return {}


def _can_stand_in(call: Call, deployment: Deployment) -> bool:
    """What lies at one service is found there alone, and over one way; an answer without it would be made up."""
    if call.hosted_tools:
        return (deployment.api, deployment.connection) == ("responses", call.deployment.connection)
    return not call.data_sources or (deployment.api, deployment.connection.kind) == ("chat", "azure")


async def _answered(call: Call, ends: float, is_passing: bool) -> AsyncGenerator[Piece]:
    """One deployment's answer. A model whose thoughts took all the room is asked once more, with more room."""
    request, notices = _request(call)
    for sentence in notices:
        yield Notice(sentence)
    base, spent = call.deployment.base, Tokens(0, 0)
    for is_last in (False, True):
        has_said, is_cut = False, False
        async with aclosing(_tried(call, request, ends, is_passing)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Tokens):
                    spent = _sum(spent, piece)
                elif isinstance(piece, Cut):
                    is_cut = True
                else:
                    said = piece.strip() if isinstance(piece, str) else isinstance(piece, ToolCall)
                    has_said = has_said or bool(said)
                    yield piece
        wider = None if has_said or not is_cut else with_more_room(request, most=_room(request, base))
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


def _room(request: dict[str, Any], base: Model) -> int | None:
    """The most that an answer to this request may take."""
    left = base.context_tokens - sent_tokens(request, base) if base.context_tokens else None
    return min((most for most in (left, base.output_tokens_most) if most is not None), default=None)


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


async def _tried(call: Call, request: dict[str, Any], ends: float, is_passing: bool) -> AsyncGenerator[Piece]:
    """As many attempts as the caller has patience for, as long as nothing has come and nothing can have been billed."""
    for tries in range(1, TRIES_MOST + 1):
        attempt = _Attempt(call, request)
        left_s = ends - time.monotonic()
        try:
            async with aclosing(attempt.pieces(0 if is_passing else left_s, max(left_s, LEAST_S))) as pieces:
                async for piece in pieces:
                    yield piece
            return
        except FOREIGN as exc:
            pause = None if attempt.has_begun else _pause(exc, tries, attempt)
            if pause is None or tries == TRIES_MOST or time.monotonic() + pause > ends:
                # Without its cause: what a service says may repeat the key, and a traceback prints it.
                raise ours(exc, call.deployment.name, is_in_the_middle=attempt.has_come) from None
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
    has_begun: bool = False  # The service took it, so it is billed.
    has_come: bool = False  # A piece was passed on.
    tokens: Tokens | None = None
    text: list[str] = field(default_factory=list)

    @property
    def is_signed_in_by_identity(self) -> bool:
        connection = self.call.deployment.connection
        return connection.kind == "azure" and not connection.key

    async def pieces(self, patience_s: float, wait_s: float) -> AsyncGenerator[Piece]:
        """Wait in line for `patience_s`, and `wait_s` for the service to take the call."""
        deployment = self.call.deployment
        circuit = Circuit(deployment.name)
        try:
            turn = await asyncio.to_thread(circuit.before)
            reservation = await self._reserve(patience_s)
        except (CircuitOpen, QuotaFull) as exc:
            code = "circuit_open" if isinstance(exc, CircuitOpen) else "own_quota"
            raise ProviderBusy(str(exc), exc.retry_after, code, falls_back=True) from exc
        try:
            client = await async_client(deployment.connection, is_patient=deployment.base.family == "reasoning")
            async with aclosing(_way(deployment)(client, self.call, self.request)) as come:
                async with asyncio.timeout(wait_s):
                    self.has_begun = isinstance(await anext(come, None), Begun)
                async for piece in come:
                    is_first = not self.has_come
                    self._note(piece)
                    yield with_bearable_words(piece)
                    if is_first and not turn.is_calm:  # After it, for somebody waits for the first words.
                        await asyncio.to_thread(circuit.succeeded, turn)
        except FOREIGN as exc:
            await asyncio.to_thread(circuit.failed if rule_for(exc).is_outage else circuit.succeeded, turn)
            raise
        finally:
            await asyncio.shield(self._settle(reservation))

    async def _reserve(self, patience_s: float) -> Reservation:
        deployment = self.call.deployment
        quota = Quota(deployment.name, deployment.requests_a_minute, deployment.tokens_a_minute)
        room = room_tokens(self.request, deployment.base) if quota.is_limited else 0
        return await quota.areserve(room, patience_s=patience_s, urgent=self.call.is_urgent)

    def _note(self, piece: Piece) -> None:
        self.has_come = True
        if isinstance(piece, Tokens):
            self.tokens = piece
        elif isinstance(piece, str):
            self.text.append(piece)
        elif isinstance(piece, ToolCall):
            self.text.append(f"{piece.name}{piece.arguments}")

    async def _settle(self, reservation: Reservation) -> None:
        """Whatever was billed is written down, by the service's own count or, where it did not tell, by ours."""
        if not self.has_begun:
            await asyncio.to_thread(reservation.release)
            return
        tokens = self.tokens or self._estimate()
        await asyncio.to_thread(reservation.settle, tokens.input + tokens.output)
        await sync_to_async(self._write_down)(tokens)

    def _write_down(self, tokens: Tokens) -> None:
        try:
            spending.note(self.call.deployment, self.call.payer, tokens)
        except DatabaseError:  # The answer is worth more than the note of it.
            log.exception("usage_not_noted deployment=%s %s", self.call.deployment.name, tokens)
        finally:
            close_old_connections()

    def _estimate(self) -> Tokens:
        """Our own count of what was sent and of what came, by the vocabulary of the base model."""
        base = self.call.deployment.base
        return Tokens(sent_tokens(self.request, base), count_tokens("".join(self.text), base.name), is_estimate=True)


def _way(deployment: Deployment) -> Way:
    return responses_pieces if deployment.api == "responses" else chat_pieces
