"""A chat model that may look further: it searches again, opens pages and has tables computed while it answers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from chat.events import Found, Question, Status
from chat.prompts import TOOL_RULES, Prompt
from chat.tools.own import Desk, toolbox
from chat.tools.toolbox import Ask, Limits, ToolChoice, Used, with_tools
from project import spending
from project.catalogue import UNKNOWN, Model
from project.deployments import Deployment, chosen
from project.parameters import Message, Wanted
from project.provider.calls import Call, stream
from project.provider.pieces import Piece
from project.spending import Payer
from project.tokens import counter

LIMITS = Limits()
STAGE = "tools"


class Researcher:
    """Asks with Lectern's own tools, all of them for the asker alone. What is found on the way is told as Found."""

    notice, rules = "", TOOL_RULES
    looks_further = True

    def __init__(self, name: str, ask: Ask, base: Model, question: Question) -> None:
        self.name, self.ask, self.base, self.question = name, ask, base, question
        self.window, self.count = base.context_tokens, counter(base)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece | Status | Found]:
        desk = Desk(self.question, [*prompt.passages])
        told = [*desk.passages]
        using = with_tools(
            self.ask, list(prompt.messages), toolbox, desk, fence=prompt.fence, limits=self._limits(prompt)
        )
        async with aclosing(using) as pieces:
            async for piece in pieces:
                if not isinstance(piece, Used):
                    yield piece
                    continue
                yield Status(STAGE, piece.said)
                if desk.passages != told:
                    told = [*desk.passages]
                    yield Found(tuple(desk.passages))

    def _limits(self, prompt: Prompt) -> Limits:
        """What tools bring must fit into the model's window beside the prompt, its answer and the schemas."""
        window = self.base.context_tokens or UNKNOWN.context_tokens or 0
        room = window - prompt.tokens - prompt.max_tokens - self.count(json.dumps(toolbox.schemas))
        return Limits(LIMITS.rounds, LIMITS.calls, LIMITS.letters, max(0, min(LIMITS.tokens, room)))


def researcher(question: Question, answer_tokens: int) -> Researcher | None:
    """The one for a question whose deployment is to use tools and can; None for any other."""
    deployment = chosen(question.deployment)
    if deployment is None or not deployment.tools or deployment.base.tools is False:
        return None
    ask = asking(deployment, question.payer, answer_tokens, question.generation)
    return Researcher(deployment.name, ask, deployment.base, question)


def asking(
    deployment: Deployment, payer: Payer, answer_tokens: int, generation: Mapping[str, Any] | None = None
) -> Ask:
    """One call after another to a deployment, each paid by the same payer; `generation` are wishes for all of them."""
    all_wishes = {**deployment.generation, **(generation or {})}

    def ask(
        messages: list[Message],
        *,
        tools: list[dict[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> AsyncGenerator[Piece]:
        wishes = {**all_wishes, "max_output_tokens": answer_tokens, "stream": True}
        wishes |= {"tools": tools, "tool_choice": tool_choice}
        wishes |= {"response_format": response_format} if response_format else {}
        call = Call(deployment, Wanted(messages=messages, **wishes), payer, is_urgent=payer.purpose == "answer")
        return _while_there_is_money(call) if messages[-1].get("role") == "tool" else stream(call)

    return ask


async def _while_there_is_money(call: Call) -> AsyncGenerator[Piece]:
    """A further step of an answer: what the steps before it cost counts already. Raises BudgetSpent."""
    await sync_to_async(check_budgets)(call.payer)
    async with aclosing(stream(call)) as pieces:
        async for piece in pieces:
            yield piece


def check_budgets(payer: Payer) -> list[str]:
    """Sentences about budgets that are nearly spent. Raises BudgetSpent."""
    try:
        return spending.check(payer)
    finally:
        close_old_connections()
