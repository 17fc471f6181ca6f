"""An answer of a model as a typed object: by a JSON schema, by a function that it must call, or as plain JSON."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from chat.tools.schemas import strict_schema, what_is_wrong
from chat.tools.toolbox import Ask
from project.catalogue import Model
from project.parameters import Message
from project.provider.pieces import Cut, ToolCall

log = logging.getLogger(__name__)

Way = Literal["json_schema", "function", "json_object"]
Typed = TypeVar("Typed", bound=BaseModel)
FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)


class StructuredError(Exception):
    """The model did not give an answer of the form asked for, nor when it was told what was wrong."""


def way_of(base: Model) -> Way:
    """The strictest way this model takes."""
    if base.json_schema is not False:
        return "json_schema"
    return "json_object" if base.tools is False else "function"


async def typed(ask: Ask, messages: Sequence[Message], model: type[Typed], *, way: Way = "json_schema") -> Typed:
    """The answer as an object of `model`. One that does not fit is said back once, with what is wrong.

    Raises StructuredError, and what `ask` raises.
    """
    said = [*messages, *([_spelled_out(model)] if way == "json_object" else [])]
    wishes = _wishes(model, way)
    for is_last in (False, True):
        text, is_cut = await _whole(ask, said, wishes)
        try:
            return model.model_validate_json(text)
        except ValidationError as exc:
            wrong = what_is_wrong(exc)
        log.warning("structured_answer_refused model=%s cut=%s", model.__name__, is_cut)
        if is_cut:
            raise StructuredError("The model's answer was cut off at its limit of tokens.")
        if not is_last:
            said += _said_back(text, wrong)
    raise StructuredError(f"The model's answer does not have the form asked for: {wrong}.")


async def _whole(ask: Ask, messages: list[Message], wishes: dict[str, Any]) -> tuple[str, bool]:
    """The JSON, whether it was written or given to the function, and whether it was cut."""
    text, arguments, is_cut = "", None, False
    async with aclosing(ask(messages, **wishes)) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                text += piece
            elif isinstance(piece, ToolCall) and arguments is None:
                arguments = piece.arguments
            elif isinstance(piece, Cut):
                is_cut = True
    text = text if arguments is None else arguments
    fenced = FENCED.fullmatch(text)
    return fenced[1] if fenced else text, is_cut


def _wishes(model: type[BaseModel], way: Way) -> dict[str, Any]:
    name, schema = re.sub(r"\W", "_", model.__name__)[:64], strict_schema(model)
    if way == "json_object":
        return {"response_format": {"type": "json_object"}}
    if way == "function":
        function = {"name": name, "description": model.__doc__ or name, "parameters": schema, "strict": True}
        return {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": name}},
        }
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}}


def _spelled_out(model: type[BaseModel]) -> Message:
    """Where the service holds the model to no schema, it is told."""
    schema = json.dumps(strict_schema(model), ensure_ascii=False)
    return {"role": "system", "content": f"Answer with one JSON object of this schema and nothing else:\n{schema}"}


def _said_back(text: str, wrong: str) -> list[Message]:
    repair = f"That is not of the form asked for: {wrong}. Answer again, with the whole JSON and nothing else."
    return [{"role": "assistant", "content": text or "{}"}, {"role": "user", "content": repair}]
