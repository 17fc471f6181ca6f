"""What chat completions share, in whichever shape: messages into a question, an answer's events into words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from django.conf import settings
from ninja import Field, Schema
from pydantic import ConfigDict

from chat.answering import answer
from chat.events import Cite, Done, Event, Failed, Found, Queries, Question, Text
from chat.llm import Extractive
from chat.models import web_address
from chat.prompts import Turn
from chat.proof.written import Placed, Written
from documents.retrieval import Passage
from project.api import ApiError
from project.deployments import chosen
from project.parameters import Message
from project.provider import Logprobs, ToolCall
from project.provider.pieces import bearable
from project.tokens import count_tokens

NOT_THERE = "This is not in your documents."
STATUS = {  # Of what is not here the service behind us is to blame: 502.
    **dict.fromkeys(("rate_limited", "busy", "service_fault", "unreachable", "circuit_open", "own_quota"), 503),
    **dict.fromkeys(("SearchBusy", "SearchUnavailable"), 503),
    **dict.fromkeys(("content_filter", "context_length_exceeded", "QuestionBlocked", "AnswerBlocked"), 400),
    "budget_spent": 429,
    "timeout": 504,
}
DOC_MARKER = re.compile(r"\[doc\d+\]")


class CalledIn(Schema):
    model_config = ConfigDict(extra="forbid")

    name: str
    arguments: str


class ToolCallIn(Schema):
    """A call of one of the program's own tools, as a model made it; `index` stood in the stream it came by."""

    model_config = ConfigDict(extra="forbid")

    id: str
    type: Literal["function"] = "function"
    function: CalledIn
    index: int | None = None


class MessageIn(Schema):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: Annotated[list[ToolCallIn], Field(max_length=128)] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The words of a message, whether sent as a string or in parts."""
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content if part.get("type") == "text")
        return self.content or ""

    @property
    def wire(self) -> Message:
        """Of what tools were asked for, and of what they gave back: as a model is told."""
        text = bearable(self.text)
        if self.role == "tool":
            return {"role": "tool", "tool_call_id": bearable(self.tool_call_id or ""), "content": text}
        calls = [
            {
                "id": bearable(call.id),
                "type": "function",
                "function": {"name": bearable(call.function.name), "arguments": bearable(call.function.arguments)},
            }
            for call in self.tool_calls or ()
        ]
        return {"role": "assistant", "content": DOC_MARKER.sub("", text) or None, "tool_calls": calls}


@dataclass(frozen=True)
class Said:
    """What messages say: the question, the turns before it, and what the asking program tells beside it.

    `exchange` came after the question: calls of the program's own tools, and what these gave back.
    """

    text: str
    history: list[Turn]
    instructions: str
    exchange: list[Message]


@dataclass(frozen=True)
class Completed:
    """A whole answer, its sources written as [doc1], with the passages that these numbers point to."""

    content: str
    passages: Sequence[Passage]
    done: Done
    sentences: list[dict[str, Any]]
    queries: Sequence[str] = ()  # that were searched for
    calls: Sequence[ToolCall] = ()  # of the program's own tools, before there is an answer
    logprobs: Sequence[Mapping[str, Any]] = ()


def said(messages: Sequence[MessageIn]) -> Said:
    """The user's last message is the question, those before it the history. Raises ApiError."""
    spoken = [message for message in messages if message.role not in {"system", "developer"}]
    turns: list[Turn] = []
    asked, exchange = "", list[Message]()
    for message in spoken:
        if message.role == "user":
            asked, exchange = bearable(message.text), []
        elif message.role == "tool" or message.tool_calls:
            exchange.append(message.wire)
        elif asked:
            turns.append(Turn(asked, DOC_MARKER.sub("", bearable(message.text)), between=exchange))
            asked, exchange = "", []
    if not asked.strip() or spoken[-1].role == "assistant":
        raise ApiError(400, "invalid_request_error", "The last message must be a question of the user.", "", "messages")
    if len(asked) > settings.QUESTION_MAX_LETTERS:
        limit = f"The question is longer than {settings.QUESTION_MAX_LETTERS:,} letters."
        raise ApiError(400, "context_length_exceeded", limit, "Shorten it.", "messages")
    told = [bearable(message.text) for message in messages if message.role in {"system", "developer"}]
    return Said(asked, turns, "\n".join(told), exchange)


