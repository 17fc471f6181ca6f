"""A large organisation, as rows: what pages look like, and what they take, when there is much of everything.

Into a Lectern that runs, for looking at it: `manage.py shell -c "from tests.large import fill; fill('admin')"`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.db.models import F
from django.utils import timezone

from chat.models import Conversation, Feedback, Gap, Message, ModerationEvent
from chat.models import State as AnswerState
from documents.indexes import default_index, private_collection
from documents.models import Attempt, Chunk, Collection, Document, Holding, Membership, Page, State
from project.models import ApiKey, AuditEvent, Usage

DAYS, TOOK = 60, timedelta(seconds=20)
SUBJECTS = (
    "drought pump lease pension boiler reservoir overtime valve tariff meter sewer contractor turbine permit".split()
)
KINDS = ("pdf", "docx", "xlsx", "html", "markdown", "eml")
ERRORS = (
    {"code": "password", "reason": "The file asks for a password.", "advice": "Remove it, or give it here."},
    {"code": "internal", "reason": "Lectern could not read this file.", "advice": "Try again later."},
    {"code": "damaged", "reason": "The file is damaged.", "advice": "Upload it again."},
)
TEXT = "The {0} is inspected on the third working day of the month by whoever is on call. " * 4


@transaction.atomic
def fill(owner: str, documents: int = 50_000) -> None:
    """So many documents, with people, collections, questions, calls and what was done to match."""
    dice, now = random.Random(7), timezone.now()
    staff = User.objects.get(username=owner)
    people = [staff, *_made(User, (_person(n) for n in range(documents // 100)))]
    places = _places(people, documents // 200, dice)
    rows = _made(Document, (_document(n, dice, now, places) for n in range(documents)))
    _read(rows, now)
    _asked(people, documents // 2, dice, now)
    _made(AuditEvent, (_event(n, dice, now, people, rows) for n in range(documents)))
    _made(Usage, (_call(n, dice, now, people) for n in range(documents)))
    _made(ApiKey, (_key(n, people) for n in range(documents // 50)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _made(model: type[models.Model], rows: Iterable[Any]) -> list[Any]:
    return model._base_manager.bulk_create(rows, batch_size=5_000)


def _person(number: int) -> User:
    return User(username=f"person-{number:04}", email=f"person-{number}@example.org", password="!")


def _places(people: list[User], count: int, dice: random.Random) -> list[Collection]:
    """The first person's own, and shared ones of the first few with twenty members each; that person is in all."""
    index, first = default_index(), people[0]
    named = (f"{dice.choice(SUBJECTS).title()} {number}" for number in range(count))
    places = _made(
        Collection, (Collection(owner=people[n % 40 + 1], name=name, index=index) for n, name in enumerate(named))
    )
    members = ((place, person) for place in places for person in {first, *dice.sample(people[41:], 20)})
    _made(Membership, (Membership(collection=place, user=person) for place, person in members))
    return [private_collection(first), *places]


def _document(number: int, dice: random.Random, now: Any, places: list[Collection]) -> Document:
    place = places[number % len(places)]
    state = dice.choices(
        (State.READY, State.WARNING, State.FAILED, State.QUEUED, State.CANCELED), (940, 25, 20, 10, 5)
    )[0]
    at = now - timedelta(days=dice.random() * DAYS)
    is_there = state in (State.READY, State.WARNING)
    subject, kind = dice.choice(SUBJECTS), dice.choice(KINDS)
    return Document(
        collection=place,
        owner_id=place.owner_id,
        name=f"{subject}-{number:05}.{kind}",
        title=f"{subject.title()} report {number}" if number % 3 else "",
        kind=kind,
        sha256=f"{number:064x}",
        size=dice.randrange(10_000, 4_000_000),
        state=state,
        generation=int(is_there),
        building=1,
        page_count=dice.randrange(1, 40) if is_there else 0,
        chunk_count=4 * is_there,
        error=dice.choice(ERRORS) if state == State.FAILED else None,
        finished_at=None if state == State.QUEUED else at + TOOK,
    )


