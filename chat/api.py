"""Asking for programs: OpenAI's chat completions over the caller's own documents."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

from django.conf import settings
from django.http import StreamingHttpResponse
from ninja import Field, Router, Schema

from chat.answering import afford, answer, chat_model
from chat.events import Cite, Done, Event, Failed, Found, Question, Text
from chat.llm import Extractive
from chat.models import web_address
from chat.prompts import Turn
from documents.models import page_url
from documents.retrieval import Passage
from project.api import ApiError, SignedCall, asking, error_body
from project.deployments import DeploymentsError, UnknownDeployment, chosen
from project.provider.pieces import bearable
from project.spending import BudgetSpent
from project.tokens import count_tokens

router = Router(tags=["chat"])

NOT_THERE = "This is not in your documents."
STATUS = {  # Of what is not here the service behind us is to blame: 502.
    **dict.fromkeys(("rate_limited", "busy", "service_fault", "unreachable", "circuit_open", "own_quota"), 503),
    **dict.fromkeys(("SearchBusy", "SearchUnavailable"), 503),
    **dict.fromkeys(("content_filter", "context_length_exceeded", "QuestionBlocked", "AnswerBlocked"), 400),
    "budget_spent": 429,
    "timeout": 504,
}
DOC_MARKER = re.compile(r"\[doc\d+\]")


class MessageIn(Schema):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The words of a message, whether sent as a string or in parts."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content if part.get("type") == "text")
        return self.content or ""


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
    content, passages, done = await _whole(question)
    if done.is_refused:
        content, passages = NOT_THERE, []
    message = {"role": "assistant", "content": content, "context": _context(passages)}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": done.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if done.is_cut else "stop"}],
        "usage": _usage(question, content, done),
    }


async def _whole(question: Question) -> tuple[str, Sequence[Passage], Done]:
    """The answer when it is complete, with the passages its numbers point to."""
    content = ""
    passages: Sequence[Passage] = []
    async for event in answer(question):
        if isinstance(event, Found):
            passages = event.passages
        elif isinstance(event, Failed):
            code = "insufficient_quota" if event.code == "budget_spent" else event.code
            raise ApiError(STATUS.get(event.code, 502), code, event.sentence, retry_after=event.retry_after)
        elif isinstance(event, Done):
            return content.strip(), passages, event
        else:
            content += _written(event)
    raise AssertionError("an answer ends with Done or Failed")


def _question(request: SignedCall, payload: ChatIn) -> Question:
    """The last message is the question, those before it the history."""
    try:
        chosen(payload.model)
    except UnknownDeployment as exc:
        raise ApiError(404, "model_not_found", str(exc), "Use default.", "model") from exc
    except DeploymentsError as exc:
        raise ApiError(502, "misconfigured", "The models cannot be used as they are set up.") from exc
    spoken = [message for message in payload.messages if message.role in {"user", "assistant"}]
    if not spoken or spoken[-1].role != "user" or not spoken[-1].text.strip():
        raise ApiError(400, "invalid_request_error", "The last message must be a question of the user.", "", "messages")
    text = bearable(spoken[-1].text)
    if len(text) > settings.QUESTION_MAX_LETTERS:
        limit = f"The question is longer than {settings.QUESTION_MAX_LETTERS:,} letters."
        raise ApiError(400, "context_length_exceeded", limit, "Shorten it.", "messages")
    turns, asked = [], None
    for message in spoken[:-1]:
        if message.role == "user":
            asked = bearable(message.text)
        elif asked is not None:
            turns.append(Turn(asked, DOC_MARKER.sub("", bearable(message.text))))
            asked = None
    told = [bearable(message.text) for message in payload.messages if message.role in {"system", "developer"}]
    return Question(
        text,
        request.user,
        history=turns,
        instructions="\n".join(told),
        deployment="" if payload.model == "default" else payload.model,
        api_key_id=request.auth.pk,
    )


def answering(question: Question) -> str:
    """The name of who answers."""
    deployment = chosen(question.deployment)
    return deployment.name if deployment else Extractive.name


def _written(event: Event) -> str:
    if isinstance(event, Text):
        return event.text
    return f"[doc{event.number}]" if isinstance(event, Cite) else ""


def _context(passages: Sequence[Passage]) -> dict[str, object]:
    return {"citations": [_citation(passage) for passage in passages], "intent": "[]"}


def _citation(passage: Passage) -> dict[str, object]:
    """A passage in the shape of Azure OpenAI's On Your Data, with the place on the page beside it."""
    if passage.document_id is None:
        return _outer_citation(passage)
    place = page_url(passage.document_id, passage.page_number, (passage.start, passage.end))
    return {
        "content": passage.text,
        "title": passage.document_title,
        "url": settings.BASE_URL + place,
        "filepath": passage.document_name,
        "chunk_id": str(passage.chunk_id),
        "document_id": str(passage.document_id),
        "page": passage.page_number,
        "page_label": passage.page_label,
        "start": passage.start,
        "end": passage.end,
    }


def _outer_citation(passage: Passage) -> dict[str, object]:
    """What a model's service found: as it told, but for an address that is none of the web."""
    return {
        "content": passage.text,
        "title": passage.document_title,
        "url": web_address(passage.url) or None,
        "filepath": passage.document_name or None,
        "chunk_id": passage.outer_chunk or None,
    }


def _usage(question: Question, content: str, done: Done) -> dict[str, int]:
    """As the service counted; without a service, as we count."""
    sent = done.tokens.input or count_tokens(question.text)
    written = done.tokens.output or count_tokens(content)
    return {"prompt_tokens": sent, "completion_tokens": written, "total_tokens": sent + written}


async def _stream(question: Question, model: str, include_usage: bool) -> AsyncGenerator[str]:
    """Chunks as the service sends them: the citations come first, the usage, if asked for, last."""
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": answering(question),
    }
    passages: Sequence[Passage] = []
    content, has_begun = "", False

    def chunk(delta: dict[str, object], finish: str | None = None) -> str:
        return _data(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    events = answer(question)
    try:
        async for event in events:
            if isinstance(event, Found):
                passages = event.passages
                if has_begun:  # Found on the way: the whole list again, longer.
                    yield chunk({"context": _context(passages)})
            elif isinstance(event, Failed):
                yield _data(error_body(event.code, event.sentence))
                return
            elif isinstance(event, Done):
                if not has_begun:
                    yield chunk({"role": "assistant", "context": _context([])})
                if event.is_refused:
                    content = NOT_THERE
                    yield chunk({"content": NOT_THERE})
                yield chunk({}, "length" if event.is_cut else "stop")
                if include_usage:
                    yield _data(head | {"choices": [], "usage": _usage(question, content, event)})
            elif written := _written(event):
                if not has_begun:
                    has_begun = True
                    yield chunk({"role": "assistant", "context": _context(passages)})
                content += written
                yield chunk({"content": written})
        yield "data: [DONE]\n\n"
    finally:
        await events.aclose()


def _data(body: dict[str, object]) -> str:
    return f"data: {json.dumps(body)}\n\n"
