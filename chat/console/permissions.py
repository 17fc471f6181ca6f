"""The console's page of the permission proof: make one now, follow it, read the last report."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from chat.models import PermissionProof
from project.accounts import SignedInRequest
from project.console import console, staff_only


@require_GET
@staff_only
def permissions(request: SignedInRequest) -> HttpResponse:
    PermissionProof.give_up()
    last = PermissionProof.objects.select_related("asked_by").first()
    done = PermissionProof.objects.filter(state=PermissionProof.State.DONE).first()
    context: dict[str, object] = {"last": last, "proof": done, "paths": _by_path(done) if done else []}
    return console(request, "console/permissions.html", context)


@require_POST
@staff_only
def prove(request: SignedInRequest) -> HttpResponse:
    PermissionProof.ask(request.user)
    messages.success(request, gettext("The proof is under way. It takes some minutes; you may leave this page."))
    return redirect("console-permissions")


@require_POST
@staff_only
def stop(request: SignedInRequest) -> HttpResponse:
    """Whoever makes it removes what it made first."""
    last = PermissionProof.objects.first()
    if last is not None and last.cancel():
        messages.success(request, gettext("The proof is stopped; what was made for it is removed."))
    else:
        messages.error(request, gettext("No proof is under way."))
    return redirect("console-permissions")


def _by_path(proof: PermissionProof) -> list[dict[str, object]]:
    """A row for each path, the leaking first, with its roles behind it."""
    paths: dict[str, dict] = {}
    for row in proof.report["rows"]:
        path = paths.setdefault(row["path"], {"name": row["path"], "rows": []})
        path["rows"].append(row)
        for name in ("probes", "reached", "leaks", "missed"):
            path[name] = path.get(name, 0) + row[name]
    return sorted(paths.values(), key=lambda path: (-path["leaks"], -path["missed"]))
