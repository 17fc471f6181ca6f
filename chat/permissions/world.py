"""People of every role, and documents with words that stand nowhere else; made for one run, then removed."""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from chat.models import Citation, Conversation, Gap, Message, Share, State
from documents import intake
from documents.indexes import default_index
from documents.ingestion import ingest, prefixed, remove_traces
from documents.models import FINDABLE, Collection, Document, DocumentEvent, EmbeddingCache, Membership, Page
from project.models import ApiKey, narrow

MARK = "@lectern-proof.invalid"  # The address of every person made here; by it they are found again.
PATIENCE_S = 600
LETTERS = "bcdfghklmnprstvz", "aeiou"
Progress = Callable[[int], None]  # told as canaries become findable


class ProofError(Exception):
    """The proof cannot be made; str(exc) says why."""


@dataclass(frozen=True)
class Prober:
    """Somebody who tries to read, by page or by key."""

    name: str
    user: User
    secret: str
    kind: str  # a role inside one collection, or what they are to all of them
    home: UUID | None = None  # the collection in which they have it

    def role(self, collection: UUID) -> str:
        """What they are to something that lies in this collection."""
        if self.kind in {"owner", "editor", "reader"}:
            return self.kind if self.home == collection else "member of another"
        if self.kind == "narrowed key":
            return "narrowed key, inside" if self.home == collection else "narrowed key, outside"
        return self.kind


@dataclass(frozen=True)
class Canary:
    """Something with a seal that stands nowhere else. What is asked for is the word; the seal is what must not come."""

    word: str
    seal: str
    collection: UUID
    readers: frozenset[str]  # names of probers
    document: UUID
    is_drawn: bool = False  # a PDF, of which there are page images
    citation: Citation | None = None
    answer: Message | None = None  # Set: words of a conversation, and not of a document
    token: str = ""  # of a link to that conversation


@dataclass
class World:
    probers: list[Prober] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    talks: list[Canary] = field(default_factory=list)

    def of(self, collection: UUID) -> list[Canary]:
        return [canary for canary in self.canaries if canary.collection == collection]

    @property
    def collections(self) -> list[UUID]:
        return list(dict.fromkeys(canary.collection for canary in self.canaries))


@contextmanager
def world(collections: int, documents: int, readers: int, told: Progress = lambda n: None) -> Iterator[World]:
    """A world of so many collections, and of so many documents and readers in each; nothing of it is left behind."""
    remove()
    try:
        yield _made(collections, documents, readers, told)
    finally:
        remove()


def remove() -> None:
    """Take away what a run made, also one that was killed."""
    people = User.objects.filter(email__endswith=MARK)
    rows = Document.objects.filter(collection__owner__in=people)
    for document in rows.filter(deleted_at=None, superseded_at=None):
        _forget_vectors(document)
        intake.delete(document)
    ids = list(rows.values_list("pk", flat=True))
    for document in rows.filter(cleaned_at=None):
        remove_traces(document)
    left = rows.filter(cleaned_at=None).count()
    if left:
        raise ProofError(f"{left} canaries are still in an index that does not answer. The next run removes them.")
    with transaction.atomic():
        DocumentEvent.objects.filter(document_id__in=ids).delete()
        Conversation.objects.filter(owner__in=people).delete()
        Collection.objects.filter(owner__in=people).delete()
        people.delete()


def _forget_vectors(document: Document) -> None:
    chunks = document.chunks.select_related("page", "document")
    keys = []
    for chunk in chunks:
        chunk.page.document = chunk.document
        keys.append(hashlib.sha256(prefixed(document, chunk).encode("utf-8", "replace")).digest())
    EmbeddingCache.objects.filter(sha256__in=keys).delete()


# How it is made ------------------------------------------------------------------------------------------------------
def _made(collections: int, documents: int, readers: int, told: Progress) -> World:
    made, run = World(), secrets.token_hex(4)
    places = []
    for number in range(collections):
        owner = _prober(run, f"owner{number}", "owner")
        place = Collection.objects.create(owner=owner.user, name=f"Proof {run} {number}", index=default_index())
        members = [_prober(run, f"editor{number}", "editor", place)]
        members += [_prober(run, f"reader{number}-{n}", "reader", place) for n in range(readers)]
        made.probers += [Prober(owner.name, owner.user, owner.secret, "owner", place.pk), *members]
        places.append(place)
    made.probers += [_prober(run, f"stranger{n}", "stranger") for n in range(2)]
    made.probers += [_prober(run, f"staff{n}", "staff", is_staff=True, is_superuser=True) for n in range(2)]
    for number, place in enumerate(places[:4]):
        both = [place, places[(number + 1) % len(places)]]
        made.probers.append(_narrowed(run, f"narrowed{number}", place, both))
    made.probers.append(_revoked(run, places[0]))
    for place in places:
        made.canaries += _canaries(place, documents, made.probers)
    _await([canary.document for canary in made.canaries], told)
    made.canaries = [_cited(canary) for canary in made.canaries]
    made.talks = [_talk(made, place) for place in places]
    return made


