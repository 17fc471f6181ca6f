"""A file's password on its way from the page to the worker: locked, for ten minutes, and for one use."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from uuid import UUID

import redis
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from project.limits import connection

SECONDS = 600


def keep(document_id: UUID, password: str) -> None:
    """Raises redis.RedisError when the queue does not answer."""
    connection().set(_key(document_id), _lock().encrypt(password.encode("utf-8", "replace")), ex=SECONDS)


def take(document_id: UUID) -> str:
    """The password that was given for this document, which is then forgotten; "" when there is none."""
    try:
        if locked := connection().getdel(_key(document_id)):
            _forget_in_journal()
        return _lock().decrypt(locked).decode() if locked else ""
    except (InvalidToken, redis.RedisError):  # The secret key was changed meanwhile; or nobody can tell.
        return ""


def _forget_in_journal() -> None:
    """What was deleted stands in the journal of a Redis that keeps one, until that is written anew."""
    with suppress(redis.RedisError):  # A service that manages its own Redis may not allow it.
        connection().bgrewriteaof()


def _key(document_id: UUID) -> str:
    return f"password:{document_id}"


def _lock() -> Fernet:
    key = hashlib.sha256(b"passwords of files" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
