"""Tell whoever listens that what documents say has changed: a newer version can be found, or they were deleted."""

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

changed = Signal()  # documents: the ids of those that were replaced or deleted


def tell(documents: Iterable[UUID]) -> None:
    """When the transaction has been written. A listener that fails is noted in the log and stops nothing."""
    if ids := list(documents):
        transaction.on_commit(partial(changed.send_robust, sender=None, documents=ids))
