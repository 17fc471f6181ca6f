"""Look at indexes, build a version beside the one that is searched, swap, go back."""

import json
import sys
import time
from argparse import ArgumentTypeError
from dataclasses import asdict
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.module_loading import import_string
from tqdm import tqdm

from documents.embeddings import EmbeddingError, local_model_name
from documents.embeddings.remote import remote_model_name
from documents.evaluation import SetError, read_set
from documents.evaluation.sets import UNBEARABLE, on_a_line
from documents.indexes import default_index, live_version, versions
from documents.indexes.comparing import Compared, as_json, compare_versions
from documents.models import Index, IndexVersion
from documents.search import SearchError
from project.accounts import named_user

LOOK_S = 0.5
NAME_LETTERS = 80
QUESTIONS_MOST = 1_000
NO_VERSION = "“{0}” has no version to search yet: manage.py indexes create “{0}” makes its first."


class Command(BaseCommand):
    help = "List, create, rebuild, swap, roll back and drop indexes and their versions."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        self._verb(verbs, "list", "Every index with its versions.").add_argument("--json", action="store_true")
        create = self._verb(verbs, "create", "A new index, built as the settings say.")
        create.add_argument("name")
        rebuild = self._verb(verbs, "rebuild", "Build a version beside the one that is searched.")
        _takes_index(rebuild)
        rebuild.add_argument("--backend", choices=list(settings.SEARCH_BACKENDS))
        rebuild.add_argument("--model", choices=["local", "service", "none"], help="Who embeds; none: words alone.")
        rebuild.add_argument("--chunk-tokens", type=int)
        rebuild.add_argument("--chunk-overlap", type=float)
        rebuild.add_argument("--languages", help="As in en,de: whose grammar the keyword search knows; all: any.")
        rebuild.add_argument("--wait", action="store_true", help="Watch until it is built.")
        rebuild.add_argument("--estimate", action="store_true", help="Say what it takes, and do nothing.")
        for name, says in (
            ("swap", "Search a version that is ready."),
            ("cancel", "Stop building a version and take it away."),
            ("pause", "Stop building a version for now."),
            ("resume", "Go on with a version that was paused or failed."),
            ("drop", "Take a version away for good."),
            ("watch", "Watch a version being built."),
        ):
            verb = self._verb(verbs, name, says)
            _takes_index(verb)
            verb.add_argument("version", type=int, nargs="?", help="Its number; left out: the newest.")
        _takes_index(self._verb(verbs, "rollback", "Search the version before again."))
        compare = self._verb(verbs, "compare", "Ask the version that is searched and another one the same.")
        _takes_index(compare)
        compare.add_argument("version", type=int, nargs="?", help="Its number; left out: the newest.")
        compare.add_argument("--questions", type=_number, default=50, help="How many of the last ones people asked.")
        compare.add_argument("--set", type=Path, action="append", default=[], dest="sets", help="As evaluate takes it.")
        compare.add_argument("--user", default="admin", help="As whom the sets are asked.")
        compare.add_argument("--json", action="store_true")

    def _verb(self, verbs, name: str, says: str) -> CommandParser:
        return verbs.add_parser(name, help=says, description=says)

    def handle(self, *args, verb: str, **options) -> None:
        try:
            getattr(self, f"do_{verb}")(options)
        except (versions.VersionRefused, EmbeddingError, SearchError, SetError) as exc:
            raise CommandError(str(exc)) from exc
        except (IndexVersion.DoesNotExist, Index.DoesNotExist) as exc:
            raise CommandError("It was taken away a moment ago.") from exc

    def do_list(self, options: dict) -> None:
        default_index()
        rows = [_described(version) for index in Index.objects.order_by("name") for version in index.versions.all()]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2, default=str))
            return
        for row in rows:
            mark = "→" if row["live"] else " "
            self.stdout.write(
                f"{mark} {row['index']} {row['version']}  {row['state']}, {row['backend']}, "
                f"{row['embedding_model'] or 'words alone'}, {row['dimensions']} dimensions, "
                f"chunks of {row['chunk_tokens']} tokens"
            )
            self.stdout.write(f"    {_told(row)}")
        for index in Index.objects.filter(live=None).order_by("name"):
            self.stdout.write(f"  {NO_VERSION.format(index)}")

    def do_create(self, options: dict) -> None:
        """All of it or nothing; an index that was left without a version gets its first one."""
        name = _bare(options["name"])
        if not name or not name.isprintable() or len(name) > NAME_LETTERS:
            raise CommandError(f"An index has a name of 1 to {NAME_LETTERS} letters that can be shown: choose another.")
        with transaction.atomic():
            index, is_new = Index.objects.get_or_create(name=name)
            if not is_new and index.live_id:
                raise CommandError(f"There is an index “{index}” already.")
            version = live_version(index)
        self.stdout.write(f"Made {version}. Collections are put into it in the console.")

    def do_rebuild(self, options: dict) -> None:
        index = _index(options)
        changes = _changes(options)
        model = str(changes.get("embedding_model", _live(index).embedding_model))
        reckoned = versions.estimate(index, model)
        price = "" if reckoned.cost is None else f", {reckoned.cost:,.2f} at the price that is set"
        self.stdout.write(f"{reckoned.documents:,} documents, {reckoned.tokens:,} tokens at most{price}.")
        if options["estimate"]:
            return
        version = versions.rebuild(index, **changes)
        self.stdout.write(f"Version {version.number} of “{index}” is being built. Until you swap, nothing changes.")
        if options["wait"]:
            self._watch(version)

    def do_watch(self, options: dict) -> None:
        self._watch(_version(options))

    def _watch(self, version: IndexVersion) -> None:
        try:
            self._watch_building(version)
        except KeyboardInterrupt:
            self.stdout.write(f"{version} is built on. manage.py indexes watch looks again.")
            return
        except IndexVersion.DoesNotExist as exc:
            raise CommandError(f"{version} was cancelled, and is taken away.") from exc
        if version.state == IndexVersion.State.READY:
            self.stdout.write(f"{version} is ready: manage.py indexes swap {version.number} --index “{version.index}”")
        else:
            raise CommandError(f"{version}: {version.get_state_display().lower()}. {version.error}".strip())

    def _watch_building(self, version: IndexVersion) -> None:
        with tqdm(
            total=1.0, desc=f"Building {version}", bar_format="{desc} {percentage:3.0f}%|{bar}| {postfix}"
        ) as bar:
            while True:
                version.refresh_from_db()
                found = versions.progress(version)
                bar.n = round(found.share, 3)
                left = "" if found.seconds_left is None else f", {found.seconds_left:.0f} s left"
                bar.set_postfix_str(
                    f"{found.documents_done} of {found.documents} documents, {found.chunks_a_second:.0f} chunks/s{left}"
                )
                if version.state != IndexVersion.State.BUILDING:
                    break
                time.sleep(LOOK_S)

    def do_swap(self, options: dict) -> None:
        version = _version(options)
        versions.swap(version)
        self.stdout.write(f"{version} is searched now. manage.py indexes rollback goes back.")

    def do_rollback(self, options: dict) -> None:
        version, lacking = versions.roll_back(_index(options))
        after = f" {lacking} documents follow in a moment." if lacking else ""
        self.stdout.write(f"{version} is searched again.{after}")

    def do_compare(self, options: dict) -> None:
        version = _version(options)
        live = _live(version.index)
        if version == live or version.state != IndexVersion.State.READY:
            raise CommandError(f"{version} is {'searched already' if version == live else 'not ready'}: name another.")
        questions = import_string(settings.RECENT_QUESTIONS)(options["questions"])
        sets = [read_set(path) for path in options["sets"]]
        if not questions and not sets:
            raise CommandError("Nobody has asked anything yet: name an evaluation set with --set.")
        is_quiet = options["json"] or not sys.stderr.isatty()

        def watch(items: list, what: str):
            return tqdm(items, desc=what, unit="question", disable=is_quiet)

        found = compare_versions(live, version, questions, sets, named_user(options["user"]), watch)
        self.stdout.write(json.dumps(as_json(found), indent=2) if options["json"] else _as_table(found))

    def do_cancel(self, options: dict) -> None:
        version = _version(options)
        versions.cancel(version)
        self.stdout.write(f"{version} is cancelled.")

    def do_pause(self, options: dict) -> None:
        version = _version(options)
        versions.pause(version)
        self.stdout.write(f"{version} waits. manage.py indexes resume goes on.")

    def do_resume(self, options: dict) -> None:
        version = _version(options)
        versions.resume(version)
        self.stdout.write(f"{version} goes on.")

    def do_drop(self, options: dict) -> None:
        version = _version(options)
        versions.drop(version)
        self.stdout.write(f"{version} is being taken away.")


