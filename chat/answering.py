"""A question becomes a cited answer: `answer()`, one stream of events that browser, API and command line all read.

search -> passages into a prompt that fits -> the model's text, source numbers split off -> each cited sentence traced
to its words on the page. A question the passages do not answer ends as refused, with the nearest of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from chat.citations import split_markers
from chat.events import Cite, Done, Event, Failed, Found, Question, Source, Status, Text
from chat.llm import ChatCompletions, ChatModel, Extractive
from chat.prompts import NOT_FOUND, TOOL_RULES, Prompt, build
from chat.researching import Researcher, researcher
from chat.verification import WORD, content_stems, locate, markers_with_sentences
from documents import retrieval
from documents.embeddings import embedder, local_model_name
from documents.models import Document
from documents.retrieval import Passage, Scope
from documents.search import SearchError
from project import provider
from project.models import Usage
from project.provider import Cut, ProviderError, Tokens
from project.tokens import count_tokens

log = logging.getLogger(__name__)

PASSAGES = 8
NEAREST = 3
GOES_ON = frozenset("and or but also then otherwise".split())
POINTS_BACK = frozenset("it its they them their this that these those he she him her his there one ones same".split())
NO_TOKENS = Tokens(0, 0)
NO_MARK = (0, 0)  # Keeps the place of a citation whose words could not be found.
ANSWER_SECONDS = 120
NO_ROOM = "No passage fits beside the question: shorten it, or ask an administrator about LECTERN_CONTEXT_TOKENS."


@dataclass
class _Draft:
    """What has come of an answer so far."""

    passages: Sequence[Passage]  # that it may cite; what tools find is added behind
    pieces: list[str | int] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)  # what was done with tools, in words
    tokens: Tokens = NO_TOKENS
    is_cut: bool = False
    is_refused: bool = False


def chat_model() -> ChatModel:
    """The model of the settings, or none at all."""
    if provider.is_configured():
        return ChatCompletions()
    model = local_model_name()
    return Extractive(embedder(model).embed if model else None)


async def answer(question: Question, tool_user: Researcher | None = None) -> AsyncGenerator[Event]:
    """Yield what happens, ending with exactly one Done or Failed. Closing the generator stops the model.

    `tool_user` answers in place of the question's deployment.
    """
    clock = time.monotonic()
    tool_user = tool_user or await sync_to_async(researcher)(question, settings.CHAT_ANSWER_TOKENS)
    model: ChatModel | Researcher = tool_user or chat_model()
    yield Status("searching", "Searching")
    try:
        searched = await sync_to_async(_search)(question)
    except SearchError as exc:
        yield Failed(type(exc).__name__, str(exc))
        return
    passages, searched_s = searched.passages, time.monotonic() - clock
    prompt = build(
        question.text,
        passages,
        history=question.history,
        instructions="\n\n".join(filter(None, [TOOL_RULES if tool_user else "", question.instructions])),
        budget=settings.CHAT_CONTEXT_TOKENS,
        answer_tokens=settings.CHAT_ANSWER_TOKENS,
        count=count_tokens,
    )
    if passages and not prompt.passages:
        yield Failed("context_length_exceeded", NO_ROOM)
        return
    yield Found(prompt.passages)
    yield Status("answering", f"Read {len(prompt.passages)} passages")
    draft = _Draft(prompt.passages, is_refused=not prompt.passages and not tool_user)
    if not draft.is_refused:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), aclosing(_write(model, prompt, draft)) as events:
                async for event in events:
                    yield event
        except ProviderError as exc:
            yield Failed(type(exc).__name__, str(exc))
            return
        except TimeoutError:
            yield Failed("timeout", f"The answer took longer than {ANSWER_SECONDS} s. What was written is kept.")
            return
        finally:
            if draft.tokens.output:
                await Usage.objects.acreate(
                    user=question.user,
                    deployment=model.name,
                    input_tokens=draft.tokens.input,
                    output_tokens=draft.tokens.output,
                )
    passages = [*draft.passages, *(passage for passage in passages if passage not in draft.passages)]
    sources = _nearest(question.text, passages) if draft.is_refused else _sources(draft.pieces, passages)
    took_s = time.monotonic() - clock
    yield Done(
        is_refused=draft.is_refused,
        sources=sources,
        notice=await _still_coming(question) if draft.is_refused else _notice(model, draft),
        how=_how(question, prompt, searched, model, draft, searched_s, took_s),
        model=model.name,
        tokens=draft.tokens,
        is_cut=draft.is_cut,
    )


def _search(question: Question) -> retrieval.Found:
    """The passages; the connection goes back at once, for the model may take minutes and connections are few."""
    scope = Scope(collections=question.collections, documents=question.documents)
    try:
        return retrieval.find(search_text(question), question.user, scope, top=PASSAGES)
    finally:
        close_old_connections()


def search_text(question: Question) -> str:
    """What is searched for: a question that leans on the one before it is looked for together with it."""
    if question.history and _leans(question.text):
        return f"{question.history[-1].question} {question.text}"
    return question.text


def _leans(text: str) -> bool:
    """Whether a question cannot stand alone: it goes on from another, points back, or names next to nothing.

    >>> [_leans(text) for text in ("And for a shop?", "When is it due?", "Why?", "What does a burst cost to repair?")]
    [True, True, True, False]
    """
    words = [word.casefold() for word in WORD.findall(text)]
    return bool(words) and (
        words[0] in GOES_ON or bool(POINTS_BACK.intersection(words)) or len(set(content_stems(text))) < 2
    )


async def _write(model: ChatModel | Researcher, prompt: Prompt, draft: _Draft) -> AsyncGenerator[Event]:
    """The answer's text and numbers. The word for "not there" is held back: nobody is shown a beginning of it."""
    held: str | None = ""
    parts: AsyncGenerator[object] = split_markers(model.stream(prompt))
    async with aclosing(parts):
        async for piece in parts:
            if isinstance(piece, Tokens):
                draft.tokens = piece
            elif isinstance(piece, Cut):
                draft.is_cut = True
            elif isinstance(piece, Status):
                draft.looked.append(piece.text)
                yield piece
            elif isinstance(piece, Found):
                draft.passages = piece.passages
                yield piece
            elif draft.is_refused:
                continue
            elif isinstance(piece, int):
                if 1 <= piece <= len(draft.passages):  # A number that was never offered is dropped.
                    draft.pieces.append(piece)
                    yield Cite(piece)
            elif isinstance(piece, str):
                if held is not None:
                    held += piece
                    if held.strip().startswith(NOT_FOUND):
                        draft.is_refused = True
                        continue
                    if NOT_FOUND.startswith(held.strip()):
                        continue
                    piece, held = held, None
                draft.pieces.append(piece)
                yield Text(piece)
    if held and not draft.is_refused:
        draft.pieces.append(held)
        yield Text(held)
    draft.is_refused = draft.is_refused or not "".join(part for part in draft.pieces if isinstance(part, str)).strip()


