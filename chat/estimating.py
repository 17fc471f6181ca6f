"""How much of a model's room a question will take, and what it will cost, before it is asked."""

from __future__ import annotations

from collections.abc import Collection as Some
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Avg, Q
from django.utils.translation import gettext

from chat.answering import PASSAGES
from chat.conversations.history import turns_before
from chat.conversations.scoping import usual_deployment
from chat.models import Conversation
from chat.prompts import Turn, build
from documents.models import Chunk, Collection, Document
from project.catalogue import Model
from project.deployments import DeploymentsError, UnknownDeployment, chosen
from project.models import Usage
from project.provider.pieces import Tokens
from project.spending import cost
from project.spending.reports import money
from project.tokens import counter
from project.translating import number

FENCE = "<<5f2a91c07b3e"  # As long as any, and always the same, so that the meter does not waver.
WARNING, CRITICAL = 80, 90  # per cent
HEADING = 40  # tokens of the line that each passage stands under
SAMPLE = 200  # chunks and calls that are looked at for what is usual


@dataclass(frozen=True)
class Estimate:
    """`tokens` of question, conversation, passages and answer, of the `room` there is for them together."""

    tokens: int
    room: int
    dollars: Decimal | None = None  # None: the model's price is not known

    @property
    def percent(self) -> int:
        return self.tokens * 100 // self.room

    @property
    def percent_shown(self) -> int:
        return min(100, self.percent)

    @property
    def level(self) -> str:
        if self.percent >= CRITICAL:
            return "critical"
        return "warning" if self.percent >= WARNING else "normal"

    @property
    def words(self) -> str:
        """
        >>> Estimate(4_100, 8_000).words
        'About 4,100 of 8,000 tokens'
        >>> Estimate(8_100, 8_000, Decimal("0.02")).words
        'Too long by about 100 tokens: fewer passages will be sent. About $0.02'
        """
        price = "" if self.dollars is None else f". {gettext('About %(money)s') % {'money': money(self.dollars)}}"
        if self.tokens > self.room:
            over = number(self.tokens - self.room)
            return gettext("Too long by about %(n)s tokens: fewer passages will be sent") % {"n": over} + price
        said = {
            "normal": gettext("About %(n)s of %(room)s tokens"),
            "warning": gettext("Nearly full: about %(n)s of %(room)s tokens"),
            "critical": gettext("Full: about %(n)s of %(room)s tokens"),
        }[self.level]
        return said % {"n": number(self.tokens), "room": number(self.room)} + price


def estimated(
    user: User,
    conversation: Conversation | None,
    text: str,
    collections: Some[Collection],
    documents: Some[Document],
    deployment: str,
    after: UUID | None = None,
) -> Estimate | None:
    """For a question as it is typed so far; None where no model is asked."""
    try:
        usual = "" if documents else usual_deployment([each.pk for each in collections])
        found = chosen(deployment or (conversation.deployment if conversation else "") or usual)
    except (UnknownDeployment, DeploymentsError):
        return None
    if found is None:
        return None
    turns: list[Turn] = turns_before(conversation, after)[0] if conversation else []
    room = min(settings.CHAT_CONTEXT_TOKENS, found.base.context_tokens or settings.CHAT_CONTEXT_TOKENS)
    count = counter(found.base)
    answer = settings.CHAT_ANSWER_TOKENS
    bare = build(text, [], history=turns, budget=room, answer_tokens=answer, count=count, fence=FENCE)
    sent = bare.tokens + _usual_passages(user, collections, documents)
    dollars = _dollars(found.name, found.base, min(sent, room - settings.CHAT_ANSWER_TOKENS))
    return Estimate(sent + settings.CHAT_ANSWER_TOKENS, room, dollars)


def _usual_passages(user: User, collections: Some[Collection], documents: Some[Document]) -> int:
    """Tokens of as many passages as are sent, each as long as the latest ones that this person may read."""
    readable = Document.objects.for_user(user).current()
    if collections or documents:
        readable = readable.filter(Q(collection__in=collections) | Q(pk__in=documents))
    latest = Chunk.objects.filter(document__in=readable, is_searched=True).order_by("-pk")
    sizes = list(latest.values_list("tokens", flat=True)[:SAMPLE])
    if not sizes:
        return 0
    return min(PASSAGES, len(sizes)) * (round(sum(sizes) / len(sizes)) + HEADING)


def _dollars(deployment: str, base: Model, sent: int) -> Decimal | None:
    """With an answer as long as this deployment's latest ones; before the first, as long as it may become."""
    latest = Usage.objects.filter(deployment=deployment, purpose="answer", output_tokens__gt=0).order_by("-pk")
    usual = latest[:SAMPLE].aggregate(mean=Avg("output_tokens"))["mean"]
    return cost(base, Tokens(sent, round(usual or settings.CHAT_ANSWER_TOKENS)))
