"""What an administrator fills in for an index or a version of it."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import MaxValueValidator, MinValueValidator, ProhibitNullCharactersValidator
from django.db.models import Count, Q
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy, ngettext

from documents.embeddings import LOCAL_MODEL, local_model_name
from documents.embeddings.remote import remote_model_name
from documents.evaluation import Question, QuestionSet, SetError
from documents.evaluation.sets import read_upload
from documents.models import Collection, EvaluationSet, Index, IndexVersion

BACKENDS = {"pgvector": gettext_lazy("Postgres"), "azure": gettext_lazy("Azure AI Search")}
QUESTIONS_MOST = 200  # of each kind: each is searched for twice
SET_BYTES = 2_000_000
NAMED_MOST = 200
KEPT_PAGES_MOST = 20
KEY = re.compile(r"[^\x00-\x1f\[\]#]{1,255}#page=[0-9]{1,6}")  # as `page_key` writes them


class BuildForm(forms.Form):
    """How a version is made."""

    backend_name = forms.ChoiceField(label=gettext_lazy("Kept in"))
    embedding_model = forms.ChoiceField(label=gettext_lazy("Embedding model"), required=False)
    chunk_tokens = forms.IntegerField(label=gettext_lazy("Passages of so many tokens"), min_value=50, max_value=4_000)
    overlap = forms.IntegerField(label=gettext_lazy("Overlap in per cent"), min_value=0, max_value=50)
    languages = forms.CharField(
        label=gettext_lazy("Languages"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("As in en, de: whose grammar the search by words knows. Empty: all it can."),
    )

    def __init__(self, *args: Any, live: IndexVersion | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": _facts(live)} | kwargs)
        choices: dict[str, str] = {name: str(BACKENDS.get(name, name)) for name in settings.SEARCH_BACKENDS}
        self.fields["backend_name"].choices = list(choices.items())  # type: ignore[attr-defined]
        self.fields["embedding_model"].choices = list(_models(live).items())  # type: ignore[attr-defined]

    def clean_backend_name(self) -> str:
        if self.cleaned_data["backend_name"] == "azure" and not settings.AZURE_SEARCH_ENDPOINT:
            raise forms.ValidationError(gettext("AZURE_SEARCH_ENDPOINT does not say yet where the service is."))
        return self.cleaned_data["backend_name"]

    @property
    def facts(self) -> dict[str, Any]:
        """As `versions.rebuild` takes them."""
        cleaned = self.cleaned_data
        languages = [word for word in cleaned["languages"].replace(",", " ").lower().split() if word]
        return {
            "backend_name": cleaned["backend_name"],
            "embedding_model": cleaned["embedding_model"],
            "chunk_tokens": cleaned["chunk_tokens"],
            "chunk_overlap": cleaned["overlap"] / 100,
            "languages": languages,
        }


class IndexForm(BuildForm):
    """A new index, and what is put into it."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    collections = forms.ModelMultipleChoiceField(
        Collection.objects.filter(is_private=False),
        required=False,
        label=gettext_lazy("Collections that move into it"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Until they are read into it, their documents are not found."),
    )
    field_order = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        there = Q(documents__deleted_at=None, documents__superseded_at=None, documents__generation__gt=0)
        rows = Collection.objects.filter(is_private=False).annotate(n=Count("documents", filter=there)).order_by("name")
        self.fields["collections"].choices = [  # type: ignore[attr-defined]
            (row.pk, f"{row.name} ({_documents(row.n)})")
            for row in rows[:NAMED_MOST]  # type: ignore[attr-defined]
        ]

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if not name.isprintable():
            raise forms.ValidationError(gettext("Choose a name of letters that can be shown."))
        if Index.objects.filter(name=name).exists():
            raise forms.ValidationError(gettext("There is an index of this name already."))
        return name


