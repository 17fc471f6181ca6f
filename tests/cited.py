"""Answers as they are kept, made directly from passages: cheap enough to have hundreds of them."""

from __future__ import annotations

from collections.abc import Sequence

from chat.conversations.conversing import begin
from chat.models import Citation, Message
from documents.models import Document, Page


def answered(owner, *sources: tuple[str, Page, str], around: int = 300, question: str = "What is due?") -> Message:
    """An answer of sentences, each resting on words of a page: (sentence, page, words). Each is a source of its own."""
    conversation = begin(owner, question, [])
    asked = conversation.messages.create(role=Message.Role.USER, content=question)
    message = conversation.messages.create(
        role=Message.Role.ASSISTANT,
        reply_to=asked,
        content=" ".join(f"{sentence.rstrip('.')}[{number}]." for number, (sentence, *_) in enumerate(sources, 1)),
    )
    for number, (_, page, words) in enumerate(sources, 1):
        start = page.text.index(words)
        cite(message, page, [(start, start + len(words))], number=number, around=around)
    return message


def cite(
    message: Message, page: Page, marks: Sequence[tuple[int, int]], *, number: int = 1, around: int = 300, **facts
) -> Citation:
    """The passage about these words of a page, as it is kept with an answer."""
    start = max(0, min(mark[0] for mark in marks) - around)
    end = min(len(page.text), max(mark[1] for mark in marks) + around)
    document = page.document
    return message.citations.create(
        number=number,
        document=document,
        title=document.display_title,
        page_number=page.number,
        page_label=page.label,
        start=start,
        end=end,
        text=page.shown_text(start, end),
        marks=[list(mark) for mark in marks],
        **facts,
    )


def first_page(document: Document, number: int = 1) -> Page:
    page = document.pages_live().get(number=number)
    page.document = document
    return page
