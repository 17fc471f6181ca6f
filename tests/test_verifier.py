"""Sentences that are looked up at the same time are looked up by a process beside this one, with the same verdicts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.proof.verifier import Verifier
from chat.verification import Claim, Evidence, Judged, judge
from documents.extraction.limits import ROOT

EVIDENCE = [
    Evidence(1, "The rent is due on the third working day of the month. It may be paid in cash. " * 20, "Rules"),
    Evidence(2, "Dogs need a written permission of the owner. Cats are kept free of charge."),
]
CLAIMS = [
    Claim("The rent is due on the third working day of the month.", cited=(1,)),
    Claim("Dogs need a written permission of the owner.", cited=(1,)),
    Claim("The rent is due on the fifth working day of the month.", cited=(1,)),
    Claim("The castle was built by monks from Ghent in stone."),
]
KILLED = """
import os, signal
from tests.test_verifier import beside
from chat.proof.verifier import Verifier
verifier = Verifier()
beside(verifier)
print(verifier.process, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def two_at_a_time(verifier: Verifier, is_enough: Callable[[], object]) -> list[Judged]:
    deadline, found = time.monotonic() + 60, list[Judged]()
    with ThreadPoolExecutor(2) as threads:
        while not is_enough() and time.monotonic() < deadline:
            found = list(threads.map(lambda claim: verifier.judge(claim, EVIDENCE), CLAIMS * 5))
    assert is_enough()
    return found


def beside(verifier: Verifier) -> int:
    """Look sentences up two at a time, until a process does it."""
    two_at_a_time(verifier, lambda: verifier.process)
    assert verifier.process
    return verifier.process


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    made = Verifier()
    yield made
    made.stop()


def test_one_sentence_after_the_other_starts_no_process(verifier):
    assert [verifier.judge(claim, EVIDENCE) for claim in CLAIMS] == [judge(claim, EVIDENCE) for claim in CLAIMS]
    assert verifier.process is None


def test_the_verdicts_of_the_process_are_the_same_and_it_may_die_or_end(verifier):
    process = beside(verifier)
    told = [judge(claim, EVIDENCE) for claim in CLAIMS]
    assert [verifier.judge(claim, EVIDENCE) for claim in CLAIMS] == told and verifier.process == process
    os.kill(process, signal.SIGKILL)
    assert [verifier.judge(claim, EVIDENCE) for claim in CLAIMS] == told and verifier.process is None


def test_where_no_process_can_be_had_the_threads_go_on(verifier, monkeypatch):
    tried = []

    def refuse(*words: object, **more: object) -> None:
        tried.append(words)
        raise BlockingIOError

    monkeypatch.setattr("subprocess.Popen", refuse)
    assert two_at_a_time(verifier, lambda: tried) == [judge(claim, EVIDENCE) for claim in CLAIMS * 5]
    assert len(tried) == 1  # It is not tried again at once.


def test_a_sentence_that_takes_too_long_is_given_up_and_the_next_one_is_not(verifier, monkeypatch):
    process = beside(verifier)
    monkeypatch.setattr("chat.proof.verifier.SECONDS", 0.1)
    os.kill(process, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        verifier.judge(CLAIMS[0], EVIDENCE)
    assert isinstance(verifier.judge(CLAIMS[0], EVIDENCE), Judged) and not is_there(process)


def test_the_process_ends_with_the_one_that_started_it():
    told = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    process, deadline = int(told.stdout), time.monotonic() + 30
    while is_there(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_there(process)
