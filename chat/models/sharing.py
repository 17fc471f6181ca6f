"""Links by which others may read a conversation as it was when it was shared."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from chat.models.conversations import Conversation, Message
from documents.models import Person


class ShareQuerySet(models.QuerySet["Share"]):
    def for_user(self, user: Person) -> ShareQuerySet:
        """This person's own links, to conversations that are not deleted."""
        return self.filter(conversation__in=Conversation.objects.for_user(user))

    def alive(self) -> ShareQuerySet:
        """Links that still open."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), conversation__deleted_at=None)

    def by_token(self, token: str) -> ShareQuerySet:
        return self.alive().filter(token_hash=hashed(token))


class Share(models.Model):
    """A read-only link. Whoever opens it sees the answers, and of their sources what they may read themselves.

    Only a hash of its secret is kept, so that nobody who reads the database can open it.
    """

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="shares")
    title = models.CharField(max_length=120)
    answers = models.ManyToManyField(
        Message, related_name="shares", help_text="With their questions: what is shown. Later turns are not."
    )
    token_hash = models.CharField(max_length=64, unique=True)
    token_end = models.CharField(max_length=4, help_text="To tell one link from another.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    opened = models.PositiveIntegerField(default=0, help_text="How often others have opened it.")

    objects = ShareQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"…{self.token_end}: {self.title}"

    @property
    def is_alive(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

    @classmethod
    def make(cls, conversation: Conversation, answers: list[Message], days: int) -> tuple[Share, str]:
        """A new link, and its secret, which is told this once."""
        token = secrets.token_urlsafe(32)
        share = cls.objects.create(
            conversation=conversation,
            title=conversation.title,
            token_hash=hashed(token),
            token_end=token[-4:],
            created_by=conversation.owner,
            expires_at=timezone.now() + timedelta(days=days),
        )
        share.answers.set(answers)
        return share, token


def hashed(token: str) -> str:
    """The secret has 256 random bits: a plain hash of it cannot be turned back."""
    return hashlib.sha256(token.encode()).hexdigest()
