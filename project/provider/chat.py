"""One attempt over Chat Completions: from the request's arguments to pieces of the answer."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import openai
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.provider.errors import ProviderInterrupted, cut_by_filter, findings
from project.provider.pieces import Cut, Filtered, Piece, Retrieved, ServiceCitation, Tokens, ToolCall

if TYPE_CHECKING:
    from project.provider.calls import Call


class _Told(BaseModel):
    """What we read of an answer; whatever else stands in it is left alone."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")


class _Function(_Told):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(_Told):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(_Told):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    context: Mapping[str, Any] | None = None


class _Choice(_Told):
    delta: _Message | None = None  # With asynchronous filtering there may be none.
    message: _Message | None = None  # of an answer that is not streamed
    finish_reason: str | None = None
    content_filter_results: Mapping[str, Any] | None = None


class _Chunk(_Told):
    choices: list[_Choice]
    usage: Any = None
    prompt_filter_results: Any = None


class _Details(_Told):
    cached_tokens: Annotated[int, Field(ge=0)] | None = None
    reasoning_tokens: Annotated[int, Field(ge=0)] | None = None


class _Usage(_Told):
    prompt_tokens: int = Field(ge=0, lt=2**31)
    completion_tokens: int = Field(ge=0, lt=2**31)
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


async def pieces(client: openai.AsyncOpenAI, call: Call, request: dict[str, Any]) -> AsyncGenerator[Piece]:
    """Yield the answer as it comes, last its Tokens if they were told. Foreign errors pass, for the runner to name."""
    extra = {"data_sources": list(call.data_sources)} if call.data_sources else None
    tools: dict[int, list[str]] = {}
    finish, tokens = "", None
    async with _chunks(client, request | {"model": call.deployment.model}, extra) as chunks:
        async for raw in chunks:
            chunk = _Chunk.model_validate(raw)
            tokens = _tokens(chunk.usage) or tokens
            for piece in _of_question(chunk.prompt_filter_results):
                yield piece
            for choice in chunk.choices[:1]:  # Azure's first chunk, and the one with the usage, have none.
                finish = choice.finish_reason or finish
                for piece in _of_choice(choice, tools):
                    yield piece
    if not finish:
        raise ProviderInterrupted("The model service stopped in the middle of the answer.", "broke_off")
    for place in sorted(tools):
        yield ToolCall(*tools[place])
    if finish == "length":
        yield Cut()
    if tokens:
        yield tokens


@asynccontextmanager
async def _chunks(
    client: openai.AsyncOpenAI, request: dict[str, Any], extra: dict[str, Any] | None
) -> AsyncIterator[AsyncIterator[Any]]:
    """The chunks of a stream, or the one whole answer of a model that cannot stream. Leaving it stops the model."""
    answer = await client.chat.completions.create(**request, extra_body=extra)
    if not request.get("stream"):
        yield _one(answer)
        return
    async with answer as stream:
        yield stream


async def _one(answer: Any) -> AsyncIterator[Any]:
    yield answer


def _of_choice(choice: _Choice, tools: dict[int, list[str]]) -> list[Piece]:
    """The pieces of one choice; tool calls, which come in splinters, are gathered in `tools`."""
    found: list[Piece] = []
    said = choice.delta or choice.message or _Message()
    if said.context:
        found.append(retrieved(said.context))
    if text := said.content or said.refusal:
        found.append(text)
    for place, splinter in enumerate(said.tool_calls or []):
        held = tools.setdefault(place if splinter.index is None else splinter.index, ["", "", ""])
        function = splinter.function or _Function()
        for at, part in enumerate((splinter.id, function.name, function.arguments)):
            held[at] += part or ""
    noted = findings(choice.content_filter_results)
    if choice.finish_reason == "content_filter":
        raise cut_by_filter(noted)
    if any(each.is_filtered or each.severity not in {"", "safe"} for each in noted):
        found.append(Filtered("answer", noted))
    return found


def _of_question(results: Any) -> list[Piece]:
    """What Azure's filter says of the question, in its first chunk."""
    rows = results if isinstance(results, list) else []
    found = [each for row in rows if isinstance(row, Mapping) for each in findings(row.get("content_filter_results"))]
    return [Filtered("question", found)] if found else []


def _tokens(usage: Any) -> Tokens | None:
    """None where it is not told, or not in a way that can be read: the answer is worth more than its bill."""
    try:
        told = _Usage.model_validate(usage)
    except ValidationError:
        return None
    cached, thoughts = told.prompt_tokens_details or _Details(), told.completion_tokens_details or _Details()
    return Tokens(told.prompt_tokens, told.completion_tokens, cached.cached_tokens or 0, thoughts.reasoning_tokens or 0)


# data_sources --------------------------------------------------------------------------------------------------------
def retrieved(context: Mapping[str, Any]) -> Retrieved:
    """What Azure's own search found; whatever of it is not of the right kind is left out.

    >>> retrieved({"citations": [{"content": "Rent is due in May.", "title": None}], "intent": '["rent"]'}).queries
    ('rent',)
    """
    offered = tuple(_citation(each) for each in _rows(context.get("citations")))
    found = tuple(_citation(each) for each in _rows(context.get("all_retrieved_documents")))
    told = {each.text for each in offered}
    return Retrieved(offered, tuple(each for each in found if each.text not in told), _queries(context.get("intent")))


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, Sequence) else []


def _citation(row: Mapping[str, Any]) -> ServiceCitation:
    def word(name: str) -> str:
        value = row.get(name)
        return value if isinstance(value, str) else ""

    score = row.get("rerank_score") or row.get("original_search_score")
    return ServiceCitation(
        text=word("content"),
        title=word("title"),
        url=word("url"),
        file=word("filepath"),
        chunk_id=word("chunk_id"),
        score=float(score) if isinstance(score, int | float) else None,
        raw=dict(row),
    )


def _queries(intent: Any) -> tuple[str, ...]:
    """It is a list in JSON, in a string; sometimes just a sentence."""
    if not isinstance(intent, str):
        return ()
    try:
        told = json.loads(intent)
    except (ValueError, RecursionError):
        return (intent,) if intent else ()
    return tuple(each for each in told if isinstance(each, str)) if isinstance(told, list) else ()
