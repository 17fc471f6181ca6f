"""A permission proof as it is asked for, made and kept: by the console and by `manage.py prove_permissions`."""

from __future__ import annotations

import logging
import time

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from chat.models import PermissionProof
from chat.permissions import ProofError, Size, Told, prove
from documents.search import SearchError
from project.audit import audit
from project.celery import app

log = logging.getLogger(__name__)

EVERY_S = 1.0  # between two notes of the progress
BUSY = "Another proof is under way. Wait until it has ended."
LOST = "A fault of Lectern's own; it is noted in the log."


def ask_for(user: User) -> PermissionProof:
    """A worker makes it; the one that waits or runs already, if there is one."""
    PermissionProof.give_up()
    with transaction.atomic():
        if under_way := PermissionProof.objects.filter(state__in=PermissionProof.OPEN).first():
            return under_way
        proof = PermissionProof.objects.create(asked_by=user)
        audit("permissions.prove", proof)
        transaction.on_commit(lambda: _send(proof))
    return proof


def _send(proof: PermissionProof) -> None:
    try:
        app.send_task("chat.tasks.prove_permissions", args=[proof.pk], retry=False)
    except OperationalError as exc:
        log.warning("the queue does not answer, proof %s is not made: %s", proof.pk, exc)
        proof.end(PermissionProof.State.FAILED, error="The queue does not answer. Try again when it is back.")


def run(proof: PermissionProof, size: Size = Size(), told: Told = lambda done, total: None) -> None:  # noqa: B008
    """Make it, and keep the report or why there is none."""
    PermissionProof.give_up()
    try:
        with transaction.atomic():
            if not proof.claim():
                return
    except IntegrityError:
        proof.end(PermissionProof.State.FAILED, error=BUSY)
        return
    noted = time.monotonic()

    def note(done: int, total: int) -> None:
        nonlocal noted
        told(done, total)
        if time.monotonic() - noted > EVERY_S:
            proof.tell(done, total)
            noted = time.monotonic()

    try:
        report = prove(size, note)
    except (ProofError, SearchError) as exc:
        proof.end(PermissionProof.State.FAILED, error=str(exc)[:500])
    except Exception:
        log.exception("the permission proof failed")
        proof.end(PermissionProof.State.FAILED, error=LOST)
    else:
        for leak in report.leaks:
            log.error("permission proof: %s", leak)
        proof.end(PermissionProof.State.DONE, report=report.as_json())
    finally:
        PermissionProof.objects.filter(pk=proof.pk, state=PermissionProof.State.RUNNING).update(
            state=PermissionProof.State.FAILED, finished_at=timezone.now(), error="It was stopped. Try again."
        )
