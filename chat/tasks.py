"""Doors for the worker."""

from celery import shared_task

from chat.batches import working
from chat.models import Batch, Conversation, Message


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
