"""The embedding model of a service, asked in requests as large as it takes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db import connection

from documents.embeddings.vectors import EmbeddingBusy, EmbeddingUnavailable, Heed, Part, readable, unit_length
from project import provider, spending
from project.catalogue import Model, model_of
from project.spending import BudgetSpent, Payer
from project.tokens import count_tokens

WINDOW_TOKENS = 8_191
REQUEST_TEXTS = 2_048
REQUEST_TOKENS = 200_000  # The services take 300,000; what they count may differ from what we do.
REQUEST_SECONDS = 60.0
QUERY_SECONDS = 10.0
WINDOW_LEAST = 64  # A model that takes no more than that is none for passages.
BUDGET_LOOK_SECONDS = 600.0  # Spent is looked at again this often: a limit may be raised before the day is over.
HEED_SECONDS = 0.2  # between two looks whether what is waited for is still wanted
SOON_SECONDS = 2.0  # as long as somebody who searches is kept waiting for a second try


Answer = tuple[np.ndarray, provider.Tokens]


def remote_model_name() -> str:
    """The service's model, its source and the asked dimensions with it, as indexes and the cache know it; else "".

    Vectors of two models, or of one model in two lengths, never meet under one name.
    """
    source, model = provider.embedding_model()
    if not model:
        return ""
    name = f"{source}:{model}" + (f"@{settings.EMBEDDING_DIMENSIONS}" if settings.EMBEDDING_DIMENSIONS else "")
    return name if len(name) <= 120 else f"{name[:103]}#{hashlib.sha256(name.encode()).hexdigest()[:16]}"


class RemoteEmbedder:
    """The service's model. Whatever it answers costs, and is noted; a text too long for it is embedded in windows."""

    languages: frozenset[str] | None = None

    def __init__(self, name: str, asked: int, held: int, payer: Payer) -> None:
        self.name = name
        self.payer = payer
        self.dimensions = asked or held
        self._asked = asked or None
        self._model = provider.embedding_model()[1]

    def embed(self, texts: Sequence[str], seconds: float = REQUEST_SECONDS, *, is_urgent: bool = False) -> np.ndarray:
        parts = self.parts(texts, seconds=seconds, is_urgent=is_urgent)
        found = {place: vector for part in parts for place, vector in part.vectors.items()}
        return np.vstack([found[place] for place in range(len(texts))])

    def parts(
        self,
        texts: Sequence[str],
        heed: Heed | None = None,
        *,
        seconds: float = REQUEST_SECONDS,
        is_urgent: bool = False,
    ) -> Iterator[Part]:
        """Windows of one text may lie in two requests: its vector comes with the last, their mean by length."""
        windows = [_Window(owner, *window) for owner, text in enumerate(readable(texts)) for window in windows_of(text)]
        left = Counter(window.owner for window in windows)
        sums: dict[int, np.ndarray] = {}
        todo = deque(_requests(windows))
        while todo:
            request = todo.popleft()
            try:
                vectors, tokens = self._ask([window.text for window in request], seconds, is_urgent, heed)
            except provider.ProviderTooLong as exc:  # Models behind servers of one's own may take but 512 tokens.
                if not (shorter := _halved(request)):
                    raise EmbeddingUnavailable(str(exc), "embedding_refused") from exc
                left.update(window.owner for window in shorter)
                left.subtract(window.owner for window in request)
                todo.extendleft(reversed(list(_requests(shorter))))
                continue
            for window, vector in zip(request, unit_length(vectors), strict=True):
                sums[window.owner] = sums.get(window.owner, 0) + vector * window.tokens
                left[window.owner] -= 1
            whole = [owner for owner in sums if not left[owner]]
            yield Part({owner: unit_length(sums.pop(owner)[None])[0] for owner in whole}, tokens)

    def query(self, text: str) -> np.ndarray:
        ends = time.monotonic() + QUERY_SECONDS
        try:
            return self.embed([text], QUERY_SECONDS, is_urgent=True)[0]
        except EmbeddingBusy as exc:
            pause = 0.2 if exc.told is None else exc.told
            if pause > SOON_SECONDS or time.monotonic() + pause > ends - 1:
                raise
        time.sleep(pause)
        return self.embed([text], ends - time.monotonic(), is_urgent=True)[0]

    def _ask(self, texts: list[str], seconds: float, is_urgent: bool, heed: Heed | None) -> tuple[np.ndarray, int]:
        ask = partial(
            provider.embed, texts, model=self._model, dimensions=self._asked, timeout=seconds, is_urgent=is_urgent
        )
        try:
            spending.check(self.payer)
            vectors, spent = _heeding(ask, heed, self._note_late) if heed else ask()
        except BudgetSpent as exc:
            raise EmbeddingBusy(str(exc), min(exc.retry_after, BUDGET_LOOK_SECONDS)) from exc
        except provider.ProviderBusy as exc:
            raise EmbeddingBusy(str(exc), exc.retry_after) from exc
        except provider.ProviderMisconfigured as exc:
            raise EmbeddingUnavailable(str(exc), "embedding_refused") from exc
        self._note(spent)
        if self.dimensions not in (0, vectors.shape[1]):
            came = f"The embedding service returns vectors of {vectors.shape[1]:,} numbers"
            fault = EmbeddingUnavailable(f"{came}; this index holds {self.dimensions:,}.", "embedding_length")
            fault.tokens = spent.input
            raise fault
        return vectors, spent.input

    def _note(self, spent: provider.Tokens) -> None:
        if spent.input:
            spending.note(self.name, self.payer, spent, base=_base(self._model))

    def _note_late(self, answered: Future[Answer]) -> None:
        """Nobody waits for it any more; it was paid for all the same."""
        if not answered.exception():
            self._note(answered.result()[1])


