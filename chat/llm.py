"""Who writes the answer: a chat model, or nobody at all, with the best sentences taken from the documents."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol
from uuid import UUID

import numpy as np

from chat.events import Found, Status
from chat.prompts import NOT_FOUND, Prompt
from chat.sentences import Kind, Statement, statements
from chat.verification import STOPWORDS, content_stems, stem
from documents.retrieval import Passage
from documents.search.words import spelled
from project import provider
from project.deployments import Deployment
from project.parameters import Wanted
from project.provider import Call, Piece
from project.spending import Payer
from project.tokens import count_tokens, counter

NUMBER = re.compile(
    r"\d[\d.,]*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|"
    r"thousand|million|billion|half|third|quarter|first|second|once|twice)\b",
    re.I,
)
ASKS_FOR_A_NUMBER = re.compile(
    r"\b(?:when|percentage|how (?:big|deep|far|fast|high|large|long|many|much|often|old|quickly|soon|tall|wide)|"
    r"(?:what|which) (?:century|date|day|month|number|per ?cent|price|share|time|year))\b",
    re.I,
)
LEANING = re.compile(r"(?:He|Her|His|It|Its|She|Such|Their|These|They|This|Those)\b")
BORROWED_MARKER = re.compile(r"\s*\[\d{1,3}\]")
DEBRIS = re.compile(r"\b_?[0-9a-f]{8}-[0-9a-f]{4}-|PLACEHOLDER|\S{60,}")  # What machines leave in a text layer.
Embed = Callable[[Sequence[str]], np.ndarray]


class ChatModel(Protocol):
    """Who answers. `stream` is all of it; the rest is what a prompt, and a person, must know of it beforehand."""

    name: str
    notice: str  # What a person must know about answers of this kind; "" when there is nothing to say.
    rules: str  # What it is told beside the rules that hold for all.
    window: int | None  # Tokens it can hold, prompt and answer together; None: any number.
    looks_further: bool  # Whether it may find something where no passage was found.

    @property
    def count(self) -> Callable[[str], int]:
        """How it counts tokens."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece | Status | Found]:
        """Yield the answer's text in pieces with its source numbers as [1]; NOT_FOUND alone when there is none."""


class Asked:
    """A model that is asked, over whichever API its deployment speaks."""

    notice = rules = ""
    looks_further = False

    def __init__(
        self, deployment: Deployment, payer: Payer, *, is_urgent: bool = True, wishes: Mapping[str, Any] | None = None
    ) -> None:
        self.name, self.window = deployment.name, deployment.base.context_tokens
        self.count = counter(deployment.base)
        self.deployment, self.payer, self.is_urgent, self.wishes = deployment, payer, is_urgent, wishes or {}

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        wanted = Wanted(
            prompt.messages,
            max_output_tokens=prompt.max_tokens,
            stream=self.deployment.base.streaming is not False,
            **self.wishes,
        )
        call = Call(self.deployment, wanted, self.payer, is_urgent=self.is_urgent)
        async with aclosing(provider.stream(call)) as pieces:
            async for piece in pieces:
                yield piece


@dataclass(frozen=True)
class Candidate:
    number: int  # of its passage, from 1
    statement: Statement
    terms: frozenset[str]
    leans_on: frozenset[str] = frozenset()  # terms of the sentence before one that begins with "It" or "They"

    @property
    def text(self) -> str:
        return f"{self.statement.lead} {self.statement.text}".strip()


