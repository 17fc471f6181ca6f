"""Ask the library from the command line: one question, whose answer comes as it is written, or a file of them."""

import asyncio
import json
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.core.management.base import BaseCommand
from tqdm import tqdm

from chat.answering import answer
from chat.batches.asking import Asker, Purse, cost_most
from chat.batches.files import Report, ask_all
from chat.batches.lines import BadLine, read_lines
from chat.conversations.draft import Draft
from chat.events import Done, Failed, Proved, Question
from chat.proof.proofs import LABELS, why
from project.accounts import named_user
from project.deployments import UNUSABLE, Deployment, chosen

AT_ONCE_MOST = 64


class Command(BaseCommand):
    help = (
        "Ask a question, or with --file many. Exit code 1: the documents do not answer it, or not every question of "
        "the file was answered; 2: the answer failed, or nothing could be asked."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("question", nargs="*")
        parser.add_argument(
            "--user", "--as", dest="user", default="admin", help="As whom: only what this person may read is used."
        )
        parser.add_argument("--deployment", default="", help="Which model answers; left out: the default.")
        parser.add_argument("--file", type=Path, help="Questions, one JSON object a line: id, question, collections.")
        parser.add_argument("--out", type=Path, help="Where the answers go. What is answered there is not asked again.")
        parser.add_argument("--concurrency", type=int, default=4, help="How many at a time.")
        parser.add_argument("--limit-cost", default="", metavar="DOLLARS", help="Never spend more than this.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        user, text = named_user(options["user"]), " ".join(options["question"]).strip()
        if bool(text) == bool(options["file"]) or bool(options["file"]) != bool(options["out"]):
            self._refuse(
                "Write a question first, or name a file of them with --file and one for the answers with --out."
            )
        try:
            asker = Asker(user, chosen(options["deployment"]))
        except UNUSABLE as exc:
            self._refuse(str(exc))
        if options["file"]:
            sys.exit(self._many(asker, options))
        question = Question(text, user, deployment=options["deployment"])
        sys.exit(asyncio.run(self._ask(question, as_json=options["json"])))

    def _refuse(self, sentence: str) -> None:
        self.stderr.write(sentence)
        sys.exit(2)

    # Many --------------------------------------------------------------------------------------------------------
    def _many(self, asker: Asker, options: dict) -> int:
        if not 1 <= options["concurrency"] <= AT_ONCE_MOST:
            self._refuse(f"--concurrency must be from 1 to {AT_ONCE_MOST}.")
        purse = self._purse(options["limit_cost"], asker.deployment)
        try:
            with options["file"].open("rb") as file:
                lines = read_lines(file)
            with tqdm(total=len(lines), desc="Asking", unit="question", disable=options["json"]) as bar:
                report = asyncio.run(
                    ask_all(
                        lines,
                        options["out"],
                        asker,
                        at_once=options["concurrency"],
                        purse=purse,
                        tell=lambda _: bar.update(),
                        skipped=bar.update,
                    )
                )
        except (BadLine, OSError) as exc:
            self._refuse(str(exc))
        self._sum_up(report, len(lines), as_json=options["json"])
        return int(bool(report.stopped or report.states["failed"]))

    def _purse(self, limit: str, deployment: Deployment | None) -> Purse:
        each = cost_most(deployment)
        if not limit:
            return Purse(None, each or Decimal(0))
        try:
            dollars = Decimal(limit)
        except InvalidOperation:
            dollars = Decimal(-1)
        if not dollars.is_finite() or dollars <= 0:
            self._refuse(f"--limit-cost is {limit!r}: it must be a number of US dollars, such as 2.50.")
        if each is None:
            self._refuse(
                "The price of this model is not known, so --limit-cost cannot be kept. LECTERN_CATALOGUE tells it."
            )
        assert each is not None
        return Purse(dollars, each)

    def _sum_up(self, report: Report, number: int, *, as_json: bool) -> None:
        states = {state: report.states[state] for state in ("answered", "refused", "failed")}
        if as_json:
            body = {**states, "skipped": report.skipped, "tokens": dict(report.tokens), "cost": float(report.cost)}
            self.stdout.write(json.dumps({"questions": number, **body, "stopped": report.stopped}, indent=2))
            return
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        self.stdout.write(f"{number} questions: {told}, {report.skipped} answered before. ${report.cost:.4f}.")
        if report.stopped:
            self.stdout.write(report.stopped)

    # One ---------------------------------------------------------------------------------------------------------
    async def _ask(self, question: Question, *, as_json: bool) -> int:
        draft, begun = Draft(), 0
        async for event in answer(question):
            draft.take(event)
            if isinstance(event, Failed):
                self.stderr.write(event.sentence)
                return 2
            if not as_json and isinstance(event, Proved):
                settled = draft.settled.rstrip()
                self.stdout.write(settled[begun:], ending="")
                begun = len(settled)
            if isinstance(event, Done):
                (self._report if as_json else self._sources)(draft, event)
                return int(event.is_refused)
        return 2

    def _sources(self, draft: Draft, done: Done) -> None:
        if done.is_refused:
            self.stdout.write("This is not in your documents. The nearest passages:")
            for source in done.sources[:3]:
                self.stdout.write(f"  {place(source.passage)}: {' '.join(source.passage.text.split())[:160]}")
            return
        self.stdout.write("\n")
        for row in draft.proofs:
            if row["verdict"] in LABELS:
                self.stdout.write(f"{LABELS[row['verdict']]}: {draft.content[row['start'] : row['end']]} {why(row)}")
        for number, passage in draft.cited().items():
            self.stdout.write(f"[{number}] {place(passage)}")
        if done.notice:
            self.stdout.write(done.notice)

    def _report(self, draft: Draft, done: Done) -> None:
        cited = [
            {
                "number": draft.numbers[offered],
                "document": source.passage.document_name,
                "page": source.passage.page_number or None,
                "marks": [list(mark) for mark in source.marks],
            }
            for offered, source in enumerate(done.sources, 1)
            if source.is_cited
        ]
        body = {"answer": draft.content, "refused": done.is_refused, "citations": cited, "model": done.model}
        body |= {"sentences": draft.proofs} if draft.proofs else {}
        body |= {"code": draft.runs} if draft.runs else {}
        self.stdout.write(json.dumps(body, indent=2))


def place(passage) -> str:
    if passage.is_external:
        return f"{passage.document_title} {passage.url}".strip()
    return f"{passage.document_title}, page {passage.page_label or passage.page_number}"
