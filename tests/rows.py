"""Documents in any state, as rows alone: for what is shown of them, no file has to be read."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.utils import timezone

from documents.indexes import private_collection
from documents.models import UNDER_WAY, Attempt, Chunk, Document, Page, State

PASSWORD_ERROR = {"code": "password", "reason": "The file asks for a password.", "advice": "Remove it."}


def row(owner, name: str = "rules.md", state: str = State.READY, **facts) -> Document:
    """A document as the ingestion leaves it in that state."""
    ended = state not in UNDER_WAY
    defaults = {
        "collection": facts.pop("collection", None) or private_collection(owner),
        "kind": "markdown",
        "sha256": uuid.uuid4().hex * 2,
        "size": 240_000,
        "generation": int(state in {State.READY, State.WARNING}),
        "building": 1,
        "finished_at": timezone.now() if ended else None,
    }
    document = Document.objects.create(owner=owner, name=name, state=state, **defaults | facts)
    if created_at := facts.get("created_at"):
        Document.objects.filter(pk=document.pk).update(created_at=created_at)
        document.refresh_from_db()
    return document


def working(owner, name: str, state: str, **facts) -> Document:
    """One that a worker holds at this moment."""
    return row(owner, name, state, lease_until=timezone.now() + timedelta(seconds=60), **facts)


def page(document: Document, text: str, number: int = 1, **facts) -> Page:
    generation = facts.pop("generation", document.generation)
    document.page_count = max(document.page_count, number)
    document.save(update_fields=["page_count"])
    return Page.objects.create(document=document, generation=generation, number=number, text=text, **facts)


def chunks(shown: Page, *spans: tuple[int, int], **facts) -> list[Chunk]:
    document = shown.document
    first = document.chunks.filter(generation=shown.generation).count()
    version = document.collection.index.live
    made = [
        Chunk.objects.create(
            document=document,
            page=shown,
            index_version=version,
            generation=shown.generation,
            ordinal=first + n,
            start=start,
            end=end,
            **facts,
        )
        for n, (start, end) in enumerate(spans)
    ]
    document.chunk_count = first + len(made)
    document.save(update_fields=["chunk_count"])
    return made


def attempt(document: Document, number: int, outcome: str, *, seconds: int = 9, **facts) -> Attempt:
    began = facts.pop("began_at", timezone.now() - timedelta(seconds=seconds))
    ended = began + timedelta(seconds=seconds) if outcome else None
    return document.attempts.create(number=number, began_at=began, ended_at=ended, outcome=outcome, **facts)
