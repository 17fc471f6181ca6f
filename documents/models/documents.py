"""Uploaded files: where each is on its way, who works on it, and whose turn is next."""

from __future__ import annotations

import os
import platform
import unicodedata
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from documents.models.collections import Collection, Person

if TYPE_CHECKING:
    from documents.models.pages import Chunk, Page


class State(models.TextChoices):
    """Where a document is on its way. The last four are ends."""

    QUEUED = "queued", gettext_lazy("Waiting")
    EXTRACTING = "extracting", gettext_lazy("Reading the text")
    CHUNKING = "chunking", gettext_lazy("Cutting into passages")
    EMBEDDING = "embedding", gettext_lazy("Embedding")
    INDEXING = "indexing", gettext_lazy("Indexing")
    READY = "ready", gettext_lazy("Ready")
    WARNING = "warning", gettext_lazy("Ready, but not all of it")
    FAILED = "failed", gettext_lazy("Failed")
    CANCELED = "canceled", gettext_lazy("Cancelled")


CANDIDATES = 20  # looked at in one go, since other workers choose at the same moment
UNDER_WAY = (State.QUEUED, State.EXTRACTING, State.CHUNKING, State.EMBEDDING, State.INDEXING)
CUT_OFF = "Its worker ended in the middle."
LEFT_AFTER = timedelta(minutes=5)  # after its lease ended, somebody should have taken a document up
DEAD = ("internal", "interrupted")  # error codes: every attempt ended in the middle, or with a fault of ours
FINDABLE = (State.READY, State.WARNING)


class DocumentQuerySet(models.QuerySet["Document"]):
    def for_user(self, user: Person) -> DocumentQuerySet:
        """What this person may read: documents of the collections they may read, deleted ones never."""
        return self.filter(collection__in=Collection.objects.for_user(user), deleted_at=None)

    def editable_by(self, user: Person) -> DocumentQuerySet:
        return self.filter(collection__in=Collection.objects.editable_by(user), deleted_at=None)

    def current(self) -> DocumentQuerySet:
        """The newest version of each; superseded ones stay readable through their citations only."""
        return self.filter(superseded_at=None)

    def under_way(self) -> DocumentQuerySet:
        return self.filter(state__in=UNDER_WAY, deleted_at=None)

    def left(self) -> DocumentQuerySet:
        """Under way by their state, and for some minutes in nobody's hand: their worker died, and none came after."""
        return self.under_way().filter(lease_until__lt=timezone.now() - LEFT_AFTER)

    def waiting(self) -> DocumentQuerySet:
        """Under way, and nobody is at work on it: never begun, laid aside for others, or its worker died."""
        now = timezone.now()
        return (
            self.under_way()
            .filter(superseded_at=None)
            .filter(Q(lease_until=None) | Q(lease_until__lt=now))
            .filter(Q(not_before=None) | Q(not_before__lte=now))
        )

    def in_turn(self) -> DocumentQuerySet:
        """What waits, in the order it is served: people take turns, and each one's short files go before the long.

        First comes whoever has fewest files in work, then whoever was served longest ago. Of one person's files those
        that had no turn yet go first, the smallest before the others.
        """
        others = Document.objects.filter(owner=models.OuterRef("owner")).order_by()
        in_work = others.filter(lease_until__gt=timezone.now()).values("owner").annotate(n=models.Count("pk"))
        last_turn = others.exclude(served_at=None).order_by("-served_at").values("served_at")[:1]
        rows = self.waiting().annotate(
            in_work=Coalesce(models.Subquery(in_work.values("n")), 0), last_turn=models.Subquery(last_turn)
        )
        return rows.order_by(
            "in_work",
            models.F("last_turn").asc(nulls_first=True),
            models.F("served_at").asc(nulls_first=True),
            "size",
            "created_at",
        )

    def claim_next(self) -> Document | None:
        """Take the document whose turn it is; None when nothing waits that somebody else did not take first."""
        return next((document for document in self.in_turn()[:CANDIDATES] if document.claim()), None)


