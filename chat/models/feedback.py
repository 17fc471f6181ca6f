"""What readers think of answers and of their sources, kept until somebody has looked at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.conversations import Citation, Message
from documents.models import Person
from project.audit import audit


class Reason(models.TextChoices):
    """What was wrong with an answer."""

    WRONG = "wrong", _("Something in it is wrong")
    INCOMPLETE = "incomplete", _("Something is missing")
    SOURCE = "source", _("A source does not say that")
    MISUNDERSTOOD = "misunderstood", _("It answers another question")
    REFUSED = "refused", _("It is in the documents, but was not found")
    OTHER = "other", _("Something else")


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def by_user(self, user: Person) -> FeedbackQuerySet:
        return self.filter(user=user) if user.is_authenticated else self.none()

    def open(self) -> FeedbackQuerySet:
        """What nobody has dealt with yet, and somebody should."""
        return self.filter(is_good=False, resolved_at=None)


class Feedback(models.Model):
    """One person's thumb on an answer, or on one source of it: up or down, why, and what became of it.

    There is one for each person and each thing: another click changes it.
    """

    answer = models.ForeignKey(Message, models.CASCADE, related_name="feedback")
    citation = models.ForeignKey(Citation, models.CASCADE, null=True, blank=True, related_name="feedback")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    is_good = models.BooleanField()
    reasons = models.JSONField(default=list, blank=True, help_text='Of `Reason`: ["wrong", ...]')
    comment = models.TextField(max_length=2_000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="assigned_feedback"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="resolved_feedback"
    )

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["answer", "user"], condition=Q(citation=None), name="one_feedback_an_answer_and_person"
            ),
            models.UniqueConstraint(
                fields=["citation", "user"], condition=~Q(citation=None), name="one_feedback_a_citation_and_person"
            ),
        ]
        indexes = [
            models.Index(fields=["-updated_at"], condition=Q(is_good=False, resolved_at=None), name="open_feedback")
        ]

    def __str__(self) -> str:
        return f"{'up' if self.is_good else 'down'}: {self.question[:60]}"

    @classmethod
    def give(
        cls,
        user: Person,
        answer: Message,
        citation: Citation | None,
        is_good: bool | None,
        reasons: Sequence[str] = (),
        comment: str = "",
    ) -> None:
        """Keep what somebody thinks, in place of what they thought before; None takes it back.

        What is said anew is looked at anew.
        """
        if is_good is None:
            cls.objects.filter(user=user, answer=answer, citation=citation).delete()
            return
        said = {"is_good": is_good, "reasons": [] if is_good else list(reasons), "comment": comment}
        kept, is_new = cls.objects.get_or_create(user=user, answer=answer, citation=citation, defaults=said)
        if not is_new and any(getattr(kept, name) != value for name, value in said.items()):
            for name, value in {**said, "resolved_at": None, "resolved_by": None}.items():
                setattr(kept, name, value)
            kept.save()

    def resolve(self, by: Any, *, is_open: bool = False) -> None:
        """Dealt with; or, with `is_open`, not after all."""
        self.resolved_at, self.resolved_by = (None, None) if is_open else (timezone.now(), by)
        self._keep("feedback.reopen" if is_open else "feedback.resolve", "resolved_at", "resolved_by")

    def assign(self, to: Any) -> None:
        """To somebody who runs Lectern; None: to nobody."""
        self.assigned_to = to
        self._keep("feedback.assign", "assigned_to", to=to.get_username() if to else "")

    def _keep(self, action: str, *names: str, **detail: Any) -> None:
        """It is no newer for that: what was thought of the answer did not change."""
        with transaction.atomic():
            Feedback.objects.filter(pk=self.pk).update(**{name: getattr(self, name) for name in names})
            audit(action, self, **detail)

    @property
    def question(self) -> str:
        return self.answer.question.content

    @property
    def reason_words(self) -> list[str]:
        return [str(Reason(reason).label) for reason in self.reasons if reason in Reason.values]
