"""Who may call, and what a call cost."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self) -> ApiKeyQuerySet:
        """Those that open anything at this moment."""
        unexpired = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, revoked_at=None, user__is_active=True)


class ApiKey(models.Model):
    """A key that a program signs its calls with. Only its hash is kept: the key itself is shown once."""

    class Scope(models.TextChoices):
        READ = "read", "Search and ask"
        WRITE = "write", "Also upload and delete"
        ADMIN = "admin", "Also run Lectern"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80, blank=True)
    start = models.CharField(max_length=12, help_text="The first letters, so that a person can tell keys apart.")
    sha256 = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.WRITE)
    collection_ids = ArrayField(
        models.UUIDField(), null=True, blank=True, help_text="All that it opens. Empty: what its person may read."
    )
    requests_a_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: as LECTERN_REQUESTS_A_MINUTE says."
    )
    tokens_a_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: as LECTERN_TOKENS_A_MINUTE says."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it stays until it is revoked.")
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(scope="admin") | Q(collection_ids=None),
                name="no_narrow_admin_key",
                violation_error_message="A key that runs Lectern cannot be narrowed to collections.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.start}… of {self.user}"

    @classmethod
    def create(cls, user, *, name: str = "", scope: str = Scope.WRITE, **more) -> tuple[ApiKey, str]:
        """Make a key; the second value is the key itself, which nobody can read again."""
        secret = f"lk_{secrets.token_urlsafe(32)}"
        row = cls(user=user, name=name, scope=scope, start=secret[:8], sha256=digest(secret), **more)
        row.save(force_insert=True)
        return row, secret

    @classmethod
    def find(cls, secret: str) -> ApiKey | None:
        """The live key of an active person, noted as used; None for anything else."""
        key = cls.objects.live().select_related("user").filter(sha256=digest(secret)).first()
        if key and (key.last_used_at is None or (timezone.now() - key.last_used_at).total_seconds() > 60):
            cls.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
        return key

    def may(self, scope: str) -> bool:
        """Each scope holds those before it; to run Lectern, its person must be staff at this moment."""
        ladder = list(self.Scope.values)
        is_enough = ladder.index(self.scope) >= ladder.index(scope)
        return is_enough and (scope != self.Scope.ADMIN or self.user.is_staff)

    @property
    def person(self) -> User:
        """Whom the call is made for: the key's person, let into the key's collections alone."""
        return narrow(self.user, self.collection_ids)

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


def narrow(user: User, collection_ids: Iterable[UUID] | None) -> User:
    """The person as one that may see these collections alone, whatever is asked for with them; None: no narrowing.

    The narrowing goes where the person goes: the QuerySets that decide what somebody may read look for it.
    """
    user.only_collections = None if collection_ids is None else frozenset(collection_ids)  # type: ignore[attr-defined]
    return user


def narrowed_to(user: object) -> frozenset[UUID] | None:
    """The collections that this person is narrowed to; None: they are not."""
    return getattr(user, "only_collections", None)


def digest(secret: str) -> str:
    """SHA-256 is enough for a key of 256 random bits: there is nothing to guess."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class OuterIdentity(models.Model):
    """Who a person is at an issuer of tokens. Settled once: their address there may change, and become another's."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="outer_identities")
    issuer = models.CharField(max_length=200)
    subject = models.CharField(max_length=200, help_text="The issuer's own id of the person.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "outer identities"
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="one_person_an_identity")]

    def __str__(self) -> str:
        return f"{self.user} at {self.issuer}"


class Usage(models.Model):
    """One call to a model: its tokens as the service counted them, and what they cost."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="usage")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True, related_name="usage")
    collection_id = models.UUIDField(null=True, blank=True)  # Only its number: collections lie a storey above.
    purpose = models.CharField(max_length=20, default="answer")
    deployment = models.CharField(max_length=120)
    base_model = models.CharField(max_length=120, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0, help_text="Of the input: what the service still had.")
    output_tokens = models.PositiveIntegerField(default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0, help_text="Of the output: thoughts that nobody sees.")
    cost = models.DecimalField(
        max_digits=16, decimal_places=8, null=True, blank=True, help_text="US dollars; empty: the price is not known."
    )
    is_estimate = models.BooleanField(default=False, help_text="Counted by us, for the service did not tell.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "usage"
        # A budget is a sum over these rows: each kind of it finds everything it adds up in an index of its own.
        indexes = [
            models.Index(fields=[*of, "created_at"], include=["input_tokens", "output_tokens", "cost"], name=name)
            for name, of in (
                ("usage_of_all", []),
                ("usage_of_user", ["user"]),
                ("usage_of_key", ["api_key"]),
                ("usage_of_collection", ["collection_id"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.deployment}: {self.input_tokens} + {self.output_tokens}"


@dataclass(frozen=True)
class Spent:
    """A sum over usage."""

    tokens: int = 0
    dollars: Decimal = Decimal()
    unpriced: int = 0  # tokens of the calls whose price is not known, which `dollars` cannot hold


class BudgetQuerySet(models.QuerySet["Budget"]):
    def that_bind(self, *, user_id: int | None, api_key_id: int | None, collection_id: UUID | None) -> BudgetQuerySet:
        """Those that a call counts against: of its person, its key, its collection, and the one of everybody."""
        return self.filter(
            Q(user_id=user_id) | Q(user=None), Q(api_key_id=api_key_id) | Q(api_key=None),
            Q(collection_id=collection_id) | Q(collection_id=None),
        )  # fmt: skip


class Budget(models.Model):
    """How much may be spent in a day or a month by one person, one API key, in one collection, or by all together."""

    class Period(models.TextChoices):
        DAY = "day", "A day"
        MONTH = "month", "A month"

    class Unit(models.TextChoices):
        TOKENS = "tokens", "Tokens"
        DOLLARS = "dollars", "US dollars"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="budgets")
    api_key = models.ForeignKey(ApiKey, models.CASCADE, null=True, blank=True, related_name="budgets")
    collection_id = models.UUIDField("collection", null=True, blank=True)
    period = models.CharField(max_length=5, choices=Period, default=Period.MONTH)
    unit = models.CharField(max_length=7, choices=Unit, default=Unit.TOKENS)
    limit = models.DecimalField(max_digits=16, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))])
    warn_at = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.80"),
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal("1"))],
        help_text="The part of the limit from which on it warns: 0.80 is 80 %.",
    )
    near_said = models.CharField(max_length=80, blank=True, editable=False)  # of which period and limit
    spent_said = models.CharField(max_length=80, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = BudgetQuerySet.as_manager()

    class Meta:
        ordering = ["period", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None, api_key=None)
                | Q(user=None, collection_id=None)
                | Q(api_key=None, collection_id=None),
                name="budget_of_one_kind",
                violation_error_message="Name a person, an API key or a collection, or none of them for everybody.",
            ),
            models.CheckConstraint(
                condition=Q(limit__gt=0), name="budget_above_0", violation_error_message="The limit must be above 0."
            ),
            models.UniqueConstraint(
                fields=["user", "api_key", "collection_id", "period", "unit"],
                nulls_distinct=False,
                name="one_budget_of_a_kind",
                violation_error_message="There is such a budget already: change its limit.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.whose}: {self.limit_words} a {self.period}"

    def clean(self) -> None:
        if self.unit == self.Unit.TOKENS and self.limit is not None and self.limit % 1:
            raise ValidationError({"limit": "Tokens are counted whole."})

    @property
    def whose(self) -> str:
        if self.user_id:
            return str(self.user)
        if self.api_key_id:
            return f"API key {self.api_key}"
        return f"collection {self.collection_id}" if self.collection_id else "everybody"

    @property
    def limit_words(self) -> str:
        return f"${self.limit:,.2f}" if self.unit == self.Unit.DOLLARS else f"{self.limit:,.0f} tokens"

    def current(self, now: datetime) -> tuple[datetime, datetime]:
        """When the period of this moment began, and when the next one does."""
        return period_of(self.period, now)

    def spent(self, now: datetime) -> Spent:
        """What counts against it in the period of this moment."""
        rows = Usage.objects.filter(created_at__gte=self.current(now)[0])
        of = {"user": self.user_id, "api_key": self.api_key_id, "collection_id": self.collection_id}
        return total(rows.filter(**{name: value for name, value in of.items() if value}))

    def part(self, spent: Spent) -> Decimal:
        """What part of the limit is spent; 1 and more: all of it."""
        return (spent.dollars if self.unit == self.Unit.DOLLARS else Decimal(spent.tokens)) / self.limit

    def says_first(self, field: str, now: datetime) -> bool:
        """True for one caller only, of all processes, in each period and for each limit."""
        said = f"{self.current(now)[0].isoformat()} {self.limit_words}"
        return Budget.objects.filter(pk=self.pk).exclude(**{field: said}).update(**{field: said}) == 1


def period_of(period: str, now: datetime) -> tuple[datetime, datetime]:
    """The day or month this moment lies in, and the start of the next, by the clock of TIME_ZONE."""
    zone = timezone.get_default_timezone()
    today = now.astimezone(zone).date()
    first = today if period == Budget.Period.DAY else today.replace(day=1)
    after = first + timedelta(days=1 if period == Budget.Period.DAY else 32)
    following = after if period == Budget.Period.DAY else after.replace(day=1)
    start, end = (datetime.combine(day, time(), zone) for day in (first, following))
    return start, end


def total(rows: QuerySet[Usage]) -> Spent:
    """The sum of these rows."""
    tokens = F("input_tokens") + F("output_tokens")
    found = rows.aggregate(tokens=Sum(tokens), dollars=Sum("cost"), unpriced=Sum(tokens, filter=Q(cost=None)))
    return Spent(found["tokens"] or 0, found["dollars"] or Decimal(), found["unpriced"] or 0)


# What was done -------------------------------------------------------------------------------------------------------
class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **changes) -> int:
        raise NothingIsRewritten

    def delete(self) -> tuple[int, dict[str, int]]:
        raise NothingIsRewritten


