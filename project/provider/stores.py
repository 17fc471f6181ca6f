"""Files and vector stores at a model service: what file_search and the code interpreter read.

Small calls that block. A service keeps what it is given until it is told to delete it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import httpx2
import openai

from project.deployments import Connection
from project.provider.connections import client
from project.provider.errors import ProviderBusy, ProviderError, ours

TIMEOUT = httpx2.Timeout(60, connect=5)
RETRIES = 3  # By the package, which waits as it is told: no other retry lies above these calls.
BATCH_MOST = 500  # Files that Azure takes into a store in one go; OpenAI takes 2,000.

ID = re.compile(r"[\w.-]{1,200}")  # It becomes part of an address.
UNREADABLE = "The service gave an answer that cannot be read."

FileState = Literal["in_progress", "completed", "failed", "cancelled"]


class ProviderGone(ProviderError):
    """What was named is not at the service any more: somebody deleted it there, or it expired."""


@dataclass(frozen=True)
class Counts:
    """How far the files of a batch are."""

    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


@dataclass(frozen=True)
class StoredFile:
    """A file as a vector store holds it. `error` is the service's own code."""

    file_id: str
    state: FileState
    error: str = ""


# Files ---------------------------------------------------------------------------------------------------------------
def upload(connection: Connection, name: str, content: bytes, *, lives_s: int = 0) -> str:
    """The id of a file that is kept at the service, for `lives_s` seconds at most if that is told."""
    lifetime: Any = {"anchor": "created_at", "seconds": lives_s} if lives_s else openai.omit
    with _service(connection) as called:
        # Azure knows no other purpose for what its tools read.
        return _id(called.files.create(file=(name, content), purpose="assistants", expires_after=lifetime))


def delete_file(connection: Connection, file_id: str) -> None:
    """Delete a file, and so take it out of every store. One that is gone is no error."""
    with _service(connection, gone_is_well=True) as called:
        called.files.delete(file_id)


# Vector stores -------------------------------------------------------------------------------------------------------
def create_store(connection: Connection, name: str) -> str:
    with _service(connection) as called:
        return _id(called.vector_stores.create(name=name))


def delete_store(connection: Connection, store_id: str) -> None:
    """Delete a store; its files stay. One that is gone is no error."""
    with _service(connection, gone_is_well=True) as called:
        called.vector_stores.delete(store_id)


def attach(connection: Connection, store_id: str, file_ids: Sequence[str]) -> str:
    """Have a store take files in, at most BATCH_MOST; the id of the batch, whose progress can be asked for."""
    with _service(connection) as called:
        return _id(called.vector_stores.file_batches.create(store_id, file_ids=list(file_ids)))


def batch_counts(connection: Connection, store_id: str, batch_id: str) -> Counts:
    with _service(connection) as called:
        return _counts(called.vector_stores.file_batches.retrieve(batch_id, vector_store_id=store_id).file_counts)


def stored_files(connection: Connection, store_id: str) -> list[StoredFile]:
    """Every file of a store, whatever its state."""
    with _service(connection) as called:
        rows = called.vector_stores.files.list(store_id, limit=100)
        return [StoredFile(row.id, row.status, row.last_error.code if row.last_error else "") for row in rows]


def detach(connection: Connection, store_id: str, file_id: str) -> None:
    """Take a file out of a store, so that it is found no more. One that is gone is no error."""
    with _service(connection, gone_is_well=True) as called:
        called.vector_stores.files.delete(file_id, vector_store_id=store_id)


def _id(told: Any) -> str:
    if not isinstance(told.id, str) or not ID.fullmatch(told.id):
        raise ProviderBusy(UNREADABLE)
    return told.id


def _counts(told: Any) -> Counts:
    numbers = [getattr(told, name, None) for name in Counts.__dataclass_fields__]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ProviderBusy(UNREADABLE)
    return Counts(*cast("list[int]", numbers))


# The connection ------------------------------------------------------------------------------------------------------
@contextmanager
def _service(connection: Connection, *, gone_is_well: bool = False) -> Iterator[openai.OpenAI]:
    """A client; what it raises becomes one of our errors. The service's own words stay out of them."""
    try:
        with client(connection, TIMEOUT) as called:
            yield called.with_options(max_retries=RETRIES)
    except openai.NotFoundError as exc:
        if not gone_is_well:
            raise ProviderGone("The file or vector store is not at the service any more.") from exc
    except (openai.APIError, httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as exc:
        raise ours(exc, connection.name) from exc
    except (AttributeError, TypeError, ValueError) as exc:  # The package takes any shape, and stumbles over it later.
        raise ProviderBusy(UNREADABLE) from exc
