"""How well the search did on questions with known answers, each time it was asked."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from documents.models.indexes import IndexVersion


class EvaluationRun(models.Model):
    """A set of questions, asked once. What was right travels along, so that a changed set is not compared blindly."""

    set_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", help_text="As whom it was asked."
    )
    index_version = models.ForeignKey(
        IndexVersion,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="evaluations",
        help_text="Empty: several were searched, or it is gone.",
    )
    top = models.PositiveIntegerField(help_text="How many places count.")
    limit = models.PositiveIntegerField(null=True, blank=True, help_text="Only so many questions; empty: all.")
    question_count = models.PositiveIntegerField()
    conditions = models.JSONField(help_text="{fusion, alpha, indexes: [{index, embedding_model, chunk_tokens, …}]}")
    figures = models.JSONField(help_text="{mode: {figure: {value, low, high, by}, p50_ms, p95_ms}}")
    results = models.JSONField(help_text="[{id, text, right: {key: grade}, modes: {mode: {rank, values, seconds}}}, …]")

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["set_name", "-created_at"], name="evaluation_of_set")]

    def __str__(self) -> str:
        return f"{self.set_name}, {self.created_at:%Y-%m-%d %H:%M}"

    def previous(self) -> EvaluationRun | None:
        """The newest run before this one that asked the same of the same set, as the same person."""
        same = EvaluationRun.objects.filter(set_name=self.set_name, user=self.user, top=self.top, limit=self.limit)
        if self.pk is not None:
            same = same.filter(pk__lt=self.pk)
        return same.first()
