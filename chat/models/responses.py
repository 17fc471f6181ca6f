"""Responses that programs asked for and may go on from, for LECTERN_RESPONSES_DAYS."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from project.models import ApiKey, narrowed_to

TURNS_MOST = 50  # that are looked back; what fits of them is the prompt's to say


class StoredResponseQuerySet(models.QuerySet["StoredResponse"]):
    def for_call(self, user: User, key: ApiKey) -> StoredResponseQuerySet:
        """Those of this person that are not too old; a key that is narrowed to collections sees its own alone."""
        rows = self.filter(user=user, created_at__gte=oldest())
        return rows if narrowed_to(user) is None else rows.filter(api_key_id=key.pk)

    def outdated(self) -> StoredResponseQuerySet:
        return self.filter(created_at__lt=oldest())


class StoredResponse(models.Model):
    """A response as it was sent, and the items it answered."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="responses")
    api_key_id = models.IntegerField(null=True, blank=True)
    previous = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="next")
    input = models.JSONField(default=list, help_text="The items it answers, without those before them.")
    body = models.JSONField(help_text="The response as it was sent.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = StoredResponseQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="response_age")]

    def __str__(self) -> str:
        return f"resp_{self.pk.hex}"

    def line(self) -> list[StoredResponse]:
        """This response and those it goes on from, the oldest first."""
        return list(self._back())[::-1]

    def _back(self) -> Iterator[StoredResponse]:
        row: StoredResponse | None = self
        for _ in range(TURNS_MOST):
            if row is None or row.user_id != self.user_id:
                return
            yield row
            row = row.previous


def oldest() -> datetime:
    """The moment before which nothing is kept."""
    return timezone.now() - timedelta(days=settings.RESPONSES_DAYS)
