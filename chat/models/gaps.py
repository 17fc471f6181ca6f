"""Questions that the documents did not answer, until a document that their asker may read does."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.urls import reverse
from django.utils import timezone

from chat.models.conversations import Citation, Message
from documents.models import Document, Person

KEPT = timedelta(days=180)  # After so long nobody waits for the answer any more.


class GapQuerySet(models.QuerySet["Gap"]):
    def for_user(self, user: Person) -> GapQuerySet:
        return self.filter(question__in=Message.objects.for_user(user))

    def open(self) -> GapQuerySet:
        """What is still looked for: of people who can sign in, in conversations that are there, and not too old."""
        waited_for = self.filter(closed_at=None, opened_at__gt=timezone.now() - KEPT)
        return waited_for.filter(question__conversation__deleted_at=None, question__conversation__owner__is_active=True)

    def told_to(self, user: Person) -> GapQuerySet:
        """News for this person: answered now by a document they may read at this moment, and not put away."""
        answered = self.for_user(user).filter(dismissed_at=None, closed_at__isnull=False)
        return answered.filter(citation__document__in=Document.objects.for_user(user))


class Gap(models.Model):
    """A question whose answer was a refusal. It closes once: by a document that came later, or by being asked again.

    The citation shows the asker where the answer stands; it belongs to the answer that was refused.
    """

    question = models.OneToOneField(Message, models.CASCADE, related_name="gap")
    opened_at = models.DateTimeField(default=timezone.now)
    looked_at = models.DateTimeField(default=timezone.now, help_text="What came before that has been searched.")
    closed_at = models.DateTimeField(null=True, blank=True)
    citation = models.OneToOneField(
        Citation, models.SET_NULL, null=True, blank=True, related_name="gap", help_text="Where the answer stands."
    )
    dismissed_at = models.DateTimeField(null=True, blank=True, help_text="The asker has put the news away.")

    objects = GapQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        indexes = [models.Index(fields=["-opened_at"], condition=models.Q(closed_at=None), name="open_gaps")]

    def __str__(self) -> str:
        return self.question.content[:80]

    @classmethod
    def note(cls, answer: Message, *, is_refused: bool) -> None:
        """What an answer that has just ended makes of its question: a gap, or one that is over."""
        question = answer.reply_to_id
        if is_refused:
            cls.objects.get_or_create(question_id=question, defaults={"looked_at": answer.created_at})
        else:
            now = timezone.now()
            cls.objects.filter(question=question, closed_at=None).update(closed_at=now, dismissed_at=now)

    @property
    def answer(self) -> Message | None:
        """The newest refusal; the asker may have asked more than once."""
        return self.question.replies.filter(state="refused").order_by("-created_at").first()

    @property
    def dismiss_url(self) -> str:
        return reverse("gap-dismiss", args=[self.pk])

    def close(self, at: datetime, citation: Citation) -> bool:
        """Whether it was this call that closed it: the asker is told once, however many workers look."""
        return bool(Gap.objects.filter(pk=self.pk, closed_at=None).update(closed_at=at, citation=citation))

    def dismiss(self) -> None:
        Gap.objects.filter(pk=self.pk, dismissed_at=None).update(dismissed_at=timezone.now())
