"""Look again at questions that nobody could answer, when documents have come that may, or were opened to their askers.

Each is searched for as if its asker asked it now: with their rights, where they asked it. A sentence that the answer
without a model would be made of decides whether it is answered, and only if a new document says it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from chat.answering import PASSAGES
from chat.conversations.conversing import question_of
from chat.conversations.draft import citation_of
from chat.events import Question, Source
from chat.llm import Candidate, Extractive
from chat.models import Citation, Gap, Message
from chat.verification import locate
from documents import retrieval
from documents.embeddings import sentence_vectors
from documents.models import FINDABLE, Collection, Document, Holding, Membership
from documents.retrieval import Passage, Scope
from documents.search import SearchError

log = logging.getLogger(__name__)

MOST = 2_000  # gaps that are looked at in one go, the newest first
OVERLAP = timedelta(minutes=1)  # A document is finished before its transaction can be seen.


def look_again() -> list[Gap]:
    """Search for every open gap whose asker can read something that came since the last look; returns those closed."""
    newest = _newest()
    if newest is None:
        return []
    began = timezone.now()
    extractive = Extractive(sentence_vectors())
    rows = Gap.objects.open().filter(looked_at__lt=newest + OVERLAP)
    closed = []
    for gap in rows.select_related("question__conversation__owner")[:MOST]:
        try:
            if _look(gap, extractive):
                closed.append(gap)
        except SearchError as exc:
            log.warning("gap %s is looked at later: %s", gap.pk, exc)
            continue
        Gap.objects.filter(pk=gap.pk).update(looked_at=began)
    return closed


def _look(gap: Gap, extractive: Extractive) -> bool:
    answer = gap.answer
    came = _came(gap)
    if answer is None or not came:
        return False
    question, texts = question_of(answer), answer.queries or [gap.question.content]
    if _told(question, texts, extractive, came) is None:
        return False  # Most end here: the new documents alone are quickly searched.
    told = _told(question, texts, extractive, came, everywhere=True)
    return told is not None and _close(gap, answer, *told)


def _newest() -> datetime | None:
    """When something came last that somebody may find, or somebody was let in."""
    moments = [
        Document.objects.filter(state__in=FINDABLE).aggregate(at=Max("finished_at")),
        Document.objects.aggregate(at=Max("placed_at")),
        _brought_after_a_move().aggregate(at=Max("finished_at")),
        Membership.objects.aggregate(at=Max("since")),
        Collection.objects.aggregate(at=Max("owned_since")),
    ]
    return max((each["at"] for each in moments if each["at"]), default=None)


def _brought_after_a_move() -> QuerySet[Holding]:
    """What was moved to another index is found once that holds it."""
    return Holding.objects.filter(
        document__placed_at__isnull=False, index_version=F("document__collection__index__live")
    )


def _came(gap: Gap) -> set[UUID]:
    """What the asker may find, and could not when the question was last searched for: it came, or was moved to where
    they may read, or they were let in, or were given the collection."""
    asker, since = gap.question.conversation.owner, gap.looked_at - OVERLAP
    let_in = Membership.objects.filter(user=asker, since__gt=since).values("collection")
    given = Collection.objects.filter(owner=asker, owned_since__gt=since).values("pk")
    moved = _brought_after_a_move().filter(finished_at__gt=since).values("document")
    is_new = Q(finished_at__gt=since) | Q(placed_at__gt=since) | Q(pk__in=moved)
    rows = Document.objects.for_user(asker).current().filter(generation__gt=0, state__in=FINDABLE)
    opened = rows.filter(is_new | Q(collection__in=let_in) | Q(collection__in=given))
    return set(opened.values_list("pk", flat=True))


def _told(
    question: Question, texts: list[str], extractive: Extractive, came: set[UUID], *, everywhere: bool = False
) -> tuple[Passage, Candidate] | None:
    """The first sentence of such a document that would be shown for an answer; None if none would."""
    inside = question.documents
    if not everywhere:
        inside = came if inside is None else came & set(inside)
    scope = Scope(collections=question.collections, documents=inside)
    passages = retrieval.find_all(texts, question.user, scope, top=PASSAGES).passages
    for chosen in extractive.choose(texts[0], passages):
        passage = passages[chosen.number - 1]
        if passage.document_id in came:
            return passage, chosen
    return None


def _close(gap: Gap, answer: Message, passage: Passage, chosen: Candidate) -> bool:
    """Keep where the answer stands, beside what was found when it was asked; the asker is told of it once."""
    now = timezone.now()
    with transaction.atomic():
        held = Gap.objects.select_for_update().filter(pk=gap.pk, closed_at=None)
        return held.exists() and gap.close(now, _cited(answer, passage, chosen))


def _cited(answer: Message, passage: Passage, chosen: Candidate) -> Citation:
    last = answer.citations.aggregate(last=Max("number"))["last"] or 0
    said = chosen.statement
    first, after = locate(said.text, passage.text) or (said.start, said.start + len(said.text))
    marks = ((passage.start + max(first, 0), min(passage.start + after, passage.end)),)
    citation = citation_of(answer, last + 1, Source(passage, marks=marks), is_sent=False)
    citation.save()
    return citation
