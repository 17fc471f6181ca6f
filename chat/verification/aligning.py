"""Where in the passages a sentence's words stand: windows of one to three sentences, each clause on its own. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from chat.sentences import sentences
from chat.verification.values import Amount, Day, amounts, days
from chat.verification.words import Word, alike, plain, words_of

LONGER = 0.08  # What each further sentence of a window must be worth, as a share of the sentence's weight.
WINDOW = 3  # sentences
CLAUSE = re.compile(r"[;:]\s+|,\s+|\s+(?:and|while|whereas|but|which|because|und|während|aber)\s+", re.I)
CLAUSE_LEAST = 3  # content words; a shorter one goes with the one before it


@dataclass(frozen=True)
class Evidence:
    """A passage that a sentence may rest on. `around` is read with it: title, heading, a table's header."""

    number: int
    text: str
    around: str = ""


@dataclass(frozen=True)
class Part:
    """A sentence of a passage, a row or an item of a list."""

    number: int  # of its passage
    start: int
    end: int
    text: str
    words: tuple[Word, ...]

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(form for word in self.words for form in (word.stem, word.sense, word.stem[:5]))

    def holds(self, word: Word) -> bool:
        if not {word.stem, word.sense, word.stem[:5]} & self.stems:
            return False
        return any(alike(word, other) for other in self.words)


@lru_cache(maxsize=512)
def parts_of(number: int, text: str) -> tuple[Part, ...]:
    spans = sentences(text)
    return tuple(Part(number, start, end, text[start:end], tuple(words_of(text[start:end]))) for start, end in spans)


@lru_cache(maxsize=2_048)
def amounts_in(text: str) -> tuple[Amount, ...]:
    return tuple(amounts(text))


@lru_cache(maxsize=2_048)
def days_in(text: str) -> tuple[Day, ...]:
    return tuple(days(text))


@dataclass(frozen=True)
class Clause:
    """A clause of the sentence, the window that carries it best, and what of it stands there."""

    words: tuple[Word, ...]
    window: tuple[Part, ...]
    found: frozenset[int]  # Starts of the words that stand in the window, or around the passage.
    share: float  # Of the clause's weight.


@dataclass(frozen=True)
class Alignment:
    """All of a sentence against its passages."""

    words: tuple[Word, ...]  # The ones that count, in order.
    clauses: tuple[Clause, ...]
    share: float  # Of the sentence's weight that stands in the windows, all taken together.
    longest_gap: int  # The longest run of words that stand in none of them.

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The sentences it rests on, in the order of the passages, each once."""
        found = {(part.number, part.start): part for clause in self.clauses for part in clause.window}
        return tuple(found[place] for place in sorted(found))

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts)

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """(number of the passage, start, end), neighbours joined."""
        joined: list[tuple[int, int, int]] = []
        for part in self.parts:
            if joined and joined[-1][0] == part.number and part.start - joined[-1][2] <= 3:
                joined[-1] = (part.number, joined[-1][1], part.end)
            else:
                joined.append((part.number, part.start, part.end))
        return joined


def align(claim: str, evidence: Sequence[Evidence]) -> Alignment:
    """Where the claim's words stand in the passages, as well as they stand there at all."""
    parts = [parts_of(each.number, each.text) for each in evidence]
    around = [tuple(words_of(each.around)) for each in evidence]
    weights = _Weights([part for each in parts for part in each])
    words = tuple(word for word in words_of(claim) if not word.is_light and not word.is_figure)
    whole = _best(words, parts, around, weights)
    pieces = list(_clauses(claim, words))
    clauses = [_best(piece, parts, around, weights) for piece in pieces] if len(pieces) > 1 else []
    # A clause goes where the whole sentence does, unless it does clearly better elsewhere.
    chosen = tuple(
        clause
        if clause.share > _share_in(clause.words, whole.window, around, weights) + 0.1
        else Clause(
            clause.words,
            whole.window,
            _found(clause.words, whole.window, around),
            _share_in(clause.words, whole.window, around, weights),
        )
        for clause in clauses
    ) or (whole,)
    found = frozenset().union(*(clause.found for clause in chosen))
    return Alignment(words, chosen, weights.share(words, found), _longest_gap(words, found))


