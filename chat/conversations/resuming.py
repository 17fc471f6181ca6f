"""Go on with an answer that broke off: from its own words, over the same passages, while its asker may read them."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

from chat.events import Begun
from chat.models import Citation, Message
from chat.prompts import NOT_FOUND
from documents.models import Document
from documents.retrieval import Passage
from documents.search import Leg
from project.provider import ProviderError

SOURCES_GONE = "A document that this answer rests on can no longer be read. Have the question answered again."
WHOLE_LINES = ("endless",)  # What failed so has enough words.
HALF_A_WORD = re.compile(r"[^\s.!?:;…\])”\"*|]+\Z")
AT_HALF_A_WORD = re.compile(r"(?<=\w)(\[\d{1,3}\])+\Z")  # Numbers that were given to a sentence without an end.
SAME_LEAST = 12  # letters that stand on both sides: fewer may be chance
HELD = 160  # letters of what comes, until it is known whether it says again what is there
OPENS_CLOSE = re.compile(r"[\s.,;:!?)\]…”]")

Other = TypeVar("Other")  # What a model says beside text.


def can_go_on(message: Message, citations: Sequence[Citation]) -> bool:
    """Whether an answer broke off and all it rests on can be read still. What a service or code found is not kept."""
    is_broken = message.broke_off and message.failure not in WHOLE_LINES and not message.runs
    sent = [citation for citation in citations if citation.is_sent]
    return bool(is_broken and sent and whole_words(message.content)) and not any(
        citation.is_gone or citation.is_external for citation in sent
    )


def begun_of(message: Message) -> Begun | None:
    """What there is of an answer that is to be gone on with; None where there is none, or a source of it is gone."""
    words = whole_words(message.content) if message.is_running else ""
    citations = list(message.citations.filter(is_sent=True).select_related("document")) if words else []
    readable = Document.objects.for_user(message.conversation.owner)
    there = set(readable.filter(pk__in=[each.document_id for each in citations]).values_list("pk", flat=True))
    if not citations or any(each.document_id not in there for each in citations):
        return None
    return Begun(words, [_passage(each) for each in citations])


def _passage(citation: Citation) -> Passage:
    document = citation.document
    assert document is not None
    return Passage(
        chunk_id=0,
        document_id=document.pk,
        document_title=citation.title,
        document_name=document.name,
        version=document.version,
        page_number=citation.page_number,
        page_label=citation.page_label,
        start=citation.start,
        end=citation.end,
        section=citation.section,
        text=citation.text,
        score=citation.score,
        keyword=Leg(citation.keyword_rank, 0.0) if citation.keyword_rank else None,
        vector=Leg(citation.vector_rank, 0.0) if citation.vector_rank else None,
    )


def whole_words(text: str) -> str:
    """Without the word, or the source number, in which it broke off: a model goes on between words.

    >>> whole_words("The rent is due in Ma"), whole_words("It is due in Ma[1][2]")
    ('The rent is due in ', 'It is due in ')
    >>> whole_words("Rent. [1"), whole_words("Rent.[1]")
    ('Rent. ', 'Rent.[1]')
    """
    text = AT_HALF_A_WORD.sub("", re.sub(r"\[\d{0,3}\Z", "", text))
    return HALF_A_WORD.sub("", text) if text.strip() else ""


def joint(begun: str, further: str) -> str:
    """What follows `begun` of what a model wrote when it was asked to go on: nothing that is there already.

    >>> joint("The rent is due ", "The rent is due in May."), joint("It is due.", "Pay then."), joint("It is ", " due.")
    ('in May.', ' Pay then.', 'due.')
    """
    further = further.lstrip(" ") if begun.endswith((" ", "\n")) else further
    if further.strip().startswith(NOT_FOUND):
        return ""
    said = further.lstrip()
    for length in range(min(len(begun.rstrip()), len(said)), SAME_LEAST - 1, -1):
        if begun.rstrip().endswith(said[:length]):
            further = said[length:].lstrip(" ") if begun.endswith((" ", "\n")) else said[length:]
            break
    is_apart = not further or begun.endswith((" ", "\n")) or OPENS_CLOSE.match(further)
    return further if is_apart else f" {further}"


async def gone_on(begun: str, pieces: AsyncGenerator[str | Other]) -> AsyncGenerator[str | Other]:
    """The words that are there, then what the model goes on with: the pieces of one answer."""
    yield begun
    held: str | None = ""
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                if held is None or not isinstance(piece, str):
                    yield piece
                    continue
                held += piece
                if len(held) > HELD and not begun.startswith(held.strip()):
                    yield joint(begun, held)
                    held = None
        except ProviderError:  # What came before it broke off was written, and is told.
            if held:
                yield joint(begun, held)
            raise
    if held:
        yield joint(begun, held)
