"""How often somebody may call: a sliding minute, counted in Redis for all processes together."""

import logging
import time
import uuid
from dataclasses import dataclass
from functools import cache, wraps

import redis
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)

# Atomic: drop what left the window, refuse when it is full, else take a place. Answers milliseconds to wait, or 0, then
# how many places are taken, and the milliseconds until all are free again if nobody comes.
TAKE = """
redis.call('zremrangebyscore', KEYS[1], '-inf', ARGV[1] - ARGV[2])
local taken, wait = redis.call('zcard', KEYS[1]), 0
if taken >= tonumber(ARGV[3]) then
  local oldest = redis.call('zrange', KEYS[1], taken - tonumber(ARGV[3]), taken - tonumber(ARGV[3]), 'withscores')
  wait = math.max(1, math.ceil(tonumber(oldest[2]) + ARGV[2] - ARGV[1]))
else
  redis.call('zadd', KEYS[1], ARGV[1], ARGV[4])
  redis.call('pexpire', KEYS[1], ARGV[2])
  taken = taken + 1
end
local newest = redis.call('zrange', KEYS[1], -1, -1, 'withscores')
return {wait, taken, math.ceil(tonumber(newest[2]) + ARGV[2] - ARGV[1])}
"""
# Tokens are known only when they are spent. They are added up by the second; whoever comes when the limit is reached
# waits until enough of them are a minute old. Answers like TAKE, in seconds.
SPENT = """
local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local all, seconds, sum = redis.call('hgetall', KEYS[1]), {}, 0
for at = 1, #all, 2 do
  local second, tokens = tonumber(all[at]), tonumber(all[at + 1])
  if second <= now - window then
    redis.call('hdel', KEYS[1], all[at])
  else
    sum = sum + tokens
    seconds[#seconds + 1] = {second, tokens}
  end
end
table.sort(seconds, function(one, other) return one[1] < other[1] end)
local left, wait, reset = sum, 0, 0
for _, each in ipairs(seconds) do
  reset = each[1] + window - now
  if left >= limit then
    wait = reset
    left = left - each[2]
  end
end
return {wait, sum, reset}
"""


@dataclass(frozen=True)
class Room:
    """How much of a limit is left, and in how many seconds all of it is, if nobody comes meanwhile."""

    limit: int
    remaining: int
    reset_s: int


class TooMany(Exception):
    """The limit is reached; `retry_after` says in how many seconds there is room."""

    def __init__(self, retry_after: int, room: Room | None = None, what: str = "requests") -> None:
        super().__init__(f"Too many {what}. There is room again in {retry_after} s.")
        self.retry_after, self.room, self.what = retry_after, room, what


@cache
def connection() -> redis.Redis:
    return redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


def take(who: str, limit: int, window_s: int = 60) -> Room:
    """Count one call of `who`; raises TooMany. Without Redis the door stays open: sign-in has its own limits."""
    now = int(time.time() * 1000)
    told = _told(TAKE, f"limit:{who}", now, window_s * 1000, limit, uuid.uuid4().hex)
    wait_s, taken, reset_s = -(-told[0] // 1000), told[1], -(-told[2] // 1000)
    room = Room(limit, max(0, limit - taken), reset_s)
    if wait_s:
        raise TooMany(wait_s, room)
    return room


def spend(who: str, tokens: int, window_s: int = 60) -> None:
    """Note tokens that `who` has spent just now."""
    name = f"tokens:{who}"
    try:
        with connection().pipeline() as pipe:
            pipe.hincrby(name, str(int(time.time())), tokens)
            pipe.expire(name, window_s + 1)
            pipe.execute()
    except redis.RedisError as exc:
        log.warning("tokens are not counted, Redis does not answer: %s", exc)


def afford(who: str, limit: int, window_s: int = 60) -> Room:
    """What `who` may still spend; raises TooMany when as much or more was spent in the last minute."""
    wait_s, spent, reset_s = _told(SPENT, f"tokens:{who}", int(time.time()), window_s, limit)
    room = Room(limit, max(0, limit - spent), reset_s)
    if wait_s:
        raise TooMany(wait_s, room, "tokens")
    return room


def _told(script: str, *arguments: str | int) -> tuple[int, int, int]:
    try:
        wait, used, reset = connection().eval(script, 1, *arguments)
    except redis.RedisError as exc:
        log.warning("limits are off, Redis does not answer: %s", exc)
        return 0, 0, 0
    return int(wait), int(used), int(reset)


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
