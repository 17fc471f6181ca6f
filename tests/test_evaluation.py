"""Questions with known answers: how they are read, asked, counted, kept and compared."""

import json
from io import StringIO
from math import log2
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from documents.evaluation import Outcome, Question, SetError, compare, measure, read_set
from documents.evaluation import evaluate as ask_all
from documents.evaluation.figures import scored
from documents.intake import delete
from documents.models import Chunk, Collection, Document, EvaluationRun, IndexVersion, Page
from documents.retrieval import retrieve
from tests.library import RENT, add, shared_collection

PARAGRAPHS = {
    "rent": ("House rules", "The rent is due on the third working day of the month."),
    "pets": ("House rules", "Cats & dogs need a <written> permission of the landlord."),
    "valve": ("Networks", "Valve V-114 is closed by order of the head of networks alone."),
    "boil": ("Networks", "The advice to boil water is lifted after two clear sets of samples."),
    "none": ("", ""),
}
QUESTIONS = {
    "When is the rent due?": "rent",
    "May tenants keep dogs?": "pets",
    "Who may order valve V-114 closed?": "valve",
    "When is the advice to boil water lifted?": "boil",
}


# Figures -------------------------------------------------------------------------------------------------------------
def outcomes(*ranks: int | None) -> list[Outcome]:
    return [
        Outcome(Question(str(n), f"Question {n}?", {"a": 1}), rank, {"hit@10": float(rank is not None)})
        for n, rank in enumerate(ranks)
    ]


def test_recall_is_the_share_of_what_is_right():
    values = scored(["a", "x", "x2", "x3", "b", "c"], {"a": 1, "b": 1, "c": 1, "d": 1}, 10)
    assert [values[f"recall@{cut}"] for cut in (1, 5, 10)] == [0.25, 0.5, 0.75]


def test_a_hit_is_any_of_what_is_right():
    values = scored(["x", "b"], {"a": 1, "b": 1}, 10)
    assert [values[f"hit@{cut}"] for cut in (1, 5, 10)] == [0, 1, 1]


def test_the_gain_weighs_grades_by_their_place():
    values = scored(["low", "x", "high"], {"low": 1, "high": 4}, 10)
    assert values["ndcg@10"] == pytest.approx((1 + 4 / log2(4)) / (4 + 1 / log2(3)))
    assert values["mrr@10"] == 1.0


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 4), min_size=1),
    st.integers(1, 10),
)
def test_figures_lie_between_nothing_and_all(found, right, top):
    assert all(0 <= value <= 1 + 1e-12 for value in scored(found, right, top).values())
    best = sorted(right, key=lambda key: -right[key])
    assert scored(best, right, top)[f"ndcg@{top}"] == pytest.approx(1)


def test_a_document_that_is_found_twice_takes_one_place():
    found = measure([Question("1", "?", {"b": 1})], lambda text: ["a", "a", "a", "b"], top=2)
    assert found.outcomes[0].rank == 2


def test_what_lies_below_the_places_that_count_is_not_found():
    found = measure([Question("1", "?", {"c": 1})], lambda text: ["a", "b", "c"], top=2)
    assert found.outcomes[0].rank is None and set(found.outcomes[0].values.values()) == {0.0}


def test_a_share_has_an_interval_even_where_all_is_found():
    found = measure([Question(str(n), "?", {"a": 1}) for n in range(20)], lambda text: ["a"])
    mean = found.means["hit@1"]
    assert (mean.value, mean.high, mean.by) == (1, 1, "wilson") and 0.8 < mean.low < 0.9


def test_the_interval_is_that_of_the_questions_drawn_anew():
    places = iter([1, 2, 4] * 40)
    found = measure(
        [Question(str(n), "?", {"a": 1}) for n in range(120)], lambda text: ["x", "y", "z"][: next(places) - 1] + ["a"]
    )
    mean = found.means["mrr@10"]
    assert mean.by == "bootstrap" and mean.value == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)
    error = 0.3118 / 120**0.5  # Of 1, 1/2 and 1/4 alike.
    assert mean.low == pytest.approx(mean.value - 1.96 * error, abs=0.01)
    assert mean.high == pytest.approx(mean.value + 1.96 * error, abs=0.01)


