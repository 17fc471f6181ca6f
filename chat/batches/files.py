"""From a file of questions to a file of answers, several at a time; begun again, it goes on behind what is done."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from chat.batches.asking import Asker, Purse, ask_one
from chat.batches.lines import BadLine, Line, as_line, finished


@dataclass
class Report:
    """What came of a run."""

    states: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    cost: Decimal = Decimal(0)
    skipped: int = 0  # Finished by a run before this one.
    stopped: str = ""  # Why it ended early, in a sentence.


async def ask_all(
    lines: Sequence[Line],
    out: Path,
    asker: Asker,
    *,
    at_once: int,
    purse: Purse,
    tell: Callable[[dict[str, Any]], object],
    skipped: Callable[[int], object] = lambda number: None,
) -> Report:
    """Ask what is not answered yet. Each result is on the disk before it is told. Raises BadLine, OSError.

    An interrupt lets go of what is being asked and keeps what is done; `skipped` hears how much was done before.
    """
    report = Report()
    with _held(out):
        known = {result["id"] for result in finished(out)}
        todo = iter([line for line in lines if line.id not in known])
        report.skipped = sum(line.id in known for line in lines)
        skipped(report.skipped)
        with out.open("ab") as answers:
            await _until_interrupted(
                [_Worker(todo, asker, purse, answers, report, tell).run() for _ in range(at_once)], report
            )
    report.cost = purse.spent
    return report


@dataclass
class _Worker:
    todo: Iterator[Line]  # shared by all of them
    asker: Asker
    purse: Purse
    answers: BinaryIO
    report: Report
    tell: Callable[[dict[str, Any]], object]

    async def run(self) -> None:
        for line in self.todo:
            if self.report.stopped or not self.purse.take():
                self.report.stopped = self.report.stopped or (
                    f"Stopped at its cost: ${self.purse.spent:.4f} of ${self.purse.limit:.4f} are spent, and one more "
                    f"question may cost ${self.purse.each:.4f}."
                )
                return
            result = await ask_one(line, self.asker)
            self.purse.pay(result["cost"])
            self.answers.write(as_line(result))
            self.answers.flush()
            os.fsync(self.answers.fileno())
            self.report.states[result["state"]] += 1
            self.report.tokens.update(result["tokens"])
            self.tell(result)


async def _until_interrupted(jobs: Sequence[Any], report: Report) -> None:
    loop = asyncio.get_running_loop()
    tasks = [asyncio.ensure_future(job) for job in jobs]

    def interrupt() -> None:
        report.stopped = "Stopped by you. What is done is kept; the same command goes on."
        for task in tasks:
            task.cancel()

    with suppress(RuntimeError, ValueError):  # Signals reach the main thread alone.
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, interrupt)
    try:
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        with suppress(RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)
    for fault in ended:
        if isinstance(fault, Exception):
            raise fault


def _held(out: Path) -> BinaryIO:
    """A lock beside the answers: two runs that write to one file would ask everything twice."""
    lock = out.with_name(f".{out.name}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise BadLine(f"{out} is being written by another run.") from None
    return lock
