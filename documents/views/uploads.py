"""A file comes in through the page."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from documents.forms import UploadForm
from documents.intake import UploadRefused, accept
from project.accounts import SignedInRequest
from project.limits import limited
from project.translating import translated


@require_POST
@limited("upload")
def upload(request: SignedInRequest) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        refusal = UploadRefused(400, "no_file", "No file came with this form.", "Choose a file first.")
        return _refuse(request, refusal)
    target = form.target(request)
    if target is None:
        raise Http404
    file = form.cleaned_data["file"]
    try:
        row, is_new = accept(file.chunks(), file.name, request.user, target)
    except UploadRefused as refusal:
        return _refuse(request, refusal)
    if "application/json" not in request.headers.get("Accept", ""):
        messages.success(request, f"{row.name} is on its way." if is_new else f"{row.name} is here already.")
        return redirect(target)
    body = {"id": str(row.pk), "name": row.name, "state": row.state, "duplicate": not is_new}
    return JsonResponse(body, status=201 if is_new else 200)


def _refuse(request: SignedInRequest, refusal: UploadRefused) -> HttpResponse:
    if "application/json" not in request.headers.get("Accept", ""):
        messages.error(request, str(refusal))
        return redirect("library")
    error = {"code": refusal.code, "reason": translated(refusal.reason), "advice": translated(refusal.advice)}
    response = JsonResponse({"error": error}, status=refusal.status)
    if refusal.retry_after:
        response["Retry-After"] = str(refusal.retry_after)
    return response
