"""What was read of a document: its pages, and the chunks that are spans of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode

from documents.anchoring import check_of
from documents.models.collections import Collection
from documents.models.documents import Document
from documents.models.indexes import IndexVersion


class Page(models.Model):
    """A page's text, or the nearest thing a format has. `text` is the truth: everything else is offsets into it."""

    document = models.ForeignKey(Document, models.CASCADE, related_name="pages")
    generation = models.PositiveIntegerField()
    number = models.PositiveIntegerField(help_text="From 1, in reading order.")
    label = models.CharField(max_length=40, blank=True, help_text='What is printed on it, such as "iv".')
    text = models.TextField(blank=True)
    headings = models.JSONField(default=list, help_text="[[offset, level, title], ...] in the order of the text.")
    tables = models.JSONField(
        default=list, help_text="[{rows: [[[start, end], ...], ...], header_rows, name, numbers, first_column}, ...]"
    )
    runs = models.JSONField(
        default=list, help_text="[[start, index, length, step], ...] where PDFium's order is another."
    )
    boxes = models.JSONField(
        default=list, help_text="[[start, end, left, top, width, height], ...] of words in images."
    )
    findings = models.JSONField(
        default=list, help_text="[[start, end, kind, reason], ...]: what no reader sees, or speaks to a model."
    )
    warning = models.CharField(max_length=40, blank=True)
    receipt = models.JSONField(
        default=dict,
        help_text="letters, words, tables, images, language, recognised, confidence, cleaned, unreadable, withheld, "
        "seconds",
    )

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["document", "generation", "number"], name="one_page_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.document}, page {self.label or self.number}"

    def get_absolute_url(self) -> str:
        return reverse("page", args=[self.document_id, self.number])

    def shown_text(self, start: int, end: int) -> str:
        """A stretch of the text with what was found hidden or speaking to a model blanked out, letter for letter.

        An editor who has looked at the findings may let answers use them.
        """
        text = self.text[start:end]
        if not self.findings or self.document.trusted_at:
            return text
        for first, after, *_ in self.findings:
            first, after = max(first, start) - start, min(after, end) - start
            if first < after:
                text = text[:first] + " " * (after - first) + text[after:]
        return text


def page_url(
    document_id: uuid.UUID,
    number: int,
    passage: tuple[int, int] | None = None,
    marks: Sequence[tuple[int, int]] = (),
    *,
    words: str = "",
    part: bool = False,
) -> str:
    """The address of words on a page; with `part`, of the piece that a panel shows.

    With the passage's `words` it lasts: it carries a check of them, by which they are found again when the document
    was read anew and its text stands elsewhere.
    """
    query = [("passage", f"{passage[0]}-{passage[1]}")] if passage else []
    query += [("mark", f"{start}-{end}") for start, end in marks]
    query += [("check", check_of(words))] if words.strip() else []
    query += [("part", "1")] if part else []
    return reverse("page", args=[document_id, number]) + (f"?{urlencode(query)}" if query else "")


class Chunk(models.Model):
    """A span of one page: what is embedded, found and cited. Its text is never a copy."""

    document = models.ForeignKey(Document, models.CASCADE, related_name="chunks")
    page = models.ForeignKey(Page, models.CASCADE, related_name="chunks")
    index_version = models.ForeignKey(IndexVersion, models.CASCADE, related_name="chunks")
    generation = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField(help_text="From 0, through the whole document.")
    start = models.PositiveIntegerField(help_text="Offset into the page's text, in characters.")
    end = models.PositiveIntegerField()
    section = models.CharField(
        max_length=500, blank=True, help_text="The headings above it, outermost first, joined by ' > '."
    )
    header_start = models.PositiveIntegerField(default=0, help_text="The table's header that stands above it …")
    header_end = models.PositiveIntegerField(default=0, help_text="… in the page's text; 0 and 0: none.")
    tokens = models.PositiveIntegerField(default=0)
    is_searched = models.BooleanField(default=True, help_text="Whether the index holds it.")

    class Meta:
        ordering = ["ordinal"]
        constraints = [
            models.UniqueConstraint(
                fields=["document", "index_version", "generation", "ordinal"], name="one_chunk_an_ordinal"
            ),
            models.CheckConstraint(condition=Q(end__gt=models.F("start")), name="chunk_is_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.document} {self.start}-{self.end}"

    @property
    def text(self) -> str:
        """What an answer may use: withheld words are blanks, so that every offset holds."""
        return self.page.shown_text(self.start, self.end)

    @property
    def header(self) -> str:
        """The header row of the table that this chunk is a later part of; "" elsewhere."""
        return self.page.shown_text(self.header_start, self.header_end)


class Holding(models.Model):
    """A document as an index version holds it, whole or, while `finished_at` is empty, as far as it got."""

    # A join never goes by these two alone: each names a large part of the table.
    index_version = models.ForeignKey(IndexVersion, models.CASCADE, related_name="holdings", db_index=False)
    document = models.ForeignKey(Document, models.CASCADE, related_name="holdings")
    generation = models.PositiveIntegerField()
    collection = models.ForeignKey(
        Collection,
        models.CASCADE,
        related_name="+",
        db_index=False,
        help_text="Where the index believes it to lie.",
    )
    chunk_count = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(
        null=True, blank=True, help_text="Chunks that are searched; empty: not cut yet."
    )
    done = models.PositiveIntegerField(default=0, help_text="Chunks that are searched and stored in the index.")
    attempt = models.PositiveIntegerField(
        default=0, help_text="Beginnings since something was last stored; counted before the work."
    )
    error = models.CharField(max_length=300, blank=True, help_text="A sentence: why it could not be brought in.")
    not_before = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    UNTROUBLED: ClassVar = {"attempt": 0, "error": "", "not_before": None}

    class Meta:
        constraints = [models.UniqueConstraint(fields=["index_version", "document"], name="one_holding_a_document")]

    def __str__(self) -> str:
        return f"{self.document} in {self.index_version}"
