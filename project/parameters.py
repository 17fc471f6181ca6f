"""What a request to a language model may carry, by the model and by the service it goes to.

A caller says what is Wanted; what comes back are the arguments that this model takes at this service, and a sentence
for each wish that had to be left out. The name of the model or deployment is the caller's to add.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from project.catalogue import EFFORTS, Model

Message = dict[str, Any]

WITH_EFFORT = "2025-03-01"  # From this api-version on a dated Azure knows developer, reasoning_effort and Responses.
CAPS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
MESSAGE_KEYS = {
    "system": ("role", "content", "name"),
    "user": ("role", "content", "name"),
    "assistant": ("role", "content", "name", "tool_calls", "refusal"),
    "tool": ("role", "content", "tool_call_id"),
}
# In plain words, as notices say them.
PLAIN = {
    "temperature": "a temperature",
    "top_p": "nucleus sampling (top_p)",
    "presence_penalty": "a presence penalty",
    "frequency_penalty": "a frequency penalty",
    "logit_bias": "a bias on tokens",
    "logprobs": "log probabilities",
    "top_logprobs": "log probabilities of the likeliest tokens",
    "stop": "stop sequences",
    "seed": "a seed",
    "tools": "tools",
    "tool_choice": "a choice of tool",
    "parallel_tool_calls": "a word on parallel tool calls",
    "stream": "streaming",
}
# OpenAI tells only o3 and o4-mini to refuse `stop`; "latest reasoning models", it says, so none of them gets it.
NOT_WHEN_REASONING = (
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "stop",
)
NOT_IN_RESPONSES = ("presence_penalty", "frequency_penalty", "logit_bias", "seed", "stop")
SCHEMAS = ("parameters", "schema")
JSON_WORD = "Answer with JSON."


class CannotAsk(ValueError):
    """This model cannot be asked in this way at this service; str(exc) says why."""


@dataclass(frozen=True)
class Dialect:
    """Which service hears the request. The api-version is told for "azure-dated" alone ("preview" is a late one)."""

    name: Literal["azure-dated", "azure-v1", "openai", "compatible"]
    api_version: str = ""

    @property
    def is_late(self) -> bool:
        """Whether it is a version that knows efforts and Responses."""
        return self.name != "azure-dated" or self.api_version >= WITH_EFFORT

    @property
    def knows_developer(self) -> bool:
        return self.is_late and self.name != "compatible"

    @property
    def efforts(self) -> tuple[str, ...]:
        """The dated versions ended before there was more than three."""
        if self.name == "azure-dated":
            return ("low", "medium", "high") if self.is_late else ()
        return EFFORTS


@dataclass(frozen=True)
class Wanted:
    """What a caller would like; None and what is empty are no wish.

    Messages, tools, tool_choice and response_format have the shapes of Chat Completions, whichever way they go.
    """

    messages: list[Message]
    max_output_tokens: int | None = None  # With a reasoning model its hidden thoughts count too.
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, int] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None  # Only with logprobs.
    stream: bool = False


def chat_request(model: Model, dialect: Dialect, wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    """The arguments of a chat completion, and what was left out. Raises CannotAsk."""
    if model.responses_only and dialect.name != "compatible":
        raise CannotAsk(f"The model {model.name} answers through Responses only.")
    notices = Notices(model)
    request = _allowed(model, dialect, wanted, notices)
    cap = request.pop("max_output_tokens", None)
    if cap is not None:
        is_old = dialect.name == "compatible" and model.family != "reasoning"
        request["max_tokens" if is_old else "max_completion_tokens"] = cap
    if "stream" in request:
        request["stream_options"] = {"include_usage": True}
    return request, notices.sentences


def responses_request(model: Model, dialect: Dialect, wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    """The arguments of a response, and what was left out. Raises CannotAsk.

    System messages travel in `input`, not as `instructions`: the service looks for the word JSON only there.
    """
    if not dialect.is_late:
        raise CannotAsk(f"The api-version {dialect.api_version} has no Responses.")
    notices = Notices(model)
    request = _allowed(model, dialect, wanted, notices)
    _leave_out(request, notices)
    return _reshaped(request), notices.sentences


def with_more_room(request: dict[str, Any], factor: float = 4, most: int | None = None) -> dict[str, Any] | None:
    """The same request with a wider cap, at most `most` tokens; None when there is no more room to give.

    For the one retry of a reasoning model's answer that came back empty because its thoughts used the cap up.

    >>> with_more_room({"max_completion_tokens": 500}, most=1500)
    {'max_completion_tokens': 1500}
    """
    for cap in CAPS:
        if cap in request:
            wider = min(int(request[cap] * factor), most or 2**31 - 1)
            return request | {cap: wider} if wider > request[cap] else None
    return None


class Notices:
    """What a person is told of the wishes that were not met, once each."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.sentences: list[str] = []

    def add(self, sentence: str) -> None:
        if sentence not in self.sentences:
            self.sentences.append(sentence)

    def drop(self, request: dict[str, Any], *keys: str, why: str = "") -> None:
        """Take the keys out of the request, and say so of those that were in it."""
        for key in keys:
            if key in request:
                del request[key]
                self.add(f"The model {self.model.name} does not take {PLAIN[key]}{why}; it was left out.")


