"""A question and its answer as a page shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from chat.conversations.branches import Step, branch, until
from chat.conversations.history import answers_shown
from chat.conversations.resuming import can_go_on
from chat.grounding.grounding import RETIRED
from chat.making import Drawn, drawn
from chat.markdown import Chip, render
from chat.models import Citation, Conversation, Feedback, Gap, Message, Reason, Recheck, State
from chat.models.conversations import Elsewhere
from chat.proof.proofs import Doubt, Strip, doubts_of, left_out, marks_of, strip_of
from chat.proof.rechecking import is_shared
from chat.proof.withholding import withheld
from documents.models import Document, Person, page_url

NEAREST = 3
T = TypeVar("T")
SHOWN_MOST = 300  # conversations in the list


@dataclass(frozen=True)
class Versions:
    """Which of several a question or an answer is, counted from 1, and the addresses of those beside it."""

    number: int
    count: int
    earlier: str
    later: str

    @classmethod
    def around(cls, shown: Message, all_of_them: list[Message]) -> Versions:
        place = [row.pk for row in all_of_them].index(shown.pk)
        earlier, later = all_of_them[max(0, place - 1) : place], all_of_them[place + 1 : place + 2]
        return cls(place + 1, len(all_of_them), _address(earlier), _address(later))


def _address(rows: list[Message]) -> str:
    """Of the conversation with this message on the branch that is shown; "" without one."""
    return "".join(row.get_absolute_url() for row in rows)


@dataclass(frozen=True)
class Turn:
    """What the template of a turn needs. `citations` are cited, `retrieved` are not, `nearest` belong to a refusal."""

    question: str
    message: Message
    html: SafeString
    citations: list[Citation]
    retrieved: list[Citation]
    nearest: list[Citation]
    place: int  # from 1, among the turns of the conversation
    asked: Versions  # of the question
    said: Versions  # of the answer
    opinions: Mapping[int | None, Feedback]  # of the reader, by the citation; None: of the answer itself
    rechecks: list[Recheck] = field(default_factory=list)  # that tell the owner what no longer holds
    news: Gap | None = None  # for whoever asked: where the answer to a refused question stands by now
    strip: Strip | None = None
    doubts: Sequence[Doubt] = ()
    left_out: Sequence[tuple[str, str]] = ()  # sentences that no source bears out, with the reasons
    proofs: Sequence[Mapping[str, Any]] = ()  # what was found of its sentences, as far as the reader may see it

    @property
    def how(self) -> list[list[str]]:
        return self.message.how

    @property
    def made(self) -> Drawn | None:
        return drawn(self.message.made)

    @property
    def found(self) -> list[Citation]:
        """Every passage that was found and may still be read, the best first."""
        there = [each for each in (*self.citations, *self.retrieved) if not each.is_gone]
        return sorted(there, key=lambda each: -each.score)

    @property
    def runs(self) -> list[dict[str, str]]:
        return self.message.runs

    @property
    def opinion(self) -> Feedback | None:
        return self.opinions.get(None)

    @property
    def reasons(self) -> list[tuple[str, str, bool]]:
        """What may be wrong with it, in words, and whether the reader said so."""
        said = self.opinion.reasons if self.opinion else []
        return [(value, str(label), value in said) for value, label in Reason.choices]

    @property
    def notice(self) -> str:
        return self.message.notice

    @property
    def searched_for(self) -> list[str]:
        """What was looked for in the question's place; nothing where it was the question itself."""
        queries = self.message.queries
        return queries if self.message.read_by or len(queries) > 1 else []

    @property
    def suggestions(self) -> list[str]:
        return self.message.suggestions or []

    @property
    def next_url(self) -> str:
        """Where what could be asked next is made; "" where it has been, or nothing was answered."""
        is_open = settings.SUGGESTIONS and self.message.state == State.DONE and self.message.suggestions is None
        return reverse("message-next", args=[self.message.pk]) if is_open else ""

    @property
    def stream_url(self) -> str:
        return reverse("message-stream", args=[self.message.pk])

    @property
    def stop_url(self) -> str:
        return reverse("message-stop", args=[self.message.pk])

    @property
    def offers_hybrid(self) -> bool:
        """Whether the service that should have searched is gone, and our own search may answer in its place."""
        return self.message.failure == RETIRED

    @property
    def can_go_on(self) -> bool:
        """Whether it broke off, and may be written to its end."""
        return can_go_on(self.message, [*self.citations, *self.retrieved])

    @property
    def go_on_url(self) -> str:
        return reverse("message-go-on", args=[self.message.pk])

    @property
    def again_url(self) -> str:
        return reverse("message-again", args=[self.message.pk])


