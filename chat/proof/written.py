"""An answer as it is written: cut into sentences while it streams, and put together with what was found of them. Pure.

Everything counts in offsets of the answer's text without its source numbers, which stay where they are even when a
number is put right or a sentence written again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from chat.events import Cite, Event, Proved, Text
from chat.sentences import sentences

SENTENCE_LETTERS = 2_000  # A longer one is cut at a blank: nobody reads it as one.
MAY_END = re.compile(r"[.!?…。！？؟।\n\f]")
KNOWN_BY = 6  # Letters of a line by which it is told whether it goes on or begins something.
SHORT_WORDS = 6  # A line of no more words is read with the heading above it.
ITEM = re.compile(r"[ \t]*(?:>[ \t]*)*(?:[-*+•–]|\(?\d{1,3}[.)])[ \t]+")
QUOTE = re.compile(r"[ \t]*(?:>[ \t]*)+")
RULE = re.compile(r"[\s|:+=-]+")
HASHES = re.compile(r"#{1,6}[ \t]+")
SIGNS = re.compile(r"\*+|`+|~~|(?<!\w)_+|_+(?!\w)|\n[ \t]*>[> \t]*|\[\^\w{1,20}\]:?")  # the last: a footnote
LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
FENCE_END = re.compile(r"(?:^|\n)[ \t>]*(?:```+|~~~+)[ \t]*$")
LEFT_ALONE = re.compile(r"(?:^|\n)[ \t]*(?:(?:[-*+•–]|\(?\d{1,3}[.)]|>|\|)[ \t]*)$")


Marker = Callable[[str, int], str]  # (the text before it, the number) -> the text with the number


class Kind(StrEnum):
    TEXT = "text"
    ITEM = "item"
    ROW = "row"
    HEADING = "heading"
    CODE = "code"


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer, an item of a list or a row of a table."""

    start: int
    end: int
    until: int
    words: str  # without Markdown
    lead: str = ""  # what it is to be read with: lead-in, heading, a table's header
    cited: tuple[int, ...] = ()
    inherited: tuple[int, ...] = ()  # the sources its lead-in names
    is_stated: bool = True  # False for what heads others, and for code


@dataclass(frozen=True)
class Block:
    kind: Kind
    start: int
    end: int


def blocks(text: str, at: int = 0) -> Iterator[Block]:
    """Paragraphs, items, rows, headings and code of a Markdown text from a line's beginning on."""
    open_: Block | None = None
    is_code = False
    for line in re.finditer(r"[^\n]*(?:\n|$)", text[at:]):
        start, end = at + line.start(), at + line.end()
        said = line[0].strip()
        is_fence = said.startswith(("```", "~~~"))
        kind = Kind.CODE if is_code or is_fence else _kind(line[0], said)
        goes_on = is_code if kind is Kind.CODE else kind is Kind.TEXT and bool(said)
        is_code ^= is_fence
        if goes_on and open_ and (open_.kind is kind or open_.kind is Kind.ITEM):
            open_ = replace(open_, end=end)
            continue
        if open_:
            yield open_
        open_ = Block(kind, start, end) if said else None
    if open_:
        yield open_


def _kind(line: str, said: str) -> Kind:
    if re.match(r"#{1,6}[ \t]", said):
        return Kind.HEADING
    if said.startswith("|"):
        return Kind.ROW
    return Kind.ITEM if ITEM.match(line) else Kind.TEXT


