"""What is asked, and what happens until it is answered: the events that browser, API and command line read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from chat.making import Made
from chat.prompts import BUILT_IN, Turn, Wording
from chat.verification import Proof
from documents import retrieval
from documents.retrieval import Passage
from project.parameters import Message
from project.provider import Finding, Logprobs, Tokens, ToolCall
from project.spending import Payer


@dataclass(frozen=True)
class Begun:
    """An answer that broke off: its words, and the passages that its source numbers count."""

    text: str
    passages: Sequence[Passage]


@dataclass(frozen=True)
class Question:
    """What is asked, by whom, and where it may be looked for; permission is decided by `user` alone."""

    text: str
    user: User
    collections: Collection[UUID] | None = None  # None: all that the user may read
    documents: Collection[UUID] | None = None
    history: Sequence[Turn] = ()
    older_turns: int = 0  # said before the history, and not part of it
    exchange: Sequence[Message] = ()  # said after the question: the program's own tools, and what these gave back
    instructions: str = ""  # of the program that asks; they come after our own rules
    deployment: str = ""  # "" is the default one
    grounding: str = ""  # "hybrid": our own search, whatever the deployment says
    purpose: str = "answer"
    api_key_id: int | None = None
    wording: Wording | None = None  # None: the one that is active
    summary: str = ""  # of what was said before `history`
    is_fresh: bool = False  # Asked again: an answer that is kept will not do.
    find: Callable[[str], retrieval.Found] | None = None  # looks up these words in place of our own search
    is_open: bool = False  # What the passages do not say may be answered from what the model knows.
    answer_tokens: int = 0  # the most for the answer, if that is fewer than settings allow; 0: as they say
    generation: Mapping[str, Any] = field(default_factory=dict)  # further wishes, by the names of Wanted
    looked_for: Sequence[str] = ()  # in its place, where a person wrote that, or once it has been read
    begun: Begun | None = None  # Its answer is there up to here, and is to be gone on with.

    @property
    def has_tools(self) -> bool:
        """Whether the program that asks has tools of its own, whose results nobody here can look up."""
        return bool(self.exchange) or "tools" in self.generation

    @property
    def wants_json(self) -> bool:
        """Whether the answer is for a program to read, and no text."""
        return "response_format" in self.generation

    @property
    def payer(self) -> Payer:
        """Whose budgets this counts against."""
        only = next(iter(self.collections)) if self.collections is not None and len(self.collections) == 1 else None
        return Payer(self.purpose, self.user.pk, self.api_key_id, only)


@dataclass(frozen=True)
class Status:
    """A stage has begun, in words."""

    stage: str
    text: str


class ReadBy(StrEnum):
    """Who put a question into the words that were searched for."""

    NOBODY = ""  # It stands as it was asked.
    RULES = "rules"
    MODEL = "model"
    PERSON = "person"


@dataclass(frozen=True)
class Queries:
    """What is looked for in a question's place: first in the question's own language, then in the documents'."""

    texts: tuple[str, ...]
    by: ReadBy = ReadBy.NOBODY
    notice: str = ""  # a quiet word on what did not go as it should


@dataclass(frozen=True)
class Found:
    """The passages the answer may cite; their numbers are their places, from 1."""

    passages: Sequence[Passage]


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Cite:
    number: int


@dataclass(frozen=True)
class Source:
    """A passage with the words the answer rests on, as offsets into its page's text, one span for each citation."""

    passage: Passage
    is_cited: bool = False
    marks: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class Proved:
    """A sentence of the answer was looked for in its passages. Told again, it takes the place of what was told before.

    Places are offsets into the answer's text without its source numbers. `spans` are passage and place on its page of
    the words that it rests on, or is near to.
    """

    start: int
    end: int
    until: int  # Source numbers up to here are this sentence's.
    proof: Proof | None  # None: it states nothing, or nothing that could be looked for
    cited: tuple[int, ...] = ()  # as the model wrote
    cites: tuple[int, ...] = ()  # as it should be: what carries it, where the model named something else or nothing
    spans: tuple[tuple[int, int, int], ...] = ()
    words: str = ""  # without Markdown
    instead: str | None = None  # What stands in its place now; "" where it was left out.
    by_model: bool = False  # The verdict is a model's second opinion.
    is_pending: bool = False  # It may yet be written again.

    @property
    def is_corrected(self) -> bool:
        """Whether a source number was put in the place of another."""
        return bool(self.cited) and self.cited != self.cites


@dataclass(frozen=True)
class Ran:
    """Code that was run at the service for this answer, and what it printed; both are the model's words."""

    code: str
    output: str


@dataclass(frozen=True)
class Done:
    """The end: answered, or refused because the documents do not say."""

    is_refused: bool
    sources: Sequence[Source]
    notice: str
    how: list[tuple[str, str]]
    model: str
    tokens: Tokens
    is_cut: bool = False
    is_cached: bool = False  # Nothing was asked: it was kept from before.
    is_degraded: bool = False  # Something was out of order: the same question may be answered better in a minute.
    wording: Wording = BUILT_IN
    made: Made | None = None  # None: it was not made here.


@dataclass(frozen=True)
class Failed:
    """The end, too early; the sentence is for a person."""

    code: str
    sentence: str
    retry_after: int | None = None  # seconds, where it is known when it may work again
    withdraws: bool = False  # What was written may not be shown any more.
    findings: Sequence[Finding] = ()  # of the content filter that stopped it


Event = Status | Queries | Found | Text | Cite | ToolCall | Logprobs | Proved | Ran | Done | Failed
