"""Permission proofs: when they were made, and what came of them."""

from __future__ import annotations

from django.db import models

from project.background import Background


class PermissionProof(Background):
    """One run of the self-audit; the report is that of `chat.permissions`."""

    task = "chat.tasks.prove_permissions"
    action = "permissions.prove"

    report = models.JSONField(default=dict, help_text="probes, reached, leaks, missed, seconds, told, rows")

    class Meta(Background.Meta):
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="running"), name="one_proof_at_a_time")
        ]

    @property
    def is_clean(self) -> bool:
        return self.state == self.State.DONE and not self.report["leaks"] and not self.report["missed"]
