"""Documents and jobs in the console: what is listed, what is done to many at once, and whose words are shown."""

import pytest
from django.urls import reverse

from documents.models import Document
from project.models import AuditEvent
from tests.conftest import person
from tests.library import RENT, add, shared_collection
from tests.rows import PASSWORD_ERROR, attempt, chunks, row
from tests.rows import page as page_of

pytestmark = pytest.mark.django_db
LIST = "/console/documents/"
ACT = "/console/documents/act/"
DEAD = {"code": "internal", "reason": "Lectern could not read this file.", "advice": ""}


@pytest.fixture
def staff(db):
    """Runs the library, and may not do everything."""
    return person("staff", is_staff=True)


@pytest.fixture
def console(client, staff):
    client.force_login(staff)
    return client


@pytest.fixture
def root(db):
    return person("root", is_staff=True, is_superuser=True)


def text(response) -> str:
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def listed(client, query: str = "") -> list[str]:
    return [document.name for document in client.get(LIST + query).context["documents"]]


def sure(client, act: str, *documents: Document, **more):
    return client.post(ACT, {"act": act, "document": [each.pk for each in documents], "sure": "1", **more})


def acts(action: str) -> list[str]:
    return list(AuditEvent.objects.filter(action=action).values_list("subject_name", flat=True))


# Who -----------------------------------------------------------------------------------------------------------------
def test_for_others_there_is_nothing_at_these_addresses(client, alice):
    document = add(alice)
    chunk = document.chunks.first()
    client.force_login(alice)
    for place in (LIST, reverse("console-document", args=[document.pk]), reverse("console-chunks", args=[document.pk])):
        assert client.get(place).status_code == 404, place
    places = (ACT, reverse("console-document-look", args=[document.pk]))
    for place in (*places, reverse("console-chunk", args=[document.pk, chunk.pk])):
        assert client.post(place, {"act": "delete", "sure": "1", "document": document.pk}).status_code == 404, place
    assert Document.objects.get(pk=document.pk).deleted_at is None


def test_acts_are_posts(console, alice):
    document = add(alice)
    assert console.get(ACT).status_code == 405
    assert console.get(reverse("console-document-look", args=[document.pk])).status_code == 405
    assert console.get(reverse("console-chunk", args=[document.pk, document.chunks.first().pk])).status_code == 405


# What is listed ------------------------------------------------------------------------------------------------------
def test_everybodys_documents_are_listed_and_narrowed(console, alice, bob):
    shared = shared_collection(bob, name="Handbooks")
    row(alice, "lease.pdf", kind="pdf")
    row(bob, "rules.md", collection=shared)
    row(alice, "locked.pdf", "failed", error=PASSWORD_ERROR)
    row(alice, "dead.pdf", "failed", error=DEAD)
    assert sorted(listed(console)) == ["dead.pdf", "lease.pdf", "locked.pdf", "rules.md"]
    found = {
        "?q=LEASE": ["lease.pdf"],
        "?state=dead": ["dead.pdf"],
        "?state=failed&code=password": ["locked.pdf"],
        "?kind=pdf": ["lease.pdf"],
        "?collection=handb": ["rules.md"],
        f"?collection={shared.pk}": ["rules.md"],
        "?owner=bob": ["rules.md"],
        "?state=failed&sort=name": ["dead.pdf", "locked.pdf"],
        f"?index={shared.index_id}&sort=-name": ["rules.md", "locked.pdf", "lease.pdf", "dead.pdf"],
    }
    assert {query: listed(console, query) for query in found} == found


def test_nonsense_in_an_address_is_left_aside(console, alice):
    row(alice, "lease.pdf")
    assert listed(console, "?state=x&kind=y&index=z&sort=w&page=0&q=%00") == ["lease.pdf"]


def test_the_list_asks_the_database_as_often_for_many_as_for_few(console, alice, django_assert_max_num_queries):
    for number in range(60):
        attempt(row(alice, f"{number}.pdf"), 1, "done")
    console.get(LIST)
    with django_assert_max_num_queries(9):
        assert len(listed(console)) == 50


# What is done --------------------------------------------------------------------------------------------------------
def test_an_act_is_asked_about_first_with_counts(console, alice):
    document = row(alice, "lease.pdf", page_count=12, chunk_count=34)
    page = text(console.post(ACT, {"act": "delete", "document": document.pk}))
    assert "Delete 1 document?" in page and "<dd>12</dd>" in page and "<dd>34</dd>" in page
    assert Document.objects.get(pk=document.pk).deleted_at is None


def test_each_document_is_told_of_and_what_was_done_is_written_down(console, alice, bob):
    failed, busy = row(alice, "lease.pdf", "failed", error=DEAD), row(alice, "busy.pdf", "extracting")
    page = text(sure(console, "retry", failed, busy))
    assert "of these refused: 1" in page and "It is under way." in page
    assert Document.objects.get(pk=failed.pk).state == "queued"
    assert acts("document.retry") == ["lease.pdf"]