def check_exchange(messages: Sequence[MessageIn]) -> None:
    """What tools gave back stands right behind the calls, one for each. Raises ApiError, in the service's words."""
    waiting: list[str] = []
    for place, message in enumerate(messages):
        if message.role != "tool":
            _check_answered(waiting, place)
            waiting = [call.id for call in message.tool_calls or ()]
        elif message.tool_call_id in waiting:
            waiting.remove(message.tool_call_id)
        else:
            sentence = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            raise ApiError(400, "invalid_request_error", sentence, "", f"messages.[{place}].role")
    _check_answered(waiting, len(messages))


def _check_answered(waiting: Sequence[str], place: int) -> None:
    if waiting:
        sentence = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)[:300]}"
        )
        raise ApiError(400, "invalid_request_error", sentence, "", f"messages.[{place}].role")


async def completed(question: Question) -> Completed:
    """The answer when it is complete. Raises ApiError."""
    text = Written()
    passages: Sequence[Passage] = []
    queries: Sequence[str] = ()
    calls: list[ToolCall] = []
    likely: list[Mapping[str, Any]] = []
    async for event in answer(question):
        text.take(event)
        if isinstance(event, ToolCall):
            calls.append(event)
        elif isinstance(event, Logprobs):
            likely += event.content
        elif isinstance(event, Queries):
            queries = event.texts
        elif isinstance(event, Found):
            passages = event.passages
        elif isinstance(event, Failed):
            code = "insufficient_quota" if event.code == "budget_spent" else event.code
            raise ApiError(STATUS.get(event.code, 502), code, event.sentence, retry_after=event.retry_after)
        elif isinstance(event, Done):
            content, placed = text.draw(doc_marker)
            return Completed(content.strip(), passages, event, sentences(placed), queries, calls, likely)
    raise AssertionError("an answer ends with Done or Failed")


def doc_marker(before: str, number: int) -> str:
    return f"{before}[doc{number}]"


def checked(told: list[dict[str, Any]]) -> dict[str, object]:
    """What became of the sentences, under a name of our own, which no client of the service's shapes looks at."""
    return {"lectern": {"sentences": told}} if told else {}


def sentences(placed: Sequence[Placed]) -> list[dict[str, Any]]:
    """What became of each sentence that states something: beside OpenAI's shapes, under the name `lectern`.

    Source numbers are those of [doc1]; offsets of `spans` are into the text of the page.
    """
    return [
        {
            "text": each.proved.instead or each.proved.words,
            "verdict": each.proved.proof.verdict.value,
            "reason": each.proved.proof.reason.value if each.proved.proof.reason else None,
            "said": each.proved.proof.said,
            "shown": each.proved.proof.shown,
            "sources": list(each.proved.cites),
            "corrected": each.proved.is_corrected,
            "left_out": each.proved.instead == "",
            "spans": [{"source": number, "start": start, "end": end} for number, start, end in each.proved.spans],
        }
        for each in placed
        if each.proved.proof
    ]


def answering(question: Question) -> str:
    """The name of who answers."""
    deployment = chosen(question.deployment)
    return deployment.name if deployment else Extractive.name


def written(event: Event) -> str:
    """What an event adds to the answer's words."""
    if isinstance(event, Text):
        return event.text
    return f"[doc{event.number}]" if isinstance(event, Cite) else ""


def citation(passage: Passage) -> dict[str, object]:
    """A passage in the shape of Azure OpenAI's On Your Data, with the place on the page beside it."""
    if passage.document_id is None:
        return _outer_citation(passage)
    return {
        "content": passage.text,
        "title": passage.document_title,
        "url": passage.address,
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


def usage(question: Question, content: str, done: Done) -> dict[str, int]:
    """As the service counted; without a service, as we count."""
    sent = done.tokens.input or count_tokens(question.text)
    written = done.tokens.output or count_tokens(content)
    return {"prompt_tokens": sent, "completion_tokens": written, "total_tokens": sent + written}