# Both ways -----------------------------------------------------------------------------------------------------------
def _allowed(model: Model, dialect: Dialect, wanted: Wanted, notices: Notices) -> dict[str, Any]:
    """The wishes, by Wanted's names, that this model and this service can meet."""
    if model.family == "embedding":
        raise CannotAsk(f"The model {model.name} makes vectors; it cannot answer.")
    wishes = {field.name: getattr(wanted, field.name) for field in fields(wanted) if field.name != "messages"}
    request = {key: _without_none(wish) for key, wish in wishes.items() if _is_wish(key, wish)}
    _fit_effort(model, dialect, request, notices)
    _fit_sampling(model, request, notices)
    _fit_tools(model, request, notices)
    _fit_answer(model, request, notices)
    system = "developer" if model.family == "reasoning" and dialect.knows_developer else "system"
    request["messages"] = [_message(message, system, notices) for message in wanted.messages]
    if request.get("response_format", {}).get("type") == "json_object":
        _say_json(request["messages"], system)
    return request


def _is_wish(key: str, wish: object) -> bool:
    """False is a wish only where a service would otherwise take it for true."""
    return wish is not None and wish not in ([], {}, "") and (wish is not False or key == "parallel_tool_calls")


def _fit_effort(model: Model, dialect: Dialect, request: dict[str, Any], notices: Notices) -> None:
    effort = request.pop("reasoning_effort", None)
    if effort is None:
        return
    known = [each for each in model.reasoning_efforts if each in dialect.efforts]
    if effort not in EFFORTS:
        notices.add(f"“{effort}” is no reasoning effort; it was left out.")
    elif not model.reasoning_efforts:
        notices.add(f"The model {model.name} is not known to take a reasoning effort; it was left out.")
    elif not known:
        notices.add(f"The api-version {dialect.api_version} does not take a reasoning effort; it was left out.")
    else:
        request["reasoning_effort"] = nearest = _nearest(effort, known)
        if nearest != effort:
            notices.add(
                f"The model {model.name} does not take the effort “{effort}” here; it was asked for “{nearest}”."
            )


def _nearest(effort: str, known: list[str]) -> str:
    """The greatest known one that is not above it, else the least.

    >>> _nearest("max", ["low", "high"]), _nearest("none", ["low", "high"])
    ('high', 'low')
    """
    below = [each for each in known if EFFORTS.index(each) <= EFFORTS.index(effort)]
    return (below or known[:1])[-1]


def _fit_sampling(model: Model, request: dict[str, Any], notices: Notices) -> None:
    if model.temperature_when == "effort none" and request.get("reasoning_effort") != "none":
        notices.drop(request, "temperature", why=" unless its effort is none")
    if model.temperature_when == "never":
        notices.drop(request, "temperature")
    if model.family == "reasoning":
        notices.drop(request, *NOT_WHEN_REASONING)
    if "logprobs" not in request:
        notices.drop(request, "top_logprobs", why=" without log probabilities")


def _fit_tools(model: Model, request: dict[str, Any], notices: Notices) -> None:
    if model.tools is False:
        notices.drop(request, "tools", "tool_choice", "parallel_tool_calls")
    if "tools" not in request:
        notices.drop(request, "tool_choice", "parallel_tool_calls", why=" without tools")


def _fit_answer(model: Model, request: dict[str, Any], notices: Notices) -> None:
    if model.streaming is False:
        notices.drop(request, "stream")
    if model.json_schema is False and request.get("response_format", {}).get("type") == "json_schema":
        request["response_format"] = {"type": "json_object"}
        notices.add(f"The model {model.name} takes no JSON schema; it was asked for JSON of any form.")
    if model.output_tokens_most and request.get("max_output_tokens", 0) > model.output_tokens_most:
        request["max_output_tokens"] = model.output_tokens_most
        notices.add(f"The model {model.name} writes at most {model.output_tokens_most} tokens; that is the cap now.")