class Document(models.Model):
    """An uploaded file. What is embedded and found is always one of its chunks."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, models.CASCADE, related_name="documents")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="documents")
    name = models.CharField(max_length=200)
    title = models.CharField(max_length=300, blank=True)
    kind = models.CharField(
        max_length=20, help_text="The format, decided by the file's content: pdf, docx, xlsx, eml, text …"
    )
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    language = models.CharField(max_length=10, blank=True)
    version = models.PositiveIntegerField(default=1)
    replaces = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="replaced_by")
    purpose = models.CharField(max_length=20, blank=True, help_text="What the program that sent it wants it for.")
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children", help_text="The mail it was attached to."
    )

    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0, help_text="Units of the running stage that are done.")
    total = models.PositiveIntegerField(default=0, help_text="Units of the running stage in all; 0: unknown.")
    attempt = models.PositiveIntegerField(
        default=0, help_text="Beginnings since something was last stored; counted before the work."
    )
    generation = models.PositiveIntegerField(
        default=0, help_text="The set of pages and chunks that is read; 0: none yet."
    )
    building = models.PositiveIntegerField(default=0, help_text="The newest set begun.")
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(
        max_length=300, blank=True, help_text="A sentence: what it waits for, if not its turn."
    )
    served_at = models.DateTimeField(null=True, blank=True, help_text="When a worker last let go of it.")
    page_count = models.PositiveIntegerField(default=0)
    chunk_count = models.PositiveIntegerField(default=0)
    warnings = models.JSONField(default=list, blank=True, help_text="Plain sentences.")
    error = models.JSONField(null=True, blank=True, help_text='{"code", "reason", "advice"}')
    seconds = models.JSONField(default=dict, blank=True, help_text="Seconds spent in each stage.")
    receipt = models.JSONField(
        default=dict,
        blank=True,
        help_text="What became of it all: letters, words, tables, images, recognised, cleaned, withheld, attachments, "
        "left_out, embedded, cached, tokens, cost.",
    )
    opened = models.BooleanField(default=False, help_text="Its password was given; a copy without one lies beside it.")
    trusted_at = models.DateTimeField(null=True, blank=True)
    trusted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The editor who let answers use what was found hidden in it, or speaks to a model.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    placed_at = models.DateTimeField(null=True, blank=True, help_text="When it was moved to where it is.")
    superseded_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    cleaned_at = models.DateTimeField(null=True, blank=True, help_text="Deleted, and its file and text are gone too.")

    # What is found once the building ends without success: the part of a first version that was live already goes.
    LIVE_BEFORE = models.Case(
        models.When(state__in=(State.EMBEDDING, State.INDEXING), generation=models.F("building"), then=0),
        default=models.F("generation"),
        output_field=models.PositiveIntegerField(),
    )

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "sha256", "parent"],
                condition=Q(deleted_at=None, superseded_at=None),
                nulls_distinct=False,
                name="one_document_a_content",
            )
        ]
        indexes = [
            models.Index(fields=["state", "lease_until"], name="document_waiting"),
            models.Index(fields=["owner", "-served_at"], name="document_turn"),
            models.Index(
                fields=["-created_at", "id"],
                condition=Q(deleted_at=None, superseded_at=None),
                name="document_newest",
            ),
            models.Index(
                Lower("name"), "id", condition=Q(deleted_at=None, superseded_at=None), name="document_by_name"
            ),
            models.Index(  # All that a search reads of a document.
                fields=["collection"],
                include=["id", "generation"],
                condition=Q(deleted_at=None, superseded_at=None),
                name="document_searched",
            ),
        ]

    can_edit = False  # Set where a page is made for somebody.
    before = 0  # Likewise: how many documents are read before this one.

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("document", args=[self.pk])

    @property
    def path(self) -> Path:
        """Where the original lies: under our own id, never under a name somebody gave."""
        return settings.MEDIA_ROOT / str(self.pk)[:2] / str(self.pk)

    @property
    def opened_path(self) -> Path:
        """Where the copy lies that needs no password, if one was given."""
        return self.path.with_suffix(".opened")

    @property
    def readable_path(self) -> Path:
        """The file to read and to draw from; the original is for downloading alone."""
        return self.opened_path if self.opened else self.path

    @property
    def pictures(self) -> Path:
        """Where images of its pages are kept once they are drawn; they go with the document."""
        return settings.DATA_DIR / "cache" / "pages" / str(self.pk)

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def is_findable(self) -> bool:
        return self.generation > 0 and self.deleted_at is None and self.superseded_at is None

    @property
    def display_title(self) -> str:
        return self.title or Path(self.name).stem or self.name

    @property
    def is_cut_off(self) -> bool:
        """Under way, but whoever worked on it has not been heard of: it is taken up again by itself."""
        return self.is_under_way and self.lease_until is not None and self.lease_until < timezone.now()

    @property
    def is_left(self) -> bool:
        """Cut off for so long that it wants a look, as `left` finds them."""
        return self.is_cut_off and self.lease_until < timezone.now() - LEFT_AFTER  # type: ignore[operator]

    @property
    def is_partly_live(self) -> bool:
        """Still being embedded, and what is done of it can be found already."""
        return self.state in {State.EMBEDDING, State.INDEXING} and self.generation == self.building

    def claim(self) -> bool:
        """Take the document for ingestion; False if another worker holds it or nothing is left to do.

        The attempt is counted here, before any work, so that a file that kills its worker is not tried for ever. What
        was begun goes on where it stopped; what is queued begins anew, beside what is read.
        """
        now, token = timezone.now(), uuid.uuid4()
        with transaction.atomic():
            row = (
                Document.objects.waiting().select_for_update(of=("self",), skip_locked=True).filter(pk=self.pk).first()
            )
            if row is None:
                return False
            if row.lease_until is not None:
                row.end_attempt(Attempt.Outcome.INTERRUPTED, CUT_OFF, at=row.lease_until)
            is_new_attempt = not row.attempts.filter(outcome="").exists()
            is_new = row.state == State.QUEUED and is_new_attempt
            Document.objects.filter(pk=self.pk).update(
                lease_token=token,
                lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
                attempt=row.attempt + 1,
                building=row.building + is_new,
                waits_for="",
                not_before=None,
            )
            if is_new_attempt:
                number = (row.attempts.aggregate(last=models.Max("number"))["last"] or 0) + 1
                row.attempts.create(number=number, began_at=now, worker=f"{platform.node()} {os.getpid()}"[:120])
        self.refresh_from_db()
        self.lease_token = token  # Not what stands there by now: it may be another worker's.
        return True

    def renew(self, **progress) -> None:
        """Write the progress and keep the lease; raises LeaseLost when the document was taken away meanwhile."""
        self._change_held(lease_until=timezone.now() + timedelta(seconds=settings.LEASE_SECONDS), **progress)

    def release(self, **changes) -> None:
        """Lay the document down as it stands, for whoever comes next; raises LeaseLost as `renew` does."""
        self._change_held(lease_until=None, served_at=timezone.now(), **changes)

    def _change_held(self, **changes) -> None:
        held = Document.objects.under_way().filter(pk=self.pk, lease_token=self.lease_token)
        if not held.update(**changes):
            raise LeaseLost(self.pk)
        for field, value in changes.items():
            setattr(self, field, value)

    def end_attempt(self, outcome: Attempt.Outcome, reason: str = "", *, at: datetime | None = None) -> None:
        """Write into the history how the attempt that is open, if one is, ended, and at which stage."""
        self.attempts.filter(outcome="").update(
            outcome=outcome, reason=reason[:500], stage=self.state, ended_at=at or timezone.now()
        )

    def pages_live(self) -> models.QuerySet[Page]:
        return self.pages.filter(generation=self.generation)

    def chunks_live(self) -> models.QuerySet[Chunk]:
        """What is searched of it: the chunks of the live version of its index."""
        return self.chunks.filter(index_version=self.collection.index.live_id, generation=self.generation)

    def versions(self) -> DocumentQuerySet:
        """Every document that is, or was, this one: of its name, at its place."""
        return Document.objects.filter(collection=self.collection_id, name=self.name, parent=self.parent_id)

    def newer(self) -> Document | None:
        """The version that is read in this one's place, if another took it; also after either was renamed."""
        found, level, seen = None, {self.pk}, {self.pk}
        while level:
            rows = list(Document.objects.filter(replaces__in=level).exclude(pk__in=seen))
            level = {row.pk for row in rows}
            seen |= level
            live = [row for row in rows if row.is_findable]
            found = max([*live, *([found] if found else [])], key=lambda row: row.version, default=None)
        return found


