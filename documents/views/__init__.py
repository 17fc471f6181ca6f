"""The library's pages."""

from documents.views.collections import collection, members, new_collection
from documents.views.listing import (
    cancel_document,
    coming,
    delete_document,
    document,
    library,
    library_state,
    original,
    retry_document,
    upload,
)
from documents.views.pages import image, page

__all__ = [
    "cancel_document",
    "collection",
    "coming",
    "delete_document",
    "document",
    "image",
    "library",
    "library_state",
    "members",
    "new_collection",
    "original",
    "page",
    "retry_document",
    "upload",
]