def _without_none(value: Any) -> Any:
    """The value without keys that hold None, at any depth but in a caller's JSON schema, where null has a meaning."""
    if isinstance(value, dict):
        told = {key: each for key, each in value.items() if each is not None}
        return {key: each if key in SCHEMAS else _without_none(each) for key, each in told.items()}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


# Messages ------------------------------------------------------------------------------------------------------------
def _message(message: Message, system: str, notices: Notices) -> Message:
    """A new message with known keys only, and `system` as the role of whatever instructs the model."""
    role = "system" if message.get("role") == "developer" else message.get("role")
    if role not in MESSAGE_KEYS:
        raise CannotAsk(f"A message has the role “{role}”, which no model knows.")
    if unknown := sorted(message.keys() - {*MESSAGE_KEYS[role]}):
        notices.add(f"Messages held what no service knows ({', '.join(unknown)}); it was left out.")
    kept = {key: _without_none(message[key]) for key in MESSAGE_KEYS[role] if message.get(key) not in (None, [])}
    if "content" not in kept and "tool_calls" not in kept:
        kept["content"] = ""
    return kept | {"role": system if role == "system" else role}


def _say_json(messages: list[Message], system: str) -> None:
    """Put the word JSON into the system's message if it is in none: a service insists on it."""
    if any("json" in _text(message).lower() for message in messages):
        return
    first = next((message for message in messages if message["role"] == system), None)
    if first is None:
        messages.insert(0, {"role": system, "content": JSON_WORD})
    elif isinstance(first["content"], str):
        first["content"] = f"{first['content']}\n\n{JSON_WORD}".lstrip()
    else:
        first["content"] = [*first["content"], {"type": "text", "text": JSON_WORD}]


def _text(message: Message) -> str:
    """The words of a message, whether its content is a text or parts."""
    content = message.get("content", "")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


# Responses -----------------------------------------------------------------------------------------------------------
def _leave_out(request: dict[str, Any], notices: Notices) -> None:
    for key in NOT_IN_RESPONSES:
        if request.pop(key, None) is not None:
            notices.add(f"Responses does not take {PLAIN[key]}; it was left out.")


def _reshaped(request: dict[str, Any]) -> dict[str, Any]:
    """The same request under the names and in the shapes of Responses."""
    request["input"] = [item for message in request.pop("messages") for item in _items(message)]
    if effort := request.pop("reasoning_effort", None):
        request["reasoning"] = {"effort": effort}
    if form := request.pop("response_format", None):
        request["text"] = {"format": _flat(form, "json_schema")}
    if request.pop("logprobs", None):
        request["include"] = ["message.output_text.logprobs"]
    if "tools" in request:
        request["tools"] = [_tool(tool) for tool in request["tools"]]
    if "tool_choice" in request:
        request["tool_choice"] = _flat(request["tool_choice"], "function")
    return request


def _items(message: Message) -> list[dict[str, Any]]:
    """A message, the tool calls in it each an item of its own, or what a tool gave back."""
    if message["role"] == "tool":
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": _text(message)}]
    items: list[dict[str, Any]] = []
    if message.get("content"):
        is_users = message["role"] == "user" and not isinstance(message["content"], str)
        content = [_part(part) for part in message["content"]] if is_users else _text(message)
        items.append({"type": "message", "role": message["role"], "content": content})
    calls = message.get("tool_calls", [])
    return items + [{"type": "function_call", "call_id": call["id"], **call["function"]} for call in calls]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "input_text", "text": part["text"]}
    if part["type"] == "image_url":
        picture = part["image_url"]
        return {"type": "input_image", "image_url": picture["url"], "detail": picture.get("detail", "auto")}
    raise CannotAsk(f"Responses takes no part “{part['type']}” of a message here.")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Strict is the rule in Responses and the exception in chat, so it is always said.

    A tool of their own (file_search) stays as it is.
    """
    if "function" not in tool:
        return tool
    empty = {"type": "object", "properties": {}}
    return {"type": "function", "parameters": empty, "strict": False, **tool["function"]}


def _flat(value: Any, inner: str) -> Any:
    """What Chat Completions puts one level deeper: {"type": "function", "function": {"name": …}}."""
    return {"type": value["type"], **value.get(inner, {})} if isinstance(value, dict) else value
