"""Sentences that are kept, or told to programs too, are English; a page shows them in its reader's language."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext, to_locale

GAP = re.compile(r"\{(\d)\}")
SENTENCE_END = re.compile(r"(?<=[.!?…”:]) ")
GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
LONGEST = 1_000  # letters: whatever is longer is no sentence of ours
WORDS_OF_ITS_OWN = 5  # letters that a sentence with gaps must have to be known by them


def number(n: int) -> str:
    """A number with its thousands told apart, as the active language does.

    >>> number(1_200)
    '1,200'
    """
    return str(number_format(n, force_grouping=True))


def translated(kept: object) -> str:
    """A kept sentence, or several in a row, in the active language; whatever is not known stays as it is.

    Its values are in it already ("Read 5 passages"), so it is recognised among the sentences of the catalogue
    ("Read {1} passages"). Whatever is recognised is put together anew from plain text: it must be escaped as before.
    """
    text = str(kept)
    return text if len(text) > LONGEST else _translated(text, get_language() or "")


@lru_cache(maxsize=1_024)
def _translated(text: str, language: str) -> str:
    if (whole := _whole(text, language)) is not None:
        return whole
    ends = [gap.start() for gap in SENTENCE_END.finditer(text)]
    for end in reversed(ends):
        if (known := _whole(text[:end], language)) is not None:
            return f"{known} {_translated(text[end + 1 :], language)}"
    return f"{text[: ends[0]]} {_translated(text[ends[0] + 1 :], language)}" if ends else text


def _whole(text: str, language: str) -> str | None:
    if text and (found := gettext(text)) != text:
        return found
    for sentence in _sentences(language):
        if match := sentence.pattern.fullmatch(text):
            values = {name: _value(value, language) for name, value in match.groupdict().items()}
            return _filled(gettext(sentence.original), values)
    return None


def _filled(sentence: str, values: dict[str, str]) -> str:
    return GAP.sub(lambda gap: values[f"gap{gap[1]}"], sentence)


def _value(value: str, language: str) -> str:
    """What stands in a gap: a number, perhaps another sentence, mostly a name."""
    if GROUPED.fullmatch(value):
        return number(int(value.replace(",", "")))
    return _whole(value, language) or value


class Sentence(NamedTuple):
    original: str
    pattern: re.Pattern[str]


@lru_cache
def _sentences(language: str) -> list[Sentence]:
    """The catalogue's sentences with gaps, those with the most words of their own first."""
    found = []
    for path in settings.LOCALE_PATHS:
        file = Path(path) / to_locale(language) / "LC_MESSAGES" / "django.mo"
        for original in _originals(file.read_bytes()) if file.exists() else ():
            bare = GAP.sub("", original)
            if bare != original and sum(map(str.isalpha, bare)) >= WORDS_OF_ITS_OWN:
                found.append(Sentence(original, _pattern(original)))
    return sorted(found, key=lambda sentence: -len(GAP.sub("", sentence.original)))


def _pattern(sentence: str) -> re.Pattern[str]:
    """
    >>> _pattern("“{1}” has {2} pages.").fullmatch("“Guide.pdf” has 12 pages.").groupdict()
    {'gap1': 'Guide.pdf', 'gap2': '12'}
    """
    words, *rest = GAP.split(sentence)  # words, gap, words, gap, words
    pattern = re.escape(words)
    for gap, after in zip(rest[::2], rest[1::2], strict=True):
        pattern += f"(?P<gap{gap}>.+?){re.escape(after)}"
    return re.compile(pattern, re.DOTALL)


def _originals(compiled: bytes) -> Iterator[str]:
    """What a compiled catalogue translates."""
    _, _, count, start = struct.unpack("<4I", compiled[:16])
    for place in range(start, start + 8 * count, 8):
        length, offset = struct.unpack("<2I", compiled[place : place + 8])
        yield compiled[offset : offset + length].decode().partition("\0")[0]
