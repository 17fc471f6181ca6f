"""Who may call, and what a call cost."""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone


class ApiKey(models.Model):
    """A key that a program signs its calls with. Only its hash is kept: the key itself is shown once."""

    class Scope(models.TextChoices):
        READ = "read", "Search and ask"
        WRITE = "write", "Also upload and delete"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80, blank=True)
    start = models.CharField(max_length=12, help_text="The first letters, so that a person can tell keys apart.")
    sha256 = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.WRITE)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.start}… of {self.user}"

    @classmethod
    def create(cls, user, *, name: str = "", scope: str = Scope.WRITE) -> tuple[ApiKey, str]:
        """Make a key; the second value is the key itself, which nobody can read again."""
        secret = f"lk_{secrets.token_urlsafe(32)}"
        return cls.objects.create(user=user, name=name, scope=scope, start=secret[:8], sha256=digest(secret)), secret

    @classmethod
    def find(cls, secret: str) -> ApiKey | None:
        """The live key of an active person, noted as used; None for anything else."""
        live = cls.objects.select_related("user").filter(revoked_at=None, user__is_active=True)
        key = live.filter(sha256=digest(secret)).first()
        if key and (key.last_used_at is None or (timezone.now() - key.last_used_at).total_seconds() > 60):
            cls.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
        return key

    @property
    def may_write(self) -> bool:
        return self.scope == self.Scope.WRITE


def digest(secret: str) -> str:
    """SHA-256 is enough for a key of 256 random bits: there is nothing to guess."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class Usage(models.Model):
    """Tokens of one call to a model service, as the service counted them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="usage")
    deployment = models.CharField(max_length=120)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name_plural = "usage"

    def __str__(self) -> str:
        return f"{self.deployment}: {self.input_tokens} + {self.output_tokens}"
