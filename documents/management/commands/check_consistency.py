"""Compare rows, files and index, and mend what does not agree."""

import json
import sys

from django.core.management.base import BaseCommand

from documents.consistency import faults


class Command(BaseCommand):
    help = "Compare rows, files, checksums, chunks and index. Exit code 1: something did not agree."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--repair", action="store_true", help="Mend what is found.")
        parser.add_argument("--quick", action="store_true", help="Do not read every file to compare its checksum.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        found = list(faults(checksums=not options["quick"]))
        if options["repair"]:
            for fault in found:
                fault.repair()
        if options["json"]:
            rows = [{"kind": fault.kind, "what": fault.what} for fault in found]
            self.stdout.write(json.dumps({"faults": rows, "repaired": options["repair"]}, indent=2))
        else:
            for fault in found:
                self.stdout.write(f"{fault.kind}: {fault.what}{', mended' if options['repair'] else ''}")
            if not found:
                self.stdout.write("Everything agrees.")
        if found:
            sys.exit(1)
