"""What people fill in to ask."""

import uuid
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy

from chat.conversations.scoping import DOCUMENTS_MOST, NOTHING_LEFT
from chat.models import Reason
from chat.reading import QUERY_LETTERS
from documents.models import Collection, Document
from project.deployments import DeploymentsError, deployments

NOT_THERE = {
    "invalid_choice": gettext_lazy(
        "One of the collections or documents that were chosen can no longer be read. Load the page again."
    ),
    "invalid_pk_value": gettext_lazy("That names no collection and no document. Load the page again."),
}


class QuestionForm(forms.Form):
    """A question, and the collections and documents it is put to; none chosen means all that may be read."""

    text = forms.CharField(
        max_length=settings.QUESTION_MAX_LETTERS,
        error_messages={
            "required": gettext_lazy("Write a question first."),
            "max_length": gettext_lazy("The question is longer than %(limit_value)d letters. Shorten it."),
        },
    )
    client_key = forms.CharField(max_length=64, required=False)
    collections = forms.ModelMultipleChoiceField(Collection.objects.none(), required=False, error_messages=NOT_THERE)
    documents = forms.ModelMultipleChoiceField(Document.objects.none(), required=False, error_messages=NOT_THERE)
    scope = forms.ChoiceField(
        choices=[(name, name) for name in ("", "kept", "emptied", "everything")],
        required=False,
        help_text="kept: as the conversation has it. emptied: nothing is left of it, and everything was not asked for.",
    )
    deployment = forms.CharField(max_length=80, required=False)
    after = forms.UUIDField(required=False)  # The answer that was read before it was asked.

    def __init__(self, *args, user: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        readable = cast("forms.ModelMultipleChoiceField", self.fields["collections"])
        readable.queryset = Collection.objects.for_user(user)
        documents = cast("forms.ModelMultipleChoiceField", self.fields["documents"])
        documents.queryset = Document.objects.for_user(user)

    def clean_documents(self) -> QuerySet[Document]:
        chosen: QuerySet[Document] = self.cleaned_data["documents"]
        if len(chosen) > DOCUMENTS_MOST:
            raise forms.ValidationError(
                gettext("At most %(n)d documents can be chosen one by one. Choose their collection.")
                % {"n": DOCUMENTS_MOST}
            )
        return chosen

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("scope") == "emptied" and not (given.get("collections") or given.get("documents")):
            raise forms.ValidationError(gettext(NOTHING_LEFT))
        return given

    def clean_deployment(self) -> str:
        """The default one is kept as "", so that the conversation goes along when another becomes the default."""
        name = self.cleaned_data["deployment"]
        try:
            known = list(deployments())
        except DeploymentsError:
            return name  # Whoever answers says what is wrong.
        if name and name not in known:
            raise forms.ValidationError(
                gettext("There is no model “%(name)s” any more. Choose another.") % {"name": name}
            )
        return "" if known[:1] == [name] else name

    def clean_client_key(self) -> str:
        return self.cleaned_data["client_key"] or uuid.uuid4().hex


class TitleForm(forms.Form):
    title = forms.CharField(max_length=120)


class QueryForm(forms.Form):
    """What is searched for in a question's place, as a person writes it."""

    query = forms.CharField(
        max_length=QUERY_LETTERS,
        error_messages={
            "required": gettext_lazy("Write what is to be searched for."),
            "max_length": gettext_lazy("What is searched for may have at most %(limit_value)d letters. Shorten it."),
        },
    )


class ShareForm(forms.Form):
    """For how long a link opens."""

    DAYS = (
        (1, gettext_lazy("1 day")),
        (7, gettext_lazy("7 days")),
        (30, gettext_lazy("30 days")),
        (90, gettext_lazy("90 days")),
    )

    days = forms.TypedChoiceField(label=gettext_lazy("The link opens for"), choices=DAYS, coerce=int, initial=7)


class SearchForm(forms.Form):
    q = forms.CharField(max_length=200, required=False)


class FeedbackForm(forms.Form):
    """A thumb, and why; on one of the answer's sources if its number is given."""

    source = forms.IntegerField(required=False, min_value=1)
    vote = forms.ChoiceField(choices=[("up", "up"), ("down", "down"), ("none", "none")])
    reasons = forms.MultipleChoiceField(choices=Reason.choices, required=False)
    comment = forms.CharField(max_length=2_000, required=False)
