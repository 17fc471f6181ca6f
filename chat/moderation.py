"""Stop what may not be asked or answered: by OpenAI's moderations, by what Azure's filter reports, or by a word list.

Which of them is a deployment's own setting, off by default. The question is checked before anything is searched. The
answer is checked while it streams where that is done on this machine (words) or comes with it (filter), and by OpenAI
when it is written: what was shown of it is then taken back. Nobody's question is searched for attacks on the prompt:
such lists stop harmless questions, and an asker reaches nothing but what they may read anyway.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from chat.events import Cite, Done, Event, Failed, Found, Proved, Question, Status, Text
from chat.llm import ChatModel
from chat.models import ModerationEvent
from chat.prompts import Prompt
from project.cache import keep, kept
from project.deployments import UNUSABLE, Deployment, chosen
from project.provider import Piece, ProviderError, ProviderRefused
from project.provider.moderation import scores
from project.provider.pieces import Filtered, Finding, bearable

SEVERITIES = ("safe", "low", "medium", "high")
VERDICT_KEPT_S = 600
Where = Literal["question", "answer"]
Write = Callable[[Question], AsyncGenerator[Event]]
Said = TypeVar("Said")  # A piece, or what a model tells beside them.


class Blocked(Exception):
    """Moderation stopped something; str(exc) is for the asker. It passes whoever answers: `moderated` tells of it."""

    @property
    def code(self) -> str:
        return type(self).__name__


class QuestionBlocked(Blocked):
    """Moderation stopped the question."""


class AnswerBlocked(Blocked):
    """Moderation stopped the answer."""


@dataclass(frozen=True)
class Breach:
    """What a text was stopped for."""

    category: str
    severity: str = ""  # low, medium, high; "": no degrees are told
    score: float | None = None

    def __str__(self) -> str:
        return f"{self.category}, severity {self.severity}" if self.severity else self.category


async def moderated(question: Question, write: Write) -> AsyncGenerator[Event]:
    """The events of `write(question)`, unless the question is stopped. A stopped answer is taken back."""
    try:
        await check_question(question)
        way, deployment = await sync_to_async(_way)(question.deployment)
        looked_at = _Reading(_Check(question, way, deployment, "answer"))
        async with aclosing(write(question)) as events:
            async for event in events:
                for passed in await looked_at.take(event):
                    yield passed
    except QuestionBlocked as exc:
        yield Failed(exc.code, str(exc))
    except AnswerBlocked as exc:
        yield Failed(exc.code, str(exc), withdraws=True)


async def check_question(question: Question) -> None:
    """Raises QuestionBlocked with a sentence for the asker."""
    way, deployment = await sync_to_async(_way)(question.deployment)
    if way in {"openai", "words"}:
        await _Check(question, way, deployment, "question").text("\n".join([question.text, *question.looked_for]))


def watched(model: ChatModel, question: Question) -> ChatModel:
    """The model, with an eye on what the service's own filter reports of it."""
    check = _check_of(question)
    return _Watched(model, check) if check.way == "filter" else model


def heeded(pieces: AsyncGenerator[Said], question: Question) -> AsyncGenerator[Said]:
    """The same for the pieces of a call that no model of ours makes."""
    check = _check_of(question)
    return _heeded(pieces, check) if check.way == "filter" else pieces


def _check_of(question: Question) -> _Check:
    way, deployment = _way(question.deployment)
    return _Check(question, way, deployment, "answer")


def _way(name: str) -> tuple[str, Deployment | None]:
    """How texts for a deployment are checked. Without a model a list of words is all there can be."""
    try:
        deployment = chosen(name)
    except UNUSABLE:
        return "off", None  # Nothing is asked: whoever answers says why.
    if deployment is None:
        return ("words" if settings.MODERATION == "words" else "off"), None
    return deployment.moderation, deployment


