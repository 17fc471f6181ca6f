"""The library's rows: indexes, collections, documents, their pages and chunks, and who may see them."""

from __future__ import annotations

import os
import platform
import unicodedata
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.module_loading import import_string

from documents.search import SearchBackend

Person = User | AnonymousUser


class Index(models.Model):
    """What an administrator runs: a search backend with an embedding model and chunking settings."""

    name = models.CharField(max_length=80, unique=True)
    live = models.ForeignKey("IndexVersion", models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "indexes"

    def __str__(self) -> str:
        return self.name

    @property
    def live_version(self) -> IndexVersion:
        """The version that is searched; whoever makes an index gives it one."""
        assert self.live is not None
        return self.live


class IndexVersion(models.Model):
    """One way an index is built. Vectors of two models never share a version."""

    index = models.ForeignKey(Index, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    backend_name = models.CharField(max_length=40, default="pgvector")
    embedding_model = models.CharField(max_length=120, help_text="Empty: keyword search alone.", blank=True)
    dimensions = models.PositiveIntegerField()
    chunk_tokens = models.PositiveIntegerField(default=400)
    chunk_overlap = models.FloatField(default=0.1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["index", "number"], name="one_version_a_number")]

    def __str__(self) -> str:
        return f"{self.index} {self.number}"

    @property
    def backend(self) -> SearchBackend:
        """The search backend that holds this version's chunks."""
        return import_string(settings.SEARCH_BACKENDS[self.backend_name])(self)


class CollectionQuerySet(models.QuerySet["Collection"]):
    def for_user(self, user: Person) -> CollectionQuerySet:
        """What this person may read. Nobody signed in reads nothing."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(Q(owner=user) | Q(pk__in=Membership.objects.filter(user=user).values("collection")))

    def editable_by(self, user: Person) -> CollectionQuerySet:
        if not user.is_authenticated:
            return self.none()
        editing = Membership.objects.filter(user=user, role=Membership.Role.EDITOR)
        return self.filter(Q(owner=user) | Q(pk__in=editing.values("collection")))


class Collection(models.Model):
    """A named set of documents with members. Permission is decided here and nowhere else."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="collections")
    index = models.ForeignKey(Index, models.PROTECT, related_name="collections")
    is_private = models.BooleanField(
        default=False, help_text="The one everybody has for themselves; it cannot be shared."
    )
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="shared_collections")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CollectionQuerySet.as_manager()

    class Meta:
        ordering = ["-is_private", "name"]
        constraints = [
            models.UniqueConstraint(fields=["owner"], condition=Q(is_private=True), name="one_private_collection_each"),
            models.UniqueConstraint(fields=["owner", "name"], name="one_collection_a_name_each"),
        ]

    chosen = False  # Set where a page is made: the conversation at hand is asked of this collection.

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("library") + f"?collection={self.pk}"


class Membership(models.Model):
    class Role(models.TextChoices):
        READER = "reader", "Reader"
        EDITOR = "editor", "Editor"

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.READER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "user"], name="one_role_a_member")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.collection}"


class State(models.TextChoices):
    """Where a document is on its way. The last four are ends."""

    QUEUED = "queued", "Waiting"
    EXTRACTING = "extracting", "Reading the text"
    CHUNKING = "chunking", "Cutting into passages"
    EMBEDDING = "embedding", "Embedding"
    INDEXING = "indexing", "Indexing"
    READY = "ready", "Ready"
    WARNING = "warning", "Ready, but not all of it"
    FAILED = "failed", "Failed"
    CANCELED = "canceled", "Cancelled"


