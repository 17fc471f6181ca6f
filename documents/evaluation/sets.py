"""Read questions with known answers: what is asked, and what is right. Nothing here knows the library.

A set has one of two shapes:

- a folder with corpus.jsonl, queries.jsonl and qrels.tsv, as BEIR has it (Thakur et al., arXiv 2104.08663): its own
  paragraphs, and for each question the right ones with their grades;
- a file of lines such as {"question": "…", "truth": "… [handbook.pdf#page=4]"} or {"question": "…", "pages":
  ["handbook.pdf#page=4"]}: the right pages of documents that are in the library.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from documents.evaluation.figures import Question

QUOTED = re.compile(r"\[([^\[\]#]+)#page=(\d{1,6})[^\[\]]*\]")
PLAIN = re.compile(r"\[?([^\[\]#]+)#page=(\d{1,6})\]?")
UNBEARABLE = re.compile("[\0\ud800-\udfff]")  # What no database takes.
LANGUAGE = re.compile(r"[a-z]{2}(-[A-Za-z]{2,4})?")
GRADE_MOST = 1_000
NOT_IN_NAMES = re.compile(r"[^\w.-]+")  # of files that we write


class SetError(Exception):
    """The set cannot be used; str(exc) names the file, the line and what is wrong there."""

    def __init__(self, sentence: str) -> None:
        super().__init__(on_a_line(sentence, 500))


@dataclass(frozen=True)
class Paragraph:
    id: str
    title: str
    text: str  # may be empty


@dataclass(frozen=True)
class QuestionSet:
    name: str
    questions: list[Question]
    paragraphs: list[Paragraph] | None  # None: what is right are pages, named as `page_key` does

    @property
    def files(self) -> list[str]:
        """The names of the documents that a set of pages speaks of."""
        return sorted({key.rpartition("#page=")[0] for question in self.questions for key in question.right})


@dataclass(frozen=True)
class Case:
    """A question of a file that is put into a set: the pages that answer it, or that nothing does, or neither."""

    question: str
    pages: list[str]
    truth: str
    is_unanswerable: bool


def read_cases(path: Path) -> Iterator[Case]:
    """The questions of a file of lines, or of a table with a column for each name and pages parted by semicolons.

    Beside what `read_set` takes, a question may say {"unanswerable": true}, or name no page yet. Raises SetError.
    """
    for where, row in _table(path) if path.suffix.lower() == ".csv" else _rows(path):
        is_unanswerable = str(row.get("unanswerable") or "").lower() in {"true", "yes", "1"}
        truth = _text(where, row, "truth", "").strip()
        names_pages = bool(row.get("pages")) or bool(QUOTED.search(truth))
        if is_unanswerable and names_pages:
            raise SetError(f"{where}: a question that nothing answers has no right page.")
        pages = _right_pages(where, row) if names_pages else []
        yield Case(_question(where, row, "question"), pages, truth, is_unanswerable)


def read_set(path: Path) -> QuestionSet:
    """The set in this folder or file. Raises SetError."""
    try:
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return _pages(path)
    except OSError as exc:  # Such as a name that is too long.
        raise SetError(f"{on_a_line(str(path), 80)} cannot be looked at: {exc.strerror}.") from exc
    raise SetError(f"There is no file or folder {on_a_line(str(path), 80)}.")


def read_questions(path: Path) -> QuestionSet:
    """The questions of a set alone: those of a folder, or of a file with a "question" or "text" in each line.

    Raises SetError.
    """
    file = path / "queries.jsonl" if path.is_dir() else path
    questions: dict[str, Question] = {}
    for where, row in _rows(file):
        text = _question(where, row, "text" if "text" in row else "question")
        name = _id(where, row) if "id" in row else text
        questions[name] = Question(name, text, {})
    return QuestionSet(_name(path) if path.is_dir() else path.stem, list(questions.values()), None)


def read_upload(name: str, data: bytes) -> QuestionSet:
    """The set of pages that somebody sent as a file. Raises SetError."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{NOT_IN_NAMES.sub('-', Path(name).stem)[:80].strip('-') or 'questions'}.jsonl"
        path.write_bytes(data)
        return _pages(path)


def on_a_line(text: str, letters: int) -> str:
    """A text as a terminal may show it: on one line, cut short, without signs that steer the terminal.

    >>> on_a_line("When\\n is \\x1b[31mit due?", 12)
    'When is [31…'
    """
    shown = " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())
    return shown if len(shown) <= letters else shown[: letters - 1] + "…"


def page_key(document: str, page_number: int) -> str:
    """How a page is named in a set: by its document's name, and its number from 1.

    >>> page_key("handbook.pdf", 4)
    'handbook.pdf#page=4'
    """
    return f"{unicodedata.normalize('NFC', document)}#page={page_number}"


