"""A question becomes a cited answer: `answer()`, one stream of events that browser, API and command line all read.

wording, moderation, answers kept from before -> the question in words that stand alone -> search -> passages into a
prompt that fits -> the model's text, source numbers split off -> each sentence looked for in its passages. A question
the passages do not answer ends as refused, with the nearest of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from chat.cache import cached
from chat.composing import Composed
from chat.conversations.resuming import gone_on
from chat.conversations.scoping import usual_deployment
from chat.events import Done, Event, Failed, Found, Queries, Question, Source, Status
from chat.grounding.citations import split_markers
from chat.grounding.grounding import elsewhere
from chat.grounding.hosted import hosted, not_computed
from chat.grounding.sources import nearest
from chat.llm import Asked, ChatModel, Extractive
from chat.making import Made
from chat.moderation import moderated, watched
from chat.prompts import BUILT_IN, OPEN_RULES, PROGRAMS_TOOLS, RULES, Prompt, build, is_too_long
from chat.proof.proving import proved
from chat.reading import foreign_languages, read
from chat.tools.researching import check_budgets, researcher
from chat.wording import worded
from documents import retrieval
from documents.embeddings import sentence_vectors
from documents.languages import NAMES
from documents.models import Document
from documents.retrieval import Passage, Scope
from documents.search import SearchError
from project.deployments import DeploymentsError, UnknownDeployment, chosen
from project.provider import ProviderError
from project.spending import BudgetSpent

log = logging.getLogger(__name__)

PASSAGES = 8
GOES_ON = frozenset("and or but also then otherwise".split())
POINTS_BACK = frozenset("it its they them their this that these those he she him her his there one ones same".split())
ANSWER_SECONDS = 120
NO_ROOM = "No passage fits beside the question: shorten it, or ask an administrator about LECTERN_CONTEXT_TOKENS."


def chat_model(question: Question) -> ChatModel:
    """The model that is chosen for this question, or none at all. Raises DeploymentsError, UnknownDeployment."""
    is_free = question.find is None and not question.has_tools
    if is_free and (tool_user := researcher(question, answer_tokens(question))):
        return tool_user
    if deployment := chosen(question.deployment):
        return Asked(deployment, question.payer, is_urgent=question.purpose == "answer", wishes=question.generation)
    return Extractive(sentence_vectors())


async def answer(question: Question, model: ChatModel | None = None) -> AsyncGenerator[Event]:
    """Yield what happens, ending with exactly one Done or Failed. Closing the generator stops the model.

    `model` answers in place of the question's deployment.
    """
    question = await sync_to_async(_settled)(question)
    write = partial(proved, write=partial(_answer, model=model))
    async with aclosing(moderated(question, write if model else partial(cached, write=write))) as events:
        async for event in events:
            yield event


def _settled(question: Question) -> Question:
    """The question with what was left open decided: who answers it, and in which wording."""
    return worded(replace(question, deployment=question.deployment or usual_deployment(question.collections)))


async def _answer(question: Question, model: ChatModel | None = None) -> AsyncGenerator[Event]:
    clock = time.monotonic()
    try:
        asked = watched(model or await sync_to_async(chat_model)(question), question)
        warnings = await afford(question, asked)
    except (DeploymentsError, UnknownDeployment) as exc:
        yield Failed(type(exc).__name__, str(exc))
        return
    except BudgetSpent as exc:
        yield _spent(exc)
        return
    # Nobody has said who is to answer, or to search.
    is_free = model is None and question.find is None and question.begun is None
    by_service = None
    if is_free:
        by_service = elsewhere(question, warnings) or await sync_to_async(hosted)(question, warnings)
    async with aclosing(by_service or _from_passages(question, asked, warnings, clock)) as events:
        async for event in events:
            yield event


def _spent(exc: BudgetSpent) -> Failed:
    return Failed("budget_spent", str(exc), exc.retry_after)


async def _from_passages(
    question: Question, model: ChatModel, warnings: Sequence[str], clock: float
) -> AsyncGenerator[Event]:
    """Our own search finds the passages, the model writes from them."""
    queries, searched = Queries((question.text,)), retrieval.Found([], [])
    async with aclosing(_sought(question)) as seeking:
        async for said in seeking:
            if isinstance(said, retrieval.Found):
                searched = said
                continue
            yield said
            if isinstance(said, Failed):
                return
            queries = said if isinstance(said, Queries) else queries
    question = replace(question, looked_for=queries.texts)
    searched_s = time.monotonic() - clock
    prompt = prompt_of(question, searched.passages, model)
    if _has_no_room(question, prompt, searched.passages, model):
        yield Failed("context_length_exceeded", NO_ROOM)
        return
    yield Found(prompt.passages)
    yield Status("answering", f"Read {len(prompt.passages)} passages")
    may_go_on = model.looks_further or question.is_open or question.has_tools
    draft = Composed(prompt.passages, is_refused=not prompt.passages and not may_go_on)
    if not draft.is_refused:
        async with aclosing(_in_time(model, prompt, draft, wants_json=question.wants_json)) as writing:
            async for said in writing:
                yield said
                if isinstance(said, Failed):
                    return
    way = _Way(question, model, prompt, searched, searched_s)
    yield await _done(way, draft, queries.notice, warnings, time.monotonic() - clock)


@dataclass(frozen=True)
class _Way:
    """How an answer was come to, before a word of it was written."""

    question: Question
    model: ChatModel
    prompt: Prompt
    searched: retrieval.Found
    searched_s: float  # from the start until it was found


async def _done(way: _Way, draft: Composed, read_as: str, warnings: Sequence[str], took_s: float) -> Done:
    """The end of it: `read_as` is what there is to say of the question's reading."""
    question, model, searched = way.question, way.model, way.searched
    own = await _why_not(question, model) if draft.is_refused else _notice(model, draft)
    return Done(
        is_refused=draft.is_refused,
        sources=await _sources(way.prompt, draft, searched.passages),
        notice=together(own, read_as, *warnings),
        how=[*_how(way, draft, took_s), *await sync_to_async(not_computed)(question)],
        model=model.name,
        tokens=draft.tokens,
        is_cut=draft.is_cut,
        is_degraded=bool(searched.notices or draft.notices or warnings),
        wording=question.wording or BUILT_IN,
        made=Made(
            search_s=round(way.searched_s, 3),
            answer_s=round(took_s - way.searched_s, 3),
            sent=len(draft.passages),
            asked=model.name != Extractive.name,
            prompt_tokens=way.prompt.tokens,
            input_tokens=draft.tokens.input,
            output_tokens=draft.tokens.output,
            room=window(model),
        ),
    )


