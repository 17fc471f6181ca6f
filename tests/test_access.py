"""Closed by default: every address, as nobody, as a stranger and as staff. Not yours is not there."""

import uuid

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from chat.conversations.conversing import ask, begin
from documents.indexes import private_collection
from documents.models import Collection, Document, Membership
from documents.retrieval import retrieve
from tests.library import RENT, add, shared_collection

pytestmark = pytest.mark.django_db

OPEN = {
    "healthz", "readyz", "signin", "language", "shared", "api-1:openapi-json", "api-1:openapi-view",
    "account_login", "account_signup", "account_inactive", "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key", "account_reset_password_from_key_done", "account_email_verification_sent",
    "account_confirm_email", "account_logout", "account_confirm_login_code", "account_request_login_code",
}  # fmt: skip
PROGRAMS = ("api/", "v1/", "openai/")  # Signed by a key, see test_api.


def routes(patterns=None, prefix: str = "", names: str = "") -> list[tuple[str, str]]:
    """Every address of the project with its name."""
    found = []
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(entry, URLResolver):
            space = f"{names}{entry.namespace}:" if entry.namespace else names
            found += routes(entry.url_patterns, prefix + str(entry.pattern), space)
        elif isinstance(entry, URLPattern):
            found.append((prefix + str(entry.pattern), f"{names}{entry.name}" if entry.name else ""))
    return found


def address(route: str, ids: dict[str, object]) -> str:
    """A real address of a route: whole numbers, words and our own ids in the places of its parts."""
    import re

    def fill(part: re.Match[str]) -> str:
        kind, _, name = part[1].rpartition(":")
        return str(ids.get(name, {"int": 1, "uuid": uuid.uuid4(), "path": "x"}.get(kind, "x")))

    plain = re.sub(r"<([^>]+)>", fill, route.replace("^", "").replace("\\Z", "").replace("$", ""))
    return "/" + re.sub(r"\(\?P<\w+>[^)]*\)", "x", plain).replace("\\", "")


@pytest.fixture
def things(alice):
    """What is Alice's: a document with a page, a conversation with an answer that rests on no page, a collection."""
    document = add(alice)
    conversation = begin(alice, "When is the rent due?", [])
    answer = ask(conversation, "When is the rent due?", "k")
    answer.citations.create(number=1, is_external=True, title="Rules", page_number=0, start=0, end=4, text="Rent")
    cited = answer.citations.create(number=2, document=document, title="Rules", page_number=1, start=0, end=4, text="x")
    shared = shared_collection(alice)
    ids = {"library": document.pk, "conversations": conversation.pk, "answers": answer.pk, "collections": shared.pk}
    return ids | {"cite": cited.public_id}


def concrete(route: str, things: dict[str, object]) -> str:
    room = "collections" if "collections/" in route else route.split("/")[0]
    return address(route, {"pk": things.get(room, uuid.uuid4()), "number": 1})


def test_nobody_gets_in_without_signing_in(client, things):
    for route, name in routes():
        if name in OPEN or route.startswith(PROGRAMS) or name == "admin:login":
            continue
        place = concrete(route, things)
        for method in (client.get, client.post):
            response = method(place)
            signed_out = response.status_code == 302 and "/login/" in response["Location"]
            assert signed_out or response.status_code in {401, 404, 405}, (place, name, response.status_code)


def test_what_is_open_to_all_is_named_here():
    """A new route is closed unless somebody opens it on purpose and writes it down above."""
    opened = {
        name
        for route, name in routes()
        if not getattr(_callback(route), "login_required", True) and not route.startswith(PROGRAMS)
    }
    assert opened <= OPEN | {"admin:login"}, opened - OPEN


def _callback(route: str):
    from django.urls import Resolver404, resolve

    try:
        return resolve(address(route, {})).func
    except Resolver404:
        return None


def test_a_stranger_finds_nothing_of_mine(client, charlie, things):
    client.force_login(charlie)
    for route, name in routes():
        if "<uuid:" not in route or route.startswith(PROGRAMS):
            continue
        place = concrete(route, things)
        for method in (client.get, client.post):
            assert method(place).status_code in {404, 405}, (name, place)


def test_staff_is_no_reader(client, staff, things):
    """Who runs the machine does not by that read what is on it."""
    client.force_login(staff)
    for route, name in routes():
        if "<uuid:" in route and not route.startswith((*PROGRAMS, "admin/")):
            assert client.get(concrete(route, things)).status_code in {404, 405}, name


def test_the_owner_can_open_everything_that_can_be_opened(client, alice, things):
    client.force_login(alice)
    for route, name in routes():
        is_hers = not route.startswith((*PROGRAMS, "console/")) and name not in {"page-image", "message-stream"}
        if "<uuid:" in route and is_hers:
            assert client.get(concrete(route, things)).status_code in {200, 405}, name


