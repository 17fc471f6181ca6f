"""Where in the passages a sentence's words stand: windows of one to three sentences, each clause on its own. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from chat.sentences import sentences
from chat.verification.values import Amount, Day, amounts, amounts_shown, days, in_heading_scale, same_amount, same_day
from chat.verification.words import PREFIX, Held, Word, as_one, plain, stem, words_of

LONGER = 0.08  # What each further sentence of a window must be worth, as a share of the sentence's weight.
WINDOW = 3  # sentences
CLAUSE = re.compile(r"[;:]\s+|,\s+|\s+(?:and|while|whereas|but|which|because|und|während|aber)\s+", re.I)
ADDED = re.compile(r"(?i)(?:which|who|because|although|though|thanks|mostly|mainly|partly|despite|weil|obwohl)\b")
CLAUSE_LEAST = 3  # content words; a shorter one goes with the one before it
ADDED_LEAST = 2  # of a clause that adds something of its own
UNKNOWN = 1.7  # The most that a word weighs that stands nowhere,
PLAIN = 0.6  # and what a plain one does, which a writer puts for any other.


@dataclass(frozen=True)
class Evidence:
    """A passage that a sentence may rest on. `around` is read with it: title, heading, a table's header."""

    number: int
    text: str
    around: str = ""


@lru_cache(maxsize=2_048)
def amounts_in(text: str) -> tuple[Amount, ...]:
    return tuple(amounts(text))


@lru_cache(maxsize=2_048)
def shown_in(text: str) -> tuple[Amount, ...]:
    return tuple(amounts_shown(text))


@lru_cache(maxsize=2_048)
def days_in(text: str) -> tuple[Day, ...]:
    return tuple(days(text))


@lru_cache(maxsize=2_048)
def held_in(text: str) -> Held:
    return Held(words_of(text))


@dataclass(frozen=True)
class Part:
    """A sentence of a passage, a row or an item of a list."""

    number: int  # of its passage
    start: int
    end: int
    text: str
    figures: tuple[Amount | Day, ...] = ()

    @cached_property
    def words(self) -> tuple[Word, ...]:
        return words_of(self.text)

    @cached_property
    def held(self) -> Held:
        return Held(self.words)

    def holds(self, word: Word) -> bool:
        return word in self.held


class _Places:
    """The parts of a passage by their words, so that a word is looked up once for all of them: as `Held` does for one.

    Parts are told by their places in the passage. Most neighbours that could be one word are never asked for, and a
    stem takes long to find: theirs are found when a word with the same first letters is, which no stem changes.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.stems: dict[str, set[int]] = {}
        self.senses: dict[int, set[int]] = {}
        self.beginnings: dict[tuple[str, int], set[int]] = {}  # by the beginning of a long stem, and its length
        self.unread: dict[str, list[tuple[str, int]]] = {}  # neighbours joined, by their first letters
        for place, part in enumerate(parts):
            for word in part.words:
                self._add(word.stem, place)
                for sense in word.senses:
                    self.senses.setdefault(sense, set()).add(place)
            for text in as_one(part.words):
                self.unread.setdefault(text[:2], []).append((text, place))

    def _add(self, found: str, place: int) -> None:
        self.stems.setdefault(found, set()).add(place)
        if len(found) >= PREFIX:
            self.beginnings.setdefault((found[:PREFIX], len(found)), set()).add(place)

    def _at(self, wanted: str) -> Set[int]:
        for text, place in self.unread.get(wanted[:2], ()):
            self._add(stem(text), place)
        self.unread.pop(wanted[:2], None)  # Behind that, for another thread may be asking.
        return self.stems.get(wanted, _NOWHERE)

    def of(self, word: Word, others: Iterable[str] = ()) -> set[int]:
        """Where the word stands, or one that says the same; `others` are stems that will do as well."""
        found = set[int]().union(*map(self._at, (word.stem, *others)))
        for sense in word.senses:
            found |= self.senses.get(sense, _NOWHERE)
        if (length := len(word.stem)) >= PREFIX:
            for other in range(max(PREFIX, length - 5), length + 6):
                found |= self.beginnings.get((word.stem[:PREFIX], other), _NOWHERE)
        return found


_NOWHERE: frozenset[int] = frozenset()


def parts_of(number: int, text: str, around: str) -> tuple[Part, ...]:
    return _read(number, text, around)[0]


@lru_cache(maxsize=512)
def _read(number: int, text: str, around: str) -> tuple[tuple[Part, ...], _Places]:
    figures: tuple[Amount | Day, ...] = (*in_heading_scale(shown_in(text), (around, text)), *days_in(text))
    parts = tuple(
        Part(number, start, end, text[start:end], tuple(each for each in figures if start <= each.start < end))
        for start, end in sentences(text)
    )
    return parts, _Places(parts)


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

    words: tuple[Word, ...]  # The ones that count, in order; a figure counts as one.
    clauses: tuple[Clause, ...]
    share: float  # Of the sentence's weight that stands in the windows, all taken together.
    longest_gap: int  # The longest run of words that stand in none of them, plain ones aside.

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The sentences it rests on, in the order of the passages, each once."""
        found = {(part.number, part.start): part for clause in self.clauses for part in clause.window}
        return tuple(found[place] for place in sorted(found))

    @cached_property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts)

    @cached_property
    def found(self) -> frozenset[int]:
        return frozenset().union(*(clause.found for clause in self.clauses))

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
    search = _Search(claim, evidence)
    whole = search.best(search.words)
    pieces = list(_clauses(claim, search.words))
    chosen = tuple(search.nearer(piece, whole) for piece in pieces) if len(pieces) > 1 else (whole,)
    found = frozenset().union(*(clause.found for clause in chosen))
    return Alignment(search.words, chosen, search.share(search.words, found), _longest_gap(search.words, found))


