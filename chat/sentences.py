"""Cut a text into sentences, as spans of it, and say which of them can be quoted. Pure.

Structure counts before punctuation: a blank line, a list item, a table row and a heading end a sentence, a line
break inside a paragraph does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

ABBREVIATIONS = frozenset(
    (
        "mr mrs ms dr prof sr jr st no nos vs etc e.g i.e eg ie cf al fig figs vol ed eds inc ltd co corp dept approx "
        "est jan feb mar apr jun jul aug sep sept oct nov dec art para sec ch p pp u.s u.k u.n a.m p.m z.b d.h bzw nr"
    ).split()
)
BULLET = r"(?:[-*•–‣▪●○]|\(?\d{1,3}[.)]|\(?[a-z][.)])[ \t]+"
ROW = r"[ \t]*\||[^\n]*[ \t]\|(?:[ \t\r\n]|$)"
BLOCK = re.compile(rf"\r?\n[ \t]*(?:\r?\n)+|\r?\n(?=[ \t]*(?:{BULLET}|#{{1,6}}[ \t])|{ROW})|\f")
LINE_END = re.compile(r"\r?\n")
SHORT = 0.6  # A line of less than this share of a full one was broken on purpose.
ENDINGS = frozenset(".!?…。！？؟।")
CLOSING = "\"'”’»)]」』）"
RULE = re.compile(r"[\s|:+=-]+")
LABEL = re.compile(r"[A-Z][^:.!?|]{1,40}: *\S")
LIST_ITEMS = 10  # Of a longer list no more is quoted with its lead-in.
STOP = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？؟।]+[”’」』）]*")


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of `text`, trimmed of space, in order.

    >>> [("Pay Dr. Lee £1.50. Or not."[a:b]) for a, b in sentences("Pay Dr. Lee £1.50. Or not.")]
    ['Pay Dr. Lee £1.50.', 'Or not.']
    """
    found = []
    for start, end in _blocks(text):
        left = start
        for stop in STOP.finditer(text, start, end):
            if _ends(text, left, stop):
                found.append((left, stop.end()))
                left = stop.end()
        found.append((left, end))
    trimmed = (_trim(text, start, end) for start, end in found)
    return [(start, end) for start, end in trimmed if start < end]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Paragraphs, list items, rows and headings."""
    borders = [0, *(place for found in BLOCK.finditer(text) for place in found.span()), len(text)]
    lengths = sorted(map(len, text.splitlines()))
    full = lengths[-max(1, len(lengths) // 5)] if lengths else 0
    for start, end in zip(borders[::2], borders[1::2], strict=True):
        left = start
        for found in LINE_END.finditer(text, start, end):
            if _stands_alone(text[left : found.start()].rsplit("\n", 1)[-1].strip(), text[found.end() :], full):
                yield left, found.start()
                left = found.end()
        yield left, end


def _stands_alone(line: str, rest: str, full: int) -> bool:
    """Whether a line is a row or a heading: it has bars, or stops well before the margin, in the middle of nothing."""
    if re.match(ROW, line):
        return True
    is_open = bool(line) and line[-1] in ".,;:!?…-–"
    following = rest.lstrip()[:1]
    return bool(line) and len(line) < SHORT * full and not is_open and (following.isupper() or following.isdigit())


def _ends(text: str, left: int, stop: re.Match[str]) -> bool:
    """Whether this full stop ends a sentence: not after an abbreviation, an initial or a number in a list."""
    if stop[0][0] != ".":
        return True
    word = re.split(r"[^\w.]", text[max(left, stop.start() - 20) : stop.start()])[-1].lower()
    if word in ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return False
    if word.isdecimal() and stop.start() - len(word) <= left + 1:
        return False
    rest = text[stop.end() :].lstrip()[:1]
    return not rest or not rest.islower()


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


class Kind(StrEnum):
    SENTENCE = "sentence"
    ITEM = "item"
    ROW = "row"
    LIST = "list"


@dataclass(frozen=True)
class Statement:
    """What can be quoted by itself: `text` from `start`, to be read with `lead`, a list's lead-in or a table's header.

    Of a list, `lead` is what it hangs on and `text` all of its items, one a line.
    """

    kind: Kind
    start: int
    text: str
    lead: str = ""
    is_whole: bool = True  # False for a line of a form, such as "Registration: N5921D"


def statements(text: str, *, is_beginning: bool = True) -> list[Statement]:
    """The whole sentences, list items, table rows and short lists of `text`; headings and debris are left out.

    Unless `text` is the beginning of its page, a row it opens with may be the middle of a table and heads nothing.

    >>> [(s.lead, s.text) for s in statements("Fees\\n\\nWe pay for:\\n- boots\\n- a helmet")]
    [('We pay for:', '- boots\\n- a helmet'), ('We pay for:', '- boots'), ('We pay for:', '- a helmet')]
    """
    found: list[Statement] = []
    lead, in_table, whole = "", False, -1  # `whole`: the place of the list that is being read
    for start, end in sentences(text):
        said = " ".join(text[start:end].split())
        if re.match(ROW, said):
            if not in_table:
                is_cut_off = start == 0 and not is_beginning
                in_table, lead = True, "" if is_cut_off else said
                if not is_cut_off:
                    continue
            if not RULE.fullmatch(said):
                found.append(Statement(Kind.ROW, start, said, lead))
            continue
        if in_table:
            in_table, lead = False, ""
        if re.match(BULLET, said):
            item = "- " + re.sub(rf"^{BULLET}", "", said)
            if whole >= 0 and found[whole].text.count("\n") < LIST_ITEMS:
                held = found[whole]
                found[whole] = Statement(Kind.LIST, held.start, f"{held.text}\n{item}".lstrip(), lead)
            found.append(Statement(Kind.ITEM, start, item, lead))
            continue
        lead, whole = "", -1
        if said.endswith(":"):
            lead, whole = said, len(found)
            found.append(Statement(Kind.LIST, start, "", said))
        elif said.rstrip(CLOSING)[-1:] in ENDINGS and not said[0].islower():
            found.append(Statement(Kind.SENTENCE, start, said))
        elif LABEL.match(said):
            found.append(Statement(Kind.SENTENCE, start, said, is_whole=False))
    return [statement for statement in found if statement.text]
