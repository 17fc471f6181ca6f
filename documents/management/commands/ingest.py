"""Take files and folders into the library and watch them become ready."""

import json
import sys
import time
from functools import partial
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from documents.indexes import owned_collection
from documents.intake import UploadRefused, accept
from documents.management.arguments import collection_name
from documents.models import UNDER_WAY, Document, State
from project.accounts import named_user

LOOK_S = 0.5


class Command(BaseCommand):
    help = "Upload files and folders and wait until each has an end. Exit code 1: one of them was refused or failed."

    def add_arguments(self, parser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--user", default="admin")
        parser.add_argument(
            "--collection", type=collection_name, default="", help="By name; left out: the person's private one."
        )
        parser.add_argument("--no-wait", action="store_true", help="Do not wait for the worker.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        user = named_user(options["user"])
        collection = owned_collection(user, options["collection"])
        refused: list[dict[str, str]] = []
        taken: list[Document] = []
        for path in tqdm(list(self._files(options["paths"])), desc="Uploading", unit="file", disable=options["json"]):
            try:
                file = path.open("rb")
            except OSError as exc:
                reason, advice = f"It cannot be read: {exc.strerror}.", "See whether you may read it yourself."
                refused.append({"file": str(path), "code": "unreadable", "reason": reason, "advice": advice})
                continue
            try:
                with file:
                    document, _ = accept(iter(partial(file.read, 1 << 18), b""), path.name, user, collection)
                taken.append(document)
            except UploadRefused as exc:
                refused.append({"file": str(path), "code": exc.code, "reason": exc.reason, "advice": exc.advice})
        if not options["no_wait"]:
            self._wait(taken, quiet=options["json"])
        self._report(taken, refused, as_json=options["json"])
        failed = Document.objects.filter(pk__in=[one.pk for one in taken], state__in=[State.FAILED, State.CANCELED])
        if refused or failed.exists():
            sys.exit(1)

    def _files(self, paths: list[Path]):
        for path in paths:
            try:
                if path.is_dir():
                    yield from sorted(file for file in path.rglob("*") if file.is_file() and file.name[0] != ".")
                elif path.is_file():
                    yield path
                else:
                    raise CommandError(f"There is no file or folder {path}.")
            except OSError as exc:  # Such as a name that is too long.
                raise CommandError(f"{path} cannot be looked at: {exc.strerror}.") from exc

    def _wait(self, taken: list[Document], *, quiet: bool) -> None:
        waiting = Document.objects.filter(pk__in=[document.pk for document in taken], state__in=UNDER_WAY)
        with tqdm(total=len(taken), desc="Reading", unit="file", disable=quiet) as bar:
            while left := waiting.count():
                bar.update(len(taken) - left - bar.n)
                time.sleep(LOOK_S)
            bar.update(len(taken) - bar.n)

    def _report(self, taken: list[Document], refused: list[dict[str, str]], *, as_json: bool) -> None:
        rows = Document.objects.filter(pk__in=[document.pk for document in taken]).order_by("name")
        if as_json:
            documents = [
                {"id": str(row.pk), "name": row.name, "state": row.state, "pages": row.page_count,
                 "chunks": row.chunk_count, "warnings": row.warnings, "error": row.error}
                for row in rows
            ]  # fmt: skip
            self.stdout.write(json.dumps({"documents": documents, "refused": refused}, indent=2))
            return
        for row in rows:
            self.stdout.write(f"{row.name}: {row.get_state_display().lower()}, {row.page_count} pages")
            for sentence in [*row.warnings, *([f"{row.error['reason']} {row.error['advice']}"] if row.error else [])]:
                self.stdout.write(f"  {sentence}")
        for one in refused:
            self.stdout.write(f"{one['file']}: not taken. {one['reason']} {one['advice']}")
