"""Measure how questions are answered: what is refused, what is cited, and whether it stands in the sources."""

import asyncio
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.evaluation import Answered, Share, ask_one, figures
from documents.evaluation import Place, QuestionSet, SetError, on_a_line, place_of, read_questions, read_set
from documents.management.arguments import collection_name
from documents.management.commands.evaluate import at_least_one, watched
from project.accounts import named_user
from project.deployments import UNUSABLE, chosen

SHOWN = 10  # answers of a kind


class Command(BaseCommand):
    help = (
        "Ask sets of questions and tell how they are answered, by the default model or the one that is named. Exit "
        "code 2: a set or an option cannot be used, or a question failed."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("sets", nargs="+", type=Path, metavar="SET", help="As for evaluate.")
        parser.add_argument(
            "--unanswered",
            action="store_true",
            help="Nothing there answers these questions: each should be refused. Needs --collection.",
        )
        parser.add_argument("--collection", type=collection_name, default="", help="By name: where it is asked.")
        parser.add_argument("--limit", type=at_least_one, help="Ask only so many questions, spread over the set.")
        parser.add_argument("--user", default="admin", help="As whom: only what this person may read is used.")
        parser.add_argument("--deployment", default="", help="Which model answers; left out: the default.")
        parser.add_argument("--show", action="store_true", help="Show sentences that are doubted, and wrong refusals.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        try:
            chosen(options["deployment"])
            reports = [self._evaluate(path, options) for path in options["sets"]]
        except (SetError, *UNUSABLE) as exc:
            raise CommandError(str(exc), returncode=2) from exc
        if options["json"]:
            self.stdout.write(json.dumps({"sets": reports}, indent=2))
        if any(report["failed"] for report in reports):
            raise CommandError("Not every question could be asked.", returncode=2)

    def _evaluate(self, path: Path, options: dict[str, Any]) -> dict[str, Any]:
        user = named_user(options["user"])
        if options["unanswered"] and not options["collection"]:
            raise CommandError("--unanswered needs --collection: where nothing answers them.", returncode=2)
        asked = read_questions(path) if options["unanswered"] else read_set(path)
        place = place_of(asked, user, collection=options["collection"], watch=watched)
        answers = asyncio.run(_all(asked, place, user, options))
        report = as_json(asked, answers)
        if not options["json"]:
            self.stdout.write("\n".join([f"{asked.name}: {len(answers):,} questions", *told(answers)]))
            self.stdout.write("\n".join([*(shown(answers) if options["show"] else []), ""]))
        return report


async def _all(asked: QuestionSet, place: Place, user, options: dict[str, Any]) -> list[Answered]:
    collections = [collection.pk for collection in place.collections]
    questions = spread(asked.questions, options["limit"])
    return [
        await ask_one(question, user, place.key, collections, options["deployment"])
        for question in watched(questions, "Asking")
    ]


def spread(questions: list, limit: int | None) -> list:
    """So many of them, at even distances: a set is mostly sorted by its documents.

    >>> spread([1, 2, 3, 4, 5, 6], 3), spread([1, 2], None)
    ([1, 3, 5], [1, 2])
    """
    if limit is None or limit >= len(questions):
        return questions
    return [questions[at * len(questions) // limit] for at in range(limit)]


def told(answers: list[Answered]) -> list[str]:
    lines = [f"  {name:<20}{line(share)}" for name, share in figures(answers).items()]
    corrected, added = sum(each.corrected for each in answers), sum(each.added for each in answers)
    lines += [f"  source numbers put right: {corrected}, added: {added}"] if corrected or added else []
    failed = [each for each in answers if each.failed]
    return lines + ([f"  failed: {len(failed)}. {failed[0].failed}"] if failed else [])


def line(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:6.1%} ({low:.1%}–{high:.1%})  {share.part:,} of {share.whole:,}"


def shown(answers: list[Answered]) -> list[str]:
    doubted = [each for each in answers if each.verdicts["unsupported"] + each.verdicts["partly"]]
    lines = [
        f"  doubted: {on_a_line(each.question.text, 100)} -> {on_a_line(each.text, 400)}" for each in doubted[:SHOWN]
    ]
    refused = [each for each in answers if each.is_refused and each.question.right]
    lines += [f"  refused: {on_a_line(each.question.text, 160)}" for each in refused[:SHOWN]]
    given = [each for each in answers if not each.is_refused and not each.question.right]
    return lines + [
        f"  answered: {on_a_line(each.question.text, 100)} -> {on_a_line(each.text, 200)}" for each in given[:SHOWN]
    ]


def as_json(asked: QuestionSet, answers: list[Answered]) -> dict[str, Any]:
    shares = {
        name: {"share": share.value, "low": share.interval[0], "high": share.interval[1], "of": share.whole}
        for name, share in figures(answers).items()
    }
    return {
        "set": asked.name,
        "questions": len(answers),
        "figures": shares,
        "corrected": sum(each.corrected for each in answers),
        "added": sum(each.added for each in answers),
        "failed": sum(bool(each.failed) for each in answers),
    }
