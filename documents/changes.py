"""Tell whoever listens that what documents say has changed: a newer version can be found, or they were deleted.

And that one has come that can be found, or that somebody was let in who could not find it before.
"""

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

changed = Signal()  # documents: the ids of those that were replaced or deleted
arrived = Signal()  # documents: the ids of those that can be found from now on
opened = Signal()  # somebody may read what they could not read before


def tell_opened() -> None:
    transaction.on_commit(partial(opened.send_robust, sender=None))


def tell(documents: Iterable[UUID], signal: Signal = changed) -> None:
    """When the transaction has been written. A listener that fails is noted in the log and stops nothing."""
    if ids := list(documents):
        transaction.on_commit(partial(signal.send_robust, sender=None, documents=ids))
