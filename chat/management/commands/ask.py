"""Ask the library from the command line; the answer comes as it is written."""

import asyncio
import json
import sys

from django.core.management.base import BaseCommand

from chat.answering import answer
from chat.conversing import Draft
from chat.events import Cite, Done, Failed, Question, Text
from project.accounts import named_user


class Command(BaseCommand):
    help = "Ask a question. Exit code 1: the documents do not answer it; 2: the answer failed."

    def add_arguments(self, parser) -> None:
        parser.add_argument("question", nargs="+")
        parser.add_argument("--user", default="admin", help="As whom: only what this person may read is used.")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        text = " ".join(options["question"]).strip()
        if not text:
            self.stderr.write("Write a question first.")
            sys.exit(2)
        question = Question(text, named_user(options["user"]))
        sys.exit(asyncio.run(self._ask(question, as_json=options["json"])))

    async def _ask(self, question: Question, *, as_json: bool) -> int:
        draft, begun = Draft(), 0
        async for event in answer(question):
            draft.take(event)
            if isinstance(event, Failed):
                self.stderr.write(event.sentence)
                return 2
            if not as_json and isinstance(event, Text | Cite):
                settled = len(draft.content.rstrip())  # Blanks may still give way to a number.
                self.stdout.write(draft.content[begun:settled], ending="")
                begun = settled
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
        body |= {"code": draft.runs} if draft.runs else {}
        self.stdout.write(json.dumps(body, indent=2))


def place(passage) -> str:
    if passage.is_external:
        return f"{passage.document_title} {passage.url}".strip()
    return f"{passage.document_title}, page {passage.page_label or passage.page_number}"
