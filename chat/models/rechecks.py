"""What was found when a kept answer was looked at again, because a document it cites had changed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from chat.models.conversations import Citation, Message
from documents.models import Document, Person

GONE = "gone"  # The reason where no document is left.
REASONS = {
    GONE: gettext_lazy("The document was deleted."),
    "number": gettext_lazy("Another figure stands there now."),
    "unit": gettext_lazy("Another unit stands there now."),
    "date": gettext_lazy("Another date stands there now."),
    "name": gettext_lazy("Another name stands there now."),
    "negation": gettext_lazy("It says the opposite now."),
    "quotation": gettext_lazy("These words are no longer there."),
    "scope": gettext_lazy("It says so of more or fewer cases now."),
    "no match": gettext_lazy("It is no longer said there."),
}


class RecheckQuerySet(models.QuerySet["Recheck"]):
    def for_user(self, user: Person) -> RecheckQuerySet:
        return self.filter(message__in=Message.objects.for_user(user))

    def open(self) -> RecheckQuerySet:
        """What there is to tell, and nobody has put away."""
        return self.filter(dismissed_at=None).exclude(sentences=[])


class Recheck(models.Model):
    """One look at one answer after one change: once a change, also where every sentence still holds."""

    message = models.ForeignKey(Message, models.CASCADE, related_name="rechecks")
    document = models.ForeignKey(
        Document,
        models.CASCADE,
        related_name="+",
        help_text="The version that took the place of one it cites, or the one it cites that was deleted.",
    )
    sentences = models.JSONField(
        default=list, blank=True, help_text='What no longer holds: [{"sentence", "number", "reason"}, ...]'
    )
    created_at = models.DateTimeField(auto_now_add=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)

    objects = RecheckQuerySet.as_manager()

    shown_by: Mapping[int, Citation] = MappingProxyType({})  # Set where a page is made: what may be opened.

    class Meta:
        ordering = ["created_at"]
        constraints = [models.UniqueConstraint(fields=["message", "document"], name="one_recheck_a_change")]

    def __str__(self) -> str:
        return f"{self.message_id} after {self.document_id}"

    @property
    def dismiss_url(self) -> str:
        return reverse("recheck-dismiss", args=[self.pk])

    @property
    def told(self) -> list[tuple[str, str, Citation | None]]:
        """Each sentence with the reason, in words, and the citation that shows it, if that may be opened."""
        no_match = REASONS["no match"]
        return [
            (each["sentence"], str(REASONS.get(each["reason"], no_match)), self.shown_by.get(each["number"]))
            for each in self.sentences
        ]

    def dismiss(self) -> None:
        Recheck.objects.filter(pk=self.pk, dismissed_at=None).update(dismissed_at=timezone.now())