def _prober(run: str, name: str, kind: str, place: Collection | None = None, **flags: bool) -> Prober:
    username = f"proof-{run}-{name}"
    user = User.objects.create(username=username, email=f"{username}{MARK}", **flags)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    if place is not None:
        Membership.objects.create(collection=place, user=user, role=kind)
    secret = ApiKey.create(user, name="permission proof", scope=ApiKey.Scope.READ)[1]
    return Prober(name, user, secret, kind, place.pk if place else None)


def _narrowed(run: str, name: str, place: Collection, both: list[Collection]) -> Prober:
    """A reader of two collections, whose key opens one of them."""
    who = _prober(run, name, "narrowed key")
    for each in {each.pk: each for each in both}.values():
        Membership.objects.create(collection=each, user=who.user, role=Membership.Role.READER)
    ApiKey.objects.filter(user=who.user).update(collection_ids=[place.pk])
    return Prober(name, narrow(who.user, [place.pk]), who.secret, "narrowed key", place.pk)


def _revoked(run: str, place: Collection) -> Prober:
    who = _prober(run, "revoked", "revoked key")
    Membership.objects.create(collection=place, user=who.user, role=Membership.Role.READER)
    ApiKey.objects.filter(user=who.user).update(revoked_at=timezone.now())
    return who


def _word() -> str:
    dice = random.SystemRandom()
    return "".join(dice.choice(LETTERS[place % 2]) for place in range(12))


def _canaries(place: Collection, count: int, probers: list[Prober]) -> Iterator[Canary]:
    readers = frozenset(each.name for each in probers if each.home == place.pk)
    for number in range(count):
        word, seal = _word(), _word()
        filler = " ".join(_word() for _ in range(40))  # So that none is a copy of another.
        text = f"The register of {word} is sealed with {seal}. Its further entries are {filler}."
        is_drawn = number == 0
        content = _pdf(text) if is_drawn else f"# Register {seal}\n\n{text}\n".encode()
        name = f"register-{seal}.{'pdf' if is_drawn else 'md'}"
        document, _ = intake.accept([content], name, place.owner, place)
        yield Canary(word, seal, place.pk, readers, document.pk, is_drawn)


def _pdf(text: str) -> bytes:
    """A page of lines, as small as a PDF can be."""
    words = text.split()
    lines = [" ".join(words[at : at + 8]) for at in range(0, len(words), 8)]
    stream = "BT /F1 10 Tf 14 TL 50 780 Td " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
    ]
    body, places = "%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def _await(documents: list[UUID], told: Progress) -> None:
    """Read them here; what a worker took up meanwhile it ends."""
    deadline = time.monotonic() + PATIENCE_S
    rows = Document.objects.filter(pk__in=documents)
    for number, document in enumerate(rows, 1):
        ingest(document)
        told(number)
    while left := rows.exclude(state__in=FINDABLE).first():
        if time.monotonic() > deadline or not left.is_under_way:
            reason = (left.error or {}).get("reason") or left.waits_for or "It is still being read."
            raise ProofError(f"A canary did not become findable. {reason}")
        ingest(left)
        time.sleep(0.2)


# What was said about them --------------------------------------------------------------------------------------------
def _cited(canary: Canary) -> Canary:
    """The canary with a citation of the whole of it, in a conversation of its owner's, shared by a link."""
    page = Page.objects.select_related("document__collection__owner").get(document=canary.document, number=1)
    owner = page.document.collection.owner
    talk = Conversation.objects.create(owner=owner, title="Proof")
    asked = talk.messages.create(role=Message.Role.USER, content="What is registered?")
    answer = talk.messages.create(role=Message.Role.ASSISTANT, reply_to=asked, content="An entry[1].")
    citation = _cite(answer, page)
    _, token = Share.make(talk, [answer], 1)
    return Canary(
        canary.word, canary.seal, canary.collection, canary.readers, canary.document, canary.is_drawn, citation,
        token=token,
    )  # fmt: skip


def _cite(answer: Message, page: Page) -> Citation:
    return Citation.objects.create(
        message=answer,
        number=1,
        document=page.document,
        title=page.document.display_title,
        page_number=1,
        start=0,
        end=len(page.text),
        text=page.text,
        marks=[[0, len(page.text)]],
    )


def _talk(made: World, place: Collection) -> Canary:
    """A conversation of a reader's that holds a seal of its own, and the news that a refused question is answered."""
    asker = next(each for each in made.probers if each.home == place.pk and each.kind == "reader")
    word, seal = _word(), _word()
    talk = Conversation.objects.create(owner=asker.user, title=f"About {seal}")
    asked = talk.messages.create(role=Message.Role.USER, content=f"What of {word} {seal}?")
    answer = talk.messages.create(
        role=Message.Role.ASSISTANT,
        reply_to=asked,
        state=State.REFUSED,
        content=f"Nothing of {seal}.",
        suggestions=[f"What else of {seal}?"],
    )
    about = made.of(place.pk)[0]
    page = Page.objects.select_related("document").get(document=about.document, number=1)
    Gap.objects.create(question=asked, closed_at=timezone.now(), citation=_cite(answer, page))
    return Canary(word, seal, place.pk, frozenset({asker.name}), about.document, answer=answer)