def _folder(path: Path) -> QuestionSet:
    paragraphs: dict[str, Paragraph] = {}
    for where, row in _rows(path / "corpus.jsonl"):
        one = Paragraph(_id(where, row), _text(where, row, "title", ""), _text(where, row, "text"))
        if one.id in paragraphs:
            raise SetError(f"{where}: the id {one.id} is there twice.")
        paragraphs[one.id] = one
    asked: dict[str, tuple[str, str]] = {}  # id -> where it stands, text
    for where, row in _rows(path / "queries.jsonl"):
        name = _id(where, row)
        if name in asked:
            raise SetError(f"{where}: the id {name} is there twice.")
        asked[name] = where, _question(where, row, "text")
    grades = _grades(path / "qrels.tsv", asked.keys(), paragraphs.keys())
    for name, (where, _) in asked.items():
        if name not in grades:
            raise SetError(f"{where}: qrels.tsv names no right paragraph for question {name}.")
    questions = [Question(name, text, grades[name]) for name, (_, text) in asked.items()]
    return QuestionSet(_name(path), questions, list(paragraphs.values()))


def _name(path: Path) -> str:
    """A folder's name; one that says a language alone says too little: xquad6/de."""
    path = path.resolve()
    return f"{path.parent.name}/{path.name}" if LANGUAGE.fullmatch(path.name) else path.name


def _grades(path: Path, asked, paragraphs) -> dict[str, dict[str, int]]:
    """Question -> paragraph -> grade, of those above 0. The first line may name the columns."""
    grades: dict[str, dict[str, int]] = {}
    for where, line in _lines(path):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 3:
            raise SetError(f"{where}: this is not question, paragraph and grade with tabs between them.")
        question, paragraph, grade = fields
        if not grades and fields == ["query-id", "corpus-id", "score"]:
            continue
        if question not in asked:
            raise SetError(f"{where}: there is no question {question[:80]} in queries.jsonl.")
        if paragraph not in paragraphs:
            raise SetError(f"{where}: there is no paragraph {paragraph[:80]} in corpus.jsonl.")
        if not re.fullmatch(r"-?[0-9]{1,4}", grade) or int(grade) > GRADE_MOST:
            raise SetError(f"{where}: “{grade[:40]}” is no grade, which is a whole number up to {GRADE_MOST:,}.")
        if int(grade) > 0:
            grades.setdefault(question, {})[paragraph] = int(grade)
    return grades


def _pages(path: Path) -> QuestionSet:
    questions: dict[str, Question] = {}
    for where, row in _rows(path):
        text = _question(where, row, "question")
        name = _id(where, row) if "id" in row else text
        if name in questions:
            raise SetError(f"{where}: this question is there twice.")
        questions[name] = Question(name, text, dict.fromkeys(_right_pages(where, row), 1))
    return QuestionSet(path.stem, list(questions.values()), None)


def _right_pages(where: str, row: dict[str, Any]) -> list[str]:
    if "pages" in row:
        named = row["pages"]
        if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
            raise SetError(f'{where}: "pages" is no list of texts.')
        found = [PLAIN.fullmatch(_bearable(where, one).strip()) for one in named]
    else:
        found = list(QUOTED.finditer(_text(where, row, "truth")))
    if not found or not all(found):
        raise SetError(f"{where}: no page is named as right, in the form [handbook.pdf#page=4].")
    return [page_key(match[1].strip(), int(match[2])) for match in found if match]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line stands, and the object it holds; at least one."""
    for where, line in _lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise SetError(f"{where}: this is not JSON.") from exc
        if not isinstance(row, dict):
            raise SetError(f"{where}: this is JSON, but no object in braces.")
        yield where, row


def _table(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """As `_rows`, of a table whose first line names the columns."""
    reader = csv.DictReader(line for _, line in _lines(path))
    try:
        for row in reader:
            told = {(name or "").strip().lower(): value for name, value in row.items() if value and name is not None}
            pages = [page.strip() for page in told.get("pages", "").split(";") if page.strip()]
            yield f"{path.parent.name}/{path.name}, line {reader.line_num}", told | ({"pages": pages} if pages else {})
    except csv.Error as exc:
        raise SetError(f"{path.name}: this is not a table with commas: {exc}.") from exc


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Where each line that is not blank stands, such as "squad6/qrels.tsv, line 3", and the line; at least one."""
    shown, number, is_empty = f"{path.parent.name}/{path.name}".lstrip("/"), 0, True
    try:
        with path.open("rb") as file:
            for number, data in enumerate(file, 1):
                line = data.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if line.strip():
                    is_empty = False
                    yield f"{shown}, line {number}", line
    except OSError as exc:
        raise SetError(f"{shown} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise SetError(f"{shown}, line {number}: this is not UTF-8.") from exc
    if is_empty:
        raise SetError(f"{shown} is empty.")


def _id(where: str, row: dict[str, Any]) -> str:
    value = row.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise SetError(f'{where}: "id" is missing.')
    return _bearable(where, value).strip()


def _question(where: str, row: dict[str, Any], name: str) -> str:
    text = _text(where, row, name).strip()
    if not text:
        raise SetError(f'{where}: "{name}" is empty.')
    return text


def _text(where: str, row: dict[str, Any], name: str, default: str | None = None) -> str:
    value = row.get(name, default)
    if not isinstance(value, str):
        raise SetError(f'{where}: "{name}" is {"missing" if value is None else "no text"}.')
    return _bearable(where, value)


def _bearable(where: str, text: str) -> str:
    if UNBEARABLE.search(text):
        raise SetError(f"{where}: it holds a character that no text has.")
    return text
