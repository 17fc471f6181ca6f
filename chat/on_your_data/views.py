"""The doors of On Your Data: /openai/deployments/…/chat/completions, its older way over /extensions, and /openai/v1."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from chat.answering import answer
from chat.completions import answering, usage, written
from chat.events import Cite, Done, Event, Failed, Found, Text
from chat.on_your_data import errors
from chat.on_your_data.ahead import outliving
from chat.on_your_data.asking import Asked, asked_of, deployment_of
from chat.on_your_data.contexts import context_of
from chat.on_your_data.errors import Refusal
from chat.on_your_data.shapes import Later, Shape
from chat.on_your_data.versions import WITHOUT_VERSION, extension_shape, shape
from chat.proof.proving import settled
from documents.retrieval import Passage
from documents.search import SearchUnavailable
from project.api import ApiError, asking, read_json
from project.deployments import DeploymentsError
from project.limits import TooMany

# What programs know a refusal by.
NOT_THERE = "The requested information is not found in the retrieved data. Please try another query or topic."
CONFIGURATION = (
    "Invalid AzureCognitiveSearch configuration detected: Call to get Azure Search index failed. Check if you are "
    "using the correct Azure Search endpoint and index name. Azure Search Error: {}"
)
View = Callable[..., Awaitable[HttpResponseBase]]


def _door(view: View) -> Callable[..., Any]:
    """For a view that a key signs: what it refuses is told in the service's shapes, and every call has a number."""

    @csrf_exempt
    @login_not_required
    @wraps(view)
    async def opened(request: HttpRequest, **named: str) -> HttpResponseBase:
        try:
            await _sign_in(request)
            response = await view(request, **named)
        except Refusal as refusal:
            response = refusal.response
        response["apim-request-id"] = response["x-request-id"] = str(uuid.uuid4())
        return response

    return opened


async def _sign_in(request: HttpRequest) -> None:
    """The person behind the key is `request.user` from here on, and the key is `request.auth`."""
    try:
        key = await asking(request)
    except TooMany as exc:
        raise errors.too_many(str(exc), exc.retry_after) from exc
    except ApiError as exc:
        wait = {} if exc.retry_after is None else {"Retry-After": str(exc.retry_after)}
        raise errors.of_door(exc.status, f"{exc.reason} {exc.advice}".strip(), headers=wait) from exc
    if key is None:
        raise errors.of_door(401, errors.NO_KEY)
    request.auth = key  # type: ignore[attr-defined]


@_door
async def chat_completions(request: HttpRequest, deployment: str) -> HttpResponseBase:
    return await _completed(request, deployment, shape(request.GET.get("api-version", "")))


@_door
async def extensions(request: HttpRequest, deployment: str) -> HttpResponseBase:
    return await _completed(request, deployment, extension_shape(request.GET.get("api-version", "")))


@_door
async def v1_chat_completions(request: HttpRequest) -> HttpResponseBase:
    """The way without dated versions: the deployment is the model of the request."""
    is_known = request.GET.get("api-version", "") in WITHOUT_VERSION
    return await _completed(request, None, Later() if is_known else None)


@_door
async def elsewhere(request: HttpRequest, rest: str) -> HttpResponseBase:
    raise errors.not_found()


async def _completed(request: HttpRequest, deployment: str | None, form: Shape | None) -> HttpResponseBase:
    if form is None or request.method != "POST":
        raise errors.not_found()
    body = _body(request)
    named = deployment if deployment is not None else str(body.get("model") or "default")
    try:
        name = await sync_to_async(deployment_of)(named)
    except DeploymentsError as exc:
        raise errors.of_door(502, "The models cannot be used as they are set up.") from exc
    asked = await asked_of(body, name, request.user, request.auth.pk)  # type: ignore[arg-type,attr-defined]
    is_extended = deployment is not None and asked.finder is not None  # Its answers had a name of their own there.
    reading = _Reading(asked, form, "extensions." if is_extended else "")
    await reading.begin()
    return reading.streamed() if asked.is_streamed else await reading.whole()


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = read_json(request.body)
    except RequestDataTooBig as exc:
        raise errors.of_door(413, "The request is larger than is taken here.") from exc
    except ValueError as exc:
        raise errors.no_json() from exc
    if not isinstance(body, dict):
        raise errors.no_json()
    return body


