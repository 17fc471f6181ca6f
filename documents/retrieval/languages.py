"""Which languages are written in the documents that a search may look into."""

from __future__ import annotations

from django.db.models import Count

from documents.models import FINDABLE, Document, Person
from documents.retrieval.asking import Scope


def languages_held(user: Person, scope: Scope) -> dict[str, int]:
    """How many documents there are in each language (ISO 639-1) that this person may read there, the most first."""
    rows = Document.objects.for_user(user).current().filter(state__in=FINDABLE).exclude(language="")
    if scope.collections is not None:
        rows = rows.filter(collection__in=list(scope.collections))
    if scope.documents is not None:
        rows = rows.filter(pk__in=list(scope.documents))
    counted = rows.order_by().values_list("language").annotate(number=Count("pk")).order_by("-number", "language")
    return dict(counted)