def spans_in(text: str, block: Block, since: int = 0) -> Iterator[tuple[int, int]]:
    """The sentences of a block that begin at `since` or later, without the signs it begins with."""
    start, end = block.start, block.end
    if block.kind in {Kind.ROW, Kind.HEADING, Kind.CODE}:
        said = text[start:end].strip()
        inner = said.strip("|").strip() if block.kind is Kind.ROW else said
        left = start + text[start:end].index(inner or said)
        right = left + len(inner or said)
        hashes = HASHES.match(text, left, right) if block.kind is Kind.HEADING else None
        yield hashes.end() if hashes else left, right
        return
    mark = ITEM.match(text, start, end) or QUOTE.match(text, start, end)
    start = max(mark.end() if mark else start, since)
    # The same length, so that offsets hold: what closes emphasis is read as a closing quote.
    flat = re.sub(r"[*_`]", "'", text[start:end].replace("\n", " "))
    for left, right in sentences(flat):
        sign = QUOTE.match(text, start + left, start + right)  # of a further line of a quotation
        yield from _pieces(text, sign.end() if sign else start + left, start + right)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > SENTENCE_LETTERS:
        blank = text.rfind(" ", start + 1, start + SENTENCE_LETTERS)
        cut = blank if blank > start else start + SENTENCE_LETTERS
        yield start, cut
        start = cut + (cut == blank)
    if start < end:
        yield start, end


def bare(text: str) -> str:
    """The words without Markdown.

    >>> bare("**Rent** is due in `May`, see [the _plan_](https://x.example/).")
    'Rent is due in May, see the plan.'
    """
    return " ".join(SIGNS.sub(_nothing, LINK.sub(r"\1", text)).split())


def _nothing(sign: re.Match[str]) -> str:
    return " " if sign[0].startswith("\n") else ""


class Reader:
    """Tells the sentences of an answer while it is written, each when the next one has begun.

    Numbers may come up to the beginning of the next sentence: "Rent is due. [1] Dogs".
    """

    def __init__(self) -> None:
        self.text = ""
        self.numbers: list[tuple[int, int]] = []  # (place, source number)
        self._told, self._block = 0, 0  # Up to where sentences are told; where the block of the last of them begins.
        self._heading = self._lead = self._header = ""
        self._lead_cited: tuple[int, ...] = ()

    def take(self, event: Event) -> list[Sentence]:
        if isinstance(event, Cite):
            self.numbers.append((len(self.text), event.number))
        elif isinstance(event, Text):
            self.text += event.text
            if self._may_have_ended():  # Mostly not: an answer comes in words.
                return self._ended(is_all=False)
        return []

    def _may_have_ended(self) -> bool:
        """Whether enough stands behind a sign that may end a sentence."""
        waiting = self.text[self._told :].lstrip()
        return len(waiting) > SENTENCE_LETTERS or bool(MAY_END.search(waiting, 0, max(0, len(waiting) - KNOWN_BY)))

    def rest(self) -> list[Sentence]:
        """At the end: what has no successor."""
        return self._ended(is_all=True)

    def _ended(self, *, is_all: bool) -> list[Sentence]:
        found = [
            (block, start, end)
            for block in blocks(self.text, self._block)
            for start, end in spans_in(self.text, block, self._told)
            if start >= self._told
        ]
        last = len(found)
        if not is_all:
            last -= 1 if found and len(self.text) - found[-1][1] >= KNOWN_BY else 2
        following = [start for _, start, _ in found[1:]] + [len(self.text)]
        return [self._sentence(*found[at], following[at]) for at in range(max(0, last))]

    def _sentence(self, block: Block, start: int, end: int, until: int) -> Sentence:
        self._told, self._block = end, block.start
        cited = tuple(dict.fromkeys(number for place, number in self.numbers if start < place <= until))
        words = bare(self.text[start:end])
        lead, inherited, is_stated = self._read_with(block.kind, words, cited)
        return Sentence(start, end, until, words, lead, cited, inherited, is_stated)

    def _read_with(self, kind: Kind, words: str, cited: tuple[int, ...]) -> tuple[str, tuple[int, ...], bool]:
        """What a sentence hangs on, with the sources named there; and whether it states anything itself."""
        if kind is not Kind.ROW:
            self._header = ""
        if kind is Kind.CODE:
            return "", (), False
        if kind is Kind.HEADING:
            self._heading, self._lead, self._lead_cited = words.lstrip("# "), "", cited
            return "", (), False
        if kind is Kind.ROW:
            is_header, self._header = not self._header, self._header or words
            return self._header, self._lead_cited, not (is_header or RULE.fullmatch(words))
        if words.endswith(":"):
            self._lead, self._lead_cited = words, cited
            return self._heading, (), True
        if kind is Kind.ITEM:
            return f"{self._heading} {self._lead}".strip(), self._lead_cited, True
        self._lead, self._lead_cited = "", ()
        return (self._heading if len(words.split()) <= SHORT_WORDS else ""), (), True


