"""Near-verbatim true sentences: what a document says, with the small changes a careful writer makes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from tests.proof.cases import PRONOUN, Case, Source, company, shuffled

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
REWORDINGS = [
    (r"\bapproximately\b", "about"),
    (r"\bin order to\b", "to"),
    (r"\bprior to\b", "before"),
    (r"\bas well as\b", "and"),
    (r"\butiliz(e|es|ed|ing)\b", "use"),
    (r"\bin addition to\b", "besides"),
    (r"\bthroughout\b", "across"),
    (r"\bhowever, ", ""),
    (r"^(?:Additionally|Furthermore|However|Moreover|In addition|Finally|Meanwhile|Indeed), (\w)", "UP"),
    (r"\bdoes not\b", "doesn't"),
    (r"\bdid not\b", "didn't"),
    (r"\bis not\b", "isn't"),
    (r"\bwas not\b", "wasn't"),
    (r"\bcannot\b", "can't"),
    (r"\bwill not\b", "won't"),
    (r"\bpercent\b", "%"),
    (r"(?<=\d)%", " percent"),
    (r"organization", "organisation"),
    (r"\blabor\b", "labour"),
    (r"\bprogram(s?)\b", r"programme\1"),
    (r"\bsubsequently\b", "later"),
    (r"\balso ", ""),
    (r" \([^()]*\)", ""),
    (r"[“”]", '"'),
    (r"’", "'"),
    (r" ?[—–] ?", " - "),
    (r"\bbegan to\b", "started to"),
    (r"\bassist\b", "help"),
    (r"\bdue to\b", "because of"),
    (r"\bnumerous\b", "many"),
]
OPENINGS = ["According to the document, ", "The report says that ", "As the source describes it, ", "In short, "]
LOWERED = re.compile(r"^(The|A|An|In|By|For|To|As|On|At|During|After|Since|When|While|Although|Most|Many) ")
COMMA_NUMBER = re.compile(r"(?<![\d,.])(\d{1,3}),(\d{3})(?![\d,])")
LONG_NUMBER = re.compile(r"(?<![\d,.])([1-9]\d)(\d{3})(?![\d,.]\d|\d)")
US_DATE = re.compile(rf"\b({MONTHS}) (\d{{1,2}}), (\d{{4}})")
MOVED = re.compile(r"^((?:In|By|On|Since|During) [^,]{3,30}), ([a-z][^,;]+|(?:the|a|an) [^,;]+|[A-Z][^,;]+)\.$")
NOTE = re.compile(r"\[\d+\]")


def true_case(source: Source, dice: random.Random) -> Case | None:
    """A true sentence; None for one that needs its neighbours to be understood or that no change fits."""
    if PRONOUN.match(source.text):
        return None
    text = NOTE.sub("", source.text)
    changes: list[Callable[[str], str]] = [_reworded, _reworded, _opened, _moved, _notated, _quoted(dice), _plain]
    for change in shuffled(changes, dice):
        said = change(text)
        if said and (said != text or change is _plain):
            cited, proof = (source.passage,), ((0, source.start, source.end),)
            return Case("true", said, cited, company(source.passage), "", _name(change), proof)
    return None


def _name(change: Callable[[str], str]) -> str:
    return change.__name__.strip("_")


def _plain(text: str) -> str:
    return text


def _reworded(text: str) -> str:
    done = 0
    for pattern, into in REWORDINGS:
        found = re.search(pattern, text)
        if not found or (pattern.startswith(r"\butiliz") and found[1] != "e"):
            continue
        is_opening = into == "UP"
        text = found[1].upper() + text[found.end() :] if is_opening else re.sub(pattern, into, text)
        done += 1
        if done == 3:
            break
    return text.replace(" %", "%")


def _opened(text: str) -> str:
    opening = OPENINGS[len(text) % len(OPENINGS)]
    if LOWERED.match(text):
        return opening + text[0].lower() + text[1:]
    return opening + text if text[:2].isupper() else text


def _moved(text: str) -> str:
    found = MOVED.match(text)
    if not found:
        return text
    when, what = found.groups()
    return f"{what[0].upper()}{what[1:]} {when[0].lower()}{when[1:]}."


def _notated(text: str) -> str:
    """The same figures and dates, written another way."""
    text = US_DATE.sub(r"\2 \1 \3", text)
    text = COMMA_NUMBER.sub(r"\1\2", text) if COMMA_NUMBER.search(text) else LONG_NUMBER.sub(r"\1,\2", text)
    return re.sub(r"\$(\d+(?:\.\d+)?) (million|billion)\b", r"\1 \2 dollars", text)


def _quoted(dice: random.Random) -> Callable[[str], str]:
    """Some words of it between marks, exactly."""

    def quoted(text: str) -> str:
        words = text.rstrip(".").split()
        if re.search(r"[“”\"()]", text) or len(words) < 10:
            return text
        first = dice.randrange(0, len(words) - 8)
        last = first + dice.randrange(5, 9)
        piece = " ".join(words[first:last])
        return " ".join([*words[:first], f'"{piece}"', *words[last:]]) + "."

    return quoted
