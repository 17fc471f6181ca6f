"""`/v1/responses`: answers with file citations, which a program may go on from, fetch again and delete."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from ninja import Query, Router

from chat.completions import STATUS, answering, said
from chat.events import Question
from chat.models import StoredResponse, Thread
from chat.openai_api.asking import check_affordable, deployment_named, event_stream
from chat.openai_api.conversations import check_room, thread_of
from chat.openai_api.items import ID_OF, ItemsPage, bearable_in, page_of_items, with_ids
from chat.openai_api.responding import Responding
from chat.openai_api.responses_given import (
    CALL,
    SEARCH_RESULTS,
    FileSearch,
    Function,
    NamedTool,
    ResponsesIn,
    file_ids_in,
    items_of,
    messages_in,
)
from documents import retrieval
from documents.openai_api.access import file_of, not_there, store_of
from documents.openai_api.ids import CONVERSATION, RESPONSE, private, public
from documents.openai_api.searching import filtered
from documents.retrieval import Scope
from project.api import ApiError, SignedCall, asking, reading, writing
from project.provider.pieces import bearable

router = Router(tags=["responses"])

RESULTS = 8  # where nobody says how many


@dataclass(frozen=True)
class Asked:
    """A call, understood."""

    question: Question
    items: list[dict[str, Any]]
    previous: StoredResponse | None
    thread: Thread | None
    payload: ResponsesIn


@router.post("/responses", auth=asking)
async def create(request: SignedCall, payload: ResponsesIn):
    """An answer from the vector stores that file_search names, or from all that the key may read."""
    payload.check(deployment_named(payload.model))
    asked = await sync_to_async(_asked)(request, payload)
    await check_affordable(asked.question)
    pk = uuid4()
    responding = Responding(
        _head(pk, asked),
        asked.question,
        searches=bool(payload.file_searches),
        shows_results=SEARCH_RESULTS in (payload.include or []),
    )
    if payload.stream:
        return event_stream(_stream(pk, responding, asked))
    async with aclosing(responding.events()) as events:
        async for _ in events:
            pass
    if failed := responding.failed:
        code = "insufficient_quota" if failed.code == "budget_spent" else failed.code
        raise ApiError(STATUS.get(failed.code, 502), code, failed.sentence, retry_after=failed.retry_after)
    await sync_to_async(_keep)(pk, responding.body, asked)
    return responding.body


@router.get("/responses/{response_id}", auth=reading)
def retrieve(request: SignedCall, response_id: str, stream: bool = False):
    """A response as it was sent."""
    if stream:
        raise ApiError(400, "unsupported_parameter", "A response is streamed once, when it is made.", "", "stream")
    return _stored(request, response_id).body


@router.delete("/responses/{response_id}", auth=writing)
def delete(request: SignedCall, response_id: str):
    _stored(request, response_id).delete()
    return {"id": response_id, "object": "response", "deleted": True}


@router.post("/responses/{response_id}/cancel", auth=writing)
def cancel(request: SignedCall, response_id: str):
    """Only what runs in the background can be cancelled, and nothing does here: close the stream instead."""
    _stored(request, response_id)
    sentence = "Cannot cancel a synchronous response."
    raise ApiError(400, "invalid_request_error", sentence, "Close the stream instead.", "response_id")


@router.get("/responses/{response_id}/input_items", auth=reading)
def input_items(request: SignedCall, response_id: str, wanted: Query[ItemsPage]):
    """What a response answered, with what came before it."""
    row = _stored(request, response_id)
    items = [item for each in row.line()[:-1] for item in [*each.input, *each.body["output"]]] + row.input
    return page_of_items(items, wanted)


def _stored(request: SignedCall, response_id: str) -> StoredResponse:
    return _kept(request, response_id, "response_id")


def _kept(request: SignedCall, response_id: str, param: str) -> StoredResponse:
    rows = StoredResponse.objects.for_call(request.user, request.auth)
    found = rows.filter(pk=private(RESPONSE, response_id)).first()
    if found is None:
        raise not_there("response", response_id, param)
    return found


# What is asked -------------------------------------------------------------------------------------------------------
def _asked(request: SignedCall, payload: ResponsesIn) -> Asked:
    """Raises ApiError, for what is not there or not the caller's as for what makes no sense."""
    named = payload.previous_response_id
    previous = _kept(request, named, "previous_response_id") if named else None
    named = payload.conversation_id
    thread = thread_of(request, named, "conversation") if named else None
    items = items_of(payload.input)
    before = [item for row in (previous.line() if previous else []) for item in _turn(row)]
    if thread:
        check_room(thread, len(items))
        before = [item for item in thread.items if item["type"] in ID_OF]
    told = said(messages_in([*before, *items]))
    tools = payload.file_searches
    collections, documents = _narrowed(request, tools, file_ids_in(items))
    question = Question(
        told.text,
        request.user,
        collections=collections,
        documents=documents,
        history=told.history,
        exchange=told.exchange,
        instructions="\n".join(filter(None, [bearable(payload.instructions or ""), told.instructions])),
        deployment="" if payload.model == "default" else payload.model,
        grounding="hybrid" if told.exchange or payload.functions or payload.wants_logprobs else "",
        api_key_id=request.auth.pk,
        find=_found_by(request, tools, collections, documents),
        answer_tokens=payload.max_output_tokens or 0,
        generation=payload.generation,
    )
    return Asked(question, items, previous, thread, payload)


