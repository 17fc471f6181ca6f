"""Every way on which a word of a document can reach somebody, as something that can be tried.

The first kind asks the library itself, for everybody and everything; the second goes through the pages and the API.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import Client
from django.test.client import ClientHandler
from django.urls import reverse

from chat.answering import answer
from chat.conversations.finding import find as find_said
from chat.conversations.turns import shared_turns
from chat.events import Question
from chat.llm import Extractive
from chat.models import Citation, Conversation, Gap, Message
from chat.permissions.world import Canary, Prober, World
from documents import retrieval
from documents.embeddings import sentence_vectors
from documents.models import Chunk, Collection, Document, DocumentEvent, Page
from documents.openai_api.ids import FILE, STORE, public
from documents.retrieval import Scope, keeping
from documents.search import Mode
from project.deployments import UNUSABLE, chosen

Seen = tuple[Canary, bool]  # what was tried, and whether its seal came


@dataclass(frozen=True)
class Path:
    """`tried` says of each canary whether its seal reached the prober; `is_whole`: it must reach who may read it."""

    name: str
    tried: Callable[[World, Prober], Iterator[Seen]]
    is_whole: bool = True
    by_key: bool = False  # by a program with a key, and not by a person who signed in
    is_for_all: bool = True  # Else one of each role tries it, for it takes long.


# Of the library itself -----------------------------------------------------------------------------------------------
def _by_ids(ids: Callable[[Prober], Sequence[Any]]) -> Callable[[World, Prober], Iterator[Seen]]:
    def tried(world: World, who: Prober) -> Iterator[Seen]:
        found = set(ids(who))
        yield from ((canary, canary.document in found) for canary in world.canaries)

    return tried


def _texts(world: World, who: Prober) -> Iterator[Seen]:
    readable = Document.objects.for_user(who.user)
    text = " ".join(Page.objects.filter(document__in=readable).values_list("text", flat=True)[:100_000])
    yield from ((canary, canary.seal in text) for canary in world.canaries)


def _searched(mode: Mode, narrowing: str = "") -> Callable[[World, Prober], Iterator[Seen]]:
    """Asked for all the words of a collection at once: it finds all of them, or none."""

    def tried(world: World, who: Prober) -> Iterator[Seen]:
        for collection in world.collections:
            canaries = world.of(collection)
            query = " ".join(canary.word for canary in canaries)
            scope = Scope(
                mode,
                collections=[collection] if narrowing == "collections" else None,
                documents=[canary.document for canary in canaries] if narrowing == "documents" else None,
            )
            found = retrieval.find(query, who.user, scope, top=2 * len(canaries)).passages
            text = " ".join(f"{each.text} {each.document_name}" for each in found)
            yield from ((canary, canary.seal in text) for canary in canaries)

    return tried


def _kept(world: World, who: Prober) -> Iterator[Seen]:
    """An answer that was kept for somebody else: its places are fetched anew."""
    for canary in world.canaries:
        assert canary.citation is not None
        text = canary.citation.text
        place = {
            "chunk": 0, "document": str(canary.document), "page": 1, "span": [0, len(text)], "section": "", "score": 1,
            "keyword": None, "vector": None, "digest": keeping._digest(text),
        }  # fmt: skip
        yield canary, bool(keeping.fetched([place], who.user))


def _sources(world: World, who: Prober) -> Iterator[Seen]:
    """The sources of an answer that somebody else was given a link to."""
    for canary in _few(world):
        rows = Message.objects.filter(citations=canary.citation).select_related("reply_to", "conversation")
        turns = shared_turns(rows, who.user)
        told = [f"{each.text} {each.title}" for turn in turns for each in (*turn.citations, *turn.retrieved)]
        yield canary, canary.seal in " ".join(told)


def _said(rows: Callable[[Prober], Sequence[str]]) -> Callable[[World, Prober], Iterator[Seen]]:
    def tried(world: World, who: Prober) -> Iterator[Seen]:
        text = " ".join(rows(who))
        yield from ((talk, talk.seal in text) for talk in world.talks)

    return tried


def _found_again(world: World, who: Prober) -> Iterator[Seen]:
    for talk in world.talks:
        found = find_said(who.user, talk.word)
        yield talk, any(talk.seal in str(each.title) + str(each.excerpt) for each in found)


def _news(world: World, who: Prober) -> Iterator[Seen]:
    citations = Citation.objects.filter(gap__in=Gap.objects.told_to(who.user))
    documents = set(citations.values_list("document", flat=True))
    yield from ((talk, talk.document in documents) for talk in world.talks)


def _answered(world: World, who: Prober) -> Iterator[Seen]:
    """The whole way from a question to an answer; without a model, so that nothing is paid or sent away."""
    extractive = Extractive(sentence_vectors())

    async def events(question: Question) -> str:
        return " ".join([repr(event) async for event in answer(question, extractive)])

    for canary in _few(world):
        question = Question(_question(canary), who.user, is_fresh=True)
        yield canary, canary.seal in async_to_sync(events)(question)


def _few(world: World) -> list[Canary]:
    """Two of each collection, of which one is a PDF."""
    return [canary for collection in world.collections for canary in world.of(collection)[:2]]


WITHIN = [
    Path("collections", lambda world, who: (
        (canary, canary.collection in found)
        for found in [set(Collection.objects.for_user(who.user).values_list("pk", flat=True))]
        for canary in world.canaries
    )),
    Path("documents", _by_ids(lambda who: list(Document.objects.for_user(who.user).values_list("pk", flat=True)))),
    Path("documents that are searched", _by_ids(
        lambda who: list(Document.objects.for_user(who.user).current().values_list("pk", flat=True))
    )),
    Path("text of pages", _texts),
    Path("passages of documents", _by_ids(lambda who: list(
        Chunk.objects.filter(document__in=Document.objects.for_user(who.user)).values_list("document", flat=True)
    ))),
    Path("events", _by_ids(
        lambda who: list(DocumentEvent.objects.for_user(who.user).values_list("document_id", flat=True))
    )),
    Path("search by words", _searched("keyword")),
    Path("search by meaning", _searched("vector"), is_whole=False),
    Path("search, both", _searched("hybrid")),
    Path("search of named collections", _searched("keyword", "collections")),
    Path("search of named documents", _searched("keyword", "documents")),
    Path("kept answers", _kept),
    Path("sources of shared answers", _sources, is_for_all=False),
    Path("answers without a model", _answered, is_whole=False, is_for_all=False),
    Path("conversations", _said(
        lambda who: list(Conversation.objects.for_user(who.user).values_list("title", flat=True))
    )),
    Path("questions and answers", _said(
        lambda who: list(Message.objects.for_user(who.user).values_list("content", flat=True))
    )),
    Path("search of conversations", _found_again, is_for_all=False),
    Path("news of answered questions", _news),
]  # fmt: skip


# Through the door ----------------------------------------------------------------------------------------------------
@cache
def _handler() -> ClientHandler:
    """One for all: each would load the middleware anew, which takes longer than a request."""
    return ClientHandler(enforce_csrf_checks=False)


class Door:
    """One prober's browser and program."""

    def __init__(self, who: Prober) -> None:
        hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"]
        self.client = Client(raise_request_exception=False, SERVER_NAME=hosts[0] if hosts else "localhost")
        self.client.handler = _handler()
        self.who = who
        self.headers = {"Authorization": f"Bearer {who.secret}"}

    def __enter__(self) -> Door:
        self.client.force_login(self.who.user)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.logout()

    def page(self, url: str) -> str:
        return _body(self.client.get(url, secure=settings.SECURE))

    def call(self, url: str, body: dict[str, Any] | None = None) -> str:
        secure = settings.SECURE
        if body is None:
            return _body(self.client.get(url, headers=self.headers, secure=secure))
        text = json.dumps(body)
        return _body(self.client.post(url, text, content_type="application/json", headers=self.headers, secure=secure))


