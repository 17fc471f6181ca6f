"""What an administrator runs: indexes, their versions, and the vectors that were computed once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.module_loading import import_string

from documents.search import SearchBackend


class Index(models.Model):
    """What an administrator runs: a search backend with an embedding model and chunking settings."""

    name = models.CharField(max_length=80, unique=True)
    live = models.ForeignKey("IndexVersion", models.SET_NULL, null=True, blank=True, related_name="+")
    unpublished = models.CharField(
        max_length=300, blank=True, help_text="Why its service does not know yet which version is live."
    )
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


class IndexVersionQuerySet(models.QuerySet["IndexVersion"]):
    def kept(self) -> IndexVersionQuerySet:
        """Those that every document is brought into: the live one, one being built, and those to roll back to."""
        return self.filter(state__in=(IndexVersion.State.BUILDING, IndexVersion.State.READY))


class IndexVersion(models.Model):
    """One way an index is built. Vectors of two models never share a version."""

    class State(models.TextChoices):
        BUILDING = "building", "Being built"
        PAUSED = "paused", "Paused"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Cancelled"

    index = models.ForeignKey(Index, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    backend_name = models.CharField(max_length=40, default="pgvector")
    embedding_model = models.CharField(max_length=120, help_text="Empty: keyword search alone.", blank=True)
    dimensions = models.PositiveIntegerField()
    chunk_tokens = models.PositiveIntegerField(default=400)
    chunk_overlap = models.FloatField(default=0.1)
    languages = models.JSONField(
        default=list, blank=True, help_text="ISO 639-1: those whose grammar the keyword search knows; none: all it can."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    state = models.CharField(max_length=12, choices=State, default=State.READY)
    error = models.CharField(max_length=2000, blank=True, help_text="Sentences: why it failed, or what it waits for.")
    seconds = models.FloatField(default=0, help_text="Spent at work on it.")
    embedded = models.PositiveIntegerField(default=0, help_text="Chunks whose vectors were computed for it.")
    tokens = models.PositiveBigIntegerField(default=0, help_text="Paid for, as the embedding service counted them.")
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    turn = models.PositiveIntegerField(default=0, help_text="Turns taken so far; a message is for the next one alone.")
    queued_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then a message for the next turn is believed to be in the queue."
    )
    not_before = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="When another took its place.")

    objects = IndexVersionQuerySet.as_manager()

    class Meta:
        ordering = ["index", "number"]
        constraints = [
            models.UniqueConstraint(fields=["index", "number"], name="one_version_a_number"),
            models.UniqueConstraint(fields=["index"], condition=Q(state="building"), name="one_building_an_index"),
        ]

    def __str__(self) -> str:
        return f"{self.index} {self.number}"

    @property
    def backend(self) -> SearchBackend:
        """The search backend that holds this version's chunks."""
        return import_string(settings.SEARCH_BACKENDS[self.backend_name])(self)

    @property
    def is_live(self) -> bool:
        return self.index.live_id == self.pk


class VersionComparison(models.Model):
    """Two versions asked the same, in the background; what came of it stays beside them until one of them goes."""

    before = models.ForeignKey(IndexVersion, models.CASCADE, related_name="+")
    after = models.ForeignKey(IndexVersion, models.CASCADE, related_name="comparisons")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", help_text="As whom the sets are asked."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="The last sign of life of whoever asks them.")
    finished_at = models.DateTimeField(null=True, blank=True)
    questions = models.PositiveIntegerField(help_text="How many of the last ones that people asked.")
    sets = models.JSONField(default=list, help_text="[{name, questions: [{id, text, right: {page: grade}}]}]")
    error = models.CharField(max_length=500, blank=True)
    result = models.JSONField(default=dict, help_text="As `comparing.as_json` tells it.")

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.before} and {self.after}"


class EmbeddingCache(models.Model):
    """Vectors by model and content: what was computed once is not computed, or paid for, again."""

    model = models.CharField(max_length=120)
    sha256 = models.BinaryField(max_length=32)
    vector = models.BinaryField(help_text="float32, little endian.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "sha256"], name="one_vector_a_text")]
