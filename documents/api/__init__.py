"""The library for programs. Shapes are a promise: other programs rely on them."""

from ninja import Router

from documents.api import (
    collections,
    documents,
    evaluation,
    events,
    indexes,
    jobs,
    passages,
    people,
    question_sets,
    searching,
)

router = Router()
for part in (documents, searching, collections, events, evaluation, question_sets, indexes, jobs, passages, people):
    router.add_router("", part.router)

__all__ = ["router"]
