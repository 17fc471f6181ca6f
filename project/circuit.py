"""Whether a service is worth calling: after failures in a row it is left alone for a while, by all processes together.

Closed, every call goes. Open, none does. Half-open, one call goes as a probe: if it succeeds the circuit closes, if it
fails the circuit opens for twice as long.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import redis

from project.limits import connection

log = logging.getLogger(__name__)

# A circuit is one hash: `failures` in a row; `until` when it is open; `openings` without a success between them;
# `turn`, the moment it last opened; `probe`, until when the probe has time. By the server's clock, in milliseconds.
NOW = """
local clock = redis.call('time')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function number(name) return tonumber(redis.call('hget', KEYS[1], name) or 0) end
"""

# Answers {turn, milliseconds to wait, failures in a row}. An end too far away was set before the clock was set back.
BEFORE = (
    NOW
    + """
local turn, ends = number('turn'), number('until')
if ends == 0 then return {turn, 0, number('failures')} end
ends = math.max(ends, number('probe'))
if ends > now and ends - now <= tonumber(ARGV[2]) then return {turn, ends - now, 1} end
redis.call('hset', KEYS[1], 'until', now, 'probe', now + ARGV[1])
return {turn, 0, 1}
"""
)

# Answers 1 when this closed it.
SUCCEEDED = (
    NOW
    + """
if tonumber(ARGV[1]) ~= number('turn') then return 0 end
local was_open = number('until') > 0
redis.call('hdel', KEYS[1], 'failures', 'until', 'openings', 'probe')
return was_open and 1 or 0
"""
)

# Answers for how many milliseconds this opened it, or 0.
FAILED = (
    NOW
    + """
if tonumber(ARGV[1]) ~= number('turn') then return 0 end
local failures, openings = number('failures') + 1, number('openings')
redis.call('hset', KEYS[1], 'failures', failures)
redis.call('pexpire', KEYS[1], ARGV[5])
if failures < tonumber(ARGV[2]) then return 0 end
local open_ms = math.min(ARGV[3] * 2 ^ openings, tonumber(ARGV[4]))
redis.call('hset', KEYS[1], 'until', now + open_ms, 'turn', now, 'openings', math.min(openings + 1, 20))
redis.call('hdel', KEYS[1], 'probe')
redis.call('pexpire', KEYS[1], open_ms + ARGV[5])
return open_ms
"""
)

LOOK = NOW + "return {number('failures'), number('until'), number('probe'), now}"

REMEMBERED_S = 3600  # Failures without a success or another failure after them are forgotten then.


class Turn(NamedTuple):
    """When a call began, in the life of a circuit."""

    number: int
    is_calm: bool  # Nothing had failed: a success has nothing to tell.


NO_TURN = Turn(-1, True)  # Of calls that went because Redis could not be asked: what becomes of them is not counted.


class CircuitOpen(Exception):
    """The service has failed again and again; `retry_after` says in how many seconds it may be tried again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The model service is out of order. It is tried again in {max(1, round(retry_after))} s.")
        self.retry_after = retry_after


@dataclass(frozen=True)
class State:
    """What a page shows of a circuit."""

    word: Literal["closed", "open", "half-open"]
    failures: int = 0  # In a row, up to now.
    retry_after: float = 0.0  # Seconds.


@dataclass(frozen=True)
class Circuit:
    """The circuit of one deployment: `before()` each call, then `succeeded` or `failed` with the turn it answered.

    A call that tells of neither, because it was canceled, counts for nothing; was it the probe, another goes after
    `probe_s`. A call that was begun before the circuit opened changes nothing any more: it tells of the past.
    Without Redis the circuit is closed.
    """

    name: str
    failures: int = 5
    open_s: float = 30.0
    longest_s: float = 300.0  # It opens for twice as long each time, up to this.
    probe_s: float = 30.0

    def before(self) -> Turn:
        """The turn of a call that may go. Raises CircuitOpen."""
        told = self._run(BEFORE, _ms(self.probe_s), _ms(max(self.longest_s, self.probe_s)))
        if told is None:
            return NO_TURN
        number, wait_ms, failures = told
        if wait_ms:
            raise CircuitOpen(wait_ms / 1000)
        return Turn(number, is_calm=not failures)

    def succeeded(self, turn: Turn) -> None:
        """The service answered, even if it refused: a wrong key or too many requests is no outage."""
        if not turn.is_calm and self._run(SUCCEEDED, turn.number):
            log.info("circuit_closed %s", self.name)

    def failed(self, turn: Turn) -> None:
        """The service was not there: a timeout, no connection, a fault on its side. Never for what it refused."""
        limits = _ms(self.open_s), _ms(self.longest_s), _ms(REMEMBERED_S)
        if open_ms := self._run(FAILED, turn.number, self.failures, *limits):
            log.warning("circuit_open %s: no calls for %s s", self.name, open_ms / 1000)

    def state(self) -> State:
        failures, until, probe, now = self._run(LOOK) or (0, 0, 0, 0)
        if not until:
            return State("closed", failures)
        return State("open" if until > now else "half-open", failures, (max(until, probe, now) - now) / 1000)

    def _run(self, script: str, *arguments: int) -> Any:
        """What a script answers; None when Redis does not."""
        try:
            return connection().eval(script, 1, f"circuit:{self.name}", *arguments)
        except redis.RedisError as exc:
            log.warning("the circuit of %s is off, Redis does not answer: %s", self.name, exc)
            return None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