def _turn(row: StoredResponse) -> list[dict[str, Any]]:
    """What was asked and answered in one turn, with the calls of tools; instructions held for it alone."""
    spoken = [item for item in row.input if item.get("role") not in {"system", "developer"}]
    return spoken + [item for item in row.body["output"] if item["type"] in {"message", CALL}]


def _narrowed(
    request: SignedCall, tools: list[FileSearch], file_ids: list[str]
) -> tuple[list[UUID] | None, list[UUID] | None]:
    """The collections and documents that are searched; None: all that the caller may read."""
    collections, documents = None, None
    if tools:
        stores = [[store_of(request.user, each).pk for each in tool.vector_store_ids] for tool in tools]
        collections = list(dict.fromkeys(pk for group in stores for pk in group))
        if any(tool.filters for tool in tools):
            found = [filtered(group, tool.filters) for group, tool in zip(stores, tools, strict=True)]
            documents = [pk for group in found for pk in group]
    if file_ids:
        named = [file_of(request.user, each).pk for each in file_ids]
        documents = named if documents is None else [pk for pk in named if pk in documents]
    return collections, documents


def _found_by(
    request: SignedCall, tools: list[FileSearch], collections: list[UUID] | None, documents: list[UUID] | None
) -> Any:
    """A search of its own where the tool says how many results it wants, or how good; else None."""
    least = max((tool.ranking_options.score_threshold for tool in tools if tool.ranking_options), default=0.0)
    most = max((tool.max_num_results for tool in tools if tool.max_num_results), default=None)
    if not least and most is None:
        return None
    scope = Scope(collections=collections, documents=documents)
    return partial(_search, user=request.user, scope=scope, top=most or RESULTS, least=least)


def _search(words: str, *, user: Any, scope: Scope, top: int, least: float) -> retrieval.Found:
    found = retrieval.find(words, user, scope, top=top)
    return retrieval.Found([passage for passage in found.passages if passage.score >= least], found.notices)


# What is told --------------------------------------------------------------------------------------------------------
def _head(pk: UUID, asked: Asked) -> dict[str, Any]:
    """The response before it is answered: what was asked for, said back."""
    payload = asked.payload
    text = payload.text.model_dump(exclude_none=True, by_alias=True) if payload.text else {"format": {"type": "text"}}
    reasoning, choice = payload.reasoning, payload.tool_choice
    body = {
        "id": public(RESPONSE, pk),
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": payload.instructions,
        "max_output_tokens": payload.max_output_tokens,
        "max_tool_calls": payload.max_tool_calls,
        "model": answering(asked.question),
        "output": [],
        "parallel_tool_calls": True if payload.parallel_tool_calls is None else payload.parallel_tool_calls,
        "previous_response_id": payload.previous_response_id,
        "reasoning": {"effort": reasoning.effort if reasoning else None, "summary": None},
        "service_tier": "default",
        "store": payload.store is not False,
        "temperature": 1.0 if payload.temperature is None else payload.temperature,
        "text": text,
        "tool_choice": choice.model_dump(exclude_none=True) if isinstance(choice, NamedTool) else choice or "auto",
        "tools": [_tool(tool) for tool in payload.tools or ()],
        "top_logprobs": payload.top_logprobs or 0,
        "top_p": 1.0 if payload.top_p is None else payload.top_p,
        "truncation": payload.truncation or "disabled",
        "metadata": payload.metadata or {},
    }
    told = {"conversation": {"id": public(CONVERSATION, asked.thread.pk)}} if asked.thread else {}
    return body | told | ({"user": payload.user} if payload.user else {})


def _tool(tool: FileSearch | Function) -> dict[str, Any]:
    told = tool.model_dump(exclude_none=True)
    if isinstance(tool, Function):
        told = {"parameters": {}, "strict": True} | told
    return told


async def _stream(pk: UUID, responding: Responding, asked: Asked) -> AsyncGenerator[str]:
    """The last event comes when the response is kept: whoever reads it may go on at once."""
    async with aclosing(responding.events()) as events:
        async for event in events:
            yield _data(event)
    await sync_to_async(_keep)(pk, responding.body, asked)
    yield _data(responding.last)


def _data(event: dict[str, Any]) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


def _keep(pk: UUID, body: dict[str, Any], asked: Asked) -> None:
    """What was said belongs to its conversation, whether the response is to be kept or not."""
    items = bearable_in(with_ids(asked.items))
    if asked.thread and body["status"] != "failed":
        asked.thread.add([*items, *bearable_in(body["output"])])
    if asked.payload.store is False:
        return
    StoredResponse.objects.create(
        pk=pk,
        user=asked.question.user,
        api_key_id=asked.question.api_key_id,
        previous=asked.previous,
        input=items,
        body=bearable_in(body),
    )
