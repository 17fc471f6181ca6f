"""Which documents the console lists, and which of them an act is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import F, Func, Q
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower, Now
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from documents.forms import KINDS
from documents.models import DEAD, LEFT_AFTER, UNDER_WAY, Collection, Document, DocumentQuerySet, Index, State

MOST = 1_000


class JobsForm(forms.Form):
    """Which documents, and in which order. What an address has that cannot be is left aside."""

    STATES: ClassVar = {
        "under-way": (gettext_lazy("Under way"), Q(state__in=UNDER_WAY)),
        "left": (gettext_lazy("Left by their worker"), Q(state__in=UNDER_WAY, lease_until__lt=Now() - LEFT_AFTER)),
        "ready": (gettext_lazy("Ready"), Q(state=State.READY)),
        "warning": (gettext_lazy("Ready, but not all of it"), Q(state=State.WARNING)),
        "failed": (gettext_lazy("Failed"), Q(state=State.FAILED)),
        "dead": (gettext_lazy("Dead letters: every attempt failed"), Q(state=State.FAILED, error__code__in=DEAD)),
        "canceled": (gettext_lazy("Cancelled"), Q(state=State.CANCELED)),
    }
    SORTS: ClassVar[dict[str, F | Func]] = {
        "name": Lower("name"),
        "added": F("created_at"),
        "pages": F("page_count"),
        "passages": F("chunk_count"),
        "size": F("size"),
    }

    q = forms.CharField(required=False, max_length=200)
    state = forms.ChoiceField(required=False, choices=[(name, words) for name, (words, _) in STATES.items()])
    kind = forms.ChoiceField(required=False, choices=list(KINDS.items()))
    collection = forms.CharField(required=False, max_length=120)
    owner = forms.CharField(required=False, max_length=150)
    index = forms.ModelChoiceField(queryset=Index.objects.none(), required=False)
    code = forms.CharField(required=False, max_length=40)
    sort = forms.ChoiceField(required=False, choices=[(sign + name, name) for name in SORTS for sign in ("", "-")])

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.fields["index"].queryset = Index.objects.all()  # type: ignore[attr-defined]
        self.is_valid()
        self.chosen = {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def narrows(self) -> bool:
        return bool(self.chosen.keys() - {"sort"})

    def documents(self) -> DocumentQuerySet:
        """Those that are asked for, in no order."""
        rows, chosen = Document.objects.current().filter(deleted_at=None), self.chosen
        if words := chosen.get("q"):
            rows = rows.filter(Q(name__icontains=words) | Q(title__icontains=words))
        if state := chosen.get("state"):
            rows = rows.filter(self.STATES[str(state)][1])
        if place := chosen.get("collection"):
            named = Q(pk=_uuid(place)) if _uuid(place) else Q(name__icontains=place)
            rows = rows.filter(collection__in=Collection.objects.filter(named))
        if index := chosen.get("index"):
            rows = rows.filter(collection__in=Collection.objects.filter(index=index))
        facts = {"kind": "kind", "owner": "owner__username", "code": "error__code"}
        return rows.filter(**{lookup: chosen[name] for name, lookup in facts.items() if name in chosen})

    def in_order(self) -> DocumentQuerySet:
        sort = str(self.chosen.get("sort", "-added"))
        turned = sort.startswith("-")
        rows = self.documents().select_related("collection", "owner")
        return rows.order_by(OrderBy(self.SORTS[sort.lstrip("-")], descending=turned), "pk")

    def address(self, **changes: object) -> str:
        """The query of an address that asks for the same, but for these changes."""
        asked = {name: getattr(value, "pk", value) for name, value in (self.chosen | changes).items() if value}
        return f"?{urlencode(asked)}"

    def sorts(self) -> dict[str, dict[str, str]]:
        """For each column: the address that sorts by it, and how it is sorted now."""
        now, found = str(self.chosen.get("sort", "-added")), {}
        for name in self.SORTS:
            first = name if name == "name" else f"-{name}"
            turned = name if first.startswith("-") else f"-{name}"
            word = {name: "ascending", f"-{name}": "descending"}.get(now, "")
            found[name] = {"address": self.address(sort=turned if now == first else first), "now": word}
        return found


class ActForm(forms.Form):
    """An act on the documents that were ticked, or on all that a filter shows."""

    ACTS: ClassVar = {
        "retry": gettext_lazy("Read again"),
        "cancel": gettext_lazy("Stop"),
        "move": gettext_lazy("Move"),
        "delete": gettext_lazy("Delete"),
    }

    act = forms.ChoiceField(choices=list(ACTS.items()))
    all = forms.BooleanField(required=False)
    back = forms.CharField(required=False, max_length=2_000)
    sure = forms.BooleanField(required=False)
    collection = forms.ModelChoiceField(queryset=Collection.objects.none(), required=False)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.fields["collection"].queryset = Collection.objects.filter(is_private=False)  # type: ignore[attr-defined]
        self.ticked = [pk for pk in map(_uuid, data.getlist("document")) if pk]

    def clean(self) -> dict[str, object]:
        given = super().clean() or {}
        if not given.get("all") and not self.ticked:
            raise forms.ValidationError(gettext_lazy("No document was chosen. Tick some, then press the button again."))
        if len(self.ticked) > MOST:
            raise forms.ValidationError(gettext_lazy("At most 1,000 documents at once. Choose fewer of them."))
        if given.get("sure") and given.get("act") == "move" and not given.get("collection"):
            raise forms.ValidationError(gettext_lazy("No collection was chosen to move them to."))
        return given

    def documents(self) -> list[Document]:
        """The first thousand of what is meant, in the order of the names."""
        if self.cleaned_data["all"]:
            return listed(JobsForm(QueryDict(self.cleaned_data["back"].lstrip("?"))).documents())
        return chosen(self.ticked)


def chosen(ids: Iterable[UUID]) -> list[Document]:
    """Those of these that are there, as an act takes them."""
    return listed(Document.objects.current().filter(deleted_at=None, pk__in=list(ids)))


def listed(rows: DocumentQuerySet) -> list[Document]:
    return list(rows.select_related("collection__index", "owner").order_by("name", "pk")[:MOST])


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
