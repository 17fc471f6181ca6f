"""What was done, by whom, on what and from where: written once, at the place that does it, and never rewritten."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from allauth.account.adapter import get_adapter
from asgiref.sync import iscoroutinefunction
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.core.validators import validate_ipv46_address
from django.db import models
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from project.models import ApiKey, AuditEvent

_at_hand: ContextVar[HttpRequest | None] = ContextVar("request_at_hand", default=None)


@sync_and_async_middleware
def remembered(get_response: Callable[[HttpRequest], Any]):
    """Keeps the request at hand while it is answered, so that whatever it makes happen can be told by whom it was."""
    if iscoroutinefunction(get_response):

        async def answered_later(request: HttpRequest):
            token = _at_hand.set(request)
            try:
                return await get_response(request)
            finally:
                _at_hand.reset(token)

        return answered_later

    def answered(request: HttpRequest):
        token = _at_hand.set(request)
        try:
            return get_response(request)
        finally:
            _at_hand.reset(token)

    return answered


def audit(action: str, subject: models.Model, *, by: User | None = None, **detail: Any) -> None:
    """Write down that this was done to the subject, in the transaction that does it.

    Who it was is known from the request at hand; `by` is for what no request asked for, such as a command.
    """
    request = _at_hand.get()
    who = by or getattr(request, "user", None)
    key = getattr(request, "auth", None)
    key = key if isinstance(key, ApiKey) and key.pk else None
    AuditEvent.objects.create(
        action=action,
        user_id=who.pk if who else None,
        user_name=who.get_username() if who else "",
        api_key_id=key.pk if key else None,
        api_key_name=f"{key.start}… {key.name}".strip() if key else "",
        address=_address(request) if request else None,
        subject_kind=subject._meta.model_name or "",
        subject_id=str(subject.pk),
        subject_name=str(subject)[:200],
        detail=detail,
    )


def _address(request: HttpRequest) -> str | None:
    """Where the request came from, past as many proxies as are trusted."""
    try:
        address = get_adapter().get_client_ip(request)
        validate_ipv46_address(address)
    except (ImproperlyConfigured, PermissionDenied, ValidationError):
        return None
    return address
