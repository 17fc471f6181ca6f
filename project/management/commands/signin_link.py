"""Print a one-time link that signs the local administrator in."""

from django.core.management.base import BaseCommand

from project.accounts import named_user, signin_link


class Command(BaseCommand):
    help = "Print a one-time sign-in link, good for a day, from this machine only."

    def add_arguments(self, parser) -> None:
        parser.add_argument("user", nargs="?", default="admin")

    def handle(self, *args, **options) -> None:
        self.stdout.write(signin_link(named_user(options["user"])))