class Extractive:
    """No model: the sentences of the passages that answer best, word for word."""

    name = "extractive"
    rules, looks_further = "", False
    window: int | None = None
    count = staticmethod(count_tokens)
    notice = "These are sentences of your documents, word for word. No language model is set up."
    sentences_most = 3
    letters_most = 700
    # What each of these was measured on, and what came of it, is told in docs/answering.md.
    embedded_most = 24  # candidates, chosen by their words: embedding takes most of the time
    least_trust = 0.58  # below it the question is refused
    near_best = 0.86  # of the best score, for a sentence to be shown beside the best

    def __init__(self, embed: Embed | None) -> None:
        self.embed = embed

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        chosen = await asyncio.to_thread(self.choose, prompt.question, prompt.passages)
        yield "\n\n".join(_blocks(chosen)) or NOT_FOUND

    def choose(self, question: str, passages: Sequence[Passage]) -> list[Candidate]:
        """The best sentences, in the order to read them; none when nothing comes near enough to the question."""
        asked = _terms(question)
        candidates = _candidates(passages, self.letters_most)
        if not candidates or not asked:
            return []
        rarity = _rarity(asked, candidates)
        wholes = [_terms(_whole(passage)) for passage in passages]
        held = [_share(asked, whole, rarity) for whole in wholes]
        named = _shares_named(question, passages, wholes)
        said = [_share(asked, each.terms | each.leans_on, rarity) for each in candidates]
        by_words = sorted(range(len(candidates)), key=lambda at: -(said[at] + 0.3 * held[candidates[at].number - 1]))[
            : self.embedded_most
        ]
        near = self._nearness(question, candidates, by_words, said)
        scores, trust = {}, {}
        for at in by_words:
            place = candidates[at].number - 1
            trust[at] = 0.5 * near[at] + 0.15 * said[at] + 0.15 * held[place] + 0.2 * named[place]
            scores[at] = (
                0.35 * near[at]
                + 0.4 * said[at]
                + 0.2 * named[place]
                + 0.2 * passages[place].score
                + 0.1 * _gives_a_number(question, candidates[at])
                - 0.1 * (not candidates[at].statement.is_whole)
            )
        order = sorted(by_words, key=lambda at: (-scores[at], at))
        best = order[0]
        if trust[best] < self.least_trust:
            return []
        good = [at for at in order if scores[at] >= self.near_best * scores[best]]
        return _readable(candidates, good, self.sentences_most)

    def _nearness(
        self, question: str, candidates: list[Candidate], places: list[int], said: list[float]
    ) -> dict[int, float]:
        """How near the sentences at these places are to the question; by their words where there is no model."""
        if self.embed is None:
            return {at: said[at] for at in places}
        vectors = self.embed([question, *(candidates[at].text for at in places)])
        return dict(zip(places, (vectors[1:] @ vectors[0]).tolist(), strict=True))


def _terms(text: str) -> frozenset[str]:
    return frozenset(content_stems(spelled(text)))


def _whole(passage: Passage) -> str:
    return "\n".join((passage.document_title, passage.section, passage.header, passage.text))


def _statements(passage: Passage) -> list[Statement]:
    """What can be quoted from a passage. The rows it begins with are led by the header that stands further up.

    Of a header of several rows it is the last, which has a name for each column.
    """
    if not passage.header.strip():
        return statements(passage.text, is_beginning=passage.start == 0)
    above = f"{passage.header.rstrip().splitlines()[-1]}\n\n"
    found = statements(above + passage.text)
    return [replace(each, start=each.start - len(above)) for each in found if each.start >= len(above)]


def _candidates(passages: Sequence[Passage], letters_most: int) -> list[Candidate]:
    """What can be quoted from the passages, in their order; where two overlap, once."""
    found: list[Candidate] = []
    seen = set()
    for number, passage in enumerate(passages, 1):
        before: frozenset[str] = frozenset()
        for statement in _statements(passage):
            terms = _terms(f"{statement.lead} {statement.text}")
            whose = passage.document_id or number  # What is not ours has no page: nothing is known to overlap.
            place = whose, passage.page_number, passage.start + statement.start, statement.kind
            is_short = len(statement.lead + statement.text) <= letters_most
            if place not in seen and len(terms) >= 2 and is_short and not DEBRIS.search(statement.text):
                seen.add(place)
                leans_on = before if LEANING.match(statement.text) else frozenset()
                found.append(Candidate(number, statement, terms, leans_on))
            before = terms
    return found


def _rarity(asked: frozenset[str], candidates: list[Candidate]) -> dict[str, float]:
    seen = Counter(word for candidate in candidates for word in candidate.terms & asked)
    return {word: math.log(1 + len(candidates) / (1 + seen[word])) for word in asked}


def _share(asked: frozenset[str], held: frozenset[str], rarity: dict[str, float]) -> float:
    """The share of the question's weight that stands in these terms, 0..1; near forms count."""
    return sum(rarity[word] for word in asked if _has(held, word)) / sum(rarity.values())


