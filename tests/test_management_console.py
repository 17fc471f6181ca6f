"""What the console does, by calls: question sets and runs, passages, people, feedback, gaps, and all the rest."""

from datetime import timedelta

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from chat.models import Feedback, Gap, Message, ModerationEvent, PromptTemplate, State
from documents.indexes import private_collection
from documents.models import Collection, Document, EvaluationRun, EvaluationSet, Index
from project.models import AuditEvent, Budget
from tests.cited import answered, first_page
from tests.conftest import person
from tests.library import RENT, add, shared_collection
from tests.routes import routes
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
    cases = run("get", place)["cases"]
    ids = [each.pop("id") for each in cases]
    assert cases == [case, {"question": "Who won?", "pages": [], "unanswerable": True}]
    run("patch", f"{place}/questions/{ids[1]}", 409, question=case["question"])
    run("patch", f"{place}/questions/{ids[1]}", 422, question="Who won?", pages=["no page"])
    run("patch", f"{place}/questions/{ids[1]}", question="Who lost?", unanswerable=True)
    run("post", f"{place}/questions", questions=[{"question": "Who drew?"}])
    run("delete", f"{place}/questions/{ids[1] + 1}", 204)
    assert [each["question"] for each in run("get", place)["cases"]] == [case["question"], "Who lost?"]
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
    whole = run("get", "/people/alice")
    assert [(each["name"], each["role"], each["owner"]) for each in whole["rows"]] == [("Rules", "editor", "bob")]
    new = {"username": "dora", "email": "dora@example.org", "password": "quite-long-4711", "is_staff": True}
    assert run("post", "/people", 201, **new)["is_staff"]
    assert run("post", "/people", 422, **new)["error"]["param"] == "username"
    assert run("post", "/people", 422, username="ed", password="1234")["error"]["param"] == "password"
    found = run("get", "/people?q=alic")
    assert [(one["username"], one["memberships"]) for one in found] == [("alice", 1)]
    assert run("patch", "/people/staff", 409, is_active=False)["error"]["code"] == "yourself"
    run("post", f"/collections/{row.pk}/give", 404, to="nobody")
    done = [event.action for event in AuditEvent.objects.order_by("pk")]
    assert [each for each in done if each != "key.create"][-4:] == [
        "person.deactivate", "collection.hand_over", "person.activate", "person.create"]  # fmt: skip


def test_who_runs_lectern_and_is_no_superuser_changes_nobody(client, alice):
    clerk = Api(client, person("clerk", is_staff=True), "admin")
    assert {one["username"] for one in clerk("get", "/people")} == {"alice", "clerk"}
    clerk("patch", "/people/alice", 403, is_active=False)
    clerk("post", "/people", 403, username="ed", password="quite-long-4711")
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
    assert run("get", "/feedback") == [] and run("get", "/gaps") == [] and run("get", "/gaps/themes") == []
    assert run("get", "/questions") == [] and run("get", "/questions/themes") == []
    run("get", f"/questions/{answer.pk}", 404)


def test_gaps_are_listed_until_they_are_closed(run, answer):
    Message.objects.filter(pk=answer.pk).update(state=State.REFUSED)
    Gap.note(answer, is_refused=True)
    [gap] = run("get", "/gaps")
    assert gap["question"] == answer.question.content and gap["closed_at"] is None
    assert run("get", "/gaps?state=closed") == []
    [theme] = run("get", "/gaps/themes")
    assert (theme["name"], theme["people"], theme["gaps"]) == (answer.question.content, 1, [gap])


def test_a_set_keeps_its_questions_once(run):
    case = {"question": "When is the rent due?", "pages": ["rules.md#page=1"]}
    kept = run("post", "/evaluation/kept", 201, name="smoke", questions=[case, case])
    assert kept["questions"] == 1 and EvaluationSet.objects.get().cases.count() == 1


