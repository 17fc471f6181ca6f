"""`/v1/chat/completions`: an answer, its sources written as [doc1], what they point to in `message.context`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ninja import Router

from chat.answering import answer
from chat.completions import (
    NOT_THERE,
    STATUS,
    Completed,
    answering,
    checked,
    citation,
    completed,
    doc_marker,
    said,
    sentences,
    usage,
    written,
)
from chat.events import Done, Failed, Found, Queries, Question
from chat.openai_api.asking import check_affordable, deployment_named, event_stream
from chat.openai_api.chat_given import ChatIn
from chat.proof.proving import settled
from chat.proof.written import Written
from documents import retrieval
from documents.retrieval import Passage
from project.api import SignedCall, asking, error_body, kind_of
from project.deployments import Deployment
from project.provider import Logprobs, ToolCall

router = Router(tags=["chat"])
Wire = dict[str, Any]


@router.post("/chat/completions", auth=asking)
async def chat_completions(request: SignedCall, payload: ChatIn):
    """An answer from the documents the key may read; `message.context.citations` holds what `[docN]` points to."""
    deployment = deployment_named(payload.model)
    payload.check(deployment)
    question = _question(request, payload)
    await check_affordable(question)
    head = _head(question, deployment)
    if payload.stream:
        has_usage = payload.stream_options is not None and payload.stream_options.include_usage
        return event_stream(_streams(question, head, payload.n or 1, has_usage=has_usage))
    first = await completed(question)
    again = _again(question, first.queries, first.passages)
    answers = [first, *await asyncio.gather(*(completed(again) for _ in range(1, payload.n or 1)))]
    return head | {
        "object": "chat.completion",
        "model": first.done.model,
        "choices": [_choice(each, index, payload) for index, each in enumerate(answers)],
        "usage": _usage([usage(question, each.content, each.done) for each in answers], [a.done for a in answers]),
    }


def _question(request: SignedCall, payload: ChatIn) -> Question:
    """What is asked, of the model that is named. Raises ApiError.

    A service that searches by itself takes no tools, tells no probabilities and cannot be asked twice over one search:
    then our own search is to find the passages.
    """
    asked = said(payload.messages)
    is_ours = bool(asked.exchange or payload.tools or payload.logprobs or (payload.n or 1) > 1)
    return Question(
        asked.text,
        request.user,
        history=asked.history,
        exchange=asked.exchange,
        instructions=asked.instructions,
        deployment="" if payload.model == "default" else payload.model,
        grounding="hybrid" if is_ours else "",
        api_key_id=request.auth.pk,
        answer_tokens=payload.answer_tokens,
        generation=payload.generation,
    )


def _again(question: Question, queries: Sequence[str], passages: Sequence[Passage]) -> Question:
    """The same question for a further answer, over what was found for the first."""
    return replace(question, looked_for=queries, find=lambda _: retrieval.Found(list(passages), []))


def _head(question: Question, deployment: Deployment | None) -> Wire:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": answering(question),
        "system_fingerprint": f"fp_{hashlib.sha256(repr(deployment).encode()).hexdigest()[:10]}",
        "service_tier": "default",
    }


def _choice(whole: Completed, index: int, payload: ChatIn) -> Wire:
    content, passages, told = whole.content, whole.passages, checked(whole.sentences)
    if whole.done.is_refused:
        content, passages, told = NOT_THERE, [], {}
    # That there is nothing to say is no JSON: who asked for that is told beside it, as the service does.
    is_beside = whole.done.is_refused and payload.wants_json
    message: Wire = {"role": "assistant", "content": None if is_beside else content or None}
    message["refusal"] = content if is_beside else None
    if whole.calls:
        message["tool_calls"] = [_call(each) for each in whole.calls]
    message["context"] = _context([citation(each) for each in passages], whole.queries) | told
    finish = _finish(whole.done, has_called=bool(whole.calls))
    logprobs = _likely(whole.logprobs) if payload.logprobs else None
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _finish(done: Done, *, has_called: bool) -> str:
    return "length" if done.is_cut else "tool_calls" if has_called else "stop"


def _call(call: ToolCall) -> Wire:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _likely(content: Sequence[Mapping[str, Any]]) -> Wire:
    """Of the model's own tokens, in which a source is written [1]."""
    return {"content": [*content], "refusal": None}


