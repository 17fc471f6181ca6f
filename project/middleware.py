"""What every answer carries, and what a limit says."""

import time
import uuid
from collections.abc import Callable
from io import BytesIO

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from project.api import rate_headers
from project.limits import TooMany
from project.views import PROGRAMS, refuse


class StaticFiles(WhiteNoiseMiddleware):
    """Our own styles and scripts. They are small, so each is read at once: a file cannot be streamed under ASGI."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        with found.file or BytesIO() as file:
            response = HttpResponse(file.read(), status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response


class Language(LocaleMiddleware):
    """A page speaks the language that was chosen, or the browser's; programs are always told the same words."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path.startswith(PROGRAMS):
            translation.activate(settings.LANGUAGE_CODE)
        else:
            super().process_request(request)


class PrivatePages(MiddlewareMixin):
    """Pages of signed-in people are kept by nobody on the way, unless a view says how long."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.has_header("Cache-Control") and getattr(request, "user", None) is not None:
            patch_cache_control(response, no_store=True, private=True)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response


class OtherOrigins(MiddlewareMixin):
    """Lets pages of the origins that are named call the API from a browser, each with a key of its own.

    Cookies are never let through: nobody acts there as whoever happens to be signed in.
    """

    ASKED = "Authorization, api-key, Content-Type, Last-Event-ID"
    TOLD = "Retry-After, x-request-id, " + ", ".join(
        f"x-ratelimit-{part}-{what}" for what in ("requests", "tokens") for part in ("limit", "remaining", "reset")
    )

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        is_asking = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not (is_asking and _is_let_in(request)):
            return None
        response = HttpResponse(status=204)
        response["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
        response["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", self.ASKED)
        response["Access-Control-Max-Age"] = "600"
        return response

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if settings.CORS_ORIGINS and request.path.startswith(PROGRAMS):
            patch_vary_headers(response, ["Origin"])
            if _is_let_in(request):
                response["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response["Access-Control-Expose-Headers"] = self.TOLD
        return response


def _is_let_in(request: HttpRequest) -> bool:
    return request.path.startswith(PROGRAMS) and request.headers.get("Origin") in settings.CORS_ORIGINS


class RateHeaders(MiddlewareMixin):
    """What is left of the limits of the key that signed a call, in the headers that OpenAI's clients read."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        for name, value in rate_headers(request).items():
            response[name] = value
        return response


class Limits(MiddlewareMixin):
    """A reached limit is an answer of its own: 429, with the seconds to wait."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooMany):
            return None
        response = refuse(request, 429, "too_many_requests", str(exception))
        response["Retry-After"] = str(exception.retry_after)
        return response


@sync_and_async_middleware
def numbered(get_response: Callable) -> Callable:
    """Every answer to a program has a number to ask about, and says how long it took until it began."""

    def note(request: HttpRequest, response: HttpResponseBase, began: float) -> HttpResponseBase:
        if request.path.startswith(PROGRAMS):
            response.headers.setdefault("x-request-id", f"req_{uuid.uuid4().hex}")
            response["openai-processing-ms"] = str(round((time.monotonic() - began) * 1000))
        return response

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            began = time.monotonic()
            return note(request, await get_response(request), began)

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        return note(request, get_response(request), began)

    return synchronous
