"""People and whose collections are, for those who run Lectern: a superuser lets people in and out, and hands over."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from ninja import Field, Query, Router, Schema, Status

from documents.console.members import NewPersonForm
from documents.models import Collection
from documents.sharing import NameTaken, hand_over, let_sign_in
from project.accounts import SignedInRequest
from project.api import REFUSED, ApiError, Part, Refusal, running, the
from project.provider.pieces import bearable

router = Router(tags=["people"])

FOR_SUPERUSERS = (403, "forbidden", "Only a superuser may do this.")
NOBODY = "There is nobody of this name."


class PersonOut(Schema):
    username: str
    email: str
    is_active: bool = Field(description="Whether they can sign in, and their keys open anything.")
    is_staff: bool
    collections: int = Field(description="That they own, beside the private one.")
    memberships: int


class RowOut(Schema):
    id: UUID
    name: str
    owner: str
    role: str = Field(description="What the person is in it: owner, editor or reader.")


class WholePersonOut(PersonOut):
    rows: list[RowOut] = Field(description="The collections that they own or are in, but the private one.")


class PersonIn(Schema):
    username: str = Field(min_length=1, max_length=150, examples=["bob"])
    email: str = Field("", max_length=254)
    password: str = Field(min_length=1, max_length=200, description="The first one.")
    is_staff: bool = Field(False, description="Whether they run Lectern.")


class ActiveIn(Schema):
    is_active: bool


class GiveIn(Schema):
    to: str = Field(min_length=1, max_length=150, examples=["bob"])


class GivenOut(Schema):
    id: UUID
    name: str
    owner: str


def _people() -> QuerySet[User]:
    owned = Count("collections", filter=Q(collections__is_private=False), distinct=True)
    return User.objects.annotate(owned=owned, joined=Count("memberships", distinct=True))


def _out(person: User) -> PersonOut:
    return PersonOut(
        username=person.get_username(),
        email=person.email,
        is_active=person.is_active,
        is_staff=person.is_staff,
        collections=person.owned,  # type: ignore[attr-defined]
        memberships=person.joined,  # type: ignore[attr-defined]
    )


class PeoplePart(Part):
    q: str = Field("", max_length=150, description="Letters of their name or address.")


@router.get("/people", response={200: list[PersonOut], REFUSED: Refusal}, auth=running, summary="List people")
def people(request: SignedInRequest, wanted: Query[PeoplePart]):
    """By name; with `q`, those in whose name or address these letters stand."""
    rows, words = _people().order_by("username"), wanted.q.replace("\x00", "")
    if words:
        rows = rows.filter(Q(username__icontains=words) | Q(email__icontains=words))
    return [_out(person) for person in wanted.of(rows)]


@router.post("/people", response={201: PersonOut, REFUSED: Refusal}, auth=running, summary="Make an account")
def new_person(request: SignedInRequest, payload: PersonIn):
    """Somebody who can sign in with a first password; for a superuser to make."""
    if not request.user.is_superuser:
        raise ApiError(*FOR_SUPERUSERS)
    told = {name: bearable(value) if isinstance(value, str) else value for name, value in payload.dict().items()}
    form = NewPersonForm(told | {"password1": told["password"], "password2": told["password"]})
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        param = "password" if field.startswith("password") else field
        raise ApiError(422, "invalid_request_error", str(errors[0]), param=param)
    return Status(201, _out(_people().get(pk=form.make().pk)))


@router.get("/people/{username}", response={200: WholePersonOut, REFUSED: Refusal}, auth=running, summary="One of them")
def one_person(request: SignedInRequest, username: str):
    """What they own and what they were let into."""
    person = the(_people(), NOBODY, username=bearable(username))
    owned = person.collections.filter(is_private=False).order_by("name")
    joined = person.memberships.select_related("collection__owner").order_by("collection__name")
    rows = [RowOut(id=row.pk, name=row.name, owner=username, role="owner") for row in owned]
    rows += [
        RowOut(id=one.collection.pk, name=one.collection.name, owner=one.collection.owner.get_username(), role=one.role)
        for one in joined
    ]
    return WholePersonOut(**_out(person).dict(), rows=rows)


@router.patch(
    "/people/{username}", response={200: PersonOut, REFUSED: Refusal}, auth=running, summary="Shut somebody out or in"
)
def change_person(request: SignedInRequest, username: str, payload: ActiveIn):
    """From their next request on they cannot sign in and their keys open nothing; or they can again."""
    person = _named(request, username)
    if person.pk == request.user.pk:
        raise ApiError(409, "yourself", "You cannot shut yourself out. Another superuser can.")
    let_sign_in(person, is_active=payload.is_active)
    return _out(_people().get(pk=person.pk))


@router.post(
    "/collections/{uuid:pk}/give",
    response={200: GivenOut, REFUSED: Refusal},
    auth=running,
    summary="Give a collection another owner",
)
def give(request: SignedInRequest, pk: UUID, payload: GiveIn):
    """The owner so far stays in it as an editor."""
    to = _named(request, payload.to)
    rows = Collection.objects.select_related("owner", "index").filter(is_private=False)
    row = the(rows, "There is no such collection, or it is a private one.", pk=pk)
    if not to.is_active:
        raise ApiError(409, "inactive", "They cannot sign in. Nothing was changed.")
    try:
        hand_over(row, to)
    except NameTaken as exc:
        raise ApiError(409, "taken", str(exc)) from exc
    return GivenOut(id=row.pk, name=row.name, owner=to.get_username())


def _named(request: SignedInRequest, username: str) -> User:
    if not request.user.is_superuser:
        raise ApiError(*FOR_SUPERUSERS)
    return the(User.objects.all(), NOBODY, username=bearable(username))
