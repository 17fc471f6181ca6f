"""What became of a document, as lines of a receipt: taken in, left out, where the time went, what it cost."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop

from documents.forms import KINDS
from documents.models import Document, Membership, Person
from documents.standing import duration, size
from project.translating import number

Line = tuple[str, str]

STAGES = {
    "extracting": gettext_noop("Reading"),
    "chunking": gettext_noop("Cutting into passages"),
    "embedding": gettext_noop("Embedding"),
    "indexing": gettext_noop("Index"),
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
        known = number(document.page_count)
        if with_text is not None:
            known = gettext("%(n)s of %(all)s") % {"n": number(with_text), "all": known}
        yield gettext("Pages with text"), known
    for name, words in (("words", gettext_noop("Words")), ("letters", gettext_noop("Letters"))):
        if name in counted:
            yield gettext(words), number(counted[name])
    for name, words in (
        ("tables", gettext_noop("Tables")),
        ("recognised", gettext_noop("Pages recognised from images")),
        ("unsure", gettext_noop("Of these with doubtful words")),
        ("images", gettext_noop("Pictures without words")),
    ):
        if counted.get(name):
            yield gettext(words), number(counted[name])
    yield gettext("Passages"), number(document.chunk_count)
    if document.language:
        yield gettext("Language"), document.language
    yield gettext("Format"), str(KINDS.get(document.kind, document.kind))
    yield gettext("Size"), size(document.size)


def left_out(document: Document) -> Iterator[Line]:
    counted = document.receipt
    for what, count in (counted.get("left_out") or {}).items():
        yield gettext(str(what).capitalize()), number(count)
    for name, words in (
        ("withheld", gettext_noop("Places kept out of answers")),
        ("cleaned", gettext_noop("Characters taken out or replaced")),
        ("unreadable", gettext_noop("Characters nobody can read")),
    ):
        if counted.get(name):
            was = name == "withheld" and document.trusted_at
            yield gettext("Places once kept out of answers") if was else gettext(words), number(counted[name])
    for name, count in counted.get("attachments") or []:
        yield gettext("Attached, not read: %(name)s") % {"name": name}, size(count)


def times(document: Document) -> Iterator[Line]:
    counted = document.receipt
    for stage, words in STAGES.items():
        if (seconds := document.seconds.get(stage)) is None:
            continue
        if stage == "embedding" and counted.get("cached"):
            cached = gettext("%(n)s from cache") % {"n": number(counted["cached"])}
            yield f"{gettext(words)}, {cached}", duration(seconds)
        else:
            yield gettext(words), duration(seconds)
    if counted.get("tokens"):
        yield gettext("Tokens sent to be embedded"), number(counted["tokens"])
    if counted.get("cost") is not None:
        yield gettext("Cost"), str(number_format(counted["cost"], 4))