def test_all_that_a_filter_shows_is_read_again(console, alice):
    dead = [row(alice, f"{n}.pdf", "failed", error=DEAD) for n in range(3)]
    other = row(alice, "locked.pdf", "failed", error=PASSWORD_ERROR)
    asked = console.post(ACT, {"act": "retry", "all": "1", "back": "?code=internal"})
    assert "Read 3 documents again?" in text(asked)
    sure(console, "retry", *asked.context["chosen"])
    assert {each.state for each in Document.objects.filter(pk__in=[each.pk for each in dead])} == {"queued"}
    assert Document.objects.get(pk=other.pk).state == "failed"


def test_documents_are_moved_stopped_and_deleted(console, alice, bob):
    moved, gone, stopped = row(alice, "a.pdf"), row(alice, "b.pdf"), row(alice, "c.pdf", "queued")
    target = shared_collection(bob, name="Handbooks")
    sure(console, "move", moved, collection=target.pk)
    sure(console, "delete", gone)
    sure(console, "cancel", stopped)
    rows = Document.objects.in_bulk([moved.pk, gone.pk, stopped.pk])
    assert rows[moved.pk].collection == target and rows[gone.pk].deleted_at and rows[stopped.pk].state == "canceled"
    assert (acts("document.move"), acts("document.delete"), acts("document.cancel")) == (
        ["a.pdf"],
        ["b.pdf"],
        ["c.pdf"],
    )


def test_nothing_is_moved_into_what_is_private_to_somebody(console, alice, bob):
    document, private = row(alice, "a.pdf"), row(bob, "b.pdf").collection
    sure(console, "move", document, collection=private.pk)
    assert Document.objects.get(pk=document.pk).collection != private


def test_nothing_chosen_is_said(console):
    assert "No document was chosen" in text(console.post(ACT, {"act": "delete"}, follow=True))


# One document --------------------------------------------------------------------------------------------------------
def test_a_document_tells_of_its_attempts(console, alice):
    document = row(alice, "lease.pdf", "failed", error=DEAD)
    attempt(document, 1, "failed", stage="embedding", reason="A fault of Lectern's own.", worker="node-7 4711")
    page = text(console.get(reverse("console-document", args=[document.pk])))
    for words in ("node-7 4711", "internal", "Embedding"):
        assert words in page


# Its passages --------------------------------------------------------------------------------------------------------
def test_passages_are_told_of_and_their_words_only_to_whoever_may_read_them(console, staff, alice):
    document = row(alice, "lease.pdf")
    chunks(page_of(document, "The rent is due in May. Pets need a permission."), (0, 23), section="Rent")
    place = reverse("console-chunks", args=[document.pk])
    page = text(console.get(f"{place}?q=rent"))
    assert "letters 0 to 23" in page and "rent is due" not in page and "Look as" not in page
    assert "· <span" not in page  # A heading is the document's words too.
    own_one = row(staff, "own.pdf")
    chunks(page_of(own_one, "The rent is due in May."), (0, 23))
    assert "rent is due" in text(console.get(reverse("console-chunks", args=[own_one.pk])))


def test_a_superuser_may_look_and_it_is_written_down(client, root, alice):
    client.force_login(root)
    document = add(alice)
    place = reverse("console-chunks", args=[document.pk])
    assert "third working day" not in text(client.get(place))
    page = text(client.post(reverse("console-document-look", args=[document.pk]), follow=True))
    assert "third working day" in page
    assert AuditEvent.objects.get(action="document.view_as").detail == {"as_user": "alice"}
    other = add(alice, RENT + b"More.", "other.md")
    assert "third working day" not in text(client.get(reverse("console-chunks", args=[other.pk])))


def test_staff_alone_may_not_look(console, alice):
    assert console.post(reverse("console-document-look", args=[add(alice).pk])).status_code == 404


def test_a_question_ranks_the_passages(client, staff):
    client.force_login(staff)
    document = add(staff)
    page = text(client.get(reverse("console-chunks", args=[document.pk]), {"q": "When is the rent due?"}))
    assert "number 1 in all" in page and "by words 1" in page


def test_a_passage_is_taken_out_and_let_in_from_its_page(console, alice):
    chunk = add(alice).chunks.first()
    place = reverse("console-chunk", args=[chunk.document_id, chunk.pk])
    assert "not found any more" in text(console.post(place, {"to": "off"}, follow=True))
    assert not chunk.document.chunks.get(pk=chunk.pk).is_searched
    assert "within moments" in text(console.post(place, {"to": "on"}, follow=True))
    assert chunk.document.chunks.get(pk=chunk.pk).is_searched
    assert acts("passage.disable") == acts("passage.enable") == ["rules.md"]
