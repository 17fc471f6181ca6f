"""What became of a document, as lines of a receipt: taken in, left out, where the time went, what it cost."""

from __future__ import annotations

from collections.abc import Iterator

from documents.forms import KINDS
from documents.models import Document, Membership, Person
from documents.standing import duration, size

Line = tuple[str, str]

STAGES = {
    "extracting": "Reading",
    "chunking": "Cutting into passages",
    "embedding": "Embedding",
    "indexing": "Index",
}
VERSIONS_MOST = 20
CHILDREN_MOST = 200


def receipt(document: Document, user: Person) -> dict[str, object]:
    """Everything the receipt's template asks for."""
    readable = Document.objects.for_user(user)
    parent = readable.filter(pk=document.parent_id).first() if document.parent_id else None
    versions = document.versions().filter(deleted_at=None).order_by("-version")
    return {
        "taken_in": list(taken_in(document)),
        "left_out": list(left_out(document)),
        "times": list(times(document)),
        "readers": Membership.objects.filter(collection=document.collection_id).count() + 1,
        "parent": parent,
        "children": list(readable.filter(parent=document).current().order_by("name")[:CHILDREN_MOST]),
        "versions": [row for row in versions[:VERSIONS_MOST] if row.pk != document.pk],
    }


def taken_in(document: Document) -> Iterator[Line]:
    counted = document.receipt
    if document.page_count:
        with_text = counted.get("pages_with_text")
        known = f"{with_text:,} of {document.page_count:,}" if with_text is not None else f"{document.page_count:,}"
        yield "Pages with text", known
    for name, words in (("words", "Words"), ("letters", "Letters")):
        if name in counted:
            yield words, f"{counted[name]:,}"
    for name, words in (
        ("tables", "Tables"),
        ("recognised", "Pages recognised from images"),
        ("unsure", "Of these with doubtful words"),
        ("images", "Pictures without words"),
    ):
        if counted.get(name):
            yield words, f"{counted[name]:,}"
    yield "Passages", f"{document.chunk_count:,}"
    if document.language:
        yield "Language", document.language
    yield "Format", KINDS.get(document.kind, document.kind)
    yield "Size", size(document.size)


def left_out(document: Document) -> Iterator[Line]:
    counted = document.receipt
    for what, count in (counted.get("left_out") or {}).items():
        yield str(what).capitalize(), f"{count:,}"
    for name, words in (
        ("withheld", "Places kept out of answers"),
        ("cleaned", "Characters taken out or replaced"),
        ("unreadable", "Characters nobody can read"),
    ):
        if counted.get(name):
            yield (
                ("Places once kept out of answers" if name == "withheld" and document.trusted_at else words),
                (f"{counted[name]:,}"),
            )
    for name, count in counted.get("attachments") or []:
        yield f"Attached, not read: {name}", size(count)


def times(document: Document) -> Iterator[Line]:
    counted = document.receipt
    for stage, words in STAGES.items():
        if (seconds := document.seconds.get(stage)) is None:
            continue
        if stage == "embedding" and counted.get("cached"):
            words = f"{words}, {counted['cached']:,} from cache"
        yield words, duration(seconds)
    if counted.get("tokens"):
        yield "Tokens sent to be embedded", f"{counted['tokens']:,}"
    if counted.get("cost") is not None:
        yield "Cost", f"{counted['cost']:,.4f}"
