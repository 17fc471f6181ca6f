"""Doors for the worker."""

from celery import shared_task

from chat.models import Message


@shared_task
def end_interrupted() -> None:
    Message.end_interrupted()
