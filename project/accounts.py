"""Coming in: accounts by django-allauth, and one-time links for the administrator of this machine."""

import hashlib
import secrets
from typing import ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management.base import CommandError
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

LINK_SECONDS = 24 * 3600


class SignedInRequest(HttpRequest):
    """What a view gets: every route is closed to strangers unless it says otherwise."""

    user: User
    htmx: HtmxDetails

    async def auser(self) -> User:  # type: ignore[override]
        """The same person, for asynchronous views; Django provides it."""
        return self.user


class AccountAdapter(DefaultAccountAdapter):
    error_messages: ClassVar = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "That name and password do not go together.",
        "email_password_mismatch": "That address and password do not go together.",
        "too_many_login_attempts": "Too many tries. Wait five minutes, then try again.",
        "account_inactive": "This account is closed. Ask your administrator.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.ACCOUNT_OPEN_FOR_SIGNUP


def local_admin() -> User:
    """The administrator of the embedded mode. It has no password: it comes in by one-time links."""
    user, is_new = User.objects.get_or_create(username="admin", defaults={"is_staff": True, "is_superuser": True})
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def signin_link(user: User) -> str:
    """An address that signs this person in, once, within a day, from this machine."""
    token = secrets.token_urlsafe(24)
    cache.set(_place(token), user.pk, LINK_SECONDS)
    return f"{settings.BASE_URL}/signin/{token}/"


def redeem(token: str) -> User | None:
    """Whom the link stands for; whoever comes second gets None."""
    place = _place(token)
    user_id = cache.get(place)
    if user_id is None or not cache.delete(place):
        return None
    return User.objects.filter(pk=user_id, is_active=True).first()


def named_user(name: str) -> User:
    """The person a command is run as; raises CommandError with what to do."""
    user = User.objects.filter(username=name, is_active=True).first() if name.isprintable() else None
    if user is None and name == "admin":
        return local_admin()
    if user is None:
        raise CommandError(f"There is no user {name!r}. Make one in the console, or use admin.")
    return user


def _place(token: str) -> str:
    return f"signin:{hashlib.sha256(token.encode()).hexdigest()}"
