"""The conversation's pages, and the stream an answer comes in."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import close_old_connections, transaction
from django.db.models import Count, Sum
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from chat import conversing
from chat.conversing import Draft, begin, converse
from chat.estimating import estimated
from chat.events import Cite, Question, Status, Text
from chat.forms import QuestionForm, TitleForm
from chat.markdown import Chip
from chat.markdown import render as render_markdown
from chat.models import Citation, Conversation, Message, State
from chat.moderation import QuestionBlocked, check_question
from chat.turns import conversation_list, peek_id, turn_of, turns_of
from documents.models import FINDABLE, Collection, Document, page_url
from documents.samples import sample_questions
from documents.textview import blocks
from project.accounts import SignedInRequest
from project.deployments import DeploymentsError, deployments
from project.limits import TooMany, limited

SHOW_S = 0.08  # An answer is shown anew at most this often.
BREATH_S = 15  # A comment this often tells both ends that the other is there.
FOLLOW_S = 0.4


# Pages -------------------------------------------------------------------------------------------------------------
@require_GET
def conversations(request: SignedInRequest) -> HttpResponse:
    return render(request, "chat/conversation.html", _page(request, None))


@require_GET
def conversation(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    return render(request, "chat/conversation.html", _page(request, row))


def _page(request: SignedInRequest, row: Conversation | None) -> dict[str, object]:
    ready = Document.objects.for_user(request.user).current().filter(state__in=FINDABLE)
    totals = ready.aggregate(documents=Count("pk"), pages=Sum("page_count"))
    collections = list(Collection.objects.for_user(request.user))
    chosen = set(row.collections.values_list("pk", flat=True)) if row else set()
    for item in collections:
        item.chosen = item.pk in chosen
    return {
        "conversation": row,
        "conversations": conversation_list(request.user),
        "turns": turns_of(row, request.user) if row else [],
        "collections": collections,
        "deployments": _deployment_names(),
        "samples": [] if row else sample_questions(request.user),
        "document_count": totals["documents"],
        "page_count": totals["pages"] or 0,
        "reading": Document.objects.for_user(request.user).under_way().filter(generation=0).count(),
        "client_key": uuid.uuid4().hex,
        "question_max": settings.QUESTION_MAX_LETTERS,
    }


def _deployment_names() -> list[str]:
    """The models one may choose between; none while the operator's file cannot be used, which asking then says."""
    try:
        return list(deployments())
    except DeploymentsError:
        return []


