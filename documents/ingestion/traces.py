"""Take away what is no longer read: of a deleted document everything, of another one its old generations."""

from __future__ import annotations

import shutil

from django.db import transaction
from django.utils import timezone

from documents.models import Document


def remove_traces(document: Document) -> None:
    """Take a deleted document's file, text and chunks away; its row stays, so that citations can say it is gone."""
    if document.collection.index.live_id:
        document.collection.index.live_version.backend.remove(document.pk)
    document.pages.all().delete()
    for path in (document.path, document.opened_path):
        path.unlink(missing_ok=True)
    shutil.rmtree(document.pictures, ignore_errors=True)
    Document.objects.filter(pk=document.pk).update(generation=0, cleaned_at=timezone.now())


def tidy(document: Document) -> None:
    """Nothing but the generation that is read stays of a document that nobody works on."""
    with transaction.atomic():
        row = Document.objects.select_for_update(of=("self",)).filter(pk=document.pk).first()
        if row is not None and not row.is_under_way:
            keep_only_live(row)


def keep_only_live(document: Document) -> None:
    """Nothing but the generation that is read stays."""
    if document.collection.index.live_id:
        document.collection.index.live_version.backend.remove(document.pk, keep_generation=document.generation)
    document.pages.exclude(generation=document.generation).delete()  # Last: the sweep looks for them.
