"""Ask every part of Lectern, and every service it is set up with, whether it works."""

import json
import sys

from django.core.management.base import BaseCommand

from project.doctor import Examined, examine, verdict

SIGNS = {"good": "✓", "caution": "!", "bad": "✗", "none": "–"}


class Command(BaseCommand):
    help = "Ask every part and every service whether it works. Exit code 1: one does not."
    requires_system_checks: list[str] = []  # What they would refuse is what this is to show.

    def add_arguments(self, parser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        found = examine()
        if options["json"]:
            parts = [as_json(each) for each in found]
            self.stdout.write(json.dumps({"verdict": verdict(found), "parts": parts}, indent=2, ensure_ascii=False))
        else:
            self._tell(found)
        if any(each.finding.state == "bad" for each in found):
            sys.exit(1)

    def _tell(self, found: list[Examined]) -> None:
        self.stdout.write(verdict(found))
        group = ""
        for each in found:
            if each.probe.group != group:
                group = each.probe.group
                self.stdout.write(f"\n{group}")
            took = "" if each.finding.took_ms is None else f"{each.finding.took_ms:,} ms"
            self.stdout.write(f"  {SIGNS[each.finding.state]} {each.probe.name:<24} {took:>9}  {each.probe.about}")
            if each.finding.reason:
                self.stdout.write(f"    {each.finding.reason} {each.finding.advice}".rstrip())


def as_json(each: Examined) -> dict[str, object]:
    return {
        "group": each.probe.group,
        "name": each.probe.name,
        "about": each.probe.about,
        "state": each.finding.state,
        "latency_ms": each.finding.took_ms,
        "reason": each.finding.reason,
        "advice": each.finding.advice,
    }