def _shares_named(question: str, passages: Sequence[Passage], wholes: list[frozenset[str]]) -> list[float]:
    """For each passage the share of the question's names and numbers that its document's passages hold; 1 without any.

    A report often names its subject on the first page only, so what is found of one document counts together.
    """
    named = {
        stem(word)
        for place, word in enumerate(spelled(question).split())
        if (word[0].isdecimal() or (place and word[0].isupper())) and word.casefold() not in STOPWORDS
    }
    held: dict[UUID | None, frozenset[str]] = {}
    for passage, whole in zip(passages, wholes, strict=True):
        held[passage.document_id] = held.get(passage.document_id, frozenset()) | whole
    shares = {key: sum(_has(terms, word) for word in named) / max(1, len(named)) for key, terms in held.items()}
    return [shares[passage.document_id] if named else 1.0 for passage in passages]


def _has(held: frozenset[str], word: str) -> bool:
    """Whether a term is there, or one that shares its first five letters and seven tenths of the longer of the two."""
    if word in held:
        return True
    close = (other for other in held if len(word) >= 5 and other.startswith(word[:5]))
    return any(word.startswith(other[: math.ceil(0.7 * max(len(word), len(other)))]) for other in close)


def _gives_a_number(question: str, candidate: Candidate) -> float:
    """1 for a number that the question asks for and does not hold itself, 0 for none; 0.5 where none is asked for."""
    if not ASKS_FOR_A_NUMBER.search(question):
        return 0.5
    known = {found[0].casefold() for found in NUMBER.finditer(question)}
    return float(any(found[0].casefold() not in known for found in NUMBER.finditer(candidate.statement.text)))


def _readable(candidates: list[Candidate], good: list[int], most: int) -> list[Candidate]:
    """The first few that differ, the best first, then by passage and page; what one of them leans on before it."""
    kept: list[int] = []
    for at in good:
        if all(_differ(candidates[at], candidates[other]) for other in kept):
            kept.append(at)
    kept = kept[:most]
    passages = list(dict.fromkeys(candidates[at].number for at in kept))
    order = kept[:1] + sorted(kept[1:], key=lambda at: (passages.index(candidates[at].number), at))
    read: list[int] = []
    for at in order:
        if at and candidates[at].leans_on and candidates[at].leans_on == candidates[at - 1].terms:
            read.append(at - 1)
        read.append(at)
    return [candidates[at] for at in list(dict.fromkeys(read))[:most]]


def _differ(one: Candidate, other: Candidate) -> bool:
    """Two versions of a document say the same, and a list says what each of its items does: once is enough."""
    both = len(one.terms & other.terms)
    is_list = Kind.LIST in (one.statement.kind, other.statement.kind)
    return both < 0.9 * (min(len(one.terms), len(other.terms)) if is_list else len(one.terms | other.terms))


def _blocks(chosen: Iterable[Candidate]) -> Iterator[str]:
    """The answer's paragraphs, lists and tables in Markdown, each sentence with the number of its passage."""
    for (number, lead, kind), group in groupby(chosen, lambda each: (each.number, each.statement.lead, _shape(each))):
        lines = [_without_markers(line) for each in group for line in each.statement.text.split("\n")]
        lead = _without_markers(lead)
        if kind is Kind.ROW:
            yield _table(lead, lines, number)
        elif kind is Kind.LIST:
            yield "\n".join([lead, *(f"{line} [{number}]" for line in lines)])
        else:
            yield " ".join(f"{line.removeprefix('- ')} [{number}]" for line in lines)


def _shape(candidate: Candidate) -> Kind:
    statement = candidate.statement
    if not statement.lead:
        return Kind.SENTENCE
    return Kind.LIST if statement.kind is Kind.ITEM else statement.kind


def _table(header: str, rows: list[str], number: int) -> str:
    """Rows under their header; a header shorter than a row is filled up, or the row would be cut off."""
    split = [[cell.strip() for cell in row.strip().split("|")] for row in (header, *rows)]
    bare = [row[1:-1] if len(row) > 2 and not row[0] and not row[-1] else row for row in split]
    width = max(map(len, bare))
    # A bar on either side is Markdown's, unless a cell would be missing: then the cells there are empty.
    cells = [whole if len(whole) == width else row for whole, row in zip(split, bare, strict=True)]
    lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in cells]
    marked = [f"{line.removesuffix(' |')} [{number}] |" for line in lines[1:]]
    return "\n".join([lines[0], "|" + "---|" * width, *marked])


def _without_markers(text: str) -> str:
    """A note number in a document, such as [3], would be read as one of our own."""
    return BORROWED_MARKER.sub("", text)