def _body(response: Any) -> str:
    """What was answered, if it was no refusal; a picture as the word for it."""
    if response.status_code >= 300:
        response.close()
        return ""
    content = response.getvalue() if not response.streaming or not response.is_async else b"".join(_drained(response))
    response.close()
    return "a picture" if response.get("Content-Type", "").startswith("image/") else content.decode("utf-8", "replace")


def _drained(response: Any) -> list[bytes]:
    async def pieces() -> list[bytes]:
        return [piece async for piece in response]

    return async_to_sync(pieces)()


def _at(address: Callable[[Canary], str], *, seal: str = "") -> Callable[[World, Prober], Iterator[Seen]]:
    """A page of each canary; `seal`: what it shows in place of the canary's own."""

    def tried(world: World, who: Prober) -> Iterator[Seen]:
        with Door(who) as door:
            for canary in _few(world):
                if not seal or canary.is_drawn:
                    yield canary, (seal or canary.seal) in door.page(address(canary))

    return tried


def _talked(address: Callable[[Canary], str]) -> Callable[[World, Prober], Iterator[Seen]]:
    def tried(world: World, who: Prober) -> Iterator[Seen]:
        with Door(who) as door:
            yield from ((talk, talk.seal in door.page(address(talk))) for talk in world.talks)

    return tried