def test_without_questions_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match="no questions"):
        measure([], lambda text: [])


def test_a_figure_that_falls_beyond_chance_is_told():
    found = compare(outcomes(*[1] * 30), outcomes(*[1] * 20, *[None] * 10))
    assert found.fell == ["hit@10"] and found.changes["hit@10"].value == pytest.approx(-1 / 3)


def test_a_figure_that_wavers_has_not_fallen():
    before, after = outcomes(None, None, *[1] * 28), outcomes(*[1] * 27, *[None] * 3)
    assert compare(before, after).changes["hit@10"].value < 0 and compare(before, after).fell == []
    assert compare(before, before).fell == []


def test_what_was_first_and_is_lost_comes_first():
    found = compare(outcomes(7, 1, 3, None, None), outcomes(None, None, 1, 9, 2))
    assert [(then.rank, now.question.id) for then, now in found.lost] == [(1, "1"), (7, "0")]
    assert [(now.rank, now.question.id) for _, now in found.won] == [(2, "4"), (9, "3")]


def test_a_question_that_was_changed_is_not_compared():
    worded = [Outcome(Question("0", "Another?", {"a": 1}), None, {"hit@10": 0.0})]
    judged = [Outcome(Question("0", "Question 0?", {"b": 1}), None, {"hit@10": 0.0})]
    assert compare(outcomes(1), worded) is None and compare(outcomes(1), judged) is None


# Sets ----------------------------------------------------------------------------------------------------------------
def folder(path: Path, paragraphs=PARAGRAPHS, questions=QUESTIONS) -> Path:
    path.mkdir(exist_ok=True)
    rows = [{"id": name, "title": title, "text": text} for name, (title, text) in paragraphs.items()]
    (path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"id": f"q{number}", "text": text} for number, text in enumerate(questions)]
    (path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ["query-id\tcorpus-id\tscore", *(f"q{number}\t{name}\t1" for number, name in enumerate(questions.values()))]
    (path / "qrels.tsv").write_text("\n".join(lines) + "\n")
    return path


def page_set(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("corpus.jsonl", b'{"id": "a", "text": "x"}\n{"id": "b", ', "corpus.jsonl, line 2: this is not JSON."),
        ("corpus.jsonl", b"[" * 100_000, "corpus.jsonl, line 1: this is not JSON."),
        ("corpus.jsonl", b"\n[1]\n", "corpus.jsonl, line 2: this is JSON, but no object in braces."),
        ("corpus.jsonl", b'{"id": "a", "text": "\xff"}', "corpus.jsonl, line 1: this is not UTF-8."),
        ("corpus.jsonl", b'{"id": "a", "text": 5}', 'corpus.jsonl, line 1: "text" is no text.'),
        ("corpus.jsonl", b'{"id": "a", "text": "\\u0000"}', "corpus.jsonl, line 1: it holds a character"),
        ("corpus.jsonl", b'{"id": "a", "text": "\\ud800"}', "corpus.jsonl, line 1: it holds a character"),
        ("corpus.jsonl", b'{"text": "x"}', 'corpus.jsonl, line 1: "id" is missing.'),
        ("corpus.jsonl", b'{"id": 1, "text": ""}\n{"id": "1", "text": ""}', "line 2: the id 1 is there twice."),
        ("corpus.jsonl", b"", "corpus.jsonl is empty."),
        ("queries.jsonl", b'{"id": "q0", "text": " "}', 'queries.jsonl, line 1: "text" is empty.'),
        ("queries.jsonl", b'{"id": "q0", "text": "a"}\n{"id": "q0", "text": "b"}', "line 2: the id q0 is there twice."),
        ("queries.jsonl", None, "queries.jsonl cannot be read"),
        ("qrels.tsv", None, "qrels.tsv cannot be read"),
        ("qrels.tsv", b"q0 rent 1\n", "qrels.tsv, line 1: this is not question, paragraph and grade"),
        ("qrels.tsv", b"q0\trent\tmuch\n", "qrels.tsv, line 1: “much” is no grade"),
        ("qrels.tsv", b"query-id\tcorpus-id\tscore\nq9\trent\t1\n", "qrels.tsv, line 2: there is no question q9"),
        ("qrels.tsv", b"q0\trents\t1\n", "qrels.tsv, line 1: there is no paragraph rents in corpus.jsonl."),
        ("qrels.tsv", b"q0\trent\t1\n", "queries.jsonl, line 2: qrels.tsv names no right paragraph for question q1."),
    ],
)  # fmt: skip
def test_a_bad_set_is_told_by_file_and_line(tmp_path, file, content, told):
    bad = folder(tmp_path / "small") / file
    bad.unlink() if content is None else bad.write_bytes(content)
    with pytest.raises(SetError) as raised:
        read_set(tmp_path / "small")
    assert told in str(raised.value) and "\n" not in str(raised.value)


