"""What comes out of a call to a model, piece by piece: the same whichever service and whichever way it went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Tokens:
    """What a call cost, as the service counted it; comes last in a stream."""

    input: int
    output: int
    cached: int = 0  # of the input: what the service still had from a call before
    reasoning: int = 0  # of the output: thoughts that nobody sees
    is_estimate: bool = False  # Counted by us: the call was left before the service could tell.


@dataclass(frozen=True)
class Begun:
    """The service has taken the call, and bills it. The first that comes of an attempt; it ends at the door."""


@dataclass(frozen=True)
class Cut:
    """The answer ended at the cap of its tokens, not at its end."""


@dataclass(frozen=True)
class Notice:
    """What a person should know of this call: a wish left out, a second try, another deployment that answered."""

    sentence: str


@dataclass(frozen=True)
class ToolCall:
    """A tool the model wants used, whole; the arguments are JSON as the model wrote it, unchecked."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Logprobs:
    """How likely each token of a stretch of the answer was, in the service's own words."""

    content: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Retrieved:
    """What the service itself searched for and found: by `data_sources`, or by file_search.

    `citations` are in the order the answer's numbers count them; `others` were found and not offered.
    """

    citations: Sequence[ServiceCitation]
    others: Sequence[ServiceCitation] = ()
    queries: Sequence[str] = ()


@dataclass(frozen=True)
class ServiceCitation:
    """A passage as a service tells of it; every word of it is hostile."""

    text: str
    title: str = ""
    url: str = ""
    file: str = ""  # its path or name, as the service knows it
    file_id: str = ""
    chunk_id: str = ""
    score: float | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Quoted:
    """file_search: the words just before this place in the answer rest on this file."""

    file_id: str
    filename: str


@dataclass(frozen=True)
class CodeRun:
    """What the service's code interpreter ran, and what it printed."""

    code: str
    output: str


@dataclass(frozen=True)
class Filtered:
    """What the service's content filter found in the question or in the answer; it comes with an answer too."""

    where: Literal["question", "answer"]
    findings: Sequence[Finding]


@dataclass(frozen=True)
class Finding:
    """One category of a content filter: “hate”, “jailbreak” …; a severity is safe, low, medium, high, or ""."""

    category: str
    severity: str
    is_filtered: bool


Piece = str | Tokens | Cut | Notice | ToolCall | Logprobs | Retrieved | Quoted | CodeRun | Filtered


def together(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, with words that follow each other as one.

    >>> [*together(["Rent ", "is due.", Cut(), "!"])]
    ['Rent is due.', Cut(), '!']
    """
    words = ""
    try:
        for piece in pieces:
            if isinstance(piece, str):
                words += piece
                continue
            if words:
                yield words
                words = ""
            yield piece
    except Exception:
        if words:
            yield words  # What was said before it went wrong was said.
        raise
    if words:
        yield words


def bearable(text: str) -> str:
    """Without what no database takes: NUL and halves of letters.

    >>> bearable("In\\x00May \\ud800")
    'In May ?'
    """
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()


def with_bearable_words(piece: Piece) -> Piece:
    """The piece, with words that can be kept."""
    match piece:
        case str():
            return bearable(piece)
        case CodeRun(code, output):
            return CodeRun(bearable(code), bearable(output))
        case Retrieved():
            return replace(piece, queries=tuple(map(bearable, piece.queries)))
    return piece
