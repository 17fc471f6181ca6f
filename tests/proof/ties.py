"""Faults in what belongs together: the wrong passage is cited, a detail is added, two facts are merged."""

from __future__ import annotations

import random
import re

from tests.proof.cases import PRONOUN, WORD, Case, Source, beside, company, covered, fault, put, shuffled, stands_in
from tests.proof.passages import Passage, passages
from tests.proof.truths import NOTE
from tests.proof.values import YEAR
from tests.proof.words import BODIES, COUNTRIES, DETAILS, KNOWN_SURNAMES, UMBRELLAS

MEASURES = [
    re.compile(rf"(?<![\w.$-])(\d+(?:\.\d+)?)(?={unit}\b)")
    for unit in "%| percent, feet, miles, million, billion, km, hours, years, people, pages".split(",")
]
SUBJECT = re.compile(
    r"^(?P<subject>(?:The |A |An )?[A-Z]?[\w’' -]{2,45}?) "
    r"(?P<verb>is|are|was|were|has|have|had|can|must|became|began|made|gave|took|won|led|arrived|stated|reported)\b "
    r"(?P<rest>.+)$"
)


def swapped(source: Source, dice: random.Random) -> Case | None:
    """A true sentence that cites its neighbour: a passage of the same document, or of a report just like it."""
    return _swapped("swapped citation", source, dice)


def put_right(source: Source, dice: random.Random) -> Case | None:
    """The same with the right passage among those that were offered: it is flagged, or led to that one."""
    return _swapped("citation put right", source, dice)


def _swapped(kind: str, source: Source, dice: random.Random) -> Case | None:
    if PRONOUN.match(source.text):
        return None
    said = NOTE.sub("", source.text)
    own = source.passage
    near = [other for other in passages() if other is not own and other.half == own.half and _is_near(other, own)]
    for other in shuffled(near, dice)[:12]:
        if len(other.text) > 500 and covered(said, other) < 0.5:
            is_there = kind == "citation put right"
            offered = (own,) if is_there else tuple(one for one in company(other) if covered(said, one) < 0.5)
            proof = ((1, source.start, source.end),) if is_there else ()
            any_of = frozenset(("no match", "number", "date", "name", "unit", "negation", "scope"))
            return Case(kind, said, (other,), offered, "", f"cites {other.document} p{other.page}", proof, any_of)
    return None


def _is_near(other: Passage, own: Passage) -> bool:
    if own.document[:1].isdigit() and own.document.endswith(".pdf"):  # One accident report for another.
        return other.document.endswith(".pdf") and other.document[:1].isdigit() and other.document != own.document
    return other.document == own.document


def added(source: Source, dice: random.Random) -> Case | None:
    """A true sentence with one more thing that nobody wrote."""
    if PRONOUN.match(source.text):
        return None
    text = NOTE.sub("", source.text).rstrip(".")
    for detail in shuffled(DETAILS, dice):
        words = [word for word in WORD.findall(detail) if len(word) > 5]
        if not any(stands_in(word, source.passage) for word in words):
            any_of = "no match, number, name, date, unit"
            return fault("added detail", source, f"{text}{detail}.", detail, any_of)
    return None


def merged(source: Source, dice: random.Random) -> Case | None:
    """Two facts of one passage tied together wrongly: the subject of one with what is said of the other, or values."""
    neighbours = [other for other in beside(source.passage) if other != source]
    for way in shuffled([_of_two_subjects, _values_across, _values_within, _names_across], dice):
        for other in shuffled(neighbours, dice):
            made = way(source, other)
            if made:
                proof = ((0, source.start, source.end), (0, other.start, other.end))
                cited = (source.passage,)
                return Case("merged facts", made[0], cited, company(source.passage), "", made[1], proof)
    return None


