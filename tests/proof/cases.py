"""What is put before the verifier: a sentence, the passages it cites, and what ought to become of it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from chat.sentences import sentences
from tests.proof.passages import Passage, passages

SEED = 20260211
HALVES = ("tuning", "held-out")
SETS = (*HALVES, "second", "third")  # Further held-out sets: only sentences by hand, measured only when named.
WORDS_LEAST, WORDS_MOST = 8, 42
PER_PASSAGE = 3
SHARE = 0.25  # No document gives more than this share of a kind.

PROSE = re.compile(r"[A-Z][^|_]*[.]")
DEBRIS = re.compile(
    r"PLACEHOLDER|\.{4}|Description Type|Target\b.*\bActual|Stakeholder|Role:|â|\?|\d\.\d\.\d|^\w+ \d+\.\d|^\d|:|^Note"
)
VERB = re.compile(
    r"\b(is|are|was|were|has|have|had|will|can|may|must|would|could|should|did|does|do|made|became|began|led|said|"
    r"reported|stated|uses?|used|provides?|supports?|works?|includes?|continues?|remains?|seeks?|helps?|gave|took|\w+ed)\b"
)
WORD = re.compile(r"[A-Za-z]{4,}")
PRONOUN = re.compile(r"^(He|She|They|It|This|These|Those|Such|Here|There|Both|Another|That|Each|Some|One|Others)\b")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Source:
    """A sentence of a passage as it stands there, on one line, and its place."""

    passage: Passage
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Case:
    kind: str
    sentence: str
    cited: tuple[Passage, ...]
    others: tuple[Passage, ...] = ()
    lead: str = ""
    changed: str = ""  # what was planted
    proof: tuple[tuple[int, int, int], ...] = ()  # (index among cited then others, start, end) of what would prove it
    reasons: frozenset[str] = frozenset()  # any of these is the right one; none: any will do

    @property
    def half(self) -> str:
        return self.cited[0].half

    @property
    def is_true(self) -> bool:
        return self.kind in ("true", "free true")


Plant = Callable[[Source, random.Random], "Case | None"]


@cache
def sources(half: str) -> tuple[Source, ...]:
    """The prose sentences of a half's documents, each once."""
    found, seen = [], set()
    for passage in passages():
        for start, end in sentences(passage.text) if passage.half == half else ():
            text = " ".join(passage.text[start:end].replace("\u00ad", "").split())
            if _is_prose(text) and text not in seen:
                seen.add(text)
                found.append(Source(passage, start, end, text))
    return tuple(found)


def _is_prose(text: str) -> bool:
    words = text.split()
    letters = sum(letter.isalpha() or letter.isspace() for letter in text)
    return bool(
        WORDS_LEAST <= len(words) <= WORDS_MOST
        and PROSE.fullmatch(text)
        and not DEBRIS.search(text)
        and VERB.search(text)
        and letters > 0.85 * len(text)
        and max(map(len, words)) < 26
    )


def drawn(kind: str, half: str, plant: Plant, wanted: int) -> list[Case]:
    """As many cases of a kind, the same on every run, from as many passages and documents as possible."""
    dice = random.Random(f"{SEED} {kind} {half}")
    pool = shuffled(sources(half), dice)
    pool += shuffled(pool * 2, dice)  # Again for what is scarce: another value of the sentence may be changed.
    said: set[str] = set()
    per_passage: Counter[tuple[str, int, int]] = Counter()
    per_document: Counter[str] = Counter()
    cases: list[Case] = []
    for source in pool:
        passage = source.passage
        place = (passage.document, passage.page, passage.start)
        if len(cases) == wanted:
            break
        if per_passage[place] == PER_PASSAGE or per_document[passage.document] >= SHARE * wanted:
            continue
        case = plant(source, dice)
        if case is not None and case.sentence not in said:
            said.add(case.sentence)
            cases.append(case)
            per_passage[place] += 1
            per_document[passage.document] += 1
    return cases


@cache
def beside(passage: Passage) -> tuple[Source, ...]:
    """The prose sentences of one passage."""
    return tuple(source for source in sources(passage.half) if source.passage is passage)


@cache
def company(passage: Passage, count: int = 2) -> tuple[Passage, ...]:
    """Other passages of the same document, as a search would have brought along."""
    same = [other for other in passages() if other.document == passage.document and other != passage]
    far = [other for other in same if abs(other.page - passage.page) > 1] or same
    return tuple(far[:: max(1, len(far) // count)][:count])


def fault(kind: str, source: Source, sentence: str, changed: str, reasons: str) -> Case:
    """The sentence of the source with something wrong in it."""
    proof = ((0, source.start, source.end),)
    cited = (source.passage,)
    return Case(kind, sentence, cited, company(source.passage), "", changed, proof, frozenset(reasons.split(", ")))


def shuffled(items: Iterable[Item], dice: random.Random) -> list[Item]:
    mixed = list(items)
    dice.shuffle(mixed)
    return mixed


def stands_in(word: str, passage: Passage) -> bool:
    """Whether a word or figure stands anywhere in what the verifier is shown of the passage."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", f"{passage.around}\n{passage.text}", re.I) is not None


def covered(said: str, passage: Passage) -> float:
    """The share of a sentence's longer words that stand in a passage, by their beginnings."""
    held = {word[:5].lower() for word in WORD.findall(f"{passage.around} {passage.text}")}
    words = [word[:5].lower() for word in WORD.findall(said)]
    return sum(word in held for word in words) / max(1, len(words))


def put(text: str, found: re.Match[str], new: str) -> str:
    return text[: found.start()] + new + text[found.end() :]