@dataclass(frozen=True)
class Placed:
    """A sentence in the text as it is shown, source numbers and all; an empty one was left out."""

    start: int
    end: int
    proved: Proved


class Written:
    """The text of an answer with what was found of its sentences put in."""

    def __init__(self) -> None:
        self.text = ""
        self.numbers: list[tuple[int, int]] = []
        self.proved: dict[int, Proved] = {}  # by where they begin

    def take(self, event: Event) -> None:
        if isinstance(event, Text):
            self.text += event.text
        elif isinstance(event, Cite):
            self.numbers.append((len(self.text), event.number))
        elif isinstance(event, Proved):
            self.proved[event.start] = event

    @property
    def settled(self) -> int:
        """Up to where nothing will change any more."""
        upto = 0
        for proved in self._in_order():
            if proved.is_pending:
                break
            upto = proved.until
        return upto

    def _in_order(self) -> list[Proved]:
        """Those whose words are there: a verdict may overtake text that moderation holds back."""
        return [self.proved[start] for start in sorted(self.proved) if self.proved[start].end <= len(self.text)]

    def draw(self, marker: Marker, upto: int | None = None) -> tuple[str, list[Placed]]:
        """The text with its numbers, as `marker` writes one; and where each sentence stands in it."""
        text = self.text if upto is None else self.text[:upto]
        numbers = self._right_numbers()
        shown, at, placed = "", 0, []
        for proved in self._in_order():
            if proved.end > len(text):
                break
            between = [each for each in numbers if at <= each[0] <= proved.start]
            shown = _with_numbers(shown, text, at, proved.start, between, marker)
            if proved.instead == "":
                shown, at = _left_out(shown, text, proved)
                placed.append(Placed(len(shown), len(shown), proved))
                continue
            inside = [each for each in numbers if proved.start < each[0] < proved.end]
            begun, at = len(shown), proved.end
            if proved.instead is None:
                shown = _with_numbers(shown, text, proved.start, proved.end, inside, marker)
            else:
                shown += proved.instead
            placed.append(Placed(begun, len(shown), proved))
            if proved.instead is not None:
                shown = _with_numbers(shown, text, at, at, [(at, number) for _, number in inside], marker)
        rest = [each for each in numbers if at <= each[0] <= len(text)]
        return _with_numbers(shown, text, at, len(text), rest, marker), placed

    def _right_numbers(self) -> list[tuple[int, int]]:
        """The source numbers by place: a sentence's own, or those that carry it, where its first one stood."""
        numbers = list(self.numbers)
        for proved in self._in_order():
            if proved.cited == proved.cites and proved.instead != "":
                continue
            own = [place for place, _ in numbers if proved.start < place <= proved.until]
            numbers = [(place, number) for place, number in numbers if place not in own]
            if proved.instead != "":
                numbers += [(own[0] if own else proved.end, number) for number in proved.cites]
        return sorted(numbers, key=lambda each: each[0])


def _with_numbers(shown: str, text: str, start: int, end: int, numbers: list[tuple[int, int]], marker: Marker) -> str:
    """Put a stretch behind what is shown, with the numbers in it.

    A number behind the end of code stands on the next line: a fence with something behind it would not end the code.
    """
    at = start
    for place, number in numbers:
        before = shown + text[at:place]
        shown = marker(f"{before}\n" if FENCE_END.search(before) else before, number)
        at = place
    return shown + text[at:end]


def _left_out(shown: str, text: str, proved: Proved) -> tuple[str, int]:
    """Take the signs of a line along that would stand alone without the sentence; goes on behind it."""
    at = proved.end
    sign = LEFT_ALONE.search(shown)
    rest = re.compile(r"[ \t]*\|?[ \t]*(?=\n|$)").match(text, at)
    if sign and rest:
        return shown[: sign.start()], rest.end()
    blank = re.compile(r"[ \t]+").match(text, at)
    return shown, blank.end() if blank else at
