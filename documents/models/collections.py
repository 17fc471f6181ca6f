"""Who may read what: collections and their members. Permission is decided here and nowhere else."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from documents.models.indexes import Index
from project.models import narrowed_to

Person = User | AnonymousUser


class CollectionQuerySet(models.QuerySet["Collection"]):
    def for_user(self, user: Person) -> CollectionQuerySet:
        """What this person may read. Nobody signed in reads nothing."""
        return self._of(user, Membership.objects.all())

    def editable_by(self, user: Person) -> CollectionQuerySet:
        return self._of(user, Membership.objects.filter(role=Membership.Role.EDITOR))

    def owned_by(self, user: Person) -> CollectionQuerySet:
        return self._of(user, Membership.objects.none())

    def _of(self, user: Person, memberships: models.QuerySet[Membership]) -> CollectionQuerySet:
        """Their own and those of these memberships; of a caller whose key is narrowed, no others than it names."""
        if not user.is_authenticated:
            return self.none()
        rows = self.filter(Q(owner=user) | Q(pk__in=memberships.filter(user=user).values("collection")))
        only = narrowed_to(user)
        return rows if only is None else rows.filter(pk__in=only)


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
    deployment = models.CharField(
        max_length=80, blank=True, help_text="Who answers questions that are put to it alone. Empty: the default model."
    )
    metadata = models.JSONField(default=dict, blank=True, help_text="What programs noted of it: strings by name.")
    created_at = models.DateTimeField(auto_now_add=True)
    owned_since = models.DateTimeField(null=True, editable=False, help_text="When it was handed over to its owner.")

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

    @property
    def shown_name(self) -> str:
        """The name; that of everybody's own collection in the language of the page."""
        return gettext("Private") if self.is_private else self.name


class Membership(models.Model):
    class Role(models.TextChoices):
        READER = "reader", gettext_lazy("Reader")
        EDITOR = "editor", gettext_lazy("Editor")

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.READER)
    since = models.DateTimeField(default=timezone.now, null=True, editable=False)  # Empty: before it was noted.

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "user"], name="one_role_a_member")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.collection}"


def collection_names(user: User | None = None) -> dict[uuid.UUID, str]:
    """What the collections are called that this person may read; without one all, each with its owner."""
    if user is not None:
        return dict(Collection.objects.for_user(user).values_list("pk", "name"))
    rows = Collection.objects.values_list("pk", "name", "owner__username")
    return {pk: f"{name} of {owner}" for pk, name, owner in rows}
