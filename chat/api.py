"""Asking for programs: OpenAI's chat completions over the caller's own documents."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence

from django.http import StreamingHttpResponse
from ninja import Field, Router, Schema

from chat.answering import afford, answer, chat_model
from chat.completions import NOT_THERE, MessageIn, answering, citation, completed, said, usage, written
from chat.events import Done, Failed, Found, Queries, Question
from documents.retrieval import Passage
from project.api import ApiError, SignedCall, asking, error_body
from project.deployments import DeploymentsError, UnknownDeployment, chosen
from project.spending import BudgetSpent

router = Router(tags=["chat"])


class StreamOptions(Schema):
    include_usage: bool = False


class ChatIn(Schema):
    model: str = "default"
    messages: list[MessageIn] = Field(min_length=1, max_length=500)
    stream: bool = False
    stream_options: StreamOptions | None = None


@router.post("/chat/completions", auth=asking)
async def chat_completions(request: SignedCall, payload: ChatIn):
    """An answer from the documents the key may read; `message.context.citations` holds what `[docN]` points to."""
    question = _question(request, payload)
    try:
        await afford(question, chat_model(question))  # Here too, for a stream that has begun can no longer be refused.
    except BudgetSpent as exc:
        raise ApiError(429, "insufficient_quota", str(exc), retry_after=exc.retry_after) from exc
    if payload.stream:
        options = payload.stream_options or StreamOptions()
        body = _stream(question, payload.model, options.include_usage)
        response = StreamingHttpResponse(body, content_type="text/event-stream")
        response["Cache-Control"] = "private, no-store, no-transform"
        response["X-Accel-Buffering"] = "no"
        return response
    whole = await completed(question)
    content, passages, done = whole.content, whole.passages, whole.done
    if done.is_refused:
        content, passages = NOT_THERE, []
    message = {"role": "assistant", "content": content, "context": _context(passages, whole.queries)}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": done.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if done.is_cut else "stop"}],
        "usage": usage(question, content, done),
    }


def _question(request: SignedCall, payload: ChatIn) -> Question:
    """What is asked, of the model that is named. Raises ApiError."""
    try:
        chosen(payload.model)
    except UnknownDeployment as exc:
        raise ApiError(404, "model_not_found", str(exc), "Use default.", "model") from exc
    except DeploymentsError as exc:
        raise ApiError(502, "misconfigured", "The models cannot be used as they are set up.") from exc
    asked = said(payload.messages)
    return Question(
        asked.text,
        request.user,
        history=asked.history,
        instructions=asked.instructions,
        deployment="" if payload.model == "default" else payload.model,
        api_key_id=request.auth.pk,
    )


def _context(passages: Sequence[Passage], queries: Sequence[str]) -> dict[str, object]:
    """`intent` is a list of what was searched for, written as JSON in a string, as On Your Data did."""
    return {"citations": [citation(passage) for passage in passages], "intent": json.dumps([*queries])}


async def _stream(question: Question, model: str, include_usage: bool) -> AsyncGenerator[str]:
    """Chunks as the service sends them: the citations come first, the usage, if asked for, last."""
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": answering(question),
    }
    passages: Sequence[Passage] = []
    queries: Sequence[str] = ()
    content, has_begun = "", False

    def chunk(delta: dict[str, object], finish: str | None = None) -> str:
        return _data(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    events = answer(question)
    try:
        async for event in events:
            if isinstance(event, Queries):
                queries = event.texts
            elif isinstance(event, Found):
                passages = event.passages
                if has_begun:  # Found on the way: the whole list again, longer.
                    yield chunk({"context": _context(passages, queries)})
            elif isinstance(event, Failed):
                yield _data(error_body(event.code, event.sentence))
                return
            elif isinstance(event, Done):
                if not has_begun:
                    yield chunk({"role": "assistant", "context": _context([], queries)})
                if event.is_refused:
                    content = NOT_THERE
                    yield chunk({"content": NOT_THERE})
                yield chunk({}, "length" if event.is_cut else "stop")
                if include_usage:
                    yield _data(head | {"choices": [], "usage": usage(question, content, event)})
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
