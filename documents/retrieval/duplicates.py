"""Set aside what says nothing new: copies of a document, its unchanged pages in other versions, boilerplate. Pure.

Two passages are the same when they hold the same words in the same order, or one a part of the other's. Case, line
breaks, hyphenation, bullets and punctuation may differ, and nothing else: forms that are alike but for a number, a name
or a "not" are what a careful reader compares (docs/retrieval.md has the figures).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from documents.retrieval.passages import Passage

# Signs of a number, a currency or a formula are words' own; these only stand round words.
AROUND = ".,;:!?…()[]{}\"'«»‹›“”„‘’‚`*_#|•·▪◦‣"
RUN = 5
BULLET = re.compile(r"\n[ \t]*[-–—][ \t]+|[-:|]{3,}")
BROKEN_WORD = re.compile(r"[-\u00ad\ufffe](?<=[^\W\d_].)[ \t]*\r?\n[ \t]*(?=[^\W\d_])")
UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\ufffe]")


def words_of(text: str) -> str:
    """The text's words between single blanks, as they are compared.

    >>> words_of("• The Rent,\\nfor infor-\\nmation: -5 °C (1.5 %).")
    ' the rent for information -5 °c 1.5 % '
    """
    text = UNSEEN.sub("", BROKEN_WORD.sub("", unicodedata.normalize("NFKC", f"\n{text}"))).casefold()
    words = (word.strip(AROUND) for word in BULLET.sub(" ", text).split())
    return f" {' '.join(filter(None, words))} "


def apart(passages: Sequence[Passage]) -> tuple[list[Passage], list[Passage]]:
    """Those that say something new, each knowing the places of its copies, and the copies; both best first.

    A passage that is longer than one before it says something new; the shorter one stays, for it came first.
    """
    kept: list[Passage] = []
    copies: list[Passage] = []
    held: list[str] = []
    holders: dict[tuple[str, ...], list[int]] = defaultdict(
        list
    )  # by what they hold of so many words in a row: their places
    for passage in passages:
        words = words_of(f"{passage.header}\n{passage.text}")
        runs = _runs(words)
        near = holders.get(runs[0], ()) if runs else ()
        same = next((place for place in near if words in held[place]), None)
        if same is None:
            for run in dict.fromkeys(runs):
                holders[run].append(len(kept))
            kept.append(passage)
            held.append(words)
        else:
            copies.append(passage)
            kept[same] = replace(kept[same], duplicates=(*kept[same].duplicates, passage.place))
    return kept, copies


def _runs(words: str) -> list[tuple[str, ...]]:
    """Every few words in a row; of a text that is shorter, all single words, the first of which must be held too."""
    single = words.split()
    return [*zip(*(single[place:] for place in range(RUN)), strict=False), *((word,) for word in single)]
