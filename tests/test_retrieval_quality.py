"""How well the right paragraph is found, by words, by meaning and by both, on questions with known answers."""

import json
from pathlib import Path

import pytest
from django.conf import settings

from documents.evaluation import Figures, evaluate, read_set
from documents.search import Mode
from tests.library import add

EVALUATION = Path(__file__).resolve().parent.parent.parent / "shared" / "eval"
SAMPLES = Path(settings.BASE_DIR) / "documents" / "samples"

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
public = pytest.mark.skipif(not EVALUATION.is_dir(), reason="the evaluation sets lie outside this repository")


def measured(path: Path, user, modes: tuple[Mode, ...] = ("hybrid",), limit: int | None = None) -> dict[Mode, Figures]:
    """The figures, told for whoever reads along. Whole sets are for `manage.py evaluate`: they take minutes."""
    report = evaluate(read_set(path), user, modes=modes, limit=limit)
    for mode in modes:
        means = report.figures[mode].means
        print(report.run.set_name, mode, *(f"{name} {mean.value:.3f}" for name, mean in means.items()))
    return report.figures


def value(figures: Figures, name: str) -> float:
    return figures.means[name].value


def test_the_samples_answer_their_questions_among_the_first_three_pages(alice, tmp_path):
    rows = []
    for sample in json.loads((SAMPLES / "samples.json").read_text()):
        add(alice, (SAMPLES / sample["file"]).read_bytes(), sample["file"])
        rows += [
            {"question": asked["question"], "pages": [f"{sample['file']}#page={asked['page']}"]}
            for asked in sample["questions"]
            if "page" in asked
        ]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = measured(path, alice)["hybrid"]
    assert [outcome.question.text for outcome in found.outcomes if not outcome.rank or outcome.rank > 3] == []


def part_of(whole: Path, folder: Path, every: int) -> Path:
    """Every so many texts of a set, and the questions about those."""
    corpus = (whole / "corpus.jsonl").read_text().splitlines()[::every]
    kept = {json.loads(line)["id"] for line in corpus}
    head, *pairs = (whole / "qrels.tsv").read_text().splitlines()
    pairs = [line for line in pairs if line.split("\t")[1] in kept]
    asked = {line.split("\t")[0] for line in pairs}
    questions = [line for line in (whole / "queries.jsonl").read_text().splitlines() if json.loads(line)["id"] in asked]
    for name, lines in (("corpus.jsonl", corpus), ("queries.jsonl", questions), ("qrels.tsv", [head, *pairs])):
        (folder / name).write_text("\n".join(lines))
    return folder


@public
@pytest.mark.parametrize(("every", "first"), [(3, 0.91), pytest.param(1, 0.87, marks=pytest.mark.faults)])
def test_the_right_paragraph_is_found_first_for_nine_questions_in_ten(alice, tmp_path, every, first):
    found = measured(part_of(EVALUATION / "squad6", tmp_path, every), alice, limit=200)["hybrid"]
    assert value(found, "recall@1") >= first
    assert value(found, "recall@5") >= 0.97
    assert value(found, "mrr@10") >= 0.92


@public
@pytest.mark.parametrize(
    "language", ["de", "zh", *(pytest.param(each, marks=pytest.mark.faults) for each in ("es", "ar"))]
)
def test_words_find_the_right_paragraph_in_other_languages_too(alice, language):
    found = measured(EVALUATION / "xquad6" / language, alice, ("keyword", "hybrid"), limit=60)
    assert value(found["keyword"], "recall@1") >= 0.9
    assert value(found["hybrid"], "recall@1") >= value(found["keyword"], "recall@1")