def _as_table(found: Compared) -> str:
    """Both versions in columns; below, what changed first."""
    rows = [("", str(found.before.version), str(found.after.version))]
    for name, read in (
        ("chunks", lambda side: f"{side.chunks:,}"),
        ("megabytes", lambda side: f"{side.bytes / 1e6:,.1f}"),
        ("p50 ms", lambda side: f"{side.p50_ms:.1f}"),
        ("p95 ms", lambda side: f"{side.p95_ms:.1f}"),
    ):
        rows.append((name, read(found.before), read(found.after)))
    for one in found.sets:
        fell = set(one.comparison.fell) if one.comparison else set()
        for name, mean in one.before.means.items():
            after = f"{one.after.means[name].value:.3f}{' fell' if name in fell else ''}"
            rows.append((f"{one.name} {name}", f"{mean.value:.3f}", after))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if found.overlap is not None:
        lines.append(f"{found.questions:,} questions: of the first ten pages {found.overlap:.0%} are the same.")
    lines += [
        f"“{change.question[:80]}”: {change.before or 'nothing'} → {change.after or 'nothing'}"
        for change in found.changed
    ]
    return "\n".join(lines)


def _takes_index(parser: CommandParser) -> None:
    parser.add_argument("--index", help="By name; left out: the first one.")


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= QUESTIONS_MOST:
        raise ArgumentTypeError(f"choose 0 to {QUESTIONS_MOST:,}")
    return number


