"""Say what calls to models cost."""

import csv
import json
from argparse import ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from project.spending.pages import harmless
from project.spending.reports import BY, DAYS, Line, between, collection_names, report, total

FIELDS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "tokens", "unpriced")


class Command(BaseCommand):
    help = "Add up what calls to models cost; those of this month, unless told."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--by", choices=BY, default="day")
        parser.add_argument("--from", dest="first", type=day, metavar="DAY", help="Like 2026-11-01; left out: the 1st.")
        parser.add_argument("--to", dest="last", type=day, metavar="DAY", help="Included; left out: today.")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true")
        form.add_argument("--csv", action="store_true")

    def handle(self, *args, **options) -> None:
        last = options["last"] or timezone.localdate(timezone=timezone.get_default_timezone())
        first = options["first"] or last.replace(day=1)
        if first > last:
            raise CommandError(f"--from {first} comes after --to {last}.", returncode=2)
        rows = between(first, last)
        lines = report(rows, options["by"], collection_names())
        if options["json"]:
            told = {"from": str(first), "to": str(last), "by": options["by"], "total": _facts(total(rows))}
            self.stdout.write(json.dumps(told | {"lines": [_facts(line) for line in lines]}, indent=2))
        elif options["csv"]:
            write = csv.writer(self.stdout, lineterminator="\n")
            write.writerow([options["by"], *FIELDS, "dollars"])
            write.writerows([harmless(line.name), *_figures(line), f"{line.dollars:f}"] for line in lines)
        else:
            self._table(lines, total(rows))

    def _table(self, lines: list[Line], whole: Line) -> None:
        if not lines:
            self.stdout.write("No model was asked in this time.")
            return
        width = max(len(line.name) for line in lines)
        for line in [*lines, whole]:
            name = f"{line.name or 'All':{width}}"
            self.stdout.write(f"{name}  {line.calls:>8,} calls  {line.tokens:>14,} tokens  {line.cost_words}")


def day(text: str) -> date:
    try:
        told = date.fromisoformat(text)
    except ValueError as exc:
        raise ArgumentTypeError(f"{text!r} is no day; write it like 2026-11-21.") from exc
    if not DAYS[0] <= told <= DAYS[1]:
        raise ArgumentTypeError(f"{text} lies outside of {DAYS[0].year} to {DAYS[1].year}.")
    return told


def _figures(line: Line) -> list[int]:
    return [getattr(line, field) for field in FIELDS]


def _facts(line: Line) -> dict[str, Any]:
    """Dollars as text: no figure of money goes through a float."""
    named = {"name": line.name} if line.name else {}
    return named | dict(zip(FIELDS, _figures(line), strict=True)) | {"dollars": f"{line.dollars:f}"}