async def _sought(question: Question) -> AsyncGenerator[Event | retrieval.Found]:
    """Read the question and search for it; last, what was found. An answer that is gone on with keeps its passages."""
    if question.begun:
        yield retrieval.Found([*question.begun.passages], [])
        return
    queries = Queries((question.text,))
    async with aclosing(read(question)) as reading:
        async for event in reading:
            yield event
            queries = event if isinstance(event, Queries) else queries
    yield Status("searching", "Searching")
    try:
        yield await sync_to_async(_search)(replace(question, looked_for=queries.texts))
    except SearchError as exc:
        yield Failed(type(exc).__name__, str(exc))


def _has_no_room(question: Question, prompt: Prompt, found: Sequence[Passage], model: ChatModel) -> bool:
    """Whether what was found does not fit, or, of a model that may look further, not even the question does."""
    if prompt.passages or found:
        return not prompt.passages
    return model.looks_further and is_too_long(prompt.messages, window(model), answer_tokens(question), model.count)


async def _in_time(
    model: ChatModel, prompt: Prompt, draft: Composed, *, wants_json: bool = False
) -> AsyncGenerator[Event]:
    """What the model writes; Failed, last, where it cannot or takes too long."""
    try:
        writing = _write(model, prompt, draft, wants_json=wants_json)
        async with asyncio.timeout(ANSWER_SECONDS), aclosing(writing) as events:
            async for event in events:
                yield event
    except ProviderError as exc:
        yield Failed(exc.code, str(exc), findings=getattr(exc, "findings", ()))
    except BudgetSpent as exc:  # by the steps before
        yield _spent(exc)
    except TimeoutError:
        yield Failed("timeout", f"The answer took longer than {ANSWER_SECONDS} s. What was written is kept.")


async def _sources(prompt: Prompt, draft: Composed, found: Sequence[Passage]) -> list[Source]:
    """What the answer could cite, then the rest of what was found. Of a refusal, with what came near."""
    passages = [*draft.passages, *(passage for passage in found if passage not in draft.passages)]
    if draft.is_refused:  # Beside the loop: the words are looked for in whole passages, and other answers stream on.
        return await asyncio.to_thread(nearest, prompt.question, passages)
    return [Source(passage) for passage in passages]


def prompt_of(question: Question, passages: Sequence[Passage], model: ChatModel) -> Prompt:
    """What is sent: the very messages, of which the console shows a preview."""
    tool_rules = PROGRAMS_TOOLS if question.has_tools else ""
    return build(
        question.text,
        passages,
        history=question.history,
        summary=question.summary,
        tone=question.wording.text if question.wording else "",
        instructions="\n\n".join(filter(None, [model.rules, tool_rules, question.instructions])),
        rules=OPEN_RULES if question.is_open else RULES,
        budget=window(model),
        answer_tokens=answer_tokens(question),
        count=model.count,
        read_as=question.looked_for[0] if question.looked_for else "",
        begun=question.begun.text if question.begun else "",
        exchange=question.exchange,
    )


