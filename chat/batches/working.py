"""Batches that workers answer, a few questions at a time, between other work.

Postgres says what is to be done. An item is claimed with a lease; its result is kept by whoever still holds it, so one
whose worker was killed is asked again and none has two results.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from chat.batches.asking import BUSY, Asker, ask_one, cost_most
from chat.batches.lines import Line
from chat.models import Batch, BatchItem
from project.celery import app
from project.deployments import UNUSABLE, chosen

log = logging.getLogger(__name__)

AT_ONCE = 4
ATTEMPTS = 5
BUSY_S = 30
ENDS = {
    "answered": BatchItem.State.DONE,
    "refused": BatchItem.State.REFUSED,
    "failed": BatchItem.State.FAILED,
}


def begin(owner: User, name: str, lines: Sequence[Line], *, deployment: str, limit_cost: Decimal | None) -> Batch:
    with transaction.atomic():
        batch = Batch.objects.create(owner=owner, name=name[:200], deployment=deployment, limit_cost=limit_cost)
        BatchItem.objects.bulk_create(
            (
                BatchItem(
                    batch=batch, position=place, key=line.id, question=line.question, collections=line.collections
                )
                for place, line in enumerate(lines, 1)
            ),
            batch_size=1_000,
        )
        transaction.on_commit(lambda: send(batch.pk))
    return batch


def send(batch_id: UUID) -> None:
    """Ask a worker to go on. When the broker is gone the sweep does it later."""
    try:
        app.send_task("chat.tasks.work_batch", args=[str(batch_id)], retry=False)
    except OperationalError as exc:
        log.warning("the queue does not answer, the sweep will send batch %s again: %s", batch_id, exc)


def sweep() -> None:
    """Send again what nobody is at work on."""
    for batch in Batch.objects.filter(state=Batch.State.RUNNING):
        if not batch.settle() and batch.items.waiting().exists() and not _in_hand(batch):
            send(batch.pk)


def work(batch: Batch) -> bool:
    """Answer a few questions; True when there are more that this worker may go on with."""
    if not batch.owner.is_active:
        batch.end(Batch.State.CANCELED)
        return False
    try:
        deployment = chosen(batch.deployment)
    except UNUSABLE as exc:
        log.error("batch %s waits: %s", batch.pk, exc)
        return False
    items = _claimed(batch, cost_most(deployment) or Decimal(0))
    if not items:
        batch.settle()
        return False
    asker = Asker(batch.owner, deployment)
    results = async_to_sync(_asked)(items, asker)
    for item, result in zip(items, results, strict=True):
        _end(item, result)
    return not batch.settle() and batch.items.waiting().exists()


def _claimed(batch: Batch, each: Decimal) -> list[BatchItem]:
    """The next few, as far as money and other workers leave room. An item that ended its workers is given up."""
    with transaction.atomic():
        held = Batch.objects.select_for_update().get(pk=batch.pk)
        if held.settle():
            batch.state = held.state
            return []
        in_hand = _in_hand(held)
        room = AT_ONCE - in_hand
        if held.limit_cost is not None and each:
            untold = held.items.exclude(ended_at=None).filter(cost=None).count()  # They count as the dearest.
            affordable = int((held.limit_cost - held.cost - (in_hand + untold) * each) / each)
            if affordable <= 0 and not in_hand:
                held.end(Batch.State.CAPPED)
            room = min(room, affordable)
        items = held.items.claim(room) if room > 0 and held.is_running else []
    batch.state = held.state
    for item in [item for item in items if item.attempt > ATTEMPTS]:
        reason = f"It was begun {ATTEMPTS} times, and its worker ended each time."
        item.end(BatchItem.State.FAILED, {"id": item.key, "state": "failed", "error": {"reason": reason}}, None)
        items.remove(item)
    return items


def _in_hand(batch: Batch) -> int:
    return batch.items.filter(state=BatchItem.State.ASKING, lease_until__gt=timezone.now()).count()


async def _asked(items: Sequence[BatchItem], asker: Asker) -> list[dict[str, Any] | BaseException]:
    lines = [Line.model_construct(id=item.key, question=item.question, collections=item.collections) for item in items]
    return await asyncio.gather(*(ask_one(line, asker) for line in lines), return_exceptions=True)


def _end(item: BatchItem, result: dict[str, Any] | BaseException) -> None:
    if isinstance(result, BaseException):
        log.error("batch item %s failed", item.pk, exc_info=result)
        reason = "Something went wrong here while answering. It has been noted."
        result = {"id": item.key, "state": "failed", "error": {"code": "internal", "reason": reason}}
    is_busy = (result.get("error") or {}).get("code") in BUSY
    if is_busy and item.attempt < ATTEMPTS:
        item.put_off(BUSY_S)
        return
    cost = result.get("cost")
    item.end(ENDS[result["state"]], result, None if cost is None else Decimal(str(cost)))
