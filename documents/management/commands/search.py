"""Search the library from the command line."""

import json
import sys
from dataclasses import asdict

from django.core.management.base import BaseCommand

from documents.retrieval import retrieve
from project.accounts import named_user


class Command(BaseCommand):
    help = "Find the passages nearest to a query. Exit code 1: nothing was found."

    def add_arguments(self, parser) -> None:
        parser.add_argument("query", nargs="+")
        parser.add_argument("--user", default="admin", help="As whom: only what this person may read is found.")
        parser.add_argument("--top", type=int, default=10)
        parser.add_argument("--mode", choices=["hybrid", "keyword", "vector"], default="hybrid")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        query = " ".join(options["query"]).strip()
        if not query:
            self.stderr.write("Write what to search for first.")
            sys.exit(2)
        user = named_user(options["user"])
        passages = retrieve(query, user, top=options["top"], mode=options["mode"])
        if options["json"]:
            self.stdout.write(json.dumps([asdict(passage) for passage in passages], default=str, indent=2))
        else:
            for number, passage in enumerate(passages, 1):
                legs = {"words": passage.keyword, "meaning": passage.vector}
                ranks = ", ".join(f"{name} {leg.rank}" for name, leg in legs.items() if leg)
                page = passage.page_label or passage.page_number
                self.stdout.write(f"{number}. {passage.document_title}, page {page}  {passage.score:.3f} ({ranks})")
                self.stdout.write(f"   {' '.join(passage.text.split())[:240]}")
        if not passages:
            self.stderr.write("Nothing was found.")
            sys.exit(1)
