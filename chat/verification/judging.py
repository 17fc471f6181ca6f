"""Whether a sentence stands in its passages, and if not, what is wrong with it. Pure, and no model is asked.

The checks go from hard to soft: a quotation that is not there, a figure, unit or date that is not, words that stand
nowhere, a negation, a name, a claim that is wider than its source. The first that finds something gives the reason.

Unsupported is said only on evidence against a sentence: what can be looked up is not there, hardly a word of it is, or
it follows a sentence of the passage and says another thing. A free writer's words prove little: there it is partly.
What was measured, by kind of fault, is told in docs/proof.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from functools import partial

from chat.verification.aligning import Alignment, Evidence, Part, align, amounts_in, days_in
from chat.verification.figures import dates, main_parts, numbers
from chat.verification.lexicon import (
    ANTONYMS,
    NEGATIONS,
    NO_NEGATION,
    SCOPES,
    SOFT_NEGATIONS,
)
from chat.verification.naming import unknown_names
from chat.verification.replacing import CLOSE, FOLLOWS, Swap, closeness, fault, other_name, swaps
from chat.verification.verdicts import Proof, Reason, Verdict
from chat.verification.words import Word, alike, normalise, stem, words_of

# Shares of a sentence's or a clause's weight that stand there, and counts of words that do not, figures and plain ones
# aside: below the share and with so many missing it is more than another way to say it. What follows its passage word
# for word and then has a clause of other words adds something; in free wording that takes more.
HARDLY, HARDLY_MISSING = 0.3, 4
HALF, HALF_MISSING = 0.4, 3
MOST, MOST_MISSING = 0.65, 6
CLAUSE, CLAUSE_MISSING, CLAUSE_MISSING_FREELY = 0.4, 2, 3
GAP = 4  # Words in a row that stand nowhere.
QUOTED = re.compile(r"\"([^\"]{1,400})\"|[“„«]([^\"“”„«»]{1,400})[”“»]")
NEAR = 0.7  # Of a sentence that is taken over word for word, before a name is held against it,
NEAR_ENOUGH = 0.5  # and before a negation is.
BESIDE = 120  # Letters beside a sentence of a passage in which what it leans on may be negated.
CONDITION = re.compile(r"(?i)\b(?:if|when|unless|should|wenn|falls|sofern)\b")
REACH = 3  # Content words behind a negation that it turns.
LEADS_IN = re.compile(r":\s*$")
ADVICE = re.compile(
    r"(?i)(?:please|note that|see|let me know|you (?:may|might|can|could|should) (?:want|contact|check|ask))\b"
)
UNKNOWING = re.compile(
    r"""(?ix)\b(?:(?:passages?|documents?|sources?|text)\ (?:do(?:es)?\ not|don't|doesn't|says?\ nothing)
    |not\ (?:stated|specified|mentioned|given|provided|covered|included)\ in
    |no\ (?:information|mention|details?)\ (?:on|about|of|is|are|whether)
    |i\ (?:do\ not|don't|cannot|can't)|is\ missing|cannot\ be\ (?:determined|answered)
    |steht\ nicht\ in|keine\ angaben?)\b"""
)


def is_factual(sentence: str) -> bool:
    """Whether a sentence states something that a passage could bear out.

    >>> [is_factual(s) for s in ("The plan covers:", "Is it due?", "Rent is due in May.", "The text does not say.")]
    [False, False, True, False]
    """
    bare = sentence.strip().strip("*_# ")
    if not bare or bare.endswith("?") or LEADS_IN.search(bare) or UNKNOWING.search(bare) or ADVICE.match(bare):
        return False
    bare = re.sub(r"\[\d+\]", "", bare)
    words = [word for word in words_of(bare) if not word.is_light]
    return len(words) >= 2 or bool(amounts_in(bare) or days_in(bare))


def verify(sentence: str, cited: Sequence[Evidence], others: Sequence[Evidence] = (), lead: str = "") -> Proof | None:
    """The verdict on a sentence; None when it states nothing.

    Looked for first in the passages it cites, then in the others that were offered. `lead` is what a list's item or a
    short line hangs on; its words are found with it, but none of them is held against it.
    """
    if not is_factual(sentence):
        return None
    best = _judge(sentence, cited, lead) if cited else None
    if best and best.verdict is Verdict.SUPPORTED:
        return best
    for other in others:
        proof = _judge(sentence, [other], lead)
        if proof.verdict is Verdict.SUPPORTED and (best is None or proof.share >= best.share):
            return proof
        if best is None or (not cited and proof.share > best.share):
            best = proof
    return best or Proof(Verdict.UNSUPPORTED, Reason.NO_MATCH, share=0.0)


def _judge(sentence: str, evidence: Sequence[Evidence], lead: str) -> Proof:
    aligned = align(sentence, evidence)
    faults = (check(sentence, aligned, evidence, lead) for check in CHECKS)
    fault = next(filter(None, faults), None) or Proof(Verdict.SUPPORTED)
    return replace(fault, spans=tuple(aligned.spans), share=aligned.share)


# The checks, in the order of their weight ----------------------------------------------------------------------------
def _quotation(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    quotations = [one or other for one, other in QUOTED.findall(sentence)]
    texts = [_letters(each.text) for each in evidence] if quotations else []
    for quoted in quotations:
        wanted = _letters(quoted)
        pieces = [piece for piece in re.split(r"\s*(?:\.\.\.|…|\[[^\]]*\])\s*", wanted) if len(piece.split()) > 1]
        if len(wanted.split()) > 2 and not all(any(piece in text for text in texts) for piece in pieces):
            return Proof(Verdict.UNSUPPORTED, Reason.QUOTATION, quoted)
    return None


def _letters(text: str) -> str:
    """For comparing quotations: case and punctuation aside."""
    return " ".join(re.sub(r"[^\w\s]", " ", normalise(text)[0]).split())


def _words(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    if aligned.share < HARDLY and _count_missing(aligned.words, aligned.found) >= HARDLY_MISSING:
        return Proof(Verdict.UNSUPPORTED, Reason.NO_MATCH, _missing(sentence, aligned))
    return None


def _count_missing(words: Sequence[Word], found: Container[int]) -> int:
    return sum(word.start not in found and not (word.is_plain or word.is_figure) for word in words)


def _clauses(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    missing = _count_missing(aligned.words, aligned.found)
    limits = (HALF, HALF_MISSING), (MOST, MOST_MISSING)
    is_thin = any(aligned.share < share and missing >= count for share, count in limits)
    if is_thin or aligned.longest_gap >= GAP or _is_added_to(sentence, aligned):
        return Proof(Verdict.PARTLY, Reason.NO_MATCH, _missing(sentence, aligned))
    return None


def _is_added_to(sentence: str, aligned: Alignment) -> bool:
    """Whether a clause says something of which the passages have hardly a word."""
    thin = [clause for clause in aligned.clauses if clause.share < CLAUSE]
    if not thin:
        return False
    follows = any(closeness(sentence, part.text) >= FOLLOWS for part in main_parts(aligned))
    most = max(_count_missing(clause.words, clause.found) for clause in thin)
    return most >= (CLAUSE_MISSING if follows else CLAUSE_MISSING_FREELY)


def _missing(sentence: str, aligned: Alignment) -> str:
    """The longest stretch of the sentence that stands nowhere."""
    runs: list[list[Word]] = [[]]
    for word in aligned.words:
        if word.start in aligned.found:
            runs.append([])
        else:
            runs[-1].append(word)
    longest = max(runs, key=len)
    return sentence[longest[0].start : longest[-1].end] if longest else ""


def _negation(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    """What is turned round on one side only, or put by its opposite."""
    said, said_cues = _turned(sentence)
    texts = {each.number: each.text for each in evidence}
    for part in filter(partial(_is_near, sentence), main_parts(aligned)):
        shown, _ = _turned(part.text)
        # "If you do not …" may sum up "we do … If we fail to do so …".
        reach = BESIDE if CONDITION.search(sentence) else 0
        beside = texts[part.number][max(0, part.start - reach) : part.end + reach]
        if said and not _turned(beside)[1] and any(part.holds(word) for word in said):
            return Proof(_contradicted(sentence, part), Reason.NEGATION, said_cues[0], part.text)
        if shown and not said_cues and _is_said(shown[:2], sentence):
            return Proof(_contradicted(sentence, part), Reason.NEGATION, shown[0].text, part.text)
    return _opposite(sentence, aligned)


def _contradicted(sentence: str, part: Part) -> Verdict:
    """In words of his own a writer may turn a thing and mean the same: "cannot enter" for "are kept out"."""
    return Verdict.UNSUPPORTED if closeness(sentence, part.text) >= CLOSE else Verdict.PARTLY


def _is_near(sentence: str, part: Part) -> bool:
    """Whether a negation of the one can be held against the other at all."""
    return closeness(sentence, part.text) >= NEAR_ENOUGH


def _turned(text: str) -> tuple[list[Word], list[str]]:
    """The words a text negates, and all of its words that negate, or may."""
    lowered = text.casefold()
    for phrase in NO_NEGATION:
        lowered = lowered.replace(phrase, " " * len(phrase))
    words = words_of(lowered)
    turned: list[Word] = []
    cues: list[str] = []
    for at, word in enumerate(words):
        is_hard = word.text in NEGATIONS or word.text.endswith("n't")
        if is_hard or word.text in SOFT_NEGATIONS:
            cues.append(word.text)
        if is_hard:
            turned += [each for each in words[at + 1 :] if not each.is_light and not each.is_figure][:REACH]
    return turned, cues


def _is_said(words: Sequence[Word], sentence: str) -> bool:
    """Whether all of these words stand in the sentence too."""
    held = words_of(sentence)
    return bool(words) and all(any(alike(word, other) for other in held) for word in words)


def _opposite(sentence: str, aligned: Alignment) -> Proof | None:
    held = {word.stem: word.text for word in words_of(sentence)}
    shown = {word.stem: (word.text, part) for part in main_parts(aligned) for word in part.words}
    for one, other in _OPPOSITES:
        if one in held and one not in shown and other in shown and other not in held:
            instead, part = shown[other]
            if _is_near(sentence, part):
                return Proof(_contradicted(sentence, part), Reason.NEGATION, held[one], instead)
    return None


_OPPOSITES = tuple((stem(one), stem(other)) for pair in ANTONYMS for one in pair for other in pair - {one})


def _replaced(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    """What stands in the place of something else, where the sentence follows its passage word for word."""
    held = words_of(sentence)
    found = (fault(swap, held, part.words) for part, swap in _swaps(sentence, aligned))
    return next(filter(None, found), None)


def _swaps(sentence: str, aligned: Alignment) -> Iterator[tuple[Part, Swap]]:
    for part in dict.fromkeys(main_parts(aligned)):
        for swap in swaps(sentence, part.text):
            yield part, swap


def _other_names(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    """A name where the passage has another there: each may stand in it, and the tie between them be wrong."""
    for part, swap in _swaps(sentence, aligned):
        if swap.closeness >= NEAR and other_name(swap) and not any(part.holds(word) for word in swap.said):
            return swap.proof(Verdict.PARTLY, Reason.NAME)
    return None


def _names(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    names = unknown_names(sentence, [text for each in evidence for text in (each.text, each.around)])
    if not names:
        return None
    is_instead = any(_is_near(sentence, part) and unknown_names(part.text, [sentence]) for part in main_parts(aligned))
    return Proof(Verdict.UNSUPPORTED if is_instead or len(names) > 1 else Verdict.PARTLY, Reason.NAME, names[0])


def _scope(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    """The sentence claims the whole where its source claims a part. The other way round is no fault."""
    said = {word.text.casefold() for word in words_of(sentence)}
    for part in main_parts(aligned):
        shown = {word.text.casefold() for word in part.words}
        for strong, weak in SCOPES:
            if said & strong and not said & weak and shown & weak and not shown & strong:
                return Proof(Verdict.PARTLY, Reason.SCOPE, min(said & strong), min(shown & weak))
    return None


CHECKS: tuple[Callable[[str, Alignment, Sequence[Evidence], str], Proof | None], ...] = (
    _quotation,
    numbers,
    dates,
    _words,
    _replaced,
    _negation,
    _names,
    _other_names,
    _clauses,
    _scope,
)
