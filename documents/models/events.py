"""What happened to documents, in order, for whoever follows along. The database writes it: nothing is missed."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models.expressions import RawSQL
from django.utils import timezone

from documents.models.collections import Collection, Person

KEPT_DAYS = 14


class DocumentEventQuerySet(models.QuerySet["DocumentEvent"]):
    def for_user(self, user: Person) -> DocumentEventQuerySet:
        """What happened in collections that this person may read, and no longer can change its order.

        Transactions end in another order than they begin. What one that still runs may yet add to is left for later,
        so that whoever goes on after an event has missed none before it.
        """
        settled = RawSQL("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", [])
        return self.filter(collection_id__in=Collection.objects.for_user(user).values("pk"), transaction__lt=settled)

    def after(self, transaction: int, number: int) -> DocumentEventQuerySet:
        later = models.Q(transaction=transaction, pk__gt=number)
        return self.filter(models.Q(transaction__gt=transaction) | later)

    def outdated(self) -> DocumentEventQuerySet:
        """Old ones, and those of a database that this one was restored from: their numbers are still to come here."""
        to_come = RawSQL("pg_snapshot_xmax(pg_current_snapshot())::text::bigint", [])
        old = models.Q(at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
        return self.filter(old | models.Q(transaction__gt=to_come))


class DocumentEvent(models.Model):
    """A document came, went on to another stage, was moved or deleted. No foreign keys: it outlives what it names."""

    transaction = models.BigIntegerField(help_text="Of the database; events are in its order, then in theirs.")
    at = models.DateTimeField()
    document_id = models.UUIDField()
    collection_id = models.UUIDField(help_text="Where the document was then.")
    kind = models.CharField(max_length=12, help_text="A state of the document, or moved, or deleted.")
    name = models.CharField(max_length=200)

    objects = DocumentEventQuerySet.as_manager()

    class Meta:
        ordering = ["transaction", "pk"]
        indexes = [
            models.Index(fields=["transaction", "id"], name="document_events"),
            models.Index(fields=["at"], name="document_events_of_old"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.kind}"

    @property
    def cursor(self) -> str:
        return f"{self.transaction}-{self.pk}"
