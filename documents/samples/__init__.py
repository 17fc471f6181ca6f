"""The documents a first run comes with, and what one may ask about them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from documents.indexes import default_index
from documents.intake import accept
from documents.models import FINDABLE, Collection, Document, Person

FOLDER = Path(__file__).parent
COLLECTION = "Sample documents"
QUESTIONS_SHOWN = 3


@cache
def samples() -> list[dict]:
    """[{"file", "title", "questions": [{"question", ...}]}] as samples.json has them."""
    return json.loads((FOLDER / "samples.json").read_text())


def sample_questions(user: Person) -> list[dict[str, str]]:
    """One question for each sample document this person can ask about now."""
    ready = Document.objects.for_user(user).current().filter(collection__name=COLLECTION, state__in=FINDABLE)
    names = set(ready.values_list("name", flat=True))
    return [
        {"question": sample["questions"][0]["question"], "document": sample["title"]}
        for sample in samples()
        if sample["file"] in names
    ][:QUESTIONS_SHOWN]


def load_samples(user) -> list[Document]:
    """Put the samples into a collection of their own, once: who takes them out does not get them back."""
    collection, is_new = Collection.objects.get_or_create(
        owner=user, name=COLLECTION, defaults={"index": default_index()}
    )
    if not is_new:
        return []
    added = []
    for sample in samples():
        with (FOLDER / sample["file"]).open("rb") as file:
            document, _ = accept(iter(lambda: file.read(1 << 16), b""), sample["file"], user, collection)
        added.append(document)
    return added