@given(st.sampled_from(["corpus.jsonl", "queries.jsonl", "qrels.tsv"]), st.binary(max_size=80), st.integers(0, 500))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path_factory, file, noise, place):
    path = folder(tmp_path_factory.mktemp("set"))
    data = (path / file).read_bytes()
    (path / file).write_bytes(data[:place] + noise + data[place:])
    try:
        read_set(path)
    except SetError as exc:
        assert "\n" not in str(exc)


def test_grades_and_numbered_ids_are_read(tmp_path):
    path = folder(tmp_path / "small", {"7": ("", "seven"), "8": ("", "eight"), "9": ("", "nine")}, {"Which?": "7"})
    (path / "queries.jsonl").write_text('\ufeff{"id": 1, "text": "Which?"}\n\n', encoding="utf-8")
    (path / "qrels.tsv").write_text("1\t7\t3\n1\t8\t1\n1\t9\t0\n")
    assert read_set(path).questions == [Question("1", "Which?", {"7": 3, "8": 1})]


def test_a_folder_of_one_language_is_named_with_what_it_belongs_to(tmp_path):
    (tmp_path / "xquad").mkdir()
    assert read_set(folder(tmp_path / "xquad" / "de")).name == "xquad/de"
    assert read_set(folder(tmp_path / "xquad" / "other")).name == "other"


def test_pages_are_read_from_a_truth_that_quotes_them(tmp_path):
    truth = (
        "Twelve hours [handbook.pdf#page=4][handbook.pdf#page=12], as the plan says too [the plan.pdf#page=1(f.png)]."
    )
    found = read_set(page_set(tmp_path / "asked.jsonl", {"question": "How long?", "truth": truth}))
    assert (found.name, found.paragraphs) == ("asked", None)
    assert set(found.questions[0].right) == {"handbook.pdf#page=4", "handbook.pdf#page=12", "the plan.pdf#page=1"}


def test_pages_may_be_a_list(tmp_path):
    path = page_set(tmp_path / "asked.jsonl", {"question": "How long?", "pages": ["a.pdf#page=2", "[b.pdf#page=3]"]})
    assert set(read_set(path).questions[0].right) == {"a.pdf#page=2", "b.pdf#page=3"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "How long?"}, '"truth" is missing'),
        ({"question": "How long?", "truth": "Twelve hours."}, "no page is named as right"),
        ({"question": "How long?", "pages": []}, "no page is named as right"),
        ({"question": "How long?", "pages": ["handbook.pdf"]}, "no page is named as right"),
        ({"question": "How long?", "pages": "a.pdf#page=1"}, '"pages" is no list of texts'),
        ({"truth": "[a.pdf#page=1]"}, '"question" is missing'),
    ],
)
def test_a_question_without_its_pages_is_told_by_its_line(tmp_path, row, told):
    good = {"question": "First?", "truth": "[a.pdf#page=1]"}
    with pytest.raises(SetError, match=f"asked.jsonl, line 2: .*{told}"):
        read_set(page_set(tmp_path / "asked.jsonl", good, row))