@require_POST
def rename(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    form = TitleForm(request.POST)
    if form.is_valid():
        Conversation.objects.filter(pk=row.pk).update(title=form.cleaned_data["title"])
    else:
        messages.error(request, "A conversation needs a name of at most 120 letters.")
    return redirect(row)


@require_POST
def delete(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    row.delete()
    messages.success(request, f"“{row.title}” is deleted.")
    return redirect("conversations")


# Asking ------------------------------------------------------------------------------------------------------------
@require_POST
@limited("ask")
async def ask(request: SignedInRequest, pk: UUID | None = None) -> HttpResponse:
    """Put a question to a new conversation, or to the one named."""
    user = await request.auser()
    try:
        given = await sync_to_async(_given)(request, user, pk)
        await check_question(Question(given["text"], user, deployment=given["deployment"]))
        message = await sync_to_async(_put)(user, pk, given)
    except (ValidationError, QuestionBlocked) as exc:
        sentence = exc.messages[0] if isinstance(exc, ValidationError) else str(exc)
        if _is_script(request):
            return JsonResponse({"error": {"code": "invalid", "reason": sentence, "advice": ""}}, status=400)
        await sync_to_async(messages.error)(request, sentence)
        return redirect("conversation", pk) if pk else redirect("conversations")
    return await _answer(request, user, message)


@require_POST
@limited("estimate")
def estimate(request: SignedInRequest, pk: UUID | None = None) -> HttpResponse:
    """The meter of the composer, for what is typed so far; nothing where no model is asked."""
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk) if pk else None
    form = QuestionForm(request.POST, user=request.user)
    if not form.is_valid():
        return HttpResponse(status=204)
    given = form.cleaned_data
    found = estimated(request.user, row, given["text"], given["collections"], given["deployment"])
    return render(request, "chat/_meter.html", {"meter": found}) if found else HttpResponse(status=204)


@require_POST
@limited("ask")
async def again(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Another answer to the same question, by our own search if that is asked for; one that is being written stays."""
    user = await request.auser()
    message = await sync_to_async(_readable)(user, pk)
    if not message.is_running:
        grounding = "hybrid" if request.POST.get("grounding") == "hybrid" else message.grounding
        message = await sync_to_async(conversing.ask_again)(message.question, grounding)
    return await _answer(request, user, message)


async def _answer(request: SignedInRequest, user: User, message: Message) -> HttpResponse:
    """A script gets the turn and opens its stream; without one the page comes when the answer is written."""
    message = await sync_to_async(_readable)(user, message.pk)
    if _is_script(request):
        return JsonResponse(await sync_to_async(_turn_body)(request, message))
    if await sync_to_async(_take_on)(user, message):
        async for _ in converse(message, Draft()):
            pass
    return redirect("conversation", message.conversation_id)


def _is_script(request: SignedInRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"


def _given(request: SignedInRequest, user: User, pk: UUID | None) -> dict[str, Any]:
    """What the form holds; raises ValidationError with a sentence for a person."""
    if pk:
        get_object_or_404(Conversation.objects.for_user(user), pk=pk)
    form = QuestionForm(request.POST, user=user)
    if not form.is_valid():
        raise ValidationError(next(str(error) for errors in form.errors.values() for error in errors))
    return form.cleaned_data


def _put(user: User, pk: UUID | None, given: dict[str, Any]) -> Message:
    """The answer that is to be written."""
    row = get_object_or_404(Conversation.objects.for_user(user), pk=pk) if pk else None
    text, key, chosen = given["text"], given["client_key"], list(given["collections"])
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # A second click waits, and then finds the first.
        asked = Message.objects.for_user(user).filter(client_key=key).select_related("conversation").first()
        if asked is None:
            _check_streams(user)  # Said here, the question stays in its box.
        if row is None:
            row = asked.conversation if asked else begin(user, text, chosen)
        else:
            row.collections.set(chosen)
        if asked is None:
            Conversation.objects.filter(pk=row.pk).update(deployment=given["deployment"])
        return conversing.ask(row, text, key)


def _take_on(user: User, message: Message) -> bool:
    """Claim an answer; False when it is written already. Raises TooMany for more than one may have at a time."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if message.state == State.QUEUED:
            _check_streams(user)
        return message.claim()


def _check_streams(user: User) -> None:
    """Raises TooMany when this person has as many answers under way as one may have."""
    Message.end_interrupted()  # One whose writer died must not count.
    if Message.objects.for_user(user).filter(state=State.STREAMING).count() >= settings.STREAMS_AT_ONCE:
        raise TooMany(10)


def _turn_body(request: SignedInRequest, message: Message) -> dict[str, str]:
    row = message.conversation
    return {
        "conversation_url": row.get_absolute_url(),
        "ask_url": row.ask_url,
        "title": row.title,
        "turn_html": _turn_html(request, message),
        "list_html": _list_html(request, row),
        "acts_html": render_to_string("chat/_acts.html", {"conversation": row}, request),
    }


@require_POST
def stop(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Whoever writes the answer sees this within a second; an answer nobody writes yet ends at once."""
    message = get_object_or_404(Message.objects.for_user(request.user), pk=pk)
    Message.objects.filter(pk=message.pk).update(stop_requested=True)
    if message.state == State.QUEUED:
        message.end(State.STOPPED, error="Stopped before it was answered.")
    if _is_script(request):
        return JsonResponse({"state": message.state})
    return redirect("conversation", message.conversation_id)


# What a service found -----------------------------------------------------------------------------------------------
@require_GET
def source(request: SignedInRequest, pk: UUID, number: int) -> HttpResponse:
    """The text of a source that is no document of ours; nothing of where it stands is loaded."""
    rows = Citation.objects.filter(message__in=Message.objects.for_user(request.user), is_external=True)
    citation = get_object_or_404(rows.select_related("message__conversation"), message=pk, number=number)
    shown = blocks(citation.text, marks=citation.spans, passage=(0, len(citation.text)))
    context = {"citation": citation, "blocks": shown, "conversation": citation.message.conversation}
    if request.GET.get("part"):
        return render(request, "chat/_outside.html", context)
    return render(request, "chat/outside.html", context | {"conversations": conversation_list(request.user)})


# The stream --------------------------------------------------------------------------------------------------------
@require_GET
async def stream(request: SignedInRequest, pk: UUID) -> HttpResponseBase:
    """An answer as it is written. Whoever connects first has it written; anybody later follows what is kept."""
    user = await request.auser()
    message = await sync_to_async(_readable)(user, pk)
    is_ours = await sync_to_async(_take_on)(user, message)
    events = _write(request, message) if is_ours else _follow(request, message)
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "private, no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response


def _readable(user: User, pk: UUID) -> Message:
    rows = Message.objects.for_user(user).select_related("conversation__owner", "reply_to")
    return get_object_or_404(rows, pk=pk, role=Message.Role.ASSISTANT)


async def _write(request: SignedInRequest, message: Message) -> AsyncGenerator[str]:
    yield "retry: 2000\n\n"
    draft, shown, breathed = Draft(), 0.0, time.monotonic()
    is_fresh = False
    writing = converse(message, draft)
    try:
        async for event in writing:
            now = time.monotonic()
            if isinstance(event, Status):
                yield _event("status", {"stage": event.stage, "text": event.text})
            is_fresh = is_fresh or isinstance(event, Text | Cite)
            if is_fresh and now - shown >= SHOW_S:
                yield _event(
                    "answer", {"html": await sync_to_async(_draft_html, thread_sensitive=False)(message, draft)}
                )
                shown, is_fresh = now, False
            if now - breathed >= BREATH_S:
                yield ": still here\n\n"
                breathed = now
    finally:
        await writing.aclose()
    yield await sync_to_async(_end_event)(request, message)


async def _follow(request: SignedInRequest, message: Message) -> AsyncGenerator[str]:
    """What is kept of an answer that another connection has written, or is writing."""
    yield "retry: 2000\n\n"
    content, breathed = "", time.monotonic()
    while True:
        if not await sync_to_async(_still_running)(message):
            break
        if message.content != content:
            content = message.content
            yield _event("answer", {"html": render_markdown(content, {})})
        if time.monotonic() - breathed >= BREATH_S:
            yield ": still here\n\n"
            breathed = time.monotonic()
        await asyncio.sleep(FOLLOW_S)
    yield await sync_to_async(_end_event)(request, message)


def _still_running(message: Message) -> bool:
    """Read what is kept by now; an answer whose writer died gets its end here."""
    Message.end_interrupted()
    message.refresh_from_db(fields=["state", "content"])
    close_old_connections()  # A stream would keep its connection to its end.
    return message.is_running


def _draft_html(message: Message, draft: Draft) -> str:
    """The answer so far; its numbers lead to their passages, the exact words are found at the end."""
    chips = {}
    for number, passage in draft.cited().items():
        if passage.document_id is None:
            chips[number] = Chip("", "", "", passage.document_title)  # It can be opened when the answer is kept.
            continue
        place = (passage.document_id, passage.page_number, (passage.start, passage.end))
        label = f"{passage.document_title}, page {passage.page_label or passage.page_number}"
        chips[number] = Chip(page_url(*place), page_url(*place, part=True), peek_id(message, number), label)
    return render_markdown(draft.content, chips)


def _end_event(request: SignedInRequest, message: Message) -> str:
    message.refresh_from_db()
    name = "done" if message.state in {State.DONE, State.REFUSED} else "error"
    body = {"html": _turn_html(request, message), "list_html": _list_html(request, message.conversation)}
    return _event(name, body)


def _event(name: str, body: dict[str, str]) -> str:
    return f"event: {name}\ndata: {json.dumps(body)}\n\n"


def _turn_html(request: SignedInRequest, message: Message) -> str:
    context = {"turn": turn_of(message, message.conversation.owner), "conversation": message.conversation}
    return render_to_string("chat/_turn.html", context, request)


def _list_html(request: SignedInRequest, row: Conversation) -> str:
    context = {"conversations": conversation_list(row.owner), "conversation": row}
    return render_to_string("chat/_list.html", context, request)
