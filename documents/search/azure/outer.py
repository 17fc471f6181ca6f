"""Search an index at Azure AI Search that is not Lectern's: its own fields, and the sign-in that the caller brings.

Nothing here decides whether a service may be called at all: whoever calls asks that first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from azure.core.credentials import AccessToken, AzureKeyCredential, TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.search.documents import SearchClient
from azure.search.documents.models import VectorizableTextQuery, VectorizedQuery

from documents.search import SearchBusy, SearchError, SearchUnavailable
from documents.search.azure.bounded import in_time, transport
from documents.search.azure.calls import CONNECT_S, NO_ANSWER, PATIENCE_S, UNREADABLE, is_loopback, is_repeated, told

log = logging.getLogger(__name__)

SECONDS = 10.0
NEIGHBOURS = 50  # of the vector, before they are put together with what the words found
TEXT_MOST, NAME_MOST = 50_000, 2_000  # Letters kept of a passage, and of what is told beside it.
USUAL_FIELDS = {"title": ("title",), "url": ("url",), "filepath": ("filepath", "filename"), "content": ("content",)}


@dataclass(frozen=True)
class OuterIndex:
    """Where it is, who asks, and which of its fields is what. Secrets are in no repr."""

    endpoint: str
    name: str
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    title_field: str = ""
    url_field: str = ""
    filepath_field: str = ""
    content_fields: Sequence[str] = ()
    vector_fields: Sequence[str] = ()
    separator: str = "\n"


@dataclass(frozen=True)
class OuterQuery:
    """What is asked. `vector` is the question's, or True where the service is to make it."""

    text: str  # "": by meaning alone
    vector: Sequence[float] | bool = False
    semantic_configuration: str = ""
    words_for_vector: str = ""
    filter: str = ""
    top: int = 20


@dataclass(frozen=True)
class OuterHit:
    """A row, with the scores as the service tells them."""

    text: str
    title: str
    url: str
    filepath: str
    key: str
    score: float
    reranked: float | None
    cosine: float | None = None  # where words and meaning were asked for, and the service tells of each


def search(index: OuterIndex, query: OuterQuery) -> list[OuterHit]:
    """Best first. Raises SearchBusy, and SearchUnavailable with what the service objects to."""
    rows = _asked(index, _request(index, query))
    try:
        return [_hit(index, row) for row in rows]
    except UNREADABLE as exc:
        log.warning("an answer of an outer index cannot be read: %s", type(exc).__name__)
    raise SearchBusy(NO_ANSWER, PATIENCE_S)


def _request(index: OuterIndex, query: OuterQuery) -> dict[str, Any]:
    request: dict[str, Any] = {"top": query.top, "search_text": query.text or None}
    if query.filter:
        request["filter"] = query.filter
    if query.semantic_configuration:
        request |= {"query_type": "semantic", "semantic_configuration_name": query.semantic_configuration}
        request |= {} if query.text else {"semantic_query": query.words_for_vector}
    if query.vector is not False:
        request["vector_queries"] = [_nearest(query, name) for name in index.vector_fields]
        request |= {"debug": "vector"} if query.text else {}
    return request


def _nearest(query: OuterQuery, name: str) -> VectorizedQuery | VectorizableTextQuery:
    if query.vector is True:
        return VectorizableTextQuery(text=query.words_for_vector, k_nearest_neighbors=NEIGHBOURS, fields=name)
    assert not isinstance(query.vector, bool)
    return VectorizedQuery(vector=list(query.vector), k_nearest_neighbors=NEIGHBOURS, fields=name)


def _asked(index: OuterIndex, request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One try and one repeat: whoever asked waits for it."""
    ends = time.monotonic() + SECONDS
    for is_last in (False, True):
        left = max(ends - time.monotonic(), 0.1)
        try:
            return in_time(partial(_rows, index, request, left), left)
        except (AzureError, *UNREADABLE) as exc:
            fault = _fault(exc, index)
        if is_last or isinstance(fault, SearchUnavailable) or time.monotonic() + 1 > ends:
            break
    raise fault  # Here, and so without its cause, which may repeat a key.


def _rows(index: OuterIndex, request: Mapping[str, Any], seconds: float) -> list[Mapping[str, Any]]:
    limits: dict[str, Any] = {"retry_total": 0, "connection_timeout": min(CONNECT_S, seconds), "read_timeout": seconds}
    if index.token and is_loopback(index.endpoint):
        limits["enforce_https"] = False
    credential = _Given(index.token) if index.token else AzureKeyCredential(index.key)
    # A service that may be called must not send us on to one that may not.
    with SearchClient(index.endpoint, index.name, credential, transport=transport(), permit_redirects=False) as client:
        return list(client.search(**request, **limits))


class _Given(TokenCredential):
    """A token that was brought along; it cannot be renewed."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3_600)


def _fault(exc: Exception, index: OuterIndex) -> SearchError:
    status = getattr(exc, "status_code", None) or 0
    log.warning("search of an outer index failed: %s status=%s", type(exc).__name__, status)
    if not isinstance(exc, HttpResponseError) or is_repeated(status) or status < 400:
        sentence = "The search service is busy." if status else "The search service cannot be reached."
        return SearchBusy(sentence, told(exc) or PATIENCE_S)
    if status in {401, 403}:
        return SearchUnavailable(f"The search service refuses the sign-in (status {status}).", "search_key")
    if status == 404:
        return SearchUnavailable(f"The search service has no index “{index.name[:100]}”.", "search_index_missing")
    said = " ".join(str(getattr(exc, "message", "")).split())[:300]
    for secret in filter(None, (index.key, index.token)):
        said = said.replace(secret, "…")
    return SearchUnavailable(f"The search service refused the query (status {status}). {said}".strip())


def _hit(index: OuterIndex, row: Mapping[str, Any]) -> OuterHit:
    anew = row.get("@search.reranker_score")
    key = row.get("chunk_id") or row.get("id") or row.get("key") or ""
    return OuterHit(
        text=_content(index, row)[:TEXT_MOST],
        title=_one(row, index.title_field, "title"),
        url=_one(row, index.url_field, "url"),
        filepath=_one(row, index.filepath_field, "filepath"),
        key=str(key)[:NAME_MOST],
        score=float(row["@search.score"]),
        reranked=None if anew is None else float(anew),
        cosine=_cosine(row),
    )


def _cosine(row: Mapping[str, Any]) -> float | None:
    debug = row.get("@search.document_debug_info")
    told = debug.vectors.subscores if debug and debug.vectors else None
    by_field = [one for each in (told and told.vectors) or () for one in each.values()]
    return max((one.vector_similarity for one in by_field if one.vector_similarity is not None), default=None)


def _content(index: OuterIndex, row: Mapping[str, Any]) -> str:
    """The fields that hold the text; where nobody names them, the usual one, or else the longest text there is."""
    if index.content_fields:
        return index.separator.join(filter(None, (_words(row.get(name)) for name in index.content_fields)))
    if usual := _one(row, "", "content"):
        return usual
    return max((_words(value) for name, value in row.items() if not name.startswith("@")), key=len, default="")


def _one(row: Mapping[str, Any], named: str, what: str) -> str:
    names = (named,) if named else USUAL_FIELDS[what]
    found = next(filter(None, (_words(row.get(name)) for name in names)), "")
    return found if what == "content" else found[:NAME_MOST]


def _words(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""
