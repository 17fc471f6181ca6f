"""How much a deployment may be asked: requests and tokens a minute, kept for all processes together in Redis.

A caller reserves what its call will probably cost, waits in line for room, and afterwards says what the call did cost.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import dataclass, field

import redis

from project.limits import connection

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 1.0  # Somebody who waits asks again at least this often: room may come early.
TICKET_S = 3.0  # A place in line that is not asked for again is lost after this, so a dead waiter blocks nobody.

# What lies before a script: the window in slots, by the server's clock. A slot is counted until all of it has left the
# window, and one slot more, because one call is longer on its way to the service than another.
SLOTS, KEPT_SLOTS = 60, 62

# A quota is one hash: `r<slot>` and `t<slot>` the requests and tokens that started in a slot, `w<id>` somebody who
# waits, `passed` the part of the quota that urgent callers took while others waited. Answers {1, now} for "go", or
# {0, milliseconds to wait}. A line is short and slots are few, so a call reads all of it.
ASK = """
local id, tokens, urgent, stays = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4] == '1'
local limit = {r = tonumber(ARGV[5]), t = tonumber(ARGV[6])}
local slot_ms, share, ticket_ms, kept = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local clock = redis.call('time')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local slot = math.floor(now / slot_ms)
if limit.r == 0 then limit.r = math.huge end
if limit.t == 0 then limit.t = math.huge end

local used, slots, line, me, passed, turn = {r = 0, t = 0}, {}, {}, nil, 0, 0
local function note(name, value)
  local kind, of = name:sub(1, 1), name:sub(2)
  if name == 'passed' then
    passed = tonumber(value)
  elseif kind == 'w' then
    local who = cjson.decode(value)
    if who.expires < now then return redis.call('hdel', KEYS[1], name) end
    who.id = of
    if of == id then me = who end
    turn = math.max(turn, who.turn)
    table.insert(line, who)
  else
    of = tonumber(of)
    if math.abs(of - slot) >= kept then return redis.call('hdel', KEYS[1], name) end
    used[kind] = used[kind] + value
    if not slots[of] then slots[of] = {r = 0, t = 0} end
    slots[of][kind] = tonumber(value)
  end
end
local all = redis.call('hgetall', KEYS[1])
for i = 1, #all, 2 do note(all[i], all[i + 1]) end
if not me then
  me = {id = id, turn = turn + 1, urgent = urgent, tokens = tokens}
  table.insert(line, me)
end

-- The line: the urgent, then the others, each kind as it came; and before all, somebody who was passed often enough.
local function part(who) return math.max(1 / limit.r, who.tokens / limit.t) end
table.sort(line, function(a, b)
  if a.urgent ~= b.urgent then return a.urgent end
  return a.turn < b.turn
end)
local patient
for i, who in ipairs(line) do
  if not who.urgent then
    patient = who
    who.is_next = passed * share >= part(who) * (1 - share)
    if who.is_next then table.insert(line, 1, table.remove(line, i)) end
    break
  end
end

-- Room is wanted for me and for everybody before me.
local most = limit
if not (me.urgent or me.is_next) then
  most = {r = math.max(1, math.floor(limit.r * (1 - share))), t = math.floor(limit.t * (1 - share))}
end
local wanted = {r = 0, t = 0}
for _, who in ipairs(line) do
  wanted.r, wanted.t = wanted.r + 1, wanted.t + math.min(who.tokens, most.t)
  if who == me then break end
end
local function fits() return used.r + wanted.r <= most.r and used.t + wanted.t <= most.t end

if fits() then
  redis.call('hdel', KEYS[1], 'w' .. id)
  redis.call('hincrby', KEYS[1], 'r' .. slot, 1)
  redis.call('hincrby', KEYS[1], 't' .. slot, tokens)
  if not me.urgent then
    redis.call('hdel', KEYS[1], 'passed')
  elseif patient and patient.turn <= me.turn then
    redis.call('hset', KEYS[1], 'passed', passed + part(me))
  end
  redis.call('pexpire', KEYS[1], math.ceil(kept * slot_ms + ticket_ms))
  return {1, now}
end

local order, wait = {}, kept * slot_ms
for of in pairs(slots) do table.insert(order, of) end
table.sort(order)
for _, of in ipairs(order) do
  used.r, used.t = used.r - slots[of].r, used.t - slots[of].t
  if fits() then
    wait = (of + kept) * slot_ms - now
    break
  end
end
if stays then
  local ticket = {turn = me.turn, urgent = me.urgent, tokens = tokens, expires = now + ticket_ms}
  redis.call('hset', KEYS[1], 'w' .. id, cjson.encode(ticket))
  redis.call('pexpire', KEYS[1], math.ceil(kept * slot_ms + ticket_ms))
else
  redis.call('hdel', KEYS[1], 'w' .. id)
