"""One attempt at an answer over the Responses API: what the service sends is checked, and becomes pieces.

Nothing is kept at the service (`store=False`), and no response is continued there: the history is ours.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import openai
from pydantic import ValidationError

from project.provider.errors import (
    Malformed,
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderRefused,
    ProviderTooLong,
    cut_by_filter,
    findings,
)
from project.provider.pieces import (
    Begun,
    CodeRun,
    Cut,
    Filtered,
    Finding,
    Logprobs,
    Piece,
    Quoted,
    Retrieved,
    ServiceCitation,
    Tokens,
    ToolCall,
)
from project.provider.response_events import (
    EVENTS,
    ITEMS,
    Annotation,
    AnnotationAdded,
    Cached,
    CodeInterpreterCall,
    Ended,
    ErrorEvent,
    FileSearchCall,
    Filter,
    FunctionCall,
    ItemDone,
    Message,
    Response,
    TextDelta,
    Thought,
    Usage,
)
from project.provider.wire import asked

if TYPE_CHECKING:
    from project.provider.calls import Call

INCLUDED = {"file_search": "file_search_call.results", "code_interpreter": "code_interpreter_call.outputs"}
BUSY = {"rate_limit_exceeded", "server_error", "vector_store_timeout"}
REFUSED = {"content_filter", "invalid_prompt", "bio_policy", "image_content_policy_violation"}
PICTURE = "(a picture, which is not shown)"
MILD = ("", "safe")
MIDDLE = "The model service stopped in the middle of the answer."


async def pieces(client: openai.AsyncOpenAI, call: Call, request: dict[str, Any]) -> AsyncGenerator[Piece | Begun]:
    """Yield what comes of one call, in its order; Tokens last, and before whatever ends it is raised.

    Raises our errors for what the service says in an answer; a malformed one, and what the package and the connection
    raise, is for the runner to name.
    """
    reading = _Reading()
    async with asked(client, "/responses", arguments(call, request)) as arriving:
        yield Begun()
        take = reading.events if arriving.is_stream else reading.whole
        async with aclosing(arriving.pieces(take, lambda: reading.has_ended)) as come:
            async for piece in come:
                yield piece
    if reading.fault:
        raise reading.fault
    if not reading.has_ended:
        raise ProviderInterrupted(MIDDLE, "broke_off")


def arguments(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The request with the model's name, the service's own tools, and what is to be told of them."""
    told = [*request.get("include", []), *(INCLUDED[tool["type"]] for tool in call.hosted_tools)]
    tools = [*request.get("tools", []), *map(dict, call.hosted_tools)]
    more = {"include": told} if told else {}
    more |= {"tools": tools} if tools else {}
    return {"model": call.deployment.model, **request, **more, "store": False}


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return value