class _Reading:
    """One answer, from its first event on. Until a word is there, what goes wrong is a refusal with a status."""

    def __init__(self, asked: Asked, form: Shape, prefix: str) -> None:
        self.asked, self.form = asked, form
        self.events = outliving(settled(answer(asked.question)))
        self.passages: list[Passage] = []
        self.head = {
            "id": str(uuid.uuid4()),
            "model": "",
            "created": int(time.time()),
            "object": f"{prefix}chat.completion{'.chunk' if asked.is_streamed else ''}",
        }
        self.next: Event | None = None

    async def begin(self) -> None:
        """Read on to the first word, or the end. Raises Refusal."""
        self.head["model"] = await sync_to_async(self._model)()
        async for event in self.events:
            self._take(event)
            if isinstance(event, Text | Cite | Done | Failed):
                self.next = event
                break
        if isinstance(self.next, Failed) and self.next.code != "AnswerBlocked":
            await self.events.aclose()
            raise self._refusal(self.next)

    def _model(self) -> str:
        try:
            return answering(self.asked.question)
        except DeploymentsError as exc:
            raise errors.of_door(502, "The models cannot be used as they are set up.") from exc

    def _take(self, event: Event) -> None:
        if isinstance(event, Found):
            self.passages = list(event.passages)

    def _refusal(self, failed: Failed) -> Refusal:
        finder = self.asked.finder
        if finder and isinstance(finder.fault, SearchUnavailable):
            return errors.of_data(CONFIGURATION.format(failed.sentence))
        return errors.of_failure(failed)

    async def _rest(self) -> AsyncGenerator[Event]:
        """The event that was read ahead, and those behind it."""
        try:
            if self.next is not None:
                yield self.next
            if not isinstance(self.next, Done | Failed):
                async for event in self.events:
                    self._take(event)
                    yield event
        finally:
            await self.events.aclose()

    def _context(self, done: Done | None = None) -> dict[str, Any]:
        is_refused = done is not None and done.is_refused
        return context_of(self.asked, [] if is_refused else self.passages, self.passages)

    async def whole(self) -> HttpResponse:
        content, context, finish, counted = "", self._context(), "stop", {}
        async for event in self._rest():
            content += written(event)
            if isinstance(event, Failed):
                if event.code != "AnswerBlocked":
                    raise self._refusal(event)
                content, finish = "", "content_filter"
            elif isinstance(event, Done):
                content = NOT_THERE if event.is_refused else content.strip()
                context, finish = self._context(event), "length" if event.is_cut else "stop"
                counted = {"usage": usage(self.asked.question, content, event)}
        return JsonResponse({**self.head, "choices": [self.form.whole(content, context, finish)], **counted})

    def streamed(self) -> StreamingHttpResponse:
        response = StreamingHttpResponse(self._chunks(), content_type="text/event-stream")
        response["Cache-Control"] = "private, no-store, no-transform"
        response["X-Accel-Buffering"] = "no"
        return response

    async def _chunks(self) -> AsyncGenerator[str]:
        """What was found comes first; then the words, how they end, and the usage if it is asked for."""
        content, has_begun = "", False
        async for event in self._rest():
            if not has_begun and isinstance(event, Text | Cite | Done | Failed):
                has_begun = True
                for choice in self.form.first(self._context(event if isinstance(event, Done) else None)):
                    yield self._chunk(choice)
            if words := written(event):
                content += words
                yield self._chunk(self.form.piece(words))
            elif isinstance(event, Failed) and event.code == "AnswerBlocked":
                yield self._chunk(self.form.last("content_filter"))
            elif isinstance(event, Failed):
                yield _data({"error": self._refusal(event).error})
                return
            elif isinstance(event, Done):
                if event.is_refused:
                    content = NOT_THERE
                    yield self._chunk(self.form.piece(NOT_THERE))
                yield self._chunk(self.form.last("length" if event.is_cut else "stop"))
                if self.asked.is_usage_told:
                    counted = usage(self.asked.question, content, event)
                    yield _data({**self.head, "choices": [], "usage": counted})
        yield "data: [DONE]\n\n"

    def _chunk(self, choice: dict[str, Any]) -> str:
        return _data({**self.head, "choices": [choice]})


def _data(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body)}\n\n"
