"""One page of a document, with words lit on its picture or in its text."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.db import close_old_connections
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from documents import rendering
from documents.anchoring import Span, check_of
from documents.locating import NOWHERE, checked, newer_for, since
from documents.models import Collection, Document, Page, page_url
from documents.standing import why_withheld
from documents.textview import blocks
from documents.views.collections import listed
from project.accounts import SignedInRequest

SPAN = re.compile(r"(\d{1,9})-(\d{1,9})")
SPANS_MAX = 200


@dataclass(frozen=True)
class Mark:
    """Words to light on a page image. `index` says which of the sentences one came by they belong to."""

    index: int
    rects: list[rendering.Rect]


@dataclass(frozen=True)
class Finding:
    """Words of a page that answers may not use, to be outlined with the reason."""

    why: str
    rects: list[rendering.Rect]


@require_GET
def page(request: SignedInRequest, pk: UUID, number: int) -> HttpResponse:
    """A page with words lit: `?passage=0-900&mark=12-80&mark=95-130`, offsets into the page's text.

    With `check=` the passage is found again where the document was read anew and its words stand elsewhere.
    """
    row = Document.objects.for_user(request.user).select_related("collection").filter(pk=pk).first()
    if row is None:
        deleted = Document.objects.filter(pk=pk, collection__in=Collection.objects.for_user(request.user))
        return gone(request, is_known=deleted.exists())
    shown = row.pages_live().filter(number=number).first()
    passages = _spans(request.GET.getlist("passage"), shown)
    marks = _spans(request.GET.getlist("mark"), shown)
    passage, is_same = next(filter(any, passages), None), True
    if check := request.GET.get("check", ""):
        named = _span(request.GET.get("passage", ""))
        if shown is None or check_of(shown.shown_text(*named)) != check:
            place = checked(row, number, named, check)
            is_same = place is not None
            if place:
                shown = row.pages_live().get(number=place.page)
                marks = [(place.start, place.end)] if marks else []
                passage = place.start, place.end
    if shown is None:
        return gone(request)
    return draw(request, row, shown, marks, passage, is_same=is_same)


def draw(
    request: SignedInRequest,
    row: Document,
    shown: Page,
    marks: list[Span],
    passage: Span | None,
    *,
    is_same: bool = True,
) -> HttpResponse:
    """A page for whoever may read it, whole or as the piece that a panel shows.

    Of a version that was replaced it says what became of the lit words. `is_same` is false when the words that were
    cited could not all be found as they were.
    """
    newer = newer_for(row, request.user) if row.superseded_at else None
    spans = [mark for mark in marks if any(mark)] or ([passage] if passage else [])
    shown.document = row
    is_part = bool(request.GET.get("part"))
    context = _page_context(row, shown) | {
        "is_part": is_part,
        "own_url": _without_part(request),
        "is_same": is_same,
        "since": since(shown, spans, newer) if newer else None,
    }
    context |= _lit(row, shown, marks, passage)
    if is_part:
        return render(request, "documents/_page.html", context)
    return render(request, "documents/page.html", context | {"collections": listed(request)})


def _without_part(request: SignedInRequest) -> str:
    """The address of the whole page, which may be kept and passed on."""
    wanted = request.GET.copy()
    wanted.pop("part", None)
    return f"{request.path}?{wanted.urlencode()}" if wanted else request.path


def gone(request: SignedInRequest, *, is_known: bool = False) -> HttpResponse:
    """No word of it: it was deleted, or is not theirs to read. Who never knew of it learns nothing here."""
    if request.GET.get("part"):
        return render(request, "documents/_gone.html", status=404)
    if not is_known:
        raise Http404
    return render(request, "documents/gone.html", {"collections": listed(request)}, status=404)


@require_GET
def image(request: SignedInRequest, pk: UUID, number: int) -> HttpResponse:
    row = get_object_or_404(Document.objects.for_user(request.user), pk=pk, kind="pdf")
    get_object_or_404(row.pages_live(), number=number)
    kept = row.pictures / f"{number}.jpg"
    try:
        picture = kept.read_bytes()
    except FileNotFoundError:
        close_old_connections()  # Drawing may have to wait, and connections are few.
        try:
            picture = rendering.page_image(row.readable_path, number)
        except rendering.RenderingBusy as exc:
            response = HttpResponse(str(exc), status=503, content_type="text/plain")
            response["Retry-After"] = "5"
            return response
        except rendering.RenderingError as exc:
            raise Http404 from exc
        _keep(kept, picture)
    response = HttpResponse(picture, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=600"
    return response


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{timezone.now().timestamp()}")
    draft.write_bytes(content)
    draft.replace(path)


def _page_context(row: Document, shown: Page) -> dict[str, object]:
    def neighbour(number: int, part: bool) -> str | None:
        return page_url(row.pk, number, part=part) if 1 <= number <= row.page_count else None

    return {
        "document": row,
        "page": shown,
        "page_count": row.page_count,
        "previous_url": neighbour(shown.number - 1, False),
        "next_url": neighbour(shown.number + 1, False),
        "previous_panel": neighbour(shown.number - 1, True),
        "next_panel": neighbour(shown.number + 1, True),
        "page_url": page_url(row.pk, shown.number),
        "original_url": reverse("document-original", args=[row.pk]),
    }


def _lit(row: Document, shown: Page, marks: list[Span], passage: Span | None) -> dict[str, object]:
    """The page as a picture with rectangles, if it can be drawn, and as text."""
    withheld = (
        []
        if row.trusted_at
        else [(start, end, kind, why_withheld(kind, why)) for start, end, kind, why in shown.findings]
    )
    lit: dict[str, object] = {
        "image_url": None,
        "withheld": withheld,
        "blocks": blocks(
            shown.text, headings=shown.headings, tables=shown.tables, marks=marks, passage=passage, findings=withheld
        ),
    }
    if row.kind == "pdf":
        close_old_connections()
        with suppress(rendering.RenderingError):  # The words are there.
            lit |= _picture(row, shown, marks, passage, withheld[:SPANS_MAX])
    return lit


def _picture(
    row: Document,
    shown: Page,
    marks: list[Span],
    passage: Span | None,
    withheld: list[tuple[int, int, str, str]],
) -> dict[str, object]:
    spans = [*marks, *((start, end) for start, end, *_ in withheld), *([passage] if passage else [])]
    width, height = rendering.page_size(row.readable_path, shown.number)
    rects = rendering.rectangles(row.readable_path, shown.number, spans, runs=shown.runs, boxes=shown.boxes)
    outlined = rects[len(marks) : len(marks) + len(withheld)]
    return {
        "image_url": reverse("page-image", args=[row.pk, shown.number]),
        "width": width,
        "height": height,
        "marks": [Mark(index, found) for index, found in enumerate(rects[: len(marks)])],
        "outlined": [Finding(why, found) for (*_, why), found in zip(withheld, outlined, strict=True) if found],
        "margin": _margin(rects[-1]) if passage else "",
    }


def _margin(rects: list[rendering.Rect]) -> str:
    """The line in the margin beside these words, as a path: left of all of them; "" without any.

    >>> _margin([rendering.Rect(50, 10, 20, 5), rendering.Rect(30, 18, 60, 5)])
    'M21 10V23'
    """
    if not rects:
        return ""
    left, top = min(rect.left for rect in rects) - 9, min(rect.top for rect in rects)
    return f"M{left:g} {top:g}V{max(rect.top + rect.height for rect in rects):g}"


def _spans(values: list[str], shown: Page | None) -> list[Span]:
    """The spans an address names, each in its place; what is no span of this page is an empty one."""
    letters = len(shown.text) if shown else 0
    found = [_span(value) for value in values[:SPANS_MAX]]
    return [span if span[1] <= letters else NOWHERE for span in found]


def _span(value: str) -> Span:
    match = SPAN.fullmatch(value)
    start, end = (int(match[1]), int(match[2])) if match else NOWHERE
    return (start, end) if start < end else NOWHERE
