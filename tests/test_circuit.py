"""A service that fails again and again is left alone, by all processes, and tried again by one of them."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from project.circuit import Circuit, CircuitOpen
from project.limits import connection

pytestmark = pytest.mark.usefixtures("services")

CONTEXT = multiprocessing.get_context("forkserver")  # Processes of their own, for the price of one start.
CONTEXT.set_forkserver_preload([__name__])


def circuit(*, failures: int = 3, open_s: float = 0.4, longest_s: float = 1.0, probe_s: float = 30.0) -> Circuit:
    return Circuit("small", failures, open_s, longest_s, probe_s)


def fail(of: Circuit, times: int = 3) -> None:
    for _ in range(times):
        of.failed(of.before())


def is_open(of: Circuit) -> bool:
    try:
        of.before()
    except CircuitOpen:
        return True
    return False


def await_probe(of: Circuit) -> None:
    """Return when the time without calls is over."""
    with pytest.raises(CircuitOpen) as refused:
        of.before()
    time.sleep(refused.value.retry_after)


# Closed and open -----------------------------------------------------------------------------------------------------
def test_failures_in_a_row_open_it():
    of = circuit(open_s=30, longest_s=300)
    fail(of, 2)
    assert (of.state().word, of.state().failures) == ("closed", 2)
    fail(of, 1)
    assert of.state().word == "open"
    with pytest.raises(CircuitOpen, match="out of order. It is tried again in 30 s") as refused:
        of.before()
    assert 29 < refused.value.retry_after <= 30
    assert 29 < of.state().retry_after <= 30


def test_a_success_between_them_begins_the_count_anew():
    of = circuit()
    fail(of, 2)
    of.succeeded(of.before())
    fail(of, 2)
    assert not is_open(of)


def test_each_deployment_has_a_circuit_of_its_own():
    fail(circuit())
    assert is_open(circuit())
    assert not is_open(Circuit("large", 3))


def test_calls_begun_before_it_opened_neither_close_it_nor_count_for_the_probe():
    of = circuit()
    earlier = of.before()
    fail(of)
    of.succeeded(earlier)
    assert is_open(of)
    await_probe(of)
    probe = of.before()
    of.failed(earlier)
    assert of.state().word == "half-open"
    of.succeeded(earlier)
    assert of.state().word == "half-open"
    of.succeeded(probe)
    fail(of, 2)
    of.failed(earlier)
    assert of.state().word == "closed"


# The probe -----------------------------------------------------------------------------------------------------------
def test_the_probes_success_closes_it():
    of = circuit()
    fail(of)
    await_probe(of)
    assert (of.state().word, of.state().retry_after) == ("half-open", 0)
    probe = of.before()
    with pytest.raises(CircuitOpen):
        of.before()
    of.succeeded(probe)
    assert (of.state().word, of.state().failures) == ("closed", 0)
    assert not is_open(of)


def test_the_probes_failure_opens_it_for_longer_up_to_a_cap():
    of = circuit(open_s=0.3, longest_s=0.7)
    fail(of)
    waits = [of.state().retry_after]
    for _ in range(3):
        await_probe(of)
        fail(of, 1)
        waits.append(of.state().retry_after)
    assert waits == pytest.approx([0.3, 0.6, 0.7, 0.7], abs=0.1)
    await_probe(of)
    of.succeeded(of.before())
    fail(of)
    assert of.state().retry_after == pytest.approx(0.3, abs=0.1)  # A success ends that.


def test_a_probe_that_dies_makes_room_for_the_next():
    of = circuit(probe_s=0.5)
    fail(of)
    await_probe(of)
    process = CONTEXT.Process(target=of.before)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    began = time.monotonic()
    ends = began + 5
    while is_open(of):
        assert time.monotonic() < ends
        time.sleep(0.02)
    assert is_open(of)  # Again one alone.


def try_at_once(of: Circuit, ready, start, found) -> None:
    """Twenty threads of a process; tells how many may call."""
    went = []

    def call() -> None:
        of.state()  # Each has its connection.
        begin.wait()
        if not is_open(of):
            went.append(1)

    begin = threading.Barrier(21)
    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    ready.release()
    start.wait(60)
    begin.wait(60)
    for thread in threads:
        thread.join(20)
    found.put(len(went))


def test_of_eighty_callers_in_four_processes_exactly_one_is_the_probe():
    of = circuit(open_s=0.2)
    ready, start, found = CONTEXT.Semaphore(0), CONTEXT.Event(), CONTEXT.Queue()
    processes = [CONTEXT.Process(target=try_at_once, args=(of, ready, start, found)) for _ in range(4)]
    for process in processes:
        process.start()
    for _ in processes:
        assert ready.acquire(timeout=60)
    fail(of)
    await_probe(of)
    start.set()
    assert sum(found.get(timeout=60) for _ in processes) == 1
    for process in processes:
        process.join(5)


def test_a_clock_that_was_set_back_does_not_leave_it_open():
    of, an_hour_ms = circuit(probe_s=1), 3_600_000
    fail(of)
    connection().hincrby("circuit:small", "until", an_hour_ms)
    assert [is_open(of), is_open(of)] == [False, True]


# Shared, and without Redis -------------------------------------------------------------------------------------------
def test_the_failures_of_several_processes_count_together():
    of = circuit(open_s=30, longest_s=300)
    processes = [CONTEXT.Process(target=fail, args=(of, 1)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert of.state().word == "open"


def test_without_redis_it_is_closed():
    code = (
        "from project.circuit import Circuit; circuit = Circuit('small', failures=1)\n"
        "for _ in range(3): circuit.failed(circuit.before())\n"
        "circuit.succeeded(circuit.before()); print(circuit.state().word)"
    )
    environment = os.environ | {"REDIS_URL": "unix:///nowhere/r.sock"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "closed\n"), ran.stderr