def _names_across(source: Source, other: Source) -> tuple[str, str] | None:
    """The other sentence's name in the place of ours."""
    text, its = NOTE.sub("", source.text), NOTE.sub("", other.text)
    for kind in (KNOWN_SURNAMES, COUNTRIES, BODIES - UMBRELLAS):
        ours = [found for found in re.finditer(r"\w+", text) if found[0] in kind]
        theirs = [found[0] for found in re.finditer(r"\w+", its) if found[0] in kind and found[0] not in text]
        if len(ours) == 1 and theirs and "(" not in text:
            return put(text, ours[0], theirs[0]), f"{ours[0][0]} -> {theirs[0]}, of another sentence"
    return None


def _values_within(source: Source, _: Source) -> tuple[str, str] | None:
    """Two values of one sentence, each in the place of the other."""
    text = NOTE.sub("", source.text)
    for pattern in (YEAR, *MEASURES):
        found = list(pattern.finditer(text))
        if len(found) != 2 or found[0][1] == found[1][1]:
            continue
        (left, right), (one, two) = (first.span(1) for first in found), (first[1] for first in found)
        between = text[left[1] : right[0]]
        if len(between.split()) < 4 or "compared" in text or "while" in between:
            continue
        return text[: left[0]] + two + between + one + text[right[1] :], f"{one} and {two} change places"
    return None


def _values_across(source: Source, other: Source) -> tuple[str, str] | None:
    """The other sentence's value of the same kind in the place of ours."""
    text, its = NOTE.sub("", source.text), NOTE.sub("", other.text)
    for pattern in (YEAR, *MEASURES):
        ours, theirs = list(pattern.finditer(text)), list(pattern.finditer(its))
        if len(ours) == 1 and theirs and not PRONOUN.match(text):
            new = next((found[1] for found in theirs if found[1] not in text), None)
            if new and not _bounded(text[: ours[0].start(1)]):
                said = text[: ours[0].start(1)] + new + text[ours[0].end(1) :]
                return said, f"{ours[0][1]} -> {new}, of another sentence"
    return None


def _of_two_subjects(source: Source, other: Source) -> tuple[str, str] | None:
    own, its = SUBJECT.match(NOTE.sub("", source.text)), SUBJECT.match(NOTE.sub("", other.text))
    if not own or not its or _form(own["verb"]) != _form(its["verb"]):
        return None
    if re.match("The (?:first|second|third)", own["subject"]):
        return None
    left, right = ({word[:5].lower() for word in WORD.findall(found["subject"])} for found in (own, its))
    if not left or not right or left & right or PRONOUN.match(source.text) or PRONOUN.match(other.text):
        return None
    if _may_be_one(own["subject"]) or _may_be_one(its["subject"]) or covered(own["subject"], _only(its["rest"])) > 0:
        return None
    return f"{own['subject']} {its['verb']} {its['rest']}", f"{its['subject']} -> {own['subject']}"


def _form(verb: str) -> str:
    """What a verb agrees with: of the past, but for was and were, any subject will do."""
    return verb if verb in ("is", "are", "was", "were", "has", "have", "can", "must") else "past"


def _may_be_one(subject: str) -> bool:
    """A subject that may mean the same as another one of its passage, so that nothing would be wrong."""
    return bool(
        re.search(
            r"(?i)\b(the agency|department|epa|dhs|dol|dot|gsa|nara|doc|commerce|we|he|it|they|us|two|one|there)\b",
            subject,
        )
        or re.search(
            r"(?i)\b(effort|goal|strateg|initiative|program|work|approach|result|year|area|case|which|that)", subject
        )
        or re.match(
            r"(?:While|Although|How|Because|In|If|When|There|What|Where|As|Only|Since|During|After|On|At|By)\b", subject
        )
        or re.search(
            r"\b(?:and|this|these|service|solution|website|step|configuration|innovation|user|system)s?$", subject
        )
        or "," in subject
        or len(subject.split()) > 5
    )


def _only(text: str) -> Passage:
    return Passage("", 0, 0, text, "")


def _bounded(before: str) -> bool:
    return bool(re.search(r"\b(by|since|after|before|until|from|than|over|least|to)( \w+)? $", before))
