"""The figures and dates of a sentence against its passages: which stand nowhere, and which beside other words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import permutations

from chat.verification.aligning import (
    Alignment,
    Evidence,
    Part,
    amounts_in,
    days_in,
    has_figure,
    parts_of,
    shown_in,
)
from chat.verification.values import Amount, Day, in_heading_scale, same_amount, same_day, same_value
from chat.verification.verdicts import Proof, Reason, Verdict
from chat.verification.words import stem

AS_WELL = 0.6  # Of the claim's words in the best sentence; as many make another as good.
COUNT_MOST = 12  # So many a writer counts up himself: "three steps".
RECKONED_FROM = 12  # Of more figures some two give any third.
PLACING = re.compile(r"(?i)\b(within|after|before|until|every|under|over|by|nach|vor|bis)\s+\W?$")


def numbers(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    """Each must stand beside the words, or in the passage with no other figure in its place."""
    if not (figures := amounts_in(sentence)):
        return None
    texts = [text for each in evidence for text in (each.text, each.around)]
    near = in_heading_scale(shown_in(aligned.text), texts)
    whole = in_heading_scale([amount for text in texts for amount in shown_in(text)], texts)
    weaker = None
    for said in figures:
        rivals = [shown for shown in near if _rivals(said, shown, sentence, aligned.text)]
        words, instead = _words(said, sentence), _words(rivals[0], aligned.text) if rivals else ""
        if any(same_amount(said, shown) for shown in near):
            other = _in_its_place(said, near, sentence, aligned.text) or _of_other_things(
                said, near, sentence, aligned.text
            )
            if other:
                weaker = weaker or Proof(Verdict.PARTLY, Reason.NUMBER, words, other)
        elif any(same_amount(said, shown) for shown in whole):
            if rivals and not said.is_label and not _stands_as_well(said, aligned, evidence):
                weaker = weaker or Proof(Verdict.PARTLY, Reason.NUMBER, words, instead)
        elif others := [shown for shown in near if same_value(said, shown) and said.family and shown.family]:
            return Proof(Verdict.UNSUPPORTED, Reason.UNIT, words, _words(others[0], aligned.text))
        elif _is_mere_count(said) and not rivals:
            continue
        elif _is_reckoned(said, near):
            weaker = weaker or Proof(Verdict.PARTLY, Reason.NUMBER, words)
        else:
            return Proof(Verdict.UNSUPPORTED, Reason.NUMBER, words, instead)
    return weaker


def _words(figure: Amount | Day, text: str) -> str:
    return text[figure.start : figure.end].strip()


def _in_its_place(said: Amount, near: Sequence[Amount], sentence: str, text: str) -> str:
    """The other figure that the passage has behind the same preposition, as "within 12 hours" for "within 24 hours"."""
    place = PLACING.search(sentence[: said.start])
    if place is None:
        return ""
    there = [shown for shown in near if _stands_behind(place[1], shown, text) and shown.family == said.family != ""]
    is_there = any(same_amount(said, shown) for shown in there) or not there
    return "" if is_there else _words(there[0], text)


def _stands_behind(word: str, amount: Amount, text: str) -> bool:
    place = PLACING.search(text[max(0, amount.start - 12) : amount.start])
    return bool(place and place[1].casefold() == word.casefold())


def _of_other_things(said: Amount, near: Sequence[Amount], sentence: str, text: str) -> str:
    """The figure by which the passage counts these things, where this one counts others: "240 buses, 50 cars"."""
    if said.family or said.is_label or said.is_worded:
        return ""
    there = [shown for shown in near if _rivals(said, shown, sentence, text)]
    is_there = any(same_amount(said, shown) for shown in there) or not there
    return "" if is_there else _words(there[0], text)


def _stands_as_well(said: Amount | Day, aligned: Alignment, evidence: Sequence[Evidence]) -> bool:
    """Whether a sentence of the passage that has the figure has the claim's words too, nearly as many as the best."""
    most = max((sum(part.holds(word) for word in aligned.words) for part in main_parts(aligned)), default=0)
    parts = (part for each in evidence for part in parts_of(each.number, each.text, each.around))
    return any(
        has_figure(said, part.figures) and sum(part.holds(word) for word in aligned.words) >= AS_WELL * max(most, 1)
        for part in parts
    )


def main_parts(aligned: Alignment) -> Iterator[Part]:
    """Of each clause's window the sentence that holds most of it."""
    for clause in aligned.clauses:
        if clause.window:
            yield max(clause.window, key=lambda part: sum(part.holds(word) for word in clause.words))


def _is_reckoned(said: Amount, near: Sequence[Amount]) -> bool:
    """Whether a writer may have got the figure out of others: a sum, a difference, the one as a share, what is left."""
    if len(near) > RECKONED_FROM or said.is_label:
        return False
    value = said.readings[0] * said.factor
    if said.family == "share" and any(shown.readings[0] in (100 - value, 100 + value) for shown in near):
        return True
    for one, other in permutations((shown.readings[0] * shown.factor for shown in near), 2):
        share = 100 * one / other if other else 0.0
        results = (share, share - 100, 100 - share) if said.family == "share" else (one + other, one - other)
        if any(abs(value - result) <= 0.01 * abs(value) for result in results):
            return True
    return False


def _is_mere_count(said: Amount) -> bool:
    """ "Two reasons", "three steps"."""
    return not said.family and ((said.is_worded and min(said.readings) <= COUNT_MOST) or said.is_label)


def _rivals(said: Amount, shown: Amount, sentence: str, text: str) -> bool:
    """Whether a figure of the passage stands where the sentence has another: it counts the same thing."""
    if said.is_label != shown.is_label or (said.family and said.family != shown.family):
        return False
    if said.family:
        return True
    after, other = _after(sentence, said), _after(text, shown)
    return bool(after and other) and stem(after) == stem(other)


def _after(text: str, amount: Amount) -> str:
    """The word behind a figure, which says what it counts."""
    found = re.match(r"[\s-]*([^\W\d_]{3,})", text[amount.end : amount.end + 30])
    return found[1] if found else ""


def dates(sentence: str, aligned: Alignment, evidence: Sequence[Evidence], lead: str) -> Proof | None:
    """As for numbers; a day that is put together from several is taken as it is."""
    if not (told := days_in(sentence)):
        return None
    near = days_in(aligned.text)
    whole = [day for each in evidence for text in (each.text, each.around) for day in days_in(text)]
    weaker = None
    for said in told:
        if any(same_day(said, shown) for shown in near):
            continue
        rivals = [shown for shown in near if _as_exact(shown) >= _as_exact(said)]
        words, instead = _words(said, sentence), _words(rivals[0], aligned.text) if rivals else ""
        if any(same_day(said, shown) for shown in whole):
            if rivals and _as_exact(said) > 1 and not _stands_as_well(said, aligned, evidence):
                weaker = weaker or Proof(Verdict.PARTLY, Reason.DATE, words, instead)
        elif not _is_put_together(said, whole):
            return Proof(Verdict.UNSUPPORTED, Reason.DATE, words, instead)
    return weaker


def _as_exact(day: Day) -> int:
    """How many of year, month and day are told."""
    return sum(bool(part) for part in day.readings[0])


def _is_put_together(said: Day, shown: Sequence[Day]) -> bool:
    """ "March 5 to 7, 2024", "December 31, 2022 and 2021": the year stands once for several days."""
    year, month, day = said.readings[0]
    days = any(other[1:] == (month, day) and not other[0] for each in shown for other in each.readings)
    years = any(other[0] == year for each in shown for other in each.readings)
    return bool(year and month) and days and years
