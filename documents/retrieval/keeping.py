"""Found passages as they may be kept: their places, without a word of them. The words are fetched anew, by permission.

And `revision()`: what decides whether the same search would find the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F

from documents.models import Collection, Document, Page, Person
from documents.retrieval.asking import Scope
from documents.retrieval.passages import Passage
from documents.search import Leg

SETTINGS = ("FUSION", "FUSION_ALPHA", "RERANK_URL", "RERANK_MODEL", "AZURE_SEARCH_SEMANTIC")
# A number for all that can be found of a collection, the same in any order: a document read again, changed, trusted,
# renamed, deleted or moved makes it another one. What is still being embedded counts by how far it has come.
CONTENT = """
SELECT collection_id, count(*), bit_xor(hashtextextended(concat_ws(
    '|', id, generation, building, version, state, done, chunk_count, trusted_at, title, name), 0))
FROM documents_document
WHERE collection_id = ANY(%s) AND deleted_at IS NULL AND superseded_at IS NULL AND generation > 0
GROUP BY collection_id
"""


def revision(user: Person, scope: Scope) -> list[Any]:
    """Which collections this person may read within the scope at this moment, the index version that is live for each,
    and what can be found there. Two people with the same may be told the same."""
    readable = Collection.objects.for_user(user)
    if scope.collections is not None:
        readable = readable.filter(pk__in=list(scope.collections))
    lives = dict(readable.order_by("pk").values_list("pk", "index__live"))
    with connection.cursor() as cursor:
        cursor.execute(CONTENT, [list(lives)])
        contents = {row[0]: row[1:] for row in cursor.fetchall()}
    places = [[str(pk), live, *contents.get(pk, (0, 0))] for pk, live in lives.items()]
    narrowed = None if scope.documents is None else sorted(map(str, scope.documents))
    return [places, narrowed, scope.mode, *(getattr(settings, name) for name in SETTINGS)]


def places_of(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """The passages without their words, as JSON takes them."""
    return [
        {
            "chunk": passage.chunk_id,
            "document": str(passage.document_id),
            "page": passage.page_number,
            "span": [passage.start, passage.end],
            "section": passage.section,
            "score": passage.score,
            "keyword": asdict(passage.keyword) if passage.keyword else None,
            "vector": asdict(passage.vector) if passage.vector else None,
            "digest": _digest(passage.text),
        }
        for passage in passages
    ]


def fetched(places: Sequence[dict[str, Any]], user: Person) -> list[Passage] | None:
    """The passages of these places; None if one is gone, says something else by now, or is not this person's to read.

    >>> fetched([], None)
    []
    """
    if not places:
        return []
    readable = Document.objects.for_user(user).current().filter(pk__in={place["document"] for place in places})
    pages = Page.objects.filter(document__in=readable, generation=F("document__generation"))
    held = {(page.document_id, page.number): page for page in pages.select_related("document")}
    found = []
    for place in places:
        page = held.get((UUID(place["document"]), place["page"]))
        text = page.shown_text(*place["span"]) if page else ""
        if page is None or _digest(text) != place["digest"]:
            return None
        found.append(_passage(place, page, text))
    return found


def _passage(place: dict[str, Any], page: Page, text: str) -> Passage:
    return Passage(
        chunk_id=place["chunk"],
        document_id=page.document_id,
        document_title=page.document.display_title,
        document_name=page.document.name,
        version=page.document.version,
        page_number=page.number,
        page_label=page.label,
        start=place["span"][0],
        end=place["span"][1],
        section=place["section"],
        text=text,
        score=place["score"],
        keyword=Leg(**place["keyword"]) if place["keyword"] else None,
        vector=Leg(**place["vector"]) if place["vector"] else None,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
