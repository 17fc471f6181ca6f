"""`manage.py messages`: bring the catalogues up to the source, and compile them."""

from django.conf import settings
from django.core.management.base import BaseCommand

from project.messages import compiled, found, read, written
from project.messages.catalogue import HEADER


class Command(BaseCommand):
    help = "Find what must be translated, add it to each language's django.po, and compile django.mo."

    def handle(self, *args, **options) -> None:
        sentences = found(settings.BASE_DIR)
        for path in sorted(settings.LOCALE_PATHS[0].glob("*/LC_MESSAGES/django.po")):
            known = read(path.read_text())
            path.write_text(written(known[HEADER][0], sentences, known))
            entries = read(path.read_text())
            path.with_suffix(".mo").write_bytes(compiled(entries))
            missing = [one for (one, _), said in entries.items() if not all(said)]
            self.stdout.write(f"{path}: {len(entries) - 1:,} sentences, {len(missing):,} not translated")
            for one in missing:
                self.stdout.write(f"  {one}")
