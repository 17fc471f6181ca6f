"""What was asked and answered: conversations, their messages, and the citations that carry an answer."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models, transaction
from django.db.models import Deferrable, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from documents.locating import Quote
from documents.models import Collection, Document, Person
from documents.textview import quoted
from project.models import narrowed_to

if TYPE_CHECKING:
    from chat.models.feedback import Feedback

GRACE = timedelta(hours=1)  # How long a deleted conversation can be brought back.


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def for_user(self, user: Person) -> ConversationQuerySet:
        """One's own; of a caller whose key is narrowed, those that were asked of its collections and no others."""
        if not user.is_authenticated:
            return self.none()
        rows, only = self.filter(owner=user, deleted_at=None), narrowed_to(user)
        if only is None:
            return rows
        asked = Conversation.collections.through.objects
        inside, outside = asked.filter(collection__in=only), asked.exclude(collection__in=only)
        return rows.filter(pk__in=inside.values("conversation")).exclude(pk__in=outside.values("conversation"))

    def discarded(self) -> ConversationQuerySet:
        """Deleted, and kept for as long as that may be taken back."""
        return self.exclude(deleted_at=None)

    def sweep(self) -> int:
        """Delete for good what was discarded long enough ago; returns how many conversations."""
        return self.discarded().filter(deleted_at__lt=timezone.now() - GRACE).delete()[1].get("chat.Conversation", 0)


