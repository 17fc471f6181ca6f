"""What people fill in to ask."""

import uuid
from typing import cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.utils.translation import gettext, gettext_lazy

from chat.models import Reason
from documents.models import Collection
from project.deployments import DeploymentsError, deployments


class QuestionForm(forms.Form):
    """A question, and the collections it is asked of; none chosen means all that may be read."""

    text = forms.CharField(
        max_length=settings.QUESTION_MAX_LETTERS,
        error_messages={
            "required": gettext_lazy("Write a question first."),
            "max_length": gettext_lazy("The question is longer than %(limit_value)d letters. Shorten it."),
        },
    )
    client_key = forms.CharField(max_length=64, required=False)
    collections = forms.ModelMultipleChoiceField(Collection.objects.none(), required=False)
    deployment = forms.CharField(max_length=80, required=False)
    after = forms.UUIDField(required=False)  # The answer that was read before it was asked.

    def __init__(self, *args, user: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        readable = cast("forms.ModelMultipleChoiceField", self.fields["collections"])
        readable.queryset = Collection.objects.for_user(user)

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
    """A thumb, and why."""

    vote = forms.ChoiceField(choices=[("up", "up"), ("down", "down"), ("none", "none")])
    reasons = forms.MultipleChoiceField(choices=Reason.choices, required=False)
    comment = forms.CharField(max_length=2_000, required=False)
