"""A passage: what search hands on, to be shown, cited and opened."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from documents.models import page_url
from documents.search import Leg


@dataclass(frozen=True)
class Place:
    """Where else the same words stand."""

    document_id: UUID
    document_title: str
    page_number: int
    page_label: str
    start: int  # offsets into the page's text
    end: int


@dataclass(frozen=True)
class Passage:
    """A chunk, or neighbours that were joined, with what is needed to show, cite and open it.

    It may also stand for what a model's service found in an index that is not ours: no document, page or chunk then,
    and every word of it, the address above all, is hostile.
    """

    chunk_id: int  # of the best, where several were joined
    document_id: UUID | None
    document_title: str
    document_name: str
    version: int
    page_number: int
    page_label: str
    start: int  # offsets into the page's text
    end: int
    section: str
    text: str
    score: float  # 0..1
    keyword: Leg | None
    vector: Leg | None
    header: str = ""  # the row that names the columns, where the text is a later part of a table
    duplicates: tuple[Place, ...] = ()  # that were found for the same question
    marks: tuple[tuple[int, int], ...] = ()  # where a result was computed from it: those cells, offsets into the page
    computed: str = ""  # that result, in words
    url: str = ""  # where it stands, of what is not ours
    outer_chunk: str = ""  # what its chunk is called there

    @classmethod
    def outside(cls, *, title: str, name: str, text: str, score: float, url: str, chunk: str) -> Passage:
        """One that is no document's of ours; its page is 0."""
        return cls(
            chunk_id=0,
            document_id=None,
            document_title=title or name.rpartition("/")[2] or "A passage without a title",
            document_name=name,
            version=0,
            page_number=0,
            page_label="",
            start=0,
            end=len(text),
            section="",
            text=text,
            score=score,
            keyword=None,
            vector=None,
            url=url,
            outer_chunk=chunk,
        )

    @property
    def is_external(self) -> bool:
        return self.document_id is None

    @property
    def place(self) -> Place:
        assert self.document_id is not None  # Asked only of what our own search found.
        return Place(self.document_id, self.document_title, self.page_number, self.page_label, self.start, self.end)

    @property
    def address(self) -> str:
        """Opens its page with the words lit up, also after the document was read anew, for whoever may read it."""
        span = self.start, self.end
        place = page_url(self.place.document_id, self.page_number, span, [span], words=self.text)
        return f"{settings.BASE_URL}{place}"