end
return {0, math.max(1, math.ceil(wait))}
"""

# More or fewer requests and tokens in the slot of a start that still counts.
CORRECT = """
local slot = math.floor(ARGV[1] / ARGV[2])
if redis.call('hexists', KEYS[1], 'r' .. slot) == 1 then
  redis.call('hincrby', KEYS[1], 'r' .. slot, ARGV[3])
  redis.call('hincrby', KEYS[1], 't' .. slot, ARGV[4])
end
"""


class QuotaFull(Exception):
    """No room came while the caller had patience; `retry_after` says in how many seconds there should be some."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The model service is at its limit. There is room again in {max(1, round(retry_after))} s.")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Quota:
    """The limits of one deployment; a limit of 0 is none.

    In no window of a minute do more requests and tokens start than the limits say. What starts is what was reserved:
    when it turns out to be more, the next callers wait for that. A request larger than all the tokens of a minute goes
    alone, when the window is empty: an estimate is often too high, and the service itself says so if it is not.

    Urgent callers stand before all others. `share` is the part of the quota each kind has for itself: the others leave
    that part of it free, and when urgent ones took the rest while they waited, the next of them comes first of all.
    Under urgent callers without end the others so get a tenth of what is spent, unless `share` says otherwise.

    Without Redis there is no limit but the service's own.
    """

    name: str
    requests_a_minute: int
    tokens_a_minute: int
    window_s: float = 60.0  # What a minute is; shorter in tests.
    share: float = 0.1

    def reserve(self, estimate: int, *, patience_s: float, urgent: bool = False) -> Reservation:
        """Wait for room for a call of about `estimate` tokens; raises QuotaFull after `patience_s`."""
        place = _Place(self, estimate, urgent, time.monotonic() + patience_s)
        while True:
            answer = place.ask()
            if isinstance(answer, Reservation):
                return answer
            time.sleep(answer)

    async def areserve(self, estimate: int, *, patience_s: float, urgent: bool = False) -> Reservation:
        """`reserve` for a coroutine. Canceled while it waits, its place in line is free after some seconds."""
        if not self.is_limited:  # Of what is not counted nobody is asked, and a thread is not waited for.
            return Reservation(self, estimate, None)
        place = _Place(self, estimate, urgent, time.monotonic() + patience_s)
        while True:
            answer = await asyncio.to_thread(place.ask)
            if isinstance(answer, Reservation):
                return answer
            await asyncio.sleep(answer)

    @property
    def is_limited(self) -> bool:
        return bool(self.requests_a_minute or self.tokens_a_minute)

    @property
    def key(self) -> str:
        return f"quota:{self.name}"

    @property
    def slot_ms(self) -> float:
        return self.window_s * 1000 / SLOTS


@dataclass
class Reservation:
    """The right to start one call now. Never settled, as after a crash, the estimate counts till its minute is over."""

    quota: Quota
    tokens: int
    started_ms: int | None  # By Redis's clock; None when nothing is counted.

    def settle(self, actual: int) -> None:
        """Say how many tokens the call did cost; may be said again when more is known."""
        self._correct(0, actual - self.tokens)
        self.tokens = actual

    def release(self) -> None:
        """Give the request and its tokens back, for the call failed before it cost anything."""
        self._correct(-1, -self.tokens)
        self.tokens, self.started_ms = 0, None

    def _correct(self, requests: int, tokens: int) -> None:
        if self.started_ms is None or not (requests or tokens):
            return
        try:
            connection().eval(CORRECT, 1, self.quota.key, self.started_ms, self.quota.slot_ms, requests, tokens)
        except redis.RedisError as exc:
            log.warning("a call of %s stays counted as estimated, Redis does not answer: %s", self.quota.name, exc)


@dataclass
class _Place:
    """A place in the line of a quota."""

    quota: Quota
    estimate: int
    urgent: bool
    ends: float  # When patience does, by time.monotonic().
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def ask(self) -> Reservation | float:
        """The reservation, or how many seconds to pause before asking again. Raises QuotaFull."""
        if not self.quota.is_limited:
            return Reservation(self.quota, self.estimate, None)
        left_s = self.ends - time.monotonic()
        try:
            goes, number = self._run(stays=left_s > 0)
        except redis.RedisError as exc:
            log.warning("the quota of %s is off, Redis does not answer: %s", self.quota.name, exc)
            return Reservation(self.quota, self.estimate, None)
        if goes:
            return Reservation(self.quota, self.estimate, number)
        if left_s <= 0:
            raise QuotaFull(number / 1000)
        return min(number / 1000, left_s, LONGEST_PAUSE_S)

    def _run(self, *, stays: bool) -> tuple[int, int]:
        quota = self.quota
        goes, number = connection().eval(
            ASK, 1, quota.key, self.id, self.estimate, int(self.urgent), int(stays), quota.requests_a_minute,
            quota.tokens_a_minute, quota.slot_ms, quota.share, TICKET_S * 1000, KEPT_SLOTS,
        )  # fmt: skip
        return goes, number
