"""What people fill in to ask."""

import uuid
from typing import cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import User

from documents.models import Collection


class QuestionForm(forms.Form):
    """A question, and the collections it is asked of; none chosen means all that may be read."""

    text = forms.CharField(
        max_length=settings.QUESTION_MAX_LETTERS,
        error_messages={
            "required": "Write a question first.",
            "max_length": f"The question is longer than {settings.QUESTION_MAX_LETTERS:,} letters. Shorten it.",
        },
    )
    client_key = forms.CharField(max_length=64, required=False)
    collections = forms.ModelMultipleChoiceField(Collection.objects.none(), required=False)

    def __init__(self, *args, user: User, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        readable = cast("forms.ModelMultipleChoiceField", self.fields["collections"])
        readable.queryset = Collection.objects.for_user(user)

    def clean_client_key(self) -> str:
        return self.cleaned_data["client_key"] or uuid.uuid4().hex


class TitleForm(forms.Form):
    title = forms.CharField(max_length=120)
