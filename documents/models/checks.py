"""Checks of what must agree: asked for or made at night, and what came of them."""

from __future__ import annotations

from django.db import models

from project.background import Background


class ConsistencyCheck(Background):
    """One look at rows, files and indexes; with `mends`, each thing that does not agree is mended where that can be."""

    task = "documents.tasks.check"

    mends = models.BooleanField(default=False)
    counts = models.JSONField(default=dict, help_text="{kind of thing that does not agree: how many}")
    mended = models.PositiveIntegerField(default=0)
    found = models.JSONField(default=list, help_text="The first of them: [{kind, what, end}, ...]")

    class Meta(Background.Meta):
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="running"), name="one_check_at_a_time")
        ]

    @property
    def action(self) -> str:  # type: ignore[override]
        return "consistency.repair" if self.mends else "consistency.check"

    @property
    def number(self) -> int:
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """What it found and did not mend."""
        return self.number - self.mended
