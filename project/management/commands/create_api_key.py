"""Make an API key for a person; it is printed once, alone on the last line."""

from argparse import ArgumentTypeError

from django.core.management.base import BaseCommand

from project.accounts import named_user
from project.models import ApiKey


class Command(BaseCommand):
    help = "Make an API key. It is printed once and cannot be read again."

    def add_arguments(self, parser) -> None:
        parser.add_argument("user")
        parser.add_argument("--scope", choices=ApiKey.Scope.values, default=ApiKey.Scope.WRITE)
        parser.add_argument("--name", type=_label, default="", help="What the key is for.")

    def handle(self, *args, **options) -> None:
        user = named_user(options["user"])
        _, secret = ApiKey.create(user, name=options["name"], scope=options["scope"])
        self.stderr.write(f"A key for {user.username}, scope {options['scope']}. Keep it: it is not shown again.")
        self.stdout.write(secret)


def _label(text: str) -> str:
    letters = ApiKey._meta.get_field("name").max_length or 0
    if not text.isprintable() or len(text) > letters:
        raise ArgumentTypeError(f"choose at most {letters} letters that can be shown")
    return text
