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
from django.utils.translation import get_language, gettext, ngettext, to_locale

VALUE = re.compile(r"%\((\w+)\)[sd]")
SENTENCE_END = re.compile(r"(?<=[.!?…”]) ")
GROUPED = re.compile(r"\d{1,3}(,\d{3})*")
LONGEST = 1_000  # letters: whatever is longer is no sentence of ours


def counted(one: str, many: str, n: int, **values: object) -> str:
    """The English sentence for a number of things, to be kept; `%(n)s` stands for the number.

    >>> counted("Read %(n)s passage", "Read %(n)s passages", 1), counted("%(n)s page", "%(n)s pages", 1_200)
    ('Read 1 passage', '1,200 pages')
    """
    return (one if n == 1 else many) % {"n": f"{n:,}", **values}


def number(n: int) -> str:
    """A number with its thousands told apart, as the active language does.

    >>> number(1_200)
    '1,200'
    """
    return str(number_format(n, force_grouping=True))


def translated(kept: object) -> str:
    """A kept sentence, or several in a row, in the active language; whatever is not known stays as it is.

    Its values are in it already ("Read 5 passages"), so it is recognised among the sentences of the catalogue.
    """
    return _translated(str(kept), get_language() or "")


@lru_cache(maxsize=1_024)
def _translated(text: str, language: str) -> str:
    if len(text) > LONGEST or (whole := _whole(text, language)) is not None:
        return text if len(text) > LONGEST else str(whole)
    ends = [gap.start() for gap in SENTENCE_END.finditer(text)]
    for end in reversed(ends):
        if (known := _whole(text[:end], language)) is not None:
            return f"{known} {_translated(text[end + 1 :], language)}"
    if not ends:
        return text
    return f"{text[: ends[0]]} {_translated(text[ends[0] + 1 :], language)}"


def _whole(text: str, language: str) -> str | None:
    if (found := gettext(text)) != text:
        return found
    for sentence in _sentences(language):
        if match := sentence.pattern.fullmatch(text):
            return sentence.said(match.groupdict(), language)
    return None


class Sentence(NamedTuple):
    """A sentence with values in it, as the catalogue knows it."""

    pattern: re.Pattern[str]
    one: str
    many: str

    def said(self, values: dict[str, str], language: str) -> str:
        shown = {name: _value(value, language) for name, value in values.items()}
        if not self.many:
            return gettext(self.one) % shown
        return ngettext(self.one, self.many, int(values["n"].replace(",", ""))) % shown


def _value(value: str, language: str) -> str:
    if GROUPED.fullmatch(value):
        return number(int(value.replace(",", ""))) if "," in value else value
    return _whole(value, language) or value


@lru_cache
def _sentences(language: str) -> list[Sentence]:
    """The catalogue's sentences with values, those with the most words of their own first."""
    found = []
    for path in settings.LOCALE_PATHS:
        file = Path(path) / to_locale(language) / "LC_MESSAGES" / "django.mo"
        for one, many in _originals(file.read_bytes()) if file.exists() else ():
            found += [Sentence(_pattern(form), one, many) for form in (one, many) if VALUE.search(form)]
    return sorted(found, key=lambda sentence: -len(sentence.pattern.pattern))


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = VALUE.split(sentence)  # words, name, words, name, words
    seen: set[str] = set()
    for place in range(1, len(parts), 2):
        name = parts[place]
        parts[place] = f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
        seen.add(name)
    return re.compile(
        "".join(part if place % 2 else re.escape(part.replace("%%", "%")) for place, part in enumerate(parts)), re.S
    )


def _originals(compiled: bytes) -> Iterator[tuple[str, str]]:
    """What a compiled catalogue translates: (sentence, its plural or "")."""
    _, _, count, start = struct.unpack("<4I", compiled[:16])
    for place in range(start, start + 8 * count, 8):
        length, offset = struct.unpack("<2I", compiled[place : place + 8])
        one, _, many = compiled[offset : offset + length].decode().partition("\0")
        yield one.rpartition("\x04")[2], many
