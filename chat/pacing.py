"""What a model sends in bursts is shown at a steady pace. Pure."""

from __future__ import annotations

LEAST = 24  # letters a step
PART = 4  # of what is not yet shown, one part in so many comes at a step


class Pace:
    """How much of a growing text is shown. It ends between words, so no source number is ever shown in halves."""

    def __init__(self, letters: int = 0) -> None:
        self.letters = letters

    def is_behind(self, text: str) -> bool:
        return self.letters < len(text)

    def step(self, text: str) -> str:
        """A little more than before.

        >>> pace = Pace()
        >>> [len(pace.step("word " * 40)) for _ in range(4)]
        [54, 94, 124, 149]
        """
        if self.letters > len(text):
            self.letters = 0  # It was taken back.
        wanted = self.letters + max(LEAST, (len(text) - self.letters) // PART)
        while wanted < len(text) and not text[wanted].isspace():
            wanted += 1
        self.letters = min(wanted, len(text))
        return text[: self.letters]
