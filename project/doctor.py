"""Whether everything Lectern stands on answers: the machine's own parts and every service, each asked once.

An app adds its own by a function of probes, named in settings.PROBES. All are asked at once, and none is waited for
longer than TIME_S; a secret is never shown, only whether there is one.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.utils.module_loading import import_string
from psycopg_pool import PoolTimeout
from redis import RedisError

from project.catalogue import retirement_warning
from project.deployments import Connection, Deployment, DeploymentsError, deployments
from project.limits import connection as redis_connection
from project.parameters import Wanted
from project.provider import ProviderError
from project.provider.calls import Call, stream
from project.spending import Payer
from project.workers import scheduler_silent_s, why_nobody_works, workers

log = logging.getLogger(__name__)

TIME_S = 4.5
SCHEDULER_LATE_S = 90  # It sends something every 15 s.
SCARCE_BYTES = 2 * 10**9

NOBODY_WORKS = (
    "Start one: celery -A project worker. With manage.py start it is started again by itself, and log/worker.log "
    "in the data folder says why it ended."
)
LOOK_AT_SETTINGS = "Look at its address, its key and its name in the settings. Answers without a model go on."

State = Literal["good", "caution", "bad", "none"]


@dataclass(frozen=True)
class Finding:
    """What came of a probe. `none` is a part that is not set up, and need not be."""

    state: State
    reason: str = ""
    took_ms: int | None = None
    advice: str = ""  # What to do about it.


@dataclass(frozen=True)
class Probe:
    """Something that can be asked whether it works. `ask` answers within `seconds`, or is not waited for."""

    group: str
    name: str
    about: str  # Where it is and what it is, without secrets.
    ask: Callable[[float], Finding]
    is_dear: bool = False  # Asking costs tokens, or seconds: no page does it again and again.


@dataclass(frozen=True)
class Examined:
    probe: Probe
    finding: Finding


def examine(*, spares: bool = False) -> list[Examined]:
    """Every probe with its finding, in their order, in less than five seconds; `spares` leaves out the dear ones."""
    known = [each for path in settings.PROBES for each in import_string(path)()]
    probes = [each for each in known if not (spares and each.is_dear)]
    pool = ThreadPoolExecutor(max(1, len(probes)), thread_name_prefix="doctor")
    asked = {each: pool.submit(_ask, each) for each in probes}
    done, _ = wait(asked.values(), timeout=TIME_S)
    pool.shutdown(wait=False, cancel_futures=True)
    late = Finding("bad", f"No answer within {TIME_S} s.")
    return [Examined(each, future.result() if future in done else late) for each, future in asked.items()]


def _ask(each: Probe) -> Finding:
    began = time.monotonic()
    try:
        finding = each.ask(TIME_S - 0.5)
    except Exception:
        log.exception("probe_failed %s", each.name)
        finding = Finding("bad", "The check itself failed; the log says how.")
    finally:
        close_old_connections()
    return replace(finding, took_ms=round((time.monotonic() - began) * 1000))


# This machine, and what runs on it -----------------------------------------------------------------------------------
def probes() -> Iterator[Probe]:
    machine = "This machine"
    yield Probe(
        machine, "Database", "embedded" if settings.EMBEDDED_POSTGRES else _host(settings.DATABASE_URL), _database
    )
    yield Probe(machine, "Redis", "embedded" if settings.EMBEDDED_REDIS else _host(settings.REDIS_URL), _redis)
    yield Probe(machine, "Workers", "reads and builds in the background", _workers)
    yield Probe(machine, "Scheduler", "sends the regular work", _scheduler)
    yield Probe(machine, "Storage", str(settings.DATA_DIR), _storage)
    try:
        known = deployments()
    except DeploymentsError as exc:
        sentence = str(exc)
        yield Probe("Models", "Deployments", "the operator's file", lambda _: Finding("bad", sentence))
        return
    if not known:
        yield Probe("Models", "Language model", "answers are sentences of the documents", _no_model)
    for deployment in known.values():
        yield Probe("Models", deployment.name, about(deployment), _asking(deployment), is_dear=True)


def _database(seconds: float) -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, PoolTimeout) as exc:
        said = f"It does not answer ({type(exc).__name__})."
        return Finding("bad", said, advice="Look whether Postgres runs, and whether DATABASE_URL names it.")
    return Finding("good")


def _redis(seconds: float) -> Finding:
    try:
        redis_connection().ping()
    except RedisError as exc:
        said = f"It does not answer ({type(exc).__name__})."
        advice = "Look whether Redis runs, and whether REDIS_URL names it. What was taken in is read when it is back."
        return Finding("bad", said, advice=advice)
    return Finding("good")


def _workers(seconds: float) -> Finding:
    if sentence := why_nobody_works():
        return Finding("caution", sentence, advice=NOBODY_WORKS)
    known = workers()
    alive = [each for each in known if each.is_alive]
    if alive != known:
        advice = "Another takes up what a silent worker had in hand; the overview leads to its last lines."
        return Finding("caution", f"{len(alive)} of {len(known)} alive.", advice=advice)
    return Finding("good", f"{len(alive)} of {len(known)} alive.")


def _scheduler(seconds: float) -> Finding:
    try:
        silent_s = scheduler_silent_s()
    except RedisError as exc:
        return Finding("bad", f"Redis does not answer ({type(exc).__name__}).")
    if silent_s is None or silent_s > SCHEDULER_LATE_S:
        said = "It sends no regular work: what a worker leaves behind is not taken up."
        return Finding("caution", said, advice="Start one: celery -A project beat. With manage.py start it runs along.")
    return Finding("good", f"{silent_s:.0f} s ago.")


def _storage(seconds: float) -> Finding:
    free = shutil.disk_usage(settings.DATA_DIR).free
    said = f"{free / 10**9:,.0f} GB free."
    if free < SCARCE_BYTES:
        return Finding("caution", said, advice="Make room on the disk of the data folder: full, it takes no file in.")
    return Finding("good", said)


def _no_model(seconds: float) -> Finding:
    return Finding("none", "None is set up: OPENAI_CHAT_MODEL, AZURE_OPENAI_CHAT_DEPLOYMENT or LECTERN_DEPLOYMENTS.")


def _asking(deployment: Deployment) -> Callable[[float], Finding]:
    def ask(seconds: float) -> Finding:
        try:
            asyncio.run(_first_words(deployment, seconds))
        except ProviderError as exc:
            return Finding("bad", str(exc), advice=LOOK_AT_SETTINGS)
        except TimeoutError:
            return Finding("bad", f"No answer within {seconds:.0f} s.", advice=LOOK_AT_SETTINGS)
        warning = retirement_warning(deployment.base, date.today())
        return Finding("caution", warning) if warning else Finding("good")

    return ask


async def _first_words(deployment: Deployment, seconds: float) -> None:
    """Have it say something, as cheaply as may be. Another deployment's answer would tell nothing of this one."""
    wanted = Wanted([{"role": "user", "content": "Answer with one word: ready"}], max_output_tokens=16, stream=True)
    call = Call(replace(deployment, fallback=""), wanted, Payer("probe"), patience_s=seconds)
    async with asyncio.timeout(seconds), aclosing(stream(call)) as pieces:
        async for _ in pieces:
            pass


