"""The pieces that a model streams, put together to an answer's text, numbers and notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from uuid import uuid4

from chat.events import Cite, Event, Found, Status, Text
from chat.prompts import NOT_FOUND
from documents.retrieval import Passage
from project.provider import Cut, Logprobs, Notice, ProviderInterrupted, Tokens, ToolCall

NO_TOKENS = Tokens(0, 0)
WORDLESS = (
    "The model used all its tokens before it wrote a word. Ask for less, or ask an administrator about "
    "LECTERN_ANSWER_TOKENS."
)


@dataclass
class Composed:
    """What has come of an answer so far. The word for "not there" is held back: nobody is shown a beginning of it."""

    passages: Sequence[Passage]  # that it may cite; what tools find is added behind
    pieces: list[str | int] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)  # what was done with tools, in words
    tokens: Tokens = NO_TOKENS
    notices: list[str] = field(default_factory=list)
    is_cut: bool = False
    is_refused: bool = False
    has_called: bool = False  # A tool of the program's is to be used before there is an answer.
    held: str | None = ""  # Its first words, until they are known to be no refusal.

    def take(self, piece: object) -> Iterator[Event]:
        """One more piece of the model's; what is to be told of it."""
        match piece:
            case Tokens():
                self.tokens = piece
            case Notice():
                self.notices.append(piece.sentence)
            case Cut():
                self.is_cut = True
            case ToolCall():
                self.has_called = True
                yield replace(piece, id=piece.id or f"call_{uuid4().hex}")  # A compatible server may leave it out.
            case Logprobs():
                yield piece
            case Status():
                self.looked.append(piece.text)
                yield piece
            case Found():
                self.passages = piece.passages
                yield piece
            case int() if not self.is_refused:
                yield from self._number(piece)
            case str() if not self.is_refused:
                yield from self._words(piece)

    def _number(self, number: int) -> Iterator[Event]:
        """One that was never offered is dropped, and so is one that stands in this place already."""
        in_this_place = takewhile(lambda piece: isinstance(piece, int), reversed(self.pieces))
        if 1 <= number <= len(self.passages) and number not in in_this_place:
            self.pieces.append(number)
            yield Cite(number)

    def _words(self, words: str) -> Iterator[Event]:
        if self.held is not None:
            self.held += words
            if self.held.strip().startswith(NOT_FOUND):
                self.is_refused = True
                return
            if NOT_FOUND.startswith(self.held.strip()):
                return
            words, self.held = self.held, None
        self.pieces.append(words)
        yield Text(words)

    def end(self) -> Iterator[Event]:
        """Nothing more comes; what is still to be told. Raises ProviderInterrupted where all tokens went in thought."""
        if self.held and not self.is_refused:
            self.pieces.append(self.held)
            yield Text(self.held)
        said = "".join(piece for piece in self.pieces if isinstance(piece, str)).strip()
        if self.has_called:
            self.is_refused = False
        elif self.is_cut and not said and not self.is_refused:
            raise ProviderInterrupted(WORDLESS, "all_thought")
        else:
            self.is_refused = self.is_refused or not said
