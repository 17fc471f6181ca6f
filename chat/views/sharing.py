"""Links to read along: made, listed and taken back by the owner, opened by others."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.conversations.branches import branch
from chat.conversations.turns import conversation_list, shared_turns
from chat.forms import ShareForm
from chat.models import RUNNING, Conversation, Message, Share
from project.accounts import SignedInRequest
from project.limits import limited

JUST_MADE = "link_just_made"  # in the session, until it was shown


@require_http_methods(["GET", "POST"])
@limited("share")
def shares(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """The links to a conversation; a POST makes one, whose address the page after it tells, this once."""
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    form = ShareForm(request.POST or None)
    answers = _answers(row)
    if answers and form.is_bound and form.is_valid():
        _, token = Share.make(row, answers, form.cleaned_data["days"])
        request.session[JUST_MADE] = request.build_absolute_uri(reverse("shared", args=[token]))
        return redirect("conversation-shares", row.pk)
    context = {
        "conversation": row,
        "conversations": conversation_list(request.user),
        "form": form,
        "address": request.session.pop(JUST_MADE, ""),
        "turns": len(answers),
        "shares": row.shares.all(),
        "with_strangers": settings.SHARE_WITH_STRANGERS,
    }
    return render(request, "chat/shares.html", context)


def _answers(row: Conversation) -> list[Message]:
    """What a link shows: the newest branch, as far as it is answered."""
    return [step.answer for step in branch(row.messages.all()) if step.answer.state not in RUNNING]


@require_POST
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """The link opens no more."""
    share = get_object_or_404(Share.objects.for_user(request.user), pk=pk)
    Share.objects.filter(pk=share.pk, revoked_at=None).update(revoked_at=timezone.now())
    return redirect("conversation-shares", share.conversation_id)


@login_not_required
@require_GET
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """A conversation as it was shared. Each time it is asked again what this reader may see of its sources."""
    if not request.user.is_authenticated and not settings.SHARE_WITH_STRANGERS:
        return redirect_to_login(request.get_full_path())
    share = get_object_or_404(Share.objects.by_token(token).select_related("conversation", "created_by"))
    answers = share.answers.order_by("created_at").select_related("reply_to", "conversation")
    if request.user.pk != share.created_by_id:
        Share.objects.filter(pk=share.pk).update(opened=F("opened") + 1)
    response = render(request, "chat/shared.html", {"share": share, "turns": shared_turns(answers, request.user)})
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
