"""Answers kept for whoever asks the same with the same rights: off, unless LECTERN_CACHE_ANSWERS says for how long.

The key holds all that an answer depends on: which collections the asker may read at this moment, the index version
that is live for each and what can be found there, the model and its settings, the wording, what was said before, and
the question letter for letter but for its blanks; and, where a person wrote it, what is looked for in its place. What
a model makes of a question rests on these alone. What is kept are the answer's own words and the places of its
sources; their words are fetched anew, by the asker's permission, and if one is gone nothing of the answer is shown.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, fields
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from chat.events import Cite, Done, Event, Found, Proved, Queries, Question, Ran, ReadBy, Source, Text
from chat.prompts import BUILT_IN, OPEN_RULES, RULES, TONE
from chat.verification import Proof, Reason, Verdict
from documents.retrieval import Passage, Scope, keeping
from project.cache import keep, kept
from project.deployments import UNUSABLE, chosen
from project.provider import Logprobs, Tokens, ToolCall

SHAPE = 2  # of what is kept; another makes the older unreadable
NOT_IN_KEY = {"text", "user", "collections", "documents", "purpose", "api_key_id", "is_fresh"}
SETTINGS = (
    "CHAT_CONTEXT_TOKENS",
    "CHAT_ANSWER_TOKENS",
    "MODERATION",
    "MODERATION_LIMITS",
    "MODERATION_WORDS",
    "REWRITE",
    "UNSUPPORTED",
    "SECOND_OPINION",
)
Write = Callable[[Question], AsyncGenerator[Event]]


async def cached(question: Question, *, write: Write) -> AsyncGenerator[Event]:
    """The events of `write(question)`, or those that were kept of them, with a word on their age."""
    # Else nobody can tell what it depends on.
    is_known = settings.CACHE_ANSWERS_S and question.find is None and question.begun is None
    key = await _aside(key_of, question) if is_known else ""
    if key and not question.is_fresh:
        for event in await _aside(_replayed, key, question):
            yield event
            if isinstance(event, Done):
                return
    taken: list[Event] = []
    async with aclosing(write(question)) as events:
        async for event in events:
            taken.append(event)
            if key and isinstance(event, Done) and is_worth_keeping(taken):
                await _aside(_keep, key, question, taken)
            yield event


async def _aside(work: Callable[..., Any], *args: Any) -> Any:
    """Do what needs the database; the connection goes back at once."""

    def done() -> Any:
        try:
            return work(*args)
        finally:
            close_old_connections()

    return await sync_to_async(done)()


def is_worth_keeping(taken: Sequence[Event]) -> bool:
    """A refusal may be over with the next upload, and what was cut or out of order may go well the next time.

    Code that was run, calls of a program's tools and probabilities are told with their answer and not kept; nor is an
    answer whose sources are not those it cites by number, or are no documents of ours: there is no place to fetch their
    words from again.
    """
    done = taken[-1]
    assert isinstance(done, Done)
    told = [source.passage for source in done.sources[: len(_offered(taken))]]
    has_run = any(isinstance(event, Ran | ToolCall | Logprobs) for event in taken)
    is_outside = any(source.passage.is_external for source in done.sources)
    is_whole = not (done.is_refused or done.is_cut or done.is_degraded)
    return is_whole and not (has_run or is_outside) and told == _offered(taken)


def _offered(taken: Sequence[Event]) -> list[Passage]:
    """What the answer could cite in the end: tools may have added to it."""
    found = [event for event in taken if isinstance(event, Found)]
    return list(found[-1].passages) if found else []


def key_of(question: Question) -> str:
    """All that the answer depends on, hashed; "" where it cannot be told."""
    try:
        deployment = chosen(question.deployment)
        scope = Scope(collections=question.collections, documents=question.documents)
        parts = [
            SHAPE,
            keeping.revision(question.user, scope),
            repr(deployment),
            [OPEN_RULES if question.is_open else RULES, TONE],
            {name: str(getattr(settings, name)) for name in SETTINGS},
            " ".join(question.text.split()),
            {one.name: repr(getattr(question, one.name)) for one in fields(question) if one.name not in NOT_IN_KEY},
        ]
    except UNUSABLE:
        return ""  # Whoever answers will say so.
    return f"answer:{hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()}"


def _keep(key: str, question: Question, taken: Sequence[Event]) -> None:
    if key != key_of(question):
        return  # Something changed while it was written.
    done = taken[-1]
    assert isinstance(done, Done)
    body = {
        "at": int(time.time()),
        "pieces": [
            event.text if isinstance(event, Text) else event.number for event in taken if isinstance(event, Text | Cite)
        ],
        "proved": [
            asdict(event) for event in {each.start: each for each in taken if isinstance(each, Proved)}.values()
        ],
        "offered": len(_offered(taken)),
        "queries": [[*event.texts] for event in taken if isinstance(event, Queries)],
        "read_by": [event.by for event in taken if isinstance(event, Queries)],
        "places": keeping.places_of([source.passage for source in done.sources]),
        "marks": [[source.is_cited, [list(mark) for mark in source.marks]] for source in done.sources],
        "notice": done.notice,
        "how": [list(row) for row in done.how],
        "model": done.model,
    }
    keep(key, json.dumps(body).encode(), settings.CACHE_ANSWERS_S)


def _replayed(key: str, question: Question) -> list[Event]:
    """The events as they came; none when nothing is kept, or a source of it is not there for this person."""
    held = kept(key)
    if held is None:
        return []
    body = json.loads(held)
    passages = keeping.fetched(body["places"], question.user)
    if passages is None:
        return []
    pieces = [Text(piece) if isinstance(piece, str) else Cite(piece) for piece in body["pieces"]]
    read = zip(body["queries"], body["read_by"], strict=True)
    queries = [Queries(tuple(texts), ReadBy(by)) for texts, by in read]
    proved = [_proved(row) for row in body["proved"]]
    return [*queries, Found(passages[: body["offered"]]), *pieces, *proved, _done(body, passages, question)]


def _proved(row: dict[str, Any]) -> Proved:
    """As it was told; JSON has lists for its tuples."""
    held = row["proof"]
    proof = held and Proof(
        Verdict(held["verdict"]),
        Reason(held["reason"]) if held["reason"] else None,
        held["said"],
        held["shown"],
        tuple(map(tuple, held["spans"])),
        held["share"],
    )
    lists = {name: tuple(row[name]) for name in ("cited", "cites")}
    return Proved(**{**row, **lists, "proof": proof, "spans": tuple(map(tuple, row["spans"]))})


def _done(body: dict[str, Any], passages: Sequence[Any], question: Question) -> Done:
    age = f"written {_ago(time.time() - body['at'])}"
    marked = zip(passages, body["marks"], strict=True)
    return Done(
        is_refused=False,
        sources=[
            Source(passage, is_cited, [(start, end) for start, end in marks]) for passage, (is_cited, marks) in marked
        ],
        notice=f"Cached: this answer was {age}. {body['notice']}".strip(),
        how=[("Cached", f"{age}; no model was asked now"), *((term, text) for term, text in body["how"])],
        model=body["model"],
        tokens=Tokens(0, 0),
        is_cached=True,
        wording=question.wording or BUILT_IN,
    )


def _ago(seconds: float) -> str:
    """How long ago, in words.

    >>> _ago(20), _ago(61), _ago(7300)
    ('less than a minute ago', '1 minute ago', '2 hours ago')
    """
    for length, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if number := int(seconds // length):
            return f"{number} {name}{'s' * (number > 1)} ago"
    return "less than a minute ago"
