"""What moderation stopped, for the report to administrators."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy


class ModerationEvent(models.Model):
    """A question or an answer that was stopped, or that could not be checked. Without its words, unless a setting
    keeps them."""

    class Where(models.TextChoices):
        QUESTION = "question", gettext_lazy("Question")
        ANSWER = "answer", gettext_lazy("Answer")

    class Outcome(models.TextChoices):
        STOPPED = "stopped", gettext_lazy("Stopped")
        UNCHECKED_STOPPED = "unchecked-stopped", gettext_lazy("Stopped, for it could not be checked")
        UNCHECKED_PASSED = "unchecked-passed", gettext_lazy("Let through unchecked")

    where = models.CharField(max_length=10, choices=Where)
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.STOPPED)
    category = models.CharField(max_length=60, blank=True)
    severity = models.CharField(max_length=10, blank=True)
    score = models.FloatField(null=True, blank=True)
    checked_by = models.CharField(max_length=10)
    deployment = models.CharField(max_length=80, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    text = models.TextField(blank=True, help_text="Kept only where LECTERN_MODERATION_KEEP_TEXT says so.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.where}: {self.category or self.outcome}"
