"""What the console does, by calls: question sets and runs, passages, people, feedback, gaps."""

import pytest

from chat.models import Feedback, Gap, Message, State
from documents.models import Collection, EvaluationRun, EvaluationSet
from project.models import AuditEvent
from tests.cited import answered, first_page
from tests.conftest import person
from tests.library import RENT, add, shared_collection
from tests.test_management import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer(alice) -> Message:
    words = "The rent is due on the third working day of the month."
    return answered(alice, (words, first_page(add(alice)), words), question="When is the rent due?")


@pytest.fixture
def run(client, staff) -> Api:
    return Api(client, staff, "admin")


def test_a_result_has_a_lasting_address_of_its_page(client, staff, run):
    document = add(staff)
    found = run("post", "/search", query="When is the rent due?")["results"][0]
    assert f"/library/{document.pk}/pages/1/" in found["url"] and "check=" in found["url"]
    client.force_login(staff)
    assert client.get(found["url"].removeprefix("http://127.0.0.1:8000")).status_code == 200


def test_a_set_is_kept_filled_asked_and_deleted(run, staff):
    case = {"question": "When is the rent due?", "pages": ["rules.md#page=1"], "truth": "The third working day."}
    kept = run("post", "/evaluation/kept", 201, name="smoke", questions=[case])
    place = f"/evaluation/kept/{kept['id']}"
    assert run("post", "/evaluation/kept", 409, name="smoke")["error"]["param"] == "name"
    more = {"question": "Who won?", "unanswerable": True}
    assert run("post", f"{place}/questions", questions=[more])["questions"] == 2
    assert run("get", place)["cases"] == [case, {"question": "Who won?", "pages": [], "unanswerable": True}]
    assert [one["name"] for one in run("get", "/evaluation/kept?limit=1")] == ["smoke"]
    begun = run("post", f"{place}/runs", 202, kind="search")
    assert (begun["state"], begun["total"]) == ("waiting", 3)
    assert run("post", f"/evaluation/runs/{begun['id']}/cancel")["state"] == "canceled"
    assert run("post", f"/evaluation/runs/{begun['id']}/cancel", 409)["error"]["code"] == "ended"
    run("delete", place, 204)
    assert run("get", place, 404) and EvaluationRun.objects.get().set_name == "smoke"
    done = {event.action for event in AuditEvent.objects.all()}
    assert {"evaluation.set_new", "evaluation.set_fill", "evaluation.begin", "evaluation.set_delete"} <= done


def test_a_set_without_a_right_page_cannot_be_asked(run):
    kept = run("post", "/evaluation/kept", 201, name="empty")
    assert run("post", f"/evaluation/kept/{kept['id']}/runs", 409)["error"]["code"] == "cannot_measure"


def test_a_passage_is_taken_out_of_the_search_and_let_in_again(run, staff):
    document = add(staff)
    [passage] = run("get", f"/documents/{document.pk}/passages")
    assert passage["is_searched"] and "third working day" in passage["text"]
    place = f"/documents/{document.pk}/passages/{passage['id']}"
    assert run("patch", place, is_searched=False)["is_searched"] is False
    assert run("post", "/search", query="When is the rent due?")["results"] == []
    assert run("patch", place, is_searched=True)["is_searched"] is True  # A worker writes it into the index again.
    run("patch", f"/documents/{document.pk}/passages/1234567", 404, is_searched=True)


def test_passages_are_shown_to_whoever_may_read_the_document(run, alice):
    run("get", f"/documents/{add(alice, RENT, 'hers.md').pk}/passages", 404)


def test_a_superuser_shuts_people_out_and_hands_over_what_they_own(client, run, alice, bob):
    row = shared_collection(alice, name="Rules")
    assert run("patch", "/people/alice", is_active=False)["is_active"] is False
    Api(client, alice)("get", "/collections", 401)
    assert run("post", f"/collections/{row.pk}/give", to="bob")["owner"] == "bob"
    assert Collection.objects.get(pk=row.pk).memberships.get().user == alice
    assert run("patch", "/people/alice", is_active=True)["is_active"] is True
    found = run("get", "/people?q=alic")
    assert [(one["username"], one["memberships"]) for one in found] == [("alice", 1)]
    assert run("patch", "/people/staff", 409, is_active=False)["error"]["code"] == "yourself"
    run("post", f"/collections/{row.pk}/give", 404, to="nobody")
    done = [event.action for event in AuditEvent.objects.order_by("pk")]
    assert [each for each in done if each != "key.create"][-3:] == [
        "person.deactivate", "collection.hand_over", "person.activate"]  # fmt: skip


def test_who_runs_lectern_and_is_no_superuser_changes_nobody(client, alice):
    clerk = Api(client, person("clerk", is_staff=True), "admin")
    assert {one["username"] for one in clerk("get", "/people")} == {"alice", "clerk"}
    clerk("patch", "/people/alice", 403, is_active=False)
    clerk("post", f"/collections/{shared_collection(alice).pk}/give", 403, to="clerk")


def test_feedback_is_listed_assigned_and_resolved(run, alice, answer):
    Feedback.give(alice, answer, None, is_good=False, reasons=["wrong"], comment="No.")
    [row] = run("get", "/feedback?state=open")
    assert (row["user"], row["comment"], row["reasons"], row["source"]) == ("alice", "No.", ["wrong"], None)
    place = f"/feedback/{row['id']}"
    assert run("patch", place, assigned_to="staff")["assigned_to"] == "staff"
    assert run("patch", place, resolved=True)["resolved_at"] and run("get", "/feedback?state=open") == []
    assert run("get", "/feedback?state=resolved")[0]["id"] == row["id"]
    assert run("patch", place, resolved=False, assigned_to="")["assigned_to"] is None
    run("patch", place, 404, assigned_to="alice")
    run("patch", "/feedback/999999", 404, resolved=True)


def test_what_may_not_be_seen_in_the_console_is_not_told_here(run, alice, answer, settings):
    Feedback.give(alice, answer, None, is_good=False)
    settings.CONSOLE_QUESTIONS = "none"
    assert run("get", "/feedback") == [] and run("get", "/gaps") == []


def test_gaps_are_listed_until_they_are_closed(run, answer):
    Message.objects.filter(pk=answer.pk).update(state=State.REFUSED)
    Gap.note(answer, is_refused=True)
    [gap] = run("get", "/gaps")
    assert gap["question"] == answer.question.content and gap["closed_at"] is None
    assert run("get", "/gaps?state=closed") == []


def test_a_set_keeps_its_questions_once(run):
    case = {"question": "When is the rent due?", "pages": ["rules.md#page=1"]}
    kept = run("post", "/evaluation/kept", 201, name="smoke", questions=[case, case])
    assert kept["questions"] == 1 and EvaluationSet.objects.get().cases.count() == 1