def test_the_console_is_for_staff(client, alice, staff):
    client.force_login(alice)
    assert client.get("/admin/").status_code == 302
    pages = [concrete(route, {}) for route, _ in routes() if route.startswith("console/")]
    assert {client.get(page).status_code for page in pages} <= {404, 405}
    client.force_login(staff)
    assert client.get("/admin/").status_code == 200


def test_a_reader_reads_and_does_not_change(client, alice, bob):
    document = add(alice, collection=shared_collection(alice, bob))
    client.force_login(bob)
    assert client.get(document.get_absolute_url()).status_code == 200
    for verb in ("delete", "retry", "cancel"):
        assert client.post(f"{document.get_absolute_url()}{verb}/").status_code == 404
    assert Document.objects.editable_by(bob).count() == 0


def test_an_editor_may_delete(client, alice, bob):
    document = add(alice, collection=shared_collection(alice, bob, role=Membership.Role.EDITOR))
    client.force_login(bob)
    client.post(f"{document.get_absolute_url()}delete/")
    assert not Document.objects.for_user(alice).exists()


def test_who_leaves_a_collection_finds_nothing_with_the_next_question(alice, bob):
    collection = shared_collection(alice, bob)
    add(alice, collection=collection)
    assert retrieve("When is the rent due?", bob)
    collection.memberships.all().delete()
    assert retrieve("When is the rent due?", bob) == []


def test_asking_for_a_collection_of_somebody_else_finds_nothing(alice, charlie):
    document = add(alice)
    assert retrieve("rent", charlie, collections=[document.collection_id]) == []
    assert retrieve("rent", charlie, documents=[document.pk]) == []


def test_nobody_reads_a_collection_without_being_somebody(db):
    from django.contrib.auth.models import AnonymousUser

    assert not Collection.objects.for_user(AnonymousUser()).exists()


def test_a_private_collection_cannot_be_shared(client, alice, bob):
    private = private_collection(alice)
    client.force_login(alice)
    place = f"/library/collections/{private.pk}/members/"
    assert client.post(place, {"username": "bob", "role": "reader"}).status_code == 404


def test_only_the_owner_lets_people_in(client, alice, bob, charlie):
    collection = shared_collection(alice, bob, role=Membership.Role.EDITOR)
    place = f"/library/collections/{collection.pk}/members/"
    client.force_login(bob)
    assert client.post(place, {"username": "charlie", "role": "reader"}).status_code == 404
    client.force_login(alice)
    client.post(place, {"username": "charlie", "role": "reader"})
    assert Collection.objects.for_user(charlie).filter(pk=collection.pk).exists()


@pytest.mark.parametrize(
    "bad", ["/library/1/", "/library/?page=-1", "/library/?collection=x", "/library/?q=%00", "/library/?page=a"]
)
def test_an_odd_address_is_no_fault_of_ours(client, alice, bad):
    client.force_login(alice)
    assert client.get(bad).status_code in {200, 404}


def test_marks_outside_the_page_are_left_out(client, alice):
    document = add(alice)
    client.force_login(alice)
    for marks in ("mark=5-99999999", "mark=9-3", "mark=x", "mark=1-2&" * 300, "passage=0-0", "mark=-1-4"):
        assert client.get(f"/library/{document.pk}/pages/1/?{marks}").status_code == 200
    assert client.get(f"/library/{document.pk}/pages/99999999999/").status_code == 404


def test_the_words_of_a_text_page_are_lit(client, alice):
    document = add(alice)
    client.force_login(alice)
    text = document.pages_live().get().text
    start = text.index("third working day")
    html = client.get(f"/library/{document.pk}/pages/1/?mark={start}-{start + 17}").content.decode()
    assert ">third working day</mark>" in html
    assert RENT.decode().split("\n")[0].strip("# ") in html


def test_letting_somebody_in_is_never_a_guess(client, alice, bob):
    from tests.conftest import person

    person("Bob")
    collection = shared_collection(alice)
    place = f"/library/collections/{collection.pk}/members/"
    client.force_login(alice)
    client.post(place, {"username": "Bob", "role": "reader"})
    client.post(place, {"username": "BOB", "role": "reader"})
    assert [row.user.username for row in collection.memberships.all()] == ["Bob"]


def test_a_deleted_collection_leaves_no_files(client, alice):
    from documents import intake

    collection = shared_collection(alice)
    document = add(alice, collection=collection)
    client.force_login(alice)
    place = f"/library/collections/{collection.pk}/"
    client.post(place, {"action": "delete"})
    assert Collection.objects.filter(pk=collection.pk).exists()
    intake.delete(document)
    client.post(place, {"action": "delete"})
    assert not Collection.objects.filter(pk=collection.pk).exists() and not document.path.exists()
