"""Passages that an administrator took out of the search."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from documents.anchoring import Kept
from documents.models.documents import Document


class Exclusion(models.Model):
    """Words of a document that are not to be found. They are kept with what stood around them, so that they are known
    again when the document is read anew, or cut in another way."""

    document = models.ForeignKey(Document, models.CASCADE, related_name="exclusions")
    page = models.PositiveIntegerField(help_text="Its number, from 1.")
    start = models.PositiveIntegerField(help_text="Offset into the page's text, in characters.")
    words = models.TextField()
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["page", "start"]

    def __str__(self) -> str:
        return f"{self.document}, page {self.page}, {self.start}"

    @property
    def kept(self) -> Kept:
        return Kept(self.words, self.before, self.after, self.page, self.start)