def _heeding(ask: Callable[[], Answer], heed: Heed, too_late: Callable[[Future[Answer]], None]) -> Answer:
    """What is answered. It is waited for in a thread, so that what `heed` raises need not wait for a silent service."""
    answered: Future[Answer] = Future()

    def wait() -> None:
        try:
            answered.set_result(ask())
        except Exception as exc:  # noqa: BLE001 — whoever waits gets it.
            answered.set_exception(exc)
        finally:
            connection.close()  # The thread's own, if it came to need one.

    threading.Thread(target=wait, daemon=True).start()
    try:
        while not futures.wait([answered], HEED_SECONDS).done:
            heed()
    except BaseException:
        answered.add_done_callback(too_late)
        raise
    return answered.result()


def _base(model: str) -> Model:
    """What is known of the service's model; the price of the settings stands above that of the catalogue."""
    known = model_of(model, own=Path(settings.CATALOGUE_FILE) if settings.CATALOGUE_FILE else None)
    return replace(known, input_price=settings.EMBEDDING_PRICE) if settings.EMBEDDING_PRICE else known


class _Window(NamedTuple):
    owner: int  # the place of its text
    text: str
    tokens: int


def windows_of(text: str, room: int = WINDOW_TOKENS) -> list[tuple[str, int]]:
    """The text in nearly equal windows that fit the model, each with its tokens; nothing is left out.

    >>> windows_of("Rent is due in May.", room=3)
    [('Rent is d', 3), ('ue in', 2), (' May.', 2)]
    """
    tokens = count_tokens(text)
    if tokens <= room or len(text) < 2:
        return [(text or " ", max(1, tokens))]  # No service takes an empty one.
    count = min(-(-tokens // room), len(text))
    edges = [len(text) * number // count for number in range(count + 1)]
    return [window for start, end in pairwise(edges) for window in windows_of(text[start:end], room)]


def _halved(windows: Sequence[_Window]) -> list[_Window]:
    """The same texts in windows half as long as the longest; none when that were too short."""
    room = max(window.tokens for window in windows) // 2
    if room < WINDOW_LEAST:
        return []
    return [_Window(window.owner, *shorter) for window in windows for shorter in windows_of(window.text, room)]


def _requests(windows: Sequence[_Window]) -> Iterator[list[_Window]]:
    """As many at a time as a service takes."""
    request: list[_Window] = []
    tokens = 0
    for window in windows:
        if request and (len(request) == REQUEST_TEXTS or tokens + window.tokens > REQUEST_TOKENS):
            yield request
            request, tokens = [], 0
        request.append(window)
        tokens += window.tokens
    if request:
        yield request
