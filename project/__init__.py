"""The ground floor: how Lectern runs, whom it talks to, what it costs, who may call."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
