"""Two thousand calls of fifty programs in a minute: errors, how long each kind takes, and whether each gets its share.

No language model is set up, so what is measured is Lectern's own part. `python -m tests.bench_api` runs it alone.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import httpx2

from tests.stack import Stack

CLIENTS, CALLS, SECONDS = 50, 2_000, 60.0
KINDS = {  # What a program mostly does, and how often of ten times.
    "search": 5,
    "list documents": 2,
    "what happened": 2,
    "ask (extractive)": 1,
}
KEYS = f"""
from project.accounts import local_admin
from project.models import ApiKey
for _ in range({CLIENTS}):
    print(ApiKey.create(local_admin())[1])
"""
RULES = "# House rules\n\nThe rent is due on the third working day of the month.\n\n"
QUESTION = "When is the rent due?"


@dataclass(frozen=True)
class Call:
    client: int
    kind: str
    seconds: float
    status: int  # 0: no answer


def bench_api() -> None:
    with Stack() as lectern:
        for number in range(20):
            text = f"{RULES}House number {number} has {number + 2} floors and a cellar.\n".encode()
            lectern.ended(lectern.upload(text, f"house-{number}.md"))
        keys = lectern.manage("shell", "-c", KEYS).split()[-CLIENTS:]
        report(asyncio.run(everybody(f"http://127.0.0.1:{lectern.port}", keys)))


async def everybody(address: str, keys: list[str]) -> list[Call]:
    """Each program calls at its own pace, so that together they spread over a minute, and waits for its answer."""
    limits = httpx2.Limits(max_connections=CLIENTS)
    async with httpx2.AsyncClient(base_url=address, timeout=60, limits=limits) as http:
        for kind in KINDS:  # What is loaded once is not what is measured.
            await one(http, 0, keys[0], kind)
        done = await asyncio.gather(*(program(http, number, key) for number, key in enumerate(keys)))
    return [call for calls in done for call in calls]


async def program(http: httpx2.AsyncClient, number: int, key: str) -> list[Call]:
    chance, each = random.Random(number), CALLS // CLIENTS
    begun, done = time.monotonic(), []
    for turn in range(each):
        due = begun + (turn + chance.random()) * SECONDS / each
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        done.append(await one(http, number, key, kind))
    return done


async def one(http: httpx2.AsyncClient, number: int, key: str, kind: str) -> Call:
    headers = {"api-key": key}
    begun = time.perf_counter()
    try:
        if kind == "search":
            response = await http.post("/api/search", json={"query": QUESTION, "top": 5}, headers=headers)
        elif kind == "list documents":
            response = await http.get("/api/documents?limit=20", headers=headers)
        elif kind == "what happened":
            response = await http.get("/api/events?limit=50", headers=headers)
        else:
            body = {"model": "default", "messages": [{"role": "user", "content": QUESTION}]}
            response = await http.post("/v1/chat/completions", json=body, headers=headers)
        status = response.status_code
    except httpx2.HTTPError:
        status = 0
    return Call(number, kind, time.perf_counter() - begun, status)


def report(calls: list[Call]) -> None:
    print(f"\nAPI: {len(calls):,} calls of {CLIENTS} programs in {SECONDS:.0f} s")
    print(
        "  answers:", ", ".join(f"{status} × {count:,}" for status, count in Counter(c.status for c in calls).items())
    )
    of_kind, of_client = defaultdict(list), defaultdict(list)
    for call in calls:
        of_kind[call.kind].append(call.seconds * 1000)
        of_client[call.client].append(call.seconds * 1000)
    for kind, times in {**of_kind, "all": [call.seconds * 1000 for call in calls]}.items():
        print(f"  {kind:<18} {len(times):>5,}  p50 {statistics.median(times):7.1f} ms  p95 {p95(times):7.1f} ms")
    medians = sorted(statistics.median(times) for times in of_client.values())
    share = f"{min(map(len, of_client.values()))} to {max(map(len, of_client.values()))} calls each"
    print(f"  fair: {share}, medians of the programs {medians[0]:.1f} to {medians[-1]:.1f} ms")


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


if __name__ == "__main__":
    bench_api()
