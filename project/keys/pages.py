"""A person's own keys: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from project.accounts import SignedInRequest
from project.keys import issue, revoke
from project.models import ApiKey
from project.spending.reports import collection_names

KEYS_MOST = 100  # live ones of one person


class KeyForm(forms.Form):
    """What a new key is for, what it may do and where, and how long."""

    LASTS = (
        ("30", gettext_lazy("30 days")),
        ("90", gettext_lazy("90 days")),
        ("365", gettext_lazy("A year")),
        ("", gettext_lazy("Until it is revoked")),
    )

    name = forms.CharField(max_length=80)
    scope = forms.ChoiceField()
    collections = forms.TypedMultipleChoiceField(required=False, coerce=UUID, widget=forms.CheckboxSelectMultiple)
    days = forms.ChoiceField(choices=LASTS, required=False)

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        scopes = [
            (ApiKey.Scope.READ.value, gettext_lazy("search and ask")),
            (ApiKey.Scope.WRITE.value, gettext_lazy("search, ask, upload and delete")),
        ]
        if user.is_staff:
            scopes.append((ApiKey.Scope.ADMIN.value, gettext_lazy("all that, and run Lectern")))
        names = sorted(collection_names(user).items(), key=lambda item: item[1].casefold())
        self.fields["scope"].choices = scopes  # type: ignore[attr-defined]
        self.fields["collections"].choices = names  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.user.api_keys.live().count() >= KEYS_MOST:  # type: ignore[attr-defined]
            raise ValidationError(_("A hundred keys are the most one person can have. Revoke one first."))
        return given

    def issued(self) -> tuple[ApiKey, str]:
        given = self.cleaned_data
        days = given["days"]
        return issue(
            self.user,
            name=given["name"],
            scope=given["scope"],
            collection_ids=given["collections"] or None,
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        )


@require_http_methods(["GET", "POST"])
def keys(request: SignedInRequest) -> HttpResponse:
    """The keys there are. A new one is shown with the answer to its form, and nowhere else."""
    form = KeyForm(request.POST or None, user=request.user)
    if request.method == "GET" or not form.is_valid():
        return _page(request, form, status=400 if form.errors else 200)
    try:
        key, secret = form.issued()
    except ValidationError as exc:
        form.add_error(None, exc)
        return _page(request, form, status=400)
    return _page(request, KeyForm(None, user=request.user), new=key, secret=secret, status=201)


@require_POST
def revoke_key(request: SignedInRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(ApiKey, pk=pk, user=request.user)
    revoke(key)
    messages.success(request, _("“%(name)s” is revoked: it opens nothing any more.") % {"name": key.name or key.start})
    return redirect("keys")


def _page(request: SignedInRequest, form: KeyForm, *, status: int, **more: object) -> HttpResponse:
    names = collection_names(request.user)
    context = {
        "form": form,
        "rows": [(key, _places(key, names)) for key in ApiKey.objects.filter(user=request.user)[: 2 * KEYS_MOST]],
        "now": timezone.now(),
        **more,
    }
    return render(request, "keys/mine.html", context, status=status)


def _places(key: ApiKey, names: dict[UUID, str]) -> list[str] | None:
    """What the key is narrowed to, in words; None: it is not."""
    if key.collection_ids is None:
        return None
    return [names.get(pk, _("a collection that is gone or closed")) for pk in key.collection_ids]