def test_questions_are_listed_filtered_and_put_in_themes(run, alice, answer):
    Feedback.give(alice, answer, None, is_good=False)
    [row] = run("get", "/questions")
    assert (row["id"], row["question"], row["ups"], row["downs"]) == (str(answer.pk), "When is the rent due?", 0, 1)
    left = {query: len(run("get", f"/questions?{query}")) for query in (
        "shown=down", "shown=refused", "shown=mine", "text=rent", "text=boiler", "first=2199-01-01", "offset=1",
    )}  # fmt: skip
    assert list(left.values()) == [1, 0, 0, 1, 0, 0, 0]
    assert run("get", "/questions/themes") == [{"name": "When is the rent due?", "questions": [row]}]
    run("get", "/questions?shown=best", 422)


def test_a_question_is_seen_with_its_words_by_whoever_may_read_them(client, run, alice, answer):
    place = f"/questions/{answer.pk}"
    seen = run("get", place)
    assert (seen["answer"], seen["asker"], [each["text"] for each in seen["then"]]) == (None, None, [None])
    whole = run("post", f"{place}/view")
    assert whole["asker"] == "alice" and "third working day" in whole["answer"] and whole["then"][0]["is_cited"]
    assert AuditEvent.objects.filter(action="question.view_as").count() == 1
    Api(client, person("clerk", is_staff=True), "admin")("post", f"{place}/view", 403)


def test_the_overview_says_how_it_stands(run, alice):
    add(alice)
    told = run("get", "/overview")
    assert told["documents"] == {"ready": 1} and told["verdict"] and "Database" in [p["name"] for p in told["parts"]]
    assert [len(chart["days"]) for chart in told["charts"]] == [14] * 4
    assert run("get", "/workers") == [] and run("get", "/deployments") == []


def test_what_was_stopped_is_counted_by_day(run, alice):
    for category in ("violence", "violence", "hate"):
        ModerationEvent.objects.create(
            where="question", category=category, checked_by="words", user=alice, text="Words."
        )
    told = run("get", "/moderation")
    assert [(row["category"], row["number"]) for row in told["stopped"]] == [("violence", 2), ("hate", 1)]
    assert "Words." not in str(told)


@pytest.mark.django_db(transaction=True)
def test_a_wording_is_written_tried_and_used(run, staff):
    add(staff)
    first = run("post", "/wording", 201, text="Be kind. Answer in {language}.")
    run("post", "/wording", 422, text="Be kind.")
    assert (first["name"], first["version"], first["is_active"]) == ("answer", 1, False)
    assert run("post", f"/wording/{first['id']}/use")["is_active"]
    assert [row["id"] for row in run("get", "/wording")] == [first["id"]]
    tried = run("post", "/wording/try", question="When is the rent due?", template=first["id"], answer=True)
    assert "third working day" in tried["answer"] and tried["messages"] and not tried["trouble"]
    run("post", "/wording/try", 404, question="When?", template=99)
    run("post", "/wording/try", 422, question=" ")
    done = [event.action for event in AuditEvent.objects.order_by("pk")]
    assert [each for each in done if each.startswith("template.")] == ["template.new", "template.activate"]
    assert PromptTemplate.objects.get().created_by == staff


def test_a_budget_is_set_changed_and_taken_away(run, alice):
    made = run("post", "/budgets", 201, kind="person", name="alice", limit="1000", period="day")
    assert (made["whose"], made["limit"], made["spent"], made["is_spent"]) == ("alice", 1000, 0, False)
    run("post", "/budgets", 422, kind="person", name="alice", limit="5", period="day")
    run("post", "/budgets", 422, kind="person", name="nobody", limit="5")
    run("post", "/budgets", 422, limit="1.5")
    place = f"/budgets/{made['id']}"
    assert run("patch", place, limit="2000", warn_percent=50)["warn_percent"] == 50
    assert [row["limit"] for row in run("get", "/budgets")] == [2000]
    run("delete", place, 204)
    run("delete", place, 404)
    done = [event.action for event in AuditEvent.objects.order_by("pk")]
    assert [each for each in done if each.startswith("budget.")] == ["budget.set", "budget.change", "budget.delete"]
    assert not Budget.objects.exists()


