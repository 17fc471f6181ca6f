"""One attempt over Chat Completions: from the request's arguments to pieces of the answer."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

import openai
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.provider.errors import (
    ProviderInterrupted,
    StreamFault,
    cut_by_filter,
    findings,
    findings_of,
    refused_by_filter,
)
from project.provider.pieces import (
    Begun,
    Cut,
    Filtered,
    Finding,
    Logprobs,
    Piece,
    Retrieved,
    ServiceCitation,
    Tokens,
    ToolCall,
)
from project.provider.wire import asked

if TYPE_CHECKING:
    from project.provider.calls import Call


class _Told(BaseModel):
    """What we read of an answer; whatever else stands in it is left alone."""

    model_config = ConfigDict(extra="ignore")


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


class _Likely(_Told):
    content: list[dict[str, Any]] | None = None


class _Choice(_Told):
    delta: _Message | None = None  # With asynchronous filtering there may be none.
    message: _Message | None = None  # of an answer that is not streamed
    logprobs: _Likely | None = None
    finish_reason: str | None = None
    content_filter_results: Mapping[str, Any] | None = None


class _Chunk(_Told):
    """A chunk of a stream, or the whole of an answer that is not streamed."""

    choices: list[_Choice] | None = None
    usage: Any = None
    prompt_filter_results: Any = None
    error: Any = None


class _Details(_Told):
    cached_tokens: Annotated[int, Field(ge=0)] | None = None
    reasoning_tokens: Annotated[int, Field(ge=0)] | None = None


class _Usage(_Told):
    prompt_tokens: int = Field(ge=0, lt=2**31)
    completion_tokens: int = Field(ge=0, lt=2**31)
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


async def pieces(client: openai.AsyncOpenAI, call: Call, request: dict[str, Any]) -> AsyncGenerator[Piece | Begun]:
    """Yield the answer as it comes, last its Tokens if they were told. Foreign errors pass, for the runner to name."""
    extra = {"data_sources": list(call.data_sources)} if call.data_sources else {}
    answer = _Answer()
    async with asked(client, "/chat/completions", {**request, "model": call.deployment.model, **extra}) as arriving:
        yield Begun()
        async with aclosing(arriving.pieces(answer.take)) as come:
            async for piece in come:
                yield piece
    for piece in answer.rest():
        yield piece


class _Answer:
    """What has come of an answer so far."""

    def __init__(self) -> None:
        self.finish = ""
        self.tokens: Tokens | None = None
        self.tools: dict[int, list[str]] = {}  # id, name and arguments of each call, as far as they have come
        self.noted: dict[str, list[Finding]] = {"question": [], "answer": []}
        self.noted_last: Mapping[str, Any] = {}

    def take(self, bodies: Iterable[bytes]) -> Iterator[Piece]:
        for body in bodies:
            yield from self._take(_Chunk.model_validate_json(body))

    def _take(self, chunk: _Chunk) -> Iterator[Piece]:
        if chunk.error:
            raise _told(chunk.error)
        self.tokens = (chunk.usage and _tokens(chunk.usage)) or self.tokens
        if chunk.prompt_filter_results:
            yield from self._filtered("question", _of_question(chunk.prompt_filter_results))
        for choice in (chunk.choices or [])[:1]:  # Azure's first chunk, and the one with the usage, have none.
            said = choice.delta or choice.message or _Message()
            if said.context:
                yield retrieved(said.context)
            if text := said.content or said.refusal:
                yield text
            if choice.logprobs and choice.logprobs.content:
                yield Logprobs(choice.logprobs.content)
            for splinter in said.tool_calls or []:
                self._join(splinter)
            if choice.content_filter_results and choice.content_filter_results != self.noted_last:
                self.noted_last = choice.content_filter_results  # Of a stream's chunks they mostly say the same.
                yield from self._filtered("answer", findings(choice.content_filter_results))
            self.finish = choice.finish_reason or self.finish

    def rest(self) -> Iterator[Piece]:
        """What is known when all has come. Raises ProviderRefused, and ProviderInterrupted where there is no end."""
        if self.finish == "length":
            yield Cut()
        elif self.finish and self.finish != "content_filter":
            yield from (ToolCall(*self.tools[place]) for place in sorted(self.tools))
        if self.tokens:
            yield self.tokens
        if self._is_stopped("question") and self.finish in {"", "content_filter"}:
            raise refused_by_filter(self.noted["question"])
        if self.finish == "content_filter" or (self._is_stopped("answer") and not self.finish):
            raise cut_by_filter(self.noted["answer"])
        if not self.finish:
            raise ProviderInterrupted("The model service stopped in the middle of the answer.", "broke_off")

    def _is_stopped(self, where: str) -> bool:
        return any(each.is_filtered for each in self.noted[where])

    def _filtered(self, where: Literal["question", "answer"], found: list[Finding]) -> Iterator[Filtered]:
        """Where there is something to find, once: a service says of every chunk that it is safe."""
        known = self.noted[where]
        new = [each for each in found if (each.is_filtered or each.severity != "safe") and each not in known]
        known += new
        if new:
            yield Filtered(where, new)

    def _join(self, splinter: _ToolCall) -> None:
        """Some servers tell no index: there a new id is a new call."""
        place = splinter.index
        if place is None:
            last = max(self.tools, default=0)
            is_new = splinter.id and self.tools and self.tools[last][0] != splinter.id
            place = last + 1 if is_new else last
        held = self.tools.setdefault(place, ["", "", ""])
        function = splinter.function or _Function()
        held[0] = held[0] or splinter.id or ""
        held[1] += function.name or ""
        held[2] += function.arguments or ""


def _told(error: Any) -> Exception:
    """What a stream says went wrong. The filter may come to its verdict late, when words have been sent."""
    fault = StreamFault(error)
    return cut_by_filter(findings_of(fault)) if fault.code == "content_filter" else fault


def _of_question(results: Any) -> list[Finding]:
    """What Azure's filter says of the question, in its first chunk."""
    rows = results if isinstance(results, list) else []
    return [each for row in rows if isinstance(row, Mapping) for each in findings(row.get("content_filter_results"))]


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