# The command ---------------------------------------------------------------------------------------------------------
def evaluate(*args, **options) -> tuple[int, str]:
    """Exit code and what was written."""
    out = StringIO()
    try:
        call_command("evaluate", *map(str, args), stdout=out, **{"user": "alice"} | options)
    except SystemExit as exc:
        return exc.code, out.getvalue()
    return 0, out.getvalue()


def refused(*args, **options) -> str:
    with pytest.raises(CommandError) as raised:
        evaluate(*args, **options)
    assert raised.value.returncode == 2
    return str(raised.value)


@pytest.mark.django_db
def test_every_question_of_a_set_is_answered_by_its_paragraph(alice, tmp_path):
    code, out = evaluate(folder(tmp_path / "small"), json=True)
    [run] = json.loads(out)["runs"]
    assert code == 0 and (run["questions"], run["documents"]) == (4, 5)
    assert list(run["figures"]) == ["keyword", "vector", "hybrid"]
    assert run["figures"]["hybrid"]["recall@1"]["value"] == 1.0
    assert [row["modes"]["hybrid"]["rank"] for row in run["results"]] == [1, 1, 1, 1]
    assert run["figures"]["hybrid"]["p50_ms"] <= run["figures"]["hybrid"]["p95_ms"]


@pytest.mark.django_db
def test_a_paragraph_is_stored_as_it_is_and_searched_under_its_title(alice, tmp_path):
    evaluate(folder(tmp_path / "small"))
    collection = Collection.objects.get(owner=alice, name="Evaluation: small")
    pets = collection.documents.get(name="pets.html")
    assert (pets.title, pets.path.is_file()) == ("House rules", True)
    assert Page.objects.get(document=pets).text.strip() == PARAGRAPHS["pets"][1]
    assert Chunk.objects.get(document=pets).section == ""


@pytest.mark.django_db
def test_a_set_is_read_once(alice, tmp_path):
    def attempts():
        return sorted(Document.objects.filter(deleted_at=None).values_list("name", "building", "id"))

    path = folder(tmp_path / "small")
    evaluate(path)
    first = attempts()
    evaluate(path)
    assert attempts() == first
    evaluate(path, fresh=True)
    again = attempts()
    assert [row[:2] for row in again] == [row[:2] for row in first]
    assert not {row[2] for row in again} & {row[2] for row in first}


@pytest.mark.django_db
def test_a_paragraph_that_left_the_set_is_no_longer_found(alice, tmp_path):
    evaluate(folder(tmp_path / "small"))
    kept = {name: paragraph for name, paragraph in PARAGRAPHS.items() if name != "pets"}
    kept["rent"] = ("House rules", "The rent is due on the last day of the month.")
    asked = {text: name for text, name in QUESTIONS.items() if name in kept}
    code, out = evaluate(folder(tmp_path / "small", kept, asked), json=True)
    assert code == 0 and json.loads(out)["runs"][0]["documents"] == 4
    held = Document.objects.filter(deleted_at=None).current()
    assert sorted(one.name for one in held) == sorted(
        ["rent.html", "valve.html", "boil.html", *(one.name for one in held if len(one.name) == 21)]
    )
    assert "last day" in Page.objects.get(document__in=held, document__name="rent.html").text