class LeaseLost(Exception):
    """The document was canceled, deleted or taken by another worker: whoever works on it must leave it alone."""


class Attempt(models.Model):
    """One beginning of the work on a document, and how it ended: the history that a person asks for."""

    class Outcome(models.TextChoices):
        DONE = "done", gettext_lazy("Done")
        FAILED = "failed", gettext_lazy("Failed")
        CANCELED = "canceled", gettext_lazy("Cancelled")
        INTERRUPTED = "interrupted", gettext_lazy("Interrupted")

    document = models.ForeignKey(Document, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField(help_text="From 1, through the whole life of the document.")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=12, choices=State, default=State.QUEUED, help_text="How far it came.")
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True, help_text="Empty: it goes on.")
    reason = models.CharField(max_length=500, blank=True)
    worker = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="one_attempt_a_number")]

    def __str__(self) -> str:
        return f"{self.document}, attempt {self.number}"


def display_name(name: str) -> str:
    """A file's name as we show it: no control, direction or zero-width marks, at most 200 letters, never empty.

    >>> display_name("../re\\u202eport\\x00.pdf")
    'report.pdf'
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    shown = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C").strip()
    if len(shown) > 200:
        stem, dot, ending = shown.rpartition(".")
        shown = f"{stem[: 199 - len(ending)]}{dot}{ending}" if dot and len(ending) < 12 else shown[:200]
    return shown.strip(". ") or "document"
