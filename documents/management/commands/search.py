"""Search the library from the command line, and ask why something was found, or was not."""

import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DataError
from django.db.models import Q

from documents.evaluation import on_a_line
from documents.models import Document, IndexVersion
from documents.retrieval import Found, Scope, find
from documents.retrieval.explaining import Explanation, Subject, explain, subjects_of
from documents.search import Leg, SearchError
from project.accounts import named_user


class Command(BaseCommand):
    help = "Find the passages nearest to a query. Exit code 1: nothing was found."

    def add_arguments(self, parser) -> None:
        parser.add_argument("query", nargs="+")
        parser.add_argument("--user", default="admin", help="As whom: only what this person may read is found.")
        parser.add_argument("--top", type=int, choices=range(1, 1_001), default=10, metavar="N")
        parser.add_argument("--mode", choices=["hybrid", "keyword", "vector"], default="hybrid")
        parser.add_argument("--alpha", type=_share, help="How much meaning weighs, 0 to 1; left out: as settings say.")
        parser.add_argument(
            "--index-version", metavar="INDEX:N", default="", help="As in main:2: this one in place of the live one."
        )
        parser.add_argument(
            "--explain",
            nargs="?",
            const="",
            metavar="DOCUMENT[#page=N]",
            help="Why this document or page is among the passages, or is not; left empty: of each passage.",
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args, **options) -> None:
        query = " ".join(options["query"]).strip()
        if not query:
            self.stderr.write("Write what to search for first.")
            sys.exit(2)
        user, top = named_user(options["user"]), options["top"]
        scope = Scope(options["mode"], version=_version(options["index_version"]), alpha=options["alpha"])
        try:
            found = find(query, user, scope, top=top)
            asked = options["explain"]
            subjects = [] if asked is None else [_subject(asked, user)] if asked else subjects_of(found)
            told = [explain(query, user, subject, scope, top=top, found=found) for subject in subjects]
        except SearchError as exc:
            raise CommandError(str(exc)) from exc
        if options["json"]:
            rows = {"passages": found.passages, "notices": found.notices, "explanations": told}
            self.stdout.write(json.dumps(rows, default=_plain, indent=2))
        elif asked:
            self._explained(*told)
        else:
            self._listed(found, told)
        if not found.passages:
            self.stderr.write("Nothing was found.")
            sys.exit(1)

    def _listed(self, found: Found, told: list[Explanation]) -> None:
        for number, passage in enumerate(found.passages, 1):
            ranks = _ranks({"words": passage.keyword, "meaning": passage.vector})
            page = passage.page_label or passage.page_number
            self.stdout.write(f"{number}. {passage.document_title}, page {page}  {passage.score:.3f} ({ranks})")
            self.stdout.write(f"   {' '.join(passage.text.split())[:240]}")
            for place in passage.duplicates:
                self.stdout.write(f"   also in {place.document_title}, page {place.page_label or place.page_number}")
            if number <= len(told):
                self._explained(told[number - 1])
        for notice in found.notices:
            self.stderr.write(notice)

    def _explained(self, told: Explanation) -> None:
        legs = _ranks({"words": told.keyword, "meaning": told.vector, "both": told.fused}, with_scores=True)
        self.stdout.write(f"   {told.sentence}{f' Ranks: {legs}.' if legs else ''}")
        if told.setting:
            brings = ", ".join(f"{name} {value}" for name, value in told.setting.items())
            self.stdout.write(f"   What brings it in: {brings}.")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return share


def _version(named: str) -> IndexVersion | None:
    """A version that is ready, by the name of its index and its number."""
    rows = IndexVersion.objects.filter(state=IndexVersion.State.READY).select_related("index")
    known = {f"{row.index.name}:{row.number}": row for row in rows} if named else {}
    if named and named not in known:
        raise CommandError(f"There is no such version; there are: {', '.join(known) or 'none'}.")
    return known.get(named)


def _subject(named: str, user) -> Subject:
    """The document of this name or id, and the page behind "#page="."""
    name, _, page = named.partition("#page=")
    if page and not page.isdecimal():
        raise CommandError(f"“{page}” is no page number.")
    rows = Document.objects.for_user(user).current()
    try:
        row = rows.filter(Q(name=name) | Q(title=name)).first() or rows.filter(pk=name).first()
    except (ValidationError, ValueError, DataError):  # No name that a database takes.
        row = None
    if row is None:
        raise CommandError(f"There is no document “{on_a_line(name, 200)}” that {user} may read.")
    return Subject(row.pk, int(page) if page else None)


def _ranks(legs: dict[str, Leg | None], *, with_scores: bool = False) -> str:
    return ", ".join(
        f"{name} {leg.rank}{f' ({leg.score:.3f})' if with_scores else ''}" for name, leg in legs.items() if leg
    )


def _plain(value: object) -> object:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)  # type: ignore[call-overload]
