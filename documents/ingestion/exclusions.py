"""Where passages stand that an administrator took out of the search: found by their words, wherever they are by now."""

from __future__ import annotations

from collections.abc import Iterable

from documents.anchoring import find
from documents.models import Document

Span = tuple[int, int]


def excluded_spans(document: Document, generation: int) -> dict[int, list[Span]]:
    """Spans by page number. One query where nothing is kept out, as of nearly every document."""
    rows = list(document.exclusions.all())
    if not rows:
        return {}
    pages = dict(document.pages.filter(generation=generation).values_list("number", "text"))
    spans: dict[int, list[Span]] = {}
    for row in rows:
        if place := find(row.kept, pages):
            spans.setdefault(place.page, []).append((place.start, place.end))
    return spans


def is_excluded(span: Span, spans: Iterable[Span]) -> bool:
    """Whether half of the passage, or of what is kept out, lies in the other: cut anew, both may differ.

    >>> is_excluded((0, 100), [(0, 100)]), is_excluded((90, 200), [(0, 100)]), is_excluded((0, 400), [(0, 100)])
    (True, False, True)
    """
    start, end = span
    common = ((first, after, min(end, after) - max(start, first)) for first, after in spans)
    return any(shared > 0 and 2 * shared >= min(end - start, after - first) for first, after, shared in common)