class Conversation(models.Model):
    """A row of questions and answers of one person, over the collections they chose."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=120)
    collections = models.ManyToManyField(Collection, blank=True)
    documents = models.ManyToManyField(Document, blank=True, related_name="+")
    scope_size = models.PositiveIntegerField(
        default=0, help_text="How many collections and documents were chosen; 0: everything the owner may read."
    )
    deployment = models.CharField(max_length=80, blank=True, help_text="Who answers. Empty: the default.")
    summary = models.TextField(blank=True, help_text="What was said up to `summed_up_to`, in short, for the model.")
    summed_up_to = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="Gone for its owner; soon gone for good.")

    objects = ConversationQuerySet.as_manager()

    # Set where a list is made: the address of an answer of which a document it cites says something else now.
    changed_at: str | None = None

    has_news = False  # Likewise: a question of it that nobody could answer is answered by now.

    class Meta:
        ordering = ["-updated_at"]
        indexes = [models.Index(fields=["owner", "-updated_at"], name="conversation_list")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("conversation", args=[self.pk])

    @property
    def ask_url(self) -> str:
        return reverse("ask-more", args=[self.pk])

    @property
    def rename_url(self) -> str:
        return reverse("conversation-rename", args=[self.pk])

    @property
    def delete_url(self) -> str:
        return reverse("conversation-delete", args=[self.pk])

    def discard(self) -> None:
        """Delete it, so that this can be taken back for a while; what is being answered is stopped."""
        with transaction.atomic():
            Conversation.objects.filter(pk=self.pk).update(deleted_at=timezone.now())
            self.messages.filter(state__in=RUNNING).update(stop_requested=True)

    def bring_back(self) -> None:
        Conversation.objects.filter(pk=self.pk).update(deleted_at=None)


class State(models.TextChoices):
    """How far an answer is. All but the first two are ends."""

    QUEUED = "queued", gettext_lazy("Asked")
    STREAMING = "streaming", gettext_lazy("Answering")
    DONE = "done", gettext_lazy("Answered")
    REFUSED = "refused", gettext_lazy("Not in the documents")
    STOPPED = "stopped", gettext_lazy("Stopped")
    FAILED = "failed", gettext_lazy("Failed")
    INTERRUPTED = "interrupted", gettext_lazy("Interrupted")


RUNNING = (State.QUEUED, State.STREAMING)
BROKEN_OFF = (State.STOPPED, State.FAILED, State.INTERRUPTED)
SILENCE = timedelta(seconds=15)  # Whoever answers shows a sign of life every half second.
AROUND = 80  # Letters of a passage shown on either side of the words an answer rests on.


class MessageQuerySet(models.QuerySet["Message"]):
    def for_user(self, user: Person) -> MessageQuerySet:
        return self.filter(conversation__in=Conversation.objects.for_user(user))


class Message(models.Model):
    """A question, or an answer to one. An answer's text carries its source numbers as [1]."""

    class Role(models.TextChoices):
        USER = "user", gettext_lazy("Question")
        ASSISTANT = "assistant", gettext_lazy("Answer")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    role = models.CharField(max_length=10, choices=Role)
    reply_to = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="replies")
    after = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="follow_ups",
        help_text="The answer a question follows; none: it is a first one. Questions after the same are versions.",
    )
    content = models.TextField(blank=True)
    client_key = models.CharField(
        max_length=64, blank=True, help_text="Sent with a question, so that it is asked once."
    )

    state = models.CharField(max_length=12, choices=State, default=State.DONE)
    error = models.CharField(max_length=300, blank=True, help_text="A plain sentence.")
    failure = models.CharField(max_length=40, blank=True, help_text="What went wrong, as a code.")
    notice = models.CharField(max_length=300, blank=True)
    is_cut = models.BooleanField(default=False, help_text="Whether it ended at the model's limit of tokens.")
    grounding = models.CharField(
        max_length=20, blank=True, help_text="Who must search: “hybrid”. Empty: whoever the model has do it."
    )
    stop_requested = models.BooleanField(default=False)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="The last sign of life of whoever answers.")
    read_at = models.DateTimeField(
        null=True, blank=True, help_text="The last sign of somebody who reads it in another process than it is written."
    )
    how = models.JSONField(
        default=list, blank=True, help_text='How the answer was made: [["Searched for", "..."], ...]'
    )
    queries = models.JSONField(
        default=list, blank=True, help_text="What is searched for in the question's place, in its own language first."
    )
    read_by = models.CharField(
        max_length=10, blank=True, help_text="Who put it so: “rules”, “model”, “person”. Empty: it is the question."
    )
    suggestions = models.JSONField(null=True, blank=True, help_text="What could be asked next; null: not looked for.")
    made = models.JSONField(default=dict, blank=True, help_text="What it took: chat.making.Made.")
    runs = models.JSONField(
        default=list, blank=True, help_text='Code that was run for the answer: [{"code": "...", "output": "..."}, ...]'
    )
    proofs = models.JSONField(
        default=list,
        blank=True,
        help_text='What became of each sentence: [{"start", "end", "verdict", "reason", "spans", ...}, ...]',
    )
    template = models.ForeignKey(
        "chat.PromptTemplate",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The wording it was asked for in; none: the built-in one.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["role", "created_at"], name="message_by_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "client_key"], condition=~Q(client_key=""), name="one_question_a_client_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.content[:60]}"

    def get_absolute_url(self) -> str:
        """The conversation with this message on the branch that is shown."""
        place = "asked" if self.role == Message.Role.USER else "turn"
        return f"{reverse('conversation', args=[self.conversation_id])}?at={self.pk}#{place}-{self.pk}"

    @property
    def question(self) -> Message:
        """What this is an answer to."""
        assert self.reply_to is not None
        return self.reply_to

    @property
    def parent_id(self) -> uuid.UUID | None:
        """What comes before it: the question of an answer, the answer that a question follows."""
        return self.reply_to_id or self.after_id

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING

    def claim(self) -> bool:
        """Take the answer on; False when somebody answers already or it has ended."""
        asked = Message.objects.filter(pk=self.pk, state=State.QUEUED)
        return asked.update(state=State.STREAMING, seen_at=timezone.now()) == 1

    def go_on(self) -> bool:
        """Have an answer that broke off written to its end; False where there is nothing to go on from."""
        broken = Message.objects.filter(Q(state__in=BROKEN_OFF) | Q(is_cut=True, state=State.DONE), pk=self.pk)
        anew = {"stop_requested": False, "error": "", "failure": "", "notice": "", "is_cut": False, "ended_at": None}
        return broken.exclude(content="").update(state=State.QUEUED, suggestions=None, **anew) == 1

    @property
    def broke_off(self) -> bool:
        return self.state in BROKEN_OFF or (self.is_cut and self.state == State.DONE)

    def end(self, state: State, **fields) -> None:
        """Give a running answer its end; one that has an end keeps it, but for whoever was taken for lost."""
        running = Message.objects.filter(pk=self.pk, state__in=(*RUNNING, State.INTERRUPTED))
        now = timezone.now()
        if running.update(state=state, ended_at=now, **fields):
            Conversation.objects.filter(pk=self.conversation_id).update(updated_at=now)
        self.refresh_from_db()

    @property
    def is_silent(self) -> bool:
        """Whether nobody seems to be writing it, though somebody should."""
        return self.state == State.STREAMING and (not self.seen_at or self.seen_at < timezone.now() - SILENCE / 3)

    @classmethod
    def end_interrupted(cls) -> int:
        """Give an end to answers whose process is gone; returns their number."""
        lost = cls.objects.filter(state=State.STREAMING, seen_at__lt=timezone.now() - SILENCE)
        sentence = "The connection to whoever was answering was lost. What was written is kept."
        return lost.update(state=State.INTERRUPTED, error=sentence)


class Elsewhere(NamedTuple):
    """Where the words of a citation stand too."""

    title: str
    page: str
    url: str
    panel_url: str


