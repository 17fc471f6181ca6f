"""A model that says what it is told to say, a list of pieces each time it is asked, and remembers what it heard."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncGenerator
from typing import Any

from project.provider.pieces import Piece, Tokens, ToolCall


class Scripted:
    def __init__(self, *rounds: list[Piece]) -> None:
        self.rounds = list(rounds)
        self.heard: list[dict[str, Any]] = []

    async def __call__(self, messages: list[dict[str, Any]], **wishes: Any) -> AsyncGenerator[Piece]:
        self.heard.append({"messages": copy.deepcopy(messages), **wishes})
        for piece in self.rounds.pop(0):
            yield piece
        yield Tokens(100, 10)

    @property
    def results(self) -> list[str]:
        """What tools told the model, in order."""
        return [message["content"] for message in self.heard[-1]["messages"] if message["role"] == "tool"]


def call(name: str, id: str = "c1", /, **arguments: Any) -> ToolCall:
    return ToolCall(id, name, json.dumps(arguments))