def _clauses(claim: str, words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    """The words by clauses; what is too short to stand alone goes with what comes before it."""
    borders = [match.end() - len(match[0].lstrip(" ,;:")) for match in CLAUSE.finditer(claim)]
    held: list[Word] = []
    for start, end in zip([0, *borders], [*borders, len(claim) + 1], strict=True):
        piece = [word for word in words if start <= word.start < end]
        least = ADDED_LEAST if ADDED.match(claim, start) else CLAUSE_LEAST
        if len(held) >= CLAUSE_LEAST and len(piece) >= least:
            yield tuple(held)
            held = []
        held += piece
    if held:
        yield tuple(held)


class _Search:
    """A claim's words in all sentences of the passages, each looked up once."""

    def __init__(self, claim: str, evidence: Sequence[Evidence]) -> None:
        figures: list[Amount | Day] = sorted([*amounts_in(claim), *days_in(claim)], key=lambda each: each.start)
        self.words = tuple(_counted(claim, figures))
        self.parts = [parts_of(each.number, each.text, each.around) for each in evidence]
        around = [each.around for each in evidence]
        self.around = {
            word.start
            for word in self.words
            if any(word in held_in(text) for text in around)
            or any(
                has_figure(each, (*shown_in(text), *days_in(text)))
                for each in figures
                if each.start == word.start
                for text in around
            )
        }
        plain_words = [word for word in self.words if not any(each.start == word.start for each in figures)]
        joined = _joined(claim, plain_words)
        self.held: dict[tuple[int, int], set[int]] = {}  # Of each part the starts of the words that it holds.
        for each in evidence:
            self.held |= self._held_by(each, plain_words, joined, figures)
        self.weights = {word.start: self._weight(word) for word in self.words}

    def _held_by(
        self,
        passage: Evidence,
        words: Sequence[Word],
        joined: Mapping[int, frozenset[str]],
        figures: Sequence[Amount | Day],
    ) -> dict[tuple[int, int], set[int]]:
        parts, places = _read(passage.number, passage.text, passage.around)
        held: list[set[int]] = [set() for _ in parts]
        for word in words:
            for place in places.of(word, joined.get(word.start, frozenset())):
                held[place].add(word.start)
        for figure in figures:
            for place, part in enumerate(parts):
                if has_figure(figure, part.figures):
                    held[place].add(figure.start)
        return {(part.number, part.start): starts for part, starts in zip(parts, held, strict=True)}

    def _weight(self, word: Word) -> float:
        """The rarer in the passages, the more."""
        holding = sum(word.start in held for held in self.held.values())
        rare = 0.2 + math.log(1 + len(self.held) / (1 + max(holding, 1)))
        return rare if holding else min(rare, PLAIN if word.is_plain else UNKNOWN)

    def share(self, words: Iterable[Word], found: Iterable[int]) -> float:
        words, starts = list(words), set(found)
        whole = sum(self.weights[word.start] for word in words)
        return sum(self.weights[word.start] for word in words if word.start in starts) / whole if whole else 1.0

    def best(self, words: Sequence[Word]) -> Clause:
        """The window that holds most of the words' weight."""
        weights = {word.start: self.weights[word.start] for word in words}
        whole = sum(weights.values()) or 1.0
        best = 0.0
        window = next((parts[:1] for parts in self.parts if parts), ())
        for parts in self.parts:
            held = [self.held[part.number, part.start] & weights.keys() for part in parts]
            for first in (place for place, starts in enumerate(held) if starts):
                seen: set[int] = set()
                for last in range(first, min(first + WINDOW, len(parts))):
                    if last > first and held[last] <= seen:
                        break
                    seen |= held[last]
                    share = sum(weights[start] for start in seen) / whole - LONGER * (last - first)
                    if share > best + 1e-9:
                        best, window = share, parts[first : last + 1]
        return self._clause(words, window)

    def nearer(self, words: Sequence[Word], whole: Clause) -> Clause:
        """A clause goes where the whole sentence does, unless it does clearly better elsewhere."""
        alone, together = self.best(words), self._clause(words, whole.window)
        return alone if alone.share > together.share + 0.1 else together

    def _clause(self, words: Sequence[Word], window: tuple[Part, ...]) -> Clause:
        held = self.around.union(*(self.held[part.number, part.start] for part in window))
        found = frozenset(word.start for word in words if word.start in held)
        return Clause(tuple(words), window, found, self.share(words, found))


def _counted(claim: str, figures: Sequence[Amount | Day]) -> Iterator[Word]:
    """The words that must be found; of a figure, with its unit, only the first."""
    for word in words_of(claim):
        inside = next((each for each in figures if each.start <= word.start < each.end), None)
        if inside.start == word.start if inside else not (word.is_light or word.is_figure):
            yield word


def _joined(claim: str, words: Sequence[Word]) -> dict[int, frozenset[str]]:
    """Of each word beside a hyphen the stem of both together, so that pre-impact is preimpact."""
    found = {}
    for one, other in pairwise(words):
        if claim[one.end : other.start] == "-":
            found[one.start] = found[other.start] = frozenset((stem(plain(one.text + other.text)),))
    return found


def has_figure(said: Amount | Day, figures: Iterable[Amount | Day]) -> bool:
    if isinstance(said, Day):
        return any(same_day(said, shown) for shown in figures if isinstance(shown, Day))
    return any(same_amount(said, shown) for shown in figures if isinstance(shown, Amount))


def _longest_gap(words: Sequence[Word], found: Iterable[int]) -> int:
    starts, longest, run = set(found), 0, 0
    for word in words:
        run = 0 if word.start in starts else run + (not word.is_plain)
        longest = max(longest, run)
    return longest