class Citation(models.Model):
    """A passage that was offered for an answer, and the words of it that the answer rests on.

    Everything needed to show it is kept here, so that it survives another indexing of its document. One that a model's
    service found in an index of its own has no document and no page; its text and its address are hostile.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="What its link names.")
    message = models.ForeignKey(Message, models.CASCADE, related_name="citations")
    number = models.PositiveIntegerField()
    is_cited = models.BooleanField(default=True, help_text="False: retrieved, but not used.")
    is_sent = models.BooleanField(default=True, help_text="False: found, but not shown to whoever answered.")
    tokens = models.PositiveIntegerField(default=0, help_text="Of the passage, as we count.")
    document = models.ForeignKey(Document, models.SET_NULL, null=True, related_name="citations")
    is_external = models.BooleanField(default=False, help_text="A service found it: it is no document of ours.")
    outside = models.TextField(blank=True, help_text="Where it stands, as the service says.")
    title = models.CharField(max_length=300)
    page_number = models.PositiveIntegerField()
    page_label = models.CharField(max_length=40, blank=True)
    section = models.CharField(max_length=500, blank=True)
    start = models.PositiveIntegerField(help_text="The passage, as offsets into the page's text.")
    end = models.PositiveIntegerField()
    text = models.TextField(help_text="The passage's words.")
    marks = models.JSONField(default=list, help_text="[[start, end], ...] on the page.")
    copies = models.JSONField(
        default=list, help_text="[[document, page, its label, start, end], ...]: where else the same words were found."
    )
    keyword_rank = models.PositiveIntegerField(null=True, blank=True)
    vector_rank = models.PositiveIntegerField(null=True, blank=True)
    score = models.FloatField(default=0)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["message", "number"], name="one_citation_a_number", deferrable=Deferrable.DEFERRED
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.label}"

    opinion: Feedback | None = None  # Set where a page is made for somebody: what they think of it.
    others: Sequence[Elsewhere] = ()  # Set where a page is made for somebody: copies of its words that they may read.
    is_gone = False  # Set where a page is made for somebody: the document is deleted, or not theirs to read any more.

    @property
    def is_outdated(self) -> bool:
        """Whether a newer version of its document took its place."""
        return not self.is_gone and self.document is not None and self.document.superseded_at is not None

    @property
    def shown_page(self) -> str:
        return self.page_label or str(self.page_number)

    @property
    def label(self) -> str:
        """ "Guide, page 4" """
        return (
            self.title
            if self.is_external
            else gettext("%(title)s, page %(page)s") % {"title": self.title, "page": self.shown_page}
        )

    @property
    def spans(self) -> list[tuple[int, int]]:
        """What the answer rests on, in the order in which it cites it."""
        return [(start, end) for start, end in self.marks]

    @property
    def first_span(self) -> tuple[int, int] | None:
        return next((span for span in self.spans if span[1] > span[0]), None)

    @property
    def quote(self) -> str:
        """The words the answer rests on first; the passage's beginning when none could be found."""
        span = self.first_span
        return self.text[span[0] - self.start : span[1] - self.start] if span else self.text[:300]

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """The words the answer rests on first, inside what stands around them: (text, whether it is lit)."""
        span = self.first_span
        if span is None:
            return [(quoted(_beginning(self.text, 300)), False)]
        start, end = span[0] - self.start, span[1] - self.start
        before = _beginning(self.text[:start][::-1], AROUND)[::-1]
        words = [before, self.text[start:end], _beginning(self.text[end:], AROUND)]
        return list(zip(quoted("\0".join(words)).split("\0"), (False, True, False), strict=True))

    @property
    def web_url(self) -> str:
        """Where a reader may go to see it; "" for whatever is no address of the web."""
        return web_address(self.outside)

    @property
    def quote_kept(self) -> Quote:
        """By what its words are found again, however its document was read since."""
        return Quote(self.page_number, self.start, self.end, self.text, self.spans)

    @property
    def url(self) -> str:
        """Its permanent link: the version, the page and the words it was made from, as long as that version exists."""
        return reverse("cite", args=[self.public_id])

    @property
    def panel_url(self) -> str:
        return f"{self.url}?part=1"


def _beginning(text: str, letters: int) -> str:
    """About so many letters of a text, up to the end of a word, with the sign that there is more.

    >>> _beginning("one two three", 9), _beginning("one two", 9)
    ('one two…', 'one two')
    """
    if len(text) <= letters:
        return text
    return text[:letters].rpartition(" ")[0].rstrip() + "…"


def web_address(url: str) -> str:
    """An address that a click may lead to: http or https, with a host and no name or password in it; else "".

    >>> web_address("https://example.org/a"), web_address("javascript:alert(1)"), web_address("https://x@evil.example")
    ('https://example.org/a', '', '')
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    is_plain = url.isprintable() and "\\" not in url and " " not in url
    return url if is_plain and parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc else ""