def test_everybody_s_documents_are_listed_and_acted_on(client, run, alice):
    target, private = shared_collection(alice, name="Rules"), str(private_collection(alice).pk)
    document = add(alice)
    [row] = run("get", "/jobs?state=ready&owner=alice")
    assert (row["id"], row["owner"]) == (str(document.pk), "alice") and run("get", "/jobs?state=failed") == []
    assert client.get("/api/jobs?q=rules", headers=run.headers)["x-total-count"] == "1"
    whole = run("get", f"/jobs/{document.pk}")
    assert whole["attempts"][0]["outcome"] == "done" and "third working day" not in str(whole)
    body = {"documents": [str(document.pk)], "collection": str(target.pk)}
    assert [each["refusal"] for each in run("post", "/jobs", act="move", **body)] == [""]
    assert "not under way" in run("post", "/jobs", act="cancel", **body)[0]["refusal"]
    run("post", "/jobs", 422, act="move", documents=[str(document.pk)], collection=private)
    run("post", "/jobs", act="delete", **body)
    run("get", f"/jobs/{document.pk}", 404)


def test_what_its_worker_left_is_read_again(run, alice):
    document = add(alice)
    Document.objects.filter(pk=document.pk).update(state="chunking", lease_until=timezone.now() - timedelta(hours=1))
    assert [row["id"] for row in run("get", "/jobs?state=left")] == [str(document.pk)]
    assert run("post", "/jobs", act="retry", documents=[str(document.pk)])[0]["refusal"] == ""
    document.refresh_from_db()
    assert (document.state, document.lease_until, run("get", "/jobs?state=left")) == ("queued", None, [])


def test_an_index_is_made_of_parts_and_takes_collections_in(run, alice):
    row = shared_collection(alice, name="Rules")
    made = run("post", "/indexes", 201, name="Words", model="none", chunk_tokens=300, collections=[str(row.pk)])
    version = made["versions"][0]
    assert (version["chunk_tokens"], version["embedding_model"]) == (300, "")
    assert Collection.objects.get(pk=row.pk).index == Index.objects.get(name="Words")
    run("post", "/indexes", 422, name="Other", collections=[str(private_collection(alice).pk)])


