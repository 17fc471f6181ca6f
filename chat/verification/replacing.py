"""Where a sentence follows its passage word for word: what it puts in the place of what, and whether it may. Pure.

Nothing is said about a sentence in other words: there the places of words prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from chat.verification.lexicon import (
    MONTHS,
    NEGATIONS,
    NO_NEGATION,
    POLES,
    SCALES,
    SHIRKING,
    SMALL,
    SOFT_NEGATIONS,
    STRONG,
    TURNING_PREFIXES,
    UNITS,
    WEAK,
)
from chat.verification.verdicts import Proof, Reason, Verdict
from chat.verification.words import Word, alike, stem, words_of

LEAST = 0.5  # Of a sentence's words that must stand in the passage's sentence in the same order,
ANCHOR = 3  # and so many of them beside what is put in another's place.
FOLLOWS = 0.55  # A sentence that is so near follows its passage.
CLOSE = 0.8  # So near, a word too many is no other way of saying it, and a negation more or less contradicts it.
LONGEST = 9  # Words that may be put for others.


@dataclass(frozen=True)
class Swap:
    """The words of a sentence that stand where its passage has others; either may be none."""

    said: tuple[Word, ...]
    shown: tuple[Word, ...]
    said_text: str
    shown_text: str
    closeness: float  # The share of the sentence that is taken over word for word,
    rest: float  # and of what it says beside this.

    def proof(self, verdict: Verdict, reason: Reason) -> Proof:
        return Proof(verdict, reason, self.said_text, self.shown_text)


@lru_cache(maxsize=64)
def _compared(
    sentence: str, passage: str
) -> tuple[Sequence[Word], Sequence[Word], Sequence[tuple[str, int, int, int, int]]]:
    """The words of both, and the stretches that are equal, put in, left out or put for each other."""
    said, shown = _turning(sentence), _turning(passage)
    matcher = SequenceMatcher(None, [word.stem for word in said], [word.stem for word in shown], autojunk=False)
    return said, shown, matcher.get_opcodes()


def closeness(sentence: str, passage: str) -> float:
    """The share of a sentence's words that stand in the passage in the same order.

    >>> closeness("The pipes do leak.", "All old pipes leak.")
    0.5
    """
    said, _, codes = _compared(sentence, passage)
    return sum(end - start for kind, start, end, *_ in codes if kind == "equal") / max(len(said), 1)


def swaps(sentence: str, passage: str) -> tuple[Swap, ...]:
    """
    >>> [(one.said_text, one.shown_text) for one in swaps("All old pipes must leak.", "All old pipes may leak.")]
    [('must', 'may')]
    """
    said, shown, codes = _compared(sentence, passage)
    close = closeness(sentence, passage)
    if close < LEAST:
        return ()
    return tuple(
        Swap(one, other, _text(one, sentence), _text(other, passage), close, close * len(said) / (len(said) - len(one)))
        for one, other in _anchored(codes, said, shown)
    )


def _text(words: Sequence[Word], text: str) -> str:
    return text[words[0].start : words[-1].end] if words else ""


def _turning(text: str) -> Sequence[Word]:
    """The words, without the negations that turn nothing, as in "not only"."""
    lowered = text
    for phrase in NO_NEGATION:
        at = lowered.casefold().find(phrase)
        if at >= 0 and len(lowered.casefold()) == len(lowered):
            lowered = lowered[:at] + " " * len(phrase) + lowered[at + len(phrase) :]
    return words_of(lowered)


def _anchored(
    codes: Sequence[tuple[str, int, int, int, int]], said: Sequence[Word], shown: Sequence[Word]
) -> Iterator[tuple[tuple[Word, ...], tuple[Word, ...]]]:
    """What stands between words that both have, enough of them; on each side."""
    for at, (kind, start, end, other_start, other_end) in enumerate(codes):
        before = codes[at - 1][2] - codes[at - 1][1] if at else 0
        after = codes[at + 1][2] - codes[at + 1][1] if at + 1 < len(codes) else 0
        if kind == "equal" or before + after < ANCHOR or end - start > LONGEST:
            continue
        if not at:  # What comes before in the passage is none of the sentence's matter, nor what comes behind.
            other_start = max(other_start, other_end - (end - start) - 1)
        if at + 1 == len(codes):
            other_end = min(other_end, other_start + (end - start) + 1)
        if other_end - other_start <= LONGEST:
            yield tuple(said[start:end]), tuple(shown[other_start:other_end])


def fault(swap: Swap, held: Iterable[Word], shown: Iterable[Word]) -> Proof | None:
    """What is wrong with putting one for the other, if anything; `held` and `shown` are all words of both sentences."""
    held, shown = list(held), list(shown)
    is_moved = 0 < _count_turns(held) == _count_turns(shown)  # "No fee is due" for "a fee is not due".
    if swap.closeness < CLOSE:  # "Is no longer due" for "was removed".
        is_moved = is_moved or _may_turn(shown if _turns(swap.said) else held)
    return _unit(swap) or _figure(swap) or _turn(swap, is_moved) or _scope(swap)


def _unit(swap: Swap) -> Proof | None:
    """Years for months, millions for billions."""
    for known, reason in ((UNITS, Reason.UNIT), (SCALES, Reason.NUMBER)):
        said, shown = _known(swap.said, known), _known(swap.shown, known)
        if len(swap.said) == len(swap.shown) and said and shown and _are_rivals(said, shown):
            return swap.proof(Verdict.UNSUPPORTED, reason)
    return None


def _known(words: Sequence[Word], known: dict) -> set:
    return {known[word.text.casefold()] for word in words if len(word.text) > 2 and word.text.casefold() in known}


def _are_rivals(said: set, shown: set) -> bool:
    families = [{each[0] if isinstance(each, tuple) else "" for each in side} for side in (said, shown)]
    return said.isdisjoint(shown) and families[0] == families[1]


def _figure(swap: Swap) -> Proof | None:
    """One figure or year in the place of another; whether it stands anywhere has been looked at before."""
    said, shown = ([word for word in words if _is_number(word)] for words in (swap.said, swap.shown))
    if (
        len(said) != 1
        or len(shown) != 1
        or len(swap.said) > 2
        or len(swap.shown) > 2
        or _value(said[0]) == _value(shown[0])
        or said[0].text.endswith("s") != shown[0].text.endswith("s")  # "the 900s" for "the 10th century"
    ):
        return None
    years = all(
        len(word.text) == 4 and word.text.isdigit() and word.text[:2] in {"18", "19", "20"} for word in (*said, *shown)
    )
    return swap.proof(Verdict.PARTLY, Reason.DATE if years or swap.said[0].text.casefold() in MONTHS else Reason.NUMBER)


def _is_number(word: Word) -> bool:
    return word.text[:1].isdigit() or SMALL.get(word.text.casefold(), 0) > 1


def _value(word: Word) -> str:
    return str(SMALL.get(word.text.casefold(), word.text.replace(",", "").rstrip("stndrh")))


def _turn(swap: Swap, is_moved: bool) -> Proof | None:
    """A negation more or less, or an opposite; a negated opposite says the same."""
    is_turned = _turns(swap.said) != _turns(swap.shown)
    is_opposite = _are_opposite(swap.said, swap.shown)
    if is_turned == is_opposite or (is_turned and (is_moved or _is_denied_otherwise(swap))):
        return None
    return swap.proof(Verdict.UNSUPPORTED if swap.rest >= CLOSE else Verdict.PARTLY, Reason.NEGATION)


def _may_turn(words: Iterable[Word]) -> bool:
    return any(word.text.casefold() in SOFT_NEGATIONS for word in words)


def _turns(words: Sequence[Word]) -> bool:
    joined = f" {' '.join(word.stem for word in words)} "
    return _count_turns(words) > 0 or any(f" {phrase} " in joined for phrase in _SHIRKING)


def _count_turns(words: Iterable[Word]) -> int:
    return sum(word.text.casefold() in NEGATIONS or word.text.endswith("n't") for word in words)


_SHIRKING = tuple(" ".join(map(stem, phrase.split())) for phrase in SHIRKING)


def _is_denied_otherwise(swap: Swap) -> bool:
    """Whether the side without a negation may deny in words of its own: "lacks a valve" for "has no valve"."""
    other = swap.shown if _turns(swap.said) else swap.said
    least = 1 if _count_turns(swap.said) + _count_turns(swap.shown) else 0  # "escape" for "avoid" is a verb for a verb.
    return len(other) > least and any(not word.is_light and not word.is_plain for word in other)


def _are_opposite(said: Sequence[Word], shown: Sequence[Word]) -> bool:
    return any(
        _are_poles(one.stem, other.stem) or _is_prefixed(one.text.casefold(), other.text.casefold())
        for one in said
        for other in shown
    )


def _are_poles(one: str, other: str) -> bool:
    return any((one in left and other in right) or (one in right and other in left) for left, right in _POLES)


def _is_prefixed(one: str, other: str) -> bool:
    """
    >>> _is_prefixed("impossible", "possible"), _is_prefixed("press", "impress"), _is_prefixed("take", "make")
    (True, True, False)
    """
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return len(shorter) > 3 and any(longer == prefix + shorter for prefix in TURNING_PREFIXES)


_POLES = tuple(tuple(frozenset(map(stem, side)) for side in pole) for pole in POLES)


def _scope(swap: Swap) -> Proof | None:
    """More is claimed in the place of less."""
    said, shown = (f" {' '.join(word.text.casefold() for word in words)} " for words in (swap.said, swap.shown))
    strong = any(f" {each} " in said for each in STRONG)
    if strong and not any(f" {each} " in shown for each in STRONG) and any(f" {each} " in shown for each in WEAK):
        return swap.proof(Verdict.PARTLY, Reason.SCOPE)
    return None


def other_name(swap: Swap) -> bool:
    """Whether one name stands in the place of another; a name's initials are the same name."""
    said, shown = (
        [word for word in words if word.text[:1].isupper() and not word.is_light] for words in (swap.said, swap.shown)
    )
    if not said or not shown or any(alike(one, other) for one in said for other in shown):
        return False
    initials = ["".join(word.text[0] for word in words) for words in (said, shown)]
    return not any(one.text.startswith(initials[1]) for one in said if one.text.isupper()) and not any(
        one.text.startswith(initials[0]) for one in shown if one.text.isupper()
    )
