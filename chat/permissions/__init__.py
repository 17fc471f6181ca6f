"""The permission proof: whether words reach exactly those who may read them, tried and not argued.

People of every role and documents with words of their own are made, everybody tries every way to every word, and all
of it is removed again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from chat.permissions.paths import WITHIN, Path, door_paths
from chat.permissions.world import Canary, Prober, ProofError, World, remove, world
from project.background import Told

__all__ = ["ProofError", "Report", "Size", "Told", "prove", "remove"]

LEAKS_TOLD = 50


@dataclass(frozen=True)
class Size:
    collections: int = 10
    documents: int = 10  # in each
    readers: int = 5  # in each


@dataclass
class Count:
    probes: int = 0
    reached: int = 0
    leaks: int = 0
    missed: int = 0


@dataclass
class Report:
    """What came of it. A leak is a word that reached somebody who may not read it; missed, one that did not reach
    somebody who may, on a way on which it must."""

    counts: dict[tuple[str, str], Count] = field(default_factory=lambda: defaultdict(Count))
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0

    def note(self, path: Path, who: Prober, canary: Canary, is_reached: bool) -> None:
        role = "asker" if canary.answer and who.name in canary.readers else who.role(canary.collection)
        count = self.counts[path.name, role]
        may = who.name in canary.readers and who.kind != "revoked key"
        count.probes += 1
        count.reached += is_reached and may
        count.missed += may and not is_reached and path.is_whole
        if is_reached and not may:
            count.leaks += 1
            if len(self.leaks) < LEAKS_TOLD:
                self.leaks.append(f"{path.name}: {role} was given a word of {canary.seal}")

    def total(self, name: str) -> int:
        return sum(getattr(count, name) for count in self.counts.values())

    @property
    def is_clean(self) -> bool:
        return not self.total("leaks") and not self.total("missed")

    def as_json(self) -> dict[str, Any]:
        rows = [{"path": path, "role": role, **vars(count)} for (path, role), count in self.counts.items()]
        totals = {name: self.total(name) for name in ("probes", "reached", "leaks", "missed")}
        return {**totals, "seconds": round(self.seconds, 1), "told": self.leaks, "rows": rows}


def prove(size: Size = Size(), told: Told = lambda done, total: None) -> Report:
    """Try everything, and remove what it took. Raises ProofError where the canaries cannot be made."""
    clock, report = time.monotonic(), Report()
    within, door = WITHIN, door_paths()
    canaries = size.collections * size.documents
    with world(size.collections, size.documents, size.readers, lambda n: told(n, 4 * canaries)) as made:
        rounds = [(path, who) for path in within for who in _callers(made, path) if who.kind != "revoked key"]
        by_key = {"narrowed key", "revoked key"}  # They narrow and close calls, and not the pages of their person.
        rounds += [
            (path, who) for path in door for who in _callers(made, path) if path.by_key or who.kind not in by_key
        ]
        for number, (path, who) in enumerate(rounds, 1):
            for canary, is_reached in path.tried(made, who):
                report.note(path, who, canary, is_reached)
            told(canaries + 3 * canaries * number // len(rounds), 4 * canaries)
    report.seconds = time.monotonic() - clock
    return report


def _callers(made: World, path: Path) -> list[Prober]:
    """Everybody, or one of each role."""
    if path.is_for_all:
        return made.probers
    first: dict[str, Prober] = {}
    for who in made.probers:
        first.setdefault(who.kind, who)
    return list(first.values())
