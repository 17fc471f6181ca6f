"""Keys are made and revoked here, so that both are written down wherever they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from project.audit import audit
from project.models import ApiKey


def issue(
    user: User,
    *,
    name: str = "",
    scope: str = ApiKey.Scope.WRITE,
    collection_ids: Iterable[UUID] | None = None,
    expires_at: datetime | None = None,
    requests_a_minute: int | None = None,
    tokens_a_minute: int | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for this person; the second value is the key itself. Raises ValidationError with a sentence."""
    if scope == ApiKey.Scope.ADMIN and not user.is_staff:
        raise ValidationError("Only somebody who runs Lectern can have a key of the scope admin.")
    if scope == ApiKey.Scope.ADMIN and collection_ids is not None:
        raise ValidationError("A key of the scope admin opens everything: it cannot be narrowed to collections.")
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError("The key would have expired already. Choose a day to come.")
    with transaction.atomic():
        key, secret = ApiKey.create(
            user,
            name=name,
            scope=scope,
            collection_ids=None if collection_ids is None else list(collection_ids),
            expires_at=expires_at,
            requests_a_minute=requests_a_minute,
            tokens_a_minute=tokens_a_minute,
        )
        narrowed = None if key.collection_ids is None else [str(pk) for pk in key.collection_ids]
        audit("key.create", key, scope=scope, collections=narrowed)
    return key, secret


def revoke(key: ApiKey) -> None:
    """It opens nothing from this moment on."""
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
            audit("key.revoke", key)
    key.refresh_from_db(fields=["revoked_at"])
