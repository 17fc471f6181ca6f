"""Asking for programs: what lies under `/v1` and is answered from the caller's own documents."""

from __future__ import annotations

from ninja import Router

from chat.openai_api import chat_completions, conversations, responses

router = Router()
for part in (chat_completions, responses, conversations):
    router.add_router("", part.router)