class CompareForm(forms.Form):
    """What two versions are asked."""

    questions = forms.IntegerField(
        label=gettext_lazy("Of the last questions that people asked"),
        initial=50,
        validators=[MinValueValidator(0), MaxValueValidator(QUESTIONS_MOST)],
    )
    set = forms.ModelChoiceField(
        EvaluationSet.objects.all(),
        label=gettext_lazy("A question set kept here"),
        required=False,
        empty_label=gettext_lazy("none"),
    )
    file = forms.FileField(label=gettext_lazy("A file of questions with their pages"), required=False)

    def clean_file(self) -> QuestionSet | None:
        file: UploadedFile | None = self.cleaned_data["file"]
        if file is None:
            return None
        if (file.size or 0) > SET_BYTES:
            raise forms.ValidationError(gettext("The file is too large: take a part of it."))
        try:
            read = read_upload(str(file.name), file.read())
        except SetError as exc:
            raise forms.ValidationError(str(exc)) from exc
        if len(read.questions) > QUESTIONS_MOST:
            said = gettext("The set has more than %(n)s questions: take a part of it.")
            raise forms.ValidationError(said % {"n": QUESTIONS_MOST})
        return read

    def clean(self) -> None:
        if not self.errors and not self.cleaned_data["questions"] and not self.sets:
            raise forms.ValidationError(gettext("Name how many questions, or choose a set with known pages."))

    @property
    def sets(self) -> list[QuestionSet]:
        kept, sent = self.cleaned_data["set"], self.cleaned_data["file"]
        return [each for each in (_questions_of(kept) if kept else None, sent) if each is not None]


def _questions_of(kept: EvaluationSet) -> QuestionSet | None:
    """Those whose pages are known, as many as are asked at once; None: there is none."""
    cases = kept.cases.exclude(pages=[])[:QUESTIONS_MOST]
    questions = [Question(str(case.pk), case.question, dict.fromkeys(case.pages, 1)) for case in cases]
    return QuestionSet(kept.name, questions, None) if questions else None


class KeepForm(forms.Form):
    """A question with its right pages, for a set."""

    question = forms.CharField(max_length=2_000)
    set_name = forms.CharField(
        label=gettext_lazy("Question set"), max_length=200, validators=[ProhibitNullCharactersValidator()]
    )

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.pages = list(dict.fromkeys(key for key in data.getlist("page") if KEY.fullmatch(key)))[:KEPT_PAGES_MOST]
        self.is_unanswerable = "is_unanswerable" in data

    def clean(self) -> None:
        if not self.pages and not self.is_unanswerable:
            raise forms.ValidationError(gettext("Choose the right pages, or say that nothing answers it."))
        if self.pages and self.is_unanswerable:
            raise forms.ValidationError(gettext("What has a right page is answered: choose one of the two."))


class NamedForm(forms.Form):
    """The index's name, typed by whoever means it."""

    name = forms.CharField(max_length=200, validators=[ProhibitNullCharactersValidator()])


def _facts(live: IndexVersion | None) -> dict[str, Any]:
    if live is None:
        return {
            "backend_name": settings.SEARCH_BACKEND,
            "embedding_model": remote_model_name() or local_model_name(),
            "chunk_tokens": settings.CHUNK_TOKENS,
            "overlap": round(settings.CHUNK_OVERLAP * 100),
        }
    return {
        "backend_name": live.backend_name,
        "embedding_model": live.embedding_model,
        "chunk_tokens": live.chunk_tokens,
        "overlap": round(live.chunk_overlap * 100),
        "languages": ", ".join(live.languages),
    }


def _models(live: IndexVersion | None) -> dict[str, str]:
    """What can embed here; the model of the live version is among them whether it is set up or not."""
    names = [name for name in (local_model_name(), remote_model_name(), live.embedding_model if live else "") if name]
    known = {name: f"{name}, {gettext('this machine')}" if name == LOCAL_MODEL else name for name in names}
    return known | {"": gettext("None: search by words alone")}


def _documents(number: int) -> str:
    return ngettext("%(n)d document", "%(n)d documents", number) % {"n": number}
