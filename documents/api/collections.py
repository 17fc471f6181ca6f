"""Collections for programs, and the people who are let in."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Q, Subquery
from ninja import Field, Query, Router, Schema, Status

from documents import sharing
from documents.forms import CollectionForm, MemberForm
from documents.models import Collection, CollectionQuerySet, Membership
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, reading, the, writing

router = Router(tags=["collections"])

NOT_YOURS = "There is no such collection, or it is not yours."


class CollectionOut(Schema):
    id: UUID
    name: str
    owner: str
    is_private: bool
    role: Literal["owner", "editor", "reader"] = Field(description="What the caller is in it.")
    documents: int
    index: str
    created_at: str


class CollectionIn(Schema):
    name: str = Field(min_length=1, max_length=120, examples=["Handbooks"])


class MemberOut(Schema):
    username: str
    role: Literal["reader", "editor"]


class MemberIn(Schema):
    username: str = Field(min_length=1, max_length=150, examples=["bob"])
    role: Literal["reader", "editor"] = "reader"


class RoleIn(Schema):
    role: Literal["reader", "editor"]


def _readable(user: User) -> CollectionQuerySet:
    """What the caller may read, with all that is told of it."""
    live = Q(documents__deleted_at=None, documents__superseded_at=None)
    role = Membership.objects.filter(collection=OuterRef("pk"), user=user.pk).values("role")
    rows = Collection.objects.for_user(user).select_related("owner", "index")
    return rows.annotate(count=Count("documents", filter=live), role=Subquery(role))


def _out(row: Collection, user: User) -> CollectionOut:
    return CollectionOut(
        id=row.pk,
        name=row.name,
        owner=row.owner.get_username(),
        is_private=row.is_private,
        role="owner" if row.owner_id == user.pk else row.role,  # type: ignore[attr-defined]
        documents=row.count,  # type: ignore[attr-defined]
        index=row.index.name,
        created_at=row.created_at.isoformat(),
    )


def _owned(request: SignedInRequest, pk: UUID) -> Collection:
    """The caller's own, and not the private one. What they may read and not change is 403, all else is not there."""
    row = the(_readable(request.user), NOT_YOURS, pk=pk)
    if row.owner_id != request.user.pk or row.is_private:
        raise ApiError(403, "forbidden", "Only the owner of a collection that is not private may do this.")
    return row


def _refused(form: CollectionForm | MemberForm) -> ApiError:
    field, errors = next(iter(form.errors.items()))
    return ApiError(422, "invalid_request_error", str(errors[0]), param=field)


@router.get(
    "/collections", response={200: list[CollectionOut], REFUSED: Refusal}, auth=reading, summary="List collections"
)
def collections(request: SignedInRequest, wanted: Query[Part]):
    """What the caller may read: their private one first, the others by name."""
    rows = _readable(request.user).order_by("-is_private", "name", "pk")
    return [_out(row, request.user) for row in wanted.of(rows)]


@router.post("/collections", response={201: CollectionOut, REFUSED: Refusal}, auth=writing, summary="Make a collection")
def create(request: SignedInRequest, payload: CollectionIn):
    """It is the caller's own, and nobody else reads it until they are let in."""
    form = CollectionForm({"name": payload.name}, owner=request.user)
    if not form.is_valid():
        raise _refused(form)
    made = sharing.found(request.user, form.cleaned_data["name"])
    return Status(201, _out(_readable(request.user).get(pk=made.pk), request.user))


@router.get(
    "/collections/{uuid:pk}", response={200: CollectionOut, REFUSED: Refusal}, auth=reading, summary="A collection"
)
def collection(request: SignedInRequest, pk: UUID):
    """Its name, whose it is, and how many documents it holds."""
    return _out(the(_readable(request.user), NOT_YOURS, pk=pk), request.user)


@router.patch(
    "/collections/{uuid:pk}",
    response={200: CollectionOut, REFUSED: Refusal},
    auth=writing,
    summary="Rename a collection",
)
def rename(request: SignedInRequest, pk: UUID, payload: CollectionIn):
    """Its owner gives it another name."""
    row = _owned(request, pk)
    form = CollectionForm({"name": payload.name}, owner=request.user, instance=Collection(pk=row.pk))
    if not form.is_valid():
        raise _refused(form)
    sharing.rename(row, form.cleaned_data["name"])
    return _out(row, request.user)


@router.delete(
    "/collections/{uuid:pk}", response={204: None, REFUSED: Refusal}, auth=writing, summary="Delete a collection"
)
def delete(request: SignedInRequest, pk: UUID):
    """Only an empty one: its documents are somebody's work."""
    row = _owned(request, pk)
    try:
        sharing.delete(row)
    except sharing.NotEmpty as exc:
        raise ApiError(409, "not_empty", str(exc)) from exc
    return Status(204, None)


# People --------------------------------------------------------------------------------------------------------------
@router.get(
    "/collections/{uuid:pk}/members",
    response={200: list[MemberOut], REFUSED: Refusal},
    auth=reading,
    summary="List members",
)
def members(request: SignedInRequest, pk: UUID):
    """Who is let in, beside the owner."""
    row = the(Collection.objects.for_user(request.user), NOT_YOURS, pk=pk)
    rows = row.memberships.select_related("user").order_by("user__username")
    return [MemberOut(username=one.user.get_username(), role=one.role) for one in rows]  # type: ignore[arg-type]


@router.post(
    "/collections/{uuid:pk}/members",
    response={201: MemberOut, REFUSED: Refusal},
    auth=writing,
    summary="Let somebody in",
)
def let_in(request: SignedInRequest, pk: UUID, payload: MemberIn):
    """From their next request on they read it, or change it too. Only its owner lets people in."""
    row = _owned(request, pk)
    form = MemberForm(payload.dict())
    if not form.is_valid():
        raise _refused(form)
    member = sharing.let_in(row, form.cleaned_data["username"], payload.role)
    if member is None:
        raise ApiError(409, "owner", f"“{row}” is theirs already.")
    return Status(201, MemberOut(username=member.user.get_username(), role=payload.role))


@router.patch(
    "/collections/{uuid:pk}/members/{username}",
    response={200: MemberOut, REFUSED: Refusal},
    auth=writing,
    summary="Change a member's role",
)
def change_member(request: SignedInRequest, pk: UUID, username: str, payload: RoleIn):
    """A reader becomes an editor, or the other way round."""
    row = _owned(request, pk)
    sharing.let_in(row, _member(row, username), payload.role)
    return MemberOut(username=username, role=payload.role)


@router.delete(
    "/collections/{uuid:pk}/members/{username}",
    response={204: None, REFUSED: Refusal},
    auth=writing,
    summary="Remove a member",
)
def let_out(request: SignedInRequest, pk: UUID, username: str):
    """From their next request on they find nothing of it."""
    row = _owned(request, pk)
    sharing.let_out(row, _member(row, username).get_username())
    return Status(204, None)


def _member(row: Collection, username: str) -> User:
    rows = row.memberships.select_related("user")
    return the(rows, "Nobody of that name is a member.", user__username=username.replace("\x00", "")).user