def _bare(name: str) -> str:
    """Without the marks that we put around it where we speak of it."""
    return name.strip(" “”")


def _index(options: dict) -> Index:
    name = options["index"]
    if name is None:
        return default_index()
    index = Index.objects.filter(name=_bare(name)).first() if not UNBEARABLE.search(name) else None
    if index is None:
        known = ", ".join(Index.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(f"There is no index “{on_a_line(name, NAME_LETTERS)}”; there are: {known or 'none'}.")
    return index


def _live(index: Index) -> IndexVersion:
    if index.live is None:
        raise CommandError(NO_VERSION.format(index))
    return index.live


def _version(options: dict) -> IndexVersion:
    index, number = _index(options), options["version"]
    rows = index.versions.select_related("index").order_by("-number")
    version = rows.first() if number is None else rows.filter(number=number).first()
    if version is None:
        raise CommandError(NO_VERSION.format(index) if number is None else f"“{index}” has no version {number}.")
    return version


def _changes(options: dict) -> dict[str, object]:
    """What the new version has otherwise than the live one."""
    models = {"local": local_model_name(), "service": remote_model_name(), "none": ""}
    changes: dict[str, object] = {
        "backend_name": options["backend"],
        "chunk_tokens": options["chunk_tokens"],
        "chunk_overlap": options["chunk_overlap"],
    }
    if options["model"]:
        if options["model"] != "none" and not models[options["model"]]:
            raise CommandError(f"There is no {options['model']} embedding model: see docs/configuration.md.")
        changes["embedding_model"] = models[options["model"]]
    if options["languages"]:
        named = options["languages"].replace(" ", "").lower()
        changes["languages"] = [] if named == "all" else named.split(",")
    return {field: value for field, value in changes.items() if value is not None}


def _described(version: IndexVersion) -> dict[str, object]:
    is_kept = version.state in (IndexVersion.State.READY, IndexVersion.State.BUILDING)
    return {
        "index": version.index.name,
        "version": version.number,
        "live": version.is_live,
        "state": version.get_state_display().lower(),
        "error": version.error,
        "backend": version.backend_name,
        "embedding_model": version.embedding_model,
        "dimensions": version.dimensions,
        "chunk_tokens": version.chunk_tokens,
        "chunk_overlap": version.chunk_overlap,
        "languages": version.languages,
        "progress": asdict(versions.progress(version)) if is_kept else None,
        "embedded": version.embedded,
        "tokens": version.tokens,
        "retired_at": version.retired_at,
    }


def _told(row: dict) -> str:
    """One line on how far a version is."""
    found = row["progress"]
    if found is None:
        return row["error"] or row["state"]
    pace = f", {found['chunks_a_second']:.0f} chunks/s" if row["state"] == "being built" else ""
    waits = f"; {row['error']}" if row["error"] else ""
    return f"{found['documents_done']:,} of {found['documents']:,} documents ({found['share']:.0%}){pace}{waits}"
