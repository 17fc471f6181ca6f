"""Health, sign-in by link, the pages that say what went wrong, and what every template may ask."""

import sys

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_safe
from psycopg_pool import PoolTimeout
from redis import RedisError

from project.accounts import redeem
from project.deployments import DeploymentsError, chosen
from project.limits import connection as redis_connection
from project.local import NO_ROOM, has_no_room
from project.translating import translated

PROGRAMS = ("/api/", "/v1/", "/openai/")

SENTENCES = {
    400: "This request could not be understood.",
    403: "This page is not open to you.",
    404: "There is nothing here, or it is not yours to see.",
    405: "This address does not take that method.",
    413: "This is larger than Lectern takes.",
    429: "Too many requests.",
    500: "Something went wrong here. It has been noted.",
    507: NO_ROOM,
    503: "The database does not answer at the moment. Nothing is lost; try again in a few seconds.",
}


def has_model() -> bool:
    """Whether a language model is set up; a file that cannot be used means that one was meant to be."""
    try:
        return chosen() is not None
    except DeploymentsError:
        return True


def shell(request: HttpRequest) -> dict[str, object]:
    """What the frame around every page shows."""
    return {
        "organisation": settings.ORGANISATION,
        "embedded": settings.LOOPBACK_ONLY,
        "has_model": has_model(),
        "open_signup": settings.ACCOUNT_OPEN_FOR_SIGNUP,
        "upload_max_bytes": settings.UPLOAD_MAX_BYTES,
    }


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith(PROGRAMS) or "application/json" in request.headers.get("Accept", "")


def refuse(request: HttpRequest, status: int, code: str, sentence: str = "") -> HttpResponse:
    """Say no in the caller's language: JSON to a program, a page to a person."""
    sentence = translated(sentence or SENTENCES[status])
    if wants_json(request):
        return JsonResponse({"error": {"message": sentence, "code": code, "type": code, "param": None}}, status=status)
    return HttpResponse(render_to_string(f"{status}.html", {"sentence": sentence}), status=status)


@login_not_required
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refuse(request, 400, "bad_request")


@login_not_required
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refuse(request, 403, "forbidden")


@login_not_required
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refuse(request, 404, "not_found")


@login_not_required
def server_error(request: HttpRequest) -> HttpResponse:
    """A fault of ours, or a service of ours that is gone: the second comes back by itself."""
    fault = sys.exc_info()[1]
    if has_no_room(fault):
        return refuse(request, 507, "disk_full")
    if not isinstance(fault, OperationalError | InterfaceError | PoolTimeout | RedisError):
        return refuse(request, 500, "server_error")
    response = refuse(request, 503, "unavailable")
    response["Retry-After"] = "5"
    return response


@login_not_required
def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return refuse(request, 403, "forbidden", "This form is too old, or came from another page. Load the page again.")


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process is alive. Touches nothing."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Ready for work: names what is not, and nothing more."""
    failing = [] if _redis_answers() else ["redis"]
    if not _database_answers():
        failing.append("database")
    elif not _is_migrated():
        failing.append("migrations")
    return JsonResponse({"status": "failing" if failing else "ok", "failing": failing}, status=503 if failing else 200)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, PoolTimeout):
        return False
    return True


def _is_migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, PoolTimeout):
        return False


def _redis_answers() -> bool:
    try:
        return bool(redis_connection().ping())
    except RedisError:
        return False


@login_not_required
@require_GET
def signin(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in by a one-time link: only in the embedded mode, and only from this machine."""
    is_here = request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}
    user = redeem(token) if settings.LOOPBACK_ONLY and is_here else None
    if user is None:
        if request.user.is_authenticated:
            return redirect("conversations")
        return render(request, "signin_used.html", status=410)
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return redirect("conversations")
