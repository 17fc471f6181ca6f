"""Look again at kept answers when a document they cite has changed: which of their sentences no longer hold.

What is to be looked at stands in Postgres: a kept answer cites a version that was replaced, or a document that was
deleted, and has no `Recheck` for that change yet. Looking twice does no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from chat.conversations.history import answers_shown
from chat.grounding.citations import MARKER
from chat.models import Citation, Message, MessageQuerySet, Recheck, Share, State
from chat.models.rechecks import GONE
from chat.proof.written import bare
from chat.verification import Evidence, Proof, Reason, Verdict, markers_with_sentences, verify
from documents.anchoring import Kept, Span, find
from documents.locating import NOWHERE, Located, located, since, words_of
from documents.models import Document, Page

CONTRADICTS = frozenset({Reason.NUMBER, Reason.UNIT, Reason.DATE, Reason.NEGATION, Reason.NAME, Reason.QUOTATION})
RANK = {Verdict.UNSUPPORTED: 0, Verdict.PARTLY: 1, Verdict.SUPPORTED: 2}


def kept_answers() -> MessageQuerySet:
    """Answers that somebody may rely on: those of a pinned conversation, and those that are shared by a link."""
    ended = Message.objects.filter(role=Message.Role.ASSISTANT, state=State.DONE, conversation__deleted_at=None)
    is_pinned = Q(conversation__pinned_at__isnull=False)
    return ended.annotate(is_shared=is_shared()).filter(is_pinned | Q(is_shared=True))


def is_shared() -> Exists:
    """Of an answer: whether a link to it opens."""
    return Exists(Share.objects.alive().filter(answers=OuterRef("pk")))


def relied_on(answers: Iterable[Message]) -> set[UUID]:
    """Of these (annotated with `is_shared`), those that are shared, or stand on the branch that is shown."""
    rows = list(answers)
    shown = answers_shown(row.conversation_id for row in rows)
    return {row.pk for row in rows if row.is_shared or row.pk in shown}  # type: ignore[attr-defined]


def recheck(documents: Iterable[UUID] | None = None) -> list[Recheck]:
    """Look at what these documents' changes touch, or any change; returns what was looked at now."""
    rows = Citation.objects.filter(is_cited=True, message__in=kept_answers())
    if documents is not None:
        rows = rows.filter(document__in=list(documents))
    touched = rows.filter(Q(document__deleted_at__isnull=False) | Q(document__superseded_at__isnull=False))
    found = []
    newer: dict[UUID, Document | None] = {}
    for citation in touched.order_by("message", "number").select_related("document"):
        document = citation.document
        assert document is not None
        if document.pk not in newer:
            newer[document.pk] = document if document.deleted_at else document.newer()
        if change := newer[document.pk]:
            found.append((citation.message_id, change))
    pairs = {(message, change.pk): change for message, change in found}
    done = set(Recheck.objects.filter(message__in={pk for pk, _ in pairs}).values_list("message", "document"))
    relied = relied_on(kept_answers().filter(pk__in={pk for pk, _ in pairs}))
    touched_by: dict[UUID, list[UUID]] = {}
    for message, pk in pairs:
        if (message, pk) not in done and message in relied:
            touched_by.setdefault(pk, []).append(message)
    changes = {change.pk: change for change in pairs.values()}
    return [row for pk, messages in touched_by.items() for row in _look(messages, changes[pk])]


def _look(messages: Sequence[UUID], change: Document) -> list[Recheck]:
    texts = {} if change.deleted_at else words_of(change)
    rows = []
    for message in Message.objects.filter(pk__in=messages).iterator(chunk_size=100):
        sentences = Answer(message, change, texts).no_longer()
        row, _ = Recheck.objects.get_or_create(message=message, document=change, defaults={"sentences": sentences})
        rows.append(row)
    return rows


@dataclass
class Cited:
    """A sentence of an answer with the citations behind it, and the words of each that it rests on."""

    text: str
    marks: list[tuple[Citation, list[Span]]] = field(default_factory=list)


