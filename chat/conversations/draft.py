"""An answer as it grows, and how it is kept: now and then while it is written, and whole when it ends."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from django.db import close_old_connections, transaction
from django.utils import timezone

from chat.events import Done, Event, Found, Queries, Ran, Source
from chat.grounding.sources import sources_of
from chat.models import Citation, Gap, Message, State
from chat.proof.proofs import kept_proofs
from chat.proof.written import Placed, Written
from documents.models import Document
from documents.retrieval import Passage, Place
from project.tokens import count_tokens

COPIES_MOST = 5  # places that a citation names beside its own

Drawn = tuple[str, list[Placed], dict[int, int]]


class Draft:
    """The answer as it grows. Sources are numbered in the order in which they are first cited."""

    def __init__(self) -> None:
        self.written = Written()
        self.passages: list[Passage] = []
        self.runs: list[dict[str, str]] = []
        self.queries = Queries(())
        self.is_withdrawn = False
        self._whole: Drawn | None = None
        self._cited: object = None  # as it was kept last

    def take(self, event: Event | None) -> None:
        self._whole = None
        if isinstance(event, Queries):
            self.queries = event
        elif isinstance(event, Found):
            self.passages = list(event.passages)
        elif isinstance(event, Ran):
            self.runs.append({"code": event.code, "output": event.output})
        elif event is not None:
            self.written.take(event)

    def clear(self) -> None:
        """Take back what was written: it may not be shown."""
        self.written, self.passages, self._whole, self.is_withdrawn = Written(), [], None, True

    def draw(self, upto: int | None = None) -> Drawn:
        """The text, where its sentences stand, and its sources: as offered -> as shown."""
        if upto is None and self._whole:
            return self._whole
        numbers: dict[int, int] = {}

        def marker(before: str, offered: int) -> str:
            return f"{before.rstrip(' ')}[{numbers.setdefault(offered, len(numbers) + 1)}]"

        drawn = (*self.written.draw(marker, upto), numbers)
        self._whole = drawn if upto is None else self._whole
        return drawn

    @property
    def content(self) -> str:
        return self.draw()[0]

    @property
    def settled(self) -> str:
        """What will not change any more."""
        return self.draw(self.written.settled)[0]

    @property
    def numbers(self) -> dict[int, int]:
        """Sources, as offered -> as shown."""
        return self.draw()[2]

    @property
    def every_number(self) -> dict[int, int]:
        """The same, with the passages behind them that are not cited."""
        numbers = dict(self.numbers)
        for offered in range(1, len(self.passages) + 1):
            numbers.setdefault(offered, len(numbers) + 1)
        return numbers

    @property
    def proofs(self) -> list[dict[str, Any]]:
        """What became of the sentences, as it is kept."""
        return kept_proofs(self.draw()[1], self.every_number)

    @property
    def sources(self) -> list[Source]:
        return sources_of((each.proved for each in self.draw()[1]), self.passages)

    def cited(self) -> dict[int, Passage]:
        """Passages cited so far by the numbers shown."""
        return {shown: self.passages[offered - 1] for offered, shown in self.numbers.items()}

    def has_new_sources(self) -> bool:
        """Whether what it rests on is another than when this was asked last."""
        before, self._cited = self._cited, (self.numbers, self.sources)
        return self._cited != before


def keep(message: Message, draft: Draft) -> None:
    """What is written so far, with its proof and its sources: enough to show it, and to go on from, if we end here."""
    running = Message.objects.filter(pk=message.pk, state=State.STREAMING)
    written = {"content": draft.content, "proofs": draft.proofs} if draft.content else {}
    try:
        with transaction.atomic():
            if running.update(seen_at=timezone.now(), **written) and draft.content and draft.has_new_sources():
                _cite(message, draft, draft.sources)
    finally:
        close_old_connections()


def finish(message: Message, draft: Draft, done: Done) -> None:
    with transaction.atomic():
        if not Message.objects.filter(pk=message.pk).exists():
            return  # The conversation was deleted while it was answered.
        _cite(message, draft, done.sources, done.made.sent if done.made else None)
        message.end(
            State.REFUSED if done.is_refused else State.DONE,
            content=draft.content,
            proofs=draft.proofs,
            notice=done.notice[:300],
            is_cut=done.is_cut,
            how=done.how,
            made=_made(message, done),
            runs=draft.runs,
            template=done.wording.template_id,
            **_asked(draft),
        )
        Gap.note(message, is_refused=done.is_refused)


def finish_early(message: Message, draft: Draft, state: State, sentence: str, code: str) -> None:
    """Keep what there is; where nothing came of going on, that is what was there before."""
    told: dict[str, object] = {"error": sentence[:300], "failure": code[:40]}
    with transaction.atomic():
        if not Message.objects.filter(pk=message.pk).exists():
            return
        if not message.content or draft.content or draft.is_withdrawn:
            _cite(message, draft, draft.sources)
            told |= {"content": draft.content, "proofs": draft.proofs, "runs": draft.runs, **_asked(draft)}
        message.end(state, **told)


def _asked(draft: Draft) -> dict[str, object]:
    """What was looked for in the question's place, if it was read."""
    return {"queries": list(draft.queries.texts), "read_by": draft.queries.by} if draft.queries.texts else {}


