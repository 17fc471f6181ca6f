"""Files that come in parts: what has come of them so far, until they are whole, called off or too late."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from documents.models.documents import Document, Person

LIFE = timedelta(hours=1)
KEPT = timedelta(days=1)  # after its end, so that a program can be told what became of it


def _folder() -> Path:
    return settings.DATA_DIR / "parts"


class UploadQuerySet(models.QuerySet["Upload"]):
    def for_user(self, user: Person) -> UploadQuerySet:
        return self.filter(user=user.pk)

    def pending(self) -> UploadQuerySet:
        return self.filter(state=Upload.State.PENDING, expires_at__gt=timezone.now())

    def sweep(self) -> None:
        """Let go of the parts of what is too late or whose person is gone, and of the rows of what is long over."""
        folders = list(_folder().glob("*"))  # Before the rows are read: one that begins now is not among them.
        pending, now = self.filter(state=Upload.State.PENDING), timezone.now()
        pending.filter(expires_at__lte=now).update(state=Upload.State.EXPIRED)
        self.filter(expires_at__lt=now - KEPT).exclude(state=Upload.State.PENDING).delete()
        kept = set(map(str, pending.values_list("pk", flat=True)))
        for folder in folders:
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)


class Upload(models.Model):
    """A file on its way in. Its parts lie in a folder of their own, each under its id, until they are put together."""

    class State(models.TextChoices):
        PENDING = "pending"
        COMPLETED = "completed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20)
    size = models.BigIntegerField(help_text="Bytes that are to come, all parts together.")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    file = models.ForeignKey(Document, models.SET_NULL, null=True, blank=True, related_name="came_by")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects = UploadQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="upload_end")]

    def __str__(self) -> str:
        return f"{self.name}, in parts"

    @property
    def folder(self) -> Path:
        return _folder() / str(self.pk)

    @property
    def come(self) -> int:
        """Bytes of all parts that are there."""
        return sum(path.stat().st_size for path in self.folder.glob("*"))

    def part(self, part_id: uuid.UUID) -> Path:
        return self.folder / part_id.hex

    def pieces(self, part_ids: list[uuid.UUID]) -> Iterator[bytes]:
        for part_id in part_ids:
            with self.part(part_id).open("rb") as part:
                while piece := part.read(1 << 20):
                    yield piece

    def end(self, state: Upload.State, file: Document | None = None) -> None:
        """No part of it is kept any more."""
        self.state, self.file = state, file
        self.save(update_fields=["state", "file"])
        shutil.rmtree(self.folder, ignore_errors=True)
