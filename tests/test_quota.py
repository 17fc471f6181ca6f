"""A deployment's requests and tokens a minute, on the real Redis, from several processes. A minute lasts 2 s here."""

import asyncio
import contextlib
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from project.limits import connection
from project.quota import TICKET_S, Quota, QuotaFull

pytestmark = pytest.mark.usefixtures("services")

WINDOW_S = 2.0
CONTEXT = multiprocessing.get_context("forkserver")  # Processes of their own, for the price of one start.
CONTEXT.set_forkserver_preload([__name__])


def quota(requests: int = 0, tokens: int = 0, *, window_s: float = WINDOW_S, share: float = 0.1) -> Quota:
    return Quota("small", requests, tokens, window_s=window_s, share=share)


def is_full(of: Quota, estimate: int = 1, *, urgent: bool = True) -> bool:
    """Whether there is no room now; takes it when there is."""
    try:
        of.reserve(estimate, patience_s=0, urgent=urgent)
    except QuotaFull:
        return True
    return False


def until(holds: Callable[[], bool], timeout_s: float = 5) -> None:
    ends = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < ends, "It never came to hold."
        time.sleep(0.01)


@pytest.fixture
def start():
    """Start a function in a process of its own, which does not outlive the test."""
    processes = []

    def start(target: Callable, *arguments: object) -> multiprocessing.process.BaseProcess:
        processes.append(CONTEXT.Process(target=target, args=arguments))
        processes[-1].start()
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.join(10)


def waiting(of: Quota) -> int:
    return sum(name.startswith(b"w") for name in connection().hkeys(of.key))


def in_line(pool: ThreadPoolExecutor, of: Quota, estimate: int = 1, *, urgent: bool = False) -> Future:
    """A caller who has taken a place in line before this returns."""
    before = waiting(of)
    future = pool.submit(of.reserve, estimate, patience_s=8, urgent=urgent)
    until(lambda: waiting(of) > before)
    return future


