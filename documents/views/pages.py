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
from documents.models import Document, Page, page_url
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
    """A page with words lit: `?passage=0-900&mark=12-80&mark=95-130`, offsets into the page's text."""
    is_part = bool(request.GET.get("part"))
    row = Document.objects.for_user(request.user).select_related("collection").filter(pk=pk).first()
    shown = row.pages_live().filter(number=number).first() if row else None
    if row is None or shown is None:
        if is_part:
            return render(request, "documents/_gone.html", status=404)
        raise Http404
    passage = next((span for span in _spans(request.GET.getlist("passage"), shown) if any(span)), None)
    marks = _spans(request.GET.getlist("mark"), shown)
    context = _page_context(row, shown) | _lit(row, shown, marks, passage)
    if not is_part:
        context["collections"] = listed(request)
    return render(request, "documents/_page.html" if is_part else "documents/page.html", context)


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


def _lit(
    row: Document, shown: Page, marks: list[tuple[int, int]], passage: tuple[int, int] | None
) -> dict[str, object]:
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
    marks: list[tuple[int, int]],
    passage: tuple[int, int] | None,
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
        "passage": rects[-1] if passage else [],
    }


def _spans(values: list[str], shown: Page) -> list[tuple[int, int]]:
    """The spans an address names, each in its place; what is no span of this page is an empty one."""
    found = []
    for value in values[:SPANS_MAX]:
        match = SPAN.fullmatch(value)
        start, end = (int(match[1]), int(match[2])) if match else (0, 0)
        found.append((start, end) if start < end <= len(shown.text) else (0, 0))
    return found
