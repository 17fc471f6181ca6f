"""Permission proofs: when they were made, and what came of them."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

SILENT = timedelta(minutes=15)  # that a proof under way may say nothing; then its worker is taken for gone


class PermissionProof(models.Model):
    """One run of the self-audit; the report is that of `chat.permissions`."""

    class State(models.TextChoices):
        WAITING = "waiting", gettext_lazy("Waiting")
        RUNNING = "running", gettext_lazy("Running")
        DONE = "done", gettext_lazy("Done")
        FAILED = "failed", gettext_lazy("Failed")

    OPEN = (State.WAITING, State.RUNNING)

    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict, help_text="probes, reached, leaks, missed, seconds, told, rows")
    error = models.CharField(max_length=500, blank=True, help_text="A sentence: why it failed.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(default=timezone.now, help_text="The last sign of life.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="running"), name="one_proof_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}: {self.state}"

    @property
    def is_under_way(self) -> bool:
        return self.state in self.OPEN

    @property
    def is_clean(self) -> bool:
        return self.state == self.State.DONE and not self.report["leaks"] and not self.report["missed"]

    @classmethod
    def give_up(cls) -> None:
        """Give an end to those whose worker is gone, or whose message was lost."""
        silent = cls.objects.filter(state__in=cls.OPEN, seen_at__lt=timezone.now() - SILENT)
        silent.update(
            state=cls.State.FAILED, finished_at=timezone.now(), error="Whoever made it ended in the middle. Try again."
        )

    def claim(self) -> bool:
        """Take it on; False when somebody else did. Raises IntegrityError while another one runs."""
        waiting = PermissionProof.objects.filter(pk=self.pk, state=self.State.WAITING)
        return waiting.update(state=self.State.RUNNING, seen_at=timezone.now()) == 1

    def tell(self, done: int, total: int) -> None:
        PermissionProof.objects.filter(pk=self.pk).update(done=done, total=total, seen_at=timezone.now())

    def end(self, state: State, **facts: object) -> None:
        PermissionProof.objects.filter(pk=self.pk).update(state=state, finished_at=timezone.now(), **facts)
        self.refresh_from_db()
