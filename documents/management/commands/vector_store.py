"""Keep a collection as a vector store at a model service, for deployments that answer by file_search."""

import json
import sys
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from documents import stores
from documents.models import Collection, VectorStore
from project.accounts import named_user
from project.deployments import Connection, Deployment, DeploymentsError, UnknownDeployment, chosen
from project.provider import ProviderError


class Command(BaseCommand):
    help = "Create, update, look at and delete vector stores. Exit code 1: something failed, or is not as it should be."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, says in (
            ("create", "Make a store for a collection and fill it."),
            ("update", "Bring a store to what the library is now; run again, it goes on where it stopped."),
            ("status", "How a store stands beside the library."),
            ("delete", "Delete a store and its files at the service."),
            ("list", "Every store of what the person may read."),
        ):
            one = verbs.add_parser(verb, help=says, description=says)
            if verb != "list":
                one.add_argument("collection", help="By name or id.")
                one.add_argument("--deployment", default="", help="Whose service; left out: the default one's.")
            one.add_argument("--user", default="admin", help="As whom: only what this person may read goes there.")
            one.add_argument("--json", action="store_true")

    def handle(self, *args, verb: str, **options) -> None:
        try:
            getattr(self, f"do_{verb}")(options)
        except (stores.StoreRefused, ProviderError, DeploymentsError, UnknownDeployment) as exc:
            raise CommandError(str(exc)) from exc

    def do_create(self, options: dict) -> None:
        connection = _deployment(options).connection
        collection = _collection(options, editable=True)
        store, is_new = stores.create(collection, connection)
        self._fill(store, connection, options, is_new=is_new)

    def do_update(self, options: dict) -> None:
        store, connection = _store(options, editable=True)
        self._fill(store, connection, options, is_new=False)

    def do_status(self, options: dict) -> None:
        store, _ = _store(options)
        self._report(store, stores.standing(store, named_user(options["user"])), options)

    def do_delete(self, options: dict) -> None:
        store, connection = _store(options, editable=True)
        said = {"deleted": store.remote_id, "connection": store.connection}
        stores.delete(store, connection)
        self.stdout.write(json.dumps(said) if options["json"] else f"Deleted at {connection.name}.")

    def do_list(self, options: dict) -> None:
        user = named_user(options["user"])
        rows = [
            _described(store, stores.standing(store, user))
            for store in VectorStore.objects.for_user(user).select_related("collection").order_by("pk")
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            self.stdout.write(f"{row['collection']} at {row['connection']}: {_told(row)}")

    def _fill(self, store: VectorStore, connection: Connection, options: dict, *, is_new: bool) -> None:
        with tqdm(disable=options["json"] or not sys.stderr.isatty(), unit="file") as bar:

            def watch(what: str, done: int, total: int) -> None:
                bar.set_description(what)
                bar.total, bar.n = total, done
                bar.refresh()

            found = stores.update(store, connection, named_user(options["user"]), watch)
        self._report(store, found, options, is_new=is_new)

    def _report(self, store: VectorStore, found: stores.Standing, options: dict, **more: object) -> None:
        row = _described(store, found) | more
        self.stdout.write(json.dumps(row, indent=2) if options["json"] else f"{store}: {_told(row)}")
        if found.failed or found.waiting or found.missing or found.outdated:
            sys.exit(1)


def _deployment(options: dict) -> Deployment:
    deployment = chosen(options["deployment"])
    if deployment is None:
        raise CommandError(
            "There is no model: set OPENAI_CHAT_MODEL, AZURE_OPENAI_CHAT_DEPLOYMENT or LECTERN_DEPLOYMENTS."
        )
    return deployment


def _collection(options: dict, *, editable: bool = False) -> Collection:
    user, name = named_user(options["user"]), options["collection"]
    rows = Collection.objects.editable_by(user) if editable else Collection.objects.for_user(user)
    found = [row for row in rows if name in (row.name, str(row.pk))]
    if not found:
        raise CommandError(f"{user} has no collection “{name}”{' to change' if editable else ''}.")
    if len(found) > 1:
        raise CommandError(f"{user} has several collections “{name}”: give the id of one.")
    return found[0]


def _store(options: dict, *, editable: bool = False) -> tuple[VectorStore, Connection]:
    connection, collection = _deployment(options).connection, _collection(options, editable=editable)
    store = VectorStore.objects.filter(collection=collection, connection=connection.name).first()
    if store is None:
        raise CommandError(f"“{collection}” has no vector store at {connection.name}: manage.py vector_store create")
    return store, connection


def _described(store: VectorStore, found: stores.Standing) -> dict[str, object]:
    return {
        "collection": str(store.collection),
        "connection": store.connection,
        "vector_store_id": store.remote_id,
        **asdict(found),
        "errors": {str(file.document): file.error for file in store.files.filter(state="failed")},
    }


def _told(row: dict) -> str:
    parts = [f"{row['ready']:,} documents ready"]
    parts += [f"{row[name]:,} {name}" for name in ("failed", "waiting", "missing", "outdated") if row[name]]
    return ", ".join([*parts, *(f"{name}: {error}" for name, error in row["errors"].items())])
