"""Many questions at once: a batch and its items, each of which is answered once, whatever happens to its worker."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

LEASE_S = 240  # longer than an answer may take


class Batch(models.Model):
    """Questions from one file, asked as one person."""

    class State(models.TextChoices):
        RUNNING = "running", gettext_lazy("Running")
        DONE = "done", gettext_lazy("Done")
        CANCELED = "canceled", gettext_lazy("Cancelled")
        CAPPED = "capped", gettext_lazy("Stopped at its cost")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="batches")
    name = models.CharField(max_length=200)
    deployment = models.CharField(max_length=80, blank=True, help_text="Who answers. Empty: the default.")
    limit_cost = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="US dollars at which no more is asked."
    )
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("batch", args=[self.pk])

    @property
    def is_running(self) -> bool:
        return self.state == self.State.RUNNING

    @property
    def cost(self) -> Decimal:
        return self.items.aggregate(cost=Sum("cost"))["cost"] or Decimal(0)

    @property
    def has_untold_cost(self) -> bool:
        """Whether something was asked whose cost nobody knows."""
        return self.items.exclude(state__in=BatchItem.OPEN).filter(cost=None).exists()

    def counts(self) -> dict[str, int]:
        """How many items are in each state."""
        return dict(self.items.order_by().values_list("state").annotate(Count("pk")))

    def end(self, state: Batch.State) -> None:
        """Give a running batch its end; items nobody answers yet are left as they are."""
        running = Batch.objects.filter(pk=self.pk, state=Batch.State.RUNNING)
        running.update(state=state, ended_at=timezone.now())
        self.refresh_from_db()

    def settle(self) -> bool:
        """End the batch if nothing is left to ask, or its money is spent. True when it has ended."""
        if not self.is_running:
            return True
        if not self.items.filter(state__in=BatchItem.OPEN).exists():
            self.end(Batch.State.DONE)
        elif self.limit_cost is not None and self.cost >= self.limit_cost:
            self.end(Batch.State.CAPPED)
        return not self.is_running


class BatchItemQuerySet(models.QuerySet["BatchItem"]):
    def waiting(self) -> BatchItemQuerySet:
        """To be asked, and in nobody's hands: never begun, or whoever had it died."""
        free = Q(state=BatchItem.State.WAITING) | Q(state=BatchItem.State.ASKING, lease_until__lt=timezone.now())
        return self.filter(free, batch__state=Batch.State.RUNNING)

    def claim(self, most: int) -> list[BatchItem]:
        """Take so many of these for as long as a lease lasts; what another worker takes at this moment is passed."""
        token = uuid.uuid4()
        with transaction.atomic():
            free = self.waiting().select_for_update(of=("self",), skip_locked=True).order_by("position")
            taken = list(free.values_list("pk", flat=True)[:most])
            until = timezone.now() + timedelta(seconds=LEASE_S)
            rows = BatchItem.objects.filter(pk__in=taken)
            rows.update(
                state=BatchItem.State.ASKING, lease_until=until, lease_token=token, attempt=models.F("attempt") + 1
            )
        return list(rows.order_by("position"))


class BatchItem(models.Model):
    """One question of a batch, and what came of it."""

    class State(models.TextChoices):
        WAITING = "waiting", gettext_lazy("Waiting")
        ASKING = "asking", gettext_lazy("Being asked")
        DONE = "done", gettext_lazy("Answered")
        REFUSED = "refused", gettext_lazy("Not in the documents")
        FAILED = "failed", gettext_lazy("Failed")

    OPEN = (State.WAITING, State.ASKING)

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=200, help_text="The id of its line.")
    question = models.TextField()
    collections = models.JSONField(null=True, blank=True, help_text="Names or ids; null: all that may be read.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True, help_text="The line of the answers' file.")
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = BatchItemQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "key"], name="one_item_an_id"),
            models.UniqueConstraint(fields=["batch", "position"], name="one_item_a_position"),
        ]
        indexes = [models.Index(fields=["batch", "state", "lease_until"], name="batch_item_waiting")]

    def __str__(self) -> str:
        return f"{self.batch}: {self.key}"

    def end(self, state: BatchItem.State, result: dict, cost: Decimal | None) -> bool:
        """Keep what came of it; False when the item was given to another worker meanwhile, whose result it gets."""
        held = BatchItem.objects.filter(pk=self.pk, lease_token=self.lease_token, state=BatchItem.State.ASKING)
        return bool(
            held.update(
                state=state, result=result, cost=cost, ended_at=timezone.now(), lease_until=None, lease_token=None
            )
        )

    def put_off(self, seconds: int) -> None:
        """To be asked again after a while: whoever it needs is busy."""
        held = BatchItem.objects.filter(pk=self.pk, lease_token=self.lease_token, state=BatchItem.State.ASKING)
        held.update(lease_until=timezone.now() + timedelta(seconds=seconds), lease_token=None)
