"""Tell a refusal from an answer while it streams. Pure."""

from __future__ import annotations

from collections.abc import Sequence


class Opening:
    """Holds an answer's first words back for as long as they may become a refusal: nobody is shown a beginning of one.

    >>> opening = Opening(["Not found."])
    >>> opening.feed("Not"), opening.feed(" so,"), opening.feed(" but"), opening.is_refusal
    ('', 'Not so,', ' but', False)
    """

    def __init__(self, refusals: Sequence[str]) -> None:
        self._refusals = [each.casefold() for each in refusals]
        self._held: str | None = ""
        self.is_refusal = False

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self.is_refusal:
            return ""
        if self._held is None:
            return text
        self._held += text
        begun = self._held.strip().casefold()
        self.is_refusal = any(begun.startswith(each) for each in self._refusals)
        if self.is_refusal or any(each.startswith(begun) for each in self._refusals):
            return ""
        return self.rest()

    def rest(self) -> str:
        """What was held back and is no refusal after all."""
        held, self._held = self._held, None
        return "" if self.is_refusal else held or ""
