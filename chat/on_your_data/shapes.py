"""How an answer is put: as the versions from 2024 on did it, and in the two ways of the previews of 2023. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

Choice = dict[str, Any]


class Shape(Protocol):
    """The parts of an answer. Each chunk of a stream is one choice."""

    def whole(self, content: str, context: dict[str, Any], finish: str) -> Choice:
        """The answer in one piece."""

    def first(self, context: dict[str, Any]) -> Iterator[Choice]:
        """What a stream begins with: who speaks, and what was found."""

    def piece(self, text: str) -> Choice:
        """Some words of it."""

    def last(self, finish: str) -> Choice:
        """How it ends."""


class Later:
    """From 2024-02-15-preview on: the context stands in the message."""

    def whole(self, content: str, context: dict[str, Any], finish: str) -> Choice:
        message = {"role": "assistant", "content": content, "refusal": None, "end_turn": True, "context": context}
        return {"index": 0, "finish_reason": finish, "logprobs": None, "message": message}

    def first(self, context: dict[str, Any]) -> Iterator[Choice]:
        yield self._chunk({"role": "assistant", "context": context})

    def piece(self, text: str) -> Choice:
        return self._chunk({"content": text})

    def last(self, finish: str) -> Choice:
        return self._chunk({}, finish)

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> Choice:
        chunk = {"index": 0, "delta": delta, "end_turn": finish is not None, "finish_reason": finish}
        return {**chunk, "logprobs": None}


class WithToolInContext(Later):
    """From 2023-08-01-preview on: in the message's context is what a tool said, its content JSON in a string."""

    def whole(self, content: str, context: dict[str, Any], finish: str) -> Choice:
        return super().whole(content, self._messages(context), finish)

    def first(self, context: dict[str, Any]) -> Iterator[Choice]:
        return super().first(self._messages(context))

    def _messages(self, context: dict[str, Any]) -> dict[str, Any]:
        return {"messages": [{"role": "tool", "content": json.dumps(context), "end_turn": False}]}


class WithMessages:
    """Before that: a list of messages, the tool's and the assistant's; the end of a stream is a word of its own."""

    def whole(self, content: str, context: dict[str, Any], finish: str) -> Choice:
        tool = {"index": 0, "role": "tool", "content": json.dumps(context), "end_turn": False}
        answer = {"index": 1, "role": "assistant", "content": content, "end_turn": True}
        return {"index": 0, "finish_reason": finish, "messages": [tool, answer]}

    def first(self, context: dict[str, Any]) -> Iterator[Choice]:
        yield self._chunk({"role": "tool", "content": json.dumps(context)}, 0)
        yield self._chunk({"role": "assistant"}, 1)

    def piece(self, text: str) -> Choice:
        return self._chunk({"content": text}, 1)

    def last(self, finish: str) -> Choice:
        return self._chunk({"content": "[DONE]"}, 2, finish)

    def _chunk(self, delta: dict[str, Any], index: int, finish: str | None = None) -> Choice:
        message = {"index": index, "delta": delta, "end_turn": finish is not None}
        return {"index": 0, "messages": [message], "finish_reason": finish}