@pytest.mark.django_db
def test_a_collection_of_other_documents_is_left_alone(alice, tmp_path):
    handbooks = shared_collection(alice, name="Handbooks")
    document = add(alice, collection=handbooks)
    for fresh in (False, True):
        said = refused(folder(tmp_path / "small"), collection="Handbooks", fresh=fresh)
        assert "“Handbooks” holds documents that are not of the set" in said
    document.refresh_from_db()
    assert document.is_findable and handbooks.documents.count() == 1


@pytest.mark.django_db
def test_what_is_no_longer_found_is_told_and_ends_with_1(alice, tmp_path):
    path = folder(tmp_path / "small")
    assert evaluate(path)[0] == 0
    for name in ("rent", "pets", "valve"):
        document = Document.objects.get(name=f"{name}.html")
        document.collection.index.live.backend.remove(document.pk)
    code, out = evaluate(path)
    assert code == 1
    assert "hybrid recall@1 fell: -0.750" in out
    assert "No longer found (hybrid): 3" in out and "place 1: When is the rent due?" in out


@pytest.mark.django_db
def test_what_is_found_again_is_told(alice, tmp_path):
    path = folder(tmp_path / "small")
    assert "no earlier run" in evaluate(path)[1]
    document = Document.objects.get(name="rent.html")
    document.collection.index.live.backend.remove(document.pk)
    evaluate(path, mode=["hybrid"])
    code, out = evaluate(path, mode=["hybrid"], fresh=True)
    assert code == 0 and "Found now and not before (hybrid): 1\n  place 1: When is the rent due?" in out


@pytest.mark.django_db
def test_a_run_is_kept_with_what_it_depended_on(alice, tmp_path):
    evaluate(folder(tmp_path / "small"), top=3, limit=2)
    run = EvaluationRun.objects.get()
    assert (run.set_name, run.user, run.top, run.limit, run.question_count) == ("small", alice, 3, 2, 2)
    assert run.index_version == IndexVersion.objects.get()
    assert run.conditions["alpha"] == 0.5 and run.conditions["indexes"][0]["chunk_tokens"] == 400
    assert "mrr@3" in run.figures["vector"] and run.results[0]["modes"]["keyword"]["rank"] == 1


@pytest.mark.django_db
def test_a_run_need_not_be_kept(alice, tmp_path):
    evaluate(folder(tmp_path / "small"), no_store=True)
    assert not EvaluationRun.objects.exists()


@pytest.mark.django_db
def test_a_run_is_compared_with_one_that_asked_the_same(alice, bob, tmp_path):
    path = folder(tmp_path / "small")
    evaluate(path)
    assert "no earlier run" in evaluate(path, limit=2)[1]
    assert "no earlier run" in evaluate(path, top=5)[1]
    assert "no earlier run" in evaluate(path, user="bob")[1]
    assert "on 4 questions:\n  no figure changed" in evaluate(path)[1]


@pytest.mark.django_db
def test_pages_are_sought_among_what_a_person_may_read(alice, bob, tmp_path):
    add(alice)
    asked = page_set(tmp_path / "asked.jsonl", {"question": "When is the rent due?", "truth": "[rules.md#page=1]"})
    assert json.loads(evaluate(asked, json=True)[1])["runs"][0]["figures"]["hybrid"]["hit@1"]["value"] == 1.0
    add(bob, b"# Bread\n\nThe rent of the oven is due in May.", "bread.md")
    code, out = evaluate(asked, user="bob", json=True)
    [run] = json.loads(out)["runs"]
    assert run["figures"]["hybrid"]["hit@10"]["value"] == 0.0
    assert run["notes"] == ["1 document is not in the library, and count as not found: rules.md."]


@pytest.mark.django_db
def test_pages_are_not_sought_among_what_was_brought_in_to_be_measured(alice, tmp_path):
    evaluate(folder(tmp_path / "small"))
    add(alice, RENT.replace(b"third working day", b"tenth day"))
    asked = page_set(tmp_path / "asked.jsonl", {"question": "When is the rent due?", "truth": "[rules.md#page=1]"})
    assert json.loads(evaluate(asked, json=True)[1])["runs"][0]["figures"]["vector"]["hit@1"]["value"] == 1.0