def _called(
    address: Callable[[Canary], str], body: Callable[[Canary], dict[str, Any]] | None = None, *, seal: str = ""
) -> Callable[[World, Prober], Iterator[Seen]]:
    def tried(world: World, who: Prober) -> Iterator[Seen]:
        door = Door(who)
        for canary in _few(world):
            yield canary, (seal or canary.seal) in door.call(address(canary), body(canary) if body else None)

    return tried


def _listed(url: str) -> Callable[[World, Prober], Iterator[Seen]]:
    """One call that tells of everything."""

    def tried(world: World, who: Prober) -> Iterator[Seen]:
        text = Door(who).call(url)
        yield from ((canary, canary.seal in text) for canary in world.canaries)

    return tried


def _question(canary: Canary) -> str:
    return f"What is the register of {canary.word} sealed with?"


def _document(name: str, *more: Any) -> Callable[[Canary], str]:
    return lambda canary: reverse(name, args=[canary.document, *more])


def _conversation(name: str) -> Callable[[Canary], str]:
    def address(talk: Canary) -> str:
        assert talk.answer is not None
        return reverse(name, args=[talk.answer.conversation_id])

    return address


def _link(canary: Canary) -> str:
    assert canary.citation is not None
    return canary.citation.panel_url


PAGES = [
    Path("page of a document", _at(_document("document"))),
    Path("receipt", _at(_document("document-receipt"))),
    Path("passages, as a page", _at(_document("document-passages"))),
    Path("text of a page", _at(_document("page", 1)), is_whole=False),
    Path("image of a page", _at(_document("page-image", 1), seal="a picture"), is_whole=False),
    Path("original", _at(_document("document-original")), is_whole=False),
    Path("library, searched by name", _at(lambda canary: f"{reverse('library')}?q={canary.seal[:8]}"), is_whole=False),
    Path("permanent links", _at(_link), is_whole=False),
    Path("shared conversations", _at(lambda canary: reverse("shared", args=[canary.token])), is_whole=False),
    Path("page of a conversation", _talked(_conversation("conversation"))),
    Path("export as Markdown", _talked(_conversation("conversation-markdown"))),
    Path("export as JSON", _talked(_conversation("conversation-json"))),
    Path("suggested questions", _talked(
        lambda talk: reverse("message-next", args=[talk.answer.pk if talk.answer else 0])
    )),
]  # fmt: skip
LISTS = [
    Path("API: documents", _listed("/api/documents?limit=1000"), is_whole=False, by_key=True),
    Path("API: events", _listed("/api/events?limit=1000"), is_whole=False, by_key=True),
]  # fmt: skip
CALLS = [
    Path("API: a document", _called(lambda canary: f"/api/documents/{canary.document}"), by_key=True),
    Path("API: original", _called(lambda canary: f"/api/documents/{canary.document}/original"), is_whole=False,
         by_key=True),
    Path("API: search", _called(lambda _: "/api/search", lambda canary: {"query": canary.word}), by_key=True),
    Path("API: search by meaning", _called(
        lambda _: "/api/search", lambda canary: {"query": canary.word, "mode": "vector"}
    ), is_whole=False, by_key=True),
    Path("API: explain", _called(lambda _: "/api/explain", lambda canary: {
        "query": canary.word, "about": [{"document": str(canary.document)}]
    }, seal='"rank"'), is_whole=False, by_key=True),
    Path("API: vector store search", _called(
        lambda canary: f"/v1/vector_stores/{public(STORE, canary.collection)}/search",
        lambda canary: {"query": canary.word},
    ), by_key=True),
    Path("API: a file", _called(lambda canary: f"/v1/files/{public(FILE, canary.document)}"), by_key=True),
    Path("API: content of a file", _called(
        lambda canary: f"/v1/files/{public(FILE, canary.document)}/content"
    ), is_whole=False, by_key=True),
]  # fmt: skip
ANSWERS = [
    Path("API: chat completions", _called(lambda _: "/v1/chat/completions", lambda canary: {
        "model": "default", "messages": [{"role": "user", "content": _question(canary)}]
    }), is_whole=False, by_key=True),
    Path("API: responses", _called(lambda _: "/v1/responses", lambda canary: {
        "model": "default", "input": _question(canary)
    }), is_whole=False, by_key=True),
]  # fmt: skip


def door_paths() -> list[Path]:
    """Those that ask a model are left out where one is set up: nobody is to pay for a proof."""
    try:
        is_free = chosen("") is None
    except UNUSABLE:
        is_free = False
    slow = [replace(path, is_for_all=False) for path in (*PAGES, *CALLS, *(ANSWERS if is_free else []))]
    return [*LISTS, *slow]
