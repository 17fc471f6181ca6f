"""An answer for somebody who may not read all of its sources: without the sentences that rest on those alone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext, ngettext

from chat.events import Cite, Text
from chat.markdown import MARKER
from chat.proof.written import Reader, Sentence

Span = tuple[int, int]
Row = Mapping[str, Any]


def withheld(
    content: str, rows: Sequence[Row], gone: Collection[int], readable: Collection[int]
) -> tuple[str, list[Row]]:
    """The text with a word in the place of what rests only on sources that are gone, and what was found of the rest.

    `gone` and `readable` are the numbers of the sources. Where none of them can be read, nothing of the text is shown.
    """
    if not gone or not content.strip():
        return content, list(rows)
    if not readable:
        return gettext("This answer rests on documents you may not read."), []
    spans = _joined(content, _spans(content, rows, set(gone)))
    kept = [row for row in rows if not _is_withheld(row, spans)]
    for (start, end), number in reversed(spans):
        told = ngettext(
            "This sentence rests on a document you may not read.",
            "These sentences rest on documents you may not read.",
            number,
        )
        content = f"{content[:start]}{told}{content[end:]}"
        kept = [_moved(row, len(told) - (end - start)) if row["start"] >= end else row for row in kept]
    return content, kept


def _spans(content: str, rows: Sequence[Row], gone: set[int]) -> list[Span]:
    """Sentences, by what was found of them and by the numbers they name."""
    found = [(row["start"], row["end"]) for row in rows if row["start"] < row["end"] and _rests_on(row, gone)]
    for (start, end), sentence in _sentences(content):
        named = set(sentence.cited or sentence.inherited)
        if named and named <= gone:
            found.append((start, end))
    return found


def _rests_on(row: Row, gone: set[int]) -> bool:
    numbers = {number for number, _, _ in row["spans"]}
    return bool(numbers) and numbers <= gone


def _is_withheld(row: Row, spans: Sequence[tuple[Span, int]]) -> bool:
    """What was left out of the answer is not told either: nobody knows what it came from."""
    is_left_out = row["start"] == row["end"]
    return is_left_out or any(row["start"] < end and start < row["end"] for (start, end), _ in spans)


def _sentences(content: str) -> list[tuple[Span, Sentence]]:
    """Each sentence with its place in the text, source numbers and all."""
    reader, places, last = Reader(), [(0, 0)], 0
    found = []
    for marker in MARKER.finditer(content):
        found += reader.take(Text(content[last : marker.start()]))
        reader.take(Cite(int(marker[1])))
        last = marker.end()
        places.append((len(reader.text), last))
    found += [*reader.take(Text(content[last:])), *reader.rest()]
    return [((_place(places, each.start), _place(places, each.end, is_end=True)), each) for each in found]


def _place(places: Sequence[Span], plain: int, *, is_end: bool = False) -> int:
    """Of the text without numbers -> of the text: a sentence begins behind a number and ends before one."""
    known = [each for each in places if each[0] < plain or (not is_end and each[0] == plain)] or places[:1]
    before, after = known[-1]
    return after + plain - before


def _joined(content: str, spans: Sequence[Span]) -> list[tuple[Span, int]]:
    """What overlaps, or is parted by blanks and numbers alone, is one; and how many sentences it is."""
    joined: list[tuple[Span, int]] = []
    for start, end in sorted(set(spans)):
        if not joined:
            joined.append(((start, end), 1))
            continue
        (first, last), number = joined[-1]
        between = MARKER.sub("", content[last:start])
        if start < last:
            joined[-1] = ((first, max(last, end)), number)
        elif not between.strip(" \t"):
            joined[-1] = ((first, end), number + 1)
        else:
            joined.append(((start, end), 1))
    return joined


def _moved(row: Row, by: int) -> Row:
    return {**row, "start": row["start"] + by, "end": row["end"] + by}