def turns_of(conversation: Conversation, user: User, at: UUID | None = None) -> list[Turn]:
    """The questions of one branch in order, each with its answer; see `branches.branch`."""
    rows = list(conversation.messages.select_related("reply_to"))
    return _turns(branch(rows, at), user)


def turn_of(message: Message, user: User) -> Turn:
    """The turn that an answer belongs to."""
    steps = until(message.conversation.messages.select_related("reply_to"), message.pk)
    return _turns(steps[-1:], user, len(steps))[0]


@dataclass
class _Beside:
    """What a page shows with several answers, as far as this person may see it; read at once."""

    citations: Mapping[UUID, list[Citation]]
    opinions: Mapping[UUID, list[Feedback]]
    rechecks: Mapping[UUID, list[Recheck]]
    news: Mapping[UUID, Gap]

    @classmethod
    def of(cls, steps: Sequence[Step], user: Person) -> _Beside:
        answers = [step.answer.pk for step in steps]
        rows = Citation.objects.filter(message__in=answers, gap=None).select_related("document").order_by("number")
        opinions = Feedback.objects.by_user(user).filter(answer__in=answers)
        rechecks = Recheck.objects.for_user(user).open().filter(message__in=answers)
        gaps = Gap.objects.told_to(user).filter(citation__message__in=answers).select_related("citation")
        return cls(
            _by_message((each.message_id, each) for each in _readable(rows, user)),
            _by_message((each.answer_id, each) for each in opinions),
            _by_message((each.message_id, each) for each in rechecks),
            {each.citation.message_id: each for each in gaps if each.citation},
        )


def _by_message(pairs: Iterable[tuple[UUID, T]]) -> Mapping[UUID, list[T]]:
    found: dict[UUID, list[T]] = defaultdict(list)
    for pk, each in pairs:
        found[pk].append(each)
    return found


def _turns(steps: Sequence[Step], user: Person, first: int = 1) -> list[Turn]:
    beside = _Beside.of(steps, user)
    return [_turn(step, beside, place) for place, step in enumerate(steps, first)]


def _turn(step: Step, beside: _Beside, place: int) -> Turn:
    message = step.answer
    citations = beside.citations[message.pk]
    opinions = {opinion.citation_id: opinion for opinion in beside.opinions[message.pk]}
    for citation in citations:
        citation.opinion = opinions.get(citation.pk)
    cited = [citation for citation in citations if citation.is_cited]
    others = [citation for citation in citations if not citation.is_cited]
    rechecks = beside.rechecks[message.pk]
    for each in rechecks:
        each.shown_by = {citation.number: citation for citation in cited if not citation.is_gone}
    is_refused = message.state == State.REFUSED
    return Turn(
        question=message.question.content,
        message=message,
        **_drawn_with(message, message.content, message.proofs, citations),
        citations=cited,
        retrieved=[] if is_refused else others,
        nearest=others[:NEAREST] if is_refused else [],
        place=place,
        asked=Versions.around(step.question, step.questions),
        said=Versions.around(step.answer, step.answers),
        opinions=opinions,
        rechecks=rechecks,
        news=beside.news.get(message.pk),
    )


def shared_turns(answers: Iterable[Message], reader: Person) -> list[Turn]:
    """Answers as somebody else may read them: without the sentences that rest on what they may not read themselves.

    What a service found in its own index is for whoever asked alone.
    """
    steps = [Step(answer.question, answer, [answer.question], [answer]) for answer in answers]
    return [
        turn if turn.message.conversation.owner_id == reader.pk else _for_others(turn) for turn in _turns(steps, reader)
    ]


def _for_others(turn: Turn) -> Turn:
    message, citations = turn.message, [*turn.citations, *turn.retrieved]
    _withhold(citation for citation in citations if citation.is_external)
    sources = turn.citations or [citation for citation in turn.retrieved if citation.is_sent]
    gone = {citation.number for citation in citations if citation.is_gone}
    readable = {citation.number for citation in sources if not citation.is_gone}
    content, rows = withheld(message.content, message.proofs, gone, readable)
    return replace(turn, **_drawn_with(message, content, rows, citations))


def _drawn_with(
    message: Message, content: str, proofs: Sequence[Mapping[str, Any]], citations: Sequence[Citation]
) -> dict[str, Any]:
    """The answer's text and what was found of its sentences, as far as these sources may be seen."""
    rows, prefix = _readable_proofs(proofs, citations), str(message.pk)
    chips = {citation.number: chip(message, citation) for citation in citations}
    cited = {citation.number: chips[citation.number] for citation in citations if citation.is_cited}
    texts = {citation.number: (citation.start, citation.text) for citation in citations}
    return {
        "html": render(content, cited, marks_of(rows, prefix, chips)),
        "strip": strip_of(rows),
        "doubts": doubts_of(rows, prefix, chips, texts),
        "left_out": left_out(rows),
        "proofs": rows,
    }


