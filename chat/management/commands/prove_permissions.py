"""Try whether words reach exactly those who may read them: people of every role, every way, words of their own."""

import json
import sys

from django.core.management.base import BaseCommand
from tqdm import tqdm

from chat.models import PermissionProof
from chat.permissions import Size
from chat.permissions.running import run

PLAIN = "{path:<34} {role:<24} {probes:>8,} {reached:>8,} {leaks:>6} {missed:>6}"


class Command(BaseCommand):
    help = "Prove the permissions with people and documents made for it. Exit code 1: a word leaked, or was missed."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--collections", type=int, default=Size.collections)
        parser.add_argument("--documents", type=int, default=Size.documents, help="In each collection.")
        parser.add_argument("--readers", type=int, default=Size.readers, help="In each collection.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        size = Size(*(max(1, options[name]) for name in ("collections", "documents", "readers")))
        proof = PermissionProof.objects.create()
        with tqdm(desc="Proving", unit="step", disable=options["json"]) as bar:

            def told(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            run(proof, size, told)
        if proof.state != PermissionProof.State.DONE:
            self.stderr.write(proof.error)
            sys.exit(2)
        self._say(proof.report, as_json=options["json"])
        if not proof.is_clean:
            sys.exit(1)

    def _say(self, report: dict, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(report, indent=2))
            return
        for row in report["rows"]:
            self.stdout.write(PLAIN.format(**row))
        for leak in report["told"]:
            self.stdout.write(f"LEAK {leak}")
        self.stdout.write(
            f"{report['probes']:,} probes in {report['seconds']} s: {report['leaks']} leaks, "
            f"{report['missed']} missed, {report['reached']:,} reached whom they should."
        )