CANDIDATES = 20  # looked at in one go, since other workers choose at the same moment
UNDER_WAY = (State.QUEUED, State.EXTRACTING, State.CHUNKING, State.EMBEDDING, State.INDEXING)
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

    def waiting(self) -> DocumentQuerySet:
        """Under way, and nobody is at work on it: never begun, laid aside for others, or its worker died."""
        now = timezone.now()
        return (
            self.under_way()
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
            is_new = row.state == State.QUEUED
            if row.lease_until is not None:
                row.end_attempt(Attempt.Outcome.INTERRUPTED, "Its worker ended in the middle.", at=row.lease_until)
                is_new_attempt = True
            else:
                is_new_attempt = is_new or not row.attempts.filter(outcome="").exists()
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

    def versions(self) -> DocumentQuerySet:
        """Every document that is, or was, this one: of its name, at its place."""
        return Document.objects.filter(collection=self.collection_id, name=self.name, parent=self.parent_id)


class LeaseLost(Exception):
    """The document was canceled, deleted or taken by another worker: whoever works on it must leave it alone."""


class Attempt(models.Model):
    """One beginning of the work on a document, and how it ended: the history that a person asks for."""

    class Outcome(models.TextChoices):
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Cancelled"
        INTERRUPTED = "interrupted", "Interrupted"

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


class Page(models.Model):
    """A page's text, or the nearest thing a format has. `text` is the truth: everything else is offsets into it."""

    document = models.ForeignKey(Document, models.CASCADE, related_name="pages")
    generation = models.PositiveIntegerField()
    number = models.PositiveIntegerField(help_text="From 1, in reading order.")
    label = models.CharField(max_length=40, blank=True, help_text='What is printed on it, such as "iv".')
    text = models.TextField(blank=True)
    headings = models.JSONField(default=list, help_text="[[offset, level, title], ...] in the order of the text.")
    tables = models.JSONField(
        default=list, help_text="[{rows: [[[start, end], ...], ...], header_rows, name, numbers, first_column}, ...]"
    )
    runs = models.JSONField(
        default=list, help_text="[[start, index, length, step], ...] where PDFium's order is another."
    )
    boxes = models.JSONField(
        default=list, help_text="[[start, end, left, top, width, height], ...] of words in images."
    )
    findings = models.JSONField(
        default=list, help_text="[[start, end, kind, reason], ...]: what no reader sees, or speaks to a model."
    )
    warning = models.CharField(max_length=40, blank=True)
    receipt = models.JSONField(
        default=dict,
        help_text="letters, words, tables, images, language, recognised, confidence, cleaned, unreadable, withheld, "
        "seconds",
    )

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["document", "generation", "number"], name="one_page_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.document}, page {self.label or self.number}"

    def get_absolute_url(self) -> str:
        return reverse("page", args=[self.document_id, self.number])

    def shown_text(self, start: int, end: int) -> str:
        """A stretch of the text with what was found hidden or speaking to a model blanked out, letter for letter.

        An editor who has looked at the findings may let answers use them.
        """
        text = self.text[start:end]
        if not self.findings or self.document.trusted_at:
            return text
        for first, after, *_ in self.findings:
            first, after = max(first, start) - start, min(after, end) - start
            if first < after:
                text = text[:first] + " " * (after - first) + text[after:]
        return text


def page_url(
    document_id: uuid.UUID,
    number: int,
    passage: tuple[int, int] | None = None,
    marks: Sequence[tuple[int, int]] = (),
    *,
    part: bool = False,
) -> str:
    """The lasting address of words on a page; with `part`, of the piece that a panel shows."""
    query = [("passage", f"{passage[0]}-{passage[1]}")] if passage else []
    query += [("mark", f"{start}-{end}") for start, end in marks]
    query += [("part", "1")] if part else []
    return reverse("page", args=[document_id, number]) + (f"?{urlencode(query)}" if query else "")


class Chunk(models.Model):
    """A span of one page: what is embedded, found and cited. Its text is never a copy."""

    document = models.ForeignKey(Document, models.CASCADE, related_name="chunks")
    page = models.ForeignKey(Page, models.CASCADE, related_name="chunks")
    generation = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField(help_text="From 0, through the whole document.")
    start = models.PositiveIntegerField(help_text="Offset into the page's text, in characters.")
    end = models.PositiveIntegerField()
    section = models.CharField(
        max_length=500, blank=True, help_text="The headings above it, outermost first, joined by ' > '."
    )
    header_start = models.PositiveIntegerField(default=0, help_text="The table's header that stands above it …")
    header_end = models.PositiveIntegerField(default=0, help_text="… in the page's text; 0 and 0: none.")
    tokens = models.PositiveIntegerField(default=0)
    is_searched = models.BooleanField(default=True, help_text="Whether the index holds it.")

    class Meta:
        ordering = ["ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["document", "generation", "ordinal"], name="one_chunk_an_ordinal"),
            models.CheckConstraint(condition=Q(end__gt=models.F("start")), name="chunk_is_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.document} {self.start}-{self.end}"

    @property
    def text(self) -> str:
        """What an answer may use: withheld words are blanks, so that every offset holds."""
        return self.page.shown_text(self.start, self.end)

    @property
    def header(self) -> str:
        """The header row of the table that this chunk is a later part of; "" elsewhere."""
        return self.page.shown_text(self.header_start, self.header_end)


class EmbeddingCache(models.Model):
    """Vectors by model and content: what was computed once is not computed, or paid for, again."""

    model = models.CharField(max_length=120)
    sha256 = models.BinaryField(max_length=32)
    vector = models.BinaryField(help_text="float32, little endian.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "sha256"], name="one_vector_a_text")]


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
