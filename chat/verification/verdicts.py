"""What may become of a sentence, and why. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    SUPPORTED = "supported"
    PARTLY = "partly"
    UNSUPPORTED = "unsupported"


class Reason(StrEnum):
    QUOTATION = "quotation"
    NUMBER = "number"
    UNIT = "unit"
    DATE = "date"
    NO_MATCH = "no match"
    NEGATION = "negation"
    NAME = "name"
    SCOPE = "scope"


@dataclass(frozen=True)
class Proof:
    """What became of a sentence; `spans` are (passage's number, start, end) of the words it rests on, or is near to."""

    verdict: Verdict
    reason: Reason | None = None
    said: str = ""  # The words of the sentence that are wrong, or not there.
    shown: str = ""  # What stands there instead, where that is known.
    spans: tuple[tuple[int, int, int], ...] = ()
    share: float = 1.0

    @property
    def numbers(self) -> list[int]:
        """The passages it rests on, each once."""
        return list(dict.fromkeys(number for number, _, _ in self.spans))
