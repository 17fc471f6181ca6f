"""Our own count of what a call will cost or has cost, where the service did not tell. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from project.catalogue import Model
from project.parameters import CAPS
from project.tokens import count_tokens

MESSAGE_TOKENS = 3  # around each message, and once for the answer that begins
ANSWER_TOKENS = 1_000  # of an answer without a cap, to reserve room for


def sent_tokens(request: Mapping[str, Any], base: Model) -> int:
    """How many tokens the prompt of a request is to this model: messages or the items of Responses, and its tools."""
    items = request.get("messages") or request.get("input") or []
    tokens = sum(_item_tokens(item, base) for item in items) + MESSAGE_TOKENS
    return tokens + (count_tokens(json.dumps(request["tools"]), base.name) if request.get("tools") else 0)


def room_tokens(request: Mapping[str, Any], base: Model) -> int:
    """The most a request may cost: its prompt, and its answer up to the cap."""
    cap = next((request[name] for name in CAPS if name in request), None)
    return sent_tokens(request, base) + (cap or ANSWER_TOKENS)


def _item_tokens(item: Mapping[str, Any], base: Model) -> int:
    tokens = MESSAGE_TOKENS + sum(count_tokens(text, base.name) for text in _texts(item))
    return tokens + 1 if item.get("name") and item.get("role") else tokens


def _texts(item: Mapping[str, Any]) -> Iterable[str]:
    """Every word in an item that the model reads."""
    for key in ("role", "name", "tool_call_id", "call_id", "arguments", "output"):
        if isinstance(item.get(key), str):
            yield item[key]
    content = item.get("content")
    if isinstance(content, str):
        yield content
    elif content:
        yield from (part["text"] for part in content if isinstance(part.get("text"), str))
    for call in item.get("tool_calls") or ():
        yield from (call["function"]["name"], call["function"]["arguments"])