def _sources(pieces: list[str | int], passages: Sequence[Passage]) -> list[Source]:
    """Every passage, with the words that each sentence citing it rests on."""
    marks: dict[int, list[tuple[int, int]]] = {}
    for number, sentence in markers_with_sentences(pieces):
        passage = passages[number - 1]
        if passage.marks:  # The cells a number was computed from are known.
            marks[number] = list(passage.marks)
            continue
        span = locate(sentence, passage.text)
        mark = (passage.start + span[0], passage.start + span[1]) if span else NO_MARK
        marks.setdefault(number, []).append(mark)
    return [Source(passage, number in marks, marks.get(number, ())) for number, passage in enumerate(passages, 1)]


def _nearest(question: str, passages: Sequence[Passage]) -> list[Source]:
    """For a refusal: the passages that came nearest, with the words that made them come near."""
    sources = [Source(passage) for passage in passages]
    for place, source in enumerate(sources[:NEAREST]):
        if span := locate(question, source.passage.text):
            start = source.passage.start
            sources[place] = replace(source, marks=[(start + span[0], start + span[1])])
    return sources


async def _still_coming(question: Question) -> str:
    """A refusal says so when there is more to come than could be searched."""
    reading = await Document.objects.for_user(question.user).under_way().filter(generation=0).acount()
    if not reading:
        return ""
    many = f"{reading} documents are" if reading > 1 else "One document is"
    return f"{many} still being read and could not be searched. Ask again when that is done."


def _notice(model: ChatModel | Researcher, draft: _Draft) -> str:
    if draft.is_cut:
        return "The answer was cut off at its limit of tokens. Ask for a part of it."
    if not any(isinstance(piece, int) for piece in draft.pieces):
        return "No sentence of this answer names its source. Check it before you rely on it."
    return model.notice


def _how(
    question: Question,
    prompt: Prompt,
    searched: retrieval.Found,
    model: ChatModel | Researcher,
    draft: _Draft,
    searched_s: float,
    took_s: float,
) -> list[tuple[str, str]]:
    """How this answer was made, in the reader's words."""
    passages = searched.passages
    by_words = sum(passage.keyword is not None for passage in passages)
    by_meaning = sum(passage.vector is not None for passage in passages)
    rows = [
        ("Searched for", search_text(question)),
        (
            "Found",
            f"{len(passages)} passages: {by_words} by words, {by_meaning} by meaning, {searched_s * 1000:.0f} ms",
        ),
        *(("But", notice) for notice in searched.notices),
    ]
    if model.name == Extractive.name:
        rows.append(("Sent", "Nothing. No model was asked."))
        rows.append(("Answered by", f"the documents' own sentences, {took_s:.1f} s"))
        return rows
    if not prompt.passages and not draft.tokens.output:
        return [*rows, ("Sent", "Nothing. No model was asked.")]
    left_out = f"; {prompt.left_out} left out for room" if prompt.left_out else ""
    rows.append(("Sent", f"{len(prompt.passages)} passages, about {prompt.tokens:,} tokens{left_out}"))
    rows += [("Looked further", said) for said in draft.looked]
    counted = f", {draft.tokens.input:,} + {draft.tokens.output:,} tokens" if draft.tokens.output else ""
    rows.append(("Answered by", f"{model.name}, {took_s:.1f} s{counted}"))
    return rows
