"""How often somebody may call: a sliding minute, counted in Redis for all processes together."""

import logging
import time
import uuid
from functools import cache, wraps

import redis
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)

# Atomic: drop what left the window, refuse when it is full, else take a place. Answers milliseconds to wait, or 0.
TAKE = """
redis.call('zremrangebyscore', KEYS[1], '-inf', ARGV[1] - ARGV[2])
if redis.call('zcard', KEYS[1]) >= tonumber(ARGV[3]) then
  local oldest = redis.call('zrange', KEYS[1], 0, 0, 'withscores')
  return math.max(1, math.ceil(tonumber(oldest[2]) + ARGV[2] - ARGV[1]))
end
redis.call('zadd', KEYS[1], ARGV[1], ARGV[4])
redis.call('pexpire', KEYS[1], ARGV[2])
return 0
"""


class TooMany(Exception):
    """The limit is reached; `retry_after` says in how many seconds there is room."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests. There is room again in {retry_after} s.")
        self.retry_after = retry_after


@cache
def connection() -> redis.Redis:
    return redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


def take(who: str, limit: int, window_s: int = 60) -> None:
    """Count one call of `who`; raises TooMany. Without Redis the door stays open: sign-in has its own limits."""
    now = int(time.time() * 1000)
    try:
        wait_ms = connection().eval(TAKE, 1, f"limit:{who}", now, window_s * 1000, limit, uuid.uuid4().hex)
    except redis.RedisError as exc:
        log.warning("limits are off, Redis does not answer: %s", exc)
        return
    if wait_ms:
        raise TooMany(-(-int(wait_ms) // 1000))


def limited(what: str):
    """Guard a view of signed-in people: at most REQUESTS_A_MINUTE of this kind each."""

    def guard(view):
        if iscoroutinefunction(view):

            @wraps(view)
            async def checked(request: HttpRequest, *args, **kwargs) -> HttpResponse:
                user = await request.auser()
                await sync_to_async(take)(f"{what}:{user.pk}", settings.REQUESTS_A_MINUTE)
                return await view(request, *args, **kwargs)
        else:

            @wraps(view)
            def checked(request: HttpRequest, *args, **kwargs) -> HttpResponse:
                take(f"{what}:{request.user.pk}", settings.REQUESTS_A_MINUTE)
                return view(request, *args, **kwargs)

        return checked

    return guard
