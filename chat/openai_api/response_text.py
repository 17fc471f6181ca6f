"""An answer's text with its sources beside it: annotations point to places, and no numbers stand in the text. Pure."""

from __future__ import annotations

CLOSING = (".", ",", ";", ":", "!", "?", ")")


class PlainText:
    """Text that grows. The blank before a source number is held back, for it may have to go with the number.

    >>> text = PlainText()
    >>> [text.feed("It is so "), text.cite(), text.feed(". And "), text.cite(), text.feed("so")]
    ['It is so', 8, '. And', 13, ' so']
    """

    def __init__(self) -> None:
        self.text = ""
        self._held = ""
        self._has_cited = False

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        if not self.text:
            piece = piece.lstrip()
        if piece and self._has_cited:
            if piece[0].isspace() or piece.startswith(CLOSING):
                self._held = ""
            self._has_cited = False
        whole = self._held + piece
        shown = whole.rstrip()
        self._held = whole[len(shown) :]
        self.text += shown
        return shown

    def cite(self) -> int:
        """Where a source of what was said stands: behind its last letter."""
        self._has_cited = True
        return len(self.text)
