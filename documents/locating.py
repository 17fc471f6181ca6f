"""Cited words where they stand now: in the version they were cited from, and in the one that took its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from documents.anchoring import Change, Kept, Place, Span, difference, find, find_by_check, is_same, kept_from
from documents.models import Document, Page, Person, page_url

NOWHERE = (0, 0)  # Keeps the place of a mark whose words could not be found.


@dataclass(frozen=True)
class Quote:
    """A passage as it was cited: where it stood on its page, its words, and the spans that were lit in it."""

    page: int
    start: int
    end: int
    text: str
    marks: Sequence[Span] = ()

    def kept(self, mark: Span, *, moved: int = 0) -> Kept:
        """The words of a mark with what stood around them, looked for first where the passage has moved to."""
        inside = mark[0] - self.start, mark[1] - self.start
        return kept_from(self.text, inside, page=self.page, start=self.start + moved)


@dataclass(frozen=True)
class Located:
    """Where a passage stands on a page as it is read now, and the spans to light, in the order they were cited."""

    page: Page
    passage: Span | None
    marks: list[Span]
    is_same: bool = True  # False: not all of the words that were cited stand there as they did.


def located(document: Document, quote: Quote) -> Located | None:
    """Find a cited passage in the version it was cited from, however that was read since; None without any page."""
    page = document.pages_live().filter(number=quote.page).first()
    if page is not None:
        page.document = document
        if page.shown_text(quote.start, quote.end) == quote.text:
            return Located(page, (quote.start, quote.end), list(quote.marks))
    texts = words_of(document)
    if not texts:
        return None
    passage = find(Kept(quote.text, page=quote.page, start=quote.start), texts)
    moved = passage.start - quote.start if passage else 0
    on_page = {passage.page: texts[passage.page]} if passage else texts
    found = [_found(quote.kept(mark, moved=moved), on_page) if any(mark) else None for mark in quote.marks]
    number = passage.page if passage else next((place.page for place in found if place), _nearest(quote.page, texts))
    marks = [(place.start, place.end) if place and place.page == number else NOWHERE for place in found]
    wanted = [place for mark, place in zip(quote.marks, found, strict=True) if any(mark)] or [passage]
    return Located(
        document.pages_live().get(number=number),
        (passage.start, passage.end) if passage else None,
        marks,
        all(place is not None and place.is_same for place in wanted),
    )


def _found(kept: Kept, texts: dict[int, str]) -> Place | None:
    return find(kept, texts) if kept.words.strip() else None


def _nearest(number: int, texts: dict[int, str]) -> int:
    return min(texts, key=lambda other: abs(other - number))


def checked(document: Document, page: int, span: Span, check: str) -> Place | None:
    """Where the words of a check stand in a document now; those at the named place first."""
    return find_by_check(check, words_of(document), page, span[0])


def words_of(document: Document) -> dict[int, str]:
    """The text of every page that is read, with what answers may not use blanked out."""
    pages = document.pages_live().only("number", "text", "findings", "document_id", "generation")
    found = {}
    for page in pages:
        page.document = document
        found[page.number] = page.shown_text(0, len(page.text))
    return found


# The newer version ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Became:
    """What became of some cited words: the difference, and where they stand now; no place: they are not there."""

    changes: list[Change]
    place: Place | None
    words: str = ""  # that stand there now

    @property
    def is_same(self) -> bool:
        return self.place is not None and self.place.is_same


@dataclass(frozen=True)
class Since:
    """A newer version of a document, and what became in it of words that were cited from the older one."""

    version: Document
    became: list[Became] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        return all(each.is_same for each in self.became)

    @property
    def changed(self) -> list[Became]:
        return [each for each in self.became if not each.is_same]

    @property
    def place(self) -> Place | None:
        """The page to look at: where something changed, else where the first words stand."""
        return next((each.place for each in [*self.changed, *self.became] if each.place), None)

    @property
    def url(self) -> str:
        if self.place is None:
            return page_url(self.version.pk, 1)
        on_page = [each.place for each in self.became if each.place and each.place.page == self.place.page]
        return page_url(self.version.pk, self.place.page, marks=[(each.start, each.end) for each in on_page])

    @property
    def panel_url(self) -> str:
        return f"{self.url}{'&' if '?' in self.url else '?'}part=1"


def newer_for(document: Document, user: Person) -> Document | None:
    """The version that took a document's place, if this person may read it."""
    newer = document.newer()
    return newer if newer and Document.objects.for_user(user).filter(pk=newer.pk).exists() else None


def since(page: Page, spans: Sequence[Span], newer: Document, texts: dict[int, str] | None = None) -> Since:
    """What became of words of a page in the version that took its document's place; `texts` are the newer one's."""
    text, texts = page.shown_text(0, len(page.text)), words_of(newer) if texts is None else texts
    return Since(newer, [_became(text, span, page.number, texts) for span in dict.fromkeys(spans) if any(span)])


def _became(text: str, span: Span, number: int, texts: dict[int, str]) -> Became:
    old = text[slice(*span)]
    place = find(kept_from(text, span, page=number, start=0), texts)
    new = texts[place.page][place.start : place.end] if place else ""
    return Became([] if is_same(old, new) else difference(old, new), place, new)