def _read(rows: list[Document], now: Any) -> None:
    """Attempts of all that ended; a page, passages and a place in the index of all that can be found."""
    Document.objects.exclude(finished_at=None).update(created_at=F("finished_at") - TOOK)
    ended = [row for row in rows if row.finished_at]
    _made(Attempt, (_attempt(row) for row in ended))
    there = [row for row in ended if row.generation]
    pages = _made(Page, (Page(document=row, generation=1, number=1, text=TEXT.format(row.name)) for row in there))
    version = default_index().live_version
    facts = {"index_version": version, "generation": 1}
    _made(
        Chunk,
        (
            Chunk(document_id=page.document_id, page=page, ordinal=n, start=80 * n, end=80 * n + 80, tokens=20, **facts)
            for page in pages
            for n in range(4)
        ),
    )
    held = {"chunk_count": 4, "total": 4, "done": 4, "finished_at": now, **facts}
    _made(Holding, (Holding(document=row, collection_id=row.collection_id, **held) for row in there))


def _attempt(row: Document) -> Attempt:
    began = row.finished_at - TOOK
    outcome = {State.FAILED: "failed", State.CANCELED: "canceled"}.get(State(row.state), "done")
    return Attempt(document=row, number=1, began_at=began, ended_at=row.finished_at, outcome=outcome, stage=row.state)


def _asked(people: list[User], count: int, dice: random.Random, now: Any) -> None:
    """Questions, of which one in ten found no answer, with a thumb down on one in fifty."""
    talks = _made(Conversation, (Conversation(owner=people[n % len(people)], title="Pumps") for n in range(count)))
    asked = _made(Message, (_question(talk, dice) for talk in talks))
    states = (AnswerState.DONE, AnswerState.REFUSED, AnswerState.FAILED)
    facts = [(dice.choices(states, (89, 10, 1))[0], now - timedelta(days=dice.random() * DAYS)) for _ in asked]
    answers = _made(
        Message,
        (
            Message(
                conversation_id=one.conversation_id,
                role="assistant",
                reply_to=one,
                state=state,
                ended_at=at,
                content="See the register.",
            )
            for one, (state, at) in zip(asked, facts, strict=True)
        ),
    )
    Message.objects.exclude(ended_at=None).update(created_at=F("ended_at") - timedelta(seconds=4))
    refused = [one for one in answers if one.state == AnswerState.REFUSED]
    _made(Gap, (Gap(question_id=one.reply_to_id, opened_at=one.ended_at, looked_at=now) for one in refused))
    down = [one for n, one in enumerate(answers) if n % 50 == 0]
    _made(Feedback, (Feedback(answer=one, user=people[n % len(people)], is_good=False) for n, one in enumerate(down)))
    stopped = range(count // 20)
    _made(
        ModerationEvent, (ModerationEvent(where="question", category="violence", checked_by="words") for _ in stopped)
    )


def _question(talk: Conversation, dice: random.Random) -> Message:
    words = f"Who inspects the {dice.choice(SUBJECTS)} of the {dice.choice(SUBJECTS)} number {dice.randrange(900)}?"
    return Message(conversation=talk, role="user", content=words, state=AnswerState.DONE)


def _event(number: int, dice: random.Random, now: Any, people: list[User], rows: list[Document]) -> AuditEvent:
    person, row = dice.choice(people), rows[number % len(rows)]
    return AuditEvent(
        at=now - timedelta(days=dice.random() * DAYS),
        action=dice.choice(("document.upload", "document.delete", "document.move", "member.add", "key.create")),
        user_id=person.pk,
        user_name=person.username,
        address="10.0.0.7",
        subject_kind="document",
        subject_id=str(row.pk),
        subject_name=row.name,
    )


def _call(number: int, dice: random.Random, now: Any, people: list[User]) -> Usage:
    return Usage(
        user=dice.choice(people),
        purpose=dice.choice(("answer", "rewrite", "embedding")),
        deployment="desk",
        base_model="gpt-5-mini",
        input_tokens=dice.randrange(200, 8_000),
        output_tokens=dice.randrange(20, 600),
        cost=Decimal(dice.randrange(1, 900)) / 10_000,
        created_at=now - timedelta(days=dice.random() * DAYS),
    )


def _key(number: int, people: list[User]) -> ApiKey:
    person = people[number % len(people)]
    return ApiKey(user=person, name=f"program {number}", start="lk_abcde", sha256=f"{number:064x}", scope="read")
