"""Conversations that programs keep here by `/v1/conversations`, for LECTERN_RESPONSES_DAYS after the last word."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from chat.models.responses import oldest
from project.models import ApiKey, narrowed_to


class ThreadQuerySet(models.QuerySet["Thread"]):
    def for_call(self, user: User, key: ApiKey) -> ThreadQuerySet:
        """Those of this person that are not too old; a key that is narrowed to collections sees its own alone."""
        rows = self.filter(user=user, updated_at__gte=oldest())
        return rows if narrowed_to(user) is None else rows.filter(api_key_id=key.pk)

    def outdated(self) -> ThreadQuerySet:
        return self.filter(updated_at__lt=oldest())


class Thread(models.Model):
    """What a program and its models said to each other, as items of `/v1/responses`; no page of ours shows it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="threads")
    api_key_id = models.IntegerField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    items = models.JSONField(default=list, blank=True, help_text="Each with an id of its own, the oldest first.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["updated_at"], name="thread_age")]

    def __str__(self) -> str:
        return f"conv_{self.pk.hex}"

    def add(self, items: Sequence[dict[str, Any]]) -> None:
        """Put items behind what was said; two calls at once lose nothing."""
        with transaction.atomic():
            held = Thread.objects.select_for_update(of=("self",)).filter(pk=self.pk).first()
            if held is None:
                return  # It was deleted meanwhile.
            self.items = [*held.items, *items]
            self.updated_at = timezone.now()
            self.save(update_fields=["items", "updated_at"])

    def take_out(self, item_id: str) -> bool:
        """Whether there was such an item."""
        with transaction.atomic():
            held = Thread.objects.select_for_update(of=("self",)).get(pk=self.pk)
            self.items = [item for item in held.items if item["id"] != item_id]
            self.save(update_fields=["items"])
        return len(self.items) < len(held.items)
