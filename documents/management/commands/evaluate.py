"""Measure how well the search finds what is known to be right, and say what changed since the last time."""

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime
from tqdm import tqdm

from documents.evaluation import (
    MODES,
    Comparison,
    Figures,
    Outcome,
    QuestionSet,
    Report,
    SetError,
    evaluate,
    on_a_line,
    read_set,
)
from documents.evaluation.stored import questions_of
from documents.management.arguments import collection_name
from documents.models import EvaluationSet
from documents.search import SearchError
from project.accounts import named_user

SHOWN = 20  # questions of a kind


class Command(BaseCommand):
    help = (
        "Ask sets of questions with known answers, and store how well the search did. Exit code 1: a figure fell "
        "since the last run by more than chance explains; 2: a set or an option cannot be used."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "sets",
            nargs="+",
            type=Path,
            metavar="SET",
            help="A folder with corpus.jsonl, queries.jsonl and qrels.tsv, a file of questions with pages, or the name "
            "of a set that is kept in the library.",
        )
        parser.add_argument("--limit", type=at_least_one, help="Ask only the first so many questions.")
        parser.add_argument("--mode", choices=MODES, action="append", help="May be repeated; left out: all three.")
        parser.add_argument("--top", type=at_least_one, default=10, help="How many places count.")
        parser.add_argument("--user", default="admin", help="As whom: only what this person may read is found.")
        parser.add_argument(
            "--collection",
            type=collection_name,
            default="",
            help="By name: where a folder goes, or where pages are sought.",
        )
        parser.add_argument("--fresh", action="store_true", help="Remove a folder's documents and read them again.")
        parser.add_argument("--no-store", action="store_true", help="Compare, but keep nothing.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        try:
            sets = [set_at(path) for path in options["sets"]]  # All of them, before the first is asked.
            reports = [self._evaluate(asked, options) for asked in sets]
        except (SetError, SearchError) as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except CommandError as exc:
            exc.returncode = 2
            raise
        if options["json"]:
            self.stdout.write(json.dumps({"runs": [as_json(report) for report in reports]}, indent=2))
        if any(report.fell for report in reports):
            sys.exit(1)

    def _evaluate(self, asked: QuestionSet, options: dict[str, Any]) -> Report:
        report = evaluate(
            asked,
            named_user(options["user"]),
            modes=options["mode"] or MODES,
            top=options["top"],
            limit=options["limit"],
            collection=options["collection"],
            fresh=options["fresh"],
            watch=watched,
        )
        if not options["no_store"]:
            report.run.save()
        if not options["json"]:
            self.stdout.write("\n".join([*told(report), *compared(report)]))
        return report


def set_at(path: Path) -> QuestionSet:
    """What lies at the path; where nothing does, the set of this name that is kept in the library."""
    name = str(path)
    may_be_kept = name.isprintable() and len(name) <= 200 and not path.exists()
    kept = EvaluationSet.objects.filter(name=name).first() if may_be_kept else None
    return questions_of(kept) if kept else read_set(path)


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def watched(items: list, what: str) -> Iterable:
    """A bar on standard error, where somebody sees it."""
    return tqdm(items, desc=what, unit="" if what == "Reading" else "q", disable=None, leave=False)


def told(report: Report) -> list[str]:
    """The set, its figures in a table of one column for each mode, and what a reader should know of them."""
    run = report.run
    indexes = "; ".join(
        f"{one['index']} ({one['embedding_model'] or 'words alone'}, {one['chunk_tokens']} tokens)"
        for one in run.conditions["indexes"]
    )
    fusion = f"fusion {run.conditions['fusion']}, alpha {run.conditions['alpha']}"
    names = list(next(iter(report.figures.values())).means)
    rows = [("", *report.figures)]
    rows += [(name, *(interval(measured, name) for measured in report.figures.values())) for name in names]
    rows += [("ms p50, p95", *(f"{one.p50_ms:.1f}, {one.p95_ms:.1f}" for one in report.figures.values()))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [
        f"{run.set_name}: {run.question_count:,} questions, {report.documents:,} documents. {indexes}; {fusion}.",
        *table,
        "In brackets 95 %: of shares by Wilson, of other figures by 2,000 draws of the questions.",
        *report.notes,
    ]


def interval(measured: Figures, name: str) -> str:
    mean = measured.means[name]
    return f"{mean.value:.3f} ({mean.low:.3f}–{mean.high:.3f})"


def compared(report: Report) -> list[str]:
    """Which figures changed by more than chance explains; the questions no longer found; then those found anew."""
    if not report.comparisons or report.previous is None:
        return ["There is no earlier run to compare with.", ""]
    number = max(comparison.questions for comparison in report.comparisons.values())
    when = localtime(report.previous.created_at)
    lines = [f"Compared with the run of {when:%d %B %Y, %H:%M}, on {number:,} questions:"]
    changed = [line for mode, one in report.comparisons.items() for line in changes(mode, one)]
    lines += changed or ["  no figure changed by more than chance explains."]
    for mode, one in report.comparisons.items():
        lines += questions(f"No longer found ({mode})", [(then.rank, now) for then, now in one.lost])
    for mode, one in report.comparisons.items():
        lines += questions(f"Found now and not before ({mode})", [(now.rank, now) for _, now in one.won])
    return [*lines, ""]


def changes(mode: str, comparison: Comparison) -> list[str]:
    sure = {name: one for name, one in comparison.changes.items() if one.fell or one.low > 0}
    return [
        f"  {mode} {name} {'fell' if one.fell else 'rose'}: {one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
        for name, one in sure.items()
    ]


def questions(heading: str, found: list[tuple[int | None, Outcome]]) -> list[str]:
    if not found:
        return []
    lines = [f"{heading}: {len(found):,}"]
    lines += [f"  place {rank}: {on_a_line(one.question.text, 160)}" for rank, one in found[:SHOWN]]
    return lines + ([f"  and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else [])


def as_json(report: Report) -> dict[str, Any]:
    run = report.run
    return {
        "set": run.set_name,
        "run": run.pk,
        "questions": run.question_count,
        "documents": report.documents,
        "top": run.top,
        "limit": run.limit,
        "conditions": run.conditions,
        "figures": run.figures,
        "results": run.results,
        "notes": report.notes,
        "compared_with": report.previous.pk if report.previous else None,
        "changes": {mode: _changes(one) for mode, one in report.comparisons.items()},
        "fell": report.fell,
    }


def _changes(comparison: Comparison) -> dict[str, Any]:
    return {
        "questions": comparison.questions,
        "figures": {
            name: {"change": one.value, "low": one.low, "high": one.high, "fell": one.fell}
            for name, one in comparison.changes.items()
        },
        "no_longer_found": [_moved(*pair) for pair in comparison.lost],
        "newly_found": [_moved(*pair) for pair in comparison.won],
    }


def _moved(before: Outcome, after: Outcome) -> dict[str, Any]:
    question = after.question
    return {"id": question.id, "text": question.text, "rank_before": before.rank, "rank": after.rank}
