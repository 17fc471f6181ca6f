"""Collections as programs see them: a vector store with files that were put into it, one by one or in batches."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import OuterRef, Q

from documents.models.collections import Collection, Person
from documents.models.documents import FINDABLE, UNDER_WAY, Document, State
from project.models import narrowed_to


class FileBatch(models.Model):
    """Files that a program put into a collection with one call."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, models.CASCADE, related_name="file_batches")
    created_at = models.DateTimeField(auto_now_add=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"a batch of {self.collection}"


class StoreFileQuerySet(models.QuerySet["StoreFile"]):
    def live(self) -> StoreFileQuerySet:
        """Those whose document is there, and those that never got one."""
        return self.filter(Q(document=None) | Q(document__deleted_at=None, document__superseded_at=None))

    def for_user(self, user: Person) -> StoreFileQuerySet:
        """What lies in the collections this person may read."""
        return self.live().filter(collection__in=Collection.objects.for_user(user))

    def known_as(self, file_id: uuid.UUID) -> StoreFileQuerySet:
        """By the file that a program put in, or by the document that stands for it here."""
        return self.filter(Q(file=file_id) | Q(document=file_id))

    def in_state(self, *states: str) -> StoreFileQuerySet:
        return self.filter(document__state__in=states)

    def adopt(self, collection: Collection) -> None:
        """Have a row for each document of the collection, also for those that no program put in."""
        known = self.filter(collection=collection, document=OuterRef("pk"))
        rows = Document.objects.filter(collection=collection, deleted_at=None, parent=None).current()
        StoreFile.objects.bulk_create(
            [
                StoreFile(collection=collection, file=document, document=document, created_at=document.created_at)
                for document in rows.filter(~models.Exists(known)).only("pk", "created_at")
            ],
            ignore_conflicts=True,
        )


class StoreFile(models.Model):
    """A file in a collection, as the program knows it that put it there.

    A document belongs to one collection, for that is where permission is decided. So what is put into a second one is
    a document of its own with the same bytes: `file` is what the program named, `document` what is searched here.
    """

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="store_files")
    file = models.ForeignKey(Document, models.CASCADE, related_name="put_into")
    document = models.ForeignKey(Document, models.CASCADE, null=True, blank=True, related_name="stands_for")
    is_copy = models.BooleanField(default=False, help_text="The document was made for this row, and goes with it.")
    batch = models.ForeignKey(FileBatch, models.SET_NULL, null=True, blank=True, related_name="files")
    attributes = models.JSONField(default=dict, blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="Why there is no document.")
    created_at = models.DateTimeField()

    objects = StoreFileQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "file"], name="one_store_file_a_file")]
        indexes = [models.Index(fields=["collection", "created_at"], name="store_file_order")]

    def __str__(self) -> str:
        return f"{self.file} in {self.collection}"

    @property
    def status(self) -> str:
        """in_progress, completed, cancelled or failed."""
        return status_of(self.document.state) if self.document else "failed"

    def shown_id(self, user: Person) -> uuid.UUID:
        """The id this person knows it by: that of their own file if they may see it, else of what is searched here."""
        only = narrowed_to(user)
        is_seen = only is None or self.file.collection_id in only
        is_theirs = self.file.owner_id == user.pk and self.file.deleted_at is None and is_seen
        return self.file_id if is_theirs or self.document_id is None else self.document_id


def status_of(state: str) -> str:
    """A document's state in a program's words.

    >>> [status_of(state) for state in ("queued", "warning", "canceled", "failed")]
    ['in_progress', 'completed', 'cancelled', 'failed']
    """
    known = {State.CANCELED: "cancelled", State.FAILED: "failed"}
    if state in UNDER_WAY:
        return "in_progress"
    return "completed" if state in FINDABLE else known[State(state)]