@dataclass(frozen=True)
class _Check:
    question: Question
    way: str
    deployment: Deployment | None
    where: Where

    async def text(self, text: str) -> None:
        """Raises QuestionBlocked or AnswerBlocked; also when nobody could look and the setting says to stop then."""
        try:
            breach = await self._breach(text)
        except ProviderError as exc:
            await self._unchecked(exc, text)
            return
        if breach:
            await self.stop(breach, text)

    async def _breach(self, text: str) -> Breach | None:
        if self.way == "words":
            return _listed(text)
        assert self.deployment is not None
        return await _judged(self.deployment, text)

    async def findings(self, findings: Sequence[Finding], text: str) -> None:
        if breach := next(filter(None, map(_filtered, findings)), None):
            await self.stop(breach, text)

    async def stop(self, breach: Breach, text: str) -> None:
        await self.note(ModerationEvent.Outcome.STOPPED, text, breach)
        if self.where == "question":
            raise QuestionBlocked(f"Moderation stopped this question: {breach}. Put it in other words.")
        raise AnswerBlocked(f"Moderation stopped the answer: {breach}. Put the question in other words.")

    async def _unchecked(self, exc: ProviderError, text: str) -> None:
        if settings.MODERATION_FAILURE == "open":
            await self.note(ModerationEvent.Outcome.UNCHECKED_PASSED, text)
            return
        await self.note(ModerationEvent.Outcome.UNCHECKED_STOPPED, text)
        sentence = f"The {self.where} could not be checked, and unchecked ones are stopped. {exc} Try again later."
        raise (QuestionBlocked if self.where == "question" else AnswerBlocked)(sentence) from exc

    async def note(self, outcome: str, text: str, breach: Breach | None = None) -> None:
        await sync_to_async(self._note)(outcome, text, breach)

    def _note(self, outcome: str, text: str, breach: Breach | None) -> None:
        try:
            ModerationEvent.objects.create(
                where=self.where,
                outcome=outcome,
                checked_by=self.way,
                deployment=self.deployment.name if self.deployment else "",
                user_id=self.question.user.pk,
                text=bearable(text) if settings.MODERATION_KEEP_TEXT else "",
                **asdict(breach or Breach("")),
            )
        finally:
            close_old_connections()


class _Reading:
    """Reads an answer along as it comes. What could still become a phrase of the word list is held back."""

    def __init__(self, check: _Check) -> None:
        self.check, self.text, self.shown = check, "", 0
        self.longest = _phrases(settings.MODERATION_WORDS).longest if check.way == "words" else 0

    async def take(self, event: Event) -> list[Event]:
        """What may be shown by now. Raises AnswerBlocked."""
        if isinstance(event, Text):
            self.text += event.text
            if not self.longest:
                return [event]
            await self._look(is_whole=False)
            return self._upto(len(self.text) - self.longest)
        if isinstance(event, Proved) and event.instead and self.check.way in {"openai", "words"}:
            await self.check.text(event.instead)  # A sentence that was written again.
        if isinstance(event, Failed) and event.code == "content_filter" and self.check.way == "filter":
            await self.check.note(ModerationEvent.Outcome.STOPPED, self.text, Breach("content filter"))
        if not isinstance(event, Cite | Done):
            return [event]
        if self.longest:
            await self._look(is_whole=True)
        if isinstance(event, Done) and self.check.way == "openai" and self.text:
            await self.check.text(self.text)
        return [*self._upto(len(self.text) if self.longest else 0), event]

    async def _look(self, *, is_whole: bool) -> None:
        """Stop at a phrase that is whole: one at the very end may go on as another word."""
        if breach := _listed(self.text, from_letter=self.shown, is_whole=is_whole):
            await self.check.stop(breach, self.text)

    def _upto(self, letter: int) -> list[Event]:
        if letter <= self.shown:
            return []
        piece, self.shown = self.text[self.shown : letter], letter
        return [Text(piece)]


class _Watched:
    """A model whose answer is stopped where the service's filter found more in it than the limits allow."""

    def __init__(self, model: ChatModel, check: _Check) -> None:
        self.model, self.check = model, check
        self.name, self.notice, self.rules = model.name, model.notice, model.rules
        self.window, self.looks_further, self.count = model.window, model.looks_further, model.count

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece | Status | Found]:
        return _heeded(self.model.stream(prompt), self.check)


