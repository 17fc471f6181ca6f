"""Question sets that are kept in the library, and their runs, as the console has them."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone

from documents.evaluation import SetError, running
from documents.evaluation.answers import side_by_side
from documents.evaluation.stored import lines_of, take_file
from documents.intake import rename
from documents.models import EvaluationRun, EvaluationSet
from project.models import AuditEvent
from tests.conftest import person
from tests.library import add, shared_collection


@pytest.fixture
def kept(alice) -> EvaluationSet:
    return EvaluationSet.objects.create(name="House rules", created_by=alice)


# Sets ----------------------------------------------------------------------------------------------------------------
def test_a_question_that_is_taken_twice_is_one_case_that_knows_more(kept, alice):
    kept.take("When is  the rent due?", pages=["rules.md#page=1"], by=alice)
    kept.take("When is the rent due?", pages=["rules.md#page=2", "rules.md#page=1"], note="Asked again")
    case = kept.cases.get()
    assert (case.pages, case.note, case.added_by) == (["rules.md#page=1", "rules.md#page=2"], "Asked again", alice)


def test_a_question_for_which_a_page_is_known_is_no_longer_one_that_nothing_answers(kept):
    kept.take("When is the rent due?", is_unanswerable=True)
    assert not kept.take("When is the rent due?", pages=["rules.md#page=1"]).is_unanswerable


def test_a_set_is_read_from_lines_and_from_a_table(kept, alice):
    lines = b'{"question": "A?", "pages": ["rules.md#page=1"]}\n{"question": "B?", "unanswerable": true}\n'
    table = b"Question,Pages,Truth\nC?,rules.md#page=1; big file.pdf#page=2,In May.\nD?,,\n"
    assert take_file(kept, [lines], "a.jsonl", alice) + take_file(kept, [table], "b.csv", alice) == 4
    told = [(case.question, case.pages, case.is_unanswerable, case.truth) for case in kept.cases.all()]
    assert told == [
        ("A?", ["rules.md#page=1"], False, ""),
        ("B?", [], True, ""),
        ("C?", ["rules.md#page=1", "big file.pdf#page=2"], False, "In May."),
        ("D?", [], False, ""),
    ]
    again = EvaluationSet.objects.create(name="Again")
    take_file(again, ["".join(lines_of(kept)).encode()], "c.jsonl", alice)
    assert [case.pages for case in again.cases.all()] == [pages for _, pages, *_ in told]


def test_a_file_that_cannot_be_read_names_the_line_and_takes_nothing_in(kept, alice):
    with pytest.raises(SetError, match="line 2"):
        take_file(kept, [b'{"question": "A?", "pages": ["rules.md#page=1"]}\n{"question": ""}\n'], "a.jsonl", alice)
    assert not kept.cases.exists()


# Runs ----------------------------------------------------------------------------------------------------------------
@pytest.fixture
def rent(kept, alice) -> EvaluationSet:
    add(alice)
    kept.take("When is the rent due?", pages=["rules.md#page=1"])
    kept.take("Who was Napoleon?", is_unanswerable=True)
    return kept


def test_a_run_is_asked_in_the_background_and_keeps_its_figures(rent, alice):
    run = running.begin(rent, alice)
    assert (run.state, run.total) == ("waiting", 3)
    running.work(run)
    run.refresh_from_db()
    assert (run.state, run.done, run.question_count) == ("done", 3, 1)
    assert run.figures["hybrid"]["hit@1"]["value"] == 1.0 and run.results[0]["modes"]["hybrid"]["rank"] == 1


def test_a_run_that_was_cancelled_stays_so(rent, alice):
    run = running.begin(rent, alice)
    assert running.cancel(run) and not running.cancel(run)
    running.work(run)
    run.refresh_from_db()
    assert (run.state, run.figures) == ("canceled", {})


def test_a_run_is_stopped_between_two_questions(rent, alice):
    run = running.begin(rent, alice)
    EvaluationRun.objects.filter(pk=run.pk).update(state="running")
    questions = running._watched(run, ["one", "two"], "Asking")
    assert next(questions) == "one"
    running.cancel(run)
    with pytest.raises(running.StoppedError):
        next(questions)


def test_a_run_whose_worker_died_is_begun_anew(rent, alice):
    run = running.begin(rent, alice)
    long_ago = timezone.now() - timedelta(hours=1)
    EvaluationRun.objects.filter(pk=run.pk).update(state="running", seen_at=long_ago, created_at=long_ago)
    running.sweep()
    run.refresh_from_db()
    assert run.state == "waiting"


def test_what_cannot_be_asked_is_said(rent, bob):
    run = running.begin(rent, bob)
    running.work(run)
    run.refresh_from_db()
    assert run.state == "failed" and "bob may read" in run.error


@pytest.mark.django_db(transaction=True)  # An answer lets go of its connection while it streams.
def test_answers_are_kept_with_their_verdicts_and_the_unanswerable_is_to_be_refused(rent, alice):
    run = running.begin(rent, alice, "answers")
    running.work(run)
    run.refresh_from_db()
    assert (run.state, run.error, run.done) == ("done", "", 2)
    answered, refused = run.results
    assert "third working day" in answered["answer"] and answered["cited"] == ["rules.md#page=1"]
    assert refused["refused"] and run.figures["rightly refused"]["value"] == 1.0


def test_the_command_asks_a_set_by_its_name(rent, capsys):
    call_command("evaluate", "House rules", "--user", "alice")
    assert "House rules: 1 questions" in capsys.readouterr().out


def test_what_became_worse_comes_first():
    row = {"id": "1", "text": "A?", "right": {"a": 1}, "cited": ["a"], "verdicts": {"supported": 1}}
    good, bad = row, row | {"cited": [], "refused": True}
    pairs = side_by_side([good, bad | {"id": "2"}, good | {"id": "3"}], [good, good | {"id": "2"}, bad | {"id": "3"}])
    assert [(pair.now["id"], pair.is_worse) for pair in pairs] == [("3", True), ("2", False), ("1", False)]


# The pages -----------------------------------------------------------------------------------------------------------
PLACE = "/console/evaluation/"


@pytest.fixture
def console(client, staff):
    client.force_login(staff)
    return client


def text(response) -> str:
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def test_for_others_there_is_no_evaluation(client, rent, alice):
    case, run = rent.cases.first(), running.begin(rent, alice)
    client.force_login(alice)
    pages = [PLACE, rent.get_absolute_url(), run.get_absolute_url(), f"{rent.get_absolute_url()}download/"]
    acts = [f"{rent.get_absolute_url()}{act}/" for act in ("upload", "delete", "begin", "cases")]
    acts += [f"{rent.get_absolute_url()}cases/{case.pk}/", f"{rent.get_absolute_url()}cases/{case.pk}/delete/"]
    acts += [f"{PLACE}new/", f"{run.get_absolute_url()}cancel/"]
    assert {client.get(place).status_code for place in pages} == {404}
    assert {client.post(place, {"sure": "1"}).status_code for place in acts} == {404}
    client.force_login(person("clerk", is_staff=True))
    assert {client.get(place).status_code for place in acts} == {405}
    assert rent.cases.count() == 2


def test_a_set_is_made_filled_changed_and_deleted_and_all_is_written_down(console):
    file = SimpleUploadedFile("a.jsonl", b'{"question": "A?", "pages": ["rules.md#page=1"]}')
    page = text(console.post(f"{PLACE}new/", {"name": "Mine", "file": file}, follow=True))
    made = EvaluationSet.objects.get()
    assert "A?" in page and "rules.md#page=1" in page
    place = made.get_absolute_url()
    more = SimpleUploadedFile("b.csv", b"question\nB?\n")
    assert "1 question was taken in" in text(console.post(f"{place}upload/", {"file": more}, follow=True))
    console.post(f"{place}cases/", {"question": "C?", "is_unanswerable": "1"})
    case = made.cases.get(question="B?")
    console.post(f"{place}cases/{case.pk}/", {"question": "B2?", "pages": "a.pdf#page=1\nb.pdf#page=2"})
    case.refresh_from_db()
    assert (case.question, case.pages) == ("B2?", ["a.pdf#page=1", "b.pdf#page=2"])
    assert "is no page" in text(console.post(f"{place}cases/", {"question": "D?", "pages": "nonsense"}, follow=True))
    console.post(f"{place}cases/{case.pk}/delete/")
    assert [each.question for each in made.cases.all()] == ["A?", "C?"]
    assert b'"A?"' in b"".join(console.get(f"{place}download/").streaming_content)
    assert "It has 2 questions." in text(console.post(f"{place}delete/")) and EvaluationSet.objects.exists()
    console.post(f"{place}delete/", {"sure": "1"})
    assert not EvaluationSet.objects.exists()
    written = set(AuditEvent.objects.filter(action__startswith="evaluation").values_list("action", flat=True))
    names = ("set_new", "set_fill", "case_save", "case_delete", "set_delete")
    assert written == {f"evaluation.{name}" for name in names}


def test_a_run_is_begun_shown_and_held_beside_the_one_before(console, staff, rent):
    place = shared_collection(staff, name="Rules")
    document = add(staff, collection=place)
    begun = console.post(f"{rent.get_absolute_url()}begin/", {"kind": "search"}, follow=True)
    assert "0 of 3" in text(begun)
    first = EvaluationRun.objects.get()
    running.work(first)
    assert "1.000" in text(console.get(first.get_absolute_url()))
    second = running.begin(rent, staff)
    rename(document, "other.md")
    running.work(second)
    page = text(console.get(second.get_absolute_url()))
    assert "1 came later than before, 0 earlier" in page and "not found" in page
    assert "came later" not in text(console.get(f"{second.get_absolute_url()}?with=none"))


def test_a_run_is_cancelled_from_its_page(console, staff, rent):
    run = running.begin(rent, staff)
    assert "Cancelled" in text(console.post(f"{run.get_absolute_url()}cancel/", follow=True))
    assert AuditEvent.objects.filter(action="evaluation.cancel").exists()


def test_only_a_superuser_asks_as_somebody_else_and_only_the_search(client, rent, staff):
    clerk = person("clerk", is_staff=True)
    for who, kind, is_done in ((clerk, "search", False), (staff, "answers", False), (staff, "search", True)):
        client.force_login(who)
        client.post(f"{rent.get_absolute_url()}begin/", {"kind": kind, "as_user": "alice"})
        assert EvaluationRun.objects.exists() == is_done
    assert EvaluationRun.objects.get().user.username == "alice"
    assert AuditEvent.objects.get(action="evaluation.begin").detail["as_user"] == "alice"


@pytest.mark.django_db(transaction=True)  # An answer lets go of its connection while it streams.
def test_answers_are_shown_side_by_side_to_whoever_asked_alone(client, rent, staff):
    add(staff, collection=shared_collection(staff, name="Rules"))
    for _ in range(2):
        run = running.begin(rent, staff, "answers")
        running.work(run)
    client.force_login(staff)
    page = text(client.get(run.get_absolute_url()))
    assert page.count("third working day") == 2 and "0 became worse" in page
    client.force_login(person("clerk", is_staff=True))
    assert "third working day" not in text(client.get(run.get_absolute_url()))
