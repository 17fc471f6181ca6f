"""Sets of questions that are kept in the library: filled from a file, told as a file, and made ready to be asked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from documents.evaluation.figures import Question
from documents.evaluation.sets import QuestionSet, SetError, read_cases
from documents.models import EvaluationCase, EvaluationSet, display_name


def questions_of(kept: EvaluationSet, *, with_unanswerable: bool = False) -> QuestionSet:
    """What is asked of it: the questions whose pages are known, and those that nothing answers. Raises SetError."""
    rows = kept.cases.exclude(pages=[])
    if with_unanswerable:
        rows = kept.cases.exclude(pages=[], is_unanswerable=False)
    questions = [Question(str(case.pk), case.question, dict.fromkeys(case.pages, 1)) for case in rows]
    if not questions:
        raise SetError(f"No question of “{kept}” has a right page yet.")
    return QuestionSet(kept.name, questions, None)


def take_file(kept: EvaluationSet, pieces: Iterable[bytes], name: str, user: User) -> int:
    """Put the questions of a file into the set, all or none; how many. Raises SetError, which names the line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "upload", display_name(name))
        path.parent.mkdir()
        path.write_bytes(b"".join(pieces))
        cases = list(read_cases(path))
    with transaction.atomic():
        for case in cases:
            told = {"truth": case.truth} if case.truth else {}
            kept.take(
                case.question,
                pages=case.pages,
                by=user,
                origin=EvaluationCase.Origin.UPLOAD,
                is_unanswerable=case.is_unanswerable,
                **told,
            )
    return len(cases)


def lines_of(kept: EvaluationSet) -> Iterator[str]:
    """The set as a file that can be read again."""
    for case in kept.cases.iterator():
        row: dict[str, object] = {"question": case.question, "pages": case.pages}
        row |= {"truth": case.truth} if case.truth else {}
        row |= {"unanswerable": True} if case.is_unanswerable else {}
        yield json.dumps(row, ensure_ascii=False) + "\n"