def _readable_proofs(proofs: Sequence[Mapping[str, Any]], citations: Iterable[Citation]) -> Sequence[Mapping[str, Any]]:
    """What became of the sentences, without the words of documents that are gone for this reader."""
    gone = {citation.number for citation in citations if citation.is_gone}
    return [{**row, "shown": ""} if any(number in gone for number, _, _ in row["spans"]) else row for row in proofs]


def chip(message: Message, citation: Citation) -> Chip:
    gone = citation.is_gone
    return Chip(
        url=citation.url,
        panel_url="" if gone else citation.panel_url,
        peek_id=peek_id(message, citation.number),
        label=gettext("no longer available") if gone else citation.label,
        marks=citation.spans,
    )


def peek_id(message: Message, number: int) -> str:
    return f"peek-{message.pk}-{number}"


def _readable(citations: Iterable[Citation], user: Person) -> list[Citation]:
    """Check again who may read: of a document that is gone or no longer shared, no word is shown.

    What a service found in its own index is nobody's document here: whoever asked keeps what was answered.
    """
    found = list(citations)
    wanted = {citation.document_id for citation in found if citation.document_id}
    readable = set(Document.objects.for_user(user).filter(pk__in=wanted).values_list("pk", flat=True))
    for citation in found:
        citation.is_gone = not citation.is_external and citation.document_id not in readable
    _withhold(citation for citation in found if citation.is_gone)
    _tell_copies([citation for citation in found if citation.copies and not citation.is_gone], user)
    return found


def _tell_copies(citations: Sequence[Citation], user: Person) -> None:
    """Where else the same words stand, of what this person may read and no newer version has replaced."""
    wanted = {UUID(document) for citation in citations for document, *_ in citation.copies}
    rows = Document.objects.for_user(user).current().in_bulk(wanted) if wanted else {}
    for citation in citations:
        citation.others = [
            _elsewhere(rows[UUID(document)], number, label, (start, end))
            for document, number, label, start, end in citation.copies
            if UUID(document) in rows
        ]


def _elsewhere(document: Document, number: int, label: str, span: tuple[int, int]) -> Elsewhere:
    url, panel_url = (page_url(document.pk, number, span, [span], part=part) for part in (False, True))
    return Elsewhere(document.display_title, label or str(number), url, panel_url)


def _withhold(citations: Iterable[Citation]) -> None:
    """Let no word of these be shown."""
    for citation in citations:
        citation.is_gone = True
        citation.title, citation.text, citation.section, citation.marks = gettext("No longer available"), "", "", []
        citation.others = ()


def conversation_list(user: User) -> list[tuple[str, list[Conversation]]]:
    """This person's conversations, the pinned first, then by day, newest first."""
    today = timezone.localdate()
    rows = Conversation.objects.for_user(user)
    pinned = rows.exclude(pinned_at=None).order_by("-pinned_at")
    changed = _changed(user)
    answered = set(Gap.objects.told_to(user).values_list("question__conversation", flat=True))
    groups: dict[str, list[Conversation]] = {gettext("Pinned"): list(pinned)}
    for conversation in rows.filter(pinned_at=None)[:SHOWN_MOST]:
        groups.setdefault(_day(timezone.localdate(conversation.updated_at), today), []).append(conversation)
    for conversation in (each for group in groups.values() for each in group):
        conversation.changed_at = changed.get(conversation.pk)
        conversation.has_news = conversation.pk in answered
    return [(label, group) for label, group in groups.items() if group]


def _changed(user: User) -> dict[UUID, str]:
    """The conversations of which there is something to tell since documents have changed, and where it is told."""
    told = Recheck.objects.for_user(user).open().values("message")
    answers = list(Message.objects.filter(pk__in=told).annotate(is_shared=is_shared()))
    shown = answers_shown(answer.conversation_id for answer in answers)
    relied = [answer for answer in answers if answer.pk in shown or answer.is_shared]  # type: ignore[attr-defined]
    relied.sort(key=lambda answer: answer.pk in shown)
    return {answer.conversation_id: answer.get_absolute_url() for answer in relied}


def _day(day: date, today: date) -> str:
    if day >= today:
        return gettext("Today")
    if day == today - timedelta(days=1):
        return gettext("Yesterday")
    return gettext("Last 7 days") if day > today - timedelta(days=7) else date_format(day, "YEAR_MONTH_FORMAT")
