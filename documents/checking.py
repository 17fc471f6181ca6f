"""A consistency check as it is asked for, made and kept: by the console, at night, and by the command."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from documents.consistency import faults, mend
from documents.models import ConsistencyCheck
from project.background import Told

log = logging.getLogger(__name__)

FOUND_KEPT = 200


def work(check: ConsistencyCheck) -> None:
    """Look at everything, mend it if that is wanted, and keep what came of it."""

    def looked(told: Told) -> dict[str, Any]:
        found = list(faults(told=told))
        ends = []
        for number, fault in enumerate(found, 1):
            ends.append(mend(fault) if check.mends else "")
            log.error("inconsistent %s: %s %s", fault.kind, fault.what, ends[-1])
            told(number, len(found))
        kept = [
            {"kind": fault.kind, "what": fault.what, "end": end}
            for fault, end in zip(found[:FOUND_KEPT], ends, strict=False)
        ]
        return {
            "counts": Counter(fault.kind for fault in found),
            "mended": sum(end == "mended" for end in ends),
            "found": kept,
        }

    check.run(looked)