@pytest.mark.django_db
def test_without_an_embedding_model_words_alone_are_measured(alice, tmp_path):
    shared_collection(alice)
    IndexVersion.objects.update(embedding_model="")
    code, out = evaluate(folder(tmp_path / "small"), json=True)
    [run] = json.loads(out)["runs"]
    assert code == 0 and list(run["figures"]) == ["keyword"]
    assert "no embedding model" in run["notes"][0]


@pytest.mark.django_db
def test_a_wrong_call_ends_with_2_and_a_sentence(alice, tmp_path):
    assert refused(tmp_path / "nothing").startswith("There is no file or folder")
    assert len(refused(tmp_path / ("x" * 200))) < 120
    assert "no user 'nobody'" in refused(folder(tmp_path / "small"), user="nobody")
    asked = page_set(tmp_path / "asked.jsonl", {"question": "When?", "truth": "[rules.md#page=1]"})
    assert refused(asked) == "There is nothing that alice may read."
    assert refused(asked, collection="Elsewhere") == "There is no collection “Elsewhere” that alice may read."
    (tmp_path / "small" / "qrels.tsv").write_text("\x1b[2Jq\t\x1b[31mred\t1\n")
    assert "there is no question [2Jq in" in refused(tmp_path / "small")
    with pytest.raises(CommandError, match="'0' is no whole number from 1"):
        call_command("evaluate", str(tmp_path), "--limit=0")


@pytest.mark.django_db
def test_a_question_without_its_vector_is_told(alice, tmp_path):
    path = folder(tmp_path / "small")
    evaluate(path)
    IndexVersion.objects.update(embedding_model="a-service-that-is-not-set-up")
    [run] = json.loads(evaluate(path, mode=["vector"], json=True)[1])["runs"]
    assert run["notes"] == ["The embedding model did not answer; questions looked up by words alone: 4."]


@pytest.mark.django_db
def test_two_searches_are_held_side_by_side_and_nothing_is_kept(alice, tmp_path):
    asked = read_set(folder(tmp_path / "small"))
    before, after = (
        ask_all(asked, alice, modes=["hybrid"], find=find).figures["hybrid"] for find in (retrieve, lambda *a, **o: [])
    )
    assert compare(before.outcomes, after.outcomes).changes["recall@1"].value == -1.0
    assert not EvaluationRun.objects.exists()


@pytest.mark.django_db
def test_a_deleted_document_is_not_there(alice, tmp_path):
    delete(add(alice))
    asked = page_set(tmp_path / "asked.jsonl", {"question": "When is the rent due?", "truth": "[rules.md#page=1]"})
    assert "1 document is not in the library" in evaluate(asked)[1]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_may_take_a_part_of_the_reading(worker, alice, tmp_path):
    many = {f"p{number}": ("Rooms", f"Room {number} is let to tenant {number * 7}.") for number in range(40)}
    code, out = evaluate(folder(tmp_path / "small", many, {"Who rents room 17?": "p17"}), json=True)
    [run] = json.loads(out)["runs"]
    assert code == 0 and run["documents"] == 40 and run["figures"]["keyword"]["recall@1"]["value"] == 1.0
    assert not Document.objects.exclude(state="ready").exists()


@pytest.mark.django_db
def test_the_console_shows_runs_and_changes_none(client, staff, alice, tmp_path):
    evaluate(folder(tmp_path / "small"))
    client.force_login(staff)
    assert b"1.000 (hybrid)" in client.get("/admin/documents/evaluationrun/").content
    address = f"/admin/documents/evaluationrun/{EvaluationRun.objects.get().pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"set_name": "other"}).status_code == 403
    assert client.get("/admin/documents/evaluationrun/add/").status_code == 403