async def _heeded(said: AsyncGenerator[Said], check: _Check) -> AsyncGenerator[Said]:
    text = ""
    try:
        async with aclosing(said) as pieces:
            async for piece in pieces:
                if isinstance(piece, Filtered):
                    await replace(check, where=piece.where).findings(piece.findings, text or check.question.text)
                text += piece if isinstance(piece, str) else ""
                yield piece
    except ProviderRefused as exc:
        stopped = replace(check, where="answer" if text else "question")
        await stopped.findings([replace(each, is_filtered=True) for each in exc.findings[:1]], text)
        raise


# By a service --------------------------------------------------------------------------------------------------------
async def _judged(deployment: Deployment, text: str) -> Breach | None:
    """By OpenAI's moderations. What it said of a text is known for a while: a question is checked in two places."""
    told = [deployment.connection.endpoint, sorted(settings.MODERATION_LIMITS.items()), text]
    key = f"moderation:{hashlib.sha256(json.dumps(told).encode('utf-8', 'replace')).hexdigest()}"
    if held := await sync_to_async(kept)(key):
        return Breach(**found) if (found := json.loads(held)) else None
    breach = None
    for each in await scores(deployment.connection, text):
        limit = settings.MODERATION_LIMITS.get(each.category)
        if each.score >= limit if isinstance(limit, float) else each.is_flagged:
            breach = Breach(each.category, _severity(each.score), each.score)
            break
    await sync_to_async(keep)(key, json.dumps(asdict(breach) if breach else None).encode(), VERDICT_KEPT_S)
    return breach


def _severity(score: float) -> str:
    """In the words Azure uses, so that a report speaks one language.

    >>> _severity(0.3), _severity(0.5), _severity(0.9)
    ('low', 'medium', 'high')
    """
    return "high" if score >= 0.8 else "medium" if score >= 0.5 else "low"


def _filtered(finding: Finding) -> Breach | None:
    """By what the filter reports: what it stopped itself, or what reaches our own, stricter limit.

    What knows no degrees, such as an attack on the prompt, reaches any limit as soon as it is reported.
    """
    limit = settings.MODERATION_LIMITS.get(finding.category)
    is_over = limit in SEVERITIES and finding.severity in ("", *SEVERITIES[SEVERITIES.index(limit) :])
    return Breach(finding.category, finding.severity) if finding.is_filtered or is_over else None


# By a list of words --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Phrases:
    pattern: re.Pattern[str] | None
    categories: dict[str, str]
    longest: int


def _listed(text: str, *, from_letter: int = 0, is_whole: bool = True) -> Breach | None:
    phrases = _phrases(settings.MODERATION_WORDS)
    if phrases.pattern is None:
        return None
    found = phrases.pattern.search(text, from_letter)
    if found is None or (not is_whole and found.end() == len(text)):
        return None
    return Breach(phrases.categories[_plain(found[0])])


@lru_cache(maxsize=4)
def _phrases(path: str) -> _Phrases:
    """The list: a phrase a line, or `category: phrase`; whole words, in any case. It is read once."""
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()] if path else []
    categories = {}
    for line in lines:
        category, colon, phrase = line.partition(":")
        if line and not line.startswith("#"):
            categories[_plain(phrase if colon else line)] = category.strip() if colon else "word list"
    categories.pop("", None)
    if not categories:
        return _Phrases(None, {}, 0)
    longest_first = sorted(categories, key=len, reverse=True)
    written = "|".join(r"\s{1,3}".join(map(re.escape, phrase.split())) for phrase in longest_first)
    pattern = re.compile(rf"(?<!\w)(?:{written})(?!\w)", re.I)
    return _Phrases(pattern, categories, max(len(phrase) + 2 * phrase.count(" ") for phrase in categories) + 1)


def _plain(phrase: str) -> str:
    return " ".join(phrase.lower().split())
