"""The search, looked into: what each leg finds, how they come together, how long it takes, and why not a passage.

Staff see what they may read themselves. Another person's view is for superusers, and is written down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.validators import ProhibitNullCharactersValidator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from documents.console.forms import BACKENDS, KEY, KeepForm
from documents.evaluation import page_key
from documents.models import Collection, Document, EvaluationCase, EvaluationSet, IndexVersion
from documents.retrieval import Found, Passage, Scope, find
from documents.retrieval.explaining import Explanation, Subject, explain
from documents.search import Mode, SearchError
from project.accounts import SignedInRequest
from project.audit import audit
from project.console import console, staff_only
from project.limits import limited

MODES: tuple[tuple[Mode, Any], ...] = (
    ("hybrid", gettext_lazy("words and meaning")),
    ("keyword", gettext_lazy("words alone")),
    ("vector", gettext_lazy("meaning alone")),
)
NAMED_MOST = 200  # collections that the form offers


class PlaygroundForm(forms.Form):
    """A question, and two settings to ask it with: fields of the second end in _2."""

    question = forms.CharField(
        label=gettext_lazy("Question"),
        max_length=2_000,
        error_messages={"required": gettext_lazy("Write a question first.")},
    )
    top = forms.IntegerField(label=gettext_lazy("Passages"), min_value=1, max_value=50, initial=10)
    see_as = forms.CharField(
        label=gettext_lazy("See as"), required=False, max_length=150, validators=[ProhibitNullCharactersValidator()]
    )
    collections = forms.ModelMultipleChoiceField(
        Collection.objects.none(),
        label=gettext_lazy("Collections"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    is_compared = forms.BooleanField(label=gettext_lazy("Beside it, another setting"), required=False)
    document = forms.CharField(
        label=gettext_lazy("Document"), required=False, max_length=255, validators=[ProhibitNullCharactersValidator()]
    )
    page = forms.IntegerField(label=gettext_lazy("Page"), required=False, min_value=1, max_value=1_000_000)
    words = forms.CharField(
        label=gettext_lazy("Or words of the passage"),
        required=False,
        max_length=500,
        validators=[ProhibitNullCharactersValidator()],
    )

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "label_suffix": ""})
        self.viewer = viewer
        self.person: User | None = viewer
        readable = Collection.objects.for_user(viewer).order_by("-is_private", "name")
        self.fields["collections"].queryset = Collection.objects.filter(  # type: ignore[attr-defined]
            pk__in=readable.values("pk")[:NAMED_MOST]
        ).order_by("-is_private", "name")
        for suffix in ("", "_2"):
            self.fields[f"mode{suffix}"] = forms.ChoiceField(label=gettext_lazy("By"), choices=MODES, initial="hybrid")
            self.fields[f"alpha{suffix}"] = forms.IntegerField(
                label=gettext_lazy("Meaning weighs, in per cent"), required=False, min_value=0, max_value=100
            )
            self.fields[f"version{suffix}"] = forms.ModelChoiceField(
                _versions(),
                label=gettext_lazy("Index version"),
                required=False,
                empty_label=gettext_lazy("all that are live"),
            )
            self.fields[f"version{suffix}"].label_from_instance = _named  # type: ignore[attr-defined]
        self.fields["mode_2"].required = False

    def clean_see_as(self) -> str:
        name = self.cleaned_data["see_as"].strip()
        if name and name != self.viewer.get_username():
            if not self.viewer.is_superuser:
                raise forms.ValidationError(gettext("Only a superuser may see with another person’s eyes."))
            self.person = User.objects.filter(username=name, is_active=True).first()
            if self.person is None:
                raise forms.ValidationError(gettext("There is nobody of this name."))
        return name

    @property
    def is_as_another(self) -> bool:
        return self.person != self.viewer

    def scope(self, suffix: str = "") -> Scope:
        cleaned = self.cleaned_data
        alpha = cleaned[f"alpha{suffix}"]
        collections = None if self.is_as_another else [row.pk for row in cleaned["collections"]] or None
        return Scope(
            mode=cleaned[f"mode{suffix}"] or "hybrid",
            collections=collections,
            version=cleaned[f"version{suffix}"],
            alpha=None if alpha is None else alpha / 100,
            paid_by=self.viewer.pk,
        )

    @property
    def is_set(self) -> bool:
        """Whether anything differs from a search as everybody has it."""
        cleaned = getattr(self, "cleaned_data", {})
        others = ("alpha", "version", "collections", "is_compared")
        return cleaned.get("mode") not in (None, "hybrid") or any(cleaned.get(name) for name in others)

    @property
    def asks_why(self) -> bool:
        return bool(self.cleaned_data["document"] or self.cleaned_data["words"])


def _versions():
    return (
        IndexVersion.objects.filter(state=IndexVersion.State.READY)
        .select_related("index")
        .order_by("index__name", "number")
    )


def _named(version: IndexVersion) -> str:
    where = BACKENDS.get(version.backend_name, version.backend_name)
    live = f", {gettext('live')}" if version.is_live else ""
    return f"{version.index.name} {version.number} ({where}{live})"


@dataclass(frozen=True)
class Leg:
    """What one way of searching finds, and how long it took."""

    name: str
    passages: list[Passage]
    took_ms: int


@dataclass(frozen=True)
class Asked:
    """A question put with one setting: the legs, and what they come to."""

    setting: str
    together: Leg
    legs: list[Leg]
    notices: list[str]
    found: Found
    trouble: str = ""

    @property
    def rows(self) -> list[tuple[Passage, int]]:
        """Each passage with its score as a bar of 56."""
        return [(each, round(56 * min(1.0, max(0.0, each.score)))) for each in self.together.passages]


@require_http_methods(["GET", "POST"])
@staff_only
@limited("search")
def playground(request: SignedInRequest) -> HttpResponse:
    form = PlaygroundForm(request.POST if request.method == "POST" else None, viewer=request.user)
    context: dict[str, Any] = {"form": form, "can_see_as": request.user.is_superuser}
    if form.is_bound and form.is_valid():
        context |= _searched(form)
    return console(request, "console/playground.html", context, 400 if form.is_bound and form.errors else 200)


@require_POST
@staff_only
def keep(request: SignedInRequest) -> HttpResponse:
    """Put the question into a set, which is made if there is none of that name, with the pages that are right."""
    form = KeepForm(request.POST)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(map(str, errors)))
        return redirect("console-search")
    kept, _ = EvaluationSet.objects.get_or_create(
        name=form.cleaned_data["set_name"], defaults={"created_by": request.user}
    )
    more = {"is_unanswerable": True} if form.is_unanswerable else {}
    origin = EvaluationCase.Origin.PLAYGROUND
    kept.take(form.cleaned_data["question"], pages=form.pages, by=request.user, origin=origin, **more)
    audit("evaluation.keep_case", kept, question=form.cleaned_data["question"], pages=len(form.pages))
    messages.success(request, gettext("The question is in the set “%(set)s”.") % {"set": kept})
    return redirect("console-search")


def _searched(form: PlaygroundForm) -> dict[str, Any]:
    person, question, top = form.person, form.cleaned_data["question"], form.cleaned_data["top"]
    assert person is not None
    if form.is_as_another:
        audit("search.view_as", person, question=question)
    try:
        asked = [_asked(question, person, form.scope(), top)]
        if form.cleaned_data["is_compared"]:
            asked.append(_asked(question, person, form.scope("_2"), top))
        why = _why(form, question, person, asked[0].found, top) if form.asks_why else None
    except SearchError as exc:
        return {"trouble": str(exc)}
    hidden = Document.objects.current().filter(deleted_at=None, generation__gt=0)
    hidden_number = hidden.count() - hidden.filter(pk__in=Document.objects.for_user(person).values("pk")).count()
    return {
        "asked": asked,
        "why": why,
        "person": person,
        "hidden": hidden_number,
        "is_as_another": form.is_as_another,
        "question": question,
        "pages": _pages(asked[0].found.passages),
        "sets": list(EvaluationSet.objects.values_list("name", flat=True)[:NAMED_MOST]),
    }


def _pages(passages: Sequence[Passage]) -> list[str]:
    """The pages that were found, as a set names them; those whose names no set can hold are left out."""
    keys = dict.fromkeys(page_key(each.document_name, each.page_number) for each in passages)
    return [key for key in keys if KEY.fullmatch(key)]


def _asked(question: str, person: User, scope: Scope, top: int) -> Asked:
    """The whole search, and beside it each leg by itself: those of a search by words and meaning are two."""
    names = dict(MODES)
    together, found = _timed(str(names[scope.mode]), question, person, scope, top)
    apart: Sequence[Mode] = ("keyword", "vector") if scope.mode == "hybrid" else ()
    legs = [_timed(str(names[mode]), question, person, replace(scope, mode=mode), top)[0] for mode in apart]
    return Asked(_told(scope), together, legs, found.notices, found)


def _timed(name: str, question: str, person: User, scope: Scope, top: int) -> tuple[Leg, Found]:
    began = time.perf_counter()
    found = find(question, person, scope, top=top)
    return Leg(name, found.passages, round((time.perf_counter() - began) * 1000)), found


def _told(scope: Scope) -> str:
    told = [str(dict(MODES)[scope.mode])]
    if scope.alpha is not None and scope.mode == "hybrid":
        told.append(gettext("meaning %(n)d %%") % {"n": round(scope.alpha * 100)})
    told.append(_named(scope.version) if scope.version else gettext("all that are live"))
    if scope.collections is not None:
        told.append(gettext("collections: %(n)d") % {"n": len(scope.collections)})
    return ", ".join(told)


# Why not this one? ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Why:
    """Why a passage is there or is not, or why nobody can say."""

    about: str
    told: Explanation | None
    trouble: str = ""


def _why(form: PlaygroundForm, question: str, person: User, found: Found, top: int) -> Why:
    cleaned, scope = form.cleaned_data, form.scope()
    subject, about = _subject(person, cleaned["document"].strip(), cleaned["page"], cleaned["words"].strip(), scope)
    if subject is None:
        return Why(
            about, None, gettext("There is no such passage among what %(person)s may read.") % {"person": person}
        )
    try:
        return Why(about, explain(question, person, subject, scope, top=top, found=found))
    except Document.DoesNotExist:
        return Why(about, None, gettext("It went away a moment ago."))


def _subject(person: User, name: str, page: int | None, words: str, scope: Scope) -> tuple[Subject | None, str]:
    """What is meant, by a document's name and page or by its words, and how to call it; by the person's own rights."""
    rows = Document.objects.for_user(person).current().filter(deleted_at=None)
    row = rows.filter(name=name).order_by("-created_at").first() if name else None
    if name and row is None:
        return None, name
    if not words:
        assert row is not None
        return Subject(row.pk, page), f"{name}, {page}" if page else name
    only = [row.pk] if row else None
    quoted = Scope("keyword", documents=only, version=scope.version, paid_by=scope.paid_by)
    passages = find(f'"{words.replace(chr(34), " ")}"', person, quoted, top=1).passages
    first = next((each for each in passages if words.casefold() in " ".join(each.text.split()).casefold()), None)
    if first is None:
        return None, words
    place = first.place
    return Subject(
        place.document_id, place.page_number, place.start, place.end
    ), f"{first.document_name}, {first.page_number}"
