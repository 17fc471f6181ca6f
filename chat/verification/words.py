"""The words of a text with their places: what two texts are compared by. Pure."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import snowballstemmer

from chat.verification.synonyms import PLAIN_WORDS, SYNONYMS

WORD = re.compile(r"[^\W_]+(?:[.,][0-9]+)*")
TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?(?:[.,]\d+)*")
SAME = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-"}
)
UNSEEN = {"\u00ad", "\u200b", "\ufeff"}
PREFIX = 5  # So many letters in common make two longer words forms of one.
STOPWORDS = frozenset(
    (
        "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is "
        "it its may me more most must my no nor not of on one or our shall she should so some such than that the "
        "their them then there these they this those to too up was we were what when where which who whom why will "
        "with would you your der die das und ist von zu den mit des im für auf ein eine el la los las de que y en un "
        "una es por con le les et du au une dans est"
    ).split()
)
# Words that say nothing a passage must say too, in what is checked.
LIGHT = STOPWORDS | frozenset(
    "also any all both each other same own just only very well however therefore thus while whereas about per via "
    "under over between during within including include includes included because although though despite according "
    "stated states say says said document documents passage text mentioned specifically additionally addition "
    "respectively etc eg ie being".split()
)


class _Stemmer(threading.local):
    """One for each thread: it keeps the word it is at work on."""

    def __init__(self) -> None:
        self.of = snowballstemmer.stemmer("english").stemWord


STEMMER = _Stemmer()


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """What forms of one word have in common.

    >>> stem("Supplies") == stem("supply") and stem("Payments") == stem("payment")
    True
    """
    return STEMMER.of(word.casefold())


def content_stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    words = (found[0] for found in WORD.finditer(text.translate(SAME)))
    return [stem(word) for word in words if word.casefold() not in STOPWORDS]


@dataclass(frozen=True)
class Word:
    """A word where it stands; `stem` and `sense` are what it is compared by."""

    start: int
    end: int
    text: str
    stem: str
    senses: frozenset[int] = frozenset()  # The lines of synonyms it stands in.

    @property
    def is_light(self) -> bool:
        return self.text.casefold() in LIGHT or (len(self.text) == 1 and self.text.islower())  # "e.g.", "s" of a name

    @property
    def is_plain(self) -> bool:
        return self.stem in _PLAIN

    @property
    def is_figure(self) -> bool:
        return any(letter.isdigit() for letter in self.text)


@lru_cache(maxsize=1_024)  # Each check of a sentence looks at its words, and at those of the same few others.
def words_of(text: str) -> tuple[Word, ...]:
    """
    >>> [(word.text, word.stem) for word in words_of("The supply-\\npipes don't leak.")]
    [('The', 'the'), ('supply', 'suppli'), ('pipes', 'pipe'), ("don't", "don't"), ('leak', 'leak')]
    """
    return tuple(_word(match.start(), match[0]) for match in TOKEN.finditer(text.translate(SAME)))


def _word(start: int, text: str) -> Word:
    return Word(start, start + len(text), text, *_forms(text.casefold()))


@lru_cache(maxsize=50_000)
def _forms(word: str) -> tuple[str, frozenset[int]]:
    found = stem(plain(word.removesuffix("'s")))
    return found, _SENSES.get(found, frozenset())


def plain(text: str) -> str:
    """Without accents, in small letters.

    >>> plain("Zoë Müller")
    'zoe muller'
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def alike(one: Word, other: Word) -> bool:
    """Whether two words say the same: forms of one word, synonyms, or a long beginning in common."""
    return one.stem == other.stem or bool(one.senses & other.senses) or _shares_beginning(one.stem, other.stem)


def _shares_beginning(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= PREFIX and one[:PREFIX] == other[:PREFIX] and abs(len(one) - len(other)) <= 5


def as_one(words: Sequence[Word]) -> Iterator[str]:
    """Neighbours as one word, as they may be written elsewhere: pre-impact, preimpact."""
    return (plain(one.text + other.text) for one, other in pairwise(words) if other.start == one.end + 1)


class Held:
    """The words of a text, asked whether one of them says the same as another word; a word break is no difference."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.stems = frozenset((*(word.stem for word in words), *map(stem, as_one(words))))
        self.senses = frozenset(sense for word in words for sense in word.senses)
        self.lengths: dict[str, set[int]] = {}
        for each in self.stems:
            self.lengths.setdefault(each[:PREFIX], set()).add(len(each))

    def __contains__(self, word: Word) -> bool:
        if word.stem in self.stems or not self.senses.isdisjoint(word.senses):
            return True
        length = len(word.stem)
        lengths = self.lengths.get(word.stem[:PREFIX], ()) if length >= PREFIX else ()
        return any(other >= PREFIX and abs(length - other) <= 5 for other in lengths)


def _lines_of_senses() -> dict[str, frozenset[int]]:
    lines: dict[str, set[int]] = {}
    for number, line in enumerate(SYNONYMS):
        for word in line:
            lines.setdefault(stem(word), set()).add(number)
    return {word: frozenset(numbers) for word, numbers in lines.items()}


_SENSES = _lines_of_senses()
_PLAIN = frozenset(map(stem, PLAIN_WORDS))


@lru_cache(maxsize=64)  # An answer looks for each of its sentences in the same few passages.
def normalise(text: str) -> tuple[str, Sequence[int]]:
    """The text with spaces, dashes, quotes and case made alike, and where each letter stood.

    >>> normalise("Ab\\r\\n  c")
    ('ab c', (0, 1, 2, 6))
    """
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text.translate(SAME)):
        if letter in UNSEEN:
            continue
        if letter.isspace():
            if letters and letters[-1] == " ":
                continue
            letter = " "
        for part in letter.casefold():
            letters.append(part)
            places.append(place)
    return "".join(letters), tuple(places)
