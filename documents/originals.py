"""The file as it was uploaded: always a download, never a page of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from documents.models import Document


async def original(document: Document) -> StreamingHttpResponse | None:
    """None when the file is gone."""
    if not document.path.exists():
        return None
    response = StreamingHttpResponse(_pieces(document.path), content_type="application/octet-stream")
    response["Content-Length"] = str(document.size)
    response["Content-Disposition"] = str(content_disposition_header(True, document.name))
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """A sync file under ASGI would be read whole into memory first."""
    with path.open("rb") as file:
        while piece := await sync_to_async(file.read, thread_sensitive=False)(1 << 18):
            yield piece