def _made(message: Message, done: Done) -> dict[str, float]:
    """What it took, and how far the search was narrowed; nothing of what was not made here."""
    if done.made is None:
        return {}
    conversation = message.conversation
    narrowed = {"collections": conversation.collections.count(), "documents": conversation.documents.count()}
    return asdict(done.made) | narrowed


def _cite(message: Message, draft: Draft, sources: Sequence[Source], sent: int | None = None) -> None:
    """Keep every passage that was found: the cited first, by the numbers shown, then the others.

    Of the sources the first `sent` were shown to whoever answered; None: all of them. One that was kept before stays
    the same: its link, and what was thought of it.
    """
    shown, numbers = draft.numbers, draft.every_number
    for offered in range(1, len(sources) + 1):
        numbers.setdefault(offered, len(numbers) + 1)  # Found, and not offered.
    found = {source.passage.document_id for source in sources if source.passage.document_id}
    there = set(Document.objects.filter(pk__in=found).values_list("pk", flat=True))  # One may have gone meanwhile.
    before = {_place(row): row for row in message.citations.all()}
    rows = [
        citation_of(
            message,
            numbers[offered],
            replace(source, is_cited=offered in shown),
            is_sent=sent is None or offered <= sent,
        )
        for offered, source in enumerate(sources, 1)
        if source.passage.is_external or source.passage.document_id in there
    ]
    for row in rows:
        if same := before.pop(_place(row), None):
            row.pk, row.public_id = same.pk, same.public_id
    message.citations.exclude(pk__in=[row.pk for row in rows if row.pk]).delete()
    Citation.objects.bulk_create(rows, update_conflicts=True, unique_fields=["pk"], update_fields=_CITED)


_CITED = [field.name for field in Citation._meta.concrete_fields if not field.primary_key]


def _place(citation: Citation) -> tuple[uuid.UUID | None, int, int, int, str]:
    return citation.document_id, citation.page_number, citation.start, citation.end, citation.outside


def citation_of(message: Message, number: int, source: Source, *, is_sent: bool) -> Citation:
    """What is kept of a source, not saved yet."""
    passage = source.passage
    return Citation(
        message=message,
        number=number,
        is_cited=source.is_cited,
        is_sent=is_sent,
        tokens=count_tokens(passage.text),
        document_id=passage.document_id,
        is_external=passage.is_external,
        outside=passage.url,
        title=passage.document_title[:300],
        page_number=passage.page_number,
        page_label=passage.page_label,
        section=passage.section,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        marks=[list(mark) for mark in source.marks],
        copies=[_written(place) for place in passage.duplicates[:COPIES_MOST]],
        keyword_rank=passage.keyword.rank if passage.keyword else None,
        vector_rank=passage.vector.rank if passage.vector else None,
        score=passage.score,
    )


def _written(place: Place) -> list[Any]:
    return [str(place.document_id), place.page_number, place.page_label, place.start, place.end]
