"""The library for programs. Shapes are a promise: other programs rely on them."""

from ninja import Router

from documents.api import collections, documents, evaluation, events, indexes, searching

router = Router()
for part in (documents, searching, collections, events, evaluation, indexes):
    router.add_router("", part.router)

__all__ = ["router"]
