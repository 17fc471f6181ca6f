"""What could be asked next, made when the page asks for it after the answer."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chat.conversations.suggesting import suggest
from chat.models import State
from chat.views.pieces import readable_answer
from project.accounts import SignedInRequest
from project.limits import limited


@require_GET
@limited("ask")
async def suggestions(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """At most three questions that the documents answer; made once for an answer, and kept with it."""
    user = await request.auser()
    message = await sync_to_async(readable_answer)(user, pk)
    if settings.SUGGESTIONS and message.state == State.DONE and message.suggestions is None:
        await suggest(message)
    context = {"suggestions": message.suggestions or [], "conversation": message.conversation}
    return await sync_to_async(render)(request, "chat/_next.html", context)