# The limits ----------------------------------------------------------------------------------------------------------
def call_for_a_while(of: Quota, seconds: float, seed: int, found) -> None:
    """Six threads of a process that call as often as they may: (Redis's ms, our s, tokens) of each start."""
    starts, ends = [], time.monotonic() + seconds

    def call(thread: int) -> None:
        chance = random.Random(seed * 100 + thread)
        while (left_s := ends - time.monotonic()) > 0:
            try:
                reservation = of.reserve(chance.randint(1, 200), patience_s=left_s, urgent=thread % 2 == 0)
            except QuotaFull:
                return
            started, did = time.time(), chance.choice(["cost all", "cost less", "fail"])
            if did == "fail":
                reservation.release()
                continue
            if did == "cost less":
                reservation.settle(reservation.tokens // 2)
            starts.append((reservation.started_ms, started, reservation.tokens))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.put(starts)


def most_in_a_window(starts: list[tuple[float, int]], window: float) -> tuple[int, int]:
    """The most requests and the most tokens that started in less than `window`, wherever it is laid."""
    starts = sorted(starts)
    windows = [
        [tokens for at, tokens in starts[place:] if at - began < window] for place, (began, _) in enumerate(starts)
    ]
    return max(len(window) for window in windows), max(sum(window) for window in windows)


@pytest.mark.parametrize(("requests", "tokens"), [(40, 1_000_000), (1_000_000, 2_000), (30, 2_500)])
def test_four_processes_never_start_more_than_the_limits_in_any_window(start, requests, tokens):
    of, found = quota(requests, tokens), CONTEXT.Queue()
    for seed in range(4):
        start(call_for_a_while, of, 3, seed, found)
    starts = [start for _ in range(4) for start in found.get(timeout=60)]
    counts = most_in_a_window([(server_ms, spent) for server_ms, _, spent in starts], WINDOW_S * 1000)
    assert counts[0] <= requests and counts[1] <= tokens
    # By the callers' own clock too, with room for a thread that had to wait for its processor.
    counts = most_in_a_window([(ours, spent) for _, ours, spent in starts], WINDOW_S - 0.5)
    assert counts[0] <= requests and counts[1] <= tokens
    assert len(starts) >= requests or sum(spent for _, _, spent in starts) >= tokens  # And no room was left lying idle.


def test_each_deployment_has_a_quota_of_its_own():
    assert not is_full(Quota("small", 1, 0)) and is_full(Quota("small", 1, 0))
    assert not is_full(Quota("large", 1, 0))


def test_a_caller_waits_until_the_window_has_room():
    of = quota(1)
    first = of.reserve(1, patience_s=0, urgent=True)
    second = of.reserve(1, patience_s=5, urgent=True)
    assert WINDOW_S * 1000 <= second.started_ms - first.started_ms < WINDOW_S * 1000 + 500


def test_patience_ends_with_the_time_at_which_there_is_room():
    of = quota(0, 100)
    of.reserve(100, patience_s=0, urgent=True)
    began = time.monotonic()
    with pytest.raises(QuotaFull, match="There is room again in") as refused:
        of.reserve(10, patience_s=0.5, urgent=True)
    assert 0.5 <= time.monotonic() - began < 1.2
    assert 0.5 < refused.value.retry_after < 1.6
    assert waiting(of) == 0
    time.sleep(refused.value.retry_after - 0.2)
    assert is_full(of, 10)
    time.sleep(0.2)
    assert not is_full(of, 10)


def test_more_than_all_the_tokens_goes_alone():
    of = quota(0, 100, window_s=1)
    of.reserve(1, patience_s=0, urgent=True)
    assert is_full(of, 500)
    large = of.reserve(500, patience_s=5, urgent=True)
    assert is_full(of, 1)
    large.release()
    assert not is_full(of, 1)


def test_no_limits_ask_nothing_of_redis():
    def calls() -> int:
        return sum(of["calls"] for name, of in connection().info("commandstats").items() if "eval" in name)

    before = calls()
    quota().reserve(10**9, patience_s=0).settle(5)
    assert calls() == before


def test_without_redis_calls_go_on_and_one_line_says_so():
    code = (
        "import logging; logging.basicConfig(); from project.quota import Quota\n"
        "reservation = Quota('small', 1, 1).reserve(10, patience_s=5); reservation.settle(20); reservation.release()"
    )
    environment = os.environ | {"REDIS_URL": "unix:///nowhere/r.sock"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("the quota of small is off") == ran.stderr.count("\n") == 1


def test_a_clock_that_was_set_back_blocks_nobody():
    of, an_hour_ms = quota(1), 3_600_000
    slot = int((time.time() * 1000 + an_hour_ms) / of.slot_ms)
    connection().hset(of.key, mapping={f"r{slot}": 1, f"t{slot}": 1})
    assert not is_full(of)


# What it did cost ----------------------------------------------------------------------------------------------------
def test_what_was_not_spent_is_free_at_once():
    of = quota(0, 100)
    reservation = of.reserve(90, patience_s=0, urgent=True)
    assert is_full(of, 60)
    reservation.settle(40)
    assert not is_full(of, 60)


def test_what_was_spent_beyond_the_estimate_is_taken_from_the_next():
    of = quota(0, 100)
    of.reserve(10, patience_s=0, urgent=True).settle(95)
    assert is_full(of, 10)
    assert not is_full(of, 5)


def test_settling_again_corrects_and_does_not_add():
    of = quota(0, 100)
    reservation = of.reserve(10, patience_s=0, urgent=True)
    reservation.settle(60)
    reservation.settle(70)
    assert is_full(of, 31)
    assert not is_full(of, 30)


def test_a_call_that_failed_before_it_cost_anything_gives_its_place_back_once():
    of = quota(2)
    reservation = of.reserve(10, patience_s=0, urgent=True)
    of.reserve(10, patience_s=0, urgent=True)
    reservation.release()
    reservation.release()
    reservation.settle(50)
    assert not is_full(of)
    assert is_full(of)


def test_settling_after_the_window_takes_nothing_from_the_next():
    of = quota(1, 100, window_s=0.5)
    late = of.reserve(100, patience_s=0, urgent=True)
    of.reserve(50, patience_s=3, urgent=True)
    late.release()
    assert is_full(of, 1)


# Who comes first -----------------------------------------------------------------------------------------------------
def test_urgent_callers_overtake_and_each_kind_goes_in_its_order():
    of = quota(2, window_s=1)
    assert not is_full(of) and not is_full(of)
    with ThreadPoolExecutor(4) as pool:
        others = [in_line(pool, of), in_line(pool, of)]
        urgent = [in_line(pool, of, urgent=True), in_line(pool, of, urgent=True)]
        order = sorted([*urgent, *others], key=lambda future: future.result(10).started_ms)
    assert set(order[:2]) == set(urgent)
    assert others[0].result().started_ms < others[1].result().started_ms


def test_a_small_request_does_not_take_the_room_a_large_one_waits_for():
    of = quota(0, 100)
    first = of.reserve(50, patience_s=0, urgent=True)
    of.reserve(20, patience_s=0, urgent=True)
    with ThreadPoolExecutor(1) as pool:
        large = in_line(pool, of, 60, urgent=True)
        assert is_full(of, 30)  # There would be room for it alone.
        first.settle(15)
        assert is_full(of, 30)
        assert large.result(10).started_ms


def test_a_small_request_goes_when_there_is_room_for_both():
    of = quota(0, 100)
    first = of.reserve(90, patience_s=0, urgent=True)
    with ThreadPoolExecutor(1) as pool:
        large = in_line(pool, of, 60, urgent=True)
        first.settle(10)
        assert not is_full(of, 30)
        assert large.result(10).started_ms


def test_the_others_leave_a_tenth_for_the_urgent():
    of = quota(10)
    assert [is_full(of, urgent=False) for _ in range(10)] == [False] * 9 + [True]
    assert not is_full(of)


def test_a_limit_of_one_still_lets_the_others_go():
    assert not is_full(quota(1), urgent=False)


def test_urgent_callers_without_end_leave_the_others_a_tenth():
    """Each other call here takes twice the tokens of an urgent one, and so lets about eighteen of them pass."""
    of, stop, kinds = quota(0, 200, window_s=1), threading.Event(), []

    def flood(estimate: int, urgent: bool) -> None:
        while not stop.is_set():
            with contextlib.suppress(QuotaFull):
                kinds.append((of.reserve(estimate, patience_s=0.5, urgent=urgent).tokens, urgent))

    of.reserve(200, patience_s=0, urgent=True)
    with ThreadPoolExecutor(40) as pool:
        for _ in range(30):
            pool.submit(flood, 10, True)
        try:
            until(lambda: waiting(of) > 20)
            assert of.reserve(20, patience_s=8).started_ms
        finally:
            stop.set()
    urgent = sum(tokens for tokens, is_urgent in kinds if is_urgent)
    assert urgent > 2 * 20  # They were there, and went first.


# Who dies ------------------------------------------------------------------------------------------------------------
def hold(of: Quota, told) -> None:
    of.reserve(1, patience_s=0, urgent=True)
    told.set()
    time.sleep(60)


def wait_in_line(of: Quota) -> None:
    of.reserve(of.requests_a_minute, patience_s=60, urgent=True)


def test_what_a_killed_process_holds_ends_by_itself(start):
    of, told = quota(1), CONTEXT.Event()
    process = start(hold, of, told)
    assert told.wait(30)
    process.kill()
    assert is_full(of)
    assert of.reserve(1, patience_s=5, urgent=True).started_ms


def test_a_killed_waiter_holds_nobody_up_for_long(start):
    of = quota(1, window_s=60)
    held = of.reserve(1, patience_s=0, urgent=True)
    process = start(wait_in_line, of)
    until(lambda: waiting(of) == 1, 30)
    process.kill()
    process.join(5)
    held.release()
    killed = time.monotonic()
    assert is_full(of, urgent=False)  # Its place still counts.
    assert of.reserve(1, patience_s=TICKET_S + 2).started_ms
    assert time.monotonic() - killed < TICKET_S + 1.5


# From a coroutine ----------------------------------------------------------------------------------------------------
def test_a_coroutine_waits_without_holding_the_others_up():
    of = quota(1)
    ticks = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.05)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        await of.areserve(1, patience_s=0, urgent=True)
        await of.areserve(1, patience_s=5, urgent=True)
        ticking.cancel()

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began >= WINDOW_S
    assert len(ticks) > 20


def test_a_canceled_coroutine_leaves_the_line_by_itself():
    of = quota(1, window_s=30)
    held = of.reserve(1, patience_s=0, urgent=True)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(of.areserve(1, patience_s=60, urgent=True), 0.2)

    asyncio.run(main())
    held.release()
    assert of.reserve(1, patience_s=TICKET_S + 2, urgent=True).started_ms
