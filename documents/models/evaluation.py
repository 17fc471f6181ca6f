"""Questions with known answers that are kept here, and how well the search and the answers did, each time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.db.models.functions import MD5
from django.urls import reverse
from django.utils.translation import gettext_lazy

from documents.models.indexes import IndexVersion


class EvaluationSet(models.Model):
    """Questions that are asked again and again, to see whether the search and the answers are as good as they were."""

    name = models.CharField(max_length=200, unique=True)
    note = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("console-evaluation-set", args=[self.pk])

    def take(self, question: str, *, pages: Iterable[str] = (), by: User | None = None, **more: Any) -> EvaluationCase:
        """Put a question in, or what is now known of one that is in already; pages as `page_key` names them.

        Pages that are known are added to, never taken away. `more`: truth, origin, note, is_unanswerable.
        """
        case, _ = self.cases.get_or_create(question=" ".join(question.split()), defaults={"added_by": by})
        case.pages = list(dict.fromkeys([*case.pages, *pages]))
        for field, value in more.items():
            setattr(case, field, value)
        if case.pages:
            case.is_unanswerable = False
        case.save()
        return case


class EvaluationCase(models.Model):
    """A question, and what is right: pages, or that nothing answers it. Neither: somebody is still to say."""

    class Origin(models.TextChoices):
        UPLOAD = "upload", gettext_lazy("Uploaded")
        TYPED = "typed", gettext_lazy("Typed")
        PLAYGROUND = "playground", gettext_lazy("Search playground")
        FEEDBACK = "feedback", gettext_lazy("Feedback")

    set = models.ForeignKey(EvaluationSet, models.CASCADE, related_name="cases")
    question = models.TextField(help_text="On one line.")
    pages = models.JSONField(default=list, blank=True, help_text='["handbook.pdf#page=4", …]: the right ones.')
    is_unanswerable = models.BooleanField(
        default=False, help_text="Nothing in the library answers it: it should be refused."
    )
    truth = models.TextField(blank=True, help_text="The answer in somebody's words, if one was given.")
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.TYPED)
    note = models.CharField(
        max_length=300, blank=True, help_text="Why it is asked, such as what was said of an answer."
    )
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint("set", MD5("question"), name="one_case_a_question"),
            models.CheckConstraint(
                condition=Q(pages=[]) | Q(is_unanswerable=False), name="a_case_has_an_answer_or_none"
            ),
        ]

    def __str__(self) -> str:
        return self.question[:200]


class RunQuerySet(models.QuerySet["EvaluationRun"]):
    def done(self) -> RunQuerySet:
        return self.filter(state=EvaluationRun.State.DONE)


class EvaluationRun(models.Model):
    """A set of questions, asked once. What was right travels along, so that a changed set is not compared blindly."""

    class Kind(models.TextChoices):
        SEARCH = "search", gettext_lazy("What is found")
        ANSWERS = "answers", gettext_lazy("What is answered")

    class State(models.TextChoices):
        WAITING = "waiting", gettext_lazy("Waiting")
        RUNNING = "running", gettext_lazy("Running")
        DONE = "done", gettext_lazy("Done")
        FAILED = "failed", gettext_lazy("Failed")
        CANCELED = "canceled", gettext_lazy("Cancelled")

    set_name = models.CharField(max_length=200)
    set = models.ForeignKey(
        EvaluationSet,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="runs",
        help_text="The set that is kept here; empty: it came from a file, or it is gone.",
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SEARCH)
    state = models.CharField(max_length=10, choices=State, default=State.DONE)
    done = models.PositiveIntegerField(default=0, help_text="Questions asked so far; of a search, in each mode.")
    total = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, help_text="A sentence: why it failed.")
    notes = models.JSONField(default=list, blank=True, help_text="Plain sentences that a reader of the figures needs.")
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When its worker last showed that it goes on.")
    finished_at = models.DateTimeField(null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", help_text="As whom it was asked."
    )
    index_version = models.ForeignKey(
        IndexVersion,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="evaluations",
        help_text="Empty: several were searched, or it is gone.",
    )
    top = models.PositiveIntegerField(default=10, help_text="How many places count.")
    limit = models.PositiveIntegerField(null=True, blank=True, help_text="Only so many questions; empty: all.")
    question_count = models.PositiveIntegerField(default=0)
    conditions = models.JSONField(
        default=dict, help_text="{fusion, alpha, indexes: [{index, embedding_model, chunk_tokens, …}]}"
    )
    figures = models.JSONField(
        default=dict,
        help_text="Of a search: {mode: {figure: {value, low, high, by}, p50_ms, p95_ms}}; of answers: {figure: "
        "{value, low, high, part, whole}}.",
    )
    results = models.JSONField(
        default=list,
        help_text="[{id, text, right: {key: grade}, modes: {mode: {rank, values, seconds}}}, …]; of answers, in place "
        "of modes: refused, answer, cited, verdicts, failed, seconds.",
    )

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["set_name", "-created_at"], name="evaluation_of_set")]

    def __str__(self) -> str:
        return f"{self.set_name}, {self.created_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("console-evaluation-run", args=[self.pk])

    @property
    def is_under_way(self) -> bool:
        return self.state in {self.State.WAITING, self.State.RUNNING}

    def previous(self) -> EvaluationRun | None:
        """The newest run before this one that asked the same of the same set, as the same person."""
        same = EvaluationRun.objects.done().filter(
            set_name=self.set_name, kind=self.kind, user=self.user, top=self.top, limit=self.limit
        )
        if self.pk is not None:
            same = same.filter(pk__lt=self.pk)
        return same.first()
