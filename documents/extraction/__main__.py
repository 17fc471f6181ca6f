"""The child process: reads one file as told on standard input and writes JSON lines, one a page."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from documents.extraction.limits import confine, die_with_parent
from documents.extraction.pages import ExtractedDocument, ExtractedFile, ExtractedPage, ExtractionError, Order


Found = ExtractedDocument | ExtractedPage | ExtractedFile
NAMES: dict[type, str] = {ExtractedDocument: "document", ExtractedPage: "page", ExtractedFile: "file"}


def read(kind: str, order: Order) -> Iterator[Found]:
    """What the format's reader finds, each page with the time it took, and the document once more at the end."""
    reader = import_module(f"documents.extraction.{kind}")
    document, count, began = ExtractedDocument(), order.skip, time.perf_counter()
    for item in reader.read(order):
        if isinstance(item, ExtractedDocument):
            document = item
        elif isinstance(item, ExtractedPage):
            count += 1
            item.seconds = round(time.perf_counter() - began, 4)
        yield item
        began = time.perf_counter()
    yield replace(document, page_count=count)


def given_order(fields: dict[str, Any]) -> Order:
    folder, languages = fields["folder"], tuple(fields["languages"])
    paths = {"path": Path(fields["path"]), "folder": Path(folder) if folder else None}
    return Order(**{**fields, **paths, "languages": languages})


def main(orders: IO[str], answers: IO[str]) -> None:
    order = json.load(orders)
    die_with_parent(order["parent"])
    confine(order["memory_bytes"], order["cpu_seconds"])

    def answer(name: str, fields: dict[str, object]) -> None:
        answers.write(json.dumps({name: fields}, default=str) + "\n")
        answers.flush()

    try:
        for item in read(order["kind"], given_order(order["order"])):
            answer(NAMES[type(item)], asdict(item))
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
