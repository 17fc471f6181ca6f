"""Doors for the worker."""

import logging
from collections.abc import Iterable
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError
from redis import RedisError

from chat import gaps
from chat.batches import working
from chat.models import Batch, Conversation, Message, PermissionProof, StoredResponse, Thread
from chat.permissions import running
from chat.proof import rechecking
from project.limits import connection

log = logging.getLogger(__name__)

ARRIVED, ARRIVE_S = "lectern:arrived", 5


@shared_task
def end_interrupted() -> None:
    Message.end_interrupted()


@shared_task
def sweep_conversations() -> None:
    """What was deleted and not brought back goes for good."""
    Conversation.objects.sweep()


@shared_task
def work_batch(batch_id: str) -> None:
    """Answer a few questions of a batch, and ask for the next turn."""
    batch = Batch.objects.select_related("owner").filter(pk=batch_id).first()
    if batch is not None and working.work(batch):
        working.send(batch.pk)


@shared_task
def sweep_batches() -> None:
    working.sweep()


@shared_task
def sweep_responses() -> None:
    """Every night: responses and conversations that no program may go on from any more are deleted."""
    StoredResponse.objects.outdated().delete()
    Thread.objects.outdated().delete()


@shared_task
def prove_permissions(proof_id: int) -> None:
    proof = PermissionProof.objects.filter(pk=proof_id).first()
    if proof is not None:
        running.run(proof)


@shared_task
def recheck(document_ids: list[str] | None = None) -> None:
    """Look again at kept answers that cite these documents; without any, at whatever was not looked at yet."""
    rechecking.recheck([UUID(pk) for pk in document_ids] if document_ids is not None else None)


@shared_task
def look_again() -> None:
    """What nobody could answer is searched for again; whoever asked is told where the answer stands now."""
    gaps.look_again()


def documents_arrived(**_: object) -> None:
    """What the library tells. Of those that come together the first has all of them searched, seconds later."""
    try:
        if connection().set(ARRIVED, 1, nx=True, ex=ARRIVE_S):
            look_again.apply_async(countdown=ARRIVE_S, retry=False)
    except (OperationalError, RedisError) as exc:
        log.warning("the queue does not answer, open questions are looked at later: %s", exc)


def documents_changed(documents: Iterable[UUID], **_: object) -> None:
    """What the library tells. When the queue does not answer, the next sweep finds it."""
    try:
        recheck.apply_async([[str(pk) for pk in documents]], retry=False)
    except OperationalError as exc:
        log.warning("the queue does not answer, kept answers are looked at later: %s", exc)
