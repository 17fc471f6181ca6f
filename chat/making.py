"""What an answer took, and how that is drawn: where the time went, and how the model's room was filled. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from project.translating import number

LEAST = 0.6  # Of a hundred: a part that is there is seen.


@dataclass(frozen=True)
class Made:
    """What an answer took. Nothing was asked where `asked` is false; tokens that no service counted are 0."""

    search_s: float
    answer_s: float
    sent: int = 0  # passages that were shown to whoever answered
    asked: bool = False
    prompt_tokens: int = 0  # as we counted them
    input_tokens: int = 0
    output_tokens: int = 0
    room: int = 0  # tokens that prompt and answer may have together
    collections: int = 0  # that it was narrowed to …
    documents: int = 0  # … and documents; none of either: all that may be read was searched


@dataclass(frozen=True)
class Part:
    """A stretch of a bar, of a hundred, and what it stands for."""

    kind: str
    words: str
    left: float
    width: float


@dataclass(frozen=True)
class Drawn:
    """What the panel shows: all of it in a few words, then a bar for the time and one for the tokens."""

    words: str
    time: list[Part]
    tokens: list[Part]
    room: str
    within: str  # what was searched


def drawn(made: Mapping[str, float]) -> Drawn | None:
    """The figures kept with an answer, to be shown; None for one that was kept without."""
    if not made:
        return None
    facts = Made(**made)  # type: ignore[arg-type]
    time = _bar(
        [
            ("search", gettext("searching"), facts.search_s, _seconds(facts.search_s)),
            ("answer", gettext("answering"), facts.answer_s, _seconds(facts.answer_s)),
        ]
    )
    sent = facts.input_tokens or facts.prompt_tokens
    counts = [
        ("sent", gettext("sent"), sent, number(sent)),
        ("answer", gettext("written"), facts.output_tokens, number(facts.output_tokens)),
    ]
    spent = sent + facts.output_tokens
    words = [_seconds(facts.search_s + facts.answer_s)]
    if facts.asked and spent:
        words.append(ngettext("%(n)s token", "%(n)s tokens", spent) % {"n": number(spent)})
    return Drawn(
        words=" · ".join(words),
        time=time,
        tokens=_bar(counts, facts.room) if facts.asked and spent else [],
        room=gettext("of room for %(n)s") % {"n": number(facts.room)} if facts.room else "",
        within=_within(facts),
    )


def _within(facts: Made) -> str:
    """What the search was narrowed to."""
    many = [
        ngettext("%(n)s collection", "%(n)s collections", facts.collections) % {"n": facts.collections},
        ngettext("%(n)s document", "%(n)s documents", facts.documents) % {"n": facts.documents},
    ]
    chosen = [words for words, count in zip(many, (facts.collections, facts.documents), strict=True) if count]
    return ", ".join(chosen) or gettext("all that the asker could read")


def _bar(parts: Sequence[tuple[str, str, float, str]], whole: float = 0) -> list[Part]:
    """Stretches beside one another, in proportion; nothing of what is 0."""
    whole = max(whole, sum(amount for _, _, amount, _ in parts)) or 1
    found, left = [], 0.0
    for kind, words, amount, told in parts:
        if amount:
            width = round(min(max(LEAST, 100 * amount / whole), 100 - left), 2)
            found.append(Part(kind, f"{words} {told}", round(left, 2), width))
            left += width
    return found


def _seconds(seconds: float) -> str:
    """
    >>> _seconds(0.012), _seconds(0.34), _seconds(4.21)
    ('12 ms', '340 ms', '4.2 s')
    """
    return f"{number_format(round(seconds, 1), 1)} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
