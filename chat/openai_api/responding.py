"""A response while it is written: an answer's events as those of `/v1/responses`, and in the end the whole of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from asgiref.sync import sync_to_async

from chat.answering import answer
from chat.completions import NOT_THERE, usage
from chat.events import Cite, Done, Failed, Found, Queries, Question, Text
from chat.models import web_address
from chat.openai_api.response_text import PlainText
from chat.proof.proving import settled
from documents.models import StoreFile
from documents.openai_api.searching import file_id_of, with_place
from documents.openai_api.shapes import attributes_by_document
from documents.retrieval import Passage
from project.provider import Logprobs, ToolCall

BUSY = {"rate_limited", "busy", "circuit_open", "own_quota", "budget_spent", "SearchBusy"}
STOPPED = {"content_filter", "QuestionBlocked", "context_length_exceeded"}
Wire = dict[str, Any]


class Responding:
    """`body` is the response as it stands; `failed` is why there is none. Read `events` to its end."""

    def __init__(self, body: Wire, question: Question, *, searches: bool, shows_results: bool) -> None:
        self.body, self.question = body, question
        self.searches, self.shows_results = searches, shows_results
        self.failed: Failed | None = None
        self._number = -1
        self._queries = [question.text]
        self._passages: Sequence[Passage] = ()
        self._rows: dict[Any, StoreFile] = {}
        self._call: Wire = {"id": _id("fs"), "type": "file_search_call", "status": "in_progress", "queries": []}
        self._message: Wire = {"id": _id("msg"), "type": "message", "role": "assistant", "status": "in_progress"}
        self._text = PlainText()
        self._annotations: list[Wire] = []
        self._likely: list[Wire] = []
        self._calls: list[ToolCall] = []
        self._has_begun = False

    async def events(self) -> AsyncGenerator[Wire]:
        """As the service tells them: created, searched, the message with its text and annotations, then one end."""
        yield self._event("response.created", response=self._snapshot())
        yield self._event("response.in_progress", response=self._snapshot())
        for event in self._searching():
            yield event
        async with aclosing(settled(answer(self.question))) as told:
            async for each in told:
                if isinstance(each, Queries):
                    self._queries = list(each.texts)
                elif isinstance(each, Found):
                    is_first = not self._passages
                    self._passages = each.passages
                    self._rows = await sync_to_async(self._known)()
                    for event in self._searched() if is_first else ():
                        yield event
                elif isinstance(each, Text | Cite):
                    for event in self._written(each):
                        yield event
                elif isinstance(each, Logprobs):
                    self._likely += map(_likely, each.content)
                elif isinstance(each, ToolCall):
                    for event in self._called(each):
                        yield event
                elif isinstance(each, Failed):
                    self._fail(each)
                elif isinstance(each, Done):
                    for event in self._ended(each):
                        yield event

    @property
    def last(self) -> Wire:
        """The event that ends it, once `events` was read to its end."""
        return self._event(f"response.{self.body['status']}", response=self._snapshot())

    def _event(self, kind: str, **facts: Any) -> Wire:
        self._number += 1
        return {"type": kind, "sequence_number": self._number, **facts}

    def _snapshot(self) -> Wire:
        return {**self.body, "output": list(self.body["output"])}

    # The search ------------------------------------------------------------------------------------------------------
    def _searching(self) -> Iterator[Wire]:
        if not self.searches:
            return
        where = {"output_index": 0, "item_id": self._call["id"]}
        yield self._event("response.output_item.added", output_index=0, item=dict(self._call))
        yield self._event("response.file_search_call.in_progress", **where)
        yield self._event("response.file_search_call.searching", **where)

    def _searched(self) -> Iterator[Wire]:
        if not self.searches or self._call["status"] == "completed":
            return
        self._call |= {"status": "completed", "queries": self._queries, "results": None}
        if self.shows_results:
            self._call["results"] = [self._result(passage) for passage in self._passages]
        yield self._event("response.file_search_call.completed", output_index=0, item_id=self._call["id"])
        yield self._event("response.output_item.done", output_index=0, item=self._call)
        self.body["output"].append(self._call)

    def _known(self) -> dict[Any, StoreFile]:
        found = {passage.document_id for passage in self._passages if passage.document_id}
        return attributes_by_document(found, self.question.user)

    def _file_id(self, passage: Passage) -> str:
        document = passage.place.document_id
        return file_id_of(document, self._rows.get(document), self.question.user)

    def _result(self, passage: Passage) -> Wire:
        told = {"filename": passage.document_name, "text": passage.text, "score": min(1.0, max(0.0, passage.score))}
        if passage.is_external:
            return told | {"attributes": {}}
        row = self._rows.get(passage.document_id)
        attributes = with_place(row.attributes if row else {}, passage)
        return told | {"file_id": self._file_id(passage), "attributes": attributes}

    # The message -----------------------------------------------------------------------------------------------------
    @property
    def _where(self) -> Wire:
        return {"output_index": len(self.body["output"]), "item_id": self._message["id"], "content_index": 0}

    def _begun(self, part: Wire) -> Iterator[Wire]:
        if self._has_begun:
            return
        yield from self._searched()  # Where nothing was found it is over now.
        self._has_begun = True
        at = len(self.body["output"])
        yield self._event("response.output_item.added", output_index=at, item={**self._message, "content": []})
        yield self._event("response.content_part.added", **self._where, part=part)

    def _written(self, each: Text | Cite) -> Iterator[Wire]:
        yield from self._begun(_output_text("", []))
        if isinstance(each, Text):
            if shown := self._text.feed(each.text):
                yield self._event("response.output_text.delta", **self._where, delta=shown, logprobs=[])
            return
        annotation = self._annotation(self._passages[each.number - 1], self._text.cite())
        if annotation is not None:
            at = len(self._annotations)
            self._annotations.append(annotation)
            facts = {"annotation_index": at, "annotation": annotation}
            yield self._event("response.output_text.annotation.added", **self._where, **facts)

    def _annotation(self, passage: Passage, at: int) -> Wire | None:
        """Beside what the shape asks for, the place in our viewer: clients keep what they do not know."""
        if not passage.is_external:
            cited = {"type": "file_citation", "index": at, "file_id": self._file_id(passage)}
            place = {"url": passage.address, "page": passage.page_number, "page_label": passage.page_label}
            return cited | {"filename": passage.document_name} | place
        if url := web_address(passage.url):
            title = passage.document_title
            return {"type": "url_citation", "url": url, "title": title, "start_index": at, "end_index": at}
        return None

    # The end ---------------------------------------------------------------------------------------------------------
    def _called(self, call: ToolCall) -> Iterator[Wire]:
        """A tool of the program's own, behind whatever was said."""
        if self._has_begun and self._message["status"] == "in_progress":
            yield from self._said()
        yield from self._searched()
        self._calls.append(call)
        item: Wire = {"id": _id("fc"), "type": "function_call", "status": "in_progress", "call_id": call.id}
        item |= {"name": call.name, "arguments": ""}
        where = {"output_index": len(self.body["output"]), "item_id": item["id"]}
        yield self._event("response.output_item.added", output_index=where["output_index"], item=item)
        yield self._event("response.function_call_arguments.delta", **where, delta=call.arguments)
        told = {"name": call.name, "arguments": call.arguments}
        yield self._event("response.function_call_arguments.done", **where, **told)
        item = {**item, "status": "completed", "arguments": call.arguments}
        yield self._event("response.output_item.done", output_index=where["output_index"], item=item)
        self.body["output"].append(item)

    def _said(self, *, is_cut: bool = False) -> Iterator[Wire]:
        text = self._text.text
        yield self._event("response.output_text.done", **self._where, text=text, logprobs=self._likely)
        yield from self._closed(_output_text(text, self._annotations, self._likely), is_cut=is_cut)

    def _ended(self, done: Done) -> Iterator[Wire]:
        if done.is_refused and self.question.wants_json:
            yield from self._refused()
        elif not self._calls:
            if done.is_refused:
                self._text, self._annotations = PlainText(), []
                yield from self._written(Text(NOT_THERE))
            yield from self._begun(_output_text("", []))
            yield from self._said(is_cut=done.is_cut)
        tokens = usage(self.question, self._text.text, done)
        self.body |= {
            "status": "incomplete" if done.is_cut else "completed",
            "completed_at": None if done.is_cut else int(time.time()),
            "incomplete_details": {"reason": "max_output_tokens"} if done.is_cut else None,
            "model": done.model,
            "usage": {
                "input_tokens": tokens["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": done.tokens.cached, "cache_write_tokens": 0},
                "output_tokens": tokens["completion_tokens"],
                "output_tokens_details": {"reasoning_tokens": done.tokens.reasoning},
                "total_tokens": tokens["total_tokens"],
            },
        }

    def _refused(self) -> Iterator[Wire]:
        """That there is nothing to say is no JSON: it is told as the service tells a refusal."""
        yield from self._begun({"type": "refusal", "refusal": ""})
        yield self._event("response.refusal.delta", **self._where, delta=NOT_THERE)
        yield self._event("response.refusal.done", **self._where, refusal=NOT_THERE)
        yield from self._closed({"type": "refusal", "refusal": NOT_THERE}, is_cut=False)

    def _closed(self, part: Wire, *, is_cut: bool) -> Iterator[Wire]:
        yield self._event("response.content_part.done", **self._where, part=part)
        self._message |= {"status": "incomplete" if is_cut else "completed", "content": [part]}
        at = len(self.body["output"])
        yield self._event("response.output_item.done", output_index=at, item=self._message)
        self.body["output"].append(self._message)

    def _fail(self, failed: Failed) -> None:
        code = "rate_limit_exceeded" if failed.code in BUSY else "invalid_prompt"
        code = code if failed.code in BUSY | STOPPED else "server_error"
        self.failed = failed
        self.body |= {"status": "failed", "error": {"code": code, "message": failed.sentence}, "output": []}


def _output_text(text: str, annotations: Sequence[Wire], likely: Sequence[Wire] = ()) -> Wire:
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": list(likely)}


def _likely(token: Mapping[str, Any]) -> Wire:
    """As Responses tell it: bytes are always a list, and the likeliest others are always told."""
    others = [{**each, "bytes": each.get("bytes") or []} for each in token.get("top_logprobs") or ()]
    return {**token, "bytes": token.get("bytes") or [], "top_logprobs": others}


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"