class Answer:
    """An answer, and one document it cites as it is after a change; `texts` are its pages."""

    def __init__(self, message: Message, change: Document, texts: dict[int, str]) -> None:
        self.message, self.change, self.texts = message, change, texts
        rows = message.citations.filter(is_cited=True).select_related("document")
        self.citations = {citation.number: citation for citation in rows}
        self.places: dict[int, Located | None] = {}
        self.newer: dict[UUID, Document | None] = {}

    def no_longer(self) -> list[dict[str, object]]:
        """The sentences that held before the change, and do not any more."""
        found = []
        for sentence in sentences_of(self.message, self.citations):
            touched = [(citation, marks) for citation, marks in sentence.marks if self._is_touched(citation)]
            if touched and (reason := self._fault(sentence, touched)):
                found.append({"sentence": sentence.text, "number": touched[0][0].number, "reason": reason})
        return found

    def _is_touched(self, citation: Citation) -> bool:
        document = citation.document
        if document is None or document.pk == self.change.pk:
            return document is not None and document.deleted_at is not None
        if document.superseded_at is not None and document.pk not in self.newer:
            self.newer[document.pk] = document.newer()
        return self.newer.get(document.pk) == self.change

    def _fault(self, sentence: Cited, touched: Sequence[tuple[Citation, list[Span]]]) -> str:
        """Why the sentence no longer holds; "" when it does, or did not before."""
        looked = [self._became(citation, marks) for citation, marks in touched]
        if all(each.is_same for each in looked):
            return ""
        others = [_evidence(citation) for citation, _ in sentence.marks if not self._is_touched(citation)]
        wide = _compared(
            sentence.text,
            [_evidence(citation) for citation, _ in sentence.marks],
            [*others, *(each.around for each in looked if each.around)],
        )
        narrow = _compared(
            sentence.text,
            [*others, *(each.old for each in looked if each.old)],
            [*others, *(each.new for each in looked if each.new)],
        )
        if narrow and narrow.reason in CONTRADICTS:
            return str(narrow.reason)
        if not wide:
            return ""
        return GONE if self.change.deleted_at else str(wide.reason or Reason.NO_MATCH)

    def _became(self, citation: Citation, marks: list[Span]) -> _Became:
        if self.change.deleted_at:
            return _Became(False)
        then = self._then(citation)
        if then is None:
            return _Became(False)
        spans = [then.marks[citation.spans.index(mark)] for mark in marks]
        known = [span for span in spans if any(span)]
        found = since(then.page, known or ([then.passage] if then.passage else []), self.change, self.texts)
        old = [then.page.text[slice(*span)] for span in known]
        new = [each.words for each in found.became if each.place]
        return _Became(
            bool(found.became) and found.is_same,
            Evidence(citation.number, "\n".join(old), citation.title) if old else None,
            Evidence(citation.number, "\n".join(new), citation.title) if old and new else None,
            self._around(citation, then.page, found.place.page if found.place else None),
        )

    def _then(self, citation: Citation) -> Located | None:
        if citation.number not in self.places:
            assert citation.document is not None
            self.places[citation.number] = located(citation.document, citation.quote_kept)
        return self.places[citation.number]

    def _around(self, citation: Citation, page: Page, number: int | None) -> Evidence | None:
        """The passage as it is now; where it cannot be told from the rest, the page."""
        place = find(Kept(citation.text, page=page.number, start=citation.start), self.texts)
        if place:
            return Evidence(citation.number, self.texts[place.page][place.start : place.end], citation.title)
        return Evidence(citation.number, self.texts[number], citation.title) if number else None


@dataclass(frozen=True)
class _Became:
    """What became of the words behind one citation: as they were, as they are, and with what stands around them."""

    is_same: bool
    old: Evidence | None = None
    new: Evidence | None = None
    around: Evidence | None = None


def _evidence(citation: Citation) -> Evidence:
    return Evidence(citation.number, citation.text, f"{citation.title}\n{citation.section}")


def _compared(sentence: str, old: Sequence[Evidence], new: Sequence[Evidence]) -> Proof | None:
    """The verdict on the new evidence, if it is worse than the one on the old."""
    before = verify(sentence, old) if old else None
    if before is None or before.verdict is Verdict.UNSUPPORTED:
        return None
    after = verify(sentence, new)
    return after if after and RANK[after.verdict] < RANK[before.verdict] else None


def sentences_of(message: Message, citations: dict[int, Citation]) -> list[Cited]:
    """By what was found of them when they were written; of an older answer, by the numbers in its text."""
    if not message.proofs:
        return cited_sentences(message.content, citations)
    found = []
    for row in message.proofs:
        sentence = Cited(bare(MARKER.sub("", message.content[row["start"] : row["end"]])))
        for number in dict.fromkeys(number for number, _, _ in row["spans"]):
            if citation := citations.get(number):
                spans = [(start, end) for n, start, end in row["spans"] if n == number]
                sentence.marks.append((citation, [span for span in spans if span in citation.spans]))
        if row["verdict"] and any(marks for _, marks in sentence.marks):
            found.append(sentence)
    return found


def cited_sentences(content: str, citations: dict[int, Citation]) -> list[Cited]:
    """The sentences of an answer that cite something, in order, each with the very words behind its citations."""
    pieces, last = list[str | int](), 0
    for marker in MARKER.finditer(content):
        pieces += [content[last : marker.start()], int(marker[1])]
        last = marker.end()
    seen: Counter[int] = Counter()
    found = []
    for text, group in groupby(markers_with_sentences([*pieces, content[last:]]), key=lambda pair: pair[1]):
        sentence = Cited(text)
        for number, _ in group:
            if citation := citations.get(number):
                sentence.marks.append((citation, _marks(citation.spans, seen[number])))
                seen[number] += 1
        if sentence.marks:
            found.append(sentence)
    return found


def _marks(spans: Sequence[Span], place: int) -> list[Span]:
    """The words of one of a source's citations; all of them where it has not one for each."""
    return [spans[place]] if place < len(spans) else [span for span in spans if span != NOWHERE]
