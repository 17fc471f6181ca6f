"""Who writes the answer: a chat model, or nobody at all, with the best sentences taken from the documents."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from chat.prompts import NOT_FOUND, Prompt
from chat.sentences import sentences
from chat.verification import content_stems
from documents.retrieval import Passage
from project import provider
from project.provider import Cut, Tokens

ENDINGS = frozenset(".!?…。！？؟।”\"')")
Piece = str | Tokens | Cut
Embed = Callable[[Sequence[str]], np.ndarray]


class ChatModel(Protocol):
    name: str
    notice: str  # What a person must know about answers of this kind; "" when there is nothing to say.

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield the answer's text in pieces with its source numbers as [1]; NOT_FOUND alone when there is none."""


class ChatCompletions:
    """The model that settings name, over the Chat Completions API."""

    notice = ""

    def __init__(self) -> None:
        self.name = provider.deployment()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        async with aclosing(provider.stream_chat(prompt.messages, max_tokens=prompt.max_tokens)) as pieces:
            async for piece in pieces:
                yield piece


@dataclass(frozen=True)
class Candidate:
    number: int  # of its passage, from 1
    text: str
    stems: frozenset[str]
    score: float = 0.0


class Extractive:
    """No model: the sentences of the passages that answer best, word for word."""

    name = "extractive"
    notice = "These are sentences of your documents, word for word. No language model is set up."
    passages_read = 6
    sentences_most = 3
    # Tuned on questions with and without an answer, see docs/answering.md.
    least_meaning = 0.45
    least_words = 0.45
    near_best = 0.86

    def __init__(self, embed: Embed | None) -> None:
        self.embed = embed

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        chosen = self.choose(prompt.question, prompt.passages)
        if not chosen:
            yield NOT_FOUND
        for place, candidate in enumerate(chosen):
            gap = "" if place == 0 else " " if candidate.number == chosen[place - 1].number else "\n\n"
            yield f"{gap}{candidate.text} [{candidate.number}]"

    def choose(self, question: str, passages: Sequence[Passage]) -> list[Candidate]:
        """The best sentences, those of one passage together; none when nothing comes near the question."""
        asked = frozenset(content_stems(question))
        candidates = [
            candidate
            for number, passage in enumerate(passages[: self.passages_read], 1)
            for candidate in _candidates(number, passage)
        ]
        if not candidates or not asked:
            return []
        rarity = _rarity(asked, candidates)
        words = [_share(asked, candidate.stems, rarity) for candidate in candidates]
        meaning = self._meaning(question, candidates, words)
        context = [_share(asked, frozenset(content_stems(passage.text)), rarity) for passage in passages]
        scores = [
            0.5 * near + 0.35 * said + 0.15 * context[candidate.number - 1]
            for candidate, near, said in zip(candidates, meaning, words, strict=True)
        ]
        order = sorted(range(len(candidates)), key=lambda at: (-scores[at], at))
        best = order[0]
        if meaning[best] < self.least_meaning and words[best] < self.least_words:
            return []
        if context[candidates[best].number - 1] < self.least_words:
            return []
        kept = [at for at in order[: self.sentences_most] if scores[at] >= self.near_best * scores[best]]
        passage_order = list(dict.fromkeys(candidates[at].number for at in kept))
        kept.sort(key=lambda at: (passage_order.index(candidates[at].number), at))
        return _distinct([candidates[at] for at in kept])

    def _meaning(self, question: str, candidates: list[Candidate], words: list[float]) -> list[float]:
        """How near each sentence is to the question; by its words where no embedding model is there."""
        if self.embed is None:
            return words
        vectors = self.embed([question, *(candidate.text for candidate in candidates)])
        return [float(near) for near in vectors[1:] @ vectors[0]]


def _candidates(number: int, passage: Passage) -> list[Candidate]:
    """Whole sentences and table rows; a heading answers nothing."""
    found = []
    for start, end in sentences(passage.text):
        text = " ".join(passage.text[start:end].split())
        stems = frozenset(content_stems(text))
        is_whole = text[-1] in ENDINGS or " | " in text
        if is_whole and len(stems) >= 3 and len(text) <= 700:
            found.append(Candidate(number, text, stems))
    return found


def _rarity(asked: frozenset[str], candidates: list[Candidate]) -> dict[str, float]:
    seen = Counter(word for candidate in candidates for word in candidate.stems & asked)
    return {word: math.log(1 + len(candidates) / (1 + seen[word])) for word in asked}


def _share(asked: frozenset[str], held: frozenset[str], rarity: dict[str, float]) -> float:
    """The share of the question's weight that stands in these stems, 0..1; near forms count."""
    whole = sum(rarity.values())
    return sum(rarity[word] for word in asked if word in held or _near(word, held)) / whole if whole else 0.0


def _near(word: str, held: frozenset[str]) -> bool:
    return len(word) >= 5 and any(other.startswith(word[:5]) for other in held)


def _distinct(candidates: list[Candidate]) -> list[Candidate]:
    """Two versions of a document say the same thing: once is enough."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if all(len(candidate.stems & other.stems) < 0.9 * len(candidate.stems | other.stems) for other in kept):
            kept.append(candidate)
    return kept
