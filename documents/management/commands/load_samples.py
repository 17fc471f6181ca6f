"""Put the sample documents into a collection of the local administrator."""

from django.core.management.base import BaseCommand

from documents.samples import load_samples
from project.accounts import local_admin


class Command(BaseCommand):
    help = "Put the sample documents into a collection of their own, unless that was done before."

    def handle(self, *args, **options) -> None:
        added = load_samples(local_admin())
        if added:
            self.stdout.write(f"{len(added)} sample documents are on their way.")