def answer_tokens(question: Question) -> int:
    """The most that an answer may have: what the operator allows, or less if that is asked for."""
    return min(settings.CHAT_ANSWER_TOKENS, question.answer_tokens or settings.CHAT_ANSWER_TOKENS)


def window(model: ChatModel) -> int:
    """Tokens that prompt and answer may have together: what the operator allows, and what the model can hold."""
    return min(settings.CHAT_CONTEXT_TOKENS, model.window or settings.CHAT_CONTEXT_TOKENS)


def together(*notices: str) -> str:
    return " ".join(filter(None, notices))


def turns_told(kept: int, left_out: int) -> str:
    """What an answer knew of the conversation before it.

    >>> turns_told(3, 2), turns_told(1, 0), turns_told(0, 1), turns_told(0, 0)
    ('3 turns before; 2 older turns left out', '1 turn before', 'none; 1 older turn left out', '')
    """
    if not kept and not left_out:
        return ""
    told = "1 turn before" if kept == 1 else f"{kept} turns before" if kept else "none"
    if not left_out:
        return told
    return f"{told}; 1 older turn left out" if left_out == 1 else f"{told}; {left_out} older turns left out"


async def afford(question: Question, model: ChatModel) -> list[str]:
    """Sentences about budgets that are nearly spent; none where no model is asked. Raises BudgetSpent."""
    return [] if model.name == Extractive.name else await sync_to_async(check_budgets)(question.payer)


def _search(question: Question) -> retrieval.Found:
    """The passages; the connection goes back at once, for the model may take minutes and connections are few."""
    scope = Scope(collections=question.collections, documents=question.documents)
    try:
        queries = question.looked_for or [question.text]
        if question.find is not None:
            return question.find(queries[0])
        return retrieval.find_all(queries, question.user, scope, top=PASSAGES)
    finally:
        close_old_connections()


async def _write(model: ChatModel, prompt: Prompt, draft: Composed, *, wants_json: bool) -> AsyncGenerator[Event]:
    """The answer's text and numbers. In JSON a [1] may be a list: numbers stay where they are."""
    pieces = gone_on(prompt.begun, model.stream(prompt)) if prompt.begun else model.stream(prompt)
    parts: AsyncGenerator[object] = pieces if wants_json else split_markers(pieces)
    async with aclosing(parts):
        async for piece in parts:
            for event in draft.take(piece):
                yield event
    for event in draft.end():
        yield event


async def _why_not(question: Question, model: ChatModel) -> str:
    """What a refusal says beside the nearest passages: what could not be searched, or not in the right language."""
    foreign = await sync_to_async(_other_languages)(question) if model.name == Extractive.name else ""
    return together(foreign, await _still_coming(question))


def _other_languages(question: Question) -> str:
    """Where no model is asked, nobody translates: said where most of the documents are in another language."""
    try:
        if not (others := foreign_languages(question)):
            return ""
    finally:
        close_old_connections()
    names = " and ".join(NAMES.get(code, code) for code in others)
    return f"Many of the documents searched are in {names}: ask in that language, for no model is set up to translate."


async def _still_coming(question: Question) -> str:
    """A refusal says so when there is more to come than could be searched."""
    reading = await Document.objects.for_user(question.user).under_way().filter(generation=0).acount()
    if not reading:
        return ""
    if reading == 1:
        return "One document is still being read and could not be searched. Ask again when that is done."
    return f"{reading} documents are still being read and could not be searched. Ask again when that is done."


def _notice(model: ChatModel, draft: Composed) -> str:
    if draft.is_cut:
        return "The answer was cut off at its limit of tokens. Ask for a part of it."
    return model.notice


def _how(way: _Way, draft: Composed, took_s: float) -> list[tuple[str, str]]:
    """How this answer was made, in the reader's words."""
    question, model, prompt, searched = way.question, way.model, way.prompt, way.searched
    passages = searched.passages
    by_words = sum(passage.keyword is not None for passage in passages)
    by_meaning = sum(passage.vector is not None for passage in passages)
    found = (
        "Found",
        f"{len(passages)} passages: {by_words} by words, {by_meaning} by meaning, {way.searched_s * 1000:.0f} ms",
    )
    if question.begun:
        found = ("Gone on from", f"{len(question.begun.text.split())} words that were kept, over the same passages")
    rows = [
        *(("Searched for", text) for text in question.looked_for),
        found,
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
    if remembered := turns_told(len(prompt.history), question.older_turns + prompt.turns_left_out):
        rows.append(("Remembered", remembered))
    rows += [("Looked further", said) for said in draft.looked]
    counted = f", {draft.tokens.input:,} + {draft.tokens.output:,} tokens" if draft.tokens.output else ""
    rows.append(("Answered by", f"{model.name}, {took_s:.1f} s{counted}"))
    rows.append(("Worded by", str(question.wording or BUILT_IN)))
    if question.summary:
        rows.append(("Before that", f"summed up for the model: {question.summary}"))
    return [*rows, *(("But", notice) for notice in draft.notices)]
