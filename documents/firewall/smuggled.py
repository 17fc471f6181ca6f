"""Characters that carry words past a reader: they have no width, or turn the order of letters around."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

Found = tuple[int, int, str]  # start, end, reason

NO_WIDTH = "\u180e\u200b-\u200f\u2060-\u2064\u206a-\u206f\ufeff"
TAGS = "tag characters, which spell words that nobody sees"
MESSAGE = "characters without width, in a row that spells a message"
TURNED = "marks that turn the order of the letters around"

# The flags of England, Scotland and Wales are spelt with tags behind a black flag.
TAG_RUN = re.compile("(?:\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f)|[\U000e0000-\U000e007f]+")
SELECTOR_RUN = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
# In a row, or one or more behind nearly every letter. Persian, Indic scripts and emoji need single ones.
NO_WIDTH_RUN = re.compile(f"[{NO_WIDTH}](?:[A-Za-z0-9 ,.]{{0,2}}[{NO_WIDTH}]){{7,}}")
OVERRIDE = re.compile("[\u202d\u202e][^\u202c\n\r]*\u202c?")
LEFT_TO_RIGHT, RIGHT_TO_LEFT = ("L",), ("R", "AL")
WORTH_TURNING = 3  # letters


def smuggled(text: str) -> Iterator[Found]:
    """Where such characters stand. A soft hyphen, a joiner or a mark of direction alone is ordinary."""
    if text.isascii():
        return
    for found in TAG_RUN.finditer(text):
        if found[0][0] != "\U0001f3f4":
            yield *found.span(), TAGS
    for found in SELECTOR_RUN.finditer(text):
        yield *found.span(), MESSAGE
    for found in NO_WIDTH_RUN.finditer(text):
        if len({letter for letter in found[0] if not letter.isascii()}) > 1:
            yield *found.span(), MESSAGE
    for found in OVERRIDE.finditer(text):
        against = LEFT_TO_RIGHT if found[0][0] == "\u202e" else RIGHT_TO_LEFT
        if sum(unicodedata.bidirectional(letter) in against for letter in found[0]) >= WORTH_TURNING:
            yield *found.span(), TURNED
