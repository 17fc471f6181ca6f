"""Who writes an answer, and how many one person may have written at a time."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from chat.models import Message, State
from project.limits import TooMany


def take_on(user: User, message: Message) -> bool:
    """Claim an answer; False when it is written already. Raises TooMany for more than one may have at a time."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if message.state == State.QUEUED:
            check_streams(user)
        return message.claim()


def check_streams(user: User) -> None:
    """Raises TooMany when this person has as many answers under way as one may have."""
    Message.end_interrupted()  # One whose writer died must not count.
    if Message.objects.for_user(user).filter(state=State.STREAMING).count() >= settings.STREAMS_AT_ONCE:
        raise TooMany(10)
