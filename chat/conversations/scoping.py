"""What a conversation is put to: collections and documents that were chosen, or everything its owner may read.

What was chosen together is searched together: a document beside a collection adds to it. What can no longer be read
drops out and is told of; where nothing is left, nothing is searched rather than everything.
"""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop

from chat.events import Question
from chat.models import Conversation
from documents.models import FINDABLE, Collection, Document

DOCUMENTS_MOST = 50  # that can be chosen for one conversation
OFFERED_MOST = 20  # documents listed to choose from
NOTHING_LEFT = gettext_noop(
    "Nothing that this conversation was narrowed to can be read any more. Choose again, or search everything."
)


def usual_deployment(collections: Some[UUID] | None) -> str:
    """Who answers what is put to these, where nobody chose: the model they agree on; "" is the default one."""
    if not collections:
        return ""
    agreed = set(Collection.objects.filter(pk__in=collections).values_list("deployment", flat=True))
    return agreed.pop() if len(agreed) == 1 else ""


@dataclass(frozen=True)
class Chosen:
    """What is searched; nothing in it means everything, unless something that was in it is `gone`."""

    collections: Sequence[Collection] = ()
    documents: Sequence[Document] = ()
    gone: int = 0  # that were chosen and can no longer be read

    @property
    def is_everything(self) -> bool:
        return not (self.collections or self.documents or self.gone)

    @property
    def is_nowhere(self) -> bool:
        return bool(self.gone) and not (self.collections or self.documents)

    @property
    def collection_ids(self) -> list[UUID] | None:
        """None where it is not by collections that it is narrowed."""
        if self.is_nowhere:
            return []
        return None if self.documents or self.is_everything else [each.pk for each in self.collections]

    @property
    def document_ids(self) -> list[UUID] | None:
        """Documents, and beside them all of the collections that were chosen too."""
        if not self.documents:
            return None
        within = Document.objects.filter(collection__in=self.collections, deleted_at=None).current()
        return list({*(each.pk for each in self.documents), *within.values_list("pk", flat=True)})

    def keep(self, conversation: Conversation) -> None:
        conversation.collections.set(self.collections)
        conversation.documents.set(self.documents)
        size = len(self.collections) + len(self.documents)
        Conversation.objects.filter(pk=conversation.pk).update(scope_size=size)
        conversation.scope_size = size


def scope_of(conversation: Conversation) -> Chosen:
    """What a conversation is put to, by what its owner may read at this moment."""
    user = conversation.owner
    collections = list(Collection.objects.for_user(user).filter(conversation=conversation))
    kept = conversation.documents.values_list("pk", flat=True)
    documents = newest(Document.objects.for_user(user).filter(pk__in=list(kept)), user)
    gone = max(0, conversation.scope_size - len(collections) - len(documents))
    return Chosen(collections, documents, gone)


def newest(documents: QuerySet[Document], user: User) -> list[Document]:
    """These documents; of one that was uploaded anew, the version of today."""
    found = {}
    for document in documents.order_by("name"):
        row: Document | None = document
        if document.superseded_at:
            row = document.versions().filter(deleted_at=None).current().first()
        if row is not None:
            found[row.pk] = row
    return list(found.values())


def is_nowhere(question: Question) -> bool:
    """Whether it was narrowed to what is no longer there."""
    return question.collections is not None and not question.collections


def offered(user: User, wanted: str, chosen: Sequence[UUID]) -> QuerySet[Document]:
    """Documents to choose from: each word that is typed stands in the name or the title, the newest first."""
    rows = Document.objects.for_user(user).current().filter(state__in=FINDABLE, generation__gt=0)
    for word in wanted.split()[:8]:
        rows = rows.filter(Q(name__icontains=word) | Q(title__icontains=word))
    return rows.exclude(pk__in=list(chosen)).select_related("collection").order_by("-created_at")
