"""Compare rows, files and index, and mend what does not agree."""

import json
import sys

from django.core.management.base import BaseCommand

from documents.consistency import faults, mend


class Command(BaseCommand):
    help = "Compare rows, files, checksums, chunks and index. Exit code 1: something did not agree."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--repair", action="store_true", help="Mend what is found.")
        parser.add_argument("--quick", action="store_true", help="Do not read every file to compare its checksum.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        found = list(faults(checksums=not options["quick"]))
        ends = [mend(fault) if options["repair"] else "" for fault in found]
        if options["json"]:
            rows = [
                {"kind": fault.kind, "what": fault.what, "end": end} for fault, end in zip(found, ends, strict=True)
            ]
            self.stdout.write(json.dumps({"faults": rows, "repaired": options["repair"]}, indent=2))
        else:
            for fault, end in zip(found, ends, strict=True):
                self.stdout.write(f"{fault.kind}: {fault.what}{end and f', {end}'}")
            if not found:
                self.stdout.write("Everything agrees.")
        if found:
            sys.exit(1)
