"""A question and its answer as a page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from chat.grounding import RETIRED
from chat.making import Drawn, drawn
from chat.markdown import Chip, render
from chat.models import Citation, Conversation, Message, Recheck, State
from documents.models import Document

NEAREST = 3
SHOWN_MOST = 300  # conversations in the list


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
    rechecks: list[Recheck] = field(default_factory=list)  # that tell the owner what no longer holds

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
    def notice(self) -> str:
        return self.message.notice

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
    def again_url(self) -> str:
        return reverse("message-again", args=[self.message.pk])


def turns_of(conversation: Conversation, user: User) -> list[Turn]:
    """The questions in order, each with its newest answer."""
    replies = conversation.messages.filter(role=Message.Role.ASSISTANT).select_related("reply_to")
    newest = {reply.reply_to_id: reply for reply in replies.order_by("created_at")}
    ordered = sorted(newest.values(), key=lambda reply: reply.question.created_at)
    return [turn_of(reply, user, place) for place, reply in enumerate(ordered, 1)]


def turn_of(message: Message, user: User, place: int | None = None) -> Turn:
    if place is None:
        asked = message.conversation.messages.filter(role=Message.Role.USER)
        place = asked.filter(created_at__lte=message.question.created_at).count()
    citations = _readable(message.citations.select_related("document"), user)
    cited = [citation for citation in citations if citation.is_cited]
    others = [citation for citation in citations if not citation.is_cited]
    is_refused = message.state == State.REFUSED
    return Turn(
        question=message.question.content,
        message=message,
        html=answer_html(message, cited),
        citations=cited,
        retrieved=[] if is_refused else others,
        nearest=others[:NEAREST] if is_refused else [],
        place=place,
        rechecks=rechecks_of(message, user),
    )


def rechecks_of(message: Message, user: User) -> list[Recheck]:
    """What its owner should know of an answer since documents it cites have changed; nobody else is told."""
    found = list(Recheck.objects.for_user(user).open().filter(message=message).select_related("document"))
    readable = set(
        Document.objects.for_user(user).filter(pk__in=[each.document_id for each in found]).values_list("pk", flat=True)
    )
    for each in found:
        each.is_readable = each.document_id in readable
    return found


def answer_html(message: Message, cited: Iterable[Citation]) -> SafeString:
    return render(message.content, {citation.number: chip(message, citation) for citation in cited})


def chip(message: Message, citation: Citation) -> Chip:
    gone = citation.is_gone
    return Chip(
        url=citation.url,
        panel_url="" if gone else citation.panel_url,
        peek_id=peek_id(message, citation.number),
        label=gettext("no longer available") if gone else citation.label,
    )


def peek_id(message: Message, number: int) -> str:
    return f"peek-{message.pk}-{number}"


def _readable(citations: Iterable[Citation], user: User) -> list[Citation]:
    """Check again who may read: of a document that is gone or no longer shared, no word is shown.

    What a service found in its own index is nobody's document here: whoever asked keeps what was answered.
    """
    found = list(citations)
    wanted = {citation.document_id for citation in found if citation.document_id}
    readable = set(Document.objects.for_user(user).filter(pk__in=wanted).values_list("pk", flat=True))
    for citation in found:
        citation.is_gone = not citation.is_external and citation.document_id not in readable
        if citation.is_gone:
            citation.title, citation.text, citation.section, citation.marks = gettext("No longer available"), "", "", []
    return found


def conversation_list(user: User) -> list[tuple[str, list[Conversation]]]:
    """This person's conversations by day, newest first."""
    today = timezone.localdate()
    groups: dict[str, list[Conversation]] = {}
    changed = set(Recheck.objects.for_user(user).open().values_list("message__conversation", flat=True))
    for conversation in Conversation.objects.for_user(user)[:SHOWN_MOST]:
        conversation.has_changed = conversation.pk in changed
        day = timezone.localdate(conversation.updated_at)
        if day >= today:
            label = gettext("Today")
        elif day == today - timedelta(days=1):
            label = gettext("Yesterday")
        elif day > today - timedelta(days=7):
            label = gettext("Last 7 days")
        else:
            label = date_format(day, "YEAR_MONTH_FORMAT")
        groups.setdefault(label, []).append(conversation)
    return list(groups.items())
