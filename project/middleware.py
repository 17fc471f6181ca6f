"""What every answer carries, and what a limit says."""

from io import BytesIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from project.limits import Room, TooMany
from project.views import refuse


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


class PrivatePages(MiddlewareMixin):
    """Pages of signed-in people are kept by nobody on the way, unless a view says how long."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.has_header("Cache-Control") and getattr(request, "user", None) is not None:
            patch_cache_control(response, no_store=True, private=True)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response


class RateHeaders(MiddlewareMixin):
    """What is left of the limits of the key that signed a call, in the headers that OpenAI's clients read."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        rooms: dict[str, Room] = getattr(request, "rooms", {})
        for what, room in rooms.items():
            response[f"x-ratelimit-limit-{what}"] = str(room.limit)
            response[f"x-ratelimit-remaining-{what}"] = str(room.remaining)
            response[f"x-ratelimit-reset-{what}"] = f"{room.reset_s}s"
        return response


class Limits(MiddlewareMixin):
    """A reached limit is an answer of its own: 429, with the seconds to wait."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooMany):
            return None
        response = refuse(request, 429, "too_many_requests", str(exception))
        response["Retry-After"] = str(exception.retry_after)
        return response
