"""What lies under `/v1` and needs no model that answers."""

from __future__ import annotations

from ninja import Router

from documents.openai_api import embeddings, files, models, searching, store_files, uploads, vector_stores

router = Router()
for part in (models, embeddings, files, uploads, vector_stores, store_files, searching):
    router.add_router("", part.router)
