"""A permission proof as it is asked for, made and kept: by the console and by `manage.py prove_permissions`."""

from __future__ import annotations

import logging
from typing import Any

from chat.models import PermissionProof
from chat.permissions import ProofError, Size, Told, prove
from documents.search import SearchError

log = logging.getLogger(__name__)


def run(proof: PermissionProof, size: Size = Size(), told: Told = lambda done, total: None) -> None:  # noqa: B008
    """Make it, and keep the report or why there is none."""

    def made(told: Told) -> dict[str, Any]:
        report = prove(size, told)
        for leak in report.leaks:
            log.error("permission proof: %s", leak)
        return {"report": report.as_json()}

    proof.run(made, (ProofError, SearchError), told)
