"""What people fill in about the library."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib.auth.models import User
from django.db.models import F, Func, Q
from django.db.models.expressions import OrderBy, Value
from django.db.models.functions import Coalesce, Lower, NullIf
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from documents.indexes import PRIVATE, private_collection
from documents.models import UNDER_WAY, Collection, Document, DocumentQuerySet, Membership, State
from project.accounts import SignedInRequest


class UploadForm(forms.Form):
    """One file and where it goes; a collection is named by its id, or left out for the private one."""

    file = forms.FileField(allow_empty_file=True, max_length=1000)
    collection = forms.UUIDField(required=False)

    def target(self, request: SignedInRequest) -> Collection | None:
        """The collection, if this person may add to it; None when it is not theirs to add to."""
        chosen = self.cleaned_data["collection"]
        if chosen is None:
            return private_collection(request.user)
        return Collection.objects.editable_by(request.user).filter(pk=chosen).first()


KINDS = {
    "pdf": "PDF",
    "docx": "Word",
    "pptx": "PowerPoint",
    "xlsx": "Excel",
    "csv": "CSV",
    "html": "HTML",
    "markdown": "Markdown",
    "eml": gettext_lazy("Mail"),
    "odt": "OpenDocument",
    "rtf": "RTF",
    "text": gettext_lazy("Text"),
}


class FilterForm(forms.Form):
    """What of the library is listed, and in which order. What an address has that cannot be is left aside."""

    STATES: ClassVar = {
        "ready": (gettext_lazy("Ready"), (State.READY,)),
        "attention": (gettext_lazy("Needs attention"), (State.WARNING, State.FAILED)),
        "under-way": (gettext_lazy("Under way"), UNDER_WAY),
        "failed": (gettext_lazy("Failed"), (State.FAILED,)),
        "cancelled": (gettext_lazy("Cancelled"), (State.CANCELED,)),
    }
    SORTS: ClassVar[dict[str, F | Func]] = {
        "name": Lower(Coalesce(NullIf("title", Value("")), "name")),
        "added": F("created_at"),
        "pages": F("page_count"),
    }

    q = forms.CharField(required=False, max_length=200)
    state = forms.ChoiceField(required=False, choices=[(name, words) for name, (words, _) in STATES.items()])
    kind = forms.ChoiceField(required=False, choices=list(KINDS.items()))
    owner = forms.ChoiceField(required=False, choices=[("mine", gettext_lazy("Mine"))])
    sort = forms.ChoiceField(required=False, choices=[(sign + name, name) for name in SORTS for sign in ("", "-")])
    collection = forms.UUIDField(required=False)

    @property
    def chosen(self) -> dict[str, object]:
        """What the address asks for, as far as it makes sense."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def narrows(self) -> bool:
        return bool(self.chosen.keys() & {"q", "state", "kind", "owner"})

    def documents(self, rows: DocumentQuerySet, user: User) -> DocumentQuerySet:
        """Those of the rows that are asked for, in the order that is asked for; the newest first if none is."""
        chosen = self.chosen
        if query := chosen.get("q"):
            rows = rows.filter(Q(name__icontains=query) | Q(title__icontains=query))
        if state := chosen.get("state"):
            rows = rows.filter(state__in=self.STATES[str(state)][1])
        if kind := chosen.get("kind"):
            rows = rows.filter(kind=kind)
        if chosen.get("owner"):
            rows = rows.filter(owner=user)
        sort = str(chosen.get("sort", "-added"))
        return rows.order_by(OrderBy(self.SORTS[sort.lstrip("-")], descending=sort.startswith("-")), "pk")

    def address(self, **changes: object) -> str:
        """The query of an address that asks for the same, but for these changes."""
        asked = {name: value for name, value in (self.chosen | changes).items() if value}
        return f"?{urlencode(asked)}"


class BulkForm(forms.Form):
    """An act on several documents at once: those among the chosen ones that this person may change."""

    MOST = 1_000

    act = forms.ChoiceField(choices=[("move", "Move"), ("retry", "Read again"), ("delete", "Delete")])
    collection = forms.ModelChoiceField(queryset=Collection.objects.none(), required=False)
    back = forms.CharField(required=False, max_length=2_000)
    sure = forms.BooleanField(required=False)

    def __init__(self, data: QueryDict, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        self.chosen = [pk for pk in map(_uuid, data.getlist("document")) if pk]
        self.fields["collection"].queryset = Collection.objects.editable_by(user)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, object]:
        if not self.chosen:
            raise forms.ValidationError("No document was chosen. Tick the ones you mean, then press the button again.")
        if len(self.chosen) > self.MOST:
            raise forms.ValidationError(f"At most {self.MOST:,} documents at once. Choose fewer of them.")
        if self.cleaned_data.get("sure") and self.cleaned_data.get("act") == "move" and not self.target:
            raise forms.ValidationError("No collection was chosen to move them to. Choose one you may add to.")
        return self.cleaned_data

    @property
    def target(self) -> Collection | None:
        return self.cleaned_data.get("collection")

    def documents(self) -> DocumentQuerySet:
        mine = Document.objects.editable_by(self.user).current()
        return mine.filter(pk__in=self.chosen).select_related("collection").order_by("name")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class PasswordForm(forms.Form):
    """A file's password: taken as it is typed, shown to nobody."""

    password = forms.CharField(max_length=200, strip=False)


class CollectionForm(forms.ModelForm):
    class Meta:
        model = Collection
        fields = ["name"]

    def __init__(self, *args, owner: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        if name.casefold() == PRIVATE.casefold():
            raise forms.ValidationError(f"“{PRIVATE}” is the name of everybody's own collection. Choose another.")
        if Collection.objects.filter(owner=self.owner, name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(f"You have a collection named “{name}” already.")
        return name


class MemberForm(forms.Form):
    username = forms.CharField(max_length=150)
    role = forms.ChoiceField(choices=Membership.Role.choices)

    def clean_username(self) -> User:
        name = self.cleaned_data["username"].strip()
        alike = list(User.objects.filter(username__iexact=name, is_active=True))
        exact = next((user for user in alike if user.username == name), None)
        if exact is None and len(alike) != 1:  # Never a guess at whom to let in.
            raise forms.ValidationError("Nobody here has that name.")
        return exact or alike[0]
