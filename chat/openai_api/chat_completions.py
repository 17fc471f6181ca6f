"""`/v1/chat/completions`: an answer, its sources written as [doc1], what they point to in `message.context`."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ninja import Router

from chat.answering import answer
from chat.completions import (
    NOT_THERE,
    STATUS,
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
from chat.proving import settled
from chat.written import Written
from documents.retrieval import Passage
from project.api import SignedCall, asking, error_body, kind_of
from project.deployments import Deployment

router = Router(tags=["chat"])


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
        return event_stream(_stream(question, head, has_usage=has_usage, wants_json=payload.wants_json))
    whole = await completed(question)
    content, passages, done = whole.content, whole.passages, whole.done
    if done.is_refused:
        content, passages = NOT_THERE, []
    message = {
        "role": "assistant",
        **_told(content, done, payload.wants_json),
        "context": _context(passages, whole.queries) | ({} if done.is_refused else checked(whole.sentences)),
    }
    finish = "length" if done.is_cut else "stop"
    return head | {
        "object": "chat.completion",
        "model": done.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _usage(question, content, done),
    }


def _question(request: SignedCall, payload: ChatIn) -> Question:
    """What is asked, of the model that is named. Raises ApiError."""
    asked = said(payload.messages)
    return Question(
        asked.text,
        request.user,
        history=asked.history,
        instructions=asked.instructions,
        deployment="" if payload.model == "default" else payload.model,
        api_key_id=request.auth.pk,
        answer_tokens=payload.answer_tokens,
        generation=payload.generation,
    )


def _head(question: Question, deployment: Deployment | None) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": answering(question),
        "system_fingerprint": f"fp_{hashlib.sha256(repr(deployment).encode()).hexdigest()[:10]}",
        "service_tier": "default",
    }


def _told(content: str, done: Done, wants_json: bool) -> dict[str, str | None]:
    """That there is nothing to say is no JSON: who asked for that is told beside it, as the service does."""
    is_beside = done.is_refused and wants_json
    return {"content": None, "refusal": content} if is_beside else {"content": content, "refusal": None}


def _usage(question: Question, content: str, done: Done) -> dict[str, Any]:
    return usage(question, content, done) | {
        "prompt_tokens_details": {"cached_tokens": done.tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": done.tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _context(passages: Sequence[Passage], queries: Sequence[str]) -> dict[str, object]:
    """`intent` is a list of what was searched for, written as JSON in a string, as On Your Data did."""
    return {"citations": [citation(passage) for passage in passages], "intent": json.dumps([*queries])}


async def _stream(
    question: Question, head: dict[str, Any], *, has_usage: bool, wants_json: bool
) -> AsyncGenerator[str]:
    """Chunks as the service sends them: the citations come first, the usage, if asked for, last."""
    head = head | {"object": "chat.completion.chunk"} | ({"usage": None} if has_usage else {})
    passages: Sequence[Passage] = []
    queries: Sequence[str] = ()
    text = Written()
    content, has_begun = "", False

    def chunk(delta: dict[str, object], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data(head | {"choices": [choice]})

    events = settled(answer(question))
    try:
        async for event in events:
            text.take(event)
            if isinstance(event, Queries):
                queries = event.texts
            elif isinstance(event, Found):
                passages = event.passages
                if has_begun:  # Found on the way: the whole list again, longer.
                    yield chunk({"context": _context(passages, queries)})
            elif isinstance(event, Failed):
                code = "insufficient_quota" if event.code == "budget_spent" else event.code
                kind = kind_of(STATUS.get(event.code, 502), code)
                yield _data(error_body(code, event.sentence, kind=kind))
                return
            elif isinstance(event, Done):
                if not has_begun:
                    yield chunk({"role": "assistant", "context": _context([], queries)})
                if event.is_refused:
                    content = NOT_THERE
                    yield chunk({"refusal" if wants_json else "content": NOT_THERE})
                elif told := checked(sentences(text.draw(doc_marker)[1])):
                    yield chunk({"context": _context(passages, queries) | told})
                yield chunk({}, "length" if event.is_cut else "stop")
                if has_usage:
                    yield _data(head | {"choices": [], "usage": _usage(question, content, event)})
            elif words := written(event):
                if not has_begun:
                    has_begun = True
                    yield chunk({"role": "assistant", "context": _context(passages, queries)})
                content += words
                yield chunk({"content": words})
        yield "data: [DONE]\n\n"
    finally:
        await events.aclose()


def _data(body: dict[str, object]) -> str:
    return f"data: {json.dumps(body)}\n\n"
