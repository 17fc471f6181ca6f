"""Putting a question, asking it again, stopping its answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from chat.conversations import conversing
from chat.conversations.conversing import STOPPED, begin
from chat.conversations.scoping import Chosen
from chat.conversations.turns import turn_of
from chat.conversations.writing import begin_writing
from chat.estimating import estimated
from chat.events import Question, ReadBy
from chat.forms import QueryForm, QuestionForm
from chat.models import Conversation, Message, State
from chat.moderation import QuestionBlocked, check_question
from chat.views.pieces import is_script, readable_answer, turn_body
from chat.views.taking import check_streams, take_on
from project.accounts import SignedInRequest
from project.limits import limited
from project.translating import translated


@require_POST
@limited("ask")
async def ask(request: SignedInRequest, pk: UUID | None = None) -> HttpResponse:
    """Put a question to a new conversation, or to the one named."""
    return await _take(request, await request.auser(), pk, _put)


@require_POST
@limited("ask")
async def edit(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """The same question in other words: a new version of it. The old one stays, and so does what followed it."""
    user = await request.auser()
    old = await aget_object_or_404(Message.objects.for_user(user), pk=pk, role=Message.Role.USER)
    return await _take(request, user, old.conversation_id, partial(_put_anew, old))


async def _take(request: SignedInRequest, user: User, pk: UUID | None, put: Callable[..., Message]) -> HttpResponse:
    """Read the form, look at the question, put it; or say in a sentence why not."""
    try:
        given = await sync_to_async(_given)(request, user, pk)
        await check_question(Question(given["text"], user, deployment=given["deployment"]))
        message = await sync_to_async(put)(user, pk, given)
    except (ValidationError, QuestionBlocked) as exc:
        return await _refused(request, exc.messages[0] if isinstance(exc, ValidationError) else translated(exc), pk)
    return await _answer(request, user, message)


async def _refused(request: SignedInRequest, sentence: str, pk: UUID | None) -> HttpResponse:
    """What cannot be asked so, said on the page one came from."""
    if is_script(request):
        return JsonResponse({"error": {"code": "invalid", "reason": sentence, "advice": ""}}, status=400)
    await sync_to_async(messages.error)(request, sentence)
    return redirect("conversation", pk) if pk else redirect("conversations")


@require_POST
@limited("estimate")
def estimate(request: SignedInRequest, pk: UUID | None = None) -> HttpResponse:
    """The meter of the composer, for what is typed so far; nothing where no model is asked."""
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk) if pk else None
    form = QuestionForm(request.POST, user=request.user)
    if not form.is_valid():
        return HttpResponse(status=204)
    given = form.cleaned_data
    found = estimated(
        request.user, row, given["text"], given["collections"], given["documents"], given["deployment"], given["after"]
    )
    return render(request, "chat/_meter.html", {"meter": found}) if found else HttpResponse(status=204)


@require_POST
@limited("ask")
async def again(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Another answer to the same question, by our own search or for other words if that is asked for; one that is
    being written stays."""
    user = await request.auser()
    message = await sync_to_async(readable_answer)(user, pk)
    if not message.is_running:
        grounding = "hybrid" if request.POST.get("grounding") == "hybrid" else message.grounding
        query = message.queries[0] if message.read_by == ReadBy.PERSON and message.queries else ""
        if "query" in request.POST:
            form = QueryForm(request.POST)
            if not form.is_valid():
                return await _refused(request, str(form.errors["query"][0]), message.conversation_id)
            query = form.cleaned_data["query"]
        message = await sync_to_async(conversing.ask_again)(message.question, grounding, query)
    return await _answer(request, user, message)


@require_POST
@limited("ask")
async def go_on(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Have an answer that broke off written to its end; one that is being written, or has its end, stays."""
    user = await request.auser()
    message = await sync_to_async(readable_answer)(user, pk)
    await sync_to_async(_go_on)(user, message)
    return await _answer(request, user, message)


def _go_on(user: User, message: Message) -> None:
    if turn_of(message, user).can_go_on:
        check_streams(user)  # Said here, what broke off stays as it is.
        message.go_on()


async def _answer(request: SignedInRequest, user: User, message: Message) -> HttpResponse:
    """A script gets the turn and opens its stream; without one the page comes when the answer is written."""
    message = await sync_to_async(readable_answer)(user, message.pk)
    if is_script(request):
        return JsonResponse(await sync_to_async(turn_body)(request, message))
    if await sync_to_async(take_on)(user, message):
        await begin_writing(message).written()
    return redirect("conversation", message.conversation_id)


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
    text, key = given["text"], given["client_key"]
    collections, documents = list(given["collections"]), list(given["documents"])
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # A second click waits, and then finds the first.
        asked = Message.objects.for_user(user).filter(client_key=key).select_related("conversation").first()
        if asked is None:
            check_streams(user)  # Said here, the question stays in its box.
        if row is None:
            row = asked.conversation if asked else begin(user, text, collections, documents)
        elif asked is None and given["scope"] != "kept":
            Chosen(collections, documents).keep(row)
        if asked is None:
            Conversation.objects.filter(pk=row.pk).update(deployment=given["deployment"])
        answers = row.messages.filter(role=Message.Role.ASSISTANT)
        after = get_object_or_404(answers, pk=given["after"]) if given["after"] else None
        return conversing.ask(row, text, key, after=after)


def _put_anew(old: Message, user: User, pk: UUID, given: dict[str, Any]) -> Message:
    """The answer to a new version of a question, within the scope the conversation has."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if not Message.objects.for_user(user).filter(client_key=given["client_key"]).exists():
            check_streams(user)
        return conversing.ask(old.conversation, given["text"], given["client_key"], replaces=old)


@require_POST
def stop(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Whoever writes the answer sees this within a second; an answer that nobody writes ends at once."""
    message = get_object_or_404(Message.objects.for_user(request.user), pk=pk)
    Message.objects.filter(pk=message.pk).update(stop_requested=True)
    if message.state == State.QUEUED or message.is_silent:
        message.end(State.STOPPED, error="Stopped before it was answered." if not message.content else STOPPED)
    if is_script(request):
        return JsonResponse({"state": message.state})
    return redirect("conversation", message.conversation_id)
