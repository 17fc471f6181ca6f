"""Calling Azure AI Search: who we are, how long we wait and how often we ask, and what went wrong as our errors."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial, wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from azure.core.credentials import AzureKeyCredential, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from django.conf import settings

from documents.search import SearchBusy, SearchError, SearchUnavailable
from documents.search.azure.bounded import in_time
from project.waiting import retry_after

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

CONNECT_S = 3.0
BATCH_ROWS, BATCH_BYTES = 1_000, 15_000_000  # The service takes 16 MB.
PAUSE_S = 0.5  # before the first repeat, doubled for each further one
PATIENCE_S = 15.0  # that a caller is told to have when the service does not say
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)  # what reading an odd answer ends in
NO_ANSWER = "The search service gave an answer that cannot be read."
AGAIN = frozenset({408, 409, 412, 422, 425, 429})  # and whatever is a fault on their side


def credential() -> AzureKeyCredential | TokenCredential:
    key = settings.AZURE_SEARCH_KEY
    return AzureKeyCredential(key) if key else _identity(os.getpid())


@lru_cache(maxsize=1)
def _identity(process: int) -> TokenCredential:
    """Kept, because azure-identity renews a token only when it must; a forked worker has one of its own."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_repeated(status: int) -> bool:
    """Whether what was answered so may go well a little later."""
    return status in AGAIN or status >= 500


def call(make: Callable[..., Answer], *args: Any, index: str, seconds: float, **options: Any) -> Answer:
    """What the service answers, asked again while it is busy and the seconds last. Raises SearchError.

    The package's own repeats are off: they wait as long as the service says, without bound.
    """
    if not settings.AZURE_SEARCH_ENDPOINT:
        raise SearchUnavailable("AZURE_SEARCH_ENDPOINT does not say where the search service is.", "search_endpoint")
    ends, pause = time.monotonic() + seconds, PAUSE_S
    while True:
        left = max(ends - time.monotonic(), 0.1)
        limits = {"retry_total": 0, "connection_timeout": min(CONNECT_S, left), "read_timeout": left}
        if not settings.AZURE_SEARCH_KEY and is_loopback(settings.AZURE_SEARCH_ENDPOINT):
            limits["enforce_https"] = False  # Tokens go without TLS to this machine itself, and nowhere else.
        try:
            return in_time(partial(make, *args, **limits, **options), left)
        except (AzureError, UnicodeError) as exc:
            fault, patience = _ours(exc, index), told(exc)
        except UNREADABLE as exc:
            log.warning("search call to %s failed: an answer that is none: %s", index, type(exc).__name__)
            fault, patience = SearchBusy(NO_ANSWER, PATIENCE_S), None
        wait = max(pause, patience or 0.0)
        if isinstance(fault, SearchUnavailable) or time.monotonic() + wait > ends:
            break
        time.sleep(wait)
        pause *= 2
    raise fault  # Here, and so without its cause: what a service says may repeat a key or a document's words.


def reads(verb: Callable[..., Answer]) -> Callable[..., Answer]:
    """For a verb that reads what the service answered: an answer of another shape is a fault of the service's."""

    @wraps(verb)
    def read(*args: Any, **options: Any) -> Answer:
        try:
            return verb(*args, **options)
        except UNREADABLE as exc:
            log.warning("an answer of the search service cannot be read: %s", type(exc).__name__, exc_info=True)
        raise SearchBusy(NO_ANSWER, PATIENCE_S)

    return read


def batches(entries: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Entries by as many as one call may carry."""
    batch: list[dict[str, Any]] = []
    taken = 0
    for entry in entries:
        size = len(json.dumps(entry)) + 40  # and the verb
        if batch and (len(batch) == BATCH_ROWS or taken + size > BATCH_BYTES):
            yield batch
            batch, taken = [], 0
        batch.append(entry)
        taken += size
    if batch:
        yield batch


def told(exc: Exception) -> float | None:
    """Seconds the service asks to wait, if it says so."""
    response = getattr(exc, "response", None)
    return retry_after({name.lower(): value for name, value in response.headers.items()}) if response else None


def _ours(exc: Exception, index: str) -> SearchError:
    """One of our errors for each thing a caller would do differently."""
    status = getattr(exc, "status_code", None) or 0
    code = getattr(getattr(exc, "error", None), "code", None)
    log.warning("search call to %s failed: %s status=%s code=%s", index, type(exc).__name__, status, code)
    if isinstance(exc, UnicodeError):
        return SearchUnavailable("The key of the search service holds letters that no key has.", "search_key")
    if isinstance(exc, ClientAuthenticationError) and not status:
        said = "There is no key for the search service, and the identity of this process cannot sign in."
        return SearchUnavailable(said, "search_key")
    patience = told(exc)
    wait = PATIENCE_S if patience is None else patience
    if not isinstance(exc, HttpResponseError) or not status:
        is_late = "Timeout" in type(exc).__name__
        return SearchBusy(f"The search service {'does not answer' if is_late else 'cannot be reached'}.", wait)
    if is_repeated(status):
        return SearchBusy("The search service is busy.", wait)
    if status < 400:
        return SearchBusy(NO_ANSWER, wait)
    return _refusal(status, f"{code} {getattr(exc, 'message', '')}".lower(), index)


def _refusal(status: int, said: str, index: str) -> SearchUnavailable:
    if "quota" in said:
        return SearchUnavailable("The search service is full: its plan holds no more.", "search_full")
    if status in {401, 403}:
        who = "key" if settings.AZURE_SEARCH_KEY else "identity of this process"
        return SearchUnavailable(f"The search service refuses the {who}.", "search_key")
    if status == 404:
        return SearchUnavailable(f"The search service has no index “{index}”.", "search_index_missing")
    if status == 400:
        return SearchUnavailable(f"The index “{index}” does not take what it was sent: its fields differ.")
    return SearchUnavailable(f"The search service refused the call (status {status}).")
