"""What people fill in about the library."""

from django import forms
from django.contrib.auth.models import User

from documents.indexes import PRIVATE, private_collection
from documents.models import Collection, Membership
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
