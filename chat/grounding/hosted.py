"""Answers whose sources the service itself looks into: by file_search, or by code over tables.

Both give the same events as our own search does, and their sources are pages of our own documents.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from chat.events import Cite, Done, Event, Failed, Found, Question, Ran, Source, Status, Text
from chat.grounding.citations import split_markers
from chat.grounding.files import spans_of
from chat.grounding.sources import nearest, passage_of
from chat.moderation import heeded
from chat.prompts import COMPUTING, NOT_FOUND, SEARCHING, TOO_LONG, is_too_long, messages_of
from chat.verification import content_stems
from documents.models import Document, Page, RemoteFile, VectorStore
from documents.retrieval import Passage
from documents.stores import let_go
from project.deployments import Deployment, DeploymentsError, UnknownDeployment, chosen
from project.parameters import Message, Wanted
from project.provider import Call, ProviderError, stores, stream
from project.provider.pieces import CodeRun, Cut, Notice, Quoted, Retrieved, Tokens
from project.tokens import count_tokens

ANSWER_SECONDS = 180
RESULTS_MOST = 8
NO_TOKENS = Tokens(0, 0)
TABLES = ("csv", "xlsx")
FILES_MOST = 10  # Tables that go to the code of one answer.
FILE_LIVES_S = 3600  # Should nobody be left to delete it.
KEPT_LETTERS = 20_000  # Of code, and of what it printed.
SHOWN_LETTERS = 600  # Of a table, as a source.

NO_STORE = (
    "This model searches vector stores at its service, and there is none there of a collection you may read. "
    "An administrator makes one with manage.py vector_store create, or you choose another model."
)
CUT = "The answer was cut off at its limit of tokens. Ask for a part of it."
NOT_RUN = "No code was run for this answer: check its numbers before you rely on them."
TOO_SLOW = f"The answer took longer than {ANSWER_SECONDS} s. What was written is kept."
OFF = "Nothing: this model runs no code. Numbers are read from the passages; check sums yourself."


def hosted(question: Question, notices: Sequence[str] = ()) -> AsyncGenerator[Event] | None:
    """The events of an answer that is found at the service; None when our own search is to find it.

    `notices` are told with the answer.
    """
    deployment = _deployment(question)
    if deployment is None or deployment.api != "responses" or question.grounding == "hybrid":
        return None
    try:
        if deployment.code_interpreter and (tables := tables_of(question)):
            return compute(_Answer(question, deployment, notices=[*notices]), tables)
    finally:
        close_old_connections()
    if deployment.grounding == "file_search" and question.documents is None:  # A store cannot be asked for a part.
        return file_search(_Answer(question, deployment, notices=[*notices]))
    return None


def not_computed(question: Question) -> list[tuple[str, str]]:
    """How an answer on tables was made when no code could be run for it: said, so that nobody takes it for a sum."""
    deployment = _deployment(question)
    is_on = deployment is not None and deployment.api == "responses" and deployment.code_interpreter
    try:
        return [] if is_on or not tables_of(question) else [("Computed", OFF)]
    finally:
        close_old_connections()


def _deployment(question: Question) -> Deployment | None:
    try:
        return chosen(question.deployment)
    except (UnknownDeployment, DeploymentsError):
        return None  # Whoever asks a model says so.


# file_search ---------------------------------------------------------------------------------------------------------
async def file_search(answer: _Answer) -> AsyncGenerator[Event]:
    """An answer from the vector stores of the collections that this person may read."""
    question, deployment = answer.question, answer.deployment
    yield Status("searching", "Searching at the service")
    try:
        store_ids = await sync_to_async(_store_ids)(question, deployment)
    except ProviderError as exc:
        yield Failed(exc.code, str(exc))
        return
    if not store_ids:
        yield Failed("no_vector_store", NO_STORE)
        return
    tool = {"type": "file_search", "vector_store_ids": store_ids, "max_num_results": RESULTS_MOST}
    async with aclosing(answer.events(_messages(SEARCHING, question, question.text), tool)) as events:
        async for event in events:
            yield event


def _store_ids(question: Question, deployment: Deployment) -> list[str]:
    """What may be searched; what is deleted or superseded here is taken out there first."""
    try:
        readable = VectorStore.objects.for_user(question.user).filter(connection=deployment.connection.name)
        if question.collections is not None:
            readable = readable.filter(collection__in=question.collections)
        let_go(RemoteFile.objects.outdated().filter(store__in=readable).select_related("store"), deployment.connection)
        return list(readable.order_by("pk").values_list("remote_id", flat=True))
    finally:
        close_old_connections()


def quoted_passages(question: Question, deployment: Deployment, retrieved: Retrieved) -> list[tuple[str, Passage]]:
    """What the service found, as stretches of our own pages with the ids of their files.

    Of a document that this person may not read, at this moment, nothing is kept. A quotation that is on none of its
    pages stands for the document, without words to light.
    """
    readable = Document.objects.for_user(question.user).current()
    ids = {one.file_id for one in retrieved.citations}
    held = RemoteFile.objects.filter(store__connection=deployment.connection.name, document__in=readable)
    files = held.filter(file_id__in=ids).select_related("document")
    documents = {file.file_id: file.document for file in files if file.document}
    pages: dict[str, list[Page]] = {}
    found: list[tuple[str, Passage]] = []
    for one in retrieved.citations:
        if (document := documents.get(one.file_id)) is None:
            continue
        if one.file_id not in pages:
            pages[one.file_id] = list(document.pages_live().order_by("number"))
            for page in pages[one.file_id]:
                page.document = document
        texts = [page.shown_text(0, len(page.text)) for page in pages[one.file_id]]
        spans = [(pages[one.file_id][span.page], span.start, span.end) for span in spans_of(one.text, texts)]
        for page, start, end in spans or [(page, 0, 0) for page in pages[one.file_id][:1]]:
            if not any(_covers(known, page, start, end) for _, known in found):
                found.append((one.file_id, passage_of(page, start, end, one.score or 0.0)))
    close_old_connections()
    return found


def _covers(passage: Passage, page: Page, start: int, end: int) -> bool:
    is_there = (passage.document_id, passage.page_number) == (page.document_id, page.number)
    return is_there and passage.start <= start and end <= passage.end


# Code over tables ----------------------------------------------------------------------------------------------------
def tables_of(question: Question) -> list[Document]:
    """The tables a question was narrowed to; none when it was asked of anything else as well, or of too many."""
    if question.documents is None and question.collections is None:
        return []
    rows = Document.objects.for_user(question.user).current().filter(generation__gt=0).order_by("created_at", "pk")
    if question.documents is not None:
        rows = rows.filter(pk__in=question.documents)
    if question.collections is not None:
        rows = rows.filter(collection__in=question.collections)
    found = list(rows[: FILES_MOST + 1])
    if len(found) > FILES_MOST or any(document.kind not in TABLES for document in found):
        return []
    return [document for document in found if not _is_withheld(document)]


def _is_withheld(document: Document) -> bool:
    """The original holds what is kept from models too, and goes nowhere unless an editor trusts it."""
    return document.trusted_at is None and document.pages_live().exclude(findings=[]).exists()


async def compute(answer: _Answer, tables: Sequence[Document]) -> AsyncGenerator[Event]:
    """An answer by code that the service runs over these files, which it keeps for as long as the answer takes."""
    yield Status("searching", "Sending the tables")
    question, deployment = answer.question, answer.deployment
    file_ids: list[str] = []
    try:
        passages = await sync_to_async(_first_rows)(tables)
        async with asyncio.timeout(answer.left_s):
            await _send(tables, deployment, file_ids)
        yield answer.offer(passages)
        tool = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": file_ids}}
        names = "\n".join(f"[{number}] {table.name}" for number, table in enumerate(tables, 1))
        messages = _messages(COMPUTING, question, f"Files:\n{names}\n\nQuestion: {question.text}")
        async with aclosing(answer.events(messages, tool)) as events:
            async for event in events:
                yield event
    except ProviderError as exc:
        yield Failed(exc.code, str(exc))
    except TimeoutError:
        yield Failed("timeout", TOO_SLOW)
    except OSError:
        yield Failed("file_missing", "A table could not be read from this machine's storage. Ask an administrator.")
    finally:
        await asyncio.shield(asyncio.to_thread(_delete_files, deployment, file_ids))


async def _send(tables: Sequence[Document], deployment: Deployment, file_ids: list[str]) -> None:
    """Each table to the service; `file_ids` grows with them, so that what was sent can be deleted whatever comes."""
    send = sync_to_async(stores.upload, thread_sensitive=False)
    for table in tables:
        content = await asyncio.to_thread(table.readable_path.read_bytes)
        file_ids.append(await send(deployment.connection, table.name, content, lives_s=FILE_LIVES_S))


def _first_rows(tables: Sequence[Document]) -> list[Passage]:
    """The beginning of each table, to be shown and opened as its source."""
    found = []
    for table in tables:
        if page := table.pages_live().order_by("number").first():
            page.document = table
            end = page.text.rfind("\n", 0, SHOWN_LETTERS)
            found.append(passage_of(page, 0, end if end > 0 else min(len(page.text), SHOWN_LETTERS)))
    close_old_connections()
    return found


def _delete_files(deployment: Deployment, file_ids: Sequence[str]) -> None:
    for file_id in file_ids:
        try:
            stores.delete_file(deployment.connection, file_id)
        except ProviderError:
            continue  # It ends by itself within the hour.


# Both ----------------------------------------------------------------------------------------------------------------
def _messages(rules: str, question: Question, asked: str) -> list[Message]:
    return messages_of(
        rules,
        asked,
        history=question.history,
        instructions=question.instructions,
        room=settings.CHAT_CONTEXT_TOKENS // 4,
        count=count_tokens,
    )


@dataclass
class _Answer:
    """What has come of an answer so far."""

    question: Question
    deployment: Deployment
    passages: list[Passage] = field(default_factory=list)
    files: list[str] = field(default_factory=list)  # of the passages, in their order
    queries: list[str] = field(default_factory=list)
    pieces: list[str | int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    tokens: Tokens = NO_TOKENS
    runs: int = 0
    is_cut: bool = False
    is_refused: bool = False
    held: str | None = ""  # The beginning of an answer that may yet become NOT_FOUND.
    began: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds until the answer takes too long, whatever it is that takes them."""
        return max(0.0, self.began + ANSWER_SECONDS - time.monotonic())

    def offer(self, passages: Sequence[Passage], files: Sequence[str] = ()) -> Found:
        self.passages += passages
        self.files += files
        return Found(tuple(self.passages))

    async def events(self, messages: list[Message], tool: Mapping[str, Any]) -> AsyncGenerator[Event]:
        if is_too_long(messages, settings.CHAT_CONTEXT_TOKENS, settings.CHAT_ANSWER_TOKENS, count_tokens):
            yield Failed("context_length_exceeded", TOO_LONG)
            return
        call = Call(
            deployment=self.deployment,
            wanted=Wanted(messages, max_output_tokens=settings.CHAT_ANSWER_TOKENS, stream=True),
            payer=self.question.payer,
            is_urgent=self.question.purpose == "answer",
            hosted_tools=[tool],
        )
        yield Status("answering", "Asking the service")
        try:
            told = heeded(stream(call), self.question)
            async with asyncio.timeout(self.left_s), aclosing(split_markers(told)) as pieces:
                async for piece in pieces:
                    for event in await self._take(piece):
                        yield event
        except ProviderError as exc:
            yield Failed(exc.code, str(exc), findings=getattr(exc, "findings", ()))
            return
        except TimeoutError:
            yield Failed("timeout", TOO_SLOW)
            return
        if self.held and not self.is_refused:
            self.pieces.append(self.held)
            yield Text(self.held)
        yield self._done(time.monotonic() - self.began)

    async def _take(self, piece: Any) -> list[Event]:
        """What a piece of the model's means for whoever reads the answer."""
        match piece:
            case Tokens():
                self.tokens = piece
            case Cut():
                self.is_cut = True
            case Notice(sentence):
                self.notices.append(sentence)
            case CodeRun(code, output):
                self.runs += 1
                return [Ran(code[:KEPT_LETTERS], output[:KEPT_LETTERS])]
            case Retrieved():
                self.queries += piece.queries
                found = await sync_to_async(quoted_passages)(self.question, self.deployment, piece)
                known = [each.place for each in self.passages]
                new = [(file, passage) for file, passage in found if passage.place not in known]
                return [self.offer([passage for _, passage in new], [file for file, _ in new])]
            case Quoted(file_id):
                return self._cite(self._quoted(file_id))
            case int() if not self.files:  # Numbers that we did not ask for are nobody's.
                return self._cite(piece if 1 <= piece <= len(self.passages) else None)
            case str():
                return self._say(piece)
        return []

    def _say(self, text: str) -> list[Event]:
        """Text, unless it is the word for "not there", of which nobody is shown a beginning."""
        if self.is_refused:
            return []
        if self.held is not None:
            text = self.held + text
            self.is_refused = text.strip().startswith(NOT_FOUND)
            self.held = text if NOT_FOUND.startswith(text.strip()) or self.is_refused else None
            if self.held is not None:
                return []
        self.pieces.append(text)
        return [Text(text)]

    def _cite(self, number: int | None) -> list[Event]:
        if number is None or self.is_refused or self.pieces[-1:] == [number]:
            return []
        self.pieces.append(number)
        return [Cite(number)]

    def _quoted(self, file_id: str) -> int | None:
        """Of the passages of a file the one that shares most words with what was just said."""
        said = "".join(piece if isinstance(piece, str) else "\n" for piece in self.pieces)
        stems = set(content_stems(said[-400:].rsplit("\n", 1)[-1] or said[-400:]))
        own = [number for number, file in enumerate(self.files, 1) if file == file_id]
        return max(own, key=lambda one: len(stems & set(content_stems(self.passages[one - 1].text))), default=None)

    def _done(self, took_s: float) -> Done:
        is_empty = not "".join(piece for piece in self.pieces if isinstance(piece, str)).strip()
        is_refused = self.is_refused or is_empty
        own = "" if is_refused else self._notice()
        return Done(
            is_refused=is_refused,
            sources=nearest(self.question.text, self.passages)
            if is_refused
            else [Source(passage) for passage in self.passages],
            notice=" ".join(filter(None, [own, *self.notices]))[:300],
            how=self._how(took_s),
            model=self.deployment.name,
            tokens=self.tokens,
            is_cut=self.is_cut,
            is_degraded=bool(self.notices),
        )

    def _notice(self) -> str:
        if self.is_cut:
            return CUT
        return NOT_RUN if not self.files and not self.runs else ""

    def _how(self, took_s: float) -> list[tuple[str, str]]:
        rows = [("Searched for", "; ".join(self.queries)[:500])] if self.queries else []
        if self.files or self.queries:
            rows.append(("Found", f"{len(self.passages)} passages in vector stores at the service"))
        else:
            runs, files = _many(self.runs, "run"), _many(len(self.passages), "file")
            rows.append(("Computed", f"by code at the service: {runs} over {files}"))
        counted = f", {self.tokens.input:,} + {self.tokens.output:,} tokens" if self.tokens.output else ""
        return [*rows, ("Answered by", f"{self.deployment.name}, {took_s:.1f} s{counted}")]


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
