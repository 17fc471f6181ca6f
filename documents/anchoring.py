"""Find kept words again on pages that were read anew, or edited since. Pure.

Words are compared without what a reading may change and no reader sees: blanks, line breaks, hyphens at them, the shape
of quotes and dashes, signs of tables and lists. Where they stand no more letter for letter, what stands around them
says which words took their place.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import accumulate, pairwise

Span = tuple[int, int]

DASHES = frozenset("-‐‑‒–—\u00ad")
UNSEEN = frozenset("|*_#`•▪●○\u200b\ufeff")
QUOTES = dict.fromkeys("“”„«»", '"') | dict.fromkeys("‘’‚", "'")
WORD = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:[-‐\u00ad]\s*[^\W\d_]+)*|[^\w\s]")
NEAR = 3  # pages on either side are looked at before all the others
AROUND = 160  # letters on either side that tell one place from another
PROBE = 4  # words that together are hardly ever met by chance
PROBES_LEAST = 0.3  # Share of them that a page must have to be the one.
MATCHED_LEAST = 0.5  # Share of the words that must be left, unless both neighbours are in their places.
BESIDE = 3  # words: as near as a neighbour must stand
LONGER_MOST = 12  # words that may have come in, beside twice as many as there were
TELLING = 24  # letters that are enough to be looked for without what stands around them


@dataclass(frozen=True)
class Kept:
    """Words as they once stood on a page, with what stood on either side of them."""

    words: str
    before: str = ""
    after: str = ""
    page: int = 1
    start: int = 0


@dataclass(frozen=True)
class Place:
    page: int
    start: int
    end: int
    is_same: bool = True  # False: other words stand there now.


def kept_from(text: str, span: Span, *, page: int, start: int) -> Kept:
    """A stretch of a text whose first letter stood at `start` of its page.

    >>> kept_from("Rent is due in May.", (12, 18), page=2, start=100)
    Kept(words='in May', before='Rent is due ', after='.', page=2, start=112)
    """
    first, after = span
    around = text[max(0, first - AROUND) : first], text[after : after + AROUND]
    return Kept(text[first:after], *around, page=page, start=start + first)


def find(kept: Kept, pages: Mapping[int, str]) -> Place | None:
    """Where the words stand now, or the words that took their place; None when neither is there.

    >>> find(Kept("due in May", "Rent is ", "."), {1: "Rent is due\\nin May."})
    Place(page=1, start=8, end=18, is_same=True)
    >>> find(Kept("40 pounds", "For heat you pay ", " a month."), {1: "So. For heat you pay 55 pounds a month."})
    Place(page=1, start=21, end=30, is_same=False)
    """
    order = sorted(pages, key=lambda number: (abs(number - kept.page), number))
    near = [number for number in order if abs(number - kept.page) <= NEAR]
    far = order[len(near) :]
    return (
        _in_context(kept, pages, near)
        or _aligned(kept, pages, near)
        or _in_context(kept, pages, far)
        or _alone(kept, pages, near)
        or _aligned(kept, pages, far)
        or _alone(kept, pages, far)
    )


@lru_cache(maxsize=64)
def plain(text: str) -> tuple[str, tuple[int, ...]]:
    """The letters that count, and the place of each in the text.

    >>> plain("“Res-\\ntored”  by 5-6 p.m.")[0]
    '"Restored"by5-6p.m.'
    """
    letters: list[str] = []
    places: list[int] = []
    for at, letter in enumerate(text):
        if letter.isspace() or letter in UNSEEN:
            continue
        if letter in DASHES:
            following = text[at + 1 : at + 8].lstrip()[:1]
            if letter == "\u00ad" or (letters and letters[-1].isalpha() and following.isalpha()):
                continue
            letter = "-"
        for each in letter if letter < "\x80" else unicodedata.normalize("NFKD", QUOTES.get(letter, letter)):
            letters.append(each)
            places.append(at)
    return "".join(letters), tuple(places)


def is_same(one: str, other: str) -> bool:
    return plain(one)[0] == plain(other)[0]


def _in_context(kept: Kept, pages: Mapping[int, str], numbers: Sequence[int]) -> Place | None:
    """The words between the very neighbours they had."""
    whole, places = plain(kept.before + kept.words + kept.after)
    first = sum(place < len(kept.before) for place in places)
    last = sum(place < len(kept.before) + len(kept.words) for place in places)
    if first >= last:
        return None
    return _nearest(whole, (first, last), kept, pages, numbers) or _parted(whole, (first, last), pages, numbers)


def _alone(kept: Kept, pages: Mapping[int, str], numbers: Sequence[int]) -> Place | None:
    """The words anywhere, if they are long enough not to be met by chance."""
    wanted = plain(kept.words)[0]
    return _nearest(wanted, (0, len(wanted)), kept, pages, numbers) if len(wanted) >= TELLING else None


def _nearest(wanted: str, part: Span, kept: Kept, pages: Mapping[int, str], numbers: Sequence[int]) -> Place | None:
    for number in numbers:
        letters, places = plain(pages[number])
        if found := _occurrences(wanted, letters):
            at = min(found, key=lambda at: abs(places[at + part[0]] - kept.start))
            return Place(number, places[at + part[0]], places[at + part[1] - 1] + 1)
    return None


def _parted(wanted: str, part: Span, pages: Mapping[int, str], numbers: Sequence[int]) -> Place | None:
    """The same where a page now ends between the words and what stood beside them.

    >>> _parted("abcdef", (3, 6), {1: "x a b c", 2: "d e f"}, [1, 2])
    Place(page=2, start=0, end=5, is_same=True)
    """
    for number in numbers:
        (letters, places), (more, more_places) = plain(pages[number]), plain(pages.get(number + 1, ""))
        begin = max(0, len(letters) - len(wanted) + 1)
        at = (letters[begin:] + more[: len(wanted) - 1]).find(wanted)
        first, last = (begin + at + side - len(letters) for side in part)  # From the border on.
        if at >= 0 and last <= 0:
            return Place(number, places[first], places[last - 1] + 1)
        if at >= 0 and first >= 0:
            return Place(number + 1, more_places[first], more_places[last - 1] + 1)
    return None


def _occurrences(wanted: str, letters: str) -> list[int]:
    found, at = [], letters.find(wanted)
    while at >= 0:
        found.append(at)
        at = letters.find(wanted, at + 1)
    return found


# Words that were edited ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Words:
    words: list[str]
    spans: list[Span]


@lru_cache(maxsize=64)
def _words(text: str) -> _Words:
    found = list(WORD.finditer(text))
    return _Words([plain(word[0])[0] for word in found], [word.span() for word in found])


def _aligned(kept: Kept, pages: Mapping[int, str], numbers: Sequence[int]) -> Place | None:
    """The words that stand where the kept ones did, on the page that has most of what stood around them."""
    old = _words(kept.before + kept.words + kept.after)
    inside = [
        index
        for index, (start, _) in enumerate(old.spans)
        if len(kept.before) <= start < len(kept.before) + len(kept.words)
    ]
    number = _likeliest(old.words, pages, numbers)
    if number is None or not inside:
        return None
    new = _words(pages[number])
    found = _where(old.words, new.words, (inside[0], inside[-1] + 1))
    if found is None:
        return None
    start, end = new.spans[found[0]][0], new.spans[found[1] - 1][1]
    if any(map(str.isalnum, kept.words)) and not any(map(str.isalnum, pages[number][start:end])):
        return None
    return Place(number, start, end, is_same(kept.words, pages[number][start:end]))


def _likeliest(words: Sequence[str], pages: Mapping[int, str], numbers: Sequence[int]) -> int | None:
    """The page that has most of these words in groups; the first of those that have as many."""
    size = min(PROBE, len(words))
    probes = {"".join(words[at : at + size]) for at in range(0, max(1, len(words) - size + 1), 2)} - {""}
    best, page = PROBES_LEAST * len(probes), None
    for number in numbers:
        letters = plain(pages[number])[0]
        held = sum(probe in letters for probe in probes)
        if held > best:
            best, page = held, number
    return page


def _where(old: Sequence[str], new: Sequence[str], part: Span) -> Span | None:
    """The words of `new` that stand in the place of old[part]; None where that cannot be told, or none does."""
    first, after = part
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    match = {block.a + step: block.b + step for block in blocks for step in range(block.size)}
    kept = [match[at] for at in range(first, after) if at in match]
    left = max((at for at in match if at < first), default=None)
    right = min((at for at in match if at >= after), default=None)
    start = match[left] + 1 if left is not None and first not in match else min(kept, default=None)
    last = match[right] - 1 if right is not None and after - 1 not in match else max(kept, default=None)
    if start is None or last is None or start > last or last - start >= 2 * (after - first) + LONGER_MOST:
        return None
    is_between = left is not None and right is not None and first - left <= BESIDE and right - after < BESIDE
    return (start, last + 1) if is_between or len(kept) >= MATCHED_LEAST * (after - first) else None


# Words of which only a check is known --------------------------------------------------------------------------------
def check_of(text: str) -> str:
    """By which words are known again that were not kept: their number of letters, a sum of them, and a hash.

    >>> check_of("Rent is due in May.") == check_of("Rent is\\n due in May.")
    True
    """
    letters = plain(text)[0]
    return f"{len(letters)}-{sum(map(ord, letters)):x}-{_hash(letters)}"


def find_by_check(check: str, pages: Mapping[int, str], page: int, start: int) -> Place | None:
    """Where words of that check stand, nearest to where they once did.

    >>> find_by_check(check_of("due in May"), {1: "Heat.", 2: "Rent is due\\nin May."}, 1, 0)
    Place(page=2, start=8, end=18, is_same=True)
    """
    known = re.fullmatch(r"(\d{1,6})-([0-9a-f]{1,12})-([0-9a-f]{16})", check)
    if known is None or not int(known[1]):
        return None
    size, total = int(known[1]), int(known[2], 16)
    for number in sorted(pages, key=lambda number: (abs(number - page), number)):
        letters, places = plain(pages[number])
        sums = [0, *accumulate(map(ord, letters))]
        likely = [at for at in range(len(letters) - size + 1) if sums[at + size] - sums[at] == total]
        for at in sorted(likely, key=lambda at: abs(places[at] - start)):
            if _hash(letters[at : at + size]) == known[3]:
                return Place(number, places[at], places[at + size - 1] + 1)
    return None


def _hash(letters: str) -> str:
    return hashlib.sha256(letters.encode("utf-8", "replace")).hexdigest()[:16]


# What is different ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Change:
    """A stretch of a text: left as it was (""), taken out ("del") or put in ("ins")."""

    kind: str
    text: str


def difference(old: str, new: str) -> list[Change]:
    """What was taken out and put in, word by word; long stretches in between are cut short.

    >>> [(each.kind, each.text) for each in difference("Due in twelve hours.", "Due in ten hours.")]
    [('', 'Due in '), ('del', 'twelve'), ('', ' '), ('ins', 'ten'), ('', ' '), ('', 'hours.')]
    """
    one, other = _pieces(old), _pieces(new)
    matcher = SequenceMatcher(None, [plain(each)[0] for each in one], [plain(each)[0] for each in other], False)
    found: list[Change] = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            found.append(Change("", "".join(_short(one[a:b], a == 0, b == len(one)))))
            continue
        for kind, text in (("del", "".join(one[a:b])), ("ins", "".join(other[c:d]))):
            words = text.rstrip()
            found += [Change(kind, words)] * bool(words) + [Change("", text[len(words) :])] * (words != text)
    return found


def _pieces(text: str) -> list[str]:
    """Words with the blanks behind them."""
    borders = [*(word.start() for word in WORD.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(borders)]


SHOWN_BESIDE = 12


def _short(pieces: list[str], is_first: bool, is_last: bool) -> list[str]:
    """The words beside a change; of a long stretch no more than that."""
    head = [] if is_first else pieces[:SHOWN_BESIDE]
    tail = [] if is_last else pieces[-SHOWN_BESIDE:]
    whole = is_first and is_last
    return pieces if whole or len(pieces) <= len(head) + len(tail) + SHOWN_BESIDE else [*head, " … ", *tail]