def _clauses(claim: str, words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    """The words by clauses; what is too short to stand alone goes with what comes before it."""
    borders = [match.end() for match in CLAUSE.finditer(claim)]
    held: list[Word] = []
    for start, end in zip([0, *borders], [*borders, len(claim) + 1], strict=True):
        piece = [word for word in words if start <= word.start < end]
        if len(held) >= CLAUSE_LEAST and len(piece) >= CLAUSE_LEAST:
            yield tuple(held)
            held = []
        held += piece
    if held:
        yield tuple(held)


class _Weights:
    """How much a word counts: the rarer in the passages, the more."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self._known: dict[str, float] = {}

    def __getitem__(self, word: Word) -> float:
        if word.stem not in self._known:
            holding = sum(word.stem in part.stems or word.sense in part.stems for part in self.parts)
            self._known[word.stem] = (
                0.2 + math.log(1 + len(self.parts) / (1 + holding)) if holding else 1.0 + math.log(2)
            )
        return self._known[word.stem]

    def share(self, words: Iterable[Word], found: Iterable[int]) -> float:
        words, starts = list(words), set(found)
        whole = sum(self[word] for word in words)
        return sum(self[word] for word in words if word.start in starts) / whole if whole else 1.0


def _best(
    words: Sequence[Word], parts: Sequence[Sequence[Part]], around: Sequence[tuple[Word, ...]], weights: _Weights
) -> Clause:
    """The window that holds most of the words' weight."""
    whole = sum(weights[word] for word in words) or 1.0
    best = -1.0
    window: tuple[Part, ...] = ()
    for each in parts:
        held = [{word.start for word in words if part.holds(word)} for part in each]
        for first in range(len(each)):
            seen: set[int] = set()
            for last in range(first, min(first + WINDOW, len(each))):
                seen |= held[last]
                if last > first and not held[last]:
                    break
                share = sum(weights[word] for word in words if word.start in seen) / whole - LONGER * (last - first)
                if share > best + 1e-9:
                    best, window = share, tuple(each[first : last + 1])
    found = _found(words, window, around)
    return Clause(tuple(words), window, found, weights.share(words, found))


def _found(words: Iterable[Word], window: Sequence[Part], around: Sequence[tuple[Word, ...]]) -> frozenset[int]:
    return frozenset(
        word.start
        for word in words
        if any(part.holds(word) for part in window) or any(alike(word, other) for each in around for other in each)
    )


def _share_in(
    words: Sequence[Word], window: Sequence[Part], around: Sequence[tuple[Word, ...]], weights: _Weights
) -> float:
    return weights.share(words, _found(words, window, around))


def _longest_gap(words: Sequence[Word], found: Iterable[int]) -> int:
    starts, longest, run = set(found), 0, 0
    for word in words:
        run = 0 if word.start in starts else run + 1
        longest = max(longest, run)
    return longest


def has_word(name: str, texts: Iterable[str]) -> bool:
    """Whether a name's part stands in one of the texts, accents and one letter's difference aside."""
    wanted = plain(name)
    return any(_near(wanted, plain(word.text)) for text in texts for word in words_of(text))


def _near(one: str, other: str) -> bool:
    if one == other or one.removesuffix("s") == other.removesuffix("s"):
        return True
    if min(len(one), len(other)) < 5 or abs(len(one) - len(other)) > 1:
        return bool(min(len(one), len(other)) >= 5 and (one.startswith(other) or other.startswith(one)))
    return _one_letter_apart(one, other)


def _one_letter_apart(one: str, other: str) -> bool:
    """
    >>> _one_letter_apart("meyer", "meier"), _one_letter_apart("smith", "smyths"), _one_letter_apart("lund", "lunds")
    (True, False, True)
    """
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return (
        one[start + 1 :] == other[start + 1 :] or one[start:] == other[start + 1 :] or one[start + 1 :] == other[start:]
    )