# What does the same as each page and each act of the console.
SAME = {
    "console": "GET /api/overview",
    "console-health": "manage.py doctor",
    "console-worker": "GET /api/workers",
    "console-models": "GET /api/deployments",
    "console-spending": "GET /api/usage",
    "console-spending-csv": "manage.py usage --csv",
    "console-budgets": "GET /api/budgets",
    "console-budget-set": "POST /api/budgets",
    "console-budget": "PATCH /api/budgets/{int:pk}",
    "console-budget-delete": "DELETE /api/budgets/{int:pk}",
    "console-indexes": "GET /api/indexes",
    "console-index-new": "POST /api/indexes",
    "console-index": "GET /api/indexes/{int:pk}",
    "console-index-build": "POST /api/indexes/{int:pk}/rebuild",
    "console-index-test": "manage.py doctor",
    "console-index-compare": "manage.py indexes",
    "console-index-rollback": "POST /api/indexes/{int:pk}/rollback",
    "console-version-act": "POST /api/indexes/{int:pk}/versions/{int:number}/{act}",
    "console-documents": "GET /api/jobs",
    "console-documents-act": "POST /api/jobs",
    "console-document": "GET /api/jobs/{uuidstr:pk}",
    "console-chunks": "GET /api/documents/{uuidstr:pk}/passages",
    "console-document-look": "manage.py search --user",
    "console-chunk": "PATCH /api/documents/{uuidstr:pk}/passages/{int:chunk}",
    "console-consistency": "manage.py check_consistency --json",
    "console-consistency-check": "manage.py check_consistency",
    "console-consistency-repair": "manage.py check_consistency --repair",
    "console-consistency-stop": "manage.py check_consistency",  # It ends with Ctrl-C.
    "console-search": "manage.py search --user --mode --alpha --index-version --explain",
    "console-search-keep": "POST /api/evaluation/kept/{int:pk}/questions",
    "console-evaluation": "GET /api/evaluation/kept",
    "console-evaluation-new": "POST /api/evaluation/kept",
    "console-evaluation-set": "GET /api/evaluation/kept/{int:pk}",
    "console-evaluation-upload": "POST /api/evaluation/kept/{int:pk}/questions",
    "console-evaluation-download": "GET /api/evaluation/kept/{int:pk}",
    "console-evaluation-delete": "DELETE /api/evaluation/kept/{int:pk}",
    "console-evaluation-begin": "POST /api/evaluation/kept/{int:pk}/runs",
    "console-case-new": "POST /api/evaluation/kept/{int:pk}/questions",
    "console-case": "PATCH /api/evaluation/kept/{int:pk}/questions/{int:case}",
    "console-case-delete": "DELETE /api/evaluation/kept/{int:pk}/questions/{int:case}",
    "console-evaluation-run": "GET /api/evaluation/runs/{int:pk}",
    "console-evaluation-cancel": "POST /api/evaluation/runs/{int:pk}/cancel",
    "console-keys": "GET /api/keys",
    "console-key-revoke": "POST /api/keys/{int:pk}/revoke",
    "console-audit": "GET /api/audit",
    "console-audit-csv": "GET /api/audit",
    "console-members": "GET /api/people",
    "console-person-new": "POST /api/people",
    "console-person": "GET /api/people/{username}",
    "console-person-activate": "PATCH /api/people/{username}",
    "console-collection-give": "POST /api/collections/{uuidstr:pk}/give",
    "console-questions": "GET /api/questions",
    "console-question": "GET /api/questions/{uuidstr:pk}",
    "console-question-view": "POST /api/questions/{uuidstr:pk}/view",
    "console-question-case": "POST /api/evaluation/kept/{int:pk}/questions",
    "console-feedback-resolve": "PATCH /api/feedback/{int:pk}",
    "console-feedback-assign": "PATCH /api/feedback/{int:pk}",
    "console-gaps": "GET /api/gaps/themes",
    "console-permissions": "manage.py prove_permissions",
    "console-permissions-prove": "manage.py prove_permissions",
    "console-permissions-stop": "manage.py prove_permissions",  # It ends with Ctrl-C.
    "console-wording": "GET /api/wording",
    "console-wording-new": "POST /api/wording",
    "console-wording-use": "POST /api/wording/{int:pk}/use",
    "console-wording-try": "POST /api/wording/try",
    "console-moderation": "GET /api/moderation",
    "batches": "manage.py ask --file",
    "batch-begin": "manage.py ask --file",
    "batch": "manage.py ask --file",
    "batch-cancel": "manage.py ask --file",  # It ends with Ctrl-C, and goes on where it was.
    "batch-answers": "manage.py ask --out",
}


def console_names(resolver: URLResolver, place: str = "") -> set[str]:
    found: set[str] = set()
    for each in resolver.url_patterns:
        here = place + str(each.pattern)
        if isinstance(each, URLResolver):
            found |= console_names(each, here)
        elif here.startswith("console/"):
            found.add(str(each.name))
    return found


def test_every_page_and_act_of_the_console_is_a_command_or_a_call_too():
    assert console_names(get_resolver()) == SAME.keys()
    known = set(map(str, routes()))
    for name, way in SAME.items():
        command, *options = way.removeprefix("manage.py ").split()
        if not way.startswith("manage.py "):
            assert way in known, name
            continue
        parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
        assert all(option in parser._option_string_actions for option in options), name
