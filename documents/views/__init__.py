"""The library's pages."""

from documents.views.collections import collection, members, new_collection
from documents.views.documents import (
    cancel_document,
    delete_document,
    distrust_document,
    document,
    document_receipt,
    give_password,
    original,
    passages,
    retry_document,
    trust_document,
)
from documents.views.listing import bulk, coming, library, library_state
from documents.views.pages import draw, gone, image, page
from documents.views.uploads import upload

__all__ = [
    "bulk",
    "cancel_document",
    "collection",
    "coming",
    "delete_document",
    "distrust_document",
    "document",
    "document_receipt",
    "draw",
    "give_password",
    "gone",
    "image",
    "library",
    "library_state",
    "members",
    "new_collection",
    "original",
    "page",
    "passages",
    "retry_document",
    "trust_document",
    "upload",
]