class NothingIsRewritten(Exception):
    """What was done stays written: events are added, never changed or removed. The database refuses it as well."""


class AuditEvent(models.Model):
    """Who did what, on what, when, and from where. No foreign keys: it outlives all that it names."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=40, help_text="key.create, document.delete, member.add …")
    user_id = models.BigIntegerField(null=True)
    user_name = models.CharField(max_length=150, blank=True)
    api_key_id = models.BigIntegerField(null=True)
    api_key_name = models.CharField(max_length=100, blank=True, help_text="Its first letters, and what it is called.")
    address = models.GenericIPAddressField(null=True, help_text="Empty: a command, or work in the background.")
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=40)
    subject_name = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["subject_kind", "subject_id"], name="audit_of_subject")]

    def __str__(self) -> str:
        return f"{self.user_name or 'nobody'}: {self.action} {self.subject_name}"

    def save(self, *args, **kwargs) -> None:
        if not self._state.adding:
            raise NothingIsRewritten
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs):
        raise NothingIsRewritten

    @property
    def detail_words(self) -> str:
        """The detail on a line, as in "collection: 12, members: alice, bob"."""
        told = ((name, ", ".join(map(str, value)) if isinstance(value, list) else value)
                for name, value in self.detail.items())  # fmt: skip
        return ", ".join(f"{name}: {value}" for name, value in told)
