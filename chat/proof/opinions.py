"""What a model is asked about its own answer once it is written: a second opinion, and sentences written again.

Both are off unless a setting asks for them; each is one call for an answer, paid like the answer itself. Where the
model cannot be asked, or says nothing of use, everything stays as the rules found it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from pydantic import BaseModel

from chat.events import Proved, Question
from chat.grounding.citations import MARKER
from chat.prompts import CORRECTING, JUDGING, about_sentences
from chat.tools.researching import asking
from chat.tools.schemas import Arguments
from chat.tools.structured import StructuredError, typed, way_of
from chat.verification import Verdict
from documents.retrieval import Passage
from project import spending
from project.deployments import UNUSABLE, Deployment, chosen
from project.provider import ProviderError
from project.spending import BudgetSpent
from project.tokens import counter

log = logging.getLogger(__name__)

SENTENCES_MOST = 20
OPINION_SECONDS = 30
TOKENS_A_VERDICT = 40
Typed = TypeVar("Typed", bound=BaseModel)


class Judgement(Arguments):
    sentence: int
    verdict: Verdict


class Judgements(Arguments):
    """What the passages make of each sentence."""

    judgements: list[Judgement]


class Rewrite(Arguments):
    sentence: int
    text: str


class Rewrites(Arguments):
    """Each sentence as the passages bear it out, with its source number; empty where they do not."""

    rewrites: list[Rewrite]


async def second_opinion(
    question: Question, doubted: Sequence[Proved], passages: Sequence[Passage]
) -> list[tuple[Proved, Verdict]]:
    """What the model makes of sentences that the rules find supported in part."""
    tokens = 100 + TOKENS_A_VERDICT * min(len(doubted), SENTENCES_MOST)
    said = await _asked(question, JUDGING, doubted, passages, Judgements, tokens)
    numbered = dict(enumerate(doubted, 1))
    judged = {each.sentence: each.verdict for each in said.judgements} if said else {}
    return [(numbered[number], verdict) for number, verdict in judged.items() if number in numbered]


async def written_again(
    question: Question, wrong: Sequence[Proved], passages: Sequence[Passage]
) -> list[tuple[Proved, str, tuple[int, ...]]]:
    """Sentences that no passage bears out, as the model now writes them, with their sources; "" for one it drops."""
    said = await _asked(question, CORRECTING, wrong, passages, Rewrites, settings.CHAT_ANSWER_TOKENS)
    numbered = dict(enumerate(wrong, 1))
    texts = {each.sentence: each.text for each in said.rewrites} if said else {}
    return [(numbered[number], *_parts(text, passages)) for number, text in texts.items() if number in numbered]


def _parts(text: str, passages: Sequence[Passage]) -> tuple[str, tuple[int, ...]]:
    """A sentence on one line without its source numbers, and those of them that were offered."""
    numbers = dict.fromkeys(int(number) for number in MARKER.findall(text))
    words = " ".join(MARKER.sub("", text).split()).replace(" .", ".")
    return words, tuple(number for number in numbers if 1 <= number <= len(passages))


async def _asked(
    question: Question,
    rules: str,
    sentences: Sequence[Proved],
    passages: Sequence[Passage],
    model: type[Typed],
    tokens: int,
) -> Typed | None:
    """One typed answer; None where there is no model, no money or no sense in it."""
    try:
        deployment = await sync_to_async(_affordable)(question)
        if deployment is None:
            return None
        count, window = counter(deployment.base), deployment.base.context_tokens
        room = min(settings.CHAT_CONTEXT_TOKENS, window or settings.CHAT_CONTEXT_TOKENS) - tokens
        numbered = [(number, each.words) for number, each in enumerate(sentences[:SENTENCES_MOST], 1)]
        messages = about_sentences(rules, question.text, numbered, passages, room=room, count=count)
        ask = asking(deployment, replace(question.payer, purpose="check"), tokens)
        async with asyncio.timeout(OPINION_SECONDS):
            return await typed(ask, messages, model, way=way_of(deployment.base))
    except (ProviderError, StructuredError, BudgetSpent, TimeoutError, *UNUSABLE) as exc:
        log.warning("the model was not asked about its sentences: %r", exc)
        return None


def _affordable(question: Question) -> Deployment | None:
    try:
        spending.check(question.payer)
        return chosen(question.deployment)
    finally:
        close_old_connections()
