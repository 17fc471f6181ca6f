"""Make an API key for a person; it is printed once, alone on the last line."""

from argparse import ArgumentTypeError
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from project.accounts import named_user
from project.keys import issue
from project.models import ApiKey
from project.spending.reports import collection_names

DAYS_MOST = 36_500
A_MINUTE_MOST = 2**31 - 1


class Command(BaseCommand):
    help = "Make an API key. It is printed once and cannot be read again."

    def add_arguments(self, parser) -> None:
        parser.add_argument("user")
        parser.add_argument("--scope", choices=ApiKey.Scope.values, default=ApiKey.Scope.WRITE)
        parser.add_argument("--name", type=_label, default="", help="What the key is for.")
        parser.add_argument(
            "--collection", action="append", metavar="NAME", help="Open this collection alone; may be given again."
        )
        parser.add_argument("--days", type=_days, help="How long it lasts. Left out: until it is revoked.")
        parser.add_argument("--requests", type=_a_minute, help="How many calls a minute. Left out: as for all keys.")
        parser.add_argument("--tokens", type=_a_minute, help="How many tokens a minute. Left out: as for all keys.")

    def handle(self, *args, **options) -> None:
        user = named_user(options["user"])
        try:
            _, secret = issue(
                user,
                name=options["name"],
                scope=options["scope"],
                collection_ids=_collections(user, options["collection"]),
                expires_at=timezone.now() + timedelta(days=options["days"]) if options["days"] else None,
                requests_a_minute=options["requests"],
                tokens_a_minute=options["tokens"],
            )
        except ValidationError as exc:
            raise CommandError(" ".join(exc.messages)) from exc
        self.stderr.write(f"A key for {user.username}, scope {options['scope']}. Keep it: it is not shown again.")
        self.stdout.write(secret)


def _collections(user: User, names: list[str] | None) -> list[UUID] | None:
    """The collections of these names or ids, of those the person may read."""
    if names is None:
        return None
    readable = collection_names(user)
    found = []
    for name in names:
        same = [pk for pk, called in readable.items() if name.casefold() in (called.casefold(), str(pk))]
        if not same:
            raise CommandError(f"{user.username} has no collection {name!r}. Theirs: {', '.join(readable.values())}.")
        found += same
    return found


def _label(text: str) -> str:
    letters = ApiKey._meta.get_field("name").max_length or 0
    if not text.isprintable() or len(text) > letters:
        raise ArgumentTypeError(f"choose at most {letters} letters that can be shown")
    return text


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= most and len(text) < 12):
        raise ArgumentTypeError(f"give a whole number from 1 to {most}")
    return int(text)


def _days(text: str) -> int:
    return _whole(text, DAYS_MOST)


def _a_minute(text: str) -> int:
    return _whole(text, A_MINUTE_MOST)
