"""Functions that a model may call: a registry with schemas, and the loop that answers the model's calls.

    toolbox = Toolbox[Desk]()

    @toolbox.tool
    def search(desk: Desk, wanted: Search) -> Outcome:
        "Find passages by words or by meaning."

Arguments are checked against the schema before anything runs. Whatever goes wrong becomes a message to the model, and
whatever a tool finds reaches it as data, between fences.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, fields
from typing import Any, Generic, Protocol, TypeVar, get_type_hints

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from chat.prompts import TOOL_LETTERS_LEAST, tool_result
from chat.tools.schemas import strict_schema, what_is_wrong
from documents.retrieval import Passage
from project.parameters import Message
from project.provider.pieces import Cut, Piece, Tokens, ToolCall, bearable
from project.tokens import count_tokens

log = logging.getLogger(__name__)

Desk = TypeVar("Desk")  # What tools work at: who asks, what may be read, what was found.
ToolChoice = str | dict[str, Any]  # "auto", "none", "required", or the one function that must be called
NAME = re.compile(r"[a-z][a-z_]{0,63}")
SAID_MOST = 120  # letters of what a page is told
LETTERS_A_TOKEN = 3
NO_MORE = "No more calls can be made. Answer with what you have."


class ToolError(Exception):
    """A tool cannot do what was asked; str(exc) tells the model why."""


class Ask(Protocol):
    """One call to a model, which streams."""

    def __call__(
        self,
        messages: list[Message],
        *,
        tools: list[dict[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        response_format: dict[str, Any] | None = None,
    ) -> AsyncGenerator[Piece]: ...


@dataclass(frozen=True)
class Outcome:
    """What came of a call: words for the model, numbered passages it is shown, and words for the page."""

    text: str
    said: str
    shown: Sequence[tuple[int, Passage]] = ()


@dataclass(frozen=True)
class Used:
    """A call was answered. `said` is for a person: Searched for “rent”."""

    name: str
    said: str
    is_error: bool = False


@dataclass(frozen=True)
class Limits:
    rounds: int = 4  # in which the model may call tools; then it must answer
    calls: int = 8
    letters: int = 12_000  # of one result
    tokens: int = 12_000  # of all results


@dataclass(frozen=True)
class Tool(Generic[Desk]):
    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[[Desk, Any], Outcome]

    @property
    def schema(self) -> dict[str, Any]:
        parameters = strict_schema(self.arguments)
        parameters.pop("description", None)
        told = {"name": self.name, "description": self.description, "parameters": parameters, "strict": True}
        return {"type": "function", "function": told}


class Toolbox(Generic[Desk]):
    """Tools by their names."""

    def __init__(self) -> None:
        self.tools: dict[str, Tool[Desk]] = {}

    def tool(self, function: Callable[[Desk, Any], Outcome]) -> Callable[[Desk, Any], Outcome]:
        """Register a function under its own name; its docstring and the model of its second argument describe it."""
        name, description = function.__name__, inspect.getdoc(function)
        arguments = get_type_hints(function)[list(inspect.signature(function).parameters)[1]]
        if not NAME.fullmatch(name) or not description or name in self.tools:
            raise ValueError(f"{name!r} cannot be a tool: it needs a plain name of its own, and a docstring.")
        if not issubclass(arguments, BaseModel) or arguments.model_config.get("extra") != "forbid":
            raise ValueError(f"The arguments of {name!r} must be a pydantic model that forbids what it does not name.")
        self.tools[name] = Tool(name, " ".join(description.split()), arguments, function)
        return function

    @property
    def schemas(self) -> list[dict[str, Any]]:
        return [tool.schema for tool in self.tools.values()]

    def checked(self, call: ToolCall) -> tuple[Tool[Desk], BaseModel]:
        """The tool and its arguments, in order. Raises ToolError."""
        tool = self.tools.get(call.name)
        if tool is None:
            raise ToolError(f"There is no tool of this name. There are: {', '.join(self.tools)}.")
        try:
            return tool, tool.arguments.model_validate_json(call.arguments.strip() or "{}")
        except ValidationError as exc:
            raise ToolError(f"The arguments are wrong, so nothing was done: {what_is_wrong(exc)}.") from exc


async def with_tools(
    ask: Ask,
    messages: Sequence[Message],
    toolbox: Toolbox[Desk],
    desk: Desk,
    *,
    fence: str,
    tool_choice: ToolChoice = "auto",
    limits: Limits = Limits(),
) -> AsyncGenerator[Piece | Used]:
    """Ask, answer the model's calls, ask again, until it answers: yields its text, and each call that was answered.

    `tool_choice` holds for the first round. Tokens are those of all rounds so far.
    """
    said, spent, at_work, has_spoken = [*messages], Tokens(0, 0), _Work(toolbox, desk, fence, limits), False
    for number in range(limits.rounds + 1):
        choice = "none" if number == limits.rounds or at_work.is_over else tool_choice if number == 0 else "auto"
        heard = _Round("\n\n" if has_spoken else "", spent)
        async with aclosing(heard.pieces(ask(said, tools=toolbox.schemas, tool_choice=choice))) as pieces:
            async for piece in pieces:
                yield piece
        if not heard.calls or choice == "none":
            if heard.is_cut:
                yield Cut()
            return
        spent, has_spoken = heard.spent, has_spoken or bool(heard.text)
        calls = [_with_id(call, number, place) for place, call in enumerate(heard.calls)]
        said.append(_message(heard.text, calls))
        for call in calls:
            outcome, used = await at_work.answer(call)
            said.append({"role": "tool", "tool_call_id": call.id, "content": outcome})
            if used:
                yield used


@dataclass
class _Round:
    """What the model says when it is asked once."""

    gap: str  # between words said before and these
    spent: Tokens  # before this round; afterwards with it
    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    is_cut: bool = False

    async def pieces(self, asked: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
        """Pass on what does not wait for the end of the round."""
        before = self.spent
        async with aclosing(asked):
            async for piece in asked:
                if isinstance(piece, ToolCall):
                    self.calls.append(piece)
                elif isinstance(piece, Cut):
                    self.is_cut = True
                elif isinstance(piece, Tokens):
                    self.spent = _sum(before, piece)
                    yield self.spent
                elif not isinstance(piece, str):
                    yield piece
                elif piece:
                    yield piece if self.text else self.gap + piece
                    self.text += piece


@dataclass
class _Work(Generic[Desk]):
    """The calls of one answer: what they may still cost, and what they brought."""

    toolbox: Toolbox[Desk]
    desk: Desk
    fence: str
    limits: Limits
    calls: int = 0
    tokens: int = 0
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.calls >= self.limits.calls or self._letters < TOOL_LETTERS_LEAST

    @property
    def _letters(self) -> int:
        return min(self.limits.letters, (self.limits.tokens - self.tokens) * LETTERS_A_TOKEN)

    async def answer(self, call: ToolCall) -> tuple[str, Used | None]:
        """What the model is told, and what a person is told of it."""
        if self.is_over:
            return NO_MORE, None
        self.calls += 1
        try:
            tool, wanted = self.toolbox.checked(call)
            key = (tool.name, wanted.model_dump_json())
            if key in self.known:
                self.tokens += count_tokens(self.known[key])
                return self.known[key], None
            outcome = await sync_to_async(_run)(tool, self.desk, wanted)
        except ToolError as exc:
            return self._told(call.name, str(exc)), Used(
                _plain(call.name), bearable(f"Tried in vain: {exc}"[:SAID_MOST]), True
            )
        except Exception:
            log.exception("tool_failed tool=%s", tool.name)
            return self._told(tool.name, "The tool failed. Do without it."), Used(tool.name, "A tool failed.", True)
        self.known[key] = self._told(tool.name, outcome.text, outcome.shown)
        return self.known[key], Used(tool.name, _short(outcome.said))

    def _told(self, name: str, text: str, shown: Sequence[tuple[int, Passage]] = ()) -> str:
        told = tool_result(_plain(name), text, shown, fence=self.fence, letters=self._letters)
        self.tokens += count_tokens(told)
        return told


def _run(tool: Tool[Desk], desk: Desk, wanted: BaseModel) -> Outcome:
    """The connection goes back at once: the model takes its time with what was found."""
    try:
        return tool.run(desk, wanted)
    finally:
        close_old_connections()


def _message(text: str, calls: list[ToolCall]) -> Message:
    """The model's own message, said back to it, without names and arguments that a service would refuse."""
    told = [
        {"id": call.id, "type": "function", "function": {"name": _plain(call.name), "arguments": _json(call.arguments)}}
        for call in calls
    ]
    return {"role": "assistant", "tool_calls": told} | ({"content": text} if text else {})


def _with_id(call: ToolCall, number: int, place: int) -> ToolCall:
    """A compatible server may leave the id out."""
    return call if call.id else ToolCall(f"call_{number}_{place}", call.name, call.arguments)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "unnamed"


def _json(arguments: str) -> str:
    try:
        return arguments if isinstance(from_json(arguments), dict) else "{}"
    except ValueError:
        return "{}"


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= SAID_MOST else f"{sentence[: SAID_MOST - 1]}…"


def _sum(one: Tokens, other: Tokens) -> Tokens:
    added = {each.name: getattr(one, each.name) + getattr(other, each.name) for each in fields(Tokens)}
    return Tokens(**added | {"is_estimate": one.is_estimate or other.is_estimate})
