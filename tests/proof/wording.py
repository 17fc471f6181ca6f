"""Faults in a few small words: a statement is denied, widened, or misquoted."""

from __future__ import annotations

import random
import re

from tests.proof.cases import Case, Source, fault, put, shuffled
from tests.proof.truths import NOTE
from tests.proof.words import AUXILIARIES, INTENSIFIERS, OPPOSITES, OTHER_WORDS, WIDER

SMALL = frozenset("a an the of to in on at by for and or with from as is are was were be its their this that".split())


def negation(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    for way in shuffled([_denied, _denied, _affirmed, _affirmed, _opposite, _opposite, _refused], dice):
        made = way(text, dice)
        if made:
            return fault("negation", source, made[0], made[1], "negation")
    return None


def _denied(text: str, dice: random.Random) -> tuple[str, str] | None:
    found = re.search(
        rf"(?<!There )\b({'|'.join(AUXILIARIES)}) (?!also|however|therefore|so|that|then|all)(?=[a-z])", text
    )
    if not found or re.search(r"\b(not|never|no|nor|neither|only|whether|without|if|unless|except|few)\b", text, re.I):
        return None
    if re.search(r"\b(that|which|who|what|how|as|way)\b[^,]*$", text[: found.start()]) or found[1] in ("may", "must"):
        return None
    if found[1] in ("has", "have", "had") and not re.match(r"(been|\w+ed)\b", text[found.end() :]):
        return None
    word = "never " if found[1] in ("has", "have", "had") and dice.random() < 0.4 else "not "
    return text[: found.end()] + word + text[found.end() :], f"{found[1]} {word.strip()}"


def _affirmed(text: str, dice: random.Random) -> tuple[str, str] | None:
    if re.search(r"not (only|just|merely|limited|necessarily|yet|all|every)", text):
        return None
    ways = [
        (r"\b(will|is|are|was|were|can|has|have|had|could|should|would|must|may) not\b", r"\1"),
        (r"\bcannot\b", "can"),
        (r"\bdid not ([a-z]+)\b", r"did \1"),
        (r"\bdo not ([a-z]+)\b", r"do \1"),
        (r"\bdoes not ([a-z]+)\b", r"does \1"),
        (r"\bnever (?=[a-z]+ed\b)", ""),
        (r"\bno (?=[a-z]+ (?:was|were|is|are)\b)", "some "),
        (r"\bThere (was|were|is|are) no\b", r"There \1"),
        (r"\bwithout\b", "with"),
        (r"\bunable to\b", "able to"),
    ]
    for pattern, into in ways:
        said, count = re.subn(pattern, into, text, count=1)
        if count:
            return said, f"{pattern} dropped"
    return None


def _opposite(text: str, dice: random.Random) -> tuple[str, str] | None:
    if re.search(r"\b(not|never|no|without)\b", text, re.I):
        return None
    for found in shuffled(re.finditer(r"(?<!-)\b[a-z]+\b(?!-)", text), dice):
        new = OPPOSITES.get(found[0])
        before = text[: found.start()]
        if found[0] == "with" and dice.random() < 0.7:
            continue
        if found[0] == "support" and not re.search(r"\b(to|will|can|would|must|should|that) $", before):
            continue
        if re.search(r"\b(part\w*|to be|more|less) $", before):
            continue
        if new and new.split()[0] not in text:
            return put(text, found, new), f"{found[0]} -> {new}"
    return None


def _refused(text: str, dice: random.Random) -> tuple[str, str] | None:
    """Another verb in front: what was done is now declined."""
    found = re.search(r"\b(will) (?=[a-z]{4,}\b)(?!not\b|have\b|also\b|only\b|never\b)", text)
    if not found or re.search(r"\b(not|never|no|that|which|who)\b", text[: found.end() + 30]):
        return None
    new = dice.choice(["declines to ", "will no longer ", "will stop short of efforts to "])
    return text[: found.start()] + new + text[found.end() :], f"will -> {new.strip()}"


def scope(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text)
    for pattern, into in shuffled(WIDER, dice):
        found = re.search(pattern, text)
        if (
            not found
            or len(re.findall(pattern, text)) > 1
            or into.strip() in text
            or re.search(r"\b(not|never|no|unless|if)\b", text)
        ):
            continue
        return fault("scope", source, put(text, found, into), f"{found[0]} -> {into}", "scope")
    return None


def quotation(source: Source, dice: random.Random) -> Case | None:
    text = NOTE.sub("", source.text).rstrip(".")
    words = text.split()
    if len(words) < 9 or re.search(r"[“”\"()]", text):
        return None
    first = dice.randrange(0, len(words) - 7)
    last = first + dice.randrange(5, 10)
    piece = words[first:last]
    for way in shuffled([_reworded, _reworded, _inserted, _turned], dice):
        new = way(piece, dice)
        if new and " ".join(new).lower() not in " ".join(source.passage.text.split()).lower():
            said = " ".join([*words[:first], f'"{" ".join(new)}"', *words[last:]]) + "."
            return fault("quotation", source, said, f"{' '.join(piece)} -> {' '.join(new)}", "quotation")
    return None


def _reworded(piece: list[str], dice: random.Random) -> list[str] | None:
    places = [place for place, word in enumerate(piece) if word in OTHER_WORDS]
    if not places:
        return None
    place = dice.choice(places)
    return [*piece[:place], OTHER_WORDS[piece[place]], *piece[place + 1 :]]


def _inserted(piece: list[str], dice: random.Random) -> list[str] | None:
    places = [place for place, word in enumerate(piece) if place and word.islower() and word not in SMALL]
    if not places:
        return None
    place = dice.choice(places)
    return [*piece[:place], dice.choice(INTENSIFIERS), *piece[place:]]


def _turned(piece: list[str], dice: random.Random) -> list[str] | None:
    for place in range(1, len(piece) - 1):
        left, right = piece[place - 1], piece[place + 1]
        if piece[place] in ("and", "or") and left.islower() and right.isalpha() and left not in SMALL:
            return [*piece[: place - 1], right, piece[place], left, *piece[place + 2 :]]
    return None