class _Reading:
    """What has come of an answer so far. `fault` is raised once all that belongs to it was handed on."""

    def __init__(self) -> None:
        self.has_ended = False
        self.fault: ProviderError | None = None
        self._said: dict[tuple[int, int], int] = defaultdict(int)  # Letters of each part of each item.
        self._waiting: dict[tuple[int, int], list[tuple[int, Quoted]]] = defaultdict(list)
        self._quoted: set[tuple[int, int, int]] = set()

    def events(self, bodies: Iterable[bytes]) -> Iterator[Piece]:
        for body in bodies:
            yield from self._event(_object(body))
            if self.has_ended:
                return

    def _event(self, body: dict[str, Any]) -> Iterator[Piece]:
        """What one event tells; one that is not known tells nothing, for services add to them."""
        if isinstance(body.get("error"), dict) and body.get("type", "error") == "error":
            body = {**body["error"], "type": "error"}
        model = EVENTS.get(str(body.get("type")))
        event = model.model_validate(body) if model else None
        if isinstance(event, TextDelta):
            yield from self._say(event.place, event.delta)
            yield from _likely(event.logprobs)
        elif isinstance(event, AnnotationAdded):
            self._quote(event.place, event.annotation_index, event.annotation)
            yield from self._say(event.place, "")
        elif isinstance(event, ItemDone):
            yield from self._item(event.output_index, event.item)
        elif isinstance(event, ErrorEvent):
            self._end(_fault(event.code))
        elif isinstance(event, Ended):
            yield from self._ended(event.response)

    def whole(self, bodies: Iterable[bytes]) -> Iterator[Piece]:
        """An answer that was not streamed."""
        for body in bodies:
            response = Response.model_validate(_object(body))
            for place, item in enumerate(response.output):
                yield from self._item(place, item)
            yield from self._ended(response)

    def _end(self, fault: ProviderError | None) -> None:
        self.has_ended, self.fault = True, fault

    def _say(self, place: tuple[int, int], text: str) -> Iterator[Piece]:
        """The text, with every quotation of it that is known already where it belongs."""
        start = self._said[place]
        end = self._said[place] = start + len(text)
        due = sorted((at for at in self._waiting[place] if at[0] <= end), key=lambda at: at[0])
        self._waiting[place] = [at for at in self._waiting[place] if at[0] > end]
        last = start
        for index, quoted in due:
            if index > last:
                yield text[last - start : index - start]
                last = index
            yield quoted
        if last < end:
            yield text[last - start :]

    def _quote(self, place: tuple[int, int], number: int, annotation: Annotation | None) -> None:
        key = (*place, number)
        if annotation is None or annotation.type != "file_citation" or key in self._quoted:
            return
        self._quoted.add(key)
        self._waiting[place].append((annotation.index, Quoted(annotation.file_id, annotation.filename)))

    def _item(self, output_index: int, body: dict[str, Any]) -> Iterator[Piece]:
        """A whole item of the answer; thoughts and what is not known are passed over."""
        model = ITEMS.get(str(body.get("type")))
        item = model.model_validate(body) if model else None
        if isinstance(item, Message):
            yield from self._message(output_index, item)
        elif isinstance(item, FunctionCall):
            yield ToolCall(item.call_id, item.name, item.arguments)
        elif isinstance(item, FileSearchCall):
            yield _retrieved(item)
        elif isinstance(item, CodeInterpreterCall):
            logs = [output.logs if output.type == "logs" else PICTURE for output in item.outputs or ()]
            yield CodeRun(item.code or "", "\n".join(logs))

    def _message(self, output_index: int, message: Message) -> Iterator[Piece]:
        """What of a message was not streamed: the whole of it, or its quotations."""
        for content_index, part in enumerate(message.content):
            place = output_index, content_index
            for number, annotation in enumerate(part.annotations):
                self._quote(place, number, annotation)
            text = "" if self._said[place] else part.text or part.refusal
            yield from self._say(place, text)
            yield from _likely(part.logprobs if text else [])
            yield from (quoted for _, quoted in self._waiting.pop(place, []))

    def _ended(self, response: Response) -> Iterator[Piece]:
        why = response.incomplete_details.reason if response.incomplete_details else ""
        found = [filtered for one in response.content_filters or () if (filtered := _filtered(one))]
        yield from found
        if response.status == "incomplete" and why == "max_output_tokens":
            yield Cut()
        if tokens := _tokens(response.usage):
            yield tokens
        self._end(_fault_of(response, why, [finding for one in found for finding in one.findings]))


def _likely(logprobs: list[dict[str, Any]]) -> Iterator[Logprobs]:
    if logprobs:
        yield Logprobs(logprobs)


def _fault_of(response: Response, why: str, found: Sequence[Finding]) -> ProviderError | None:
    match response.status, why:
        case "failed", _:
            return _fault(response.error.code if response.error else None, found)
        case "incomplete", "content_filter":
            return cut_by_filter(found)
        case ("completed", _) | ("incomplete", "max_output_tokens"):
            return None
    return ProviderInterrupted(MIDDLE, "broke_off")


def _tokens(usage: Any) -> Tokens | None:
    """None where it is not told, or not in a way that can be read: the answer is worth more than its bill."""
    try:
        told = Usage.model_validate(usage)
    except ValidationError:
        return None
    cached, thought = told.input_tokens_details or Cached(), told.output_tokens_details or Thought()
    return Tokens(told.input_tokens, told.output_tokens, cached.cached_tokens, thought.reasoning_tokens)


def _retrieved(call: FileSearchCall) -> Retrieved:
    found = [
        ServiceCitation(
            text=result.text or "",
            title=result.filename or "",
            file=result.filename or "",
            file_id=result.file_id or "",
            score=result.score,
            raw={"attributes": result.attributes or {}},
        )
        for result in call.results or ()
    ]
    return Retrieved(found, queries=call.queries)


def _filtered(one: Filter) -> Filtered | None:
    """What a filter of Azure's found, if it found anything."""
    found = [each for each in findings(one.content_filter_results) if each.is_filtered or each.severity not in MILD]
    return Filtered("question" if one.source_type == "prompt" else "answer", found) if found else None


def _fault(code: str | None, found: Sequence[Finding] = ()) -> ProviderError:
    """One of our errors for what the service says went wrong; its own words may hold anything, and stay out."""
    if code in BUSY:
        return ProviderBusy("The model service is busy. Try again in a moment.", code="service_fault")
    if code in REFUSED:
        sentence = "The model service's content filter stopped this question. Put it in other words."
        return ProviderRefused(sentence, found, "content_filter")
    if code == "context_length_exceeded":
        return ProviderTooLong("The question and its passages are longer than the model takes.", code)
    return ProviderInterrupted("The model service broke off in the middle of the answer.", "broke_off")
