"""What of the library lies at a model service as well: a collection as a vector store, a document as a file of it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from documents.models.collections import Collection, Person
from documents.models.documents import Document


class VectorStoreQuerySet(models.QuerySet["VectorStore"]):
    def for_user(self, user: Person) -> VectorStoreQuerySet:
        """What this person may have searched: stores of the collections they may read."""
        return self.filter(collection__in=Collection.objects.for_user(user))


class VectorStore(models.Model):
    """A collection as a vector store at a model service. Its row stays until the service has deleted the store."""

    collection = models.ForeignKey(Collection, models.SET_NULL, null=True, related_name="vector_stores")
    connection = models.CharField(max_length=80, help_text="The service, as the deployments name it.")
    remote_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = VectorStoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "connection"], name="one_vector_store_a_service"),
        ]

    def __str__(self) -> str:
        return f"{self.collection or 'a deleted collection'} at {self.connection}"


class RemoteFileQuerySet(models.QuerySet["RemoteFile"]):
    def outdated(self) -> RemoteFileQuerySet:
        """Of what is not to be found any more: deleted, superseded, moved, read anew, or trusted otherwise by now."""
        trusted = Q(is_trusted=True, document__trusted_at=None) | Q(
            is_trusted=False, document__trusted_at__isnull=False
        )
        return self.filter(
            Q(document=None)
            | Q(store__collection=None)
            | Q(document__deleted_at__isnull=False)
            | Q(document__superseded_at__isnull=False)
            | ~Q(document__collection=F("store__collection"))
            | ~Q(document__generation=F("generation"))
            | trusted
        )


class RemoteFile(models.Model):
    """The text of a document as a vector store holds it: one generation of it, withheld words left out or not."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", "Uploaded"
        READING = "reading", "Being taken in"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    store = models.ForeignKey(VectorStore, models.CASCADE, related_name="files")
    document = models.ForeignKey(Document, models.SET_NULL, null=True, related_name="remote_files")
    generation = models.PositiveIntegerField()
    is_trusted = models.BooleanField(default=False)
    file_id = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.UPLOADED)
    error = models.CharField(max_length=60, blank=True, help_text="The service's code.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RemoteFileQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["store", "file_id"], name="one_remote_file_an_id")]

    def __str__(self) -> str:
        return f"{self.document or 'a deleted document'} in {self.store}"
