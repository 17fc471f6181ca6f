"""The sources of an answer: each passage, with the words that the answer rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chat.events import Proved, Source
from chat.verification import locate
from documents.models import Page
from documents.retrieval import Passage

NEAREST = 3


def sources_of(proved: Iterable[Proved], passages: Sequence[Passage]) -> list[Source]:
    """Every passage, with the words that each sentence citing it rests on."""
    marks: dict[int, list[tuple[int, int]]] = {}
    for sentence in proved:
        for number in sentence.cites if sentence.instead != "" else ():
            found = [(start, end) for passage, start, end in sentence.spans if passage == number]
            known = marks.setdefault(number, [])
            known += [span for span in found if span not in known]
    return [Source(passage, number in marks, marks.get(number, ())) for number, passage in enumerate(passages, 1)]


def nearest(question: str, passages: Sequence[Passage]) -> list[Source]:
    """For a refusal: the passages that came nearest, with the words that made them come near."""
    sources = [Source(passage) for passage in passages]
    for place, source in enumerate(sources[:NEAREST]):
        if span := locate(question, source.passage.text):
            start = source.passage.start
            sources[place] = replace(source, marks=[(start + span[0], start + span[1])])
    return sources


def passage_of(
    page: Page,
    start: int,
    end: int,
    score: float = 0.0,
    *,
    chunk_id: int = 0,
    marks: tuple[tuple[int, int], ...] = (),
    computed: str = "",
) -> Passage:
    """A stretch of a page that our own search did not find."""
    document = page.document
    return Passage(
        chunk_id=chunk_id,
        document_id=document.pk,
        document_title=document.display_title,
        document_name=document.name,
        version=document.version,
        page_number=page.number,
        page_label=page.label,
        start=start,
        end=end,
        section="",
        text=page.shown_text(start, end),
        score=max(0.0, min(score, 1.0)),
        keyword=None,
        vector=None,
        marks=marks,
        computed=computed,
    )
