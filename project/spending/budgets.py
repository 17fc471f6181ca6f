"""Budgets in the console: how far each is spent and when it begins anew; set, changed and taken away."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from project.audit import audit
from project.console import console, staff_only
from project.models import ApiKey, Budget
from project.spending.pages import budgets_told
from project.spending.reports import collection_names
from project.translating import translated


class LimitForm(forms.ModelForm):
    """How much, and from which part of it on it warns."""

    warn_percent = forms.IntegerField(min_value=1, max_value=100, initial=80)

    class Meta:
        model = Budget
        fields: tuple[str, ...] = ("limit",)

    def clean_warn_percent(self) -> int:
        self.instance.warn_at = Decimal(self.cleaned_data["warn_percent"]) / 100
        return self.cleaned_data["warn_percent"]

    def change(self, before: str) -> None:
        """Keep what is changed, and write down what the limit was before."""
        with transaction.atomic():
            row = self.save()
            audit("budget.change", row, before=before, limit=row.limit_words)


class BudgetForm(LimitForm):
    """A new one: for everybody together, or for a person, a key or a collection by name."""

    KINDS = (
        ("all", gettext_lazy("Everybody together")),
        ("person", gettext_lazy("A person")),
        ("key", gettext_lazy("A key")),
        ("collection", gettext_lazy("A collection")),
    )

    kind = forms.ChoiceField(choices=KINDS)
    name = forms.CharField(required=False, max_length=200, validators=[ProhibitNullCharactersValidator()])

    class Meta(LimitForm.Meta):
        fields = ("period", "unit", "limit")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        name = given.get("name", "").strip()
        match given.get("kind"):
            case "person":
                self.instance.user = self._one(User.objects.filter(username=name))
            case "key":
                self.instance.api_key = self._one(ApiKey.objects.live().filter(start=name.rstrip("…")))
            case "collection":
                self.instance.collection_id = self._one(
                    [pk for pk, known in collection_names().items() if known == name]
                )
        return given

    def keep(self) -> Budget:
        """Set it, and write down that it was."""
        with transaction.atomic():
            row = self.save()
            audit("budget.set", row, limit=row.limit_words, period=row.period)
        return row

    def _one(self, found: Any) -> Any:
        """The one that is meant; several keys may begin alike."""
        rows = list(found[:2])
        if len(rows) != 1:
            raise ValidationError(gettext("Nothing, or more than one, is called that. Nothing was changed."))
        return rows[0]

    def _get_validation_exclusions(self) -> set[str]:
        """The whole row is looked at: whose it is comes from the name."""
        return set()


@require_GET
@staff_only
def budgets(request: HttpRequest) -> HttpResponse:
    return _page(request, BudgetForm())


def _page(request: HttpRequest, form: BudgetForm, status: int = 200) -> HttpResponse:
    names = collection_names()
    context = {"form": form, "budgets": budgets_told(None, names), "names": sorted(names.values(), key=str.casefold)}
    return console(request, "spending/budgets.html", context, status)


@require_POST
@staff_only
def set_budget(request: HttpRequest) -> HttpResponse:
    form = BudgetForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=400)
    form.keep()
    messages.success(request, gettext("The budget holds from the next call on."))
    return redirect("console-budgets")


@require_POST
@staff_only
def change_budget(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Budget, pk=pk)
    before, form = row.limit_words, LimitForm(request.POST, instance=row)
    if not form.is_valid():
        messages.error(request, " ".join(translated(error) for errors in form.errors.values() for error in errors))
        return redirect("console-budgets")
    form.change(before)
    messages.success(request, gettext("The budget is changed: it holds from the next call on."))
    return redirect("console-budgets")


@require_POST
@staff_only
def delete_budget(request: HttpRequest, pk: int) -> HttpResponse:
    take_away(get_object_or_404(Budget, pk=pk))
    messages.success(request, gettext("The budget is taken away: nothing stops these calls any more."))
    return redirect("console-budgets")


def take_away(row: Budget) -> None:
    with transaction.atomic():
        audit("budget.delete", row, limit=row.limit_words, period=row.period)
        row.delete()