def _usage(counted: Sequence[dict[str, int]], ends: Sequence[Done]) -> Wire:
    """Of all answers to the question together, for each of them is billed."""
    told: Wire = {name: sum(each[name] for each in counted) for name in counted[0]}
    return told | {
        "prompt_tokens_details": {"cached_tokens": sum(done.tokens.cached for done in ends), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(done.tokens.reasoning for done in ends),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _context(citations: Sequence[Wire], queries: Sequence[str]) -> dict[str, object]:
    """`intent` is a list of what was searched for, written as JSON in a string, as On Your Data did."""
    return {"citations": [*citations], "intent": json.dumps([*queries])}


# Streamed ------------------------------------------------------------------------------------------------------------
async def _streams(question: Question, head: Wire, number: int, *, has_usage: bool) -> AsyncGenerator[str]:
    """The answers one after the other, all over the search for the first; the usage of all comes last."""
    head = head | {"object": "chat.completion.chunk"} | ({"usage": None} if has_usage else {})
    counted, ends = [], []
    for index in range(number):
        stream = _Stream(question, head, index)
        async with aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
        if stream.done is None:
            return  # It failed, and said so.
        counted.append(usage(question, stream.content, stream.done))
        ends.append(stream.done)
        question = _again(question, stream.queries, stream.passages) if index == 0 else question
    if has_usage:
        yield _data(head | {"choices": [], "usage": _usage(counted, ends)})
    yield "data: [DONE]\n\n"


@dataclass
class _Stream:
    """One answer in chunks as the service sends them: the citations come first."""

    question: Question
    head: Wire
    index: int
    done: Done | None = None  # None in the end: it failed.
    content: str = ""
    queries: Sequence[str] = ()
    passages: Sequence[Passage] = ()
    citations: Sequence[Wire] = ()  # the same, as programs are told
    text: Written = field(default_factory=Written)
    calls: int = 0
    has_begun: bool = False

    async def chunks(self) -> AsyncGenerator[str]:
        async with aclosing(settled(answer(self.question))) as events:
            async for event in events:
                self.text.take(event)
                if isinstance(event, Queries):
                    self.queries = event.texts
                elif isinstance(event, Found):
                    self.passages, self.citations = event.passages, [citation(each) for each in event.passages]
                    if self.has_begun:  # Found on the way: the whole list again, longer.
                        yield self._chunk({"context": self._context()})
                elif isinstance(event, Failed):
                    code = "insufficient_quota" if event.code == "budget_spent" else event.code
                    kind = kind_of(STATUS.get(event.code, 502), code)
                    yield _data(error_body(code, event.sentence, kind=kind))
                elif isinstance(event, Done):
                    for chunk in self._ended(event):
                        yield chunk
                elif isinstance(event, Logprobs):
                    yield self._chunk(self._first(), logprobs=_likely(event.content))
                elif isinstance(event, ToolCall):
                    yield self._chunk(self._first() | {"tool_calls": [{"index": self.calls, **_call(event)}]})
                    self.calls += 1
                elif words := written(event):
                    yield self._words(words)

    def _words(self, words: str) -> str:
        """A chunk of the answer. All but the words is the same in each behind the first, and is written out once."""
        self.content += words
        if first := self._first():
            return self._chunk(first | {"content": words})
        before, behind = self._around
        return f"{before}{json.dumps(words)}{behind}"

    @cached_property
    def _around(self) -> Sequence[str]:
        before, _, behind = self._chunk({"content": None}).rpartition('{"content": null}')
        return f'{before}{{"content": ', f"}}{behind}"

    def _first(self, *, is_refused: bool = False) -> Wire:
        """What the first chunk has beside the words, and no other."""
        if self.has_begun:
            return {}
        self.has_begun = True
        return {"role": "assistant", "context": _context([], self.queries) if is_refused else self._context()}

    def _context(self) -> dict[str, object]:
        return _context(self.citations, self.queries)

    def _ended(self, done: Done) -> list[str]:
        self.done = done
        chunks = [self._chunk(first)] if (first := self._first(is_refused=done.is_refused)) else []
        if done.is_refused:
            self.content = NOT_THERE
            chunks.append(self._chunk({"refusal" if self.question.wants_json else "content": NOT_THERE}))
        elif told := checked(sentences(self.text.draw(doc_marker)[1])):
            chunks.append(self._chunk({"context": self._context() | told}))
        return [*chunks, self._chunk({}, _finish(done, has_called=self.calls > 0))]

    def _chunk(self, delta: Wire, finish: str | None = None, logprobs: Wire | None = None) -> str:
        choice = {"index": self.index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return _data(self.head | {"choices": [choice]})


def _data(body: Wire) -> str:
    return f"data: {json.dumps(body)}\n\n"
