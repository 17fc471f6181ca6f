"""Why a passage was found, or was not; and that what is said to bring it in does."""

import json
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from documents import intake
from documents.models import Collection, Document
from documents.retrieval import EVERYWHERE, Scope, find
from documents.retrieval.explaining import Explanation, Subject, explain
from documents.search import Leg
from tests.conftest import person
from tests.library import RENT, add, shared_collection

pytestmark = pytest.mark.django_db

ASKED = "When is the rent of the boathouse due?"


@pytest.fixture(scope="module")
def landlady(rows_for_all) -> User:
    """She has thirty documents that speak of rent, one of them of the boathouse."""
    user = person("alice")
    for n in range(29):
        add(user, f"The rent of house {n} is due on day {n + 1} of each quarter.\n".encode(), f"{n}.txt")
    add(user, b"The rent of the boathouse is due in May.\n", "boat.txt")
    return user


@pytest.fixture
def alice(landlady, db) -> User:
    return landlady


@pytest.fixture
def houses(alice) -> list[Document]:
    return list(Document.objects.filter(owner=alice).order_by("created_at"))


def told(user, document: Document, scope: Scope = EVERYWHERE, top: int = 5, query: str = ASKED) -> Explanation:
    return explain(query, user, Subject(document.pk), scope, top=top)


def test_what_was_found_says_its_place_and_its_ranks(alice, houses):
    explanation = told(alice, houses[-1])
    assert (explanation.reason, explanation.place) == ("shown", 1)
    assert explanation.keyword.rank == 1 and explanation.fused == Leg(1, pytest.approx(explanation.fused.score))
    passage = find(ASKED, alice, top=5).passages[0]
    assert passage.vector == Leg(explanation.vector.rank, pytest.approx(explanation.vector.score))


def test_what_came_too_late_says_how_many_have_to_be_asked_for_and_that_is_so(alice, houses):
    shown = {passage.document_id for passage in find(ASKED, alice, top=5).passages}
    for document in [house for house in houses if house.pk not in shown][:6]:
        explanation = told(alice, document)
        assert explanation.reason == "top" and explanation.fused.rank > 5
        needed = explanation.setting["top"]
        ids = [passage.document_id for passage in find(ASKED, alice, top=needed).passages]
        assert document.pk in ids and document.pk not in ids[: needed - 1]


def test_another_collection_is_said_and_naming_it_brings_it_in(alice, houses):
    other = Collection.objects.create(name="Leases", owner=alice, index=houses[0].collection.index)
    scope = Scope(collections=[other.pk])
    explanation = told(alice, houses[-1], scope)
    assert explanation.reason == "scope" and "was not searched" in explanation.sentence
    wider = Scope(collections=[UUID(pk) for pk in explanation.setting["collections"]])
    assert told(alice, houses[-1], wider).reason == "shown"


def test_a_choice_of_documents_is_said(alice, houses):
    explanation = told(alice, houses[-1], Scope(documents=[houses[0].pk]))
    assert explanation.reason == "document_filter"
    assert str(houses[-1].pk) in explanation.setting["documents"]


def test_a_version_that_was_replaced_says_so(bob):
    old = add(bob)
    add(bob, RENT.replace(b"third", b"fifth"))
    old.refresh_from_db()
    assert told(bob, old).reason == "not_live"


def test_a_copy_names_the_passage_it_is_a_copy_of(alice, houses):
    shared = shared_collection(alice)
    copy = add(alice, b"The rent of the boathouse is due in May.\n", "copy.txt", shared)
    both = {told(alice, row).reason for row in (copy, houses[-1])}
    assert both == {"shown", "copy"}


def test_neighbours_that_were_joined_say_so(bob):
    text = "The rent of the boathouse is due in May. " + "It is paid to the steward of the estate in coin. " * 60
    document = add(bob, text.encode(), "long.txt")
    explanation = told(bob, document)
    assert explanation.reason == "joined" and explanation.place == 1


def test_what_no_prompt_has_room_for_says_the_smallest_that_has(alice, houses, settings):
    settings.CHAT_CONTEXT_TOKENS, settings.CHAT_ANSWER_TOKENS = 1_000, 980
    explanation = told(alice, houses[-1])
    assert explanation.reason == "budget"
    settings.CHAT_CONTEXT_TOKENS = explanation.setting["LECTERN_CONTEXT_TOKENS"]
    assert told(alice, houses[-1]).reason == "shown"


def test_what_nobody_may_read_is_not_explained(houses, bob):
    with pytest.raises(Document.DoesNotExist):
        told(bob, houses[-1])


def test_a_question_that_shares_no_word_is_told_by_words(alice, houses):
    explanation = told(alice, houses[3], Scope("keyword"), query="zeppelin")
    assert explanation.reason in {"depth", "not_indexed"}


def key(user) -> dict[str, str]:
    from project.models import ApiKey

    return {"HTTP_AUTHORIZATION": f"Bearer {ApiKey.create(user)[1]}"}


def search(client, user, **body):
    return client.post("/api/search", json.dumps({"query": ASKED, **body}), "application/json", **key(user))


def test_the_api_explains_its_results_and_what_is_asked_about(client, alice, houses):
    plain = search(client, alice, top=3).json()
    assert plain["explanations"] == [] and plain["notices"] == []
    each = search(client, alice, top=3, explain=True).json()
    assert [one["place"] for one in each["explanations"]] == [1, 2, 3]
    shown = {result["document_id"] for result in plain["results"]}
    missed = next(house for house in houses if str(house.pk) not in shown)
    answer = search(client, alice, top=3, explain=True, about=[{"document": str(missed.pk), "page": 1}]).json()
    (one,) = answer["explanations"]
    assert one["reason"] == "top" and one["setting"]["top"] > 3 and one["legs"]["fused"]["rank"] > 3


def test_the_api_says_nothing_of_what_is_not_yours(client, alice, bob, houses):
    response = search(client, bob, explain=True, about=[{"document": str(houses[0].pk)}])
    assert response.status_code == 404


def test_the_command_explains(alice, houses, capsys):
    call_command("search", ASKED, "--user", "alice", "--top", "3", "--explain", "boat.txt#page=1")
    assert "It was found as passage 1" in capsys.readouterr().out
    call_command("search", ASKED, "--user", "alice", "--top", "3", "--explain")
    assert capsys.readouterr().out.count("It was found as passage") == 3
    with pytest.raises(CommandError, match="no document “x”"):
        call_command("search", ASKED, "--user", "alice", "--explain", "x")


def test_the_command_weighs_meaning_and_asks_a_version_as_it_is_told(alice, houses, capsys):
    call_command("search", ASKED, "--user", "alice", "--alpha", "0", "--index-version", "main:1", "--json")
    assert json.loads(capsys.readouterr().out)["passages"]
    for wrong in (("--alpha", "2"), ("--index-version", "main:9")):
        with pytest.raises(CommandError, match="from 0 to 1|there are: main:1"):
            call_command("search", ASKED, "--user", "alice", *wrong)


def test_a_document_that_was_deleted_meanwhile_is_not_explained(alice, houses):
    intake.delete(houses[-1])
    with pytest.raises(Document.DoesNotExist):
        told(alice, houses[-1])