def about(deployment: Deployment) -> str:
    """Where a deployment is and what it is, for a person; no part of its key.

    "Azure OpenAI at desk.openai.azure.com, v1, signed in by key: gpt-5-mini as “desk”, by Responses"
    """
    connection = deployment.connection
    version = f", {connection.api_version}" if connection.api_version else ""
    base = deployment.base.name if deployment.base.name != "unknown" else "a model the catalogue does not know"
    way = "Responses" if deployment.api == "responses" else "Chat Completions"
    return (
        f"{_service(connection)} at {_host(connection.endpoint)}{version}, {_sign_in(connection)}: "
        f"{base} as “{deployment.model}”, by {way}"
    )


def _service(connection: Connection) -> str:
    return {"azure": "Azure OpenAI", "openai": "OpenAI", "compatible": "A server like OpenAI's"}[connection.kind]


def _sign_in(connection: Connection) -> str:
    if connection.key:
        return "signed in by key"
    return "signed in by the identity of the process" if connection.kind == "azure" else "without a key"


def _host(address: str) -> str:
    """Only host and port: an address may hold a password."""
    parts = urlsplit(address)
    return f"{parts.hostname or '?'}{f':{parts.port}' if parts.port else ''}"


def verdict(found: Sequence[Examined]) -> str:
    """The first thing a page or a command says."""
    bad = sum(each.finding.state == "bad" for each in found)
    unsure = sum(each.finding.state == "caution" for each in found)
    if bad:
        return "One part does not work." if bad == 1 else f"{bad} parts do not work."
    if unsure:
        wants = "One part wants a look." if unsure == 1 else f"{unsure} parts want a look."
        return f"Lectern is working. {wants}"
    return "Lectern is working."
