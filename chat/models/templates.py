"""An organisation's own wording of how to answer: named, in versions that never change, one of them active."""

from __future__ import annotations

import re

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from documents.models import Collection

ANSWER = "answer"  # the name of the template for all
FIRST_TEXT = "Be short and plain. Answer in {language}."  # that somebody changes into what they want
VARIABLE = re.compile(r"\{([^{}]*)\}")
VARIABLES = {"language": "the language to answer in", "organisation": "LECTERN_ORGANISATION", "today": "the day"}
REQUIRED = ("language",)


class PromptTemplate(models.Model):
    """One version of a wording. It stands after the rules on sources, which are always sent and cannot be changed."""

    name = models.SlugField(max_length=40, default=ANSWER, help_text=f"“{ANSWER}” is for all questions.")
    version = models.PositiveIntegerField(editable=False)
    text = models.TextField(
        max_length=4_000,
        help_text="How to answer: tone, length, form of address. {language} must stand in it; {organisation} and "
        "{today} may. Sources, and that only they are answered from, are the rules' business.",
    )
    is_active = models.BooleanField(default=False, help_text="The version of its name that is used.")
    note = models.CharField(max_length=200, blank=True, help_text="Why there is this version.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="one_template_a_version"),
            models.UniqueConstraint(fields=["name"], condition=Q(is_active=True), name="one_active_template_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, version {self.version}"

    def save(self, *args, **kwargs) -> None:
        """Only a new version is written; what was once used stays as it was, for answers refer to it."""
        if self.pk is not None:
            raise ValidationError("A version does not change. Save the text as a new one.")
        self.clean()
        wants_active, self.is_active = self.is_active, False
        with transaction.atomic():
            others = PromptTemplate.objects.select_for_update().filter(name=self.name)
            self.version = max(others.values_list("version", flat=True), default=0) + 1
            super().save(*args, **kwargs)
            if wants_active:
                self.activate()

    def clean(self) -> None:
        if self.trouble:
            raise ValidationError({"text": self.trouble})

    @property
    def trouble(self) -> str:
        """Why it cannot be used, in one sentence; "" when it can."""
        return fault_of(self.text)

    def activate(self) -> None:
        """From the next question on, this version of its name is used."""
        with transaction.atomic():
            versions = PromptTemplate.objects.select_for_update().filter(name=self.name)
            list(versions)
            versions.filter(is_active=True).update(is_active=False)
            versions.filter(pk=self.pk).update(is_active=True)
        self.is_active = True

    def filled(self) -> str:
        """The text with its variables filled in; the day is told last thing, for it changes."""
        values = {
            "language": "the language of the question",
            "organisation": settings.ORGANISATION,
            "today": f"{timezone.localdate():%-d %B %Y}",
        }
        return VARIABLE.sub(lambda found: values[found[1]], self.text)


class CollectionTemplate(models.Model):
    """The wording for questions that are put to one collection alone."""

    collection = models.OneToOneField(Collection, models.CASCADE, related_name="+")
    name = models.SlugField(max_length=40, help_text="The name of a prompt template; its active version is used.")

    def __str__(self) -> str:
        return f"{self.collection}: {self.name}"

    def clean(self) -> None:
        if not PromptTemplate.objects.filter(name=self.name, is_active=True).exists():
            raise ValidationError({"name": f"There is no active prompt template “{self.name}”."})


def fault_of(text: str) -> str:
    """Why a text cannot be a template, in one sentence; "" when it can.

    >>> fault_of("Be kind. Answer in {language}."), fault_of("Answer in {lang}."), fault_of("Be kind.")[:22]
    ('', '{lang} is no variable; there are {language}, {organisation}, {today}.', '{language} is missing:')
    """
    used = VARIABLE.findall(text)
    known = ", ".join(f"{{{name}}}" for name in VARIABLES)
    if unknown := [name for name in used if name not in VARIABLES]:
        return f"{{{unknown[0]}}} is no variable; there are {known}."
    if re.search(r"[{}]", VARIABLE.sub("", text)):
        return f"A brace stands alone: braces are for variables, which are {known}."
    if missing := [name for name in REQUIRED if name not in used]:
        return f"{{{missing[0]}}} is missing: the text must say {VARIABLES[missing[0]]}."
    if "organisation" in used and not settings.ORGANISATION:
        return "{organisation} has no value: LECTERN_ORGANISATION is not set."
    return ""
