"""The lines of a file of questions, and of a file of answers. Pure but for the file of answers it mends."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

LINES_MOST = 50_000
UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
WORDS = {
    "missing": "is missing",
    "string_type": "must be text",
    "list_type": "must be a list of names",
    "string_too_short": "is empty",
    "too_short": "is empty",
    "string_unicode": "holds half a letter, which no database takes",
    "string_too_long": "is too long",
    "too_long": "is too long",
    "extra_forbidden": "is not known; a line has id, question and, if wanted, collections",
}


class BadLine(ValueError):
    """A file that cannot be used; str(exc) names the line and what is wrong with it."""


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Key = Annotated[str, BeforeValidator(_as_text), StringConstraints(min_length=1, max_length=200)]


class Line(BaseModel):
    """One question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Key
    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
    collections: Annotated[list[str], Field(max_length=1_000)] | None = None


def read_lines(lines: Iterable[bytes]) -> list[Line]:
    """Every question, in order. Raises BadLine at the first line that cannot be used: nothing is asked then.

    >>> read_lines([b'{"id": 1, "question": "Why?"}', b"", b'{"id": "2"}'])
    Traceback (most recent call last):
    ...
    chat.batches.lines.BadLine: Line 3: “question” is missing.
    """
    found: dict[str, Line] = {}
    for number, written in enumerate(lines, 1):
        if not written.strip():
            continue
        line = _line(number, written)
        if line.id in found:
            raise BadLine(f"Line {number}: the id “{line.id[:60]}” stands further up already.")
        found[line.id] = line
        if len(found) > LINES_MOST:
            raise BadLine(f"There are more than {LINES_MOST:,} questions: cut the file in two.")
    if not found:
        raise BadLine("There is no question in the file.")
    return list(found.values())


def _line(number: int, written: bytes) -> Line:
    try:
        body = json.loads(written.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadLine(f"Line {number} is not JSON: each line is one object in braces.") from None
    if not isinstance(body, dict):
        raise BadLine(f"Line {number}: an object in braces is wanted, with id and question.")
    try:
        line = Line.model_validate(body)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))[:60]
        raise BadLine(f"Line {number}: “{place}” {WORDS.get(first['type'], first['msg'])}.") from None
    if UNWRITABLE.search("".join((line.id, line.question, *(line.collections or ())))):
        raise BadLine(f"Line {number} holds a NUL or half a letter, which no database takes.")
    return line


def finished(path: Path) -> list[dict[str, Any]]:
    """The results a file of answers holds, to go on behind them. Raises BadLine for a file that is another's.

    A last line that was torn by the end of its writer is taken away, and so is every question that failed: it is
    asked again.
    """
    if not path.exists():
        return []
    written = path.read_bytes().split(b"\n")
    torn = written.pop()  # Nothing, when the last line is whole.
    results = [_result(path, number, line) for number, line in enumerate(written, 1)]
    done = [result for result in results if result["state"] != "failed"]
    if torn or len(done) < len(results):
        _replace(path, done)
    return done


def _result(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
        if isinstance(body["id"], str) and body["state"] in {"answered", "refused", "failed"}:
            return body
    except (ValueError, TypeError, KeyError):
        pass
    raise BadLine(f"{path}, line {number}, is no result of ours: choose another file for the answers.")


def _replace(path: Path, results: Iterable[dict[str, Any]]) -> None:
    """In one step, so that an end in the middle leaves the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.writelines(as_line(result) for result in results)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def as_line(result: dict[str, Any]) -> bytes:
    return json.dumps(result, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
