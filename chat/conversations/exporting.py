"""A conversation as a file: Markdown to read elsewhere, in the reader's language, JSON for programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from chat.conversations.turns import Turn
from chat.grounding.citations import MARKER
from chat.models import Citation, Conversation
from chat.proof.proofs import LABELS, is_left_out, why
from chat.proof.written import bare
from chat.verification import Verdict
from project.translating import translated

CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.S)
Address = Callable[[str], str]  # of a page of ours, whole


def as_json(conversation: Conversation, turns: Sequence[Turn], whole: Address) -> dict[str, Any]:
    """Every turn of the branch, with the words each source carries."""
    return {
        "title": conversation.title,
        "url": whole(conversation.get_absolute_url()),
        "created_at": conversation.created_at.isoformat(),
        "turns": [
            {
                "question": turn.question,
                "asked_at": turn.message.question.created_at.isoformat(),
                "answer": turn.message.content,
                "answered_at": turn.message.created_at.isoformat(),
                "state": turn.message.state,
                "notice": turn.notice,
                "error": turn.message.error,
                "sentences": [_sentence(turn, row) for row in turn.proofs if row["verdict"] and not is_left_out(row)],
                "left_out": [row["words"] for row in turn.proofs if is_left_out(row)],
                "sources": [_source(citation, whole) for citation in turn.citations],
            }
            for turn in turns
        ],
    }


def _sentence(turn: Turn, row: Mapping[str, Any]) -> dict[str, Any]:
    """A sentence of the answer, and how well it stands."""
    return {
        "start": row["start"],
        "end": row["end"],
        "text": _words(turn, row),
        "verdict": row["verdict"],
        "reason": row.get("reason", ""),
        "sources": list(dict.fromkeys(number for number, _, _ in row["spans"])),
    }


def _words(turn: Turn, row: Mapping[str, Any]) -> str:
    return bare(MARKER.sub("", turn.message.content[row["start"] : row["end"]]))


def _source(citation: Citation, whole: Address) -> dict[str, Any]:
    if citation.is_gone:
        return {"number": citation.number, "title": citation.title, "is_available": False}
    return {
        "number": citation.number,
        "title": citation.title,
        "page": "" if citation.is_external else citation.shown_page,
        "section": citation.section,
        "quote": citation.quote,
        "url": citation.web_url if citation.is_external else whole(citation.url),
        "is_available": True,
    }


def as_markdown(conversation: Conversation, turns: Sequence[Turn], whole: Address) -> str:
    """Questions as headings, answers with their numbers, and the sources of each answer below it."""
    parts = [f"# {_plain(conversation.title)}"]
    for turn in turns:
        parts += _turn(turn, whole)
    return "\n\n".join(parts) + "\n"


def _turn(turn: Turn, whole: Address) -> Iterator[str]:
    yield f"## {_plain(turn.question)}"
    if turn.message.content:
        yield without_images(turn.message.content).strip()
    elif turn.message.state == "refused":
        yield gettext("This is not in your documents.")
    for sentence in filter(None, [turn.notice, turn.message.error]):
        yield f"*{_plain(translated(sentence))}*"
    if turn.strip:
        yield f"*{_plain(turn.strip.sentence.replace('**', ''))}*"
    if doubted := [*_doubted(turn)]:
        yield "\n".join(doubted)
    if turn.citations:
        yield "\n".join(_line(citation, whole) for citation in turn.citations)


def _doubted(turn: Turn) -> Iterator[str]:
    """The sentences that their sources do not bear out, or only in part, and those that were left out for it."""
    for row in turn.proofs:
        if row["verdict"] in LABELS and not is_left_out(row):
            label = LABELS[Verdict(row["verdict"])]
            yield f"- *{_plain(str(label))}:* “{_plain(_words(turn, row))}” {_plain(why(row))}"
    for words, reason in turn.left_out:
        yield f"- *{gettext('Left out')}:* “{_plain(words)}” {_plain(reason)}"


def _line(citation: Citation, whole: Address) -> str:
    if citation.is_gone:
        return f"- [{citation.number}] {gettext('No longer available')}"
    source = _source(citation, whole)
    quote = f": “{_plain(source['quote'])}”" if source["quote"] else ""
    address = f" <{source['url']}>" if source["url"] else ""
    return f"- [{citation.number}] {_plain(citation.label)}{quote}{address}"


def _plain(text: str) -> str:
    """One line of text that Markdown leaves as it is.

    >>> _plain("a *b*\\n<i>")
    'a \\\\*b\\\\* \\\\<i\\\\>'
    """
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(text.split()))


def without_images(text: str) -> str:
    """Markdown that loads nothing where it is opened: pictures and HTML are words in it. Code stays as it is.

    >>> without_images("![x](http://a/b) `![y]` <img src=z>")
    '!\\\\[x](http://a/b) `![y]` \\\\<img src=z>'
    """
    pieces = CODE.split(text)
    return "".join(
        piece if place % 2 else piece.replace("![", "!\\[").replace("<", "\\<") for place, piece in enumerate(pieces)
    )
