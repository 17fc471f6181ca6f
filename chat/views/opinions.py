"""What a reader thinks of an answer and of its sources."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from chat.conversations.turns import turn_of
from chat.forms import FeedbackForm
from chat.models import Feedback
from chat.views.pieces import is_script, readable_answer
from project.accounts import SignedInRequest
from project.limits import limited

VOTES = {"up": True, "down": False, "none": None}


@require_POST
@limited("feedback")
def feedback(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """A thumb on an answer, with reasons, or on one of its sources; sent twice it counts once."""
    message = readable_answer(request.user, pk)
    form = FeedbackForm(request.POST)
    if not form.is_valid():
        sentence = gettext("This could not be kept: choose a thumb, and write at most 2,000 letters.")
        if is_script(request):
            return JsonResponse({"error": {"code": "invalid", "reason": sentence, "advice": ""}}, status=400)
        messages.error(request, sentence)
        return redirect(message)
    given = form.cleaned_data
    number = given["source"]
    citation = get_object_or_404(message.citations.filter(is_cited=True), number=number) if number else None
    Feedback.give(request.user, message, citation, VOTES[given["vote"]], given["reasons"], given["comment"])
    if not is_script(request):
        return redirect(message)
    turn = turn_of(message, request.user)
    if citation is None:
        return render(request, "chat/_after.html", {"turn": turn})
    shown = next(each for each in turn.citations if each.pk == citation.pk)
    return render(request, "chat/_cited_one.html", {"turn": turn, "citation": shown})
