"""A file becomes pages: stored a few at a time, so that progress shows and nothing is read twice."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Protocol

from django.conf import settings

from documents import passwords
from documents.extraction import ExtractedDocument, ExtractedFile, ExtractedPage, ExtractionError, Order, extract
from documents.extraction.pages import page_sentences
from documents.firewall import findings
from documents.intake import UploadRefused, accept
from documents.languages import language_of
from documents.models import Document, Page, State, display_name

PAGES_AT_ONCE = 16
SECONDS_AT_ONCE = 5.0  # Pages that take long to read are stored sooner.
LANGUAGE_SAMPLE = 20_000  # letters
CRASHES_MOST = 4  # times that one file may end the process that reads it
UNTITLED = "Untitled"
DEPTH_MOST = 5  # files in files in files
COUNTED = ("letters", "words", "tables", "images", "cleaned", "unreadable", "withheld")


class Work(Protocol):
    """Whoever holds the document while it is read."""

    document: Document
    generation: int

    def heed(self) -> None: ...
    def let_others(self) -> None: ...
    def write(self, model: type[Page], rows: list, **progress: object) -> None: ...


class Reading:
    """One file on its way into pages, from behind those that are stored already."""

    def __init__(self, work: Work) -> None:
        self.work, self.document = work, work.document
        self.head = ExtractedDocument()
        self.refused: list[str] = []
        self.depth = _depth(self.document)
        self.password = "" if self.document.opened else passwords.take(self.document.pk)
        self.batch: list[Page] = []
        self.stored_at = time.monotonic()
        self.done = self.document.pages.filter(generation=work.generation).count()

    def run(self) -> None:
        crashes = 0
        while True:
            try:
                self.read(careful=crashes > 0)
                break
            except ExtractionError as exc:
                crashes += 1
                if exc.code != "crashed" or self.document.kind != "pdf" or crashes > CRASHES_MOST:
                    raise
                if crashes > 1:  # The first time it may have been a page that was looked at before its turn.
                    self.add(ExtractedPage("", warning="could not be read"))  # The page that broke it.
        self.store()
        self.conclude()

    def read(self, *, careful: bool) -> None:
        document = self.document
        with tempfile.TemporaryDirectory(prefix="lectern-") as folder:
            order = Order(
                document.readable_path,
                settings.PAGES_MAX,
                password=self.password,
                skip=self.done,
                folder=Path(folder),
                languages=(document.language,) if document.language else (),
                careful=careful,
            )
            items = extract(
                order,
                document.kind,
                memory_bytes=settings.EXTRACT_MEMORY_BYTES,
                seconds=settings.EXTRACT_SECONDS,
                heed=self.work.heed,
            )
            for item in items:
                if isinstance(item, ExtractedPage):
                    self.add(item)
                elif isinstance(item, ExtractedFile):
                    self.take_in(item)
                else:
                    self.note(item, Path(folder))

    def add(self, item: ExtractedPage) -> None:
        self.done += 1
        self.batch.append(_page(self.document, self.work.generation, self.done, item))
        if len(self.batch) == PAGES_AT_ONCE or time.monotonic() - self.stored_at > SECONDS_AT_ONCE:
            self.store()
            if self.document.kind == "pdf":  # The others are read whole before their first page comes.
                self.work.let_others()

    def store(self) -> None:
        total = max(self.head.page_count, self.done)
        self.work.write(Page, self.batch, done=self.done, total=total, **({"attempt": 1} if self.batch else {}))
        self.batch, self.stored_at = [], time.monotonic()

    def note(self, head: ExtractedDocument, folder: Path) -> None:
        """What is known of the whole. A copy that was opened with the password is kept, the password is not."""
        self.head = head
        if head.opened and not self.document.opened:
            shutil.move(folder / "opened", self.document.opened_path)
            self.document.renew(opened=True)

    def take_in(self, found: ExtractedFile) -> None:
        """A file inside this one becomes a document of its own, once, however often this is read."""
        parent, name = self.document, display_name(found.name)
        if self.depth >= DEPTH_MOST:
            self.refused.append(f"“{name}” is attached to what is attached, too deep to be taken in.")
            return
        try:
            with found.path.open("rb") as file:
                pieces = iter(partial(file.read, 1 << 18), b"")
                accept(pieces, name, parent.owner, parent.collection, parent=parent)
        except UploadRefused as exc:
            self.refused.append(f"“{name}”, which is attached, was not taken in: {exc}")

    def _title(self) -> str:
        """What stands above every passage in a prompt: a title that is hidden or speaks to a model is none.

        Nor is such a name, which would take its place.
        """
        title, document = self.head.title[:300], self.document
        if document.trusted_at:
            return title
        if findings(title):
            title = ""
        return title or (UNTITLED if findings(Path(document.name).stem) else "")

    def conclude(self) -> None:
        """What became of every page, added up; and what a person should know of it."""
        document = self.document
        rows = list(
            document.pages.filter(generation=self.work.generation).values("number", "warning", "receipt", "findings")
        )
        counts = Counter(dict.fromkeys(COUNTED, 0))
        for row in rows:
            counts.update({name: row["receipt"].get(name, 0) for name in COUNTED})
        speaking = sum(kind == "instruction" for row in rows for _, _, kind, _ in row["findings"])
        pages = document.pages.filter(generation=self.work.generation)
        sample = "\n".join(pages.exclude(text="").values_list("text", flat=True)[:20])[:LANGUAGE_SAMPLE]
        nothing = [] if sample.strip() else ["No text was found in this file, so nothing in it can be found."]
        sentences = [
            *self.head.warnings,
            *page_sentences((row["number"], row["warning"]) for row in rows if row["warning"]),
            *self.refused,
            *([_about_instructions(speaking)] if speaking and not document.trusted_at else []),
        ]
        document.renew(
            state=State.CHUNKING,
            done=0,
            total=len(rows),
            title=self._title(),
            page_count=len(rows),
            warnings=sentences or nothing,
            language=language_of(sample),
            receipt={
                **counts,
                "pages_with_text": sum(row["receipt"].get("letters", 0) > 0 for row in rows),
                "recognised": sum(bool(row["receipt"].get("recognised")) for row in rows),
                "unsure": sum(row["warning"] == "unsure" for row in rows),
                "attachments": [[display_name(name), size] for name, size in self.head.attachments],
                "left_out": self.head.left_out,
            },
        )


def _depth(document: Document) -> int:
    """How many files the document is attached to, each inside the next."""
    depth = 0
    while document.parent_id and depth < DEPTH_MOST:
        assert document.parent
        document, depth = document.parent, depth + 1
    return depth


def _about_instructions(count: int) -> str:
    if count == 1:
        return "1 passage speaks to a language model instead of a reader, and is kept out of answers."
    return f"{count} passages speak to a language model instead of a reader, and are kept out of answers."


def _page(document: Document, generation: int, number: int, item: ExtractedPage) -> Page:
    found = findings(item.text, item.hidden)
    return Page(
        document=document,
        generation=generation,
        number=number,
        label=item.label[:40],
        text=item.text,
        headings=[list(heading) for heading in item.headings],
        tables=[vars(table) for table in item.tables],
        runs=item.runs,
        boxes=item.boxes,
        findings=found,
        warning=item.warning,
        receipt={
            "letters": len("".join(item.text.split())),
            "words": len(item.text.split()),
            "tables": len(item.tables),
            "images": item.images,
            "language": language_of(item.text[:LANGUAGE_SAMPLE]),
            "recognised": item.recognised,
            "confidence": round(item.confidence, 1),
            "cleaned": item.cleaned,
            "unreadable": item.text.count("\ufffd"),
            "withheld": len(found),
            "seconds": item.seconds,
        },
    )
