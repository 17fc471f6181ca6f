"""What is looked for in a question's place: a follow-up in words that stand alone, and in the documents' languages.

The conversation's model is asked once, in few tokens and seconds, where there is something to read out of what was
said before or documents in another language. Where it is not there, is late or writes nonsense, the rules of
`chat.rewriting` do what they can; no answer fails for this.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from chat.events import Queries, Question, ReadBy, Status
from chat.prompts import Turn, rewriting_messages
from chat.rewriting import resolved
from documents.languages import language_of
from documents.retrieval import Scope, languages_held
from project import spending
from project.deployments import UNUSABLE, Deployment, chosen
from project.parameters import Wanted
from project.provider import Call, ProviderError, stream
from project.provider.pieces import bearable
from project.spending import BudgetSpent

log = logging.getLogger(__name__)

PURPOSE = "rewrite"
TOKENS = 300  # of what it writes; a model that thinks is told to do so little
SECONDS = 8.0
LETTERS = 6_000  # of what was said before
QUERY_LETTERS = 400
LANGUAGES_MOST = 2  # that are searched beside the question's own
SHARE = 0.1  # of the documents: a language of fewer is not searched by itself
BY_RULES = "The question was read by rules: the model did not put it into words in time."
LINE = re.compile(r"^([a-z]{2}) *[:：] *(.+)$", re.I)


@dataclass(frozen=True)
class _Plan:
    """How a question is read."""

    deployment: Deployment | None  # that is asked; None: the rules
    languages: Sequence[str] = ()  # of documents, that are not the question's


async def read(question: Question) -> AsyncGenerator[Status | Queries]:
    """Yield a stage where a model is asked, and last the queries."""
    plan = await sync_to_async(_planned)(question)
    if plan.deployment is None:
        yield by_rules(question)
        return
    yield Status("reading", "Reading your question")
    yield await _by_model(question, plan.deployment, plan.languages)


def by_rules(question: Question, notice: str = "") -> Queries:
    """The question as a person put it, or as the rules make it stand alone."""
    if question.looked_for:
        return Queries(tuple(question.looked_for), ReadBy.PERSON, notice)
    text = resolved(question.text, question.history)
    is_same = _plain(text) == _plain(question.text)
    return Queries((question.text,), notice=notice) if is_same else Queries((text,), ReadBy.RULES, notice)


def _planned(question: Question) -> _Plan:
    try:
        deployment = chosen(question.deployment) if settings.REWRITE == "model" else None
        if deployment is None:
            return _Plan(None)
        languages = [] if question.find is not None else foreign_languages(question)
        has_before = bool(question.history or question.summary) and not question.looked_for
        return _Plan(deployment if has_before or languages else None, languages)
    except UNUSABLE:
        return _Plan(None)  # Whoever answers says why.
    finally:
        close_old_connections()


def foreign_languages(question: Question) -> list[str]:
    """The languages of the documents in question that are not its own, the commonest first.

    A question too short to tell its language is taken for one in a language of the documents.
    """
    scope = Scope(collections=question.collections, documents=question.documents)
    held = languages_held(question.user, scope)
    own = language_of(_longest(question))
    if not own or not held:
        return []
    least = SHARE * sum(held.values())
    return [code for code, number in held.items() if code != own and number >= least][:LANGUAGES_MOST]


def _longest(question: Question) -> str:
    """Words enough to tell the asker's language by: the questions before belong to it."""
    return " ".join([*(turn.question for turn in question.history[-2:]), *(question.looked_for or [question.text])])


async def _by_model(question: Question, deployment: Deployment, languages: Sequence[str]) -> Queries:
    """One small call. Whatever goes wrong with it, the rules are as good as they are."""
    text = question.looked_for[0] if question.looked_for else question.text
    history: Sequence[Turn] = () if question.looked_for else question.history
    summary = "" if question.looked_for else question.summary
    messages = rewriting_messages(text, history, summary=summary, languages=languages, room=LETTERS)
    try:
        written = await asked(deployment, messages, question, PURPOSE, TOKENS, SECONDS)
    except BudgetSpent:
        return by_rules(question)  # Whoever answers says so.
    except (ProviderError, TimeoutError) as exc:
        log.warning("the question was read by rules: %r", exc)
        return by_rules(question, BY_RULES)
    alone, translated = parsed(written, languages)
    if not alone:
        return by_rules(question, BY_RULES)
    if question.looked_for:
        return Queries((text, *translated), ReadBy.PERSON)
    is_same = _plain(alone) == _plain(text)
    return Queries((text if is_same else alone, *translated), ReadBy.NOBODY if is_same else ReadBy.MODEL)


async def asked(
    deployment: Deployment,
    messages: list[dict[str, str]],
    question: Question,
    purpose: str,
    tokens: int,
    seconds: float,
) -> str:
    """What a model writes in a small call beside the answer. Raises BudgetSpent, ProviderError, TimeoutError."""
    payer = replace(question.payer, purpose=purpose)
    await sync_to_async(_afford)(payer)
    efforts = deployment.base.reasoning_efforts
    wanted = Wanted(
        messages,
        max_output_tokens=tokens,
        stream=deployment.base.streaming is not False,
        reasoning_effort=efforts[0] if efforts else None,
    )
    call = Call(deployment, wanted, payer, patience_s=seconds, is_urgent=question.purpose == "answer")
    written = ""
    async with asyncio.timeout(seconds), aclosing(stream(call)) as pieces:
        async for piece in pieces:
            written += piece if isinstance(piece, str) else ""
    return bearable(written)


def _afford(payer: spending.Payer) -> None:
    try:
        spending.check(payer)
    finally:
        close_old_connections()


def parsed(written: str, languages: Sequence[str]) -> tuple[str, list[str]]:
    """The query, and those in other languages; "" for what is no query.

    >>> parsed("When is the rent due?\\nde: Wann ist die Miete fällig?\\nfr: Quand?", ["de"])
    ('When is the rent due?', ['Wann ist die Miete fällig?'])
    >>> parsed("  ", []), parsed("word " * 200, [])
    (('', []), ('', []))
    """
    lines = [line.strip(' -*•\t"“”„«»') for line in written.splitlines() if line.strip()]
    if not lines or len(lines[0]) > QUERY_LETTERS or (languages and LINE.match(lines[0])):
        return "", []
    told = {match[1].lower(): match[2].strip(' "“”„«»') for line in lines[1:] if (match := LINE.match(line))}
    return lines[0], [told[code] for code in languages if 0 < len(told.get(code, "")) <= QUERY_LETTERS]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(" ?.!")
