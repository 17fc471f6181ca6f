"""What is done to a whole conversation: name it, pin it, delete it, bring it back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from chat.forms import TitleForm
from chat.models import Conversation
from project.accounts import SignedInRequest


@require_POST
def rename(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    form = TitleForm(request.POST)
    if form.is_valid():
        Conversation.objects.filter(pk=row.pk).update(title=form.cleaned_data["title"])
    else:
        messages.error(request, gettext("A conversation needs a name of at most 120 letters."))
    return redirect(row)


@require_POST
def pin(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """Keep it at the top of the list, or, with `pinned` empty, no longer."""
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    wanted = timezone.now() if request.POST.get("pinned") else None
    Conversation.objects.filter(pk=row.pk).update(pinned_at=wanted)
    return redirect(row)


@require_POST
def delete(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """It is gone at once, and can be brought back for an hour."""
    row = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    row.discard()
    return redirect(f"{reverse('conversations')}?deleted={row.pk}")


@require_POST
def bring_back(request: SignedInRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Conversation.objects.filter(owner=request.user).discarded(), pk=pk)
    row.bring_back()
    return redirect(row)
