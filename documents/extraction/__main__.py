"""The child process: reads one file as told on standard input and writes JSON lines, one a page."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import IO

from documents.extraction.limits import confine, die_with_parent
from documents.extraction.pages import ExtractedDocument, ExtractedPage, ExtractionError, page_sentences


def read(path: Path, kind: str, pages_max: int, password: str) -> Iterator[ExtractedDocument | ExtractedPage]:
    """The document, its pages, and the document again with everything that was noticed on the way."""
    reader = import_module(f"documents.extraction.{kind}")
    document, count, warnings, has_text = ExtractedDocument(), 0, [], False
    for item in reader.read(path, pages_max=pages_max, password=password):
        yield item
        if isinstance(item, ExtractedDocument):
            document = item
            continue
        count += 1
        has_text = has_text or bool(item.text.strip())
        if item.warning:
            warnings.append((count, item.warning))
    sentences = document.warnings + page_sentences(warnings)
    if not has_text and not sentences:
        sentences = ["No text was found in the file."]
    yield replace(document, page_count=count, warnings=sentences)


def main(orders: IO[str], answers: IO[str]) -> None:
    order = json.load(orders)
    die_with_parent(order["parent"])
    confine(order["memory_bytes"], order["cpu_seconds"])

    def answer(name: str, fields: dict[str, object]) -> None:
        answers.write(json.dumps({name: fields}) + "\n")
        answers.flush()

    try:
        for item in read(Path(order["path"]), order["kind"], order["pages_max"], order["password"]):
            answer("document" if isinstance(item, ExtractedDocument) else "page", asdict(item))
        answer("end", {})
    except ExtractionError as exc:
        answer("error", {"code": exc.code, "reason": exc.reason, "advice": exc.advice})
    except MemoryError:
        reason = "Reading the file needs more memory than is allowed."
        advice = "Split it into smaller files, or ask an administrator to raise the limit."
        answer("error", {"code": "memory", "reason": reason, "advice": advice})


if __name__ == "__main__":
    # A library that prints must not mix with the answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(sys.stdin, channel)
